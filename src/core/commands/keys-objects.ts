/**
 * Objects: what OBJECT tells of how a key lies in memory.
 *
 * Invariant: everything told is a function of the content. Redis' encodings depend on history as well (a string that was
 * appended to is `raw` for good), and two replicas with the same data must not tell different stories.
 */
import { parseInteger } from "../crdt/amount.ts";
import type { Cell } from "../crdt/cell.ts";
import { BOUNDED, DOCUMENT, LIST, NONE, SET, STREAM, STRING, ZSET } from "../crdt/key.ts";
import { frequency, idleSeconds } from "../keyspace/access.ts";
import type { Place } from "../keyspace/place.ts";
import { Entry } from "../keyspace/table.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { container } from "./container.ts";
import { limitOf } from "./parameters.ts";
import type { Run } from "./run.ts";

/** Redis' limit for short strings; those of its other compact forms are parameters. */
const EMBSTR_MAX_BYTES = 44;

function encoding(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 2);
  if (place.type === NONE) reply.nil();
  else reply.text(encodingOf(run, place));
}

/** How Redis would encode the value at a place that is not NONE. */
export function encodingOf(run: Run, place: Place): string {
  if (place.type === STRING) return encodingOfString(place);
  // As of any value that a module of Redis holds.
  if (place.type === DOCUMENT || place.type === BOUNDED) return "raw";
  if (place.type === SET) return isIntset(run, place) ? "intset" : "hashtable";
  if (place.type === LIST) return "quicklist";
  if (place.type === STREAM) return "stream";
  if (place.type === ZSET) return isListpack(run, place, "zset") ? "listpack" : "skiplist";
  return isListpack(run, place, "hash") ? "listpack" : "hashtable";
}

function encodingOfString({ kind, value, valueStart, valueEnd }: Place): string {
  if (kind !== null) return "raw";
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

function isListpack(run: Run, place: Place, type: "hash" | "zset"): boolean {
  const { cells, horizonMs } = place;
  const most = limitOf(run.settings, `${type}-max-listpack-entries`);
  const longest = limitOf(run.settings, `${type}-max-listpack-value`);
  if (cells === null || cells.countLive(horizonMs) > most) return false;
  let all = true;
  cells.each(horizonMs, (at) => {
    const { nameStart, nameEnd } = place.name(at);
    if (nameEnd - nameStart > longest) all = false;
    if (!all || type === "zset") return;
    place.lookCell(run.keyspace, at);
    if (place.valueEnd - place.valueStart > longest) all = false;
  });
  return all;
}

/** Redis keeps one object for each small number, and tells of it that it is shared. */
const SHARED_BELOW = 10_000;
const SHARED_COUNT = 2 ** 31 - 1;

function refcount(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 2);
  if (place.type === NONE) return reply.nil();
  reply.int(isShared(run, place) ? SHARED_COUNT : 1);
}

function isShared({ settings }: Run, { type, value, valueStart, valueEnd }: Place): boolean {
  const { maxMemoryBytes, maxMemoryPolicy } = settings;
  // A number that keeps its own access time is not shared.
  if (type !== STRING || (maxMemoryBytes > 0 && /l[rf]u$/.test(maxMemoryPolicy))) return false;
  const number = parseInteger(value, valueStart, valueEnd);
  return typeof number === "number" && number >= 0 && number < SHARED_BELOW;
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
  reply.int(idleSecondsOf(run, place));
}

/** Seconds since the key at a place was last used, or written. */
export function idleSecondsOf({ keyspace, nowMs }: Run, place: Place): number {
  if (keyspace.tracksAccess)
    return idleSeconds(place.table.accessAt(place.at), keyspace.accessSeconds);
  return Math.max(0, Math.floor((nowMs - writtenMs(place)) / 1000));
}

/** When a key was last written, in milliseconds since 1970. */
function writtenMs(place: Place): number {
  const { key } = place;
  if (key === null) {
    const entry = new Entry();
    place.table.load(place.at, entry);
    return entry.expires ? Math.max(entry.ms, entry.expireMs) : entry.ms;
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

/** OBJECT. */
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
];
