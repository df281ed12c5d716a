/**
 * Hash expiry: when single fields end, as since Redis 7.4, and the commands of 8.0 that read or write fields and their deadlines at once.
 *
 * Invariant: a field's deadline goes with its value: HSET clears it, HINCRBY keeps it. One that has passed already removes the
 * field. Where Redis refuses a time before it looks at a key, so does this, and the other way round.
 */
import { type Amount, whole } from "../crdt/amount.ts";
import { HASH, NEVER_MS, NONE } from "../crdt/key.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command, Handler } from "./command.ts";
import { NOT_AN_INTEGER, WRONGTYPE } from "./errors.ts";
import { deadlineAfter, invalidExpireTime } from "./options.ts";
import { integerAt } from "./numbers.ts";
import type { Run } from "./run.ts";

/** The latest deadline of a field in Redis, in the year 4199. */
const FIELD_DEADLINE_MAX_MS = 2 ** 46 - 1;

const NO_FIELDS = "ERR Mandatory argument FIELDS is missing or not at the right position";
const NOT_MANY = "ERR Number of fields must be a positive integer";
const NOT_MANY_EXPIRING = "ERR Parameter `numFields` should be greater than 0";
const UNEQUAL = "ERR The `numfields` parameter must match the number of arguments";

type Condition = "" | "NX" | "XX" | "GT" | "LT";

/** Reads `FIELDS n` at argument `i`, behind which `width` arguments follow for each; false after the refusal was answered. */
function readFields(args: Args, i: number, width: number, notMany: string, reply: Reply): boolean {
  let refusal = "";
  if (i + 1 >= args.count || !args.is(i, "FIELDS")) refusal = NO_FIELDS;
  else {
    const count = integerAt(args, i + 1);
    if (typeof count !== "number" || count <= 0) refusal = notMany;
    else if (count * width !== args.count - i - 2) refusal = UNEQUAL;
  }
  if (refusal !== "") reply.error(refusal);
  return refusal === "";
}

/** A deadline from argument `i`; NaN after the refusal was answered. */
function fieldDeadline(
  args: Args,
  i: number,
  unitMs: 1 | 1000,
  baseMs: number,
  name: string,
  reply: Reply,
): number {
  const value: Amount | null = integerAt(args, i);
  if (value === null) reply.error(NOT_AN_INTEGER);
  else if ((whole(value) as bigint) < 0n) reply.error("ERR invalid expire time, must be >= 0");
  else {
    const deadline = deadlineAfter(value, unitMs, baseMs);
    if (deadline <= FIELD_DEADLINE_MAX_MS) return deadline;
    reply.error(invalidExpireTime(name));
  }
  return Number.NaN;
}

function sees(place: Place, args: Args, i: number): boolean {
  const { cells, horizonMs } = place;
  return cells?.has(args.bytes, args.start[i] as number, args.end[i] as number, horizonMs) ?? false;
}

function deadlineOf(place: Place, args: Args, i: number): number {
  return place.fieldDeadline(args.bytes, args.start[i] as number, args.end[i] as number);
}

/** Gives the field named in argument `i`, which a reader sees, a deadline; removes it when that has passed. */
function expireField(run: Run, place: Place, args: Args, i: number, deadline: number): void {
  const { bytes, start, end } = args;
  if (deadline > run.nowMs)
    run.write.expireField(place, bytes, start[i] as number, end[i] as number, deadline);
  else run.write.removeField(place, bytes, start[i] as number, end[i] as number);
  run.lookAgain(place);
}

function expiring(name: string, unitMs: 1 | 1000, absolute: boolean): Handler {
  return (run, args, reply) => {
    const place = run.look(args, 1);
    if (place.type !== NONE && place.type !== HASH) return reply.error(WRONGTYPE);
    const deadline = fieldDeadline(args, 2, unitMs, absolute ? 0 : run.nowMs, name, reply);
    if (Number.isNaN(deadline)) return;
    let condition: Condition = "";
    for (const word of ["NX", "XX", "GT", "LT"] as const) if (args.is(3, word)) condition = word;
    const fields = condition === "" ? 3 : 4;
    if (!readFields(args, fields, 1, NOT_MANY_EXPIRING, reply)) return;
    reply.array(args.count - fields - 2);
    for (let i = fields + 2; i < args.count; i++)
      if (!sees(place, args, i)) reply.int(-2);
      else if (!allows(condition, deadlineOf(place, args, i), deadline)) reply.int(0);
      else {
        expireField(run, place, args, i, deadline);
        reply.int(deadline > run.nowMs ? 1 : 2);
      }
  };
}

/** Whether the condition lets `later` take the place of `current`, which is Infinity for a field without a deadline. */
function allows(condition: Condition, current: number, later: number): boolean {
  switch (condition) {
    case "NX":
      return current === Infinity;
    case "XX":
      return current !== Infinity;
    case "GT":
      return later > current;
    case "LT":
      return later < current;
    default:
      return true;
  }
}

function hpersist(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== HASH) return reply.error(WRONGTYPE);
  if (!readFields(args, 2, 1, NOT_MANY, reply)) return;
  reply.array(args.count - 4);
  for (let i = 4; i < args.count; i++)
    if (!sees(place, args, i)) reply.int(-2);
    else if (deadlineOf(place, args, i) === Infinity) reply.int(-1);
    else {
      expireField(run, place, args, i, NEVER_MS);
      reply.int(1);
    }
}

/** HTTL and its kin: `unitMs` of the answer, and whether it counts from 1970 instead of from now. */
function telling(unitMs: 1 | 1000, absolute: boolean): Handler {
  return (run, args, reply) => {
    const place = run.look(args, 1);
    if (place.type !== NONE && place.type !== HASH) return reply.error(WRONGTYPE);
    if (!readFields(args, 2, 1, NOT_MANY, reply)) return;
    reply.array(args.count - 4);
    for (let i = 4; i < args.count; i++) {
      const deadline = sees(place, args, i) ? deadlineOf(place, args, i) : -1;
      if (deadline < 0) reply.int(-2);
      else if (deadline === Infinity) reply.int(-1);
      else reply.int(Math.ceil((absolute ? deadline : deadline - run.nowMs) / unitMs));
    }
  };
}

/** Answers with the value of the field named in argument `i`, or with nil; returns whether there is one. */
function replyField(run: Run, place: Place, args: Args, i: number, reply: Reply): boolean {
  const { bytes, start, end } = args;
  const isThere =
    place.type === HASH &&
    place.lookField(run.keyspace, bytes, start[i] as number, end[i] as number);
  if (isThere) reply.bulk(place.value, place.valueStart, place.valueEnd);
  else reply.nil();
  return isThere;
}

function hgetdel(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== HASH) return reply.error(WRONGTYPE);
  if (!readFields(args, 2, 1, NOT_MANY, reply)) return;
  reply.array(args.count - 4);
  for (let i = 4; i < args.count; i++) {
    if (!replyField(run, place, args, i, reply)) continue;
    run.write.removeField(place, args.bytes, args.start[i] as number, args.end[i] as number);
    run.lookAgain(place);
  }
}

/** What the words of HGETEX and HSETEX ask for. */
interface FieldOptions {
  /** The argument at which FIELDS stands. */
  fields: number;
  /** Infinity when no time is given. */
  deadline: number;
  persist: boolean;
  keepTtl: boolean;
  condition: "" | "FNX" | "FXX";
}

/** Reads the words from argument 2 on; null after the refusal was answered. */
function readOptions(run: Run, args: Args, name: "hgetex" | "hsetex", reply: Reply) {
  const found: FieldOptions = {
    fields: 2,
    deadline: Infinity,
    persist: false,
    keepTtl: false,
    condition: "",
  };
  const isSet = name === "hsetex";
  let hasTime = false;
  let i = 2;
  for (; i < args.count && !args.is(i, "FIELDS"); i++) {
    const unit = args.is(i, "EX") || args.is(i, "EXAT") ? 1000 : 1;
    const absolute = args.is(i, "EXAT") || args.is(i, "PXAT");
    if (isSet && found.condition === "" && args.is(i, "FNX")) found.condition = "FNX";
    else if (isSet && found.condition === "" && args.is(i, "FXX")) found.condition = "FXX";
    else if (!hasTime && isSet && args.is(i, "KEEPTTL")) hasTime = found.keepTtl = true;
    else if (!hasTime && !isSet && args.is(i, "PERSIST")) hasTime = found.persist = true;
    else if (!hasTime && i + 1 < args.count && (unit === 1000 || absolute || args.is(i, "PX"))) {
      hasTime = true;
      const baseMs = absolute ? 0 : run.nowMs;
      found.deadline = fieldDeadline(args, ++i, unit, baseMs, name, reply);
      if (Number.isNaN(found.deadline)) return null;
    } else {
      reply.error(NO_FIELDS);
      return null;
    }
  }
  found.fields = i;
  return readFields(args, i, isSet ? 2 : 1, NOT_MANY, reply) ? found : null;
}

function hgetex(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== HASH) return reply.error(WRONGTYPE);
  const options = readOptions(run, args, "hgetex", reply);
  if (options === null) return;
  const { fields, deadline, persist } = options;
  reply.array(args.count - fields - 2);
  for (let i = fields + 2; i < args.count; i++) {
    if (!replyField(run, place, args, i, reply)) continue;
    if (deadline !== Infinity) expireField(run, place, args, i, deadline);
    else if (persist && deadlineOf(place, args, i) !== Infinity)
      expireField(run, place, args, i, NEVER_MS);
  }
}

function hsetex(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== HASH) return reply.error(WRONGTYPE);
  const options = readOptions(run, args, "hsetex", reply);
  if (options === null) return;
  const { fields, condition, keepTtl } = options;
  if (condition !== "")
    for (let i = fields + 2; i < args.count; i += 2)
      if (sees(place, args, i) !== (condition === "FXX")) return reply.int(0);
  const { bytes, start, end } = args;
  for (let i = fields + 2; i < args.count; i += 2) {
    const kept = keepTtl && sees(place, args, i) ? deadlineOf(place, args, i) : Infinity;
    const deadline = Math.min(options.deadline, kept);
    const [nameStart, nameEnd] = [start[i] as number, end[i] as number];
    const [from, to] = [start[i + 1] as number, end[i + 1] as number];
    run.write.setField(place, bytes, nameStart, nameEnd, bytes, from, to);
    run.lookAgain(place);
    if (deadline !== Infinity) expireField(run, place, args, i, deadline);
  }
  reply.int(1);
}

const common = {
  // A strong value is kept in the format of Redis 7.0, in which fields have no deadlines.
  strong: false,
  keys: [1, 1, 1],
  categories: ["hash"],
  group: "hash",
  complexity: "O(N) for N fields",
} as const;
const expires = {
  ...common,
  arity: -6,
  flags: ["write", "denyoom", "fast"],
  keyFlags: ["RW", "update"],
  since: "7.4.0",
} as const;
const tells = {
  ...common,
  arity: -5,
  flags: ["readonly", "fast"],
  keyFlags: ["RO", "access"],
  since: "7.4.0",
} as const;

export const hashExpiryCommands: readonly Command[] = [
  {
    ...expires,
    name: "hexpire",
    summary: "Lets fields expire after so many seconds",
    run: expiring("hexpire", 1000, false),
  },
  {
    ...expires,
    name: "hpexpire",
    summary: "Lets fields expire after so many milliseconds",
    run: expiring("hpexpire", 1, false),
  },
  {
    ...expires,
    name: "hexpireat",
    summary: "Lets fields expire at a Unix time in seconds",
    run: expiring("hexpireat", 1000, true),
  },
  {
    ...expires,
    name: "hpexpireat",
    summary: "Lets fields expire at a Unix time in milliseconds",
    run: expiring("hpexpireat", 1, true),
  },
  {
    ...common,
    name: "hpersist",
    arity: -5,
    flags: ["write", "fast"],
    keyFlags: ["RW", "update"],
    since: "7.4.0",
    summary: "Lets fields live as long as their key",
    run: hpersist,
  },
  {
    ...tells,
    name: "httl",
    summary: "Tells in how many seconds fields expire",
    run: telling(1000, false),
  },
  {
    ...tells,
    name: "hpttl",
    summary: "Tells in how many milliseconds fields expire",
    run: telling(1, false),
  },
  {
    ...tells,
    name: "hexpiretime",
    summary: "Tells the Unix time in seconds at which fields expire",
    run: telling(1000, true),
  },
  {
    ...tells,
    name: "hpexpiretime",
    summary: "Tells the Unix time in milliseconds at which fields expire",
    run: telling(1, true),
  },
  {
    ...common,
    name: "hgetdel",
    arity: -5,
    flags: ["write", "fast"],
    keyFlags: ["RW", "access", "delete"],
    since: "8.0.0",
    summary: "Reads fields and removes them",
    run: hgetdel,
  },
  {
    ...common,
    name: "hgetex",
    arity: -5,
    flags: ["write", "fast"],
    keyFlags: ["RW", "access", "update"],
    since: "8.0.0",
    summary: "Reads fields and sets or removes their deadlines",
    run: hgetex,
  },
  {
    ...common,
    name: "hsetex",
    arity: -6,
    flags: ["write", "denyoom", "fast"],
    keyFlags: ["RW", "update"],
    since: "8.0.0",
    summary: "Writes fields with a deadline",
    run: hsetex,
  },
];
