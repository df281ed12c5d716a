/**
 * Conflicts: AA.CONFLICTS, AA.RESTORE and AA.HISTORY: what was lost against concurrent writes, and how to get it back.
 *
 * Invariant: reading the feed changes nothing. A restored value is a write like any other, made now: it wins because it has seen
 * what it lost against.
 */
import { parseDouble } from "../bytes/double.ts";
import { Vector } from "../clock/vector.ts";
import { parseDecimal } from "../crdt/amount.ts";
import { CHUNK_BYTES } from "../crdt/bitmap.ts";
import {
  BITMAP,
  GENERATION,
  HASH,
  isCollection,
  NONE,
  SET,
  STRING,
  type Type,
  ZSET,
} from "../crdt/key.ts";
import type { Place } from "../keyspace/place.ts";
import type { Conflict, Written } from "../replica/conflict.ts";
import type { Listed } from "../replica/conflict-feed.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { NOT_AN_INTEGER, SYNTAX, WRONGTYPE } from "./errors.ts";
import { historyOf } from "./history.ts";
import { typeName } from "./keys.ts";
import { roughlyAt } from "./numbers.ts";
import { replyWritten } from "./replies.ts";
import type { Run } from "./run.ts";
import { setScore } from "./sorted-sets-scores.ts";
import { missingHere, readEntry } from "./void-writes.ts";

const COUNT_DEFAULT = 100;
const COUNT_MAX = 10_000;

interface Query {
  readonly wanted: (conflict: Conflict) => boolean;
  readonly after: Vector;
  readonly count: number;
}

function conflicts(run: Run, args: Args, reply: Reply): void {
  const query = queryOf(run, args, reply);
  if (query === null) return;
  run.holdForEverything();
  const { after, count, wanted } = query;
  const listed = run.conflicts.page(after, count, wanted);
  reply.array(2);
  reply.text(run.conflicts.cursorText(after));
  reply.array(listed.length);
  for (const one of listed) replyConflict(one, reply);
}

/** Reads `[key | PREFIX prefix] [SINCE cursor] [COUNT n]`; null after the refusal was answered. */
function queryOf(run: Run, args: Args, reply: Reply): Query | null {
  const { db } = run.session;
  const refuse = (error: string): null => {
    reply.error(error);
    return null;
  };
  let wanted: Query["wanted"] = () => true;
  let after = new Vector();
  let count = COUNT_DEFAULT;
  let i = 1;
  const isOption = ["PREFIX", "SINCE", "COUNT"].some((word) => args.count > 1 && args.is(1, word));
  if (args.count > 1 && !isOption) {
    const key = args.copy(i++);
    wanted = (conflict) => conflict.db === db && conflict.key.equals(key);
  }
  for (; i < args.count; i += 2) {
    if (i + 1 === args.count) return refuse(SYNTAX);
    if (args.is(i, "PREFIX") && i === 1) {
      const prefix = args.copy(i + 1);
      wanted = (conflict) =>
        conflict.db === db && conflict.key.subarray(0, prefix.length).equals(prefix);
    } else if (args.is(i, "SINCE")) {
      const cursor = run.conflicts.cursorOf(args.text(i + 1));
      if (cursor === null) return refuse("ERR SINCE takes what an earlier AA.CONFLICTS answered");
      after = cursor;
    } else if (args.is(i, "COUNT")) {
      count = roughlyAt(args, i + 1);
      if (Number.isNaN(count)) return refuse(NOT_AN_INTEGER);
      if (count < 1) return refuse(SYNTAX);
    } else return refuse(SYNTAX);
  }
  return { wanted, after, count: Math.min(count, COUNT_MAX) };
}

function replyConflict({ id, conflict, seenMs }: Listed, reply: Reply): void {
  const { db, key, tag, what, path, policy, loser, winner, winnerTag, cut, value } = conflict;
  reply.map(12);
  reply.text("id");
  reply.text(id);
  reply.text("db");
  reply.int(db);
  reply.text("key");
  reply.buffer(key);
  reply.text("type");
  reply.text(nameOf(tag));
  reply.text("what");
  reply.text(what);
  reply.text("path");
  reply.buffer(path);
  reply.text("value");
  reply.buffer(value);
  reply.text("whole");
  reply.int(cut ? 0 : 1);
  reply.text("lost-by");
  replyWritten(loser, reply);
  reply.text("won-by");
  reply.text(policy);
  reply.text("against");
  replyWinner(winner, winnerTag, reply);
  reply.text("seen-ms");
  reply.int(seenMs);
}

/** The name of what a key held. */
/** What a type is called, of its tag. */
export function nameOf(tag: number): string {
  if (tag === BITMAP) return "bitmap";
  return tag === GENERATION ? "generation" : typeName(tag as Type);
}

function replyWinner(winner: Written, tag: number, reply: Reply): void {
  reply.map(2);
  reply.text("type");
  reply.text(nameOf(tag));
  reply.text("write");
  replyWritten(winner, reply);
}

function restore(run: Run, args: Args, reply: Reply): void {
  const isEntry = args.count > 2 && args.is(1, "ENTRY");
  const first = isEntry ? 2 : 1;
  const named = args.count === first + 3 && args.is(first + 1, "AS");
  if (args.count !== first + 1 && !named) return reply.error(SYNTAX);
  run.holdForEverything();
  const conflict = isEntry
    ? readEntry(args.copy(first), run)
    : run.conflicts.find(args.text(first));
  if (conflict === null)
    return reply.error(
      isEntry
        ? "ERR this is no entry of a write that could be made here"
        : "ERR no such conflict: it is too old, or never was",
    );
  const { db, key, cut } = conflict;
  if (cut)
    return reply.error("ERR the value was too long to be kept whole, so it cannot be restored");
  const name = named ? args.copy(first + 2) : key;
  const place = run.lookAt(named ? run.session.db : db, name, 0, name.length);
  const refusal = writeAgain(
    run,
    place,
    isEntry && !named ? { ...conflict, value: missingHere(run, place, conflict) } : conflict,
  );
  if (refusal === null) reply.ok();
  else reply.error(refusal);
}

/** Writes what was lost to a place, or returns why it cannot be. */
function writeAgain(run: Run, place: Place, conflict: Conflict): string | null {
  const { tag, what, path, value } = conflict;
  if (what === "generation") return joinAgain(run, place, conflict);
  if (place.type !== NONE && (tag === BITMAP ? place.tag : place.type) !== tag) return WRONGTYPE;
  if (what === "increments") return countAgain(run, place, conflict);
  if (tag === STRING) run.write.set(place, Infinity, value, 0, value.length);
  else if (tag === SET) run.write.addMember(place, path, 0, path.length);
  else if (tag === HASH) run.write.setField(place, path, 0, path.length, value, 0, value.length);
  else if (tag === ZSET) {
    const score = parseDouble(value, 0, value.length);
    if (Number.isNaN(score)) return "ERR the score is none that this version reads";
    setScore(run, place, path, 0, path.length, score);
  } else if (tag === BITMAP)
    run.write.putChunk(place, Number(path) / CHUNK_BYTES, value, 0, value.length);
  else if (isCollection(tag))
    run.write.putCell(place, tag, path, 0, path.length, value, 0, value.length);
  return null;
}

function joinAgain(run: Run, place: Place, { path, value }: Conflict): string | null {
  const name = path.latin1Slice();
  const kind = [...run.keyspace.kinds.values()].find((other) => other.name === name);
  if (kind === undefined) return `ERR this version knows no ${name}`;
  if (place.type !== NONE && place.kind !== kind) return WRONGTYPE;
  run.write.join(place, kind, value);
  return null;
}

/** Adds lost increments to what is there now. */
function countAgain(run: Run, place: Place, { tag, path, value }: Conflict): string | null {
  const delta = parseDecimal(value, 0, value.length);
  const isThere =
    tag === STRING
      ? place.type === STRING
      : tag === HASH && place.type === HASH && place.lookField(run.keyspace, path, 0, path.length);
  const { value: text, valueStart, valueEnd } = place;
  if (delta === null || (isThere && parseDecimal(text, valueStart, valueEnd) === null))
    return "ERR the increments cannot be added: what is there is not a number";
  if (tag === STRING) run.write.count(place, delta);
  else if (tag === HASH) run.write.countField(place, path, 0, path.length, delta);
  else if (isCollection(tag)) run.write.countCell(place, tag, path, 0, path.length, delta);
  return null;
}

function history(run: Run, args: Args, reply: Reply): void {
  let count = COUNT_DEFAULT;
  if (args.count !== 2) {
    if (args.count !== 4 || !args.is(2, "COUNT")) return reply.error(SYNTAX);
    count = roughlyAt(args, 3);
    if (Number.isNaN(count)) return reply.error(NOT_AN_INTEGER);
    if (count < 1) return reply.error(SYNTAX);
  }
  const place = run.look(args, 1);
  run.holdForEverything();
  const written = historyOf(run, place).slice(0, Math.min(count, COUNT_MAX));
  reply.array(written.length);
  for (const { write, tag, what, path, value, state } of written) {
    reply.map(6);
    reply.text("type");
    reply.text(nameOf(tag));
    reply.text("what");
    reply.text(what);
    reply.text("path");
    reply.buffer(path);
    reply.text("value");
    reply.buffer(value);
    reply.text("state");
    reply.text(state);
    reply.text("write");
    replyWritten(write, reply);
  }
}

/** AA.CONFLICTS, AA.RESTORE, AA.HISTORY. */
export const conflictCommands: readonly Command[] = [
  {
    name: "aa.conflicts",
    arity: -1,
    flags: ["readonly"],
    keys: [0, 0, 0],
    categories: ["keyspace"],
    group: "atoll",
    since: "0.1.0",
    complexity: "O(N) for N entries of the feed",
    usage: "[<key> | PREFIX <prefix>] [SINCE <cursor>] [COUNT <count>]",
    summary: "Lists writes that lost against concurrent ones, and a cursor to go on from",
    run: conflicts,
  },
  {
    name: "aa.restore",
    arity: -2,
    flags: ["write", "denyoom"],
    keys: [0, 0, 0],
    categories: ["keyspace"],
    group: "atoll",
    since: "0.1.0",
    complexity: "O(1)",
    usage: "<id> | ENTRY <entry> [AS <key>]",
    summary: "Writes a lost value again, so that it wins",
    run: restore,
  },
  {
    name: "aa.history",
    arity: -2,
    flags: ["readonly"],
    keys: [1, 1, 1],
    categories: ["keyspace"],
    keyFlags: ["RO"],
    group: "atoll",
    since: "0.1.0",
    complexity: "O(N) for N members and entries of the feed",
    usage: "<key> [COUNT <count>]",
    summary: "Tells who wrote what is there, and what was lost, the newest first",
    run: history,
  },
];
