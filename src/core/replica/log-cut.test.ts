import assert from "node:assert/strict";
import { test } from "node:test";
import { Malformed } from "../bytes/source.ts";
import { Vector } from "../clock/vector.ts";
import { type Keeps, LogCut } from "./log-cut.ts";
import { BLOCK_CEILING, BLOCK_STRONG } from "./record.ts";
import type { Replica } from "./replica.ts";
import { replicaOf, Solo } from "./solo.suite.ts";

/** Two replicas that write in turn, each having seen the other, at 100, 200 … ms; the blocks that `b` has logged. */
function history(): { blocks: Buffer[]; replica: Replica } {
  const a = new Solo("a/1", 1);
  const b = new Solo("b/1", 2);
  for (let i = 0; i < 10; i++) {
    const [from, to] = i % 2 === 0 ? [a, b] : [b, a];
    from.at(1_000 + i * 100);
    to.at(1_000 + i * 100);
    from.command("SET", `k${i}`, `v${i}`);
    from.command("INCR", "count");
    from.flush();
    to.receive(from.blocks.at(-1) as Buffer);
  }
  return { blocks: b.blocks, replica: b.replica };
}

/** What is left of the blocks, replayed. */
function replayed(
  blocks: readonly Buffer[],
  keeps: (of: Replica) => Keeps,
): { of: Replica; dropped: number } {
  const of = replicaOf("c/1", 9);
  const cut = new LogCut(of.origins, new Vector(), [], keeps(of));
  for (const [i, block] of blocks.entries()) {
    const left = cut.take(block);
    if (left !== null) of.replay(left, i + 1);
  }
  return { of, dropped: cut.dropped };
}

function seqs(of: Replica): Record<string, number> {
  const named = Object.entries(of.describe(of.applied));
  return Object.fromEntries(named.map(([name, seq]) => [name.slice(0, 3), seq]));
}

test("a moment leaves of every origin what it had written until then", () => {
  const { blocks } = history();
  const { of, dropped } = replayed(blocks, () => (_origin, _seq, ms) => ms <= 1_450);
  assert.deepEqual(seqs(of), { "a/1": 6, "b/1": 4 });
  assert.equal(dropped, 10);
  assert.equal(of.keyspace.entries, 6);
});

test("a cut goes through a run and a block", () => {
  const { blocks } = history();
  const { of } = replayed(
    blocks,
    (replica) => (origin, seq) => seq <= (replica.origins.get(origin).member === "a/1" ? 3 : 2),
  );
  assert.deepEqual(seqs(of), { "a/1": 3, "b/1": 2 });
});

test("everything is left as it was when nothing lies behind the cut", () => {
  const { blocks, replica } = history();
  const cut = new LogCut(replicaOf("c/1", 9).origins, new Vector(), [], () => true);
  for (const block of blocks) assert.equal(cut.take(block), block);
  assert.equal(cut.dropped, 0);
  assert.ok(replica.applied.get(replica.me) > 0);
});

test("a cut that leaves a record without what it had seen is refused", () => {
  const { blocks } = history();
  assert.throws(
    () =>
      replayed(
        blocks,
        (replica) => (origin, seq) =>
          seq <= (replica.origins.get(origin).member === "a/1" ? 2 : 10),
      ),
    Malformed,
  );
});

test("a ceiling stays, and what was promised about strong keys does not", () => {
  const cut = new LogCut(replicaOf("c/1", 9).origins, new Vector(), [], () => false);
  const ceiling = Buffer.from([BLOCK_CEILING, 0, 0, 0, 0, 0, 1]);
  assert.equal(cut.take(ceiling), ceiling);
  assert.equal(cut.take(Buffer.from([BLOCK_STRONG, 1, 2, 3])), null);
});
