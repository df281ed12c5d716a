/**
 * Objects: what OBJECT and MEMORY USAGE tell of how a key lies in memory.
 *
 * Invariant: everything told is a function of the content. Redis' encodings depend on history as well (a string that was
 * appended to is `raw` for good), and two replicas with the same data must not tell different stories.
 */
import { parseInteger } from "../crdt/amount.ts";
import type { Cell } from "../crdt/cell.ts";
import type { Cells } from "../crdt/cells.ts";
import { NONE, SET, STRING } from "../crdt/key.ts";
import { frequency, idleSeconds } from "../keyspace/access.ts";
import type { Place } from "../keyspace/place.ts";
import { Entry, OBJECT } from "../keyspace/table.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { container } from "./container.ts";
import { NOT_AN_INTEGER, SYNTAX } from "./errors.ts";
import { roughlyAt } from "./numbers.ts";
import { limitOf } from "./parameters.ts";
import type { Run } from "./run.ts";

/** Redis' limit for short strings; those of its other compact forms are parameters. */
const EMBSTR_MAX_BYTES = 44;

function encoding(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 2);
  if (place.type === NONE) reply.nil();
  else if (place.type === STRING) reply.text(encodingOfString(place));
  else if (place.type === SET) reply.text(isIntset(run, place) ? "intset" : "hashtable");
  else reply.text(isListpack(run, place) ? "listpack" : "hashtable");
}

function encodingOfString({ value, valueStart, valueEnd }: Place): string {
  if (parseInteger(value, valueStart, valueEnd) !== null) return "int";
  return valueEnd - valueStart <= EMBSTR_MAX_BYTES ? "embstr" : "raw";
}

function isIntset(run: Run, place: Place): boolean {
  const { cells, horizonMs } = place;
  const most = limitOf(run.settings, "set-max-intset-entries");
  if (cells === null || cells.countLive(horizonMs) > most) return false;
  let all = true;
  cells.each(horizonMs, (at) => {
    const { bytes, nameStart, nameEnd } = place.name(at);
    if (all && parseInteger(bytes, nameStart, nameEnd) === null) all = false;
  });
  return all;
}

function isListpack(run: Run, place: Place): boolean {
  const { cells, horizonMs } = place;
  const most = limitOf(run.settings, "hash-max-listpack-entries");
  const longest = limitOf(run.settings, "hash-max-listpack-value");
  if (cells === null || cells.countLive(horizonMs) > most) return false;
  let all = true;
  cells.each(horizonMs, (at) => {
    const { nameStart, nameEnd } = place.name(at);
    place.lookCell(run.keyspace, at);
    if (Math.max(nameEnd - nameStart, place.valueEnd - place.valueStart) > longest) all = false;
  });
  return all;
}

function refcount(run: Run, args: Args, reply: Reply): void {
  if (run.look(args, 2).type === NONE) reply.nil();
  else reply.int(1);
}

const LFU_SELECTED =
  "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime " +
  "LRU and LFU data will take some time to adjust.";
const NO_LFU_SELECTED =
  "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies " +
  "at runtime LRU and LFU data will take some time to adjust.";

function isLfu(run: Run): boolean {
  return run.settings.maxMemoryPolicy.endsWith("-lfu");
}

/** Where reads leave no trace, a key is idle since it was last written. */
function idletime(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 2);
  if (place.type === NONE) return reply.nil();
  if (isLfu(run)) return reply.error(LFU_SELECTED);
  const { accessSeconds, tracksAccess } = run.keyspace;
  const seconds = tracksAccess
    ? idleSeconds(place.table.accessAt(place.at), accessSeconds)
    : Math.floor((run.nowMs - writtenMs(place)) / 1000);
  reply.int(Math.max(0, seconds));
}

/** When a key was last written, in milliseconds since 1970. */
function writtenMs(place: Place): number {
  const { key } = place;
  if (key === null) {
    const entry = new Entry();
    place.table.load(place.at, entry);
    return entry.ms;
  }
  const times = key.deadlines.map(({ ms }) => ms);
  if (place.cells !== null) times.push(place.cells.newestMs);
  if (place.type === STRING && key.cell !== null) times.push(...timesOf(key.cell));
  return times.reduce((a, b) => Math.max(a, b), 0);
}

function timesOf(cell: Cell): number[] {
  return [...cell.siblings.map(({ ms }) => ms), ...cell.eras.map(({ startMs }) => startMs)];
}

function freq(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 2);
  if (place.type === NONE) return reply.nil();
  if (!isLfu(run)) return reply.error(NO_LFU_SELECTED);
  const { accessSeconds } = run.keyspace;
  reply.int(frequency(place.table.accessAt(place.at), accessSeconds, run.settings));
}

/** Memory comes in blocks of so many bytes. */
const BLOCK_BYTES = 16;
/** What a table keeps of each entry besides the block: eight bytes a bucket, of which about three in five are in use. */
const BUCKET_BYTES = 13;
// What objects take besides their blocks, measured on 50,000 keys of each kind.
const KEY_BYTES = 240;
const TABLE_BYTES = 400;
const CELL_BYTES = 200;
const ERA_BYTES = 110;
const SIBLING_BYTES = 380;
const DEADLINE_BYTES = 90;
const SAMPLES_DEFAULT = 5;

function usage(run: Run, args: Args, reply: Reply): void {
  let samples = SAMPLES_DEFAULT;
  for (let i = 3; i < args.count; i += 2) {
    if (!args.is(i, "SAMPLES") || i + 1 === args.count) return reply.error(SYNTAX);
    samples = roughlyAt(args, i + 1);
    if (Number.isNaN(samples)) return reply.error(NOT_AN_INTEGER);
    if (samples < 0) return reply.error(SYNTAX);
    if (samples === 0) samples = Infinity;
  }
  const place = run.look(args, 2);
  if (place.type === NONE) return reply.nil();
  const { key } = place;
  const entry = new Entry();
  place.table.load(place.at, entry);
  let bytes = entryBytes(entry);
  if (key !== null) {
    bytes += KEY_BYTES + DEADLINE_BYTES * (key.deadlines.length + key.floors.length);
    if (key.cell !== null) bytes += cellBytes(key.cell);
    for (const body of key.bodies) bytes += cellsBytes(body, samples);
    for (const { state } of key.generations) bytes += state.bytes;
  }
  reply.int(Math.round(bytes));
}

/** What an entry takes in its table, an object that it points to apart. */
function entryBytes({ offset, kind, nameEnd, valueEnd }: Entry): number {
  const length = (kind === OBJECT ? nameEnd : valueEnd) - offset;
  return Math.ceil(length / BLOCK_BYTES) * BLOCK_BYTES + BUCKET_BYTES;
}

function cellBytes({ siblings, eras }: Cell): number {
  let bytes = CELL_BYTES + eras.length * ERA_BYTES;
  for (const { value } of siblings) bytes += SIBLING_BYTES + value.length;
  return bytes;
}

/** All entries, judged by the first `samples` of them. */
function cellsBytes({ table }: Cells, samples: number): number {
  const entry = new Entry();
  let bytes = 0;
  let count = 0;
  for (let hash = 0; hash < 2 ** 32 && count < samples;)
    hash = table.walk(hash, samples, (at) => {
      table.load(at, entry);
      bytes += entryBytes(entry);
      if (entry.kind === OBJECT) bytes += cellBytes(table.object(entry));
      count++;
    });
  return TABLE_BYTES + (count === 0 ? 0 : (bytes / count) * table.size);
}

const common = {
  arity: 3,
  flags: ["readonly"],
  keys: [2, 2, 1],
  categories: ["keyspace"],
  group: "generic",
  complexity: "O(1)",
  usage: "<key>",
  glances: true,
} as const;

/** OBJECT and MEMORY. */
export const objectCommands: readonly Command[] = [
  container(
    {
      name: "object",
      group: "generic",
      since: "2.2.3",
      summary: "Tells how a key is stored",
      categories: ["keyspace"],
      helpSince: "6.2.0",
    },
    [
      {
        ...common,
        name: "encoding",
        keyFlags: ["RO"],
        since: "2.2.3",
        complexity: "O(N) for up to 512 members or fields",
        summary: "Tells how Redis would encode the value",
        run: encoding,
      },
      {
        ...common,
        name: "freq",
        keyFlags: ["RO"],
        since: "4.0.0",
        summary:
          "Tells how often the key is used, on a logarithmic scale, where the maxmemory-policy asks for it",
        run: freq,
      },
      {
        ...common,
        name: "idletime",
        keyFlags: ["RO"],
        since: "2.2.3",
        summary:
          "Tells how many seconds ago a key was last used, or last written where use is not tracked",
        run: idletime,
      },
      {
        ...common,
        name: "refcount",
        keyFlags: ["RO"],
        since: "2.2.3",
        summary: "Tells how many references the value has, which is 1",
        run: refcount,
      },
    ],
  ),
  container(
    {
      name: "memory",
      group: "server",
      since: "4.0.0",
      summary: "Tells how memory is used",
    },
    [
      {
        name: "usage",
        keyFlags: ["RO"],
        glances: true,
        arity: -3,
        flags: ["readonly"],
        keys: [2, 2, 1],
        categories: [],
        group: "server",
        since: "4.0.0",
        complexity: "O(N) for N samples",
        summary: "Estimates the bytes that a key takes, by some of its members or fields",
        usage: "<key> [SAMPLES <count>]",
        run: usage,
      },
    ],
  ),
];
