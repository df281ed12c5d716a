/**
 * Hashes: fields written and read by name.
 *
 * Invariant: every field is written, removed and merged on its own; a hash is there as long as one field is.
 */
import { HASH, NONE } from "../crdt/key.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { WRONGTYPE, wrongArity } from "./errors.ts";
import { hashCounterCommands } from "./hashes-counters.ts";
import { hashExpiryCommands } from "./hashes-expiry.ts";
import { hashListingCommands } from "./hashes-listings.ts";
import type { Run } from "./run.ts";

function hset(run: Run, args: Args, reply: Reply): void {
  if (args.count % 2 === 1) return reply.error(wrongArity("hset"));
  const created = writeFields(run, args);
  if (created < 0) reply.error(WRONGTYPE);
  else reply.int(created);
}

function hmset(run: Run, args: Args, reply: Reply): void {
  if (args.count % 2 === 1) return reply.error(wrongArity("hmset"));
  if (writeFields(run, args) < 0) reply.error(WRONGTYPE);
  else reply.ok();
}

/** Writes the pairs from argument 2 on; returns how many fields are new, or −1 when the key is no hash. */
function writeFields(run: Run, args: Args): number {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== HASH) return -1;
  let created = 0;
  for (let i = 2; i < args.count; i += 2) if (writeField(run, place, args, i)) created++;
  return created;
}

/** Whether a reader sees the field named in argument `i`. */
function hasField(place: Place, args: Args, i: number): boolean {
  const { cells } = place;
  if (cells === null) return false;
  return cells.has(args.bytes, args.start[i] as number, args.end[i] as number, place.horizonMs);
}

/** Writes the field named in argument `i`, with the value that follows it. Returns whether it is new. */
function writeField(run: Run, place: Place, args: Args, i: number): boolean {
  const { bytes, start, end } = args;
  return run.write.setField(
    place,
    bytes,
    start[i] as number,
    end[i] as number,
    bytes,
    start[i + 1] as number,
    end[i + 1] as number,
  );
}

function hsetnx(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== HASH) return reply.error(WRONGTYPE);
  if (hasField(place, args, 2)) return reply.int(0);
  writeField(run, place, args, 2);
  reply.int(1);
}

function hget(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type === HASH) replyField(run, place, args, 2, reply);
  else if (place.type === NONE) reply.nil();
  else reply.error(WRONGTYPE);
}

/** Answers with the value of the field named in argument `i`, or with nil. */
function replyField(run: Run, place: Place, args: Args, i: number, reply: Reply): void {
  const { bytes, start, end } = args;
  if (place.lookField(run.keyspace, bytes, start[i] as number, end[i] as number))
    reply.bulk(place.value, place.valueStart, place.valueEnd);
  else reply.nil();
}

function hmget(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== HASH) return reply.error(WRONGTYPE);
  reply.array(args.count - 2);
  for (let i = 2; i < args.count; i++)
    if (place.type === HASH) replyField(run, place, args, i, reply);
    else reply.nil();
}

function hexists(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== HASH) reply.error(WRONGTYPE);
  else reply.int(hasField(place, args, 2) ? 1 : 0);
}

function hstrlen(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== HASH) return reply.error(WRONGTYPE);
  const { bytes, start, end } = args;
  const found =
    place.type === HASH &&
    place.lookField(run.keyspace, bytes, start[2] as number, end[2] as number);
  reply.int(found ? place.valueEnd - place.valueStart : 0);
}

function hlen(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== HASH) reply.error(WRONGTYPE);
  else reply.int(place.cells?.countLive(place.horizonMs) ?? 0);
}

function hdel(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== HASH) return reply.error(WRONGTYPE);
  let removed = 0;
  for (let i = 2; i < args.count; i++) {
    if (!hasField(place, args, i)) continue;
    run.write.removeField(place, args.bytes, args.start[i] as number, args.end[i] as number);
    removed++;
    if (i + 1 < args.count) run.lookAgain(place);
  }
  reply.int(removed);
}

const common = { keys: [1, 1, 1], categories: ["hash"], group: "hash" } as const;
const reads = { ...common, flags: ["readonly", "fast"], complexity: "O(1)" } as const;
const writes = { ...common, flags: ["write", "denyoom", "fast"] } as const;

/** Every command on hashes. */
export const hashCommands: readonly Command[] = [
  {
    ...writes,
    name: "hset",
    arity: -4,
    since: "2.0.0",
    complexity: "O(N) for N fields",
    summary: "Writes fields and counts the new ones",
    run: hset,
  },
  {
    ...writes,
    name: "hmset",
    arity: -4,
    since: "2.0.0",
    complexity: "O(N) for N fields",
    summary: "Writes fields, under the old name of HSET",
    run: hmset,
  },
  {
    ...writes,
    name: "hsetnx",
    keyFlags: ["RW", "insert"],
    arity: 4,
    since: "2.0.0",
    complexity: "O(1)",
    summary: "Writes a field unless it exists",
    run: hsetnx,
  },
  {
    ...reads,
    name: "hget",
    arity: 3,
    since: "2.0.0",
    summary: "Reads a field",
    run: hget,
  },
  {
    ...reads,
    name: "hmget",
    arity: -3,
    since: "2.0.0",
    complexity: "O(N) for N fields",
    summary: "Reads several fields",
    run: hmget,
  },
  {
    ...reads,
    name: "hexists",
    keyFlags: ["RO"],
    arity: 3,
    since: "2.0.0",
    summary: "Tells whether a field exists",
    run: hexists,
  },
  {
    ...reads,
    name: "hstrlen",
    keyFlags: ["RO"],
    arity: 3,
    since: "3.2.0",
    summary: "Counts the bytes of a field's value",
    run: hstrlen,
  },
  {
    ...reads,
    name: "hlen",
    keyFlags: ["RO"],
    arity: 2,
    since: "2.0.0",
    summary: "Counts the fields",
    run: hlen,
  },
  {
    ...common,
    name: "hdel",
    keyFlags: ["RW", "delete"],
    arity: -3,
    flags: ["write", "fast"],
    since: "2.0.0",
    complexity: "O(N) for N fields",
    summary: "Removes fields; with the last one goes the key",
    run: hdel,
  },
  ...hashCounterCommands,
  ...hashExpiryCommands,
  ...hashListingCommands,
];
