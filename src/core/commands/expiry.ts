/**
 * Expiry: when keys end.
 *
 * Invariant: a deadline that has passed already deletes; otherwise it is written, and of deadlines written at once in several
 * regions the longest holds.
 */
import { NEVER_MS, NONE } from "../crdt/key.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command, Handler } from "./command.ts";
import { NOT_AN_INTEGER } from "./errors.ts";
import { integerAt } from "./numbers.ts";
import { deadlineAfter, invalidExpireTime } from "./options.ts";
import type { Run } from "./run.ts";

const NX = 1;
const XX = 2;
const GT = 4;
const LT = 8;

/** The conditions from argument 3 on as bits, or −1 after the refusal was answered. */
function conditionsOf(args: Args, reply: Reply): number {
  let bits = 0;
  for (let i = 3; i < args.count; i++) {
    if (args.is(i, "NX")) bits |= NX;
    else if (args.is(i, "XX")) bits |= XX;
    else if (args.is(i, "GT")) bits |= GT;
    else if (args.is(i, "LT")) bits |= LT;
    else {
      reply.error(`ERR Unsupported option ${quoteWhole(args, i)}`);
      return -1;
    }
  }
  if ((bits & NX) !== 0 && bits !== NX)
    reply.error("ERR NX and XX, GT or LT options at the same time are not compatible");
  else if ((bits & GT) !== 0 && (bits & LT) !== 0)
    reply.error("ERR GT and LT options at the same time are not compatible");
  else return bits;
  return -1;
}

/** Argument `i` up to its first zero byte, line ends behind it cut off and others a space each, as Redis repeats it. */
function quoteWhole(args: Args, i: number): string {
  const [text = ""] = args.text(i).split("\0", 1);
  return text.replace(/[\r\n]+$/, "").replaceAll(/[\r\n]/g, " ");
}

function expiring(name: string, unitMs: 1 | 1000, absolute: boolean): Handler {
  return (run, args, reply) => {
    const conditions = args.count === 3 ? 0 : conditionsOf(args, reply);
    if (conditions < 0) return;
    const value = integerAt(args, 2);
    if (value === null) return reply.error(NOT_AN_INTEGER);
    const deadline = deadlineAfter(value, unitMs, absolute ? 0 : run.nowMs);
    if (Number.isNaN(deadline)) return reply.error(invalidExpireTime(name));
    const place = run.look(args, 1);
    if (place.type === NONE) return reply.int(0);
    if (conditions !== 0 && !allows(conditions, place.deadline, deadline)) return reply.int(0);
    if (deadline <= run.nowMs) run.write.remove(place);
    else run.write.expire(place, deadline);
    reply.int(1);
  };
}

/** Whether the conditions let `later` take the place of `current`, which is Infinity for a key without a deadline. */
function allows(conditions: number, current: number, later: number): boolean {
  if ((conditions & NX) !== 0 && current !== Infinity) return false;
  if ((conditions & XX) !== 0 && current === Infinity) return false;
  if ((conditions & GT) !== 0 && later <= current) return false;
  return (conditions & LT) === 0 || later < current;
}

function persist(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type === NONE || place.deadline === Infinity) return reply.int(0);
  run.write.expire(place, NEVER_MS);
  reply.int(1);
}

/** TTL and its kin: `unitMs` of the answer, and whether it counts from 1970 instead of from now. */
function telling(unitMs: 1 | 1000, absolute: boolean): Handler {
  return (run, args, reply) => {
    const place = run.look(args, 1);
    if (place.type === NONE) return reply.int(-2);
    if (place.deadline === Infinity) return reply.int(-1);
    const ms = absolute ? place.deadline : place.deadline - run.nowMs;
    reply.int(unitMs === 1 ? ms : Math.floor((ms + 500) / 1000));
  };
}

const common = {
  keys: [1, 1, 1],
  categories: ["keyspace"],
  group: "generic",
  complexity: "O(1)",
  strong: true,
} as const;
const writes = { ...common, arity: -3, flags: ["write", "fast"] } as const;
const reads = { ...common, arity: 2, flags: ["readonly", "fast"] } as const;

/** Every command that sets, removes or tells a deadline. */
export const expiryCommands: readonly Command[] = [
  {
    ...writes,
    name: "expire",
    since: "1.0.0",
    summary: "Lets a key expire after so many seconds",
    run: expiring("expire", 1000, false),
  },
  {
    ...writes,
    name: "pexpire",
    since: "2.6.0",
    summary: "Lets a key expire after so many milliseconds",
    run: expiring("pexpire", 1, false),
  },
  {
    ...writes,
    name: "expireat",
    since: "1.2.0",
    summary: "Lets a key expire at a Unix time in seconds",
    run: expiring("expireat", 1000, true),
  },
  {
    ...writes,
    name: "pexpireat",
    since: "2.6.0",
    summary: "Lets a key expire at a Unix time in milliseconds",
    run: expiring("pexpireat", 1, true),
  },
  {
    ...writes,
    name: "persist",
    arity: 2,
    since: "2.2.0",
    summary: "Lets a key live for ever",
    run: persist,
  },
  {
    ...reads,
    name: "ttl",
    glances: true,
    since: "1.0.0",
    summary: "Tells in how many seconds a key expires",
    run: telling(1000, false),
  },
  {
    ...reads,
    name: "pttl",
    glances: true,
    since: "2.6.0",
    summary: "Tells in how many milliseconds a key expires",
    run: telling(1, false),
  },
  {
    ...reads,
    name: "expiretime",
    glances: true,
    since: "7.0.0",
    summary: "Tells the Unix time in seconds at which a key expires",
    run: telling(1000, true),
  },
  {
    ...reads,
    name: "pexpiretime",
    glances: true,
    since: "7.0.0",
    summary: "Tells the Unix time in milliseconds at which a key expires",
    run: telling(1, true),
  },
];
