/**
 * Set algebra: intersection, union and difference, answered or stored.
 *
 * Invariant: every source is looked at, and refused if it is no set, before anything is written; a destination may be one of the
 * sources. What is stored is a new set of members: it replaces what this replica saw under the name, and a member that another
 * region adds there meanwhile joins it.
 */
import type { Cells } from "../crdt/cells.ts";
import { NONE, SET } from "../crdt/key.ts";
import { Entry, WALK_END } from "../keyspace/table.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command, Handler } from "./command.ts";
import { SYNTAX, WRONGTYPE } from "./errors.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";

/** The members of one source; null for a key that is not there. */
interface Source {
  readonly cells: Cells | null;
  readonly horizonMs: number;
}

/** Takes one member: valid until the keyspace changes. */
type Emit = (bytes: Buffer, start: number, end: number) => void;

type Operation = (sources: readonly Source[], emit: Emit) => void;

/** How many buckets are walked before a limit is looked at again. */
const STRIDE = 256;

/** Looks at the sets in arguments `from` up to `to`; null when one of them is no set. */
function sourcesOf(run: Run, args: Args, from: number, to: number): Source[] | null {
  const sources: Source[] = [];
  for (let i = from; i < to; i++) {
    const { type, cells, horizonMs } = run.look(args, i);
    if (type !== NONE && type !== SET) return null;
    sources.push({ cells, horizonMs });
  }
  return sources;
}

function members(source: Source, emit: Emit): void {
  const { cells, horizonMs } = source;
  const entry = new Entry();
  cells?.each(horizonMs, (at) => {
    cells.table.load(at, entry);
    emit(entry.bytes, entry.nameStart, entry.nameEnd);
  });
}

function has(source: Source, bytes: Buffer, start: number, end: number): boolean {
  return source.cells !== null && source.cells.has(bytes, start, end, source.horizonMs);
}

function size(source: Source): number {
  return source.cells?.countLive(source.horizonMs) ?? 0;
}

function intersect(sources: readonly Source[], emit: Emit, limit = Infinity): void {
  const [smallest, ...others] = sources.toSorted((a, b) => size(a) - size(b));
  if (smallest === undefined || smallest.cells === null) return;
  const { cells, horizonMs } = smallest;
  const entry = new Entry();
  let left = limit;
  for (let hash = 0; hash < WALK_END && left > 0;)
    hash = cells.table.walk(hash, STRIDE, (at) => {
      if (left === 0 || !cells.liveAt(at, horizonMs)) return;
      cells.table.load(at, entry);
      const { bytes, nameStart, nameEnd } = entry;
      for (const other of others) if (!has(other, bytes, nameStart, nameEnd)) return;
      left--;
      emit(bytes, nameStart, nameEnd);
    });
}

function unite(sources: readonly Source[], emit: Emit): void {
  if (sources.length === 1) return members(sources[0] as Source, emit);
  const seen = new Set<string>();
  for (const source of sources)
    members(source, (bytes, start, end) => {
      const name = bytes.latin1Slice(start, end);
      if (seen.has(name)) return;
      seen.add(name);
      emit(bytes, start, end);
    });
}

function subtract(sources: readonly Source[], emit: Emit): void {
  const [first, ...others] = sources as [Source, ...Source[]];
  const total = others.reduce((sum, source) => sum + size(source), 0);
  // Asking every other set for every member, or gathering the other sets: whichever is less.
  if (size(first) * others.length <= 2 * (size(first) + total))
    return members(first, (bytes, start, end) => {
      for (const other of others) if (has(other, bytes, start, end)) return;
      emit(bytes, start, end);
    });
  const gone = new Set<string>();
  for (const other of others)
    members(other, (bytes, start, end) => gone.add(bytes.latin1Slice(start, end)));
  members(first, (bytes, start, end) => {
    if (!gone.has(bytes.latin1Slice(start, end))) emit(bytes, start, end);
  });
}

/** SINTER, SUNION, SDIFF: answers with the result. */
function answering(operation: Operation): Handler {
  return (run, args, reply) => {
    const sources = sourcesOf(run, args, 1, args.count);
    if (sources === null) return reply.error(WRONGTYPE);
    const mark = reply.mark;
    let count = 0;
    operation(sources, (bytes, start, end) => {
      count++;
      reply.bulk(bytes, start, end);
    });
    reply.insertSetHeader(mark, count);
  };
}

/** SINTERSTORE, SUNIONSTORE, SDIFFSTORE: stores the result. */
function storing(operation: Operation): Handler {
  return (run, args, reply) => {
    const sources = sourcesOf(run, args, 2, args.count);
    if (sources === null) return reply.error(WRONGTYPE);
    const result: Buffer[] = [];
    operation(sources, (bytes, start, end) => result.push(Buffer.from(bytes.subarray(start, end))));
    const place = run.look(args, 1);
    if (place.type !== NONE) {
      run.write.remove(place);
      run.lookAgain(place);
    }
    for (const member of result) run.write.addMember(place, member, 0, member.length);
    reply.int(result.length);
  };
}

function sintercard(run: Run, args: Args, reply: Reply): void {
  const count = roughlyAt(args, 1);
  if (Number.isNaN(count) || count < 1) return reply.error("ERR numkeys should be greater than 0");
  if (count > args.count - 2)
    return reply.error("ERR Number of keys can't be greater than number of args");
  let limit = 0;
  for (let i = 2 + count; i < args.count; i++) {
    if (!args.is(i, "LIMIT") || i + 1 === args.count) return reply.error(SYNTAX);
    limit = roughlyAt(args, ++i);
    if (Number.isNaN(limit) || limit < 0) return reply.error("ERR LIMIT can't be negative");
  }
  const sources = sourcesOf(run, args, 2, 2 + count);
  if (sources === null) return reply.error(WRONGTYPE);
  let found = 0;
  intersect(sources, () => found++, limit === 0 ? Infinity : limit);
  reply.int(found);
}

const common = { categories: ["set"], group: "set" } as const;
const answers = { ...common, arity: -2, flags: ["readonly"], keys: [1, -1, 1] } as const;
const stores = {
  ...common,
  arity: -3,
  flags: ["write", "denyoom"],
  keys: [1, -1, 1],
  keyFlags: ["OW", "update"],
  laterKeyFlags: ["RO", "access"],
} as const;
const smallest = "O(N*M) for M sets, the smallest of N members";
const total = "O(N) for N members in all sets";

export const setAlgebraCommands: readonly Command[] = [
  {
    ...answers,
    name: "sinter",
    since: "1.0.0",
    complexity: smallest,
    summary: "Reads the members that all sets have",
    run: answering(intersect),
  },
  {
    ...stores,
    name: "sinterstore",
    keyFlags: ["RW", "update"],
    since: "1.0.0",
    complexity: smallest,
    summary: "Stores the members that all sets have",
    run: storing(intersect),
  },
  {
    ...common,
    name: "sintercard",
    arity: -3,
    flags: ["readonly", "movablekeys"],
    keys: [0, 0, 0],
    keyCount: 1,
    since: "7.0.0",
    complexity: smallest,
    summary: "Counts the members that all sets have, up to a limit",
    run: sintercard,
  },
  {
    ...answers,
    name: "sunion",
    since: "1.0.0",
    complexity: total,
    summary: "Reads the members that any set has",
    run: answering(unite),
  },
  {
    ...stores,
    name: "sunionstore",
    since: "1.0.0",
    complexity: total,
    summary: "Stores the members that any set has",
    run: storing(unite),
  },
  {
    ...answers,
    name: "sdiff",
    since: "1.0.0",
    complexity: total,
    summary: "Reads the members of the first set that no other has",
    run: answering(subtract),
  },
  {
    ...stores,
    name: "sdiffstore",
    since: "1.0.0",
    complexity: total,
    summary: "Stores the members of the first set that no other has",
    run: storing(subtract),
  },
];
