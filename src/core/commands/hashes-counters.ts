/**
 * Hash counters: fields that are numbers, and grow.
 *
 * Invariant: as for strings: what is written is the difference, what is refused is decided by the visible value.
 */
import { add, type Amount, parseDecimal, parseInteger } from "../crdt/amount.ts";
import { HASH, NONE } from "../crdt/key.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { NOT_A_FLOAT, NOT_AN_INTEGER, OVERFLOW, WRONGTYPE } from "./errors.ts";
import { addFloats, difference, NOT_FINITE, parseFloatText } from "./numbers-float.ts";
import { integerAt, isInt64, replyInteger } from "./numbers.ts";
import type { Run } from "./run.ts";

function hincrby(run: Run, args: Args, reply: Reply): void {
  const delta = integerAt(args, 3);
  if (delta === null) return reply.error(NOT_AN_INTEGER);
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== HASH) return reply.error(WRONGTYPE);
  const { bytes } = args;
  const start = args.start[2] as number;
  const end = args.end[2] as number;
  let value: Amount | null = 0;
  if (place.type === HASH && place.lookField(run.keyspace, bytes, start, end))
    value = parseInteger(place.value, place.valueStart, place.valueEnd);
  if (value === null) return reply.error("ERR hash value is not an integer");
  const sum = add(value, delta);
  if (!isInt64(sum)) return reply.error(OVERFLOW);
  run.write.countField(place, bytes, start, end, delta);
  replyInteger(reply, sum);
}

function hincrbyfloat(run: Run, args: Args, reply: Reply): void {
  const delta = parseFloatText(args.bytes, args.start[3] as number, args.end[3] as number);
  if (delta === null) return reply.error(NOT_A_FLOAT);
  if (delta === "infinite") return reply.error("ERR value is NaN or Infinity");
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== HASH) return reply.error(WRONGTYPE);
  const { bytes } = args;
  const start = args.start[2] as number;
  const end = args.end[2] as number;
  const found = place.type === HASH && place.lookField(run.keyspace, bytes, start, end);
  const { value, valueStart, valueEnd } = place;
  const before = found ? parseFloatText(value, valueStart, valueEnd) : 0;
  if (before === null) return reply.error("ERR hash value is not a float");
  if (before === "infinite") return reply.error(NOT_FINITE);
  // A hexadecimal value is a number to Redis and no amount to a counter, so it is replaced by the sum.
  const isAmount = !found || parseDecimal(value, valueStart, valueEnd) !== null;
  const text = Buffer.from(addFloats(before, delta), "latin1");
  if (isAmount) run.write.countField(place, bytes, start, end, difference(text, before));
  else run.write.setField(place, bytes, start, end, text, 0, text.length);
  reply.buffer(text);
}

const common = {
  flags: ["write", "denyoom", "fast"],
  keys: [1, 1, 1],
  categories: ["hash"],
  group: "hash",
  complexity: "O(1)",
} as const;

export const hashCounterCommands: readonly Command[] = [
  {
    ...common,
    name: "hincrby",
    keyFlags: ["RW", "access", "update"],
    arity: 4,
    since: "2.0.0",
    summary: "Adds an integer to a field; a missing one is 0",
    run: hincrby,
  },
  {
    ...common,
    name: "hincrbyfloat",
    keyFlags: ["RW", "access", "update"],
    arity: 4,
    since: "2.6.0",
    summary: "Adds a number with a fraction to a field; a missing one is 0",
    run: hincrbyfloat,
  },
];
