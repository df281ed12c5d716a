/**
 * Counters: strings that are numbers, and grow.
 *
 * Invariant: what is written is the difference, so increments of several regions add up. What is refused (not a number, out of
 * 64 bits) is decided by the value that is visible here.
 */
import { add, type Amount, parseDecimal, parseInteger, subtract } from "../crdt/amount.ts";
import { NONE, STRING } from "../crdt/key.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { NOT_A_FLOAT, NOT_AN_INTEGER, OVERFLOW, WRONGTYPE } from "./errors.ts";
import { addFloats, difference, NOT_FINITE, parseFloatText } from "./numbers-float.ts";
import { INT64_MAX, integerAt, isInt64, replyInteger } from "./numbers.ts";
import type { Run } from "./run.ts";

function incr(run: Run, args: Args, reply: Reply): void {
  count(run, args, 1, reply);
}

function decr(run: Run, args: Args, reply: Reply): void {
  count(run, args, -1, reply);
}

function incrby(run: Run, args: Args, reply: Reply): void {
  const delta = integerAt(args, 2);
  if (delta === null) reply.error(NOT_AN_INTEGER);
  else count(run, args, delta, reply);
}

function decrby(run: Run, args: Args, reply: Reply): void {
  const delta = integerAt(args, 2);
  if (delta === null) reply.error(NOT_AN_INTEGER);
  else if (typeof delta !== "number" && delta.digits < -INT64_MAX)
    reply.error("ERR decrement would overflow");
  else count(run, args, subtract(0, delta), reply);
}

function count(run: Run, args: Args, delta: Amount, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== STRING) return reply.error(WRONGTYPE);
  const value =
    place.type === NONE ? 0 : parseInteger(place.value, place.valueStart, place.valueEnd);
  if (value === null) return reply.error(NOT_AN_INTEGER);
  const sum = add(value, delta);
  if (!isInt64(sum)) return reply.error(OVERFLOW);
  run.write.count(place, delta);
  replyInteger(reply, sum);
}

function incrbyfloat(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== STRING) return reply.error(WRONGTYPE);
  const { value, valueStart, valueEnd } = place;
  const before = place.type === NONE ? 0 : parseFloatText(value, valueStart, valueEnd);
  const delta = parseFloatText(args.bytes, args.start[2] as number, args.end[2] as number);
  if (before === null || delta === null) return reply.error(NOT_A_FLOAT);
  if (before === "infinite" || delta === "infinite") return reply.error(NOT_FINITE);
  // A hexadecimal value is a number to Redis and no amount to a counter, so it is replaced by the sum.
  const isAmount = place.type === NONE || parseDecimal(value, valueStart, valueEnd) !== null;
  const text = Buffer.from(addFloats(before, delta), "latin1");
  if (isAmount) run.write.count(place, difference(text, before));
  else run.write.set(place, place.deadline, text, 0, text.length);
  reply.buffer(text);
}

const common = {
  flags: ["write", "denyoom", "fast"],
  keys: [1, 1, 1],
  categories: ["string"],
  group: "string",
  complexity: "O(1)",
} as const;

export const counterCommands: readonly Command[] = [
  {
    ...common,
    name: "incr",
    keyFlags: ["RW", "access", "update"],
    arity: 2,
    since: "1.0.0",
    summary: "Adds one to a number; a missing one is 0",
    run: incr,
  },
  {
    ...common,
    name: "decr",
    keyFlags: ["RW", "access", "update"],
    arity: 2,
    since: "1.0.0",
    summary: "Takes one from a number; a missing one is 0",
    run: decr,
  },
  {
    ...common,
    name: "incrby",
    keyFlags: ["RW", "access", "update"],
    arity: 3,
    since: "1.0.0",
    summary: "Adds an integer to a number; a missing one is 0",
    run: incrby,
  },
  {
    ...common,
    name: "decrby",
    keyFlags: ["RW", "access", "update"],
    arity: 3,
    since: "1.0.0",
    summary: "Takes an integer from a number; a missing one is 0",
    run: decrby,
  },
  {
    ...common,
    name: "incrbyfloat",
    keyFlags: ["RW", "access", "update"],
    arity: 3,
    since: "2.6.0",
    summary: "Adds a number with a fraction to a number; a missing one is 0",
    run: incrbyfloat,
  },
];
