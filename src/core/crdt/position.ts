/**
 * Position: where an element of a list stands: bytes whose order, compared byte by byte, is the order of the list.
 *
 *   position   birth | { digit | birth }
 *   birth      u48 ms | ordered tick | ordered index | incarnation (8 bytes)      of the record that made the element
 *   digit      { 00000000 } | u32, not 0
 *
 *   RPUSH      birth, the top bit of ms set          later than everything its origin has seen, so behind it
 *   LPUSH      birth, ms, tick and index inverted    before it, for the same reason
 *   LINSERT    the left neighbour's position, or what it shares with the right one, and one digit and birth more
 *
 * Pushes of several regions interleave by time, but each follows what its origin had seen. A push costs 16 bytes; an element that
 * was inserted 20 more, and 20 again when some 32,000 were inserted at one place.
 *
 * Invariant: no two elements ever have the same position. The incarnation names an origin alone (`Origins` refuses a second one),
 * its records have stamps that grow strictly, and the index counts the elements of one record; so no two births are equal. A
 * birth shows its own length, so positions are read from their beginning in one way only, and each ends with its own birth.
 * There is always room: digits of 0 lead below the lowest digit, a component more lies above the highest.
 */
import { Malformed } from "../bytes/source.ts";

/** What nothing else that is ever made has in common with an element. */
export interface Birth {
  /** The stamp of its record. */
  ms: number;
  tick: number;
  /** Its number within the record. */
  index: number;
  /** Eight bytes. */
  incarnation: Buffer;
}

/** The longest position a push makes. */
export const PUSHED_MAX_BYTES = 6 + 3 + 5 + 8;

/** The first byte of the positions behind the beginning: those of RPUSH. */
const TAIL = 0x80;
const STAMP_BYTES = 6;
const INCARNATION_BYTES = 8;
const DIGIT_BYTES = 4;
const DIGIT_MAX = 2 ** 32 - 1;
/** The first digit at a place: as far from the lowest as from the highest. */
const DIGIT_MIDDLE = 2 ** 31;
/** What a run of insertions in one direction moves on by, so that there is room between for the others. */
const DIGIT_STEP = 2 ** 16;
/** Ordered numbers: up to here one byte, and then two or four behind a mark. */
const ONE_BYTE_MAX = 0xf7;
const TWO_BYTES = 0xf8;
const FOUR_BYTES = 0xf9;

/** Writes the position behind everything seen so far to `out`; returns its end. */
export function writeTail(out: Buffer, at: number, birth: Birth): number {
  return writeBirth(out, at, birth);
}

/** Writes the position in front of everything seen so far to `out`; returns its end. */
export function writeHead(out: Buffer, at: number, birth: Birth): number {
  const end = writeBirth(out, at, birth);
  for (let i = at; i < end - INCARNATION_BYTES; i++) out[i] = ~(out[i] as number);
  return end;
}

/** A position between two that are in order. */
export function between(left: Buffer, right: Buffer, birth: Birth): Buffer {
  const { prefix, digit } = placeBetween(left, right);
  const tail = Buffer.alloc(DIGIT_BYTES + PUSHED_MAX_BYTES);
  tail.writeUInt32BE(digit);
  const end = writeBirth(tail, DIGIT_BYTES, birth);
  return Buffer.concat([prefix, tail.subarray(0, end)]);
}

/** Refuses bytes from a peer or a file that are no position. */
export function checkPosition(bytes: Uint8Array, start: number, end: number): void {
  let at = birthEnd(bytes, start, end);
  while (at >= 0 && at < end) at = componentEnd(bytes, at, end);
  if (at < 0) throw new Malformed("an element of a list has no position");
}

// ── below ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

function writeBirth(out: Buffer, from: number, { ms, tick, index, incarnation }: Birth): number {
  out.writeUIntBE(ms, from, STAMP_BYTES);
  out[from] = (out[from] as number) | TAIL;
  const at = writeOrdered(out, writeOrdered(out, from + STAMP_BYTES, tick), index);
  incarnation.copy(out, at);
  return at + INCARNATION_BYTES;
}

function writeOrdered(out: Buffer, at: number, value: number): number {
  if (value <= ONE_BYTE_MAX) return out.writeUInt8(value, at);
  if (value <= 0xffff) return out.writeUInt16BE(value, out.writeUInt8(TWO_BYTES, at));
  return out.writeUInt32BE(value, out.writeUInt8(FOUR_BYTES, at));
}

/** Where the birth at `at` ends, or −1 when there is none. */
function birthEnd(bytes: Uint8Array, at: number, end: number): number {
  const inverted = (bytes[at] as number) < TAIL ? 0xff : 0;
  let next = at + STAMP_BYTES;
  for (let numbers = 0; numbers < 2; numbers++) {
    if (next >= end) return -1;
    const mark = (bytes[next] as number) ^ inverted;
    if (mark > FOUR_BYTES) return -1;
    next += mark <= ONE_BYTE_MAX ? 1 : mark === TWO_BYTES ? 3 : 5;
  }
  next += INCARNATION_BYTES;
  return next <= end ? next : -1;
}

/** Where the digit and birth at `at` end, or −1. */
function componentEnd(bytes: Uint8Array, at: number, end: number): number {
  const digit = digitAt(bytes, at, end);
  if (digit < 0 || (bytes[digit + DIGIT_BYTES] ?? 0) < TAIL) return -1;
  return birthEnd(bytes, digit + DIGIT_BYTES, end);
}

/** Where the digit behind the zeros at `at` lies, or −1. */
function digitAt(bytes: Uint8Array, from: number, end: number): number {
  for (let at = from; at + DIGIT_BYTES <= end; at += DIGIT_BYTES)
    if (bytes[at] !== 0 || bytes[at + 1] !== 0 || bytes[at + 2] !== 0 || bytes[at + 3] !== 0)
      return at;
  return -1;
}

interface Room {
  readonly prefix: Buffer;
  readonly digit: number;
}

function placeBetween(left: Buffer, right: Buffer): Room {
  if (startsWith(right, left)) return placeBefore(left, right);
  const at = lastComponent(left);
  const below = { prefix: left, digit: DIGIT_MIDDLE };
  // A pushed element's time is its place: what is inserted behind it goes below it.
  if (at === 0) return below;
  const digitLies = digitAt(left, at, left.length);
  const prefix = left.subarray(0, digitLies);
  const digit = left.readUInt32BE(digitLies);
  // The right one lies elsewhere: nothing limits the digit but its size.
  const limit = startsWith(right, prefix) ? right.readUInt32BE(digitLies) : DIGIT_MAX + 1;
  if (limit - digit < 2) return below;
  const step = Math.min(DIGIT_STEP, Math.floor((limit - digit) / 2));
  return { prefix, digit: digit + step };
}

/** Between a position and another that begins with it. */
function placeBefore(left: Buffer, right: Buffer): Room {
  const at = digitAt(right, left.length, right.length);
  const digit = right.readUInt32BE(at);
  if (digit > 1) {
    const step = Math.min(DIGIT_STEP, Math.floor(digit / 2));
    return { prefix: right.subarray(0, at), digit: digit - step };
  }
  const prefix = Buffer.concat([right.subarray(0, at), Buffer.alloc(DIGIT_BYTES)]);
  return { prefix, digit: DIGIT_MIDDLE };
}

/** Where the last component of a position begins; 0 when it is the only one. */
function lastComponent(position: Buffer): number {
  let from = 0;
  let at = birthEnd(position, 0, position.length);
  while (at < position.length) {
    from = at;
    at = componentEnd(position, at, position.length);
  }
  return from;
}

function startsWith(bytes: Buffer, prefix: Buffer): boolean {
  const { length } = prefix;
  return bytes.length >= length && bytes.compare(prefix, 0, length, 0, length) === 0;
}
