/**
 * Sorted set scores: how a command writes a member with its score, and answers with one.
 */
import { formatDouble } from "../bytes/double.ts";
import type { Strings } from "../bytes/strings.ts";
import { NONE, ZSET } from "../crdt/key.ts";
import { type Mode, PLAIN, writeScore } from "../crdt/score.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Run } from "./run.ts";

const register = Buffer.alloc(9);

/** Sets the score of a member, new or not. */
export function setScore(
  run: Run,
  place: Place,
  name: Buffer,
  start: number,
  end: number,
  score: number,
  mode: Mode = PLAIN,
): void {
  // Zero has no sign in a set.
  const length = writeScore(register, score + 0, mode);
  run.write.putCell(place, ZSET, name, start, end, register, 0, length);
}

/** Adds to the score of a member, new or not; `score` is what comes of it. */
export function addScore(
  run: Run,
  place: Place,
  name: Buffer,
  start: number,
  end: number,
  increment: number,
  score: number,
): void {
  const addition = place.addition(run.keyspace, name, start, end, increment, score);
  if (addition === null || !run.write.countCell(place, ZSET, name, start, end, addition))
    setScore(run, place, name, start, end, score);
}

/** Stores a sorted set under the name in argument `i`, in place of whatever was there, and answers with its size. */
export function storeSorted(
  run: Run,
  args: Args,
  i: number,
  names: Strings,
  scores: readonly number[],
  reply: Reply,
): void {
  const place = run.look(args, i);
  if (place.type !== NONE) {
    run.write.remove(place);
    run.lookAgain(place);
  }
  writeSorted(run, place, names, scores);
  reply.int(scores.length);
}

/** Writes members that are all different to a key that holds nothing. */
export function writeSorted(
  run: Run,
  place: Place,
  names: Strings,
  scores: readonly number[],
): void {
  for (let n = 0; n < scores.length; n++)
    setScore(run, place, names.bytes, names.start(n), names.end(n), scores[n] as number);
}

export function replyScore(reply: Reply, score: number): void {
  reply.double(formatDouble(score));
}

/** Begins an answer of members with (or without) scores: RESP3 has an array for each, in RESP2 all lie flat in one. */
export function replyMembers(reply: Reply, count: number, withScores: boolean): void {
  reply.array(withScores && reply.resp === 2 ? count * 2 : count);
}

export function replyMember(
  reply: Reply,
  name: Buffer,
  start: number,
  end: number,
  score: number,
  withScores: boolean,
): void {
  if (withScores && reply.resp === 3) reply.array(2);
  reply.bulk(name, start, end);
  if (withScores) replyScore(reply, score);
}
