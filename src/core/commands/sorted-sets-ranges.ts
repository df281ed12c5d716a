/**
 * Sorted set ranges: members between two ranks, scores or names: read, stored, counted.
 *
 * Invariant: the first member is found in O(log N), so a range costs what it shows. Ranges by name expect all scores to be equal.
 */
import { Strings } from "../bytes/strings.ts";
import { NONE, ZSET } from "../crdt/key.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command, Handler } from "./command.ts";
import { NOT_AN_INTEGER, SYNTAX, WRONGTYPE } from "./errors.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";
import { Bounds, type By, BY_NAME, BY_RANK, BY_SCORE } from "./sorted-sets-bounds.ts";
import { replyMember, replyMembers, storeSorted } from "./sorted-sets-scores.ts";

const bounds = new Bounds();

/** What a command asks for; one instance serves every call. */
class Request {
  by: By = BY_RANK;
  down = false;
  withScores = false;
  offset = 0;
  limit = -1;

  /**
   * Reads the bounds from argument `at` on, and the words behind them. With `any` they say themselves how the range is meant, with
   * `stored` the answer has no scores. False after the refusal was answered.
   */
  read(args: Args, at: number, any: boolean, stored: boolean, reply: Reply): boolean {
    for (let i = at + 2; i < args.count; i++) {
      if (!stored && args.is(i, "WITHSCORES")) this.withScores = true;
      else if (args.is(i, "LIMIT") && i + 2 < args.count) {
        this.offset = roughlyAt(args, ++i);
        this.limit = roughlyAt(args, ++i);
        if (Number.isNaN(this.offset) || Number.isNaN(this.limit))
          return refused(reply, NOT_AN_INTEGER);
      } else if (any && !this.down && args.is(i, "REV")) this.down = true;
      else if (any && this.by === BY_RANK && args.is(i, "BYLEX")) this.by = BY_NAME;
      else if (any && this.by === BY_RANK && args.is(i, "BYSCORE")) this.by = BY_SCORE;
      else return refused(reply, SYNTAX);
    }
    if (this.limit !== -1 && this.by === BY_RANK)
      return refused(
        reply,
        "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
      );
    if (this.withScores && this.by === BY_NAME)
      return refused(reply, "ERR syntax error, WITHSCORES not supported in combination with BYLEX");
    // From above, scores and names come with the higher one first.
    const isSwapped = this.down && this.by !== BY_RANK;
    return bounds.read(args, this.by, isSwapped ? at + 1 : at, isSwapped ? at : at + 1, reply);
  }

  begin(by: By, down: boolean): void {
    this.by = by;
    this.down = down;
    this.withScores = false;
    this.offset = 0;
    this.limit = -1;
  }

  /** Finds what is asked for in a set that is there. */
  locate(place: Place): void {
    if (place.order === null) return;
    bounds.locate(place.order, this.down);
    if (this.by !== BY_RANK) bounds.cut(this.offset, this.limit, this.down);
  }
}

const request = new Request();

function refused(reply: Reply, why: string): false {
  reply.error(why);
  return false;
}

/** Shows every member of the range that `bounds` found. */
function each({ order }: Place, down: boolean, visit: (ref: number, score: number) => void): void {
  order?.each(down ? bounds.to - 1 : bounds.from, bounds.count, down, visit);
}

/** A command that answers with a range. */
function reading(by: By, down: boolean, any = false): Handler {
  return (run, args, reply) => {
    request.begin(by, down);
    if (!request.read(args, 2, any, false, reply)) return;
    const place = run.look(args, 1);
    if (place.type === NONE) return reply.array(0);
    if (place.type !== ZSET) return reply.error(WRONGTYPE);
    request.locate(place);
    const { withScores } = request;
    replyMembers(reply, bounds.count, withScores);
    each(place, request.down, (ref, score) => {
      const { bytes, nameStart, nameEnd } = place.nameOf(ref);
      replyMember(reply, bytes, nameStart, nameEnd, score, withScores);
    });
  };
}

function zrangestore(run: Run, args: Args, reply: Reply): void {
  request.begin(BY_RANK, false);
  if (!request.read(args, 3, true, true, reply)) return;
  const place = run.look(args, 2);
  if (place.type !== NONE && place.type !== ZSET) return reply.error(WRONGTYPE);
  const names = new Strings();
  const scores: number[] = [];
  if (place.type === ZSET) {
    request.locate(place);
    each(place, false, (ref, score) => {
      const { bytes, nameStart, nameEnd } = place.nameOf(ref);
      names.push(bytes, nameStart, nameEnd);
      scores.push(score);
    });
  }
  storeSorted(run, args, 1, names, scores, reply);
}

/** ZCOUNT and ZLEXCOUNT. */
function counting(by: By): Handler {
  return (run, args, reply) => {
    if (!bounds.read(args, by, 2, 3, reply)) return;
    const place = run.look(args, 1);
    if (place.type === NONE) return reply.int(0);
    if (place.type !== ZSET || place.order === null) return reply.error(WRONGTYPE);
    bounds.locate(place.order, false);
    reply.int(bounds.count);
  };
}

/** ZREMRANGEBYRANK, ZREMRANGEBYSCORE and ZREMRANGEBYLEX. */
function removing(by: By): Handler {
  return (run, args, reply) => {
    if (!bounds.read(args, by, 2, 3, reply)) return;
    const place = run.look(args, 1);
    if (place.type === NONE) return reply.int(0);
    if (place.type !== ZSET || place.order === null) return reply.error(WRONGTYPE);
    bounds.locate(place.order, false);
    const { count } = bounds;
    reply.int(count);
    // Taking everything is deleting the key: one effect instead of one a member.
    if (count === place.order.size) return run.write.remove(place);
    if (count === 0) return;
    const names = new Strings();
    each(place, false, (ref) => {
      const { bytes, nameStart, nameEnd } = place.nameOf(ref);
      names.push(bytes, nameStart, nameEnd);
    });
    for (let n = 0; n < count; n++)
      run.write.removeCell(place, ZSET, names.bytes, names.start(n), names.end(n));
  };
}

const common = { keys: [1, 1, 1], categories: ["sortedset"], group: "sorted-set" } as const;
const reads = {
  ...common,
  arity: -4,
  flags: ["readonly"],
  complexity: "O(log N + M) for M of N members",
} as const;
const counts = {
  ...common,
  arity: 4,
  flags: ["readonly", "fast"],
  complexity: "O(log N) for a set of N members",
} as const;
const removes = {
  ...common,
  arity: 4,
  flags: ["write"],
  keyFlags: ["RW", "delete"],
  complexity: "O(M*log N) for M members removed",
} as const;

export const sortedSetRangeCommands: readonly Command[] = [
  {
    ...reads,
    name: "zrange",
    since: "1.2.0",
    summary: "Reads the members of a range of ranks, scores or names",
    run: reading(BY_RANK, false, true),
  },
  {
    ...reads,
    name: "zrevrange",
    since: "1.2.0",
    summary: "Reads the members of a range of ranks from above",
    run: reading(BY_RANK, true),
  },
  {
    ...reads,
    name: "zrangebyscore",
    since: "1.0.5",
    summary: "Reads the members of a range of scores",
    run: reading(BY_SCORE, false),
  },
  {
    ...reads,
    name: "zrevrangebyscore",
    since: "2.2.0",
    summary: "Reads the members of a range of scores from above",
    run: reading(BY_SCORE, true),
  },
  {
    ...reads,
    name: "zrangebylex",
    since: "2.8.9",
    summary: "Reads the members of a range of names",
    run: reading(BY_NAME, false),
  },
  {
    ...reads,
    name: "zrevrangebylex",
    since: "2.8.9",
    summary: "Reads the members of a range of names from above",
    run: reading(BY_NAME, true),
  },
  {
    ...common,
    name: "zrangestore",
    arity: -5,
    flags: ["write", "denyoom"],
    keys: [1, 2, 1],
    keyFlags: ["OW", "update"],
    laterKeyFlags: ["RO", "access"],
    since: "6.2.0",
    complexity: "O(log N + M*log M) for M of N members",
    summary: "Stores the members of a range of ranks, scores or names",
    run: zrangestore,
  },
  {
    ...counts,
    name: "zcount",
    since: "2.0.0",
    summary: "Counts the members of a range of scores",
    run: counting(BY_SCORE),
  },
  {
    ...counts,
    name: "zlexcount",
    since: "2.8.9",
    summary: "Counts the members of a range of names",
    run: counting(BY_NAME),
  },
  {
    ...removes,
    name: "zremrangebyrank",
    since: "2.0.0",
    summary: "Removes the members of a range of ranks",
    run: removing(BY_RANK),
  },
  {
    ...removes,
    name: "zremrangebyscore",
    since: "1.2.0",
    summary: "Removes the members of a range of scores",
    run: removing(BY_SCORE),
  },
  {
    ...removes,
    name: "zremrangebylex",
    since: "2.8.9",
    summary: "Removes the members of a range of names",
    run: removing(BY_NAME),
  },
];
