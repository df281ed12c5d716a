/**
 * Digest: a 128-bit keyed hash of words and bytes. Digests of parts are added up, so the digest of a whole does not depend on the
 * order of its parts, and a part that is there twice shows.
 *
 *   seed(key) ─► word, double, bytes … ─► addTo(sums)            HalfSipHash's round, all four words of its state as the result
 *
 * Invariant: the same words and bytes under the same key give the same digest on every machine. Who compares draws the key anew each
 * time, so nobody can prepare parts whose digests collide.
 */

/** Words of a digest, and of a key. */
export const DIGEST_WORDS = 4;

const real = new Float64Array(1);
const halves = new Int32Array(real.buffer);

export class Digest {
  #v0 = 0;
  #v1 = 0;
  #v2 = 0;
  #v3 = 0;

  /** Begins a digest under the key that lies at `at` of `key`. */
  seed(key: Int32Array, at: number): void {
    this.#v0 = key[at] as number;
    this.#v1 = key[at + 1] as number;
    this.#v2 = 0x6c796765 ^ (key[at + 2] as number);
    this.#v3 = 0x74656462 ^ (key[at + 3] as number);
  }

  word(word: number): void {
    let v0 = this.#v0;
    let v1 = this.#v1;
    let v2 = this.#v2;
    let v3 = this.#v3 ^ word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    this.#v0 = v0 ^ word;
    this.#v1 = v1;
    this.#v2 = v2;
    this.#v3 = v3;
  }

  /** A number of any size, as the two halves of its double. */
  double(value: number): void {
    real[0] = value;
    this.word(halves[0] as number);
    this.word(halves[1] as number);
  }

  /** `bytes[start … end)` and how many they are. The round stands here again: by way of `word` a kilobyte takes twice as long. */
  bytes(bytes: Uint8Array, start: number, end: number): void {
    let v0 = this.#v0;
    let v1 = this.#v1;
    let v2 = this.#v2;
    let v3 = this.#v3;
    const whole = end - ((end - start) & 3);
    for (let at = start; at <= whole; at += 4) {
      let word: number;
      if (at < whole)
        word =
          (bytes[at] as number) |
          ((bytes[at + 1] as number) << 8) |
          ((bytes[at + 2] as number) << 16) |
          ((bytes[at + 3] as number) << 24);
      else {
        // The last word: what is left over, with the length in its top byte.
        word = (end - start) << 24;
        if (at < end) word |= bytes[at] as number;
        if (at + 1 < end) word |= (bytes[at + 1] as number) << 8;
        if (at + 2 < end) word |= (bytes[at + 2] as number) << 16;
      }
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    this.#v0 = v0;
    this.#v1 = v1;
    this.#v2 = v2;
    this.#v3 = v3;
  }

  /** Ends the digest and writes it to `sums[at … at + 4)`. */
  writeTo(sums: Int32Array, at: number): void {
    this.#end();
    sums[at] = this.#v0;
    sums[at + 1] = this.#v1;
    sums[at + 2] = this.#v2;
    sums[at + 3] = this.#v3;
  }

  /** Ends the digest and adds it to `sums[at … at + 4)`. */
  addTo(sums: Int32Array, at: number): void {
    this.#end();
    sums[at] = ((sums[at] as number) + this.#v0) | 0;
    sums[at + 1] = ((sums[at + 1] as number) + this.#v1) | 0;
    sums[at + 2] = ((sums[at + 2] as number) + this.#v2) | 0;
    sums[at + 3] = ((sums[at + 3] as number) + this.#v3) | 0;
  }

  #end(): void {
    this.#v2 ^= 0xff;
    for (let round = 0; round < 3; round++) this.word(0);
  }
}

export function sameSums(a: Int32Array, aAt: number, b: Int32Array, bAt: number): boolean {
  for (let i = 0; i < DIGEST_WORDS; i++) if (a[aAt + i] !== b[bAt + i]) return false;
  return true;
}

/** Whether a sum is that of nothing. */
export function isNothing(sums: Int32Array, at: number): boolean {
  return sums[at] === 0 && sums[at + 1] === 0 && sums[at + 2] === 0 && sums[at + 3] === 0;
}

const sumBytes = Buffer.alloc(DIGEST_WORDS * 4);

/** A sum as text. */
export function hex(words: Int32Array, at: number): string {
  for (let i = 0; i < DIGEST_WORDS; i++) sumBytes.writeInt32BE(words[at + i] as number, i * 4);
  return sumBytes.toString("hex");
}
