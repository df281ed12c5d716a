/**
 * Sorted set popping: the members with the lowest or highest scores, answered and removed; BZPOPMIN and its kin wait for one.
 *
 * Invariant: exactly what is answered is removed, from one set only; a command that waited takes from the set that woke it. Two regions that pop at once may answer with the same member.
 */
import { Strings } from "../bytes/strings.ts";
import { NONE, ZSET } from "../crdt/key.ts";
import type { Order } from "../crdt/order.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Wish } from "./blocking.ts";
import type { Command, Handler } from "./command.ts";
import { SYNTAX, WRONGTYPE } from "./errors.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";
import { replyScore } from "./sorted-sets-scores.ts";
import { secondsAt } from "./timeouts.ts";

/** ZPOPMIN and ZPOPMAX. */
function popping(highest: boolean): Handler {
  return (run, args, reply) => {
    if (args.count > 3) return reply.error(SYNTAX);
    const wanted = args.count === 3 ? roughlyAt(args, 2) : 1;
    if (Number.isNaN(wanted) || wanted < 0)
      return reply.error("ERR value is out of range, must be positive");
    const place = run.look(args, 1);
    if (place.type !== NONE && place.type !== ZSET) return reply.error(WRONGTYPE);
    if (place.order === null || wanted === 0) return reply.array(0);
    const count = Math.min(wanted, place.order.size);
    const nested = args.count === 3 && reply.resp === 3;
    reply.array(nested ? count : count * 2);
    pop(run, place, place.order, count, highest, nested, reply);
  };
}

/** Answers with `count` members, at most all, and their scores, and removes them. */
function pop(
  run: Run,
  place: Place,
  order: Order,
  count: number,
  highest: boolean,
  nested: boolean,
  reply: Reply,
): void {
  const all = count === order.size;
  const names = new Strings();
  order.each(highest ? order.size - 1 : 0, count, highest, (ref, score) => {
    const { bytes, nameStart, nameEnd } = place.nameOf(ref);
    if (nested) reply.array(2);
    reply.bulk(bytes, nameStart, nameEnd);
    replyScore(reply, score);
    if (!all) names.push(bytes, nameStart, nameEnd);
  });
  // Taking everything is deleting the key: one effect instead of one a member.
  if (all) return run.write.remove(place);
  for (let n = 0; n < count; n++)
    run.write.removeCell(place, ZSET, names.bytes, names.start(n), names.end(n));
}

/** Pops from the first set there is: one member behind the name of the key, or with `count` that many; false when there is none. */
function takeFirst(
  run: Run,
  args: Args,
  first: number,
  keyCount: number,
  highest: boolean,
  count: number | null,
  reply: Reply,
): boolean {
  for (let i = first; i < first + keyCount; i++) {
    if (!run.blocking.offers(args, i)) continue;
    const place = run.look(args, i);
    if (place.type === NONE) continue;
    if (place.type !== ZSET || place.order === null) {
      reply.error(WRONGTYPE);
      return true;
    }
    const most = Math.min(count ?? 1, place.order.size);
    reply.array(count === null ? 3 : 2);
    reply.bulk(args.bytes, args.start[i] as number, args.end[i] as number);
    if (count !== null) reply.array(most);
    pop(run, place, place.order, most, highest, count !== null, reply);
    return true;
  }
  return false;
}

/** BZPOPMIN and BZPOPMAX. */
function poppingOrWaiting(highest: boolean): Handler {
  const handler: Handler = (run, args, reply) => {
    const keyCount = args.count - 2;
    const timeoutMs = secondsAt(args, args.count - 1, reply);
    if (Number.isNaN(timeoutMs)) return;
    if (!takeFirst(run, args, 1, keyCount, highest, null, reply))
      run.blocking.wait(wish, args, 1, keyCount, timeoutMs, reply);
  };
  const wish: Wish = { type: ZSET, handler, writes: true, atOnce: "nil array" };
  return handler;
}

/** The keys, the side and the count of ZMPOP, whose number of keys stands in some argument. One instance serves every call. */
const several = {
  keyCount: 0,
  highest: false,
  count: 1,
  /** Returns what is wrong with them, or null. */
  read(args: Args, at: number): string | null {
    this.keyCount = roughlyAt(args, at);
    if (!(this.keyCount > 0)) return "ERR numkeys should be greater than 0";
    const side = at + this.keyCount + 1;
    if (side >= args.count) return SYNTAX;
    this.highest = args.is(side, "MAX");
    if (!this.highest && !args.is(side, "MIN")) return SYNTAX;
    this.count = 1;
    if (side + 1 === args.count) return null;
    if (side + 3 > args.count || !args.is(side + 1, "COUNT")) return SYNTAX;
    this.count = roughlyAt(args, side + 2);
    if (!(this.count > 0)) return "ERR count should be greater than 0";
    return side + 3 === args.count ? null : SYNTAX;
  },
};

function zmpop(run: Run, args: Args, reply: Reply): void {
  const wrong = several.read(args, 1);
  if (wrong !== null) return reply.error(wrong);
  const { keyCount, highest, count } = several;
  if (!takeFirst(run, args, 2, keyCount, highest, count, reply)) reply.nilArray();
}

function bzmpop(run: Run, args: Args, reply: Reply): void {
  const wrong = several.read(args, 2);
  if (wrong !== null) return reply.error(wrong);
  const { keyCount, highest, count } = several;
  const timeoutMs = secondsAt(args, 1, reply);
  if (Number.isNaN(timeoutMs)) return;
  if (!takeFirst(run, args, 3, keyCount, highest, count, reply))
    run.blocking.wait(BZMPOP, args, 3, keyCount, timeoutMs, reply);
}

const BZMPOP: Wish = { type: ZSET, handler: bzmpop, writes: true, atOnce: "nil array" };

const common = {
  flags: ["write", "fast"],
  keys: [1, 1, 1],
  keyFlags: ["RW", "access", "delete"],
  categories: ["sortedset"],
  group: "sorted-set",
  since: "5.0.0",
  complexity: "O(M*log N) for M of N members",
} as const;
const waiting = {
  ...common,
  arity: -3,
  flags: ["write", "noscript", "blocking", "fast"],
  keys: [1, -2, 1],
  complexity: "O(log N) for a set of N members",
} as const;
const counted = { ...common, keys: [0, 0, 0], since: "7.0.0" } as const;

export const sortedSetPoppingCommands: readonly Command[] = [
  {
    ...common,
    name: "zpopmin",
    arity: -2,
    summary: "Removes the members with the lowest scores and answers with them",
    run: popping(false),
  },
  {
    ...common,
    name: "zpopmax",
    arity: -2,
    summary: "Removes the members with the highest scores and answers with them",
    run: popping(true),
  },
  {
    ...counted,
    name: "zmpop",
    arity: -4,
    flags: ["write", "movablekeys"],
    keyCount: 1,
    summary: "Pops members from the first of several sets that has any",
    run: zmpop,
  },
  {
    ...waiting,
    name: "bzpopmin",
    summary: "As ZPOPMIN of the first of several sets that has members, or waits for one",
    run: poppingOrWaiting(false),
  },
  {
    ...waiting,
    name: "bzpopmax",
    summary: "As ZPOPMAX of the first of several sets that has members, or waits for one",
    run: poppingOrWaiting(true),
  },
  {
    ...counted,
    name: "bzmpop",
    arity: -5,
    flags: ["write", "blocking", "movablekeys"],
    keyCount: 2,
    summary: "As ZMPOP, but waits for a member",
    run: bzmpop,
  },
];
