import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ITEM_WORDS, SYMBOL_WORDS, SymbolReader, SymbolWriter } from "./symbols.ts";

const key = Int32Array.of(1, 2, 3, 4);

function items(numbers: Iterable<number>): Int32Array {
  const each = Array.from(numbers, (n) =>
    Array.from({ length: ITEM_WORDS }, (_, i) => n * (i + 1)),
  );
  return Int32Array.from(each.flat());
}

/** What each side has alone, as numbers, and how many symbols that took. */
function difference(here: Set<number>, there: Set<number>): [number[], number[], number] {
  const writer = new SymbolWriter(items(there), key);
  const reader = new SymbolReader(new SymbolWriter(items(here), key), key);
  for (let count = 4; ; count = Math.ceil(count * 1.25)) {
    const from = reader.count * SYMBOL_WORDS;
    const done = reader.take(writer.first(count).slice(from, count * SYMBOL_WORDS));
    const numbers = (found: Int32Array[]): number[] =>
      found.map((words) => words[0] as number).toSorted((a, b) => a - b);
    if (done) return [numbers(reader.here), numbers(reader.there), reader.count];
    assert.ok(count < 20 * (here.size + there.size) + 100, "it comes to an end");
  }
}

test("two sets find exactly what each has alone", () => {
  const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 1_000 }), { maxLength: 200 });
  fc.assert(
    fc.property(numbers, numbers, (a, b) => {
      const here = new Set(a);
      const there = new Set(b);
      const [onlyHere, onlyThere] = difference(here, there);
      const without = (set: Set<number>, other: Set<number>): number[] =>
        [...set].filter((n) => !other.has(n)).toSorted((x, y) => x - y);
      assert.deepEqual(onlyHere, without(here, there));
      assert.deepEqual(onlyThere, without(there, here));
    }),
  );
});

test("what it takes grows with the difference, not with the sets", () => {
  const here = new Set(Array.from({ length: 20_000 }, (_, i) => i + 1));
  const there = new Set(here);
  for (let i = 1; i <= 500; i++) there.delete(i * 7);
  const [onlyHere, onlyThere, count] = difference(here, there);
  assert.equal(onlyHere.length, 500);
  assert.equal(onlyThere.length, 0);
  assert.ok(count < 2 * 500, `${count} symbols for 500 differences`);
});
