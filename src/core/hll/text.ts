/**
 * Text: a HyperLogLog as the bytes that Redis keeps in a string.
 *
 *   "HYLL" │ u8 encoding │ 3 zeros │ u64 cardinality, lowest byte first; its highest bit: out of date │ registers
 *
 *   dense    6 bits a register, from the lowest bit of the first byte on: always 12,288 bytes
 *   sparse   00zzzzzz           1…64 registers of 0
 *            01zzzzzz zzzzzzzz  1…16,384 registers of 0
 *            1vvvvvnn           1…4 registers of 1…32
 *
 * Invariant: what stands in a string may come from anybody. Nothing is believed but what `encodingOf` and the readers have seen.
 */

export const REGISTERS = 16_384;
export const HEADER_BYTES = 16;
export const DENSE_BYTES = HEADER_BYTES + (REGISTERS * 6) / 8;
/** A register that holds more is beyond the sparse form. */
export const SPARSE_VALUE_MAX = 32;
const ZERO_MAX = 64;
const VALUE_RUN_MAX = 4;

const ENCODING_AT = 4;
const CARDINALITY_AT = 8;
const OUT_OF_DATE_AT = 15;
const OUT_OF_DATE = 0x80;

export type Encoding = "dense" | "sparse";

/** How the registers are written, or null when the bytes are no HyperLogLog. Sparse registers may still be corrupt. */
export function encodingOf(bytes: Buffer, start: number, end: number): Encoding | null {
  // "HYLL", the lowest byte first.
  if (end - start < HEADER_BYTES || bytes.readUInt32LE(start) !== 0x4c4c_5948) return null;
  const encoding = bytes[start + ENCODING_AT] as number;
  if (encoding === 0) return end - start === DENSE_BYTES ? "dense" : null;
  return encoding === 1 ? "sparse" : null;
}

/** Writes a header, with the cardinality of another; without one it is out of date. */
export function writeHeader(bytes: Buffer, encoding: Encoding, other: Buffer | null): void {
  bytes.fill(0, 0, HEADER_BYTES);
  bytes.latin1Write("HYLL", 0);
  bytes[ENCODING_AT] = encoding === "dense" ? 0 : 1;
  if (other === null) outdateCardinality(bytes);
  else bytes.set(other.subarray(CARDINALITY_AT, HEADER_BYTES), CARDINALITY_AT);
}

/** The cardinality that the header tells, or null when it is out of date. */
export function cachedCardinality(bytes: Buffer, start: number): number | bigint | null {
  if (((bytes[start + OUT_OF_DATE_AT] as number) & OUT_OF_DATE) !== 0) return null;
  const cardinality = bytes.readBigUInt64LE(start + CARDINALITY_AT);
  return cardinality <= Number.MAX_SAFE_INTEGER ? Number(cardinality) : cardinality;
}

export function cacheCardinality(bytes: Buffer, cardinality: number): void {
  bytes.writeUIntLE(cardinality, CARDINALITY_AT, 6);
  bytes.writeUInt16LE(0, CARDINALITY_AT + 6);
}

export function outdateCardinality(bytes: Buffer): void {
  (bytes[OUT_OF_DATE_AT] as number) |= OUT_OF_DATE;
}

/** A register of the dense form. */
export function denseRegister(bytes: Buffer, start: number, index: number): number {
  const bit = index * 6;
  const at = start + HEADER_BYTES + (bit >>> 3);
  const shift = bit & 7;
  const pair = (bytes[at] as number) | ((bytes[at + 1] ?? 0) << 8);
  return (pair >>> shift) & 63;
}

/** Writes a register of the dense form that begins at byte 0. */
export function setDenseRegister(bytes: Buffer, index: number, value: number): void {
  const bit = index * 6;
  const at = HEADER_BYTES + (bit >>> 3);
  const shift = bit & 7;
  bytes[at] = ((bytes[at] as number) & ~(63 << shift)) | (value << shift);
  if (shift <= 2) return;
  bytes[at + 1] = ((bytes[at + 1] as number) & ~(63 >> (8 - shift))) | (value >> (8 - shift));
}

/** Raises `registers` to those of a HyperLogLog; false, with some of them raised, when the sparse form is corrupt. */
export function raiseRegisters(
  registers: Uint8Array,
  bytes: Buffer,
  start: number,
  end: number,
  encoding: Encoding,
): boolean {
  if (encoding === "sparse") return raiseSparse(registers, bytes, start + HEADER_BYTES, end);
  raiseDense(registers, bytes, start + HEADER_BYTES);
  return true;
}

/** Raises `registers` to those of a dense body: four of them lie in three bytes. */
export function raiseDense(registers: Uint8Array, bytes: Buffer, start: number): void {
  for (let index = 0, at = start; index < REGISTERS; index += 4, at += 3) {
    const [a, b, c] = [bytes[at] as number, bytes[at + 1] as number, bytes[at + 2] as number];
    raise(registers, index, a & 63);
    raise(registers, index + 1, ((a >> 6) | (b << 2)) & 63);
    raise(registers, index + 2, ((b >> 4) | (c << 4)) & 63);
    raise(registers, index + 3, c >> 2);
  }
}

function raise(registers: Uint8Array, index: number, value: number): void {
  if (value > (registers[index] as number)) registers[index] = value;
}

/** As `raiseDense`, of a sparse body; false when it is corrupt: its runs must cover the registers exactly. */
export function raiseSparse(
  registers: Uint8Array,
  bytes: Buffer,
  start: number,
  end: number,
): boolean {
  let index = 0;
  for (let at = start; at < end; at++) {
    const head = bytes[at] as number;
    if ((head & 0x80) === 0) {
      index += zerosAt(bytes, at, end);
      if ((head & 0x40) !== 0) at++;
      continue;
    }
    const length = (head & 3) + 1;
    if (index + length > REGISTERS) return false;
    const value = ((head >> 2) & 31) + 1;
    for (const last = index + length; index < last; index++) raise(registers, index, value);
  }
  return index === REGISTERS;
}

/** How many zeros the run at a position of a sparse body stands for. Redis reads a missing second byte as 0. */
export function zerosAt(bytes: Buffer, at: number, end: number): number {
  const head = bytes[at] as number;
  if ((head & 0x40) === 0) return (head & 63) + 1;
  return (((head & 63) << 8) | (at + 1 < end ? (bytes[at + 1] as number) : 0)) + 1;
}

/** How many bytes a run of registers takes in the sparse form. */
function runBytes(value: number, length: number): number {
  if (value > 0) return Math.ceil(length / VALUE_RUN_MAX);
  return length === 0 ? 0 : length > ZERO_MAX ? 2 : 1;
}

/** Writes a run of registers in the sparse form; returns the position behind it. */
export function writeRun(bytes: Buffer, start: number, value: number, length: number): number {
  let at = start;
  if (value > 0) {
    for (let left = length; left > 0; left -= VALUE_RUN_MAX)
      bytes[at++] = 0x80 | ((value - 1) << 2) | (Math.min(left, VALUE_RUN_MAX) - 1);
    return at;
  }
  if (length > ZERO_MAX) bytes[at++] = 0x40 | ((length - 1) >> 8);
  if (length > 0) bytes[at++] = (length - 1) & 0xff;
  return at;
}

/**
 * By how many bytes Redis lets the sparse form grow, before it looks for runs to join, when register `index` of a run of equal
 * ones changes: what it goes by when it gives the sparse form up.
 */
export function growthOfSplit(value: number, length: number, index: number): number {
  if (value === 0)
    return runBytes(0, index) + 1 + runBytes(0, length - 1 - index) - runBytes(0, length);
  const within = index % VALUE_RUN_MAX;
  const last = Math.min(VALUE_RUN_MAX, length - index + within) - 1;
  return (within > 0 ? 1 : 0) + (within < last ? 1 : 0);
}
