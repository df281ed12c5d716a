/**
 * StreamId: what names an entry of a stream, `ms-seq`: 16 bytes, both parts of 64 bits and big-endian.
 *
 * Invariant: ids compare as their bytes do. They are bytes and not numbers because 64 bits do not fit into one; most of what is done
 * with them is comparing and copying.
 *
 * Who adds entries by `XADD *` in one of several regions gives ids that no other region gives: the sequence begins at the number
 * of the member, and goes on in steps that leave room for all of them. Where there is one member, ids are those of Redis.
 */

export const ID_BYTES = 16;
/** Members whose ids never meet. */
const MEMBERS_MAX = 4096;
const PART_BYTES = 8;
const UNIT = 2 ** 32;
/** Up to here the upper half of a part leaves a number that is exact. */
const EXACT_HIGH = 2 ** 21;

const ZERO_ID: Buffer = Buffer.alloc(ID_BYTES);
export const MAX_ID: Buffer = Buffer.alloc(ID_BYTES, 0xff);

/** Negative, zero or positive as id a is before, equal to or after id b. */
export function compareIds(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): number {
  for (let i = 0; i < ID_BYTES; i++) {
    const difference = (a[aAt + i] as number) - (b[bAt + i] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}

export function isZeroId(id: Uint8Array, at = 0): boolean {
  return compareIds(id, at, ZERO_ID, 0) === 0;
}

/** Makes an id the next one; false when there is none: then it is 0-0. */
export function nextId(id: Uint8Array, at: number): boolean {
  for (let i = at + ID_BYTES - 1; i >= at; i--) {
    if (id[i] !== 0xff) {
      (id[i] as number)++;
      return true;
    }
    id[i] = 0;
  }
  return false;
}

/** Makes an id the one before it; false when there is none: then it is the greatest. */
export function previousId(id: Uint8Array, at: number): boolean {
  for (let i = at + ID_BYTES - 1; i >= at; i--) {
    if (id[i] !== 0) {
      (id[i] as number)--;
      return true;
    }
    id[i] = 0xff;
  }
  return false;
}

/** The milliseconds of an id; rounded beyond 2^53. */
function msOf(id: Buffer, at: number): number {
  return id.readUInt32BE(at) * UNIT + id.readUInt32BE(at + 4);
}

/** Writes `ms-seq`; both are safe integers. */
export function writeId(id: Buffer, at: number, ms: number, seq: number): void {
  writePart(id, at, ms);
  writePart(id, at + PART_BYTES, seq);
}

function writePart(out: Buffer, at: number, value: number): void {
  out.writeUInt32BE(Math.floor(value / UNIT), at);
  out.writeUInt32BE(value % UNIT, at + 4);
}

/**
 * Makes the newest id of a stream the one that member `index` of `members` gives next at `ms`; false when there is none. It is later
 * than the newest, and its milliseconds are not before `ms`.
 */
export function generateId(id: Buffer, ms: number, index: number, members: number): boolean {
  if (msOf(id, 0) < ms) {
    writeId(id, 0, ms, index);
    return true;
  }
  if (members === 1) return nextId(id, 0);
  const low = id.readUInt16BE(14) % MEMBERS_MAX;
  const step = low < index ? index - low : MEMBERS_MAX - low + index;
  if (addTo(id, PART_BYTES, step)) return true;
  if (!addTo(id, 0, 1)) return false;
  writePart(id, PART_BYTES, index);
  return true;
}

/** Adds a small number to a part; false when it overflows. */
function addTo(id: Buffer, at: number, step: number): boolean {
  const low = id.readUInt32BE(at + 4) + step;
  const high = id.readUInt32BE(at) + (low >= UNIT ? 1 : 0);
  if (high >= UNIT) return false;
  id.writeUInt32BE(low % UNIT, at + 4);
  id.writeUInt32BE(high, at);
  return true;
}

/** Makes an id the next one of the same milliseconds; false when there is none. */
export function nextSeq(id: Buffer, at: number): boolean {
  return addTo(id, at + PART_BYTES, 1);
}

export function sameMs(a: Buffer, b: Buffer): boolean {
  return a.compare(b, 0, PART_BYTES, 0, PART_BYTES) === 0;
}

const SPACE = 32;
const DASH = 45;
const PLUS = 43;
const STAR = 42;
const ID_TEXT_MAX_BYTES = 127;

/** What `readId` found. */
export type IdForm =
  /** No id. */
  | 0
  /** `ms-seq`. */
  | 1
  /** `ms` alone. */
  | 2
  /** `ms-*`. */
  | 3;

/** Reads the id that a client wrote into `out`; a sequence that is missing is left 0. */
export function readId(bytes: Uint8Array, start: number, end: number, out: Buffer): IdForm {
  if (end - start > ID_TEXT_MAX_BYTES) return 0;
  // For Redis a text ends with its first zero.
  let last = start;
  while (last < end && bytes[last] !== 0) last++;
  let dash = start;
  while (dash < last && bytes[dash] !== DASH) dash++;
  out.fill(0, PART_BYTES, ID_BYTES);
  if (!readPart(bytes, start, dash, out, 0)) return 0;
  if (dash === last) return 2;
  if (dash + 2 === last && bytes[dash + 1] === STAR) return 3;
  return readPart(bytes, dash + 1, last, out, PART_BYTES) ? 1 : 0;
}

/** Digits, as C's strtoull takes them: after spaces and a sign. */
function readPart(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Buffer,
  outAt: number,
): boolean {
  let at = start;
  while (at < end && (bytes[at] === SPACE || isBreak(bytes[at] as number))) at++;
  if (at < end && bytes[at] === PLUS) at++;
  if (at === end) return false;
  let high = 0;
  let low = 0;
  for (; at < end; at++) {
    const digit = (bytes[at] as number) - 48;
    if (digit < 0 || digit > 9) return false;
    low = low * 10 + digit;
    high = high * 10 + Math.floor(low / UNIT);
    low %= UNIT;
    if (high >= UNIT) return false;
  }
  out.writeUInt32BE(high, outAt);
  out.writeUInt32BE(low, outAt + 4);
  return true;
}

function isBreak(byte: number): boolean {
  return byte >= 9 && byte <= 13;
}

/** The longest id as text. */
export const ID_TEXT_BYTES = 41;

/** Writes an id as text to `out`, which has room for `ID_TEXT_BYTES`; returns its end. */
export function formatId(id: Buffer, at: number, out: Buffer): number {
  const dash = formatPart(id, at, out, 0);
  out[dash] = DASH;
  return formatPart(id, at + PART_BYTES, out, dash + 1);
}

function formatPart(id: Buffer, at: number, out: Buffer, outAt: number): number {
  const high = id.readUInt32BE(at);
  const value = high * UNIT + id.readUInt32BE(at + 4);
  if (high >= EXACT_HIGH) return outAt + out.latin1Write(id.readBigUInt64BE(at).toString(), outAt);
  let digits = 1;
  for (let limit = 10; value >= limit; limit *= 10) digits++;
  let rest = value;
  for (let i = outAt + digits - 1; i >= outAt; i--) {
    const tens = Math.floor(rest / 10);
    out[i] = 48 + rest - tens * 10;
    rest = tens;
  }
  return outAt + digits;
}
