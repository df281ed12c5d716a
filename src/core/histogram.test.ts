import assert from "node:assert/strict";
import { test } from "node:test";
import { Histogram } from "./histogram.ts";

test("what took as long as a bound is counted there and at all above, and what took longer only in all", () => {
  const histogram = new Histogram([0.1, 1]);
  for (const seconds of [0.05, 0.1, 0.5, 3]) histogram.add(seconds);
  const { counts, sum, count } = histogram.read();
  assert.deepEqual([...counts], [2, 3]);
  assert.equal(count, 4);
  assert.equal(sum, 3.65);
});
