/**
 * Ranges: strings read and changed in part.
 *
 * Invariant: a change in part writes the whole value again and keeps its deadline; where two regions do it at once, one whole
 * value wins.
 */
import { NONE, STRING } from "../crdt/key.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { NOT_AN_INTEGER, TOO_LONG, WRONGTYPE } from "./errors.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";

function append(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  const { bytes } = args;
  const from = args.start[2] as number;
  const to = args.end[2] as number;
  if (place.type === NONE) {
    run.write.set(place, Infinity, bytes, from, to);
    return reply.int(to - from);
  }
  if (place.type !== STRING) return reply.error(WRONGTYPE);
  const before = place.valueEnd - place.valueStart;
  const length = before + to - from;
  if (length > run.settings.protoMaxBulkLen) return reply.error(TOO_LONG);
  reply.int(length);
  // Nothing to add is nothing to tell the other regions, which might be writing just now. Whoever watches the key is told.
  if (to === from) return run.keyspace.touch(place);
  const value = Buffer.allocUnsafe(length);
  value.set(place.value.subarray(place.valueStart, place.valueEnd));
  value.set(bytes.subarray(from, to), before);
  run.write.set(place, place.deadline, value, 0, length);
}

function setrange(run: Run, args: Args, reply: Reply): void {
  const offset = roughlyAt(args, 2);
  if (Number.isNaN(offset)) return reply.error(NOT_AN_INTEGER);
  if (offset < 0) return reply.error("ERR offset is out of range");
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== STRING) return reply.error(WRONGTYPE);
  const before = place.type === NONE ? 0 : place.valueEnd - place.valueStart;
  const added = args.length(3);
  if (added === 0) return reply.int(before);
  if (offset + added > run.settings.protoMaxBulkLen) return reply.error(TOO_LONG);
  const value = Buffer.alloc(Math.max(before, offset + added));
  if (before > 0) value.set(place.value.subarray(place.valueStart, place.valueEnd));
  value.set(args.view(3), offset);
  run.write.set(place, place.deadline, value, 0, value.length);
  reply.int(value.length);
}

function getrange(run: Run, args: Args, reply: Reply): void {
  const first = roughlyAt(args, 2);
  const last = roughlyAt(args, 3);
  if (Number.isNaN(first) || Number.isNaN(last)) return reply.error(NOT_AN_INTEGER);
  const place = run.look(args, 1);
  if (place.type === NONE) return reply.text("");
  if (place.type !== STRING) return reply.error(WRONGTYPE);
  const length = place.valueEnd - place.valueStart;
  const from = Math.max(0, first < 0 ? first + length : first);
  const to = Math.min(length - 1, Math.max(0, last < 0 ? last + length : last));
  // Before the string, in the wrong order: empty, although both would be moved to its first byte.
  if ((first < 0 && last < 0 && first > last) || from > to) return reply.text("");
  reply.bulk(place.value, place.valueStart + from, place.valueStart + to + 1);
}

function strlen(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type === NONE) reply.int(0);
  else if (place.type === STRING) reply.int(place.valueEnd - place.valueStart);
  else reply.error(WRONGTYPE);
}

const common = { keys: [1, 1, 1], categories: ["string"], group: "string" } as const;

export const rangeCommands: readonly Command[] = [
  {
    ...common,
    name: "append",
    keyFlags: ["RW", "insert"],
    arity: 3,
    flags: ["write", "denyoom", "fast"],
    since: "2.0.0",
    complexity: "O(N) for a string of N bytes",
    summary: "Adds bytes to the end of a string",
    run: append,
  },
  {
    ...common,
    name: "setrange",
    arity: 4,
    flags: ["write", "denyoom"],
    since: "2.2.0",
    complexity: "O(N) for a string of N bytes",
    summary: "Overwrites a string from an offset on, with zeros before it if need be",
    run: setrange,
  },
  {
    ...common,
    name: "getrange",
    arity: 4,
    flags: ["readonly"],
    since: "2.4.0",
    complexity: "O(N) for N bytes read",
    summary: "Reads part of a string",
    run: getrange,
  },
  {
    ...common,
    name: "substr",
    arity: 4,
    flags: ["readonly"],
    since: "1.0.0",
    complexity: "O(N) for N bytes read",
    summary: "Reads part of a string, under the old name of GETRANGE",
    run: getrange,
  },
  {
    ...common,
    name: "strlen",
    keyFlags: ["RO"],
    arity: 2,
    flags: ["readonly", "fast"],
    since: "2.2.0",
    complexity: "O(1)",
    summary: "Counts the bytes of a string",
    run: strlen,
  },
];
