/**
 * Ballot: the number under which a proposer has a value accepted.
 *
 * Invariant: no two values are ever proposed under one ballot: it names the member that made it and the life of its process, which no
 * other process of that member has, and that process counts its rounds up.
 */
import type { Sink } from "../bytes/sink.ts";
import { Malformed, type Source } from "../bytes/source.ts";

export interface Ballot {
  /** From 1 on; 0 is none. */
  readonly round: number;
  /** The proposer, by its place, and the life of its process. */
  readonly member: number;
  readonly life: number;
}

export const NO_BALLOT: Ballot = { round: 0, member: 0, life: 0 };

/** Negative when `a` is lower than `b`. */
export function compareBallots(a: Ballot, b: Ballot): number {
  return a.round - b.round || a.member - b.member || a.life - b.life;
}

export function higherBallot(a: Ballot, b: Ballot): Ballot {
  return compareBallots(a, b) < 0 ? b : a;
}

export function writeBallot(sink: Sink, { round, member, life }: Ballot): void {
  sink.varint(round);
  if (round === 0) return;
  sink.varint(member);
  sink.varint(life);
}

/** Far beyond what is ever counted to, and so far below what a varint holds that it can be counted on from. */
const COUNT_MAX = 2 ** 51;

/** A number that somebody counts on from. Throws `Malformed`. */
export function readCount(source: Source): number {
  const count = source.varint();
  if (count > COUNT_MAX) throw new Malformed(`nobody has counted to ${count}`);
  return count;
}

export function readBallot(source: Source): Ballot {
  const round = readCount(source);
  return round === 0 ? NO_BALLOT : { round, member: source.varint(), life: source.varint() };
}
