import assert from "node:assert/strict";
import { test } from "node:test";
import { slotOf } from "./slot.ts";

const slot = (key: string): number => slotOf(Buffer.from(key), 0, Buffer.byteLength(key));

// Figures of CLUSTER KEYSLOT in Redis 7.0.15.
test("a key lies where Redis Cluster places it", () => {
  assert.equal(slot("123456789"), 12739);
  assert.equal(slot("foo"), 12182);
  assert.equal(slot(""), 0);
});

test("a hash tag decides the slot, an empty or open one does not", () => {
  assert.equal(slot("{foo}.bar"), slot("foo"));
  assert.equal(slot("cart:{foo}{zap}"), slot("foo"));
  assert.notEqual(slot("foo{bar"), slot("bar"));
  assert.notEqual(slot("foo{}{bar}"), slot("bar"));
});
