/**
 * Lists: elements pushed and popped at either end, read and written by index.
 *
 * Invariant: a list is there as long as one element is. An index counts what this replica sees: concurrent pushes elsewhere move
 * it, so what is written by index is the element that was there, wherever it then stands.
 */
import { LIST, NONE } from "../crdt/key.ts";
import type { Order } from "../crdt/order.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command, Handler } from "./command.ts";
import {
  INDEX_OUT_OF_RANGE,
  NO_SUCH_KEY,
  NOT_AN_INTEGER,
  NOT_POSITIVE,
  WRONGTYPE,
  wrongArity,
} from "./errors.ts";
import { type End, pop, popSeveral, push, removeRanks, show } from "./list-elements.ts";
import { listBlockingCommands } from "./lists-blocking.ts";
import { listMoveCommands } from "./lists-moves.ts";
import { listSearchCommands } from "./lists-searches.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";

/** How many elements a reader sees. */
function sizeOf(place: Place): number {
  return place.order?.size ?? 0;
}

/** LPUSH, RPUSH; with `there` only to a list that exists. */
function pushing(end: End, there: boolean): Handler {
  return (run, args, reply) => {
    const place = run.look(args, 1);
    if (place.type !== LIST) {
      if (place.type !== NONE) return reply.error(WRONGTYPE);
      if (there) return reply.int(0);
    }
    const size = sizeOf(place);
    const { bytes, count } = args;
    for (let i = 2; i < count; i++)
      push(run, place, end, bytes, args.start[i] as number, args.end[i] as number);
    reply.int(size + count - 2);
  };
}

/** LPOP, RPOP. */
function popping(end: End): Handler {
  const name = end === "left" ? "lpop" : "rpop";
  return (run, args, reply) => {
    if (args.count > 3) return reply.error(wrongArity(name));
    const several = args.count === 3;
    let count = 1;
    if (several) {
      count = roughlyAt(args, 2);
      if (!(count >= 0)) return reply.error(NOT_POSITIVE);
    }
    const place = run.look(args, 1);
    if (place.type === NONE) return several ? reply.nilArray() : reply.nil();
    if (place.type !== LIST) return reply.error(WRONGTYPE);
    if (several) popSeveral(run, place, end, count, reply);
    else pop(run, place, end, reply);
  };
}

function llen(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== LIST) reply.error(WRONGTYPE);
  else reply.int(sizeOf(place));
}

/** The rank that an index, which may count from the end, stands for; −1 when nothing is there. */
function rankOf(index: number, size: number): number {
  const rank = index < 0 ? size + index : index;
  return rank < size ? Math.max(rank, -1) : -1;
}

function lindex(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type === NONE) return reply.nil();
  if (place.type !== LIST) return reply.error(WRONGTYPE);
  const index = roughlyAt(args, 2);
  if (Number.isNaN(index)) return reply.error(NOT_AN_INTEGER);
  const rank = rankOf(index, sizeOf(place));
  if (rank < 0) return reply.nil();
  place.lookRef(run.keyspace, (place.order as Order).at(rank));
  reply.bulk(place.value, place.valueStart, place.valueEnd);
}

function lset(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type === NONE) return reply.error(NO_SUCH_KEY);
  if (place.type !== LIST) return reply.error(WRONGTYPE);
  const index = roughlyAt(args, 2);
  if (Number.isNaN(index)) return reply.error(NOT_AN_INTEGER);
  const rank = rankOf(index, sizeOf(place));
  if (rank < 0) return reply.error(INDEX_OUT_OF_RANGE);
  const { bytes, nameStart, nameEnd } = place.nameOf((place.order as Order).at(rank));
  const position = Buffer.from(bytes.subarray(nameStart, nameEnd));
  const start = args.start[3] as number;
  const end = args.end[3] as number;
  run.write.putCell(place, LIST, position, 0, position.length, args.bytes, start, end);
  reply.ok();
}

function lrange(run: Run, args: Args, reply: Reply): void {
  const range = rangeAt(args);
  if (range === null) return reply.error(NOT_AN_INTEGER);
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== LIST) return reply.error(WRONGTYPE);
  range.clampTo(sizeOf(place));
  reply.array(range.count);
  if (range.count > 0) show(run, place, range.from, range.count, false, reply);
}

function ltrim(run: Run, args: Args, reply: Reply): void {
  const range = rangeAt(args);
  if (range === null) return reply.error(NOT_AN_INTEGER);
  const place = run.look(args, 1);
  if (place.type === NONE) return reply.ok();
  if (place.type !== LIST) return reply.error(WRONGTYPE);
  const size = sizeOf(place);
  const { from, count } = range.clampTo(size);
  if (count === 0) run.write.remove(place);
  else if (count < size) {
    const behind = from + count;
    if (behind < size) removeRanks(run, place, behind, size - behind);
    if (from > 0) {
      if (behind < size) run.lookAgain(place);
      removeRanks(run, place, 0, from);
    }
  }
  reply.ok();
}

/** Two indexes, which may count from the end, as a run of ranks. One instance serves every call. */
const asked = {
  start: 0,
  stop: 0,
  from: 0,
  count: 0,
  clampTo(size: number) {
    const first = this.start < 0 ? Math.max(0, size + this.start) : this.start;
    const last = this.stop < 0 ? size + this.stop : Math.min(this.stop, size - 1);
    this.from = first;
    this.count = Math.max(0, last - first + 1);
    return this;
  },
};

/** The range in arguments 2 and 3, or null. */
function rangeAt(args: Args): typeof asked | null {
  asked.start = roughlyAt(args, 2);
  asked.stop = roughlyAt(args, 3);
  return Number.isNaN(asked.start) || Number.isNaN(asked.stop) ? null : asked;
}

const common = { keys: [1, 1, 1], categories: ["list"], group: "list" } as const;
const pushes = {
  ...common,
  flags: ["write", "denyoom", "fast"],
  keyFlags: ["RW", "insert"],
  arity: -3,
  complexity: "O(N) for N elements",
} as const;
const pops = {
  ...common,
  flags: ["write", "fast"],
  keyFlags: ["RW", "access", "delete"],
  arity: -2,
  since: "1.0.0",
  complexity: "O(N) for N elements",
} as const;

/** Every command on lists. */
export const listCommands: readonly Command[] = [
  {
    ...pushes,
    name: "lpush",
    since: "1.0.0",
    summary: "Pushes elements to the left end, the last one outermost",
    run: pushing("left", false),
  },
  {
    ...pushes,
    name: "rpush",
    since: "1.0.0",
    summary: "Pushes elements to the right end, the last one outermost",
    run: pushing("right", false),
  },
  {
    ...pushes,
    name: "lpushx",
    since: "2.2.0",
    summary: "Pushes elements to the left end of a list that exists",
    run: pushing("left", true),
  },
  {
    ...pushes,
    name: "rpushx",
    since: "2.2.0",
    summary: "Pushes elements to the right end of a list that exists",
    run: pushing("right", true),
  },
  {
    ...pops,
    name: "lpop",
    takes: "all",
    summary: "Removes elements from the left end and returns them",
    run: popping("left"),
  },
  {
    ...pops,
    name: "rpop",
    takes: "all",
    summary: "Removes elements from the right end and returns them",
    run: popping("right"),
  },
  {
    ...common,
    name: "llen",
    arity: 2,
    flags: ["readonly", "fast"],
    keyFlags: ["RO"],
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Counts the elements",
    run: llen,
  },
  {
    ...common,
    name: "lindex",
    arity: 3,
    flags: ["readonly"],
    since: "1.0.0",
    complexity: "O(log N) for N elements",
    summary: "Reads the element at an index",
    run: lindex,
  },
  {
    ...common,
    name: "lrange",
    arity: 4,
    flags: ["readonly"],
    since: "1.0.0",
    complexity: "O(log N + M) for M of N elements",
    summary: "Reads the elements from one index to another",
    run: lrange,
  },
  {
    ...common,
    name: "lset",
    arity: 4,
    flags: ["write", "denyoom"],
    keyFlags: ["RW", "update"],
    since: "1.0.0",
    complexity: "O(log N) for N elements",
    summary: "Writes the element at an index",
    run: lset,
  },
  {
    ...common,
    name: "ltrim",
    arity: 4,
    flags: ["write"],
    keyFlags: ["RW", "delete"],
    since: "1.0.0",
    complexity: "O(log N + M) to remove M of N elements",
    summary: "Removes the elements outside of two indexes",
    run: ltrim,
  },
  ...listSearchCommands,
  ...listMoveCommands,
  ...listBlockingCommands,
];
