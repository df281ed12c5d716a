import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fit, readField, writeField } from "./bit-field.ts";

const bits = fc.integer({ min: 1, max: 64 });

function text(bytes: Buffer): string {
  return [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
}

test("a field is the same bits, read and written, as in a text of them", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 24, maxLength: 24 }),
      fc.nat(127),
      bits,
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.boolean(),
      (array, offset, width, any, signed) => {
        const bytes = Buffer.from(array);
        const before = text(bytes);
        const there = BigInt(`0b${before.slice(offset, offset + width)}`);
        const seen = readField(bytes, 0, 24, offset, width, signed);
        assert.equal(BigInt(seen), signed ? BigInt.asIntN(width, there) : there);
        const value = signed ? BigInt.asIntN(width, any) : BigInt.asUintN(width, any);
        // Narrow fields are plain numbers and wide ones big, as `readField` and `fit` give them.
        writeField(bytes, offset, width, typeof seen === "number" ? Number(value) : value);
        const digits = BigInt.asUintN(width, value).toString(2).padStart(width, "0");
        assert.equal(text(bytes), before.slice(0, offset) + digits + before.slice(offset + width));
      },
    ),
    { numRuns: 2000 },
  );
});

test("behind the string there are zeros", () => {
  const bytes = Buffer.from([0xff, 0xff, 0xff]);
  assert.equal(readField(bytes, 1, 2, 4, 8, false), 0xf0);
  assert.equal(readField(bytes, 1, 2, 100, 64, true), 0n);
});

test("what does not fit wraps around, stops at the nearest bound, or fails", () => {
  const amount = fc.oneof(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.bigInt({ min: -300n, max: 300n }),
    fc.constantFrom(2n ** 52n, -(2n ** 52n), 2n ** 48n, 2n ** 53n),
  );
  fc.assert(
    fc.property(bits, fc.boolean(), amount, amount, (width, signed, any, increment) => {
      if (!signed && width === 64) return;
      const value = signed ? BigInt.asIntN(width, any) : BigInt.asUintN(width, any);
      const shown = (big: bigint): number | bigint =>
        Number.isSafeInteger(Number(big)) ? Number(big) : big;
      const got = (overflow: "wrap" | "sat" | "fail"): bigint | null => {
        const plain = width <= 48 ? Number(value) : value;
        const after = fit(plain, shown(increment), width, signed, overflow);
        return after === null ? null : BigInt(after);
      };
      const sum = value + increment;
      const wrapped = signed ? BigInt.asIntN(width, sum) : BigInt.asUintN(width, sum);
      const max = signed ? 2n ** BigInt(width - 1) - 1n : 2n ** BigInt(width) - 1n;
      const min = signed ? -max - 1n : 0n;
      const nearest = sum > max ? max : sum < min ? min : sum;
      assert.equal(got("wrap"), wrapped);
      assert.equal(got("sat"), nearest);
      assert.equal(got("fail"), sum === wrapped ? sum : null);
    }),
    { numRuns: 3000 },
  );
});

test("written where it does not fit, a number ends where Redis lets it end", () => {
  assert.equal(fit(-1, 0, 8, false, "sat"), 255, "a negative number is a very large one");
  assert.equal(fit(-129, 0, 8, true, "sat"), -128);
  assert.equal(fit(-(2n ** 63n), 0, 8, true, "sat"), 127, "its distance to 127 has 65 bits");
  assert.equal(fit(-(2n ** 63n), 0, 64, true, "sat"), -(2n ** 63n));
  assert.equal(fit(-(2n ** 63n), -1, 64, true, "sat"), -(2n ** 63n));
  assert.equal(fit(2n ** 63n - 1n, 1, 64, true, "wrap"), -(2n ** 63n));
});
