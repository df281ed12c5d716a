/**
 * Rate: how fast a count grows, over the last few seconds.
 *
 * Invariant: what it says is an average over at least the time between two samples, never a guess of the moment.
 */
const SAMPLES = 8;

export class Rate {
  readonly #samples: { readonly count: number; readonly atMs: number }[] = [];

  /** The count as it is now. One that fell, having been reset, begins anew. */
  sample(count: number, atMs: number): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && count < last.count) this.#samples.length = 0;
    this.#samples.push({ count, atMs });
    if (this.#samples.length > SAMPLES) this.#samples.shift();
  }

  /** A whole number; 0 while there is nothing to compare. */
  get perSecond(): number {
    const [first] = this.#samples;
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.atMs <= first.atMs) return 0;
    return Math.round(((last.count - first.count) * 1000) / (last.atMs - first.atMs));
  }
}
