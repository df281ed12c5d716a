/**
 * Sorted set popping: the members with the lowest or highest scores, answered and removed.
 *
 * Invariant: exactly what is answered is removed. Two regions that pop at once may answer with the same member.
 */
import { Strings } from "../bytes/strings.ts";
import { NONE, ZSET } from "../crdt/key.ts";
import type { Order } from "../crdt/order.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command, Handler } from "./command.ts";
import { SYNTAX, WRONGTYPE } from "./errors.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";
import { replyScore } from "./sorted-sets-scores.ts";

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

function zmpop(run: Run, args: Args, reply: Reply): void {
  const keys = roughlyAt(args, 1);
  if (Number.isNaN(keys) || keys < 1) return reply.error("ERR numkeys should be greater than 0");
  const side = 2 + keys;
  if (side >= args.count) return reply.error(SYNTAX);
  const highest = args.is(side, "MAX");
  if (!highest && !args.is(side, "MIN")) return reply.error(SYNTAX);
  let wanted = 1;
  if (args.count > side + 1) {
    if (args.count === side + 2 || !args.is(side + 1, "COUNT")) return reply.error(SYNTAX);
    wanted = roughlyAt(args, side + 2);
    if (Number.isNaN(wanted) || wanted < 1)
      return reply.error("ERR count should be greater than 0");
    if (args.count > side + 3) return reply.error(SYNTAX);
  }
  for (let i = 2; i < side; i++) {
    const place = run.look(args, i);
    if (place.type === NONE) continue;
    if (place.type !== ZSET || place.order === null) return reply.error(WRONGTYPE);
    const count = Math.min(wanted, place.order.size);
    reply.array(2);
    reply.bulk(place.bytes, place.start, place.end);
    reply.array(count);
    return pop(run, place, place.order, count, highest, true, reply);
  }
  reply.nilArray();
}

const common = {
  flags: ["write", "fast"],
  keys: [1, 1, 1],
  keyFlags: ["RW", "access", "delete"],
  categories: ["sortedset"],
  group: "sorted-set",
  since: "5.0.0",
  complexity: "O(M*log N) for M of N members",
} as const;

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
    ...common,
    name: "zmpop",
    arity: -4,
    flags: ["write", "movablekeys"],
    keys: [0, 0, 0],
    keyCount: 1,
    since: "7.0.0",
    summary: "Pops members from the first of several sets that has any",
    run: zmpop,
  },
];
