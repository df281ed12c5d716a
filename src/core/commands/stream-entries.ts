/**
 * StreamEntries: where entries lie, and how they and their ids are read from and shown to clients.
 *
 * Invariant: ranks below `lengthOf` are entries, in the order of their ids. Two entries with one id, which two regions gave at the
 * same time, are never on two pages: whoever goes on behind the last id of a page misses none.
 */
import { Source } from "../bytes/source.ts";
import type { Order } from "../crdt/order.ts";
import { ENTRY, TALLY } from "../crdt/stream-cell.ts";
import {
  compareIds,
  formatId,
  ID_BYTES,
  ID_TEXT_BYTES,
  MAX_ID,
  nextId,
  previousId,
  readId,
  writeId,
} from "../crdt/stream-id.ts";
import type { Ref } from "../keyspace/heap.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Run } from "./run.ts";

export const INVALID_ID = "ERR Invalid stream ID specified as stream command argument";
const INVALID_START = "ERR invalid start ID for the interval";
const INVALID_END = "ERR invalid end ID for the interval";

const bound = Buffer.alloc(1 + ID_BYTES);
const kindBound = Buffer.alloc(1);
const idText = Buffer.alloc(ID_TEXT_BYTES);
const source = new Source(Buffer.alloc(0));

/** How many cells come before those of a kind. */
export function kindRank(order: Order, kind: number): number {
  kindBound[0] = kind;
  return order.belowName(kindBound, 0, 1, false);
}

/** How many entries a stream has. */
export function lengthOf({ order }: Place): number {
  return order === null ? 0 : kindRank(order, TALLY);
}

/** How many entries have a lower id. */
export function rankOf(order: Order, id: Buffer, at = 0): number {
  bound[0] = ENTRY;
  id.copy(bound, 1, at, at + ID_BYTES);
  return order.belowName(bound, 0, bound.length, false);
}

/** How many entries have this id or a lower one. */
export function rankBehind(order: Order, id: Buffer, at = 0): number {
  bound[0] = ENTRY;
  id.copy(bound, 1, at, at + ID_BYTES);
  if (!nextId(bound, 1)) return kindRank(order, TALLY);
  return order.belowName(bound, 0, bound.length, false);
}

const stableEnd = Buffer.alloc(ID_BYTES);

/** Whether a stream shows its readers only what nothing earlier can follow. */
export function isStable(run: Run, { bytes, start, end }: Place): boolean {
  return run.keyspace.policies.xreadOf(bytes, start, end) === "stable";
}

/** The greatest id that nothing earlier can follow: every member's later ids are later. */
export function stableId(run: Run): Buffer {
  writeId(stableEnd, 0, run.watermarkMs(), 0);
  stableEnd.fill(0xff, ID_BYTES / 2);
  return stableEnd;
}

/** How many entries readers see. */
export function seenLength(run: Run, place: Place): number {
  if (place.order === null || !isStable(run, place)) return lengthOf(place);
  return rankBehind(place.order, stableId(run));
}

/** Whether readers see all entries. */
export function isSettled(run: Run, place: Place): boolean {
  return seenLength(run, place) === lengthOf(place);
}

/** Whether the entry at a rank has the same id as the one before. */
function isTwin(place: Place, rank: number): boolean {
  const order = place.order as Order;
  const { bytes, nameStart } = place.nameOf(order.at(rank));
  bytes.copy(bound, 1, nameStart + 1, nameStart + 1 + ID_BYTES);
  const before = place.nameOf(order.at(rank - 1));
  return compareIds(before.bytes, before.nameStart + 1, bound, 1) === 0;
}

/** How many entries from rank `from` on, before rank `to`, a page of `count` has; 0 is no limit. */
function pageUp(place: Place, from: number, to: number, count: number): number {
  if (count === 0 || from + count >= to) return to - from;
  let end = from + count;
  while (end < to && isTwin(place, end)) end++;
  return end - from;
}

/** The same downwards from the entry before rank `to`. */
function pageDown(place: Place, from: number, to: number, count: number): number {
  if (count === 0 || from + count >= to) return to - from;
  let first = to - count;
  while (first > from && isTwin(place, first)) first--;
  return to - first;
}

/** Shows the entries from rank `from` on and before `to` as an array, at most `count` (0: all), upwards or downwards. */
export function showRange(
  run: Run,
  place: Place,
  from: number,
  to: number,
  count: number,
  down: boolean,
  reply: Reply,
): void {
  if (from >= to) return reply.array(0);
  const shown = down ? pageDown(place, from, to, count) : pageUp(place, from, to, count);
  reply.array(shown);
  shower.run = run;
  shower.place = place;
  shower.reply = reply;
  (place.order as Order).each(down ? to - 1 : from, shown, down, shower.visit);
}

/** One visitor for all: XRANGE makes no closure. */
const shower = {
  run: null as unknown as Run,
  place: null as unknown as Place,
  reply: null as unknown as Reply,
  visit: (ref: Ref): void => showEntry(shower.run, shower.place, ref, shower.reply),
};

/** Shows one entry: its id, and its names and values. */
export function showEntry(run: Run, place: Place, ref: Ref, reply: Reply): void {
  const { bytes, nameStart } = place.nameOf(ref);
  reply.array(2);
  showId(bytes, nameStart + 1, reply);
  place.lookRef(run.keyspace, ref);
  const { value } = place;
  source.reset(value, place.valueStart, place.valueEnd);
  source.varint();
  const strings = source.varint() * 2;
  reply.array(strings);
  for (let i = 0; i < strings; i++) {
    const length = source.varint();
    const start = source.skip(length);
    reply.bulk(value, start, start + length);
  }
}

/** Shows every entry with an id: one, or none, or those that several regions gave it. Returns how many. */
export function showAll(run: Run, place: Place, id: Buffer, reply: Reply): number {
  const order = place.order as Order;
  const from = rankOf(order, id);
  const to = rankBehind(order, id);
  for (let rank = from; rank < to; rank++) showEntry(run, place, order.at(rank), reply);
  return to - from;
}

/** Which node an entry belongs to. */
export function nodeOf(run: Run, place: Place, rank: number): number {
  place.lookRef(run.keyspace, (place.order as Order).at(rank));
  source.reset(place.value, place.valueStart, place.valueEnd);
  return source.varint();
}

export function showId(id: Buffer, at: number, reply: Reply): void {
  reply.bulk(idText, 0, formatId(id, at, idText));
}

/** Reads the id in argument `i`, whose sequence is 0 when it is missing; false when there is none. */
export function idAt(args: Args, i: number, out: Buffer): boolean {
  const form = readId(args.bytes, args.start[i] as number, args.end[i] as number, out);
  return form === 1 || form === 2;
}

/** Reads the first or last id of a range in argument `i`; returns what is wrong with it, or null. */
export function edgeAt(args: Args, i: number, isFirst: boolean, out: Buffer): string | null {
  const { bytes } = args;
  const start = args.start[i] as number;
  const end = args.end[i] as number;
  if (end - start === 1 && (bytes[start] === 45 || bytes[start] === 43)) {
    if (bytes[start] === 45) out.fill(0);
    else MAX_ID.copy(out);
    return null;
  }
  const isOpen = end - start > 1 && bytes[start] === 40;
  const form = readId(bytes, isOpen ? start + 1 : start, end, out);
  if (form !== 1 && form !== 2) return INVALID_ID;
  if (form === 2 && !isFirst) out.fill(0xff, 8);
  if (!isOpen) return null;
  if (isFirst) return nextId(out, 0) ? null : INVALID_START;
  return previousId(out, 0) ? null : INVALID_END;
}
