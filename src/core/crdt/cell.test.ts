import assert from "node:assert/strict";
import { test } from "node:test";
import { Cell, ERA_STEP } from "./cell.ts";
import { Context } from "./context.ts";

function context(
  origin: number,
  seq: number,
  ms: number,
  seen: readonly [number, number][],
): Context {
  const made = new Context();
  [made.origin, made.seq, made.ms] = [origin, seq, ms];
  made.deps.raise(origin, seq);
  for (const [number, upTo] of seen) made.deps.raise(number, upTo);
  return made;
}

const values = (cell: Cell): string[] =>
  cell.siblings.map(({ value }) => value.toString()).toSorted();

test("a write replaces what it has seen, and concurrent writes stay side by side", () => {
  const cell = new Cell();
  cell.put(context(0, 1, 10, []), Infinity, Buffer.from("a"));
  cell.put(context(1, 1, 11, []), Infinity, Buffer.from("b"));
  assert.deepEqual(values(cell), ["a", "b"]);
  cell.put(context(2, 1, 12, [[0, 1]]), Infinity, Buffer.from("c"));
  assert.deepEqual(values(cell), ["b", "c"]);
  cell.dropSeen(context(0, 2, 13, [[1, 1]]));
  assert.deepEqual(values(cell), ["c"]);
});

test("a reset takes what it had seen of a counter, and what was added meanwhile stays", () => {
  const cell = new Cell();
  cell.add(0, 1, 5, 1, 10, 0);
  const resets = cell.resets();
  cell.add(0, 2, 12, 1, 10, 0);
  cell.reset(resets);
  assert.equal(cell.sum(), 7);
  assert.ok(cell.live());
});

test("additions that sum to nothing are there all the same", () => {
  const cell = new Cell();
  cell.add(0, 1, 5, 1, 10, 0);
  cell.add(0, 2, 0, 1, 10, 0);
  assert.equal(cell.sum(), 0);
  assert.ok(cell.live());
  cell.reset(cell.resets());
  assert.ok(!cell.live());
});

test("an older copy of an era changes nothing", () => {
  const cell = new Cell();
  cell.add(0, 3, 9, 1, 10, 0);
  cell.add(0, 2, 4, 1, 10, 0);
  cell.reset([{ origin: 0, seq: 3, sum: 9 }]);
  cell.reset([{ origin: 0, seq: 2, sum: 4 }]);
  assert.equal(cell.sum(), 0);
  assert.ok(!cell.live());
});

test("an era goes once the reset that covers it is stable, and not because of another", () => {
  const cell = new Cell();
  cell.add(0, 1, 5, 1, 10, 0);
  const first = cell.resets();
  cell.reset(first);
  cell.add(0, 2, 3, 2, 11, 0);
  const second = cell.resets();
  cell.reset(second);
  cell.collect(first);
  assert.equal(cell.eras.length, 1);
  cell.collect(second);
  assert.ok(cell.empty);
});

test("an era that began anew in the very record of a reset outlives its collection", () => {
  const cell = new Cell();
  cell.add(0, 3, -3, 3, 10, 0);
  const resets = cell.resets();
  cell.reset(resets);
  cell.dropBorn(10, 0);
  cell.add(0, 3, -1, 3, 10, 0);
  cell.collect(resets);
  assert.equal(cell.sum(), -1);
});

test("eras within one record are told apart", () => {
  const cell = new Cell();
  cell.add(0, 7, 5, 7, 10, 0);
  cell.reset(cell.resets());
  cell.add(0, 7 + ERA_STEP, 2, 7 + ERA_STEP, 10, 0);
  assert.equal(cell.sum(), 2);
});

test("what is older than a horizon does not count", () => {
  const cell = new Cell();
  cell.put(context(0, 1, 10, []), Infinity, Buffer.from("a"));
  cell.add(1, 1, 5, 1, 20, 0);
  assert.ok(cell.live(19));
  assert.ok(!cell.live(20));
  assert.equal(cell.sum(20), 0);
  assert.deepEqual(cell.resets(19), []);
});
