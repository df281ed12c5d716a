/**
 * Sorted sets: members with scores, written and read by name.
 *
 * Invariant: ZADD sets a score and ZINCRBY adds to it, which concurrent writes tell apart: of two scores set at once one counts, and
 * everything added at once is added to it. A member that is set again to the score it has is written again: it must survive a
 * removal elsewhere that is on its way.
 */
import { parseDouble } from "../bytes/double.ts";
import { NONE, ZSET } from "../crdt/key.ts";
import { GREATER, LESS, type Mode, PLAIN } from "../crdt/score.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { drawPairs } from "./drawing-pairs.ts";
import { NOT_A_FLOAT, SYNTAX, WRONGTYPE } from "./errors.ts";
import type { Run } from "./run.ts";
import { sortedSetAlgebraCommands } from "./sorted-sets-algebra.ts";
import { sortedSetPoppingCommands } from "./sorted-sets-popping.ts";
import { sortedSetRangeCommands } from "./sorted-sets-ranges.ts";
import { addScore, replyScore, setScore } from "./sorted-sets-scores.ts";

/** The words between the key and the pairs. One instance serves every call. */
class AddOptions {
  /** NX: members that are there stay as they are. */
  notExists = false;
  /** XX: members that are not there are left out. */
  exists = false;
  greater = false;
  less = false;
  /** CH: changed members are counted too. */
  changed = false;
  increment = false;
  /** The first argument behind them. */
  pairs = 0;

  read(args: Args): void {
    this.notExists = this.exists = this.greater = this.less = this.changed = false;
    this.increment = false;
    for (this.pairs = 2; this.pairs < args.count; this.pairs++) {
      const i = this.pairs;
      if (args.is(i, "NX")) this.notExists = true;
      else if (args.is(i, "XX")) this.exists = true;
      else if (args.is(i, "GT")) this.greater = true;
      else if (args.is(i, "LT")) this.less = true;
      else if (args.is(i, "CH")) this.changed = true;
      else if (args.is(i, "INCR")) this.increment = true;
      else return;
    }
  }

  /** Why the options cannot stand together before so many arguments; null when they can. */
  refusal(left: number): string | null {
    if (left % 2 === 1 || left === 0) return SYNTAX;
    if (this.notExists && this.exists)
      return "ERR XX and NX options at the same time are not compatible";
    if ((this.greater || this.less) && (this.notExists || (this.greater && this.less)))
      return "ERR GT, LT, and/or NX options at the same time are not compatible";
    if (this.increment && left > 2)
      return "ERR INCR option supports a single increment-element pair";
    return null;
  }

  get mode(): Mode {
    return this.greater ? GREATER : this.less ? LESS : PLAIN;
  }

  /** Whether a member that has a score (NaN: is not there) may get another. */
  allows(before: number, score: number): boolean {
    if (Number.isNaN(before)) return !this.exists;
    if (this.notExists) return false;
    return !(this.greater && score <= before) && !(this.less && score >= before);
  }
}

const options = new AddOptions();

export function zadd(run: Run, args: Args, reply: Reply): void {
  options.read(args);
  write(run, args, reply);
}

function zincrby(run: Run, args: Args, reply: Reply): void {
  options.read(args);
  options.increment = true;
  write(run, args, reply);
}

function write(run: Run, args: Args, reply: Reply): void {
  const { pairs, mode } = options;
  const refusal = options.refusal(args.count - pairs);
  if (refusal !== null) return reply.error(refusal);
  for (let i = pairs; i < args.count; i += 2)
    if (Number.isNaN(scoreIn(args, i))) return reply.error(NOT_A_FLOAT);
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== ZSET) return reply.error(WRONGTYPE);
  if (options.increment) return increase(run, place, args, pairs, reply);
  const { bytes, start, end } = args;
  let added = 0;
  let updated = 0;
  let isFirst = true;
  for (let i = pairs; i < args.count; i += 2) {
    const score = scoreIn(args, i);
    const before = scoreAt(run, place, args, i + 1);
    if (!options.allows(before, score)) continue;
    setScore(run, place, bytes, start[i + 1] as number, end[i + 1] as number, score, mode);
    if (Number.isNaN(before)) added++;
    else if (score !== before) updated++;
    // The first write may have made the set, and has cleared away what was expired.
    if (isFirst && i + 2 < args.count) run.lookAgain(place);
    isFirst = false;
  }
  reply.int(options.changed ? added + updated : added);
}

/** ZINCRBY, and ZADD with INCR: adds the number in argument `i` to the member in the next. */
function increase(run: Run, place: Place, args: Args, i: number, reply: Reply): void {
  const increment = scoreIn(args, i);
  const before = scoreAt(run, place, args, i + 1);
  const score = Number.isNaN(before) ? increment : before + increment;
  if (Number.isNaN(before) ? options.exists : options.notExists) return reply.nil();
  if (Number.isNaN(score)) return reply.error("ERR resulting score is not a number (NaN)");
  if (!options.allows(before, score)) return reply.nil();
  const { bytes, start, end } = args;
  // Nobody would see an addition that leaves the score as it is.
  if (score !== before)
    addScore(run, place, bytes, start[i + 1] as number, end[i + 1] as number, increment, score);
  replyScore(reply, score);
}

function scoreIn(args: Args, i: number): number {
  return parseDouble(args.bytes, args.start[i] as number, args.end[i] as number);
}

/** The score of the member named in argument `i`; NaN when no reader sees it. */
function scoreAt(run: Run, place: Place, args: Args, i: number): number {
  return place.score(run.keyspace, args.bytes, args.start[i] as number, args.end[i] as number);
}

function zrem(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== ZSET) return reply.error(WRONGTYPE);
  let removed = 0;
  for (let i = 2; i < args.count && place.cells !== null; i++) {
    const start = args.start[i] as number;
    const end = args.end[i] as number;
    if (!place.cells.has(args.bytes, start, end, place.horizonMs)) continue;
    run.write.removeCell(place, ZSET, args.bytes, start, end);
    removed++;
    if (i + 1 < args.count) run.lookAgain(place);
  }
  reply.int(removed);
}

function zcard(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== ZSET) reply.error(WRONGTYPE);
  else reply.int(place.order?.size ?? 0);
}

function zscore(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== ZSET) reply.error(WRONGTYPE);
  else replyScoreOrNil(reply, scoreAt(run, place, args, 2));
}

function zmscore(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== ZSET) return reply.error(WRONGTYPE);
  reply.array(args.count - 2);
  for (let i = 2; i < args.count; i++) replyScoreOrNil(reply, scoreAt(run, place, args, i));
}

function replyScoreOrNil(reply: Reply, score: number): void {
  if (Number.isNaN(score)) reply.nil();
  else replyScore(reply, score);
}

function zrank(run: Run, args: Args, reply: Reply): void {
  replyRank(run, args, false, reply);
}

function zrevrank(run: Run, args: Args, reply: Reply): void {
  replyRank(run, args, true, reply);
}

function replyRank(run: Run, args: Args, down: boolean, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== ZSET) return reply.error(WRONGTYPE);
  const { cells, order, horizonMs } = place;
  const at = cells?.find(args.bytes, args.start[2] as number, args.end[2] as number) ?? -1;
  if (cells === null || order === null || at < 0 || !cells.liveAt(at, horizonMs))
    return reply.nil();
  const rank = order.rank(cells.table.refAt(at));
  reply.int(down ? order.size - 1 - rank : rank);
}

function zrandmember(run: Run, args: Args, reply: Reply): void {
  drawPairs(
    run,
    args,
    ZSET,
    "WITHSCORES",
    (_run, place, at, answer) => replyScore(answer, place.scoreAt(run.keyspace, at)),
    reply,
  );
}

const common = { keys: [1, 1, 1], categories: ["sortedset"], group: "sorted-set" } as const;
const reads = { ...common, flags: ["readonly", "fast"], complexity: "O(1)" } as const;
const writes = { ...common, flags: ["write", "denyoom", "fast"] } as const;
const logarithmic = "O(log N) for a set of N members";

/** Every command on sorted sets, positions on Earth apart. */
export const sortedSetCommands: readonly Command[] = [
  {
    ...writes,
    name: "zadd",
    arity: -4,
    since: "1.2.0",
    complexity: "O(M*log N) for M members written",
    summary: "Sets scores of members and counts the new ones",
    run: zadd,
  },
  {
    ...writes,
    name: "zincrby",
    keyFlags: ["RW", "access", "update"],
    arity: 4,
    since: "1.2.0",
    complexity: logarithmic,
    summary: "Adds to the score of a member; a missing one has 0",
    run: zincrby,
  },
  {
    ...common,
    name: "zrem",
    keyFlags: ["RW", "delete"],
    arity: -3,
    flags: ["write", "fast"],
    since: "1.2.0",
    complexity: "O(M*log N) for M members removed",
    summary: "Removes members; with the last one goes the key",
    run: zrem,
  },
  {
    ...reads,
    name: "zcard",
    keyFlags: ["RO"],
    arity: 2,
    since: "1.2.0",
    summary: "Counts the members",
    run: zcard,
  },
  {
    ...reads,
    name: "zscore",
    arity: 3,
    since: "1.2.0",
    summary: "Reads the score of a member",
    run: zscore,
  },
  {
    ...reads,
    name: "zmscore",
    arity: -3,
    since: "6.2.0",
    complexity: "O(M) for M members",
    summary: "Reads the scores of several members",
    run: zmscore,
  },
  {
    ...reads,
    name: "zrank",
    arity: 3,
    since: "2.0.0",
    complexity: logarithmic,
    summary: "Tells how many members come before one",
    run: zrank,
  },
  {
    ...reads,
    name: "zrevrank",
    arity: 3,
    since: "2.0.0",
    complexity: logarithmic,
    summary: "Tells how many members come after one",
    run: zrevrank,
  },
  {
    ...common,
    name: "zrandmember",
    arity: -2,
    flags: ["readonly"],
    since: "6.2.0",
    complexity: "O(M) for M members drawn",
    summary: "Draws members by chance",
    run: zrandmember,
  },
  ...sortedSetRangeCommands,
  ...sortedSetPoppingCommands,
  ...sortedSetAlgebraCommands,
];
