/**
 * Chance: every random number of a simulation, as named streams that grow from one seed.
 *
 * Invariant: a stream depends on the seed and its name alone. A draw added in one place moves nothing anywhere else, and leaving a
 * fault or an operation out leaves the others as they were: that is what makes shrinking possible.
 */

/** One stream: sfc32, seeded with the seed and a name. */
export class Chance {
  #a: number;
  #b: number;
  #c: number;
  #d = 1;

  constructor(seed: number, name: string) {
    let hash = 0x811c9dc5 ^ seed;
    for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
    this.#a = hash | 0;
    this.#b = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 0;
    this.#c = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35) | 0;
    for (let i = 0; i < 12; i++) this.u32();
  }

  /** 32 bits, unsigned. */
  u32(): number {
    const t = (((this.#a + this.#b) | 0) + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + t) | 0;
    return t >>> 0;
  }

  /** In [0, 1). */
  unit(): number {
    return this.u32() / 2 ** 32;
  }

  /** A whole number in [0, count). */
  below(count: number): number {
    return Math.floor(this.unit() * count);
  }

  /** A whole number from `min` to `max`, both included. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  is(probability: number): boolean {
    return this.unit() < probability;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }

  /** Exponential with this mean: the time to the next of independent events. */
  wait(mean: number): number {
    return -Math.log(1 - this.unit()) * mean;
  }

  /** From `min` to `max`, each order of magnitude equally likely. */
  magnitude(min: number, max: number): number {
    return min * Math.exp(this.unit() * Math.log(max / min));
  }
}
