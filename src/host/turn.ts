/**
 * Turn: how much is done between two blocks of the log, and who goes on in the next one.
 *
 *   input ─► is the turn full? ─┬─ no ──► done
 *                               └─ yes ─► waits ─► block, replies ─► next turn: first those who wait, in the order in which they came
 *
 * Clients and what peers have sent share one turn. It is measured in the steps that the core counts, so it ends at the same command
 * wherever and whenever it is run.
 *
 * Invariant: who waits goes on once, ahead of all that comes later. A turn is longer than its limit by no more than the last command
 * or record in it.
 */

/** Whoever has more to do than the turn holds. */
export interface Waiting {
  goOn(): void;
}

/** A millisecond or two, which is what others may have to wait for: five hundred SETs, or 250 members of a sorted set. */
export const TURN_STEPS = 4_000;

export class Turn {
  readonly #steps: () => number;
  readonly #limit: number;
  readonly #waiting = new Set<Waiting>();
  #begin: number;
  /** The steps of the longest turn so far. */
  longest = 0;

  /** `steps` tells how many were done since the start; a turn is full after `limit` of them. */
  constructor(steps: () => number, limit: number) {
    this.#steps = steps;
    this.#limit = limit;
    this.#begin = steps();
  }

  get isFull(): boolean {
    return this.#steps() - this.#begin >= this.#limit;
  }

  /** Whether anybody waits for the next turn. */
  get isAwaited(): boolean {
    return this.#waiting.size > 0;
  }

  /** One who has more to do goes on in the next turn. */
  later(one: Waiting): void {
    this.#waiting.add(one);
  }

  /** One who waited is there no more. */
  leave(one: Waiting): void {
    this.#waiting.delete(one);
  }

  /** The turn is over, and the next one begins. */
  end(): void {
    const now = this.#steps();
    this.longest = Math.max(this.longest, now - this.#begin);
    this.#begin = now;
  }

  /** Lets those go on who wait, until the turn is full; who waits anew is behind the others. */
  goOn(): void {
    for (let left = this.#waiting.size; left > 0 && !this.isFull; left--) {
      const [next] = this.#waiting;
      if (next === undefined) return;
      this.#waiting.delete(next);
      next.goOn();
    }
  }
}
