/** Strong keys over real processes: most regions decide, whichever is lost, and whatever was on its disk. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { RespConnection } from "../support/resp-connection.ts";
import { ChaosLab } from "./chaos-lab.ts";

const NAMES = ["us-east", "us-west", "eu-west"] as const;
type Name = (typeof NAMES)[number];

let lab: ChaosLab;

before(async () => {
  lab = await ChaosLab.withKeyspaces('- { prefix: "strong:", writes: global }\n');
});
after(async () => {
  await lab[Symbol.asyncDispose]();
});

/** One command of a client of its own, with time enough for a busy machine, and its reply as it came. */
async function ask(region: Name, ...words: (string | number)[]): Promise<string> {
  const { port } = lab.regions.find(({ name }) => name === region) ?? { port: 0 };
  using client = await RespConnection.open(port);
  const { raw } = await client.call("AA.DO", "TIMEOUT", 60_000, ...words);
  return raw.latin1Slice();
}

/** Until a region decides with the others. */
async function decides(region: Name): Promise<void> {
  for (;;) {
    const reply = await ask(region, "GET", "strong:any");
    if (!reply.startsWith("-")) return;
    assert.match(reply, /^-(AANOQUORUM|LOADING)/);
  }
}

async function count(region: Name, times: number): Promise<number[]> {
  const numbers: number[] = [];
  for (let i = 0; i < times; i++) {
    const reply = await ask(region, "INCR", "strong:count");
    assert.match(reply, /^:/, `${region} is answered`);
    numbers.push(Number(reply.slice(1)));
  }
  return numbers;
}

test("all regions count at once, and no number is given twice", async () => {
  await Promise.all(NAMES.map(decides));
  const numbers = (await Promise.all(NAMES.map((name) => count(name, 10)))).flat();
  assert.deepEqual(
    numbers.toSorted((a, b) => a - b),
    Array.from({ length: 30 }, (_, i) => i + 1),
  );
});

test("one region takes a lock; who lost it cannot let the next holder's go", async () => {
  const asked = await Promise.all(
    NAMES.map((name) => ask(name, "VERSIONED", "SET", "strong:lock", name, "NX", "PX", 600_000)),
  );
  const [won] = asked.filter((reply) => reply.endsWith("+OK\r\n"));
  assert.equal(asked.filter((reply) => reply.endsWith("+OK\r\n")).length, 1);
  const fence = Number(/^\*2\r\n:(\d+)/.exec(won as string)?.[1]);
  assert.equal(await ask("us-west", "AA.CAD", "strong:lock", fence), ":1\r\n");
  const next = await ask("eu-west", "VERSIONED", "SET", "strong:lock", "next", "NX");
  assert.ok(Number(/^\*2\r\n:(\d+)/.exec(next)?.[1]) > fence, "the next holder came later");
  assert.equal(await ask("us-east", "AA.CAD", "strong:lock", fence), ":0\r\n");
  assert.equal(await ask("us-east", "GET", "strong:lock"), "$4\r\nnext\r\n");
});

test("a region that is killed stops nobody, and knows all that was decided when it is back", async () => {
  const [last] = (await count("us-east", 1)) as [number];
  const [counted] = await Promise.all([count("us-east", 30), lab.do("kill", "eu-west")]);
  assert.equal(counted.at(-1), last + 30, "each was answered, and done once");
  await lab.do("start", "eu-west");
  await decides("eu-west");
  assert.deepEqual(await count("eu-west", 1), [last + 31]);
});

test("a region that lost its disk decides again, on all that it had decided before", async () => {
  const [last] = (await count("eu-west", 1)) as [number];
  await lab.do("kill", "eu-west");
  rmSync(join(lab.dir, "eu-west", "data"), { recursive: true });
  await lab.do("start", "eu-west");
  await decides("eu-west");
  await lab.do("kill", "us-west");
  assert.deepEqual(await count("us-east", 1), [last + 1], "with the one that had lost its disk");
  await lab.do("kill", "us-east");
  assert.match(
    await ask("eu-west", "TIMEOUT", 2_000, "INCR", "strong:count"),
    /^-AA(NOQUORUM|UNKNOWN)/,
  );
  await lab.do("start", "us-east");
  await lab.do("start", "us-west");
  await decides("us-west");
  // What nobody knew of may have been done.
  const [next] = (await count("us-west", 1)) as [number];
  assert.ok(next === last + 2 || next === last + 3);
});
