/**
 * Lag: when our records were made, roughly, so that a peer that has all up to some seq can be said to be so many milliseconds behind.
 *
 * Invariant: samples are at most one per tick and grow in both columns; of a full ring every other one is dropped, so a long
 * outage costs precision, not memory.
 */
const SAMPLES_MAX = 4096;

export class Lag {
  #seqs: number[] = [];
  #times: number[] = [];

  /** Notes that `seq` was made by `nowMs`. */
  sample(seq: number, nowMs: number): void {
    if (seq === (this.#seqs.at(-1) ?? 0)) return;
    this.#seqs.push(seq);
    this.#times.push(nowMs);
    if (this.#seqs.length < SAMPLES_MAX) return;
    this.#seqs = this.#seqs.filter((_, i) => i % 2 === 1);
    this.#times = this.#times.filter((_, i) => i % 2 === 1);
  }

  /** How long ago the first record after `has` was made, when `made` is the newest; 0 when there is none. */
  behindMs(has: number, made: number, nowMs: number): number {
    if (has >= made) return 0;
    const at = this.#seqs.findIndex((seq) => seq > has);
    return at < 0 ? 0 : Math.max(0, nowMs - (this.#times[at] as number));
  }
}
