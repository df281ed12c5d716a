/**
 * Strings: values written and read whole.
 *
 * Invariant: a write replaces the value and its deadline; only KEEPTTL keeps the deadline.
 */
import { NEVER_MS, NONE, STRING } from "../crdt/key.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { SYNTAX, WRONGTYPE, wrongArity } from "./errors.ts";
import { deadlineAt, ValueOptions } from "./options.ts";
import { hasWord } from "./key-positions.ts";
import type { Run } from "./run.ts";
import { counterCommands } from "./strings-counters.ts";
import { lcsCommands } from "./strings-lcs.ts";
import { rangeCommands } from "./strings-ranges.ts";

const options = new ValueOptions();

function get(run: Run, args: Args, reply: Reply): void {
  replyValue(run.look(args, 1), reply);
}

/** Answers with the string at a place, with nil when there is none, or refuses; whether it did not refuse. */
function replyValue(place: Place, reply: Reply): boolean {
  if (place.type === STRING) reply.bulk(place.value, place.valueStart, place.valueEnd);
  else if (place.type === NONE) reply.nil();
  else {
    reply.error(WRONGTYPE);
    return false;
  }
  return true;
}

function set(run: Run, args: Args, reply: Reply): void {
  if (args.count === 3) {
    write(run, run.look(args, 1), Infinity, args, 2);
    return reply.ok();
  }
  if (!options.read(args, 3, "set")) return reply.error(SYNTAX);
  let deadline = Infinity;
  if (options.time > 0) {
    deadline = options.deadline(args, run.nowMs, "set", reply);
    if (Number.isNaN(deadline)) return;
  }
  const place = run.look(args, 1);
  const refused = place.type === NONE ? options.exists : options.notExists;
  if (options.get) {
    if (!replyValue(place, reply)) return;
  } else if (refused) reply.nil();
  else reply.ok();
  if (refused) return;
  if (deadline > run.nowMs) write(run, place, options.keepTtl ? place.deadline : deadline, args, 2);
  else if (place.type !== NONE) run.write.remove(place);
  // Written and expired at once: nothing to tell the other regions, but whoever watches the key is told.
  else run.keyspace.touch(place);
}

/** Writes argument `i` to a place. */
function write(run: Run, place: Place, deadline: number, args: Args, i: number): void {
  run.write.set(place, deadline, args.bytes, args.start[i] as number, args.end[i] as number);
}

function setnx(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE) return reply.int(0);
  write(run, place, Infinity, args, 2);
  reply.int(1);
}

function setex(run: Run, args: Args, reply: Reply): void {
  setExpiring(run, args, 1000, "setex", reply);
}

function psetex(run: Run, args: Args, reply: Reply): void {
  setExpiring(run, args, 1, "psetex", reply);
}

function setExpiring(run: Run, args: Args, unitMs: 1 | 1000, name: string, reply: Reply): void {
  const deadline = deadlineAt(args, 2, unitMs, run.nowMs, name, reply);
  if (Number.isNaN(deadline)) return;
  write(run, run.look(args, 1), deadline, args, 3);
  reply.ok();
}

function getset(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (replyValue(place, reply)) write(run, place, Infinity, args, 2);
}

function getdel(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (replyValue(place, reply) && place.type === STRING) run.write.remove(place);
}

function getex(run: Run, args: Args, reply: Reply): void {
  if (!options.read(args, 2, "getex")) return reply.error(SYNTAX);
  const place = run.look(args, 1);
  if (place.type !== STRING) {
    replyValue(place, reply);
    return;
  }
  let deadline = Infinity;
  if (options.time > 0) {
    deadline = options.deadline(args, run.nowMs, "getex", reply);
    if (Number.isNaN(deadline)) return;
  }
  replyValue(place, reply);
  if (deadline <= run.nowMs) run.write.remove(place);
  else if (deadline !== Infinity) run.write.expire(place, deadline);
  else if (options.persist && place.deadline !== Infinity) run.write.expire(place, NEVER_MS);
}

function mget(run: Run, args: Args, reply: Reply): void {
  reply.array(args.count - 1);
  for (let i = 1; i < args.count; i++) {
    const place = run.look(args, i);
    if (place.type === STRING) reply.bulk(place.value, place.valueStart, place.valueEnd);
    else reply.nil();
  }
}

function mset(run: Run, args: Args, reply: Reply): void {
  if (args.count % 2 === 0) return reply.error(wrongArity("mset"));
  writePairs(run, args);
  reply.ok();
}

function msetnx(run: Run, args: Args, reply: Reply): void {
  if (args.count % 2 === 0) return reply.error(wrongArity("msetnx"));
  for (let i = 1; i < args.count; i += 2) if (run.look(args, i).type !== NONE) return reply.int(0);
  writePairs(run, args);
  reply.int(1);
}

function writePairs(run: Run, args: Args): void {
  for (let i = 1; i < args.count; i += 2) write(run, run.look(args, i), Infinity, args, i + 1);
}

const reads = {
  flags: ["readonly", "fast"],
  keys: [1, 1, 1],
  categories: ["string"],
  group: "string",
  complexity: "O(1)",
} as const;
const writes = { ...reads, flags: ["write", "denyoom"] } as const;
const writesFast = { ...reads, flags: ["write", "denyoom", "fast"] } as const;
const writesLess = { ...reads, flags: ["write", "fast"] } as const;

/** Every command on strings. */
export const stringCommands: readonly Command[] = [
  {
    ...reads,
    name: "get",
    arity: 2,
    since: "1.0.0",
    summary: "Reads a string",
    run: get,
  },
  {
    ...writes,
    name: "set",
    arity: -3,
    since: "1.0.0",
    summary: "Writes a string, whatever the key held",
    keyFlags: ["RW", "access", "update", "variable_flags"],
    keyFlagsFor: (args) =>
      hasWord(args, 3, "GET") ? ["RW", "access", "update"] : ["OW", "update"],
    run: set,
  },
  {
    ...writesFast,
    name: "setnx",
    keyFlags: ["OW", "insert"],
    arity: 3,
    since: "1.0.0",
    summary: "Writes a string unless the key exists",
    run: setnx,
  },
  {
    ...writes,
    name: "setex",
    keyFlags: ["OW", "update"],
    arity: 4,
    since: "2.0.0",
    summary: "Writes a string that expires after so many seconds",
    run: setex,
  },
  {
    ...writes,
    name: "psetex",
    keyFlags: ["OW", "update"],
    arity: 4,
    since: "2.6.0",
    summary: "Writes a string that expires after so many milliseconds",
    run: psetex,
  },
  {
    ...writesFast,
    name: "getset",
    keyFlags: ["RW", "access", "update"],
    arity: 3,
    since: "1.0.0",
    summary: "Writes a string and returns the one before",
    run: getset,
  },
  {
    ...writesLess,
    name: "getdel",
    keyFlags: ["RW", "access", "delete"],
    arity: 2,
    since: "6.2.0",
    summary: "Reads a string and deletes its key",
    run: getdel,
  },
  {
    ...writesLess,
    name: "getex",
    keyFlags: ["RW", "access", "update"],
    arity: -2,
    since: "6.2.0",
    summary: "Reads a string and changes when it expires",
    run: getex,
  },
  {
    ...reads,
    name: "mget",
    arity: -2,
    keys: [1, -1, 1],
    since: "1.0.0",
    complexity: "O(N) for N keys",
    summary: "Reads several strings",
    run: mget,
  },
  {
    ...writes,
    name: "mset",
    keyFlags: ["OW", "update"],
    arity: -3,
    keys: [1, -1, 2],
    since: "1.0.1",
    complexity: "O(N) for N keys",
    summary: "Writes several strings at once",
    run: mset,
  },
  {
    ...writes,
    name: "msetnx",
    keyFlags: ["OW", "insert"],
    arity: -3,
    keys: [1, -1, 2],
    since: "1.0.1",
    complexity: "O(N) for N keys",
    summary: "Writes several strings at once, if none of the keys exists",
    run: msetnx,
  },
  ...rangeCommands,
  ...counterCommands,
  ...lcsCommands,
];
