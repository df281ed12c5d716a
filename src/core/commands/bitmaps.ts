/**
 * Bitmaps: strings read and changed bit by bit.
 *
 * Invariant: a bitmap is a string. A change writes the whole value again and keeps its deadline, so where two regions change
 * bits at once, one whole value wins; what changes nothing is not written at all. In the format `bitmap` a change writes the
 * chunks it touches and no others.
 */
import { BitCombination, type BitOperation, countBits, findBit } from "../bytes/bits.ts";
import { CHUNK_BYTES } from "../crdt/bitmap.ts";
import { BITMAP, NONE, STRING } from "../crdt/key.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { isInChunks, replaceBits, writeBits, writeByte } from "./bitmaps-chunks.ts";
import type { Command } from "./command.ts";
import { NOT_AN_INTEGER, SYNTAX, WRONGTYPE } from "./errors.ts";
import { bitOffsetAt, roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";

/** The bit in argument `i`, or −1. */
function bitAt(args: Args, i: number): 0 | 1 | -1 {
  if (args.length(i) !== 1) return -1;
  const digit = (args.bytes[args.start[i] as number] as number) - 48;
  return digit === 0 || digit === 1 ? digit : -1;
}

function setbit(run: Run, args: Args, reply: Reply): void {
  const offset = bitOffsetAt(args, 2, 0, run.settings, reply);
  if (Number.isNaN(offset)) return;
  const bit = bitAt(args, 3);
  if (bit < 0) return reply.error("ERR bit is not an integer or out of range");
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== STRING) return reply.error(WRONGTYPE);
  const before = place.type === NONE ? 0 : place.valueEnd - place.valueStart;
  const at = Math.floor(offset / 8);
  const mask = 0x80 >> (offset % 8);
  const byte = at < before ? byteAt(place, at) : 0;
  const was = (byte & mask) === 0 ? 0 : 1;
  reply.int(was);
  if (at < before && was === bit) return;
  const changed = bit === 0 ? byte & ~mask : byte | mask;
  if (place.tag === BITMAP) return writeByte(run, place, at, changed);
  const value = grown(place, at + 1);
  value[at] = changed;
  writeBits(run, place, value);
}

/** A byte of a string that reaches beyond it. */
function byteAt(place: Place, at: number): number {
  if (place.tag !== BITMAP) return place.value[place.valueStart + at] as number;
  place.readChunk(Math.floor(at / CHUNK_BYTES));
  return place.chunk[at % CHUNK_BYTES] as number;
}

/** The string at a place, or nothing, as bytes of their own, with zeros behind it up to `length`. */
export function grown(place: Place, length: number): Buffer {
  const before = place.type === NONE ? 0 : place.valueEnd - place.valueStart;
  const value = Buffer.allocUnsafe(Math.max(before, length));
  if (before > 0) value.set(place.value.subarray(place.valueStart, place.valueEnd));
  return value.fill(0, before);
}

function getbit(run: Run, args: Args, reply: Reply): void {
  const offset = bitOffsetAt(args, 2, 0, run.settings, reply);
  if (Number.isNaN(offset)) return;
  const place = run.look(args, 1);
  if (place.type === NONE) return reply.int(0);
  if (place.type !== STRING) return reply.error(WRONGTYPE);
  const at = Math.floor(offset / 8);
  const byte = at < place.valueEnd - place.valueStart ? byteAt(place, at) : 0;
  reply.int((byte >> (7 - (offset % 8))) & 1);
}

/** The part of a string that a command is about: its first bit, and the one behind its last. */
const range = { from: 0, to: 0 };

/**
 * Reads the range in arguments `first` and `last`, in bytes or, when `inBits`, in bits; either may count from the end. It may be
 * empty. Absent arguments (0) are the ends of the string.
 */
function readRange(place: Place, first: number, last: number, inBits: boolean): void {
  const unit = inBits ? 1 : 8;
  const length = ((place.valueEnd - place.valueStart) * 8) / unit;
  const from = Math.max(0, first < 0 ? first + length : first);
  const to = Math.min(length - 1, Math.max(0, last < 0 ? last + length : last));
  range.from = place.valueStart * 8 + from * unit;
  range.to = place.valueStart * 8 + (to + 1) * unit;
}

/** Whether the word in argument `i` counts in bits; null when it is no unit. */
function inBitsAt(args: Args, i: number): boolean | null {
  if (args.is(i, "BIT")) return true;
  return args.is(i, "BYTE") ? false : null;
}

function bitcount(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type === NONE) return reply.int(0);
  if (place.type !== STRING) return reply.error(WRONGTYPE);
  if (args.count === 3 || args.count > 5) return reply.error(SYNTAX);
  if (args.count === 2) readRange(place, 0, -1, false);
  else {
    const first = roughlyAt(args, 2);
    const last = roughlyAt(args, 3);
    if (Number.isNaN(first) || Number.isNaN(last)) return reply.error(NOT_AN_INTEGER);
    // Before the unit is looked at, and although both ends may lie before the string.
    if (first < 0 && last < 0 && first > last) return reply.int(0);
    const inBits = args.count === 5 ? inBitsAt(args, 4) : false;
    if (inBits === null) return reply.error(SYNTAX);
    readRange(place, first, last, inBits);
  }
  reply.int(countBits(place.value, range.from, range.to));
}

function bitpos(run: Run, args: Args, reply: Reply): void {
  const wanted = roughlyAt(args, 2);
  if (Number.isNaN(wanted)) return reply.error(NOT_AN_INTEGER);
  if (wanted !== 0 && wanted !== 1) return reply.error("ERR The bit argument must be 1 or 0.");
  const place = run.look(args, 1);
  if (place.type === NONE) return reply.int(wanted === 1 ? -1 : 0);
  if (place.type !== STRING) return reply.error(WRONGTYPE);
  const first = args.count > 3 ? roughlyAt(args, 3) : 0;
  if (args.count > 6) return reply.error(SYNTAX);
  if (Number.isNaN(first)) return reply.error(NOT_AN_INTEGER);
  const inBits = args.count === 6 ? inBitsAt(args, 5) : false;
  if (inBits === null) return reply.error(SYNTAX);
  const last = args.count > 4 ? roughlyAt(args, 4) : -1;
  if (Number.isNaN(last)) return reply.error(NOT_AN_INTEGER);
  readRange(place, first, last, inBits);
  const start = place.valueStart * 8;
  const position = findBit(place.value, wanted, range.from, range.to);
  if (position >= 0) reply.int(position - start);
  // A string without an end given goes on with zeros; one that is empty from `first` on does not.
  else if (wanted === 0 && args.count < 5 && range.from < range.to) reply.int(range.to - start);
  else reply.int(-1);
}

function operationAt(args: Args, i: number): BitOperation | null {
  if (args.is(i, "AND")) return "and";
  if (args.is(i, "OR")) return "or";
  if (args.is(i, "XOR")) return "xor";
  return args.is(i, "NOT") ? "not" : null;
}

function bitop(run: Run, args: Args, reply: Reply): void {
  const operation = operationAt(args, 1);
  if (operation === null) return reply.error(SYNTAX);
  if (operation === "not" && args.count !== 4)
    return reply.error("ERR BITOP NOT must be called with a single source key.");
  let length = 0;
  for (let i = 3; i < args.count; i++) {
    const place = run.look(args, i);
    if (place.type === NONE) continue;
    if (place.type !== STRING) return reply.error(WRONGTYPE);
    length = Math.max(length, place.valueEnd - place.valueStart);
  }
  if (length === 0) {
    const target = run.look(args, 2);
    reply.int(0);
    if (target.type !== NONE) run.write.remove(target);
    return;
  }
  const combination = new BitCombination(operation, length);
  for (let i = 3; i < args.count; i++) {
    const place = run.look(args, i);
    if (place.type === NONE) combination.add(combination.bytes, 0, 0);
    else combination.add(place.value, place.valueStart, place.valueEnd);
  }
  reply.int(length);
  const target = run.look(args, 2);
  if (isInChunks(run, target)) replaceBits(run, target, combination.bytes);
  else run.write.set(target, Infinity, combination.bytes, 0, length);
}

const common = { keys: [1, 1, 1], categories: ["bitmap"], group: "bitmap" } as const;

/** The commands on bitmaps, but for those on bit fields. */
export const bitmapCommands: readonly Command[] = [
  {
    ...common,
    name: "setbit",
    keyFlags: ["RW", "access", "update"],
    arity: 4,
    flags: ["write", "denyoom"],
    since: "2.2.0",
    complexity: "O(N) for a string of N bytes",
    summary: "Writes one bit of a string and returns the one before",
    run: setbit,
  },
  {
    ...common,
    name: "getbit",
    arity: 3,
    flags: ["readonly", "fast"],
    since: "2.2.0",
    complexity: "O(1)",
    summary: "Reads one bit of a string",
    run: getbit,
  },
  {
    ...common,
    name: "bitcount",
    arity: -2,
    flags: ["readonly"],
    since: "2.6.0",
    complexity: "O(N) for N bytes read",
    summary: "Counts the bits that are one",
    run: bitcount,
  },
  {
    ...common,
    name: "bitpos",
    arity: -3,
    flags: ["readonly"],
    since: "2.8.7",
    complexity: "O(N) for N bytes read",
    summary: "Finds the first bit that is one or zero",
    run: bitpos,
  },
  {
    ...common,
    name: "bitop",
    keyFlags: ["OW", "update"],
    laterKeyFlags: ["RO", "access"],
    arity: -4,
    flags: ["write", "denyoom"],
    keys: [2, -1, 1],
    since: "2.6.0",
    complexity: "O(N) for N bytes in all strings together",
    summary: "Combines strings bit by bit and writes the result",
    run: bitop,
  },
];
