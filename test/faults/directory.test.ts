/**
 * A data directory that was torn, damaged, robbed of its identity or copied, met by the real command line.
 */
import assert from "node:assert/strict";
import {
  cpSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { textOf } from "../support/resp.ts";
import { tempDir } from "../support/temp-dir.ts";
import { FaultyNode } from "./faulty-node.ts";
import { Pair } from "./pair.ts";

const KEYS = 200;

async function fill(node: FaultyNode): Promise<void> {
  for (let i = 0; i < KEYS; i++) await node.ask("SET", `k${i}`, `value ${i}`);
}

async function keys(node: FaultyNode): Promise<number> {
  return Number(textOf(await node.ask("DBSIZE"))?.toString());
}

function segment(node: FaultyNode): string {
  const name = readdirSync(node.data)
    .filter((file) => file.startsWith("log."))
    .toSorted()
    .at(-1);
  assert.ok(name !== undefined, "there is a segment");
  return join(node.data, name);
}

/** Where the value of a key lies in the newest segment. */
function placeOf(path: string, value: string): number {
  const at = readFileSync(path).indexOf(value);
  assert.ok(at > 0, "the value is in the log");
  return at;
}

test("a log whose last block is torn off starts, with everything before it", async () => {
  using dir = tempDir("faults");
  await using node = await FaultyNode.start({ dir: dir.path });
  await fill(node);
  await node.end();
  const path = segment(node);
  truncateSync(path, placeOf(path, `value ${KEYS - 1}`) + 3);
  await node.start();
  assert.equal(await keys(node), KEYS - 1);
  assert.equal(textOf(await node.ask("GET", `k${KEYS - 2}`))?.toString(), `value ${KEYS - 2}`);
  await node.ask("SET", "after", "x");
  await node.end();
  await node.start();
  assert.equal(await keys(node), KEYS);
});

test("a byte flipped in the middle of what was synced keeps the node from starting, and it names file and place", async () => {
  using dir = tempDir("faults");
  await using node = await FaultyNode.start({ dir: dir.path });
  await fill(node);
  await node.end();
  const path = segment(node);
  const at = placeOf(path, `value ${KEYS / 2}`);
  const bytes = readFileSync(path);
  bytes.writeUInt8((bytes[at] ?? 0) ^ 1, at);
  writeFileSync(path, bytes);
  node.spawn();
  assert.equal(await node.ended, 1);
  const said =
    /did not start: (\S+) at byte (\d+) \(log position \d+\): the block here is damaged/.exec(
      node.output,
    );
  assert.ok(said !== null, node.output);
  assert.equal(said[1], path);
  const named = Number(said[2]);
  assert.ok(named <= at && at - named < 1_000, `byte ${at} is in the block at ${named}`);
  assert.match(node.output, /Restore|move/);
  assert.deepEqual(readFileSync(path), bytes, "nothing was changed");
});

/** Both write on the same counter and the same key, and agree. */
async function writeOn(pair: Pair, count: number): Promise<void> {
  const { a, b } = pair;
  await a.ask("INCR", "count");
  await b.ask("INCR", "count");
  await pair.agree("count", String(count));
  await a.ask("SET", "last", `a ${count}`);
  await pair.agree("last", `a ${count}`);
  await b.ask("SET", "last", `b ${count}`);
  await pair.agree("last", `b ${count}`);
}

test("a directory whose identity file is gone goes on under a new incarnation, and both regions agree", async () => {
  using dir = tempDir("faults");
  await using pair = await Pair.start(dir.path);
  const { a } = pair;
  await writeOn(pair, 2);
  const { origin } = await a.status();
  await a.end();
  for (const name of readdirSync(a.data))
    if (name.startsWith("identity.")) rmSync(join(a.data, name));
  await a.start();
  assert.notEqual((await a.status()).origin, origin);
  await writeOn(pair, 4);
});

test("a directory that was copied to another place goes on there under a new incarnation, and both regions agree", async () => {
  using dir = tempDir("faults");
  await using pair = await Pair.start(dir.path);
  const { a } = pair;
  await writeOn(pair, 2);
  const { origin } = await a.status();
  await a.end();
  // The copy takes the very path of the original, so that nothing but the fingerprint can tell.
  const moved = `${a.data}.original`;
  renameSync(a.data, moved);
  cpSync(moved, a.data, { recursive: true });
  await a.start();
  const copied = (await a.status()).origin;
  assert.notEqual(copied, origin);
  assert.match(a.output, /new incarnation: the directory was copied, restored or moved/);
  await writeOn(pair, 4);

  await a.end();
  await a.start();
  assert.equal((await a.status()).origin, copied, "it stays who it is where nothing was moved");
});

test("a node that finds an older copy of its directory gets back from its peer what it had acknowledged since", async () => {
  using dir = tempDir("faults");
  await using pair = await Pair.start(dir.path);
  const { a } = pair;
  await writeOn(pair, 2);
  await a.end();
  cpSync(a.data, `${a.data}.old`, { recursive: true });
  await a.start();
  await writeOn(pair, 4);
  await a.end();
  rmSync(a.data, { recursive: true });
  renameSync(`${a.data}.old`, a.data);
  await a.start();
  await pair.agree("count", "4");
  await writeOn(pair, 6);
});
