/** The arithmetic of the answers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { showSpread, spreadOf, table } from "./answer.ts";

test("a spread has the middle sample, or the mean of the two in the middle, and the ends", () => {
  assert.deepEqual(spreadOf([3, 1, 2]), { median: 2, min: 1, max: 3 });
  assert.deepEqual(spreadOf([10, 2, 1, 4]), { median: 3, min: 1, max: 10 });
  assert.deepEqual(spreadOf([7]), { median: 7, min: 7, max: 7 });
  assert.throws(() => spreadOf([]), /nothing/);
});

test("a spread is shown with its ends", () => {
  assert.equal(showSpread({ median: 1.234, min: 1, max: 2.5 }), "1.23 [1.00–2.50]");
});

test("a table lines its columns up", () => {
  assert.equal(
    table([
      ["a", "b"],
      ["long", "c"],
    ]),
    "a     b\nlong  c",
  );
});
