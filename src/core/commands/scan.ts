/**
 * Scan: walks over all keys, and over members and fields.
 *
 * Invariant: whatever is there from the first call of a walk to its last is shown, and shown once. A cursor is a position among
 * the hashes of names, so it survives whatever is added or removed meanwhile, and a cursor that nobody gave out does no harm.
 */
import { formatDouble } from "../bytes/double.ts";
import type { Cells } from "../crdt/cells.ts";
import { HASH, NONE, SET, ZSET } from "../crdt/key.ts";
import type { Place } from "../keyspace/place.ts";
import { Entry, WALK_END } from "../keyspace/table.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { NOT_AN_INTEGER, SYNTAX, WRONGTYPE } from "./errors.ts";
import { globMatches } from "./glob.ts";
import { typeName } from "./keys.ts";
import { encodingOf } from "./keys-objects.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";

const COUNT_DEFAULT = 10;
/** Collections up to here are shown whole. */
const WHOLE_MAX = 128;

interface ScanOptions {
  /** Null matches everything. */
  readonly pattern: Buffer | null;
  readonly count: number;
  /** The argument that names a type; 0 for none. */
  readonly type: number;
}

/** Reads MATCH, COUNT and (for SCAN) TYPE; null after the refusal was answered. */
function optionsOf(args: Args, from: number, typed: boolean, reply: Reply): ScanOptions | null {
  let pattern: Buffer | null = null;
  let count = COUNT_DEFAULT;
  let type = 0;
  for (let i = from; i < args.count; i += 2) {
    const hasValue = i + 1 < args.count;
    if (hasValue && args.is(i, "COUNT")) {
      count = roughlyAt(args, i + 1);
      if (Number.isNaN(count)) {
        reply.error(NOT_AN_INTEGER);
        return null;
      }
      if (count < 1) {
        reply.error(SYNTAX);
        return null;
      }
    } else if (hasValue && args.is(i, "MATCH")) pattern = patternAt(args, i + 1);
    else if (hasValue && typed && args.is(i, "TYPE")) type = i + 1;
    else {
      reply.error(SYNTAX);
      return null;
    }
  }
  return { pattern, count, type };
}

/** The pattern in argument `i`; null when it is `*`, which alone matches the empty name as well. */
function patternAt(args: Args, i: number): Buffer | null {
  const pattern = args.view(i);
  return pattern.length === 1 && pattern[0] === 42 ? null : pattern;
}

/**
 * The cursor in argument `i`, or −1 after the refusal was answered. Like Redis it takes what `strtoul` takes: a sign, leading
 * zeros, nothing at all.
 */
function cursorAt(args: Args, i: number, reply: Reply): number {
  const text = args.length(i) > 24 ? "" : args.text(i);
  const match = /^([+-]?)(\d*)$/.exec(text);
  const value = BigInt(match?.[2] || "0");
  if (
    match === null ||
    args.length(i) > 24 ||
    value >= 2n ** 64n ||
    (match[1] !== "" && match[2] === "")
  ) {
    reply.error("ERR invalid cursor");
    return -1;
  }
  return Number(match[1] === "-" ? BigInt.asUintN(64, -value) : value);
}

/** Moves a place to the entry of a walk and looks at it; returns the database it is in. */
function lookAtEntry(
  run: Run,
  place: Place,
  entry: Entry,
  table: Place["table"],
  at: number,
): void {
  table.load(at, entry);
  place.table = table;
  place.at = at;
  place.db = entry.db;
  place.bytes = entry.bytes;
  place.start = entry.nameStart;
  place.end = entry.nameEnd;
  place.look(run.keyspace, run.nowMs);
}

/** Visits about `count` keys of the session's database from a cursor on, expired ones left out; returns the next cursor. */
function visitKeys(
  run: Run,
  cursor: number,
  count: number,
  pattern: Buffer | null,
  visit: (place: Place) => void,
): number {
  const { db } = run.session;
  const place = run.place(0);
  const entry = new Entry();
  run.holdForEverything();
  return run.keyspace.walk(cursor, count, (table, at) => {
    table.load(at, entry);
    const { bytes, nameStart, nameEnd } = entry;
    if (entry.db !== db) return;
    if (pattern !== null && !globMatches(pattern, bytes, nameStart, nameEnd)) return;
    lookAtEntry(run, place, entry, table, at);
    if (place.type !== NONE) visit(place);
  });
}

function keys(run: Run, args: Args, reply: Reply): void {
  const mark = reply.mark;
  let count = 0;
  visitKeys(run, 0, Infinity, patternAt(args, 1), ({ bytes, start, end }) => {
    count++;
    reply.bulk(bytes, start, end);
  });
  reply.insertArrayHeader(mark, count);
}

function scan(run: Run, args: Args, reply: Reply): void {
  const cursor = cursorAt(args, 1, reply);
  if (cursor < 0) return;
  const options = optionsOf(args, 2, true, reply);
  if (options === null) return;
  const found: Buffer[] = [];
  const next = visitKeys(run, cursor, options.count, options.pattern, (place) => {
    if (options.type === 0 || args.is(options.type, typeName(place.type).toUpperCase()))
      found.push(Buffer.from(place.bytes.subarray(place.start, place.end)));
  });
  replyPage(next, found, reply);
}

function replyPage(cursor: number, items: readonly Buffer[], reply: Reply): void {
  reply.array(2);
  reply.text(String(cursor));
  reply.array(items.length);
  for (const item of items) reply.buffer(item);
}

function sscan(run: Run, args: Args, reply: Reply): void {
  scanCells(run, args, SET, reply);
}

function hscan(run: Run, args: Args, reply: Reply): void {
  scanCells(run, args, HASH, reply);
}

function zscan(run: Run, args: Args, reply: Reply): void {
  scanCells(run, args, ZSET, reply);
}

function scanCells(
  run: Run,
  args: Args,
  type: typeof SET | typeof HASH | typeof ZSET,
  reply: Reply,
): void {
  const cursor = cursorAt(args, 2, reply);
  if (cursor < 0) return;
  const place = run.look(args, 1);
  if (place.type === NONE) return replyPage(0, [], reply);
  if (place.type !== type || place.cells === null) return reply.error(WRONGTYPE);
  const options = optionsOf(args, 3, false, reply);
  if (options === null) return;
  const { pattern, count } = options;
  const { cells, horizonMs } = place;
  // Redis keeps whole numbers as such in small sets, and shows of larger sets the score as a double.
  const wholeMax = type === ZSET && encodingOf(run, place) === "listpack" ? 2 ** 62 : 0;
  const found: Buffer[] = [];
  const next = walkCells(cells, cursor, count, (at) => {
    if (!cells.liveAt(at, horizonMs)) return;
    const { bytes, nameStart, nameEnd } = place.name(at);
    if (pattern !== null && !globMatches(pattern, bytes, nameStart, nameEnd)) return;
    found.push(Buffer.from(bytes.subarray(nameStart, nameEnd)));
    if (type === SET) return;
    if (type === ZSET) {
      found.push(Buffer.from(scoreText(place.scoreAt(run.keyspace, at), wholeMax)));
      return;
    }
    place.lookCell(run.keyspace, at);
    found.push(Buffer.from(place.value.subarray(place.valueStart, place.valueEnd)));
  });
  replyPage(next, found, reply);
}

function scoreText(score: number, wholeMax: number): string {
  const isWhole = Number.isInteger(score) && Math.abs(score) <= wholeMax;
  return isWhole ? String(BigInt(score)) : formatDouble(score);
}

/** Visits about `count` cells from a cursor on; returns the next cursor, 0 at the end. */
function walkCells(
  cells: Cells,
  cursor: number,
  count: number,
  visit: (at: number) => void,
): number {
  if (cursor >= WALK_END) return 0;
  const stride = cells.table.size <= WHOLE_MAX ? Infinity : count;
  const next = cells.table.walk(cursor, stride, visit);
  return next < WALK_END ? next : 0;
}

const everyCall = "O(1) for a call, O(N) for all of N";

/** Every command that walks. */
export const scanCommands: readonly Command[] = [
  {
    name: "keys",
    arity: 2,
    flags: ["readonly"],
    keys: [0, 0, 0],
    categories: ["keyspace", "dangerous"],
    group: "generic",
    since: "1.0.0",
    complexity: "O(N) for N keys in all databases",
    summary: "Reads the names of all keys that match a pattern",
    run: keys,
  },
  {
    name: "scan",
    arity: -2,
    flags: ["readonly"],
    keys: [0, 0, 0],
    categories: ["keyspace"],
    group: "generic",
    since: "2.8.0",
    complexity: everyCall,
    summary: "Walks over the names of keys, a few with each call",
    run: scan,
  },
  {
    name: "sscan",
    arity: -3,
    flags: ["readonly"],
    keys: [1, 1, 1],
    categories: ["set"],
    group: "set",
    since: "2.8.0",
    complexity: everyCall,
    summary: "Walks over the members of a set, a few with each call",
    run: sscan,
  },
  {
    name: "hscan",
    arity: -3,
    flags: ["readonly"],
    keys: [1, 1, 1],
    categories: ["hash"],
    group: "hash",
    since: "2.8.0",
    complexity: everyCall,
    summary: "Walks over the fields of a hash, a few with each call",
    run: hscan,
  },
  {
    name: "zscan",
    arity: -3,
    flags: ["readonly"],
    keys: [1, 1, 1],
    categories: ["sortedset"],
    group: "sorted-set",
    since: "2.8.0",
    complexity: everyCall,
    summary: "Walks over the members of a sorted set, a few with each call",
    run: zscan,
  },
];
