import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { add, type Amount, parseDecimal } from "../crdt/amount.ts";
import { addFloats, difference, parseFloatText } from "./numbers-float.ts";

function amount(text: string): Amount {
  const bytes = Buffer.from(text, "latin1");
  const parsed = parseFloatText(bytes, 0, bytes.length);
  assert.ok(parsed !== null && parsed !== "infinite", text);
  return parsed;
}

test("sums are those of 80-bit floats", () => {
  // From redis-server 7.0.15, INCRBYFLOAT on a key that holds the first.
  for (const [a, b, sum] of [
    ["0.1", "0.2", "0.3"],
    ["1.1", "2.2", "3.3"],
    ["9007199254740993", "0.5", "9007199254740993.5"],
    ["18446744073709551617", "0", "18446744073709551616"],
    ["1e20", "0.5", "100000000000000000000"],
    ["1e-17", "0", "0.00000000000000001"],
    ["1e-20", "0", "0"],
    ["-1e-20", "0", "0"],
    ["5e-18", "0", "0"],
    ["4.9e-18", "0", "0"],
    ["0x1p-2", "0x.8", "0.75"],
    ["1e25", "0", "10000000000000000000000000"],
    ["1e28", "1", "9999999999999999999731564544"],
    ["1.7e30", "0", "1700000000000000000048855252992"],
  ] as const)
    assert.equal(addFloats(amount(a), amount(b)), sum, `${a} + ${b}`);
});

test("doubles with few digits add up as exactly as they look", () => {
  const cents = fc.integer({ min: -100_000, max: 100_000 });
  fc.assert(
    fc.property(cents, cents, (a, b) => {
      const text = (value: number): string => (value / 4).toString();
      assert.equal(addFloats(amount(text(a)), amount(text(b))), text(a + b));
    }),
  );
});

test("the difference that is replicated leads from what was seen to what was answered", () => {
  const digits = fc.tuple(fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }), fc.nat(30));
  fc.assert(
    fc.property(digits, digits, ([a, aScale], [b, bScale]) => {
      const before = amount(`${a}e-${aScale}`);
      const text = Buffer.from(addFloats(before, amount(`${b}e-${bScale}`)));
      const sum = parseDecimal(text, 0, text.length);
      assert.deepEqual(add(before, difference(text, before)), sum);
    }),
  );
});

test("what strtold does not read to its end is no number", () => {
  for (const text of [
    "",
    " ",
    " 1",
    "1 ",
    "1x",
    "0x",
    "0xg",
    "e5",
    "1e",
    "--1",
    "nan",
    "infinit",
  ]) {
    const bytes = Buffer.from(text);
    assert.equal(parseFloatText(bytes, 0, bytes.length), null, JSON.stringify(text));
  }
  for (const text of ["inf", "INF", "-Infinity"]) {
    const bytes = Buffer.from(text);
    assert.equal(parseFloatText(bytes, 0, bytes.length), "infinite", text);
  }
});
