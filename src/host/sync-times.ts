/**
 * SyncTimes: how long the disk takes to make a block durable, as a histogram.
 *
 * Invariant: one sample at a time: a block is timed from its append to its durability, and the next sample begins afterwards. So
 * measuring costs the same however many blocks wait.
 */
import { type Counted, Histogram } from "../core/histogram.ts";

const BOUNDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
];

export class SyncTimes {
  readonly #seconds = new Histogram(BOUNDS);
  #position = 0;
  #askedMs = 0;

  get count(): number {
    return this.#seconds.count;
  }

  /** A block up to `position` shall become durable. */
  asked(position: number, nowMs: number): void {
    if (this.#position !== 0) return;
    this.#position = position;
    this.#askedMs = nowMs;
  }

  /** Everything before `position` is durable. */
  done(position: number, nowMs: number): void {
    if (this.#position === 0 || position < this.#position) return;
    this.#position = 0;
    this.#seconds.add((nowMs - this.#askedMs) / 1000);
  }

  histogram(): Counted {
    return this.#seconds.read();
  }
}
