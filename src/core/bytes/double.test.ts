import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatDouble, parseDouble, parseDoubleLoosely } from "./double.ts";

function parse(text: string): number {
  const bytes = Buffer.from(`..${text}.`, "latin1");
  return parseDouble(bytes, 2, bytes.length - 1);
}

function parseLoosely(text: string): number {
  const bytes = Buffer.from(`..${text}.`, "latin1");
  return parseDoubleLoosely(bytes, 2, bytes.length - 1);
}

test("what is printed is read back as the same double", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true }), (value) => {
      assert.ok(Object.is(parse(formatDouble(value)), value), formatDouble(value));
    }),
  );
});

test("doubles are printed with 17 digits, as printf does", () => {
  for (const [value, text] of [
    [0, "0"],
    [-0, "-0"],
    [42, "42"],
    [-1e14, "-100000000000000"],
    [0.1, "0.10000000000000001"],
    [-1.5, "-1.5"],
    [1e-4, "0.0001"],
    [1e-5, "1.0000000000000001e-05"],
    [123456.789, "123456.789"],
    [1e17 - 16, "99999999999999984"],
    [1e17, "1e+17"],
    [2 ** 54 + 4, "18014398509481988"],
    [1e16, "10000000000000000"],
    [1.7976931348623157e308, "1.7976931348623157e+308"],
    [5e-324, "4.9406564584124654e-324"],
    [Infinity, "inf"],
    [-Infinity, "-inf"],
  ] as const)
    assert.equal(formatDouble(value), text);
});

test("of two texts equally near the even one is printed", () => {
  assert.equal(formatDouble(2 ** -25), "2.9802322387695312e-08");
  assert.equal(formatDouble(-3 * 2 ** -25), "-8.9406967163085938e-08");
});

test("numbers are read as strtod reads them, and nothing may be left over", () => {
  for (const [text, value] of [
    ["7", 7],
    ["-7", -7],
    ["+7", 7],
    ["007", 7],
    ["5.", 5],
    [".5", 0.5],
    ["-0", -0],
    ["1e3", 1000],
    ["1E+3", 1000],
    ["18446744073709551617", 2 ** 64],
    ["1e-320", 1e-320],
    ["0e-999", 0],
    ["inf", Infinity],
    ["-INFINITY", -Infinity],
    ["0x1p3", 8],
    ["-0X.8", -0.5],
    ["0x1p-1074", 5e-324],
  ] as const)
    assert.ok(Object.is(parse(text), value), `${text}: ${parse(text)}`);
  for (const text of ["", " 1", "1 ", "a", "1a", ".", "-", "e5", "1e", "0x", "0xp1", "nan", "1\0"])
    assert.ok(Number.isNaN(parse(text)), JSON.stringify(text));
});

test("a number that no double is near is none", () => {
  for (const text of ["1e400", "-1e400", "1e-400", "0x1p1024", "0x1p-1080"])
    assert.ok(Number.isNaN(parse(text)), text);
});

test("read loosely, blanks in front are skipped, a zero byte ends the text and nothing is 0", () => {
  for (const [text, value] of [
    ["", 0],
    [" \t\n5", 5],
    ["5\0x", 5],
    ["\0", 0],
    ["1e400", Infinity],
    ["-1e400", -Infinity],
    ["1e-400", 0],
    ["-inf", -Infinity],
  ] as const)
    assert.equal(parseLoosely(text), value, JSON.stringify(text));
  for (const text of [" ", "5 ", "x", "nan"]) assert.ok(Number.isNaN(parseLoosely(text)), text);
});
