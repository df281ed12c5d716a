/**
 * Histogram: how often something took how long, in classes.
 *
 * Invariant: counts are cumulative, as Prometheus wants them: what took no longer than a bound is counted at that and all above it.
 */
export interface Counted {
  /** Upper bounds in seconds, and how often it took no longer than each. */
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  /** All together, in seconds; and how often it was. */
  readonly sum: number;
  readonly count: number;
}

export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;
  #count = 0;

  /** `bounds` in seconds, the smallest first. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }

  get count(): number {
    return this.#count;
  }

  add(seconds: number): void {
    this.#sum += seconds;
    this.#count++;
    this.#bounds.forEach((bound, i) => {
      if (seconds <= bound) (this.#counts[i] as number)++;
    });
  }

  read(): Counted {
    return {
      bounds: this.#bounds,
      counts: [...this.#counts],
      sum: this.#sum,
      count: this.#count,
    };
  }
}
