import assert from "node:assert/strict";
import { test } from "node:test";
import { KeySums, named } from "./key-sums.ts";

/** Keys `0` to `count - 1`; a name's first word is the same for every seven of them. */
function keysOf(count: number): KeySums {
  const keys = new KeySums();
  for (let i = 0; i < count; i++) {
    keys.clear();
    const { sums } = keys;
    const at = keys.sumAt(keys.size);
    for (let word = 0; word < 4; word++) sums[at + word] = i * 10 + word;
    const name = Buffer.from(`key ${i}`);
    keys.add(i % 64, i % 3, name, 0, name.length, Int32Array.of(-Math.floor(i / 7), i, 9, 9));
  }
  return keys;
}

test("each key is found by its name, those too that share its first word, and no other one is", () => {
  const keys = keysOf(1_000);
  assert.equal(keys.size, 1_000);
  for (const i of [0, 1, 6, 7, 500, 999]) {
    const at = keys.find(named(Int32Array.of(-Math.floor(i / 7), i), 0));
    assert.equal(keys.name(at).toString(), `key ${i}`);
    assert.equal(keys.slot(at), i % 64);
    assert.equal(keys.db(at), i % 3);
    assert.equal(keys.sums[keys.sumAt(at) + 3], i * 10 + 3);
  }
  assert.equal(keys.find(named(Int32Array.of(0, 7), 0)), -1);
  assert.equal(keys.find(named(Int32Array.of(1, 1), 0)), -1);
});

test("the words of some slots are those of their keys, in order", () => {
  const words = keysOf(130).wordsIn(new Set([3]));
  assert.deepEqual([...words], [...[0, 3, 30, 31, 32, 33], ...[-9, 67, 670, 671, 672, 673]]);
});

test("what was added up for a key that was not added is forgotten", () => {
  const keys = new KeySums();
  keys.clear();
  keys.sums[keys.sumAt(0)] = 17;
  keys.clear();
  keys.add(0, 0, Buffer.from("k"), 0, 1, Int32Array.of(1, 2, 3, 4));
  assert.deepEqual([...keys.words], [1, 2, 0, 0, 0, 0]);
});
