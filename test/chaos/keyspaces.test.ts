/** Keyspaces that a cluster of real processes agrees on while it serves. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { KeyspacesTold } from "../../src/host/keyspaces.ts";
import { atoll } from "../lab/lab-process.ts";
import { encodeCommand } from "../support/resp.ts";
import { RespConnection } from "../support/resp-connection.ts";
import { ChaosLab } from "./chaos-lab.ts";

const NAMES = ["us-east", "us-west", "eu-west"] as const;
type Name = (typeof NAMES)[number];

let lab: ChaosLab;

before(async () => {
  lab = await ChaosLab.withKeyspaces('- { prefix: "file:", conflict: max }\n');
});
after(async () => {
  await lab[Symbol.asyncDispose]();
});

async function ask(region: Name, ...words: (string | number)[]): Promise<string> {
  const { port } = lab.regions.find(({ name }) => name === region) ?? { port: 0 };
  using client = await RespConnection.open(port);
  const [frame] = await client.send(encodeCommand(words), 1, 30_000);
  return (frame as Buffer).latin1Slice();
}

async function keyspace(
  ...words: string[]
): Promise<{ code: number | null; told: unknown; stderr: string }> {
  const { code, stdout, stderr } = await atoll("keyspace", ...words, "--json", "--dir", lab.dir);
  return { code, told: stdout === "" ? null : JSON.parse(stdout), stderr };
}

/** Until every region says that. */
async function allSay(key: string, expected: RegExp): Promise<void> {
  for (const name of NAMES)
    for (;;) {
      const reply = await ask(name, "AA.KEYSPACE", "EXPLAIN", key);
      if (expected.test(reply)) break;
    }
}

/** Until there was a moment in which all members were there, the first change is refused. */
async function set(...words: string[]): Promise<void> {
  for (;;) {
    const { code, stderr } = await keyspace("set", ...words);
    if (code === 0) return;
    assert.match(stderr, /AANOQUORUM|AAUNKNOWN|AAINCOMPLETE/);
  }
}

test("a policy that is set once holds everywhere, and what the files said beside it", async () => {
  await set("price:", "conflict=max");
  await allSay("price:1", /\bmax\b[^]*agreed on it in epoch/);
  await allSay("file:1", /\bmax\b/);
  const { told } = await keyspace("list");
  const { keyspaces, file } = told as KeyspacesTold;
  assert.deepEqual(
    keyspaces.map(({ prefix }) => prefix),
    ["file:", "price:"],
  );
  assert.deepEqual(file, []);
});

test("keys that every region wrote get a home while clients write, and none of their numbers is lost", async () => {
  let counted = 0;
  let isOver = false;
  const clients = NAMES.map(async (name) => {
    while (!isOver) {
      const reply = await ask(name, "INCR", "count:1");
      if (reply.startsWith(":")) counted++;
      else assert.match(reply, /^-(AAFROZEN|AAHOME)/);
    }
  });
  await set("count:", "writes=home", "home=eu-west");
  await allSay("count:1", /eu-west\/1/);
  isOver = true;
  await Promise.all(clients);
  const numbers = await Promise.all(NAMES.map((name) => ask(name, "INCR", "count:1")));
  const [last] = numbers.map((reply) => Number(reply.slice(1))).toSorted((a, b) => b - a);
  assert.equal(last, counted + 3, "each was counted, and each since has a number of its own");
  assert.equal(new Set(numbers).size, 3);
  const { told } = await keyspace("explain", "count:1");
  assert.equal((told as { owner: string }).owner, "eu-west/1");
});

test("a node that is alone comes up with what was agreed on, and one that was away follows", async () => {
  await lab.do("kill", "us-west");
  await set("late:", "conflict=min");
  await lab.do("cut", "us-west");
  await lab.do("start", "us-west");
  assert.match(await ask("us-west", "AA.KEYSPACE", "EXPLAIN", "price:1"), /\bmax\b/);
  assert.match(
    await ask("us-west", "AA.KEYSPACE", "SET", "alone:", "CONFLICT", "min"),
    /^-AA(NOQUORUM|UNKNOWN)/,
  );
  await lab.do("heal");
  await allSay("late:1", /\bmin\b/);
});

test("what has keys gets no other format, and is told why", async () => {
  assert.equal(await ask("us-east", "SETBIT", "bits:1", 3, 1), ":0\r\n");
  for (;;) {
    const { code, stderr } = await keyspace("set", "bits:", "format=bitmap");
    assert.equal(code, 1);
    if (/there are keys with the prefix/.test(stderr)) break;
    assert.match(stderr, /AANOQUORUM|AAUNKNOWN|AAINCOMPLETE|changed by/);
  }
});
