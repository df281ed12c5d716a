/**
 * Floats: what INCRBYFLOAT and HINCRBYFLOAT compute, digit for digit as Redis does.
 *
 * Redis adds in the 80-bit floats of x87 and prints 17 digits behind the point, so that 300 + 0.1 becomes
 * 300.10000000000000001. The replica that increments computes the same and replicates the difference to what it saw, as an
 * exact decimal: every replica adds up the same digits, and nobody's rounding depends on the order.
 *
 * Invariant: plain integer arithmetic, so every machine gets the same digits.
 */
import { add, type Amount, type Decimal, parseDecimal, subtract } from "../crdt/amount.ts";

/** The refusal of a sum that is no number. */
export const NOT_FINITE = "ERR increment would produce NaN or Infinity";

/** Bits of the significand of an 80-bit float. */
const SIGNIFICAND_BITS = 64;
/** Digits behind the point in `%.17Lf`. */
const FRACTION_DIGITS = 17;

const INFINITE = /^[+-]?inf(?:inity)?$/i;
const HEXADECIMAL = /^([+-]?)0x([\da-f]*)(?:\.([\da-f]*))?(?:p([+-]?\d{1,4}))?$/i;

/**
 * The number that `strtold` reads from all of the bytes: an amount, "infinite", or null when it is none. Numbers of more than
 * some 500 digits, which Redis takes, are none here (see `parseDecimal`).
 */
export function parseFloatText(
  bytes: Buffer,
  start: number,
  end: number,
): Amount | "infinite" | null {
  const amount = parseDecimal(bytes, start, end);
  if (amount !== null || end - start < 3 || end - start > 512) return amount;
  const text = bytes.latin1Slice(start, end);
  return INFINITE.test(text) ? "infinite" : parseHexadecimal(text);
}

function parseHexadecimal(text: string): Amount | null {
  const match = HEXADECIMAL.exec(text);
  if (match === null) return null;
  const [, sign, before = "", behind = "", power = "0"] = match;
  if (before.length + behind.length === 0) return null;
  const digits = BigInt(`0x${before}${behind}`) * (sign === "-" ? -1n : 1n);
  const shift = Number(power) - 4 * behind.length;
  if (Math.abs(shift) > 1024) return null;
  return add(0, ofBinary(digits, shift));
}

/** What Redis shows for `a + b`. */
export function addFloats(a: Amount, b: Amount): string {
  // Whole numbers this small are exact in any arithmetic.
  if (typeof a === "number" && typeof b === "number") {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return String(sum);
  }
  return print(rounded(add(rounded(a), rounded(b))));
}

/** What must be added to `before` for `text`, which `addFloats` gave, to come out. */
export function difference(text: Buffer, before: Amount): Amount {
  return subtract(parseDecimal(text, 0, text.length) as Amount, before);
}

/** The 80-bit float nearest to an amount, of two equally near the even one. Its exponent may be any. */
function rounded(amount: Amount): Decimal {
  const { digits, scale } = decimal(amount);
  if (digits === 0n) return { digits, scale: 0 };
  const divisor = 10n ** BigInt(scale);
  const size = digits < 0n ? -digits : digits;
  let shift = SIGNIFICAND_BITS - (bitLength(size) - bitLength(divisor));
  // The quotient of two numbers has as many bits as their difference says, or one more.
  if (quotient(size, divisor, shift) >> BigInt(SIGNIFICAND_BITS) > 0n) shift--;
  const significand = nearest(...scaled(size, divisor, shift));
  return ofBinary(digits < 0n ? -significand : significand, -shift);
}

function decimal(amount: Amount): Decimal {
  return typeof amount === "number" ? { digits: BigInt(amount), scale: 0 } : amount;
}

function bitLength(value: bigint): number {
  const hex = value.toString(16);
  return (hex.length - 1) * 4 + (32 - Math.clz32(Number.parseInt(hex.slice(0, 1), 16)));
}

/** Dividend and divisor of `value · 2^shift / divisor`. */
function scaled(value: bigint, divisor: bigint, shift: number): [bigint, bigint] {
  return shift >= 0 ? [value << BigInt(shift), divisor] : [value, divisor << BigInt(-shift)];
}

function quotient(value: bigint, divisor: bigint, shift: number): bigint {
  const [above, below] = scaled(value, divisor, shift);
  return above / below;
}

/** `value / divisor` (neither negative) to the nearest whole number, half to even. */
function nearest(value: bigint, divisor: bigint): bigint {
  const whole = value / divisor;
  const twice = (value % divisor) * 2n;
  const up = twice > divisor || (twice === divisor && whole % 2n === 1n);
  return up ? whole + 1n : whole;
}

/** `digits · 2^power`, exactly. */
function ofBinary(digits: bigint, power: number): Decimal {
  return power >= 0
    ? { digits: digits << BigInt(power), scale: 0 }
    : { digits: digits * 5n ** BigInt(-power), scale: -power };
}

/** As `%.17Lf` without the zeros at the end. */
function print({ digits, scale }: Decimal): string {
  const size = digits < 0n ? -digits : digits;
  const shown = nearest(size * 10n ** BigInt(FRACTION_DIGITS), 10n ** BigInt(scale));
  const text = String(shown).padStart(FRACTION_DIGITS + 1, "0");
  const fraction = text.slice(-FRACTION_DIGITS).replace(/0+$/, "");
  const whole = text.slice(0, -FRACTION_DIGITS);
  const sign = digits < 0n && shown !== 0n ? "-" : "";
  return `${sign}${whole}${fraction === "" ? "" : "."}${fraction}`;
}
