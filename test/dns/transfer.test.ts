/** The zone at servers that others wrote: NSD takes it by AXFR and answers for it; the signatures it was given are right. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { atoll, RunningCommand } from "../lab/lab-process.ts";
import { dig } from "../support/dig.ts";
import { freePort } from "../support/free-port.ts";
import { type DnsNode, startDnsNode } from "./dns-node.ts";

const run = promisify(execFile);
let node: DnsNode;
let nsd: RunningCommand;
let port = 0;

before(async () => {
  port = await freePort();
  node = await startDnsNode(() => ["transfer: [127.0.0.1/32]", `notify: ["127.0.0.1:${port}"]`]);
  const file = join(node.dir, "nsd.conf");
  writeFileSync(
    file,
    `server:
  ip-address: 127.0.0.1
  port: ${port}
  username: ""
  chroot: ""
  zonesdir: "${node.dir}"
  database: ""
  zonelistfile: "${join(node.dir, "zone.list")}"
  xfrdfile: "${join(node.dir, "xfrd.state")}"
  xfrdir: "${node.dir}"
  pidfile: "${join(node.dir, "nsd.pid")}"
  verbosity: 2
  xfrd-reload-timeout: 0
remote-control:
  control-enable: no
zone:
  name: zone.test
  request-xfr: 127.0.0.1@${node.port} NOKEY
  allow-notify: 127.0.0.1 NOKEY
`,
  );
  nsd = new RunningCommand(["-d", "-c", file], {}, "nsd");
  await untilAt("SOA of the first", async () => (await soaAt(port)) !== "");
});
after(async () => {
  nsd.child.kill("SIGTERM");
  await nsd.ended;
  await node[Symbol.asyncDispose]();
});

async function untilAt(what: string, holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) {
    assert.equal(nsd.child.exitCode, null, `${what}: ${nsd.stderr}`);
    await pause(100);
  }
}

async function soaAt(at: number): Promise<string> {
  return (await dig(at, "zone.test", "SOA", "+norec")).answers[0] ?? "";
}

test("a whole zone goes to who may have it, over TCP, the same each time, and to nobody else", async () => {
  const { stdout } = await run("dig", [
    ..."@127.0.0.1 +noidnout +onesoa zone.test AXFR".split(" "),
    "-p",
    String(node.port),
  ]);
  const file = join(node.dir, "axfr.zone");
  writeFileSync(file, stdout);
  assert.match(stdout, /XFR size: \d+ records \(messages \d/);
  const { stdout: verified } = await run("ldns-verify-zone", [file]);
  assert.match(verified, /Zone is verified and complete/);
  assert.match((await dig(node.port, "zone.test", "IXFR=1")).text, /XFR size|IN\s+SOA[^]*IN\s+SOA/);
  assert.match((await dig(node.port, "www.zone.test", "AXFR")).text, /Transfer failed/);
  const { stdout: elsewhere } = await run("dig", [
    ..."@127.0.0.1 -b 127.0.0.2 zone.test AXFR".split(" "),
    "-p",
    String(node.port),
  ]).catch((failure: { stdout: string }) => failure);
  assert.match(elsewhere, /Transfer failed/);
});

test("a secondary answers as we do, for those that are told nothing of their place", async () => {
  const questions: [string, string][] = [
    ["zone.test", "SOA"],
    ["app.zone.test", "A"],
    ["app.zone.test", "AAAA"],
    ["old.zone.test", "A"],
    ["x.any.zone.test", "A"],
    ["www.zone.test", "A"],
    ["x.wild.zone.test", "TXT"],
    ["mixedcase.zone.test", "MX"],
    ["zone.test", "DNSKEY"],
  ];
  for (const [name, type] of questions) {
    const words = [name, type, "+dnssec", "+norec"];
    const [ours, theirs] = [await dig(node.port, ...words), await dig(port, ...words)];
    const said = ({ answers }: typeof ours): string[] =>
      answers
        .map((line) =>
          line
            .toLowerCase()
            .replace(/ \d+ in /, " in ")
            .replace(/(rrsig \w+ 13 \d+) .*/, "$1"),
        )
        .toSorted();
    assert.deepEqual(said(theirs), said(ours), `${name} ${type}`);
    assert.equal(theirs.status, ours.status);
  }
  assert.equal((await dig(port, "nobody.zone.test", "A")).status, "NXDOMAIN");
});

test("what changes is told to the secondary, and is there under a later serial", async () => {
  const earlier = await soaAt(port);
  const weighed = await atoll("route", "serve", "eu", "--weight", "0", "--url", node.url);
  assert.equal(weighed.code, 0, weighed.stderr);
  await untilAt("the other region", async () => {
    const { answers } = await dig(port, "app.zone.test", "A", "+norec");
    return answers.some((line) => line.endsWith(" 198.51.100.1"));
  });
  const serial = (line: string): number => Number(line.split(" ")[6]);
  assert.ok(serial(await soaAt(port)) > serial(earlier));
  // What the region that is left lacks is gone, and proved to be.
  const none = await dig(port, "app.zone.test", "AAAA", "+dnssec", "+norec");
  assert.match(none.text, /app\.zone\.test\.\s+\d+\s+IN\s+NSEC\s+\S+ A RRSIG NSEC\n/);
});
