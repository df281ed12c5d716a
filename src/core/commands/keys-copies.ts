/**
 * Copies: a key under another name, or in another database.
 *
 * Invariant: what is visible here is written anew under the new name, with its deadline, and in the same record the old key is
 * removed as far as this replica has seen it. What another region writes to the old name meanwhile stays under the old name.
 */
import { BOUNDED, NONE } from "../crdt/key.ts";
import type { Place } from "../keyspace/place.ts";
import { Entry } from "../keyspace/table.ts";
import type { Value } from "../rdb/value.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { BOUNDED_STAYS, NO_SUCH_KEY, SYNTAX } from "./errors.ts";
import { databaseAt, roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";
import { HAS_BOUNDED, holdsBounded } from "./bounded-guard.ts";
import { type DocumentValue, readWhole, writeWhole } from "./values.ts";

const SAME_OBJECT = "ERR source and destination objects are the same";

function rename(run: Run, args: Args, reply: Reply): void {
  const from = run.look(args, 1, 0);
  if (from.type === NONE) return reply.error(NO_SUCH_KEY);
  if (!isSameKey(args)) moveKey(run, from, run.look(args, 2, 1));
  reply.ok();
}

function renamenx(run: Run, args: Args, reply: Reply): void {
  const from = run.look(args, 1, 0);
  if (from.type === NONE) return reply.error(NO_SUCH_KEY);
  const to = run.look(args, 2, 1);
  if (to.type !== NONE) return reply.int(0);
  moveKey(run, from, to);
  reply.int(1);
}

function isSameKey(args: Args): boolean {
  return args.view(1).equals(args.view(2));
}

function move(run: Run, args: Args, reply: Reply): void {
  const db = databaseAt(args, 2, run.settings.databases, reply);
  if (db < 0) return;
  if (db === run.session.db) return reply.error(SAME_OBJECT);
  const from = run.look(args, 1, 0);
  if (from.type === NONE) return reply.int(0);
  const to = run.lookAt(db, args.bytes, args.start[1] as number, args.end[1] as number, 1);
  if (to.type !== NONE) return reply.int(0);
  moveKey(run, from, to);
  reply.int(1);
}

function copy(run: Run, args: Args, reply: Reply): void {
  let { db } = run.session;
  let replace = false;
  for (let i = 3; i < args.count; i++) {
    if (args.is(i, "REPLACE")) replace = true;
    else if (args.is(i, "DB") && i + 1 < args.count) {
      db = databaseAt(args, ++i, run.settings.databases, reply);
      if (db < 0) return;
    } else return reply.error(SYNTAX);
  }
  if (db === run.session.db && isSameKey(args)) return reply.error(SAME_OBJECT);
  const from = run.look(args, 1, 0);
  if (from.type === NONE) return reply.int(0);
  const to = run.lookAt(db, args.bytes, args.start[2] as number, args.end[2] as number, 1);
  if (to.type !== NONE && !replace) return reply.int(0);
  if (to.type === BOUNDED) return reply.error(BOUNDED_STAYS);
  copyKey(run, from, to);
  reply.int(1);
}

/** More would make a record, and a turn, that everyone else waits for. */
const SWAPPED_MAX = 100_000;

/** SWAPDB. What another region writes meanwhile stays in the database it was written to. */
export function swapdb(run: Run, args: Args, reply: Reply): void {
  const [first, second] = [1, 2].map((i) => roughlyAt(args, i)) as [number, number];
  if (Number.isNaN(first)) return reply.error("ERR invalid first DB index");
  if (Number.isNaN(second)) return reply.error("ERR invalid second DB index");
  const { keyspace, settings } = run;
  if (Math.min(first, second) < 0 || Math.max(first, second) >= settings.databases)
    return reply.error("ERR DB index is out of range");
  if (keyspace.keys(first) + keyspace.keys(second) > SWAPPED_MAX)
    return reply.error(`ERR databases with more than ${SWAPPED_MAX} keys cannot be swapped`);
  if (holdsBounded(run, first) || holdsBounded(run, second)) return reply.error(HAS_BOUNDED);
  if (first !== second) swap(run, wholeOf(run, first), wholeOf(run, second), first, second);
  reply.ok();
}

interface WholeKey {
  readonly name: Buffer;
  readonly value: Value | DocumentValue;
  readonly deadline: number;
}

/** Every key of a database that a reader sees. */
function wholeOf(run: Run, db: number): WholeKey[] {
  const names: Buffer[] = [];
  const entry = new Entry();
  for (const table of run.keyspace.shards)
    table.each((at) => {
      table.load(at, entry);
      const { bytes, nameStart, nameEnd } = entry;
      if (entry.db === db) names.push(Buffer.from(bytes.subarray(nameStart, nameEnd)));
    });
  return names.flatMap((name) => {
    const place = run.lookAt(db, name, 0, name.length);
    if (place.type === NONE) return [];
    return [{ name, value: readWhole(run, place), deadline: place.deadline }];
  });
}

function swap(
  run: Run,
  ofFirst: readonly WholeKey[],
  ofSecond: readonly WholeKey[],
  first: number,
  second: number,
): void {
  for (const [db, keys] of [
    [first, ofFirst],
    [second, ofSecond],
  ] as const)
    for (const { name } of keys) run.write.remove(run.lookAt(db, name, 0, name.length));
  for (const [db, keys] of [
    [first, ofSecond],
    [second, ofFirst],
  ] as const)
    for (const { name, value, deadline } of keys)
      writeWhole(run, run.lookAt(db, name, 0, name.length), value, deadline);
}

function moveKey(run: Run, from: Place, to: Place): void {
  copyKey(run, from, to);
  run.lookAgain(from);
  run.write.remove(from);
}

/** Writes what is visible at one place to another, which loses what it had. */
function copyKey(run: Run, from: Place, to: Place): void {
  writeWhole(run, to, readWhole(run, from), from.deadline);
}

const common = { categories: ["keyspace"], group: "generic" } as const;
const renames = {
  ...common,
  arity: 3,
  keys: [1, 2, 1],
  keyFlags: ["RW", "access", "delete"],
  complexity: "O(N) for N members or fields",
} as const;

export const copyCommands: readonly Command[] = [
  {
    ...renames,
    name: "rename",
    laterKeyFlags: ["OW", "update"],
    flags: ["write"],
    since: "1.0.0",
    summary: "Gives a key another name, whatever that held",
    run: rename,
  },
  {
    ...renames,
    name: "renamenx",
    laterKeyFlags: ["OW", "insert"],
    flags: ["write", "fast"],
    since: "1.0.0",
    summary: "Gives a key another name, unless that exists",
    run: renamenx,
  },
  {
    ...common,
    name: "move",
    keyFlags: ["RW", "access", "update"],
    arity: 3,
    flags: ["write", "fast"],
    keys: [1, 1, 1],
    since: "1.0.0",
    complexity: "O(N) for N members or fields",
    summary: "Moves a key to another database, unless it exists there",
    run: move,
  },
  {
    ...common,
    name: "copy",
    keyFlags: ["RO", "access"],
    laterKeyFlags: ["OW", "update"],
    arity: -3,
    flags: ["write", "denyoom"],
    keys: [1, 2, 1],
    since: "6.2.0",
    complexity: "O(N) for N members or fields",
    summary: "Copies a key",
    run: copy,
  },
];
