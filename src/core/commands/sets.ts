/**
 * Sets: members added, removed and asked for by name.
 *
 * Invariant: an addition wins against a removal that has not seen it. So a member that is there already is added again: the
 * addition of now must survive a removal elsewhere that is on its way.
 */
import { NONE, SET } from "../crdt/key.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { WRONGTYPE } from "./errors.ts";
import type { Run } from "./run.ts";
import { setAlgebraCommands } from "./sets-algebra.ts";
import { setDrawingCommands } from "./sets-drawing.ts";

function sadd(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== SET) return reply.error(WRONGTYPE);
  let added = 0;
  for (let i = 2; i < args.count; i++)
    if (run.write.addMember(place, args.bytes, args.start[i] as number, args.end[i] as number))
      added++;
  reply.int(added);
}

/** Whether a reader sees the member named in argument `i`. */
function hasMember(place: Place, args: Args, i: number): boolean {
  const { cells } = place;
  if (cells === null) return false;
  return cells.has(args.bytes, args.start[i] as number, args.end[i] as number, place.horizonMs);
}

function srem(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== SET) return reply.error(WRONGTYPE);
  let removed = 0;
  for (let i = 2; i < args.count; i++) {
    if (!hasMember(place, args, i)) continue;
    run.write.removeMember(place, args.bytes, args.start[i] as number, args.end[i] as number);
    removed++;
    if (i + 1 < args.count) run.lookAgain(place);
  }
  reply.int(removed);
}

function scard(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== SET) reply.error(WRONGTYPE);
  else reply.int(place.cells?.countLive(place.horizonMs) ?? 0);
}

function sismember(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== SET) reply.error(WRONGTYPE);
  else reply.int(hasMember(place, args, 2) ? 1 : 0);
}

function smismember(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== SET) return reply.error(WRONGTYPE);
  reply.array(args.count - 2);
  for (let i = 2; i < args.count; i++) reply.int(hasMember(place, args, i) ? 1 : 0);
}

function smembers(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== SET) return reply.error(WRONGTYPE);
  reply.set(place.cells?.countLive(place.horizonMs) ?? 0);
  place.cells?.each(place.horizonMs, (at) => {
    const { bytes, nameStart, nameEnd } = place.name(at);
    reply.bulk(bytes, nameStart, nameEnd);
  });
}

function smove(run: Run, args: Args, reply: Reply): void {
  const from = run.look(args, 1, 0);
  const to = run.look(args, 2, 1);
  if (from.type === NONE) return reply.int(0);
  if (from.type !== SET || (to.type !== NONE && to.type !== SET)) return reply.error(WRONGTYPE);
  if (!hasMember(from, args, 3)) return reply.int(0);
  reply.int(1);
  if (args.view(1).equals(args.view(2))) return;
  const start = args.start[3] as number;
  const end = args.end[3] as number;
  run.write.addMember(to, args.bytes, start, end);
  run.lookAgain(from);
  run.write.removeMember(from, args.bytes, start, end);
}

const common = { keys: [1, 1, 1], categories: ["set"], group: "set" } as const;
const reads = { ...common, flags: ["readonly", "fast"], complexity: "O(1)" } as const;

/** Every command on sets. */
export const setCommands: readonly Command[] = [
  {
    ...common,
    name: "sadd",
    keyFlags: ["RW", "insert"],
    arity: -3,
    flags: ["write", "denyoom", "fast"],
    since: "1.0.0",
    complexity: "O(N) for N members",
    summary: "Adds members and counts the new ones",
    run: sadd,
  },
  {
    ...common,
    name: "srem",
    keyFlags: ["RW", "delete"],
    arity: -3,
    flags: ["write", "fast"],
    since: "1.0.0",
    complexity: "O(N) for N members",
    summary: "Removes members; with the last one goes the key",
    run: srem,
  },
  {
    ...reads,
    name: "scard",
    keyFlags: ["RO"],
    arity: 2,
    since: "1.0.0",
    summary: "Counts the members",
    run: scard,
  },
  {
    ...reads,
    name: "sismember",
    keyFlags: ["RO"],
    arity: 3,
    since: "1.0.0",
    summary: "Tells whether a member is in a set",
    run: sismember,
  },
  {
    ...reads,
    name: "smismember",
    arity: -3,
    since: "6.2.0",
    complexity: "O(N) for N members",
    summary: "Tells of several members whether they are in a set",
    run: smismember,
  },
  {
    ...common,
    name: "smembers",
    arity: 2,
    flags: ["readonly"],
    since: "1.0.0",
    complexity: "O(N) for N members",
    summary: "Reads all members",
    run: smembers,
  },
  {
    ...common,
    name: "smove",
    keyFlags: ["RW", "access", "delete"],
    laterKeyFlags: ["RW", "insert"],
    arity: 4,
    flags: ["write", "fast"],
    keys: [1, 2, 1],
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Moves a member from one set to another",
    run: smove,
  },
  ...setAlgebraCommands,
  ...setDrawingCommands,
];
