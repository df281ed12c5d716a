/**
 * Sorted set popping: the members with the lowest or highest scores, answered and removed; BZPOPMIN and its kin wait for one.
 *
 * Invariant: exactly what is answered is removed. Two regions that pop at once may answer with the same member.
 */
import { Strings } from "../bytes/strings.ts";
import { NONE, ZSET } from "../crdt/key.ts";
import type { Order } from "../crdt/order.ts";
import type { Place } from "../keyspace/place.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command, Handler } from "./command.ts";
import { SYNTAX, WRONGTYPE } from "./errors.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";
import { replyScore } from "./sorted-sets-scores.ts";
import { type Source, takingOne, takingSeveral } from "./taking-first.ts";

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

const sortedSets: Source<boolean> = {
  type: ZSET,
  /** Whether it is the one with the highest scores. */
  sideAt: (args, i) => (args.is(i, "MAX") ? true : args.is(i, "MIN") ? false : null),
  take: (run, place, args, i, highest, count, reply) => {
    const order = place.order as Order;
    const most = Math.min(count ?? 1, order.size);
    reply.array(count === null ? 3 : 2);
    reply.bulk(args.bytes, args.start[i] as number, args.end[i] as number);
    if (count !== null) reply.array(most);
    pop(run, place, order, most, highest, count !== null, reply);
  },
};

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
    takes: "all",
    arity: -2,
    summary: "Removes the members with the lowest scores and answers with them",
    run: popping(false),
  },
  {
    ...common,
    name: "zpopmax",
    takes: "all",
    arity: -2,
    summary: "Removes the members with the highest scores and answers with them",
    run: popping(true),
  },
  {
    ...counted,
    name: "zmpop",
    takes: "all",
    arity: -4,
    flags: ["write", "movablekeys"],
    keyCount: 1,
    summary: "Pops members from the first of several sets that has any",
    run: takingSeveral(sortedSets, false),
  },
  {
    ...waiting,
    name: "bzpopmin",
    takes: "all",
    summary: "As ZPOPMIN of the first of several sets that has members, or waits for one",
    run: takingOne(sortedSets, false),
  },
  {
    ...waiting,
    name: "bzpopmax",
    takes: "all",
    summary: "As ZPOPMAX of the first of several sets that has members, or waits for one",
    run: takingOne(sortedSets, true),
  },
  {
    ...counted,
    name: "bzmpop",
    takes: "all",
    arity: -5,
    flags: ["write", "blocking", "movablekeys"],
    keyCount: 2,
    summary: "As ZMPOP, but waits for a member",
    run: takingSeveral(sortedSets, true),
  },
];
