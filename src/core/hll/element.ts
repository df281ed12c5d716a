/**
 * Element: which register of a HyperLogLog an element belongs to, and what it says there.
 *
 * Invariant: the hash is MurmurHash64A with the seed that Redis uses, so what is counted here and there is the same. It is computed
 * in halves of 32 bits: big integers would cost a hundred times as much.
 */

const SEED = 0xadc83b19;
/** The multiplier of MurmurHash64A, in halves. */
const M_HIGH = 0xc6a4a793;
const M_LOW = 0x5bd1e995;
/** Bits of the hash that choose the register. */
const INDEX_BITS = 14;
/** All the others, in which zeros are counted. */
const REST_BITS = 64 - INDEX_BITS;

export class Element {
  /** The register, 0…16383. */
  index = 0;
  /** How far behind the index the first one of the hash is, 1…51. */
  run = 0;
  #high = 0;
  #low = 0;

  /** Looks at the element `bytes[start … end)`. */
  read(bytes: Buffer, start: number, end: number): void {
    this.#hash(bytes, start, end);
    this.index = this.#low & ((1 << INDEX_BITS) - 1);
    const rest = this.#low >>> INDEX_BITS;
    if (rest !== 0) this.run = zerosBehind(rest) + 1;
    else if (this.#high !== 0) this.run = zerosBehind(this.#high) + 32 - INDEX_BITS + 1;
    else this.run = REST_BITS + 1;
  }

  #hash(bytes: Buffer, start: number, end: number): void {
    const length = end - start;
    this.#high = 0;
    this.#low = length;
    this.#multiply();
    let high = this.#high;
    let low = this.#low ^ SEED;
    let at = start;
    for (; at + 8 <= end; at += 8) {
      this.#low = word(bytes, at);
      this.#high = word(bytes, at + 4);
      this.#multiply();
      this.#low ^= this.#high >>> 15;
      this.#multiply();
      this.#low ^= low;
      this.#high ^= high;
      this.#multiply();
      low = this.#low;
      high = this.#high;
    }
    if (at < end) {
      for (let i = at; i < end; i++) {
        const byte = bytes[i] as number;
        if (i - at < 4) low ^= byte << ((i - at) * 8);
        else high ^= byte << ((i - at - 4) * 8);
      }
      this.#high = high;
      this.#low = low;
      this.#multiply();
      high = this.#high;
      low = this.#low;
    }
    this.#high = high;
    this.#low = low ^ (high >>> 15);
    this.#multiply();
    this.#low ^= this.#high >>> 15;
  }

  /** Multiplies the 64 bits by the multiplier, in digits of 16 bits. */
  #multiply(): void {
    const a = this.#low;
    const a0 = a & 0xffff;
    const a1 = a >>> 16;
    const b0 = M_LOW & 0xffff;
    const b1 = M_LOW >>> 16;
    const low = Math.imul(a0, b0);
    const first = (Math.imul(a1, b0) + (low >>> 16)) >>> 0;
    const second = (Math.imul(a0, b1) + (first & 0xffff)) >>> 0;
    const carry = Math.imul(a1, b1) + (first >>> 16) + (second >>> 16);
    this.#high = (carry + Math.imul(a, M_HIGH) + Math.imul(this.#high, M_LOW)) | 0;
    this.#low = Math.imul(a, M_LOW);
  }
}

/** Four bytes, the lowest first. */
function word(bytes: Buffer, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

/** How many zeros stand behind the lowest one of a word that is not 0. */
function zerosBehind(value: number): number {
  return 31 - Math.clz32(value & -value);
}
