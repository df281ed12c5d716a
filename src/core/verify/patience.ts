/**
 * Patience: for how long the answer of a peer is waited for.
 *
 * A peer tells once it has applied what we had, and is believed once we have applied what it had: behind a long backlog that takes as
 * long as the backlog. So it is late only when nothing comes nearer: neither does anything that is to be applied get less, nor does the
 * peer answer anything else.
 *
 * Invariant: the wait ends. What is to be applied was named when the question was asked, and there are only so many questions.
 */
import type { Vector } from "../clock/vector.ts";

/** For so long nothing may come nearer. */
export const ANSWER_MAX_MS = 20_000;

export class Patience {
  #lacks = Infinity;
  #answers = -1;
  #sinceMs = 0;

  /** Whether it is over. `lacks` counts the records that are to be applied yet, `answers` what the peer has answered so far. */
  isOver(nowMs: number, lacks: number, answers: number): boolean {
    if (lacks < this.#lacks || answers > this.#answers) {
      this.#lacks = lacks;
      this.#answers = answers;
      this.#sinceMs = nowMs;
    }
    return nowMs - this.#sinceMs > ANSWER_MAX_MS;
  }
}

/** How many records of `wanted` are not applied. */
export function lacking(wanted: Vector, applied: Vector): number {
  let count = 0;
  wanted.seqs.forEach((seq, origin) => {
    count += Math.max(0, seq - applied.get(origin));
  });
  return count;
}
