/**
 * BitField: integers of 1 to 64 bits anywhere in a row of bits, and what becomes of those that do not fit.
 *
 * Invariant: an integer is a plain number while all that happens to it stays exact as one; the rest are big, never both.
 * Integers are laid out with the highest bit first, signed ones as two's complement.
 */

/** What to do with a result that does not fit: wrap around, stop at the nearest bound, or leave everything as it is. */
export type Overflow = "wrap" | "sat" | "fail";

/** Wider fields are big: below, the sum of a field and `PLAIN_MAX` is exact. */
const PLAIN_BITS = 48;
const PLAIN_MAX = 2 ** 52;
const INT64_MAX = 2n ** 63n - 1n;

/** The integer of `bits` bits at bit `offset` behind byte `start`; what lies behind `end` reads as zeros. */
export function readField(
  bytes: Buffer,
  start: number,
  end: number,
  offset: number,
  bits: number,
  signed: boolean,
): number | bigint {
  if (bits <= PLAIN_BITS) {
    const value = readBits(bytes, start, end, offset, bits);
    return signed && value >= 2 ** (bits - 1) ? value - 2 ** bits : value;
  }
  const high = readBits(bytes, start, end, offset, bits - 32);
  const low = readBits(bytes, start, end, offset + bits - 32, 32);
  const value = (BigInt(high) << 32n) | BigInt(low);
  return signed ? BigInt.asIntN(bits, value) : value;
}

function readBits(bytes: Buffer, start: number, end: number, offset: number, bits: number): number {
  let value = 0;
  let at = start + Math.floor(offset / 8);
  let before = offset % 8;
  for (let left = bits; left > 0; before = 0) {
    const byte = at < end ? (bytes[at] as number) & (0xff >> before) : 0;
    at++;
    const taken = Math.min(8 - before, left);
    value = value * (1 << taken) + (byte >> (8 - before - taken));
    left -= taken;
  }
  return value;
}

/** Writes an integer that fits. */
export function writeField(
  bytes: Buffer,
  offset: number,
  bits: number,
  value: number | bigint,
): void {
  if (typeof value === "number")
    return writeBits(bytes, offset, bits, value < 0 ? value + 2 ** bits : value);
  const whole = BigInt.asUintN(bits, value);
  writeBits(bytes, offset, bits - 32, Number(whole >> 32n));
  writeBits(bytes, offset + bits - 32, 32, Number(whole & 0xffffffffn));
}

function writeBits(bytes: Buffer, offset: number, bits: number, value: number): void {
  let rest = value;
  let end = offset + bits;
  for (let left = bits; left > 0;) {
    const at = Math.floor((end - 1) / 8);
    const used = ((end - 1) % 8) + 1;
    const taken = Math.min(used, left);
    const unit = 1 << taken;
    const mask = (unit - 1) << (8 - used);
    bytes[at] = ((bytes[at] as number) & ~mask) | ((rest % unit) << (8 - used));
    rest = Math.floor(rest / unit);
    end -= taken;
    left -= taken;
  }
}

/**
 * What a field holds after `increment` (a 64-bit integer) was added to `value`, or null when that fails. A plain write is the
 * increment 0 to the new value.
 */
export function fit(
  value: number | bigint,
  increment: number | bigint,
  bits: number,
  signed: boolean,
  overflow: Overflow,
): number | bigint | null {
  if (bits > PLAIN_BITS || !isPlain(value) || !isPlain(increment)) {
    const fitting = fitBig(BigInt(value), BigInt(increment), bits, signed, overflow);
    return bits > PLAIN_BITS || fitting === null ? fitting : Number(fitting);
  }
  const size = 2 ** bits;
  const max = signed ? size / 2 - 1 : size - 1;
  const min = signed ? -size / 2 : 0;
  const sum = value + increment;
  if (sum >= min && sum <= max) return sum;
  if (overflow === "fail") return null;
  // A negative number written to an unsigned field is a very large one.
  if (overflow === "sat") return sum > max || (!signed && value < 0) ? max : min;
  const rest = ((sum % size) + size) % size;
  return rest > max ? rest - size : rest;
}

function isPlain(value: number | bigint): value is number {
  return typeof value === "number" && value < PLAIN_MAX && value > -PLAIN_MAX;
}

function fitBig(
  value: bigint,
  increment: bigint,
  bits: number,
  signed: boolean,
  overflow: Overflow,
): bigint | null {
  const size = 1n << BigInt(bits);
  const max = signed ? size / 2n - 1n : size - 1n;
  const min = signed ? -size / 2n : 0n;
  const sum = value + increment;
  if (sum >= min && sum <= max) return sum;
  if (overflow === "fail") return null;
  if (overflow === "sat") {
    // Redis takes the distance to the upper bound in 64 bits: numbers so low that it overflows end at that bound.
    const above = sum > max || max - value > INT64_MAX || (!signed && value < 0n);
    return above && (bits < 64 || sum > max) ? max : min;
  }
  return signed ? BigInt.asIntN(bits, sum) : BigInt.asUintN(bits, sum);
}
