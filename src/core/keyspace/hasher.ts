/**
 * Hasher: 32-bit keyed hash of a name (HalfSipHash-1-3, Aumasson and Bernstein).
 *
 * Invariant: without the key nobody can choose names that collide, so a client cannot make a table slow. The hash never leaves
 * the process: another process has another key.
 */
export class Hasher {
  readonly #k0: number;
  readonly #k1: number;

  /** The key: 64 bits of chance. */
  constructor(k0: number, k1: number) {
    this.#k0 = k0 | 0;
    this.#k1 = k1 | 0;
  }

  /** The hash, unsigned, of `bytes[start … end)` in database `db`. */
  hash(db: number, bytes: Uint8Array, start: number, end: number): number {
    const k0 = this.#k0 ^ db;
    const k1 = this.#k1;
    let v0 = k0;
    let v1 = k1;
    let v2 = 0x6c796765 ^ k0;
    let v3 = 0x74656462 ^ k1;
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
    // The round stands here twice because a call, or state outside of local variables, doubles the cost of a short key.
    v2 ^= 0xff;
    for (let round = 0; round < 3; round++) {
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
    }
    return (v1 ^ v3) >>> 0;
  }
}
