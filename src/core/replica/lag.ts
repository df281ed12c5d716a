/**
 * Lag: when our records were made, roughly, so that a peer that has all up to some seq can be said to be so many milliseconds behind.
 *
 * Invariant: samples are at most one per tick and grow in both columns. Of a full list those stay that lie about a hundredth of their
 * age apart: a long outage costs precision in proportion to its length, not memory.
 */
const SAMPLES_MAX = 4096;
/** Samples kept per age: 160 of them, and as many again each time the age grows e-fold, which leaves room for a year. */
const PRECISION = 160;

export class Lag {
  #seqs: number[] = [];
  #times: number[] = [];

  /** Notes that `seq` was made by `nowMs`. */
  sample(seq: number, nowMs: number): void {
    if (seq === (this.#seqs.at(-1) ?? 0)) return;
    this.#seqs.push(seq);
    this.#times.push(nowMs);
    if (this.#seqs.length >= SAMPLES_MAX) this.#thin(nowMs);
  }

  #thin(nowMs: number): void {
    const kept: number[] = [];
    let olderMs = -Infinity;
    for (const [i, timeMs] of this.#times.entries()) {
      if (timeMs - olderMs < (nowMs - timeMs) / PRECISION) continue;
      kept.push(i);
      olderMs = timeMs;
    }
    this.#seqs = kept.map((i) => this.#seqs[i] as number);
    this.#times = kept.map((i) => this.#times[i] as number);
  }

  /** How long ago the first record after `has` was made, when `made` is the newest; 0 when there is none. */
  behindMs(has: number, made: number, nowMs: number): number {
    if (has >= made) return 0;
    const at = this.#seqs.findIndex((seq) => seq > has);
    return at < 0 ? 0 : Math.max(0, nowMs - (this.#times[at] as number));
  }
}
