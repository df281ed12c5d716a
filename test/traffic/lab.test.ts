/**
 * A lab with its DNS servers, asked by dig and kdig, while regions die, are cut off and are drained.
 *
 * Nothing waits for a fixed time: what must come is polled for.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { tempDir } from "../support/temp-dir.ts";
import { atoll, RunningCommand } from "../lab/lab-process.ts";
import { dig, kdig } from "../support/dig.ts";

const REGIONS = ["us-east", "us-west", "eu-west"];
const ADDRESSES = ["127.0.1.1", "127.0.2.1", "127.0.3.1"];
const POLL_MS = 200;

const dir = tempDir("traffic");
let lab: RunningCommand;
let ports: number[] = [];
let urls: string[] = [];

interface Status {
  regions: { name: string; state: string; share: number; evidence: string }[];
  troubles: { kind: string; means: string }[];
  moves: number;
  plan: { number: number };
}

before(async () => {
  lab = new RunningCommand([
    "lab",
    "--traffic",
    "--json",
    "--port",
    "0",
    "--wan",
    "5",
    "--dir",
    dir.path,
  ]);
  await lab.until(({ stdout }) => stdout.includes("\n"));
  const endpoints = JSON.parse(lab.stdout) as {
    regions: { http: string }[];
    traffic: { dns: string[]; name: string };
  };
  assert.equal(endpoints.traffic.name, "app.lab");
  ports = endpoints.traffic.dns.map((url) => Number(new URL(url).port));
  urls = endpoints.regions.map(({ http }) => http);
  for (const i of [0, 1, 2])
    await until(i, ({ regions }) =>
      regions.every(({ state, evidence }) => state === "up" && evidence.startsWith("0 of 2")),
    );
});

after(async () => {
  lab.child.kill("SIGTERM");
  await lab.ended;
  dir[Symbol.dispose]();
});

const inLab = async (...words: string[]): Promise<void> => {
  const { code, stderr } = await atoll(...words, "--dir", dir.path);
  assert.equal(code, 0, stderr);
};

async function status(i: number): Promise<Status> {
  return (await (await fetch(`${urls[i]}/traffic/status`)).json()) as Status;
}

/** Waits until what a region knows is so. The part's own limit ends what never comes. */
async function until(i: number, holds: (status: Status) => boolean): Promise<Status> {
  for (;;) {
    const now = await status(i);
    if (holds(now)) return now;
    await pause(POLL_MS);
  }
}

/** Waits until a server answers with its own region, or with another. */
async function untilAnswer(i: number, isOwn: boolean): Promise<void> {
  for (;;) {
    const { answers } = await dig(port(i), "app.lab");
    const own = answers.some((line) => line.endsWith(` ${ADDRESSES[i]}`));
    if (answers.length > 0 && own === isOwn) return;
    await pause(POLL_MS);
  }
}

const port = (i = 0): number => ports[i] as number;

test("each region's server sends who asks it to its own region", async () => {
  for (const [i, address] of ADDRESSES.entries()) {
    const { answers, status: said, flags } = await dig(port(i), "app.lab");
    assert.deepEqual(answers, [`app.lab. 5 IN A ${address}`]);
    assert.equal(said, "NOERROR");
    assert.ok(flags.includes("aa") && !flags.includes("ra"));
  }
});

test("queries that servers are tested with are answered as RFC 8906 wants, to dig", async () => {
  const cases: [string[], RegExp][] = [
    [["lab", "SOA", "+noedns"], /status: NOERROR[^]*lab\.\s+\d+\s+IN\s+SOA/],
    [["lab", "TYPE1000", "+noedns"], /status: NOERROR[^]*ANSWER: 0/],
    [["lab", "SOA", "+noedns", "+cd", "+ad"], /flags: qr aa;|flags: qr aa rd;/],
    [["lab", "SOA", "+noedns", "+zflag"], /status: NOERROR/],
    [["lab", "SOA", "+header-only", "+opcode=15", "+noedns"], /status: NOTIMP/],
    [["lab", "SOA", "+edns=1", "+noednsneg"], /status: BADVERS/],
    [["lab", "SOA", "+ednsopt=100"], /status: NOERROR[^]*IN\s+SOA/],
    [["lab", "SOA", "+ednsflags=0x40"], /flags:; udp: 1232/],
    [["lab", "SOA", "+dnssec"], /flags: do; udp: 1232/],
    [["lab", "SOA", "+vc"], /\(TCP\)/],
    [["lab", "DNSKEY", "+bufsize=512", "+ignore"], /status: NOERROR/],
    [["nobody.lab"], /status: NXDOMAIN[^]*AUTHORITY: 1/],
    [["lab", "ANY", "+vc"], /HINFO\s+"RFC8482" ""/],
    [["lab", "AXFR", "+noall", "+comments"], /Transfer failed|status: REFUSED/],
    [["example.com"], /status: REFUSED/],
    [["app.lab", "AAAA"], /status: NOERROR[^]*ANSWER: 0, AUTHORITY: 1/],
    [["id.server", "CH", "TXT"], /"us-east\/1"/],
    [["app.lab", "+nsid"], /NSID: .*us-east\/1/],
    [["app.lab", "+subnet=203.0.113.0/24"], /CLIENT-SUBNET: 203\.0\.113\.0\/24\/0/],
    [["app.lab", "+subnet=0"], /CLIENT-SUBNET: 0\.0\.0\.0\/0\/0/],
    [["app.lab", "+cookie"], /COOKIE: [0-9a-f]{48} \(good\)/],
    [["aPp.LaB"], /^aPp\.LaB\.\s+5\s+IN\s+A/m],
    [["_explain.app.lab", "TXT"], /answer: us-east/],
  ];
  for (const [words, wanted] of cases)
    assert.match((await dig(port(), ...words)).text, wanted, words.join(" "));
});

test("kdig, of another maker, reads the same", async () => {
  const { answers } = await kdig(port(1), "app.lab", "+subnet=2001:db8::/32", "+cookie", "+nsid");
  assert.deepEqual(answers, ["app.lab. 5 IN A 127.0.2.1"]);
  assert.match((await kdig(port(1), "app.lab", "+tcp")).text, /\(TCP\)/);
  assert.match((await kdig(port(1), "app.lab", "+edns=1")).text, /BADVERS/);
});

test("a cut between two regions is seen, and moves nobody", async () => {
  await inLab("lab", "cut", "us-east", "eu-west");
  const seen = await until(0, ({ troubles }) =>
    troubles.some(({ kind }) => kind === "link-down" || kind === "asymmetric"),
  );
  assert.equal(seen.moves, 0, seen.troubles.map(({ means }) => means).join());
  assert.deepEqual(
    seen.regions.map(({ state, share }) => [state, share]),
    REGIONS.map(() => ["up", 1]),
  );
  await inLab("lab", "heal");
  await until(0, ({ troubles }) => troubles.length === 0);
});

test("the servers of all other regions stop naming a region that died, and name it again once it is back and has caught up", async () => {
  await inLab("lab", "kill", "us-west");
  for (const i of [0, 2]) {
    const { regions } = await until(
      i,
      ({ troubles, regions: now }) =>
        now.some(({ share }) => share === 0) && troubles.some(({ kind }) => kind === "region-down"),
    );
    assert.deepEqual(
      regions.map(({ name, share }) => [name, share]),
      [
        ["us-east", 1],
        ["us-west", 0],
        ["eu-west", 1],
      ],
    );
    assert.match(
      (await dig(port(i), "_explain.app.lab", "TXT")).text,
      /health: without us-west \(2 of 2 valid/,
    );
  }
  await inLab("lab", "start", "us-west");
  await until(0, ({ regions }) => regions.every(({ share }) => share === 1));
});

test("a region that is drained is named no more, by any server, until it is reset; the last one cannot be", async () => {
  const evacuate = (region: string) =>
    atoll("route", "evacuate", region, "--dir", dir.path, "--json");
  const drained = await evacuate("us-east");
  assert.equal(drained.code, 0, drained.stderr);
  await untilAnswer(0, false);
  await until(2, ({ plan }) => plan.number === 1);
  for (const region of ["us-west", "eu-west"]) {
    const { code, stderr } = await evacuate(region);
    assert.equal(code, region === "us-west" ? 0 : 1, stderr);
    if (code !== 0) assert.match(stderr, /no other region serves/);
  }
  for (const region of ["us-east", "us-west"]) await inLab("route", "reset", region);
  await untilAnswer(0, true);
});

test("a region that is cut off from all others takes nobody else out", async () => {
  await inLab("lab", "cut", "eu-west");
  const { regions } = await until(2, ({ troubles }) =>
    troubles.some(({ kind }) => kind === "observer-isolated"),
  );
  assert.deepEqual(
    regions.map(({ share }) => share),
    [1, 1, 1],
  );
  assert.deepEqual(
    (await dig(port(2), "app.lab")).answers.map((line) => line.split(" ").at(-1)),
    ["127.0.3.1"],
  );
  await inLab("lab", "heal");
  await until(2, ({ troubles }) => troubles.length === 0);
});

test("why an answer is what it is can be asked for any place", async () => {
  await until(0, ({ regions }) => regions.every(({ share }) => share === 1));
  const explained = await atoll("route", "explain", "app", "--from", "eu-west", "--dir", dir.path);
  assert.match(explained.stdout, /^answer: eu-west$/m);
  const table = await atoll("route", "status", "--dir", dir.path);
  assert.match(table.stdout, /us-west +up +serving/);
  const unknown = await atoll("route", "explain", "other", "--dir", dir.path);
  assert.equal(unknown.code, 2);
});
