/**
 * Estimate: how many elements a HyperLogLog has seen, from how often each value stands in its registers.
 *
 * Invariant: the estimator is Otmar Ertl's (arXiv:1702.01284) in the same order of operations as in Redis, so both give the same
 * integer for the same registers.
 */
import { type Encoding, HEADER_BYTES, REGISTERS, zerosAt } from "./text.ts";

/** The greatest run of zeros that 50 bits of a hash can begin with, plus one. */
const RUN_MAX = 51;
/** 0.5 / ln 2 */
const ALPHA = 0.7213475204444817;

/** How often each value stands in the registers counted now. */
const histogram = new Int32Array(64);

/** The estimate for registers one byte each. */
export function estimateRegisters(registers: Uint8Array): number {
  histogram.fill(0);
  for (let i = 0; i < REGISTERS; i++) (histogram[registers[i] as number] as number)++;
  return estimate();
}

/** The estimate for a HyperLogLog as a string; null when its sparse form is corrupt. */
export function estimateText(
  bytes: Buffer,
  start: number,
  end: number,
  encoding: Encoding,
): number | null {
  histogram.fill(0);
  if (encoding === "dense") countDense(bytes, start + HEADER_BYTES);
  else if (!countSparse(bytes, start + HEADER_BYTES, end)) return null;
  return estimate();
}

function countDense(bytes: Buffer, start: number): void {
  for (let at = start; at < start + (REGISTERS / 4) * 3; at += 3) {
    const three =
      (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16);
    (histogram[three & 63] as number)++;
    (histogram[(three >> 6) & 63] as number)++;
    (histogram[(three >> 12) & 63] as number)++;
    (histogram[three >> 18] as number)++;
  }
}

function countSparse(bytes: Buffer, start: number, end: number): boolean {
  let count = 0;
  for (let at = start; at < end; at++) {
    const head = bytes[at] as number;
    let value = 0;
    let length = (head & 3) + 1;
    if ((head & 0x80) !== 0) value = ((head >> 2) & 31) + 1;
    else {
      length = zerosAt(bytes, at, end);
      if ((head & 0x40) !== 0) at++;
    }
    (histogram[value] as number) += length;
    count += length;
  }
  return count === REGISTERS;
}

function estimate(): number {
  let z = REGISTERS * tau((REGISTERS - (histogram[RUN_MAX] as number)) / REGISTERS);
  for (let value = RUN_MAX - 1; value >= 1; value--) z = (z + (histogram[value] as number)) * 0.5;
  z += REGISTERS * sigma((histogram[0] as number) / REGISTERS);
  return Math.round((ALPHA * REGISTERS * REGISTERS) / z);
}

function sigma(share: number): number {
  if (share === 1) return Infinity;
  let x = share;
  let y = 1;
  let z = x;
  for (let before = NaN; before !== z;) {
    x *= x;
    before = z;
    z += x * y;
    y += y;
  }
  return z;
}

function tau(share: number): number {
  if (share === 0 || share === 1) return 0;
  let x = share;
  let y = 1;
  let z = 1 - x;
  for (let before = NaN; before !== z;) {
    x = Math.sqrt(x);
    before = z;
    y *= 0.5;
    z -= (1 - x) * (1 - x) * y;
  }
  return z / 3;
}
