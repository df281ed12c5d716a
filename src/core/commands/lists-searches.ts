/**
 * Lists, by value: LINSERT, LREM and LPOS look for elements that are equal to one.
 *
 * Invariant: they look from the end that the client names, and stop as soon as they may.
 */
import { Strings } from "../bytes/strings.ts";
import { whole } from "../crdt/amount.ts";
import { LIST, NONE } from "../crdt/key.ts";
import type { Order } from "../crdt/order.ts";
import { between } from "../crdt/position.ts";
import type { Ref } from "../keyspace/heap.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { NOT_AN_INTEGER, SYNTAX, WRONGTYPE } from "./errors.ts";
import { isValue, note, push, removeAll } from "./list-elements.ts";
import { INT64_MAX, integerAt, roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";

const RANK_IS_ZERO =
  "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list";
const COUNT_IS_NEGATIVE = "ERR COUNT can't be negative";
const MAXLEN_IS_NEGATIVE = "ERR MAXLEN can't be negative";

/** Elements that are visited between two looks at whether to go on. */
const STRIDE = 64;

/**
 * Visits elements from one end on until the visitor wants no more; at most `limit` of them. It is told each one's distance from
 * that end and must not change the list.
 */
function search(
  place: Place,
  down: boolean,
  limit: number,
  visit: (ref: Ref, distance: number) => boolean,
): void {
  const order = place.order as Order;
  const { size } = order;
  const last = Math.min(limit, size);
  let distance = 0;
  let more = true;
  while (more && distance < last) {
    const count = Math.min(STRIDE, last - distance);
    order.each(down ? size - 1 - distance : distance, count, down, (ref) => {
      if (more) more = visit(ref, distance);
      distance++;
    });
  }
}

function linsert(run: Run, args: Args, reply: Reply): void {
  const after = args.is(2, "AFTER");
  if (!after && !args.is(2, "BEFORE")) return reply.error(SYNTAX);
  const place = run.look(args, 1);
  if (place.type === NONE) return reply.int(0);
  if (place.type !== LIST) return reply.error(WRONGTYPE);
  let pivot = -1;
  search(place, false, Infinity, (ref, distance) => {
    if (!isValue(run, place, ref, args, 3)) return true;
    pivot = distance;
    return false;
  });
  if (pivot < 0) return reply.int(-1);
  const { size } = place.order as Order;
  const right = after ? pivot + 1 : pivot;
  const { bytes } = args;
  const start = args.start[4] as number;
  const end = args.end[4] as number;
  if (right === 0) push(run, place, "left", bytes, start, end);
  else if (right === size) push(run, place, "right", bytes, start, end);
  else {
    const [l, r] = [positionAt(place, right - 1), positionAt(place, right)];
    const position = between(l, r, run.write.nextBirth());
    run.write.putCell(place, LIST, position, 0, position.length, bytes, start, end);
  }
  reply.int(size + 1);
}

function positionAt(place: Place, rank: number): Buffer {
  const { bytes, nameStart, nameEnd } = place.nameOf((place.order as Order).at(rank));
  return Buffer.from(bytes.subarray(nameStart, nameEnd));
}

function lrem(run: Run, args: Args, reply: Reply): void {
  const count = roughlyAt(args, 2);
  if (Number.isNaN(count)) return reply.error(NOT_AN_INTEGER);
  const place = run.look(args, 1);
  if (place.type === NONE) return reply.int(0);
  if (place.type !== LIST) return reply.error(WRONGTYPE);
  const limit = count === 0 ? Infinity : Math.abs(count);
  const positions = new Strings();
  search(place, count < 0, Infinity, (ref) => {
    if (isValue(run, place, ref, args, 3)) note(place, ref, positions);
    return positions.count < limit;
  });
  removeAll(run, place, positions);
  reply.int(positions.count);
}

/** What LPOS asks for. One instance serves every call. */
const wanted = {
  rank: 1,
  /** −1: one, which is answered without an array. 0: all. */
  count: -1,
  /** 0: none. */
  maxLength: 0,
  /** Reads the words from argument 3 on; returns what is wrong with them, or null. */
  read(args: Args): string | null {
    this.rank = 1;
    this.count = -1;
    this.maxLength = 0;
    for (let i = 3; i < args.count; i += 2) {
      if (i + 1 === args.count) return SYNTAX;
      const value = roughlyAt(args, i + 1);
      if (args.is(i, "RANK")) {
        if (Number.isNaN(value)) return NOT_AN_INTEGER;
        if (value === 0) return RANK_IS_ZERO;
        // The lowest integer has no positive counterpart: Redis then takes the first match from the end.
        this.rank = isLowest(args, i + 1) ? -1 : value;
      } else if (args.is(i, "COUNT")) {
        if (!(value >= 0)) return COUNT_IS_NEGATIVE;
        this.count = value;
      } else if (args.is(i, "MAXLEN")) {
        if (!(value >= 0)) return MAXLEN_IS_NEGATIVE;
        this.maxLength = value;
      } else return SYNTAX;
    }
    return null;
  },
};

function isLowest(args: Args, i: number): boolean {
  const integer = integerAt(args, i);
  return integer !== null && whole(integer) === -INT64_MAX - 1n;
}

function lpos(run: Run, args: Args, reply: Reply): void {
  const wrong = wanted.read(args);
  if (wrong !== null) return reply.error(wrong);
  const place = run.look(args, 1);
  const several = wanted.count >= 0;
  if (place.type === NONE) return several ? reply.array(0) : reply.nil();
  if (place.type !== LIST) return reply.error(WRONGTYPE);
  const { size } = place.order as Order;
  const down = wanted.rank < 0;
  const limit = wanted.count === 0 ? Infinity : Math.abs(wanted.count);
  let skip = Math.abs(wanted.rank) - 1;
  const mark = reply.mark;
  let found = 0;
  search(place, down, wanted.maxLength === 0 ? Infinity : wanted.maxLength, (ref, distance) => {
    if (!isValue(run, place, ref, args, 2)) return true;
    if (skip > 0) {
      skip--;
      return true;
    }
    found++;
    reply.int(down ? size - 1 - distance : distance);
    return found < limit;
  });
  if (several) reply.insertArrayHeader(mark, found);
  else if (found === 0) reply.nil();
}

const common = {
  keys: [1, 1, 1],
  categories: ["list"],
  group: "list",
  complexity: "O(N) for N elements",
} as const;

export const listSearchCommands: readonly Command[] = [
  {
    ...common,
    name: "linsert",
    arity: 5,
    flags: ["write", "denyoom"],
    keyFlags: ["RW", "insert"],
    since: "2.2.0",
    summary: "Inserts an element beside the first one that is equal to another",
    run: linsert,
  },
  {
    ...common,
    name: "lrem",
    arity: 4,
    flags: ["write"],
    keyFlags: ["RW", "delete"],
    since: "1.0.0",
    summary: "Removes elements that are equal to one",
    run: lrem,
  },
  {
    ...common,
    name: "lpos",
    arity: -3,
    flags: ["readonly"],
    since: "6.0.6",
    summary: "Finds the indexes of elements that are equal to one",
    run: lpos,
  },
];
