/** The signatures of a zone, judged by validators that others wrote: delv and unbound. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { dig, kdig } from "../support/dig.ts";
import { RunningCommand } from "../lab/lab-process.ts";
import { freePort } from "../support/free-port.ts";
import { type DnsNode, startDnsNode } from "./dns-node.ts";

const run = promisify(execFile);
let node: DnsNode;
let anchor = "";

before(async () => {
  node = await startDnsNode();
  const [flags, protocol, algorithm, ...key] = node.key.split(" ").slice(3);
  anchor = join(node.dir, "anchor.conf");
  const words = [flags, protocol, algorithm, `"${key.join("")}"`].join(" ");
  writeFileSync(anchor, `trust-anchors { "zone.test." static-key ${words}; };\n`);
});
after(() => node[Symbol.asyncDispose]());

/** What delv says about a name once it has looked at the signatures. */
async function delv(...words: string[]): Promise<string> {
  const base = ["@127.0.0.1", "-p", String(node.port), "-a", anchor, "+root=zone.test."];
  const { stdout, stderr } = await run("delv", [...base, ...words]).catch(
    (failure: { stdout: string; stderr: string }) => failure,
  );
  return stdout + stderr;
}

const PRESENT: [string, string, RegExp][] = [
  ["zone.test", "SOA", /IN\s+SOA/],
  ["zone.test", "NS", /ns1\.zone\.test/],
  ["zone.test", "DNSKEY", /DNSKEY\s+257 3 13/],
  ["zone.test", "CDS", /CDS\s+\d+ 13 2/],
  ["app.zone.test", "A", /192\.0\.2\.1\n/],
  ["app.zone.test", "AAAA", /2001:db8::1\n/],
  [
    "both.zone.test",
    "A",
    /192\.0\.2\.1\n[^]*198\.51\.100\.1\n|198\.51\.100\.1\n[^]*192\.0\.2\.1\n/,
  ],
  ["old.zone.test", "A", /198\.51\.100\.1\n/],
  ["some.any.zone.test", "A", /198\.51\.100\.1\n/],
  ["www.zone.test", "A", /CNAME[^]*192\.0\.2\.1\n/],
  ["mixedcase.zone.test", "MX", /10 mail\.zone\.test/i],
  ["MIXEDCASE.zone.test", "MX", /10 mail\.zone\.test/i],
  ["txt.zone.test", "TXT", /"one; two" "three"/],
  ["x.wild.zone.test", "A", /192\.0\.2\.10\n/],
  ["y.x.wild.zone.test", "TXT", /"wild"/],
  ["*.wild.zone.test", "A", /192\.0\.2\.10\n/],
  ["safe.zone.test", "DS", /4711 13 2/],
  ["big.zone.test", "TXT", /a text of some length/],
  ["wild.zone.test", "NSEC", /NSEC/],
];

test("what there is is found to be signed as it should, by delv", async () => {
  for (const [name, type, wanted] of PRESENT.slice(0, -1)) {
    const said = await delv(name, type);
    assert.match(said, /^; fully validated/m, `${name} ${type}: ${said}`);
    assert.match(said, wanted, `${name} ${type}: ${said}`);
  }
});

const ABSENT: [string, string, RegExp][] = [
  ["nobody.zone.test", "A", /ncache nxdomain/],
  ["0.zone.test", "A", /ncache nxdomain/],
  ["zzz.zone.test", "A", /ncache nxdomain/],
  ["a.b.c.nobody.zone.test", "MX", /ncache nxdomain/],
  ["x.txt.zone.test", "A", /ncache nxdomain/],
  ["other.er.down.zone.test", "A", /ncache nxdomain/],
  ["\\255\\001.zone.test", "A", /ncache nxdomain/],
  ["txt.zone.test", "A", /ncache nxrrset/],
  ["er.down.zone.test", "A", /ncache nxrrset/],
  ["down.zone.test", "TXT", /ncache nxrrset/],
  ["wild.zone.test", "A", /ncache nxrrset/],
  ["x.wild.zone.test", "MX", /ncache nxrrset/],
  ["zone.test", "A", /ncache nxrrset/],
  ["app.zone.test", "MX", /ncache nxrrset/],
  ["old.zone.test", "AAAA", /ncache nxrrset/],
  ["some.any.zone.test", "AAAA", /ncache nxrrset/],
  ["sub.zone.test", "DS", /ncache nxrrset/],
];

test("what there is not is proved not to be there, to delv", async () => {
  for (const [name, type, wanted] of ABSENT) {
    const said = await delv(name, type);
    assert.match(said, /negative response, fully validated/, `${name} ${type}: ${said}`);
    assert.match(said, wanted, `${name} ${type}: ${said}`);
  }
});

test("delv would say so if a signature were by another key", async () => {
  const other = join(node.dir, "other.conf");
  const key = Buffer.alloc(64, 7).toString("base64");
  writeFileSync(other, `trust-anchors { "zone.test." static-key 257 3 13 "${key}"; };\n`);
  const right = anchor;
  anchor = other;
  try {
    assert.doesNotMatch(await delv("app.zone.test", "A"), /^; fully validated/m);
  } finally {
    anchor = right;
  }
});

test("signatures go to who asks for them, over UDP as far as they fit", async () => {
  const plain = await dig(node.port, "app.zone.test");
  assert.deepEqual(plain.answers, ["app.zone.test. 10 IN A 192.0.2.1"]);
  assert.ok(!plain.flags.includes("ad"));
  const signed = await kdig(node.port, "app.zone.test", "+dnssec", "+adflag", "+cdflag");
  assert.equal(signed.answers.length, 2);
  assert.match(signed.answers[1] ?? "", /RRSIG A 13 3 30 \d{14} \d{14} \d+ zone\.test\. /);
  assert.ok(!signed.flags.includes("ad"));
  assert.match(
    (await dig(node.port, "txt.zone.test", "ANY", "+dnssec", "+notcp")).text,
    /TXT[^]*RRSIG\s+TXT/,
  );
  const cut = await dig(node.port, "big.zone.test", "TXT", "+dnssec", "+ignore");
  assert.ok(cut.flags.includes("tc"), cut.text);
  assert.equal((await dig(node.port, "big.zone.test", "TXT", "+dnssec")).answers.length, 2);
  const referral = await dig(node.port, "www.safe.zone.test", "+dnssec", "+norec");
  assert.match(referral.text, /AUTHORITY: 3[^]*safe\.zone\.test\.\s+\d+\s+IN\s+DS[^]*RRSIG\s+DS/);
  const bare = await dig(node.port, "www.sub.zone.test", "+dnssec", "+norec");
  assert.match(bare.text, /sub\.zone\.test\.\s+\d+\s+IN\s+NSEC\s+\S+ NS RRSIG NSEC\n/);
});

test("unbound, told the key, takes the zone for secure: what is there, what is chosen, and what is not there", async () => {
  const config = join(node.dir, "unbound.conf");
  const port = await freePort();
  writeFileSync(
    config,
    `server:
  interface: 127.0.0.1
  port: ${port}
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "${node.dir}"
  pidfile: ""
  use-syslog: no
  verbosity: 1
  module-config: "validator iterator"
  do-not-query-localhost: no
  aggressive-nsec: yes
  trust-anchor: "${node.key}"
  local-zone: "test." nodefault
remote-control:
  control-enable: no
stub-zone:
  name: "zone.test"
  stub-addr: 127.0.0.1@${node.port}
`,
  );
  const unbound = new RunningCommand(["-c", config, "-d", "-p"], {}, "unbound");
  try {
    await unbound.until(({ stderr }) => stderr.includes("start of service"));
    for (const [name, type] of [...PRESENT, ...ABSENT]) {
      const { flags, text } = await dig(port, name, type, "+dnssec");
      assert.ok(flags.includes("ad"), `${name} ${type}: ${text}`);
    }
    const { status } = await dig(port, "nobody.zone.test", "A");
    assert.equal(status, "NXDOMAIN");
  } finally {
    unbound.child.kill("SIGTERM");
    await unbound.ended;
  }
});
