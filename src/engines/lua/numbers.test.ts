import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  formatExponential,
  formatFixed,
  formatGeneral,
  formatNumber,
  parseNumber,
  scale,
} from "./numbers.ts";

test("a number is shown with 14 digits, as C shows it", () => {
  for (const [value, text] of [
    [0, "0"],
    [-0, "-0"],
    [1e14, "1e+14"],
    [99999999999999, "99999999999999"],
    [0.1, "0.1"],
    [1 / 3, "0.33333333333333"],
    [1e-4, "0.0001"],
    [1e-5, "1e-05"],
    [2 ** 53, "9.007199254741e+15"],
    [12345678901234.5, "12345678901234"],
    [12345678901235.5, "12345678901236"],
    [1e100, "1e+100"],
    [-1 / 0, "-inf"],
  ] as const) {
    assert.equal(formatNumber(value), text);
  }
});

test("a tie goes to the even digit", () => {
  assert.deepEqual(
    [0.5, 1.5, 2.5, -2.5].map((value) => formatFixed(value, 0, false)),
    ["0", "2", "2", "-2"],
  );
  assert.equal(formatFixed(0.125, 2, false), "0.12");
  assert.equal(formatExponential(2.5, 0, false), "2e+00");
  assert.equal(formatFixed(1e22, 2, false), "10000000000000000000000.00");
  assert.equal(formatFixed(5e-324, 99, false), `0.${"0".repeat(99)}`);
});

test("the quick way of showing a number is the slow way", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true }), (value) => {
      assert.equal(formatNumber(value), formatGeneral(value, 14, false));
    }),
  );
});

test("17 digits of a fraction are shown as when their zeros are kept, ties among them", () => {
  const shown = (value: number): string =>
    formatGeneral(value, 17, true).replace(/\.?0*(e|$)/, "$1");
  const check = (value: number): void =>
    assert.equal(formatGeneral(value, 17, false), shown(value));
  for (const value of [1 + 2 ** -17, 1 + 3 * 2 ** -17, -0.5, 0.1, 1e-4, 9.9e-5, 1e15 + 0.5, 0, -0])
    check(value);
  fc.assert(fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), check));
  fc.assert(fc.property(fc.integer(), (n) => check(n / 2 ** 17)));
});

test("17 digits are enough to read the same number again", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true }), (value) => {
      assert.equal(parseNumber(formatGeneral(value, 17, false)), value);
    }),
  );
});

test("a number of few digits is read as any other", () => {
  const digits = fc.stringMatching(/^\d{0,9}(\.\d{0,9})?$/);
  fc.assert(
    fc.property(digits, (text) => {
      // A space leads the long way round.
      assert.equal(parseNumber(text), parseNumber(`${text} `));
    }),
    { numRuns: 2_000 },
  );
});

test("a string is a number in all the ways of C", () => {
  for (const [text, value] of [
    [" 10 ", 10],
    ["0x1F", 31],
    ["0x.8p1", 1],
    ["-0x10", -16],
    ["1e2", 100],
    [".5", 0.5],
    ["3.", 3],
    ["inf", Infinity],
    ["5\0x", 5],
  ] as const) {
    assert.equal(parseNumber(text), value);
  }
  for (const text of ["", " ", "1e", "0x", "1 2", "- 1", "1_000", "abc"]) {
    assert.equal(parseNumber(text), undefined);
  }
});

test("scaling by a power of two rounds once", () => {
  assert.equal(scale(1, -1074), 5e-324);
  assert.equal(scale(5e-324, 1074), 1);
  assert.equal(scale(1, 2000), Infinity);
  assert.equal(scale(3, -1075), 1e-323);
});
