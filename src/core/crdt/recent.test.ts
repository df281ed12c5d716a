import assert from "node:assert/strict";
import { test } from "node:test";
import { Vector } from "../clock/vector.ts";
import { Context } from "./context.ts";
import { Recent } from "./recent.ts";

function having(...seqs: readonly number[]): Context {
  const context = new Context();
  context.deps = new Vector();
  seqs.forEach((seq, origin) => context.deps.raise(origin, seq));
  return context;
}

test("what a removal had not seen lies under the hashes that are told", () => {
  const recent = new Recent();
  recent.forget(0, 5);
  recent.add(100, 0, 6);
  recent.add(101, 1, 1);
  recent.add(102, 0, 7);
  assert.deepEqual(recent.uncovered(having(7, 1)), new Set());
  assert.deepEqual(recent.uncovered(having(6, 1)), new Set([102]));
  assert.deepEqual(recent.uncovered(having(5, 0)), new Set([100, 101, 102]));
  assert.equal(recent.uncovered(having(4, 1)), null, "what was there before is not told apart");
});

test("what fell out of the ring makes the answer unknown, never wrong", () => {
  const recent = new Recent();
  for (let seq = 1; seq <= 200_000; seq++) recent.add(seq, 0, seq);
  assert.equal(recent.uncovered(having(200_000 - 65_537)), null);
  const told = recent.uncovered(having(200_000 - 65_536));
  assert.equal(told?.size, 65_536);
  assert.equal(told?.has(200_000), true);
  assert.deepEqual(recent.uncovered(having(199_998)), new Set([199_999, 200_000]));
});
