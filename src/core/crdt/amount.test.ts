import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Sink } from "../bytes/sink.ts";
import { Source } from "../bytes/source.ts";
import {
  add,
  type Amount,
  format,
  parseDecimal,
  parseInteger,
  readAmount,
  subtract,
  whole,
  writeAmount,
} from "./amount.ts";

const LIMITS = [
  0n,
  2n ** 52n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  -(2n ** 63n),
  10n ** 300n,
];
const integer = fc.oneof(fc.constantFrom(...LIMITS), fc.bigInt(), fc.integer().map(BigInt));
/** digits / 10^places */
const decimal = fc.record({ digits: integer, places: fc.nat(17) });

function text({ digits, places }: { digits: bigint; places: number }): string {
  const sign = digits < 0n ? "-" : "";
  const all = String(digits < 0n ? -digits : digits).padStart(places + 1, "0");
  return places === 0 ? sign + all : `${sign}${all.slice(0, -places)}.${all.slice(-places)}`;
}

function parsed(value: string): Amount {
  const bytes = Buffer.from(value);
  const amount = parseDecimal(bytes, 0, bytes.length);
  assert.ok(amount !== null, value);
  return amount;
}

/** The value times 10^17, exactly. */
function scaled(amount: Amount): bigint {
  const [before, behind = ""] = format(amount).split(".") as [string, string?];
  return BigInt(before + behind.padEnd(17, "0"));
}

test("whole amounts add up as BigInts do", () => {
  fc.assert(
    fc.property(integer, integer, (a, b) => {
      assert.equal(whole(add(parsed(String(a)), parsed(String(b)))), a + b);
      assert.equal(whole(subtract(parsed(String(a)), parsed(String(b)))), a - b);
      assert.equal(format(parsed(String(a))), String(a));
    }),
  );
});

test("decimals add up exactly, in any order", () => {
  fc.assert(
    fc.property(fc.array(decimal, { minLength: 1, maxLength: 8 }), (terms) => {
      const amounts = terms.map((term) => parsed(text(term)));
      const exact = terms.reduce(
        (sum, { digits, places }) => sum + digits * 10n ** BigInt(17 - places),
        0n,
      );
      assert.equal(scaled(amounts.reduce(add)), exact);
      assert.deepEqual(amounts.toReversed().reduce(add), amounts.reduce(add));
    }),
  );
});

test("what is taken away again leaves what was there, a safe integer as a number", () => {
  fc.assert(
    fc.property(decimal, decimal, (a, b) => {
      const [x, y] = [parsed(text(a)), parsed(text(b))];
      const back = subtract(add(x, y), y);
      assert.deepEqual(back, x);
      if (typeof back === "number") assert.ok(Number.isSafeInteger(back));
    }),
  );
});

test("an amount travels as it is", () => {
  fc.assert(
    fc.property(decimal, (drawn) => {
      const amount = parsed(text(drawn));
      const sink = new Sink();
      writeAmount(sink, amount);
      const source = new Source(sink.copy());
      assert.deepEqual(readAmount(source), amount);
      assert.equal(source.left, 0);
    }),
  );
});

test("integers are read as Redis reads them: 64 bits, and nothing around them", () => {
  const read = (value: string): bigint | null => {
    const bytes = Buffer.from(`<${value}>`);
    const amount = parseInteger(bytes, 1, 1 + value.length);
    return amount === null ? null : whole(amount);
  };
  for (const good of ["0", "-1", "9007199254740993", "9223372036854775807", "-9223372036854775808"])
    assert.equal(read(good), BigInt(good));
  for (const bad of [
    "",
    "-",
    "+1",
    "01",
    "-0",
    " 1",
    "1 ",
    "1.0",
    "9223372036854775808",
    "-9223372036854775809",
    "1e3",
  ])
    assert.equal(read(bad), null, bad);
});
