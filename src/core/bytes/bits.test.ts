import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BitCombination, type BitOperation, countBits, findBit } from "./bits.ts";

/** Bits as text, which is the whole idea. */
function text(bytes: Buffer): string {
  return [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
}

/** Long runs of one byte with something in between: what the loops over words are about. */
const row = fc
  .array(fc.tuple(fc.constantFrom(0, 0xff, 0x10, 0x7f), fc.integer({ min: 0, max: 90 })), {
    maxLength: 5,
  })
  .map((runs) => Buffer.concat(runs.map(([byte, length]) => Buffer.alloc(length, byte))));

test("bits are counted and found as in a text of them, wherever the bytes lie", () => {
  fc.assert(
    fc.property(row, fc.nat(3), fc.nat(2000), fc.nat(2000), (bytes, shift, a, b) => {
      const backing = Buffer.alloc(bytes.length + shift);
      const moved = backing.subarray(shift);
      moved.set(bytes);
      const size = bytes.length * 8;
      const [from, to] = [Math.min(a, size), Math.min(b, size)];
      const part = text(bytes).slice(0, to);
      assert.equal(countBits(moved, from, to), part.slice(from).replaceAll("0", "").length);
      assert.equal(findBit(moved, 1, from, to), part.indexOf("1", from));
      assert.equal(findBit(moved, 0, from, to), part.indexOf("0", from));
    }),
    { numRuns: 2000 },
  );
});

test("strings are combined bit by bit, the shorter ones followed by zeros", () => {
  const plain: Record<BitOperation, (a: number, b: number) => number> = {
    and: (a, b) => a & b,
    or: (a, b) => a | b,
    xor: (a, b) => a ^ b,
    not: (a) => ~a & 0xff,
  };
  const strings = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(strings, fc.constantFrom("and", "or", "xor", "not"), (all, operation) => {
      const given = operation === "not" ? all.slice(0, 1) : all;
      const length = Math.max(...given.map((bytes) => bytes.length));
      const combination = new BitCombination(operation, length);
      for (const bytes of given) combination.add(Buffer.from(bytes), 0, bytes.length);
      const expected = Array.from({ length }, (_, i) => {
        const column = given.map((bytes) => bytes[i] ?? 0);
        return operation === "not"
          ? plain.not(column[0] as number, 0)
          : column.reduce(plain[operation]);
      });
      assert.deepEqual([...combination.bytes], expected);
    }),
  );
});
