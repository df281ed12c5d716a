/**
 * CRC-64 as Redis puts it under a payload: Jones' polynomial, reflected, without a final inversion.
 *
 * Invariant: the 64 bits are two halves of 32, since a big integer for every byte would cost a hundred times as much.
 */

/** The polynomial ad93d23594c935a9 with its bits in reverse, in two halves. */
const POLYNOMIAL_HIGH = 0x95ac9329 | 0;
const POLYNOMIAL_LOW = 0xac4bc9b5 | 0;

const high = new Int32Array(256);
const low = new Int32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let h = 0;
  let l = byte;
  for (let bit = 0; bit < 8; bit++) {
    const odd = (l & 1) !== 0;
    l = (l >>> 1) | (h << 31);
    h >>>= 1;
    if (odd) {
      l ^= POLYNOMIAL_LOW;
      h ^= POLYNOMIAL_HIGH;
    }
  }
  high[byte] = h;
  low[byte] = l;
}

/** The checksum of `bytes[start … end)`. */
export function crc64(bytes: Uint8Array, start: number, end: number): bigint {
  const sum = new Crc64();
  sum.add(bytes, start, end);
  return sum.value;
}

/** A checksum of bytes that come piece by piece. */
export class Crc64 {
  #high = 0;
  #low = 0;

  add(bytes: Uint8Array, start: number, end: number): void {
    let h = this.#high;
    let l = this.#low;
    for (let at = start; at < end; at++) {
      const index = (l ^ (bytes[at] as number)) & 0xff;
      l = ((l >>> 8) | (h << 24)) ^ (low[index] as number);
      h = (h >>> 8) ^ (high[index] as number);
    }
    this.#high = h;
    this.#low = l;
  }

  /** Of all that was added. */
  get value(): bigint {
    return (BigInt(this.#high >>> 0) << 32n) | BigInt(this.#low >>> 0);
  }
}
