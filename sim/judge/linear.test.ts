/** The search for an order finds one where there is one, and none where answers contradict each other. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Reply } from "../world/replies.ts";
import { isLinear, type StrongOperation } from "./linear.ts";

/** `words` from `sent` to `answered`; without an answer, nobody has heard of it. */
function operation(
  sent: number,
  answered: number,
  words: string,
  reply?: Reply,
  version: number | null = null,
): StrongOperation {
  return { words: words.split(" "), sentUs: sent, answeredUs: answered, reply, version };
}

test("operations that overlap may have happened in either order", () => {
  for (const seen of ["a", "b"])
    assert.equal(
      isLinear([
        operation(0, 9, "SET k a", "OK"),
        operation(1, 8, "SET k b", "OK"),
        operation(10, 11, "GET k", seen),
      ]),
      true,
    );
});

test("a read that misses what was answered before it was asked is found", () => {
  const stale = [operation(0, 1, "SET k a", "OK"), operation(2, 3, "GET k", null)];
  assert.equal(isLinear(stale), false);
});

test("two readers that see writes in two orders are found", () => {
  const history = [
    operation(0, 20, "SET k a", "OK"),
    operation(0, 20, "SET k b", "OK"),
    operation(1, 2, "GET k", "a"),
    operation(3, 4, "GET k", "b"),
    operation(5, 6, "GET k", "a"),
  ];
  assert.equal(isLinear(history), false);
  assert.equal(isLinear(history.slice(0, 4)), true);
});

test("an addition that was done twice is found, and one that was lost", () => {
  const twice = [operation(0, 1, "INCRBY k 1", 1), operation(2, 3, "GET k", "2")];
  assert.equal(isLinear(twice), false);
  const lost = [
    operation(0, 1, "INCRBY k 1", 1),
    operation(2, 3, "INCRBY k 1", 2),
    operation(4, 5, "GET k", "1"),
  ];
  assert.equal(isLinear(lost), false);
});

test("what nobody heard of may have happened late, once, or never", () => {
  const unheard = operation(0, Infinity, "INCRBY k 5");
  assert.equal(isLinear([unheard, operation(1, 2, "GET k", null)]), true);
  assert.equal(isLinear([unheard, operation(1, 2, "GET k", "5")]), true);
  const late = [operation(1, 2, "GET k", null), operation(3, 4, "GET k", "5")];
  assert.equal(isLinear([unheard, ...late]), true);
  assert.equal(isLinear([unheard, ...late, operation(5, 6, "GET k", "10")]), false);
  assert.equal(
    isLinear([operation(3, Infinity, "INCRBY k 5"), operation(1, 2, "GET k", "5")]),
    false,
  );
});

test("two who create the same key are found", () => {
  const both = [operation(0, 9, "SET k a NX", "OK"), operation(0, 9, "SET k b NX", "OK")];
  assert.equal(isLinear(both), false);
});

test("a version counts changes, and goes on higher behind a deletion", () => {
  const set = operation(0, 1, "SET k a", "OK", 1);
  assert.equal(isLinear([set, operation(2, 3, "GET k", "a", 2)]), false);
  assert.equal(isLinear([set, operation(2, 3, "SET k b", "OK", 1)]), false);
  const gone = [set, operation(2, 3, "DEL k", 1, 2)];
  assert.equal(isLinear([...gone, operation(4, 5, "SET k b", "OK", 9)]), true);
  assert.equal(isLinear([...gone, operation(4, 5, "SET k b", "OK", 2)]), false);
  const unversioned = operation(4, 5, "SET k b", "OK");
  assert.equal(isLinear([...gone, unversioned, operation(6, 7, "GET k", "b", 9)]), true);
});

test("AA.CAS succeeds at the version it names, and nowhere else", () => {
  const set = operation(0, 1, "SET k a", "OK", 1);
  assert.equal(isLinear([set, operation(2, 3, "AA.CAS k 1 b", 2, 2)]), true);
  assert.equal(isLinear([set, operation(2, 3, "AA.CAS k 2 b", 3, 3)]), false);
  assert.equal(isLinear([set, operation(2, 3, "AA.CAS k 1 b", null, 1)]), false);
  assert.equal(isLinear([set, operation(2, 3, "AA.CAS k 0 b", 2, 2)]), false);
});
