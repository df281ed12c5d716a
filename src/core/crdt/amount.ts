/**
 * Amount: what counters add up, exactly.
 *
 * Invariant: addition is exact, so a sum does not depend on its order and is the same on every replica. An amount that is a safe
 * integer is always a plain number; everything else (beyond 2^53, or with a fraction) is a decimal of big digits.
 */
import type { Sink } from "../bytes/sink.ts";
import { Malformed, type Source } from "../bytes/source.ts";

/** `digits / 10^scale`, without trailing zeros behind the point. */
export interface Decimal {
  readonly digits: bigint;
  readonly scale: number;
}

export type Amount = number | Decimal;

/** More digits than this, before or behind the point, are refused: a few bytes must not become megabytes of zeros. */
const DIGITS_MAX = 512;
/** Digits behind the point that Redis prints (`%.17Lf`). */
const FRACTION_MAX = 17;

const SAFE = BigInt(Number.MAX_SAFE_INTEGER);

export function add(a: Amount, b: Amount): Amount {
  if (typeof a === "number" && typeof b === "number") {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return combine(a, b, 1n);
}

export function subtract(a: Amount, b: Amount): Amount {
  if (typeof a === "number" && typeof b === "number") {
    const difference = a - b;
    if (Number.isSafeInteger(difference)) return difference;
  }
  return combine(a, b, -1n);
}

function combine(a: Amount, b: Amount, sign: bigint): Amount {
  const left = decimal(a);
  const right = decimal(b);
  const scale = Math.max(left.scale, right.scale);
  return normal(shifted(left, scale) + sign * shifted(right, scale), scale);
}

function decimal(amount: Amount): Decimal {
  return typeof amount === "number" ? { digits: BigInt(amount), scale: 0 } : amount;
}

function shifted(amount: Decimal, scale: number): bigint {
  return amount.digits * 10n ** BigInt(scale - amount.scale);
}

function normal(digits: bigint, scale: number): Amount {
  let rest = digits;
  let places = scale;
  while (places > 0 && rest % 10n === 0n) {
    rest /= 10n;
    places--;
  }
  if (places === 0 && rest <= SAFE && rest >= -SAFE) return Number(rest);
  return { digits: rest, scale: places };
}

/** The amount as a whole number, or null when it has a fraction. */
export function whole(amount: Amount): bigint | null {
  if (typeof amount === "number") return BigInt(amount);
  return amount.scale === 0 ? amount.digits : null;
}

/** The double nearest to an amount. */
export function toDouble(amount: Amount): number {
  return typeof amount === "number" ? amount : Number(`${amount.digits}e-${amount.scale}`);
}

/** Of all decimals that read back as this double, which is finite, the shortest. */
export function ofDouble(value: number): Amount {
  // −0 is no amount: adding it would change nothing.
  if (Number.isSafeInteger(value)) return value + 0;
  const text = Buffer.from(String(value));
  return parseDecimal(text, 0, text.length) as Amount;
}

/** As Redis prints it: at most 17 digits behind the point, no trailing zeros. */
export function format(amount: Amount): string {
  if (typeof amount === "number") return String(amount);
  let { digits, scale } = amount;
  if (scale > FRACTION_MAX) {
    const unit = 10n ** BigInt(scale - FRACTION_MAX);
    const half = digits < 0n ? -unit / 2n : unit / 2n;
    const rounded = normal((digits + half) / unit, FRACTION_MAX);
    if (typeof rounded === "number") return String(rounded);
    ({ digits, scale } = rounded);
  }
  if (scale === 0) return String(digits);
  const text = String(digits < 0n ? -digits : digits).padStart(scale + 1, "0");
  return `${digits < 0n ? "-" : ""}${text.slice(0, -scale)}.${text.slice(-scale)}`;
}

/**
 * A 64-bit integer exactly as Redis reads one (no sign but a leading minus, no leading zeros, no spaces), or null.
 */
export function parseInteger(bytes: Uint8Array, start: number, end: number): Amount | null {
  const length = end - start;
  if (length === 0 || length > 20) return null;
  const negative = bytes[start] === 45;
  const first = negative ? start + 1 : start;
  if (first === end) return null;
  if (bytes[first] === 48) return !negative && length === 1 ? 0 : null;
  let value = 0;
  for (let i = first; i < end; i++) {
    const digit = (bytes[i] as number) - 48;
    if (digit < 0 || digit > 9) return null;
    value = value * 10 + digit;
  }
  if (value <= Number.MAX_SAFE_INTEGER) return negative ? -value : value;
  const exact = BigInt(Buffer.from(bytes.buffer, bytes.byteOffset + start, length).latin1Slice());
  return BigInt.asIntN(64, exact) === exact ? normal(exact, 0) : null;
}

/**
 * A decimal number with optional fraction and exponent, or null. Infinity and NaN are not amounts.
 */
export function parseDecimal(bytes: Uint8Array, start: number, end: number): Amount | null {
  const integer = parseInteger(bytes, start, end);
  if (integer !== null) return integer;
  if (end - start > DIGITS_MAX) return null;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).latin1Slice();
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,5}))?$/.exec(text);
  if (match === null) return null;
  const [, sign, before = "", behind = "", exponent = "0"] = match;
  if (before.length + behind.length === 0) return null;
  const scale = behind.length - Number(exponent);
  if (Math.abs(scale) > DIGITS_MAX) return null;
  const digits = BigInt(before + behind) * (sign === "-" ? -1n : 1n);
  return scale < 0 ? normal(digits * 10n ** BigInt(-scale), 0) : normal(digits, scale);
}

/** zigzag integers below 2^52 are one varint; the rest is text. */
const PLAIN = 0;
const DECIMAL = 1;

export function writeAmount(sink: Sink, amount: Amount): void {
  if (typeof amount === "number" && Math.abs(amount) < 2 ** 52) {
    sink.u8(PLAIN);
    sink.zigzag(amount);
    return;
  }
  const { digits, scale } = decimal(amount);
  sink.u8(DECIMAL);
  sink.varint(scale);
  sink.text(String(digits));
}

export function readAmount(source: Source): Amount {
  const kind = source.u8();
  if (kind === PLAIN) return source.zigzag();
  if (kind !== DECIMAL) throw new Malformed(`${kind} is no kind of amount`);
  const scale = source.varint();
  const text = source.text();
  if (scale > 2 * DIGITS_MAX || text.length > 4 * DIGITS_MAX || !/^-?\d+$/.test(text))
    throw new Malformed("an amount is out of bounds");
  return normal(BigInt(text), scale);
}
