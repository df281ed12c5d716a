/**
 * Ballot: the number under which a proposer has a value accepted.
 *
 * Invariant: no two values are ever proposed under one ballot: it names the life of the process that made it, which no other process
 * has, and that process counts its rounds up.
 */
import type { Sink } from "../bytes/sink.ts";
import type { Source } from "../bytes/source.ts";

export interface Ballot {
  /** From 1 on; 0 is none. */
  readonly round: number;
  /** The life of the proposer's process. */
  readonly life: number;
}

export const NO_BALLOT: Ballot = { round: 0, life: 0 };

/** Negative when `a` is lower than `b`. */
export function compareBallots(a: Ballot, b: Ballot): number {
  return a.round - b.round || a.life - b.life;
}

export function higherBallot(a: Ballot, b: Ballot): Ballot {
  return compareBallots(a, b) < 0 ? b : a;
}

export function writeBallot(sink: Sink, { round, life }: Ballot): void {
  sink.varint(round);
  if (round > 0) sink.varint(life);
}

export function readBallot(source: Source): Ballot {
  const round = source.varint();
  return round === 0 ? NO_BALLOT : { round, life: source.varint() };
}
