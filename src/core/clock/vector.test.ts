import assert from "node:assert/strict";
import { test } from "node:test";
import { Vector } from "./vector.ts";

test("an origin that has made nothing is covered by who has never heard of it", () => {
  const vector = new Vector(2);
  assert.ok(vector.covers(7, 0));
  assert.ok(!vector.covers(7, 1));
  assert.ok(vector.includes(new Vector(9)));
});

test("an entry never decreases, and a dot is covered up to it", () => {
  const vector = new Vector();
  vector.raise(9, 5);
  vector.raise(9, 3);
  assert.equal(vector.get(9), 5);
  assert.ok(vector.covers(9, 5));
  assert.ok(!vector.covers(9, 6));
});
