/**
 * Streams: entries in the order of their ids, added at the end, read by range, removed by id or from the front.
 *
 * Invariant: an id that XADD gives is later than all that this replica has seen in the stream. A stream stays when its last entry
 * goes; only DEL and expiry remove it.
 */
import { Sink } from "../bytes/sink.ts";
import { NONE, STREAM } from "../crdt/key.ts";
import { ENTRY, ENTRY_MAKER, ENTRY_NAME_BYTES } from "../crdt/stream-cell.ts";
import {
  compareIds,
  generateId,
  ID_BYTES,
  isZeroId,
  MAX_ID,
  nextSeq,
  sameMs,
} from "../crdt/stream-id.ts";
import type { Order } from "../crdt/order.ts";
import type { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command, Handler } from "./command.ts";
import { NO_SUCH_KEY, NOT_AN_INTEGER, SYNTAX, WRONGTYPE, wrongArity } from "./errors.ts";
import { roughlyAt } from "./numbers.ts";
import { limitOf } from "./parameters.ts";
import type { Run } from "./run.ts";
import {
  edgeAt,
  idAt,
  INVALID_ID,
  isStable,
  lengthOf,
  rankBehind,
  rankOf,
  seenLength,
  showId,
  showRange,
} from "./stream-entries.ts";
import { raise, tally, writeOwn, writeWholeTally } from "./stream-tally.ts";
import { streamGroupCommands } from "./streams-groups.ts";
import { streamInfoCommands } from "./streams-info.ts";
import { streamPendingCommands } from "./streams-pending.ts";
import { streamReadCommands } from "./streams-reading.ts";
import { asked, removeEntries, trim } from "./streams-trimming.ts";

const ID_ZERO = "ERR The ID specified in XADD must be greater than 0-0";
const ID_EXHAUSTED = "ERR The stream has exhausted the last possible ID, unable to add more items";
const ID_NOT_GREATER =
  "ERR The ID specified in XADD is equal or smaller than the target stream top item";

const ID_GIVEN =
  "ERR this stream's keyspace has `xread: stable`: ids other than * could come behind what readers have seen";

const name = Buffer.alloc(ENTRY_NAME_BYTES);
const packed = new Sink(256);
const id = Buffer.alloc(ID_BYTES);
const end = Buffer.alloc(ID_BYTES);

function xadd(run: Run, args: Args, reply: Reply): void {
  const wrong = asked.read(run, args, true);
  if (wrong !== null) return reply.error(wrong);
  const first = asked.idArgument + 1;
  const strings = args.count - first;
  if (strings < 2 || strings % 2 === 1) return reply.error(wrongArity("xadd"));
  if (asked.idForm === "whole" && isZeroId(asked.id)) return reply.error(ID_ZERO);
  const place = run.look(args, 1);
  if (place.type !== STREAM) {
    if (place.type !== NONE) return reply.error(WRONGTYPE);
    if (asked.noMakeStream) return reply.nil();
  }
  if (asked.idForm !== "generated" && isStable(run, place)) return reply.error(ID_GIVEN);
  tally.read(run, place);
  const { last } = tally;
  if (last.equals(MAX_ID)) return reply.error(ID_EXHAUSTED);
  if (!chooseId(last)) return reply.error(ID_NOT_GREATER);
  packEntry(run, args, first, lengthOf(place) === 0);
  addEntry(run, place);
  showId(id, 0, reply);
  if (asked.by === null) return;
  run.lookAgain(place);
  if (trim(run, place) > 0) run.events.note("txtrim");
}

/** Chooses the id behind `last` that the client wants, unless it is generated with the record; false when there is none. */
function chooseId(last: Buffer): boolean {
  last.copy(id);
  if (asked.idForm === "generated") return true;
  if (asked.idForm === "ms" && sameMs(last, asked.id)) return nextSeq(id, 0);
  asked.id.copy(id);
  return compareIds(id, 0, last, 0) > 0;
}

/** Packs names and values, and says in which node they are. */
function packEntry(run: Run, args: Args, first: number, isFirst: boolean): void {
  const { own } = tally;
  let bytes = 0;
  for (let i = first; i < args.count; i++) bytes += args.length(i);
  const entriesMax = limitOf(run.settings, "stream-node-max-entries");
  const bytesMax = limitOf(run.settings, "stream-node-max-bytes");
  const isFull =
    (entriesMax > 0 && own.nodeEntries >= entriesMax) ||
    (bytesMax > 0 && own.nodeBytes + bytes >= bytesMax);
  if (isFirst || isFull || own.nodeEntries === 0) {
    own.node = tally.node + 1;
    own.nodeEntries = 0;
    own.nodeBytes = 0;
  }
  own.nodeEntries++;
  own.nodeBytes += bytes;
  packed.clear();
  packed.varint(own.node);
  packed.varint((args.count - first) / 2);
  for (let i = first; i < args.count; i++)
    packed.bytes(args.bytes, args.start[i] as number, args.end[i] as number);
}

/** Writes the packed entry. */
function addEntry(run: Run, place: Place): void {
  const { ms, incarnation } = run.write.nextBirth();
  if (asked.idForm === "generated") generateId(id, ms, run.memberIndex, run.memberCount);
  nameEntry(id, 0, incarnation);
  run.write.putCell(place, STREAM, name, 0, ENTRY_NAME_BYTES, packed.buffer, 0, packed.length);
  id.copy(tally.own.last);
  tally.own.added++;
  writeOwn(run, place);
}

function nameEntry(of: Buffer, at: number, incarnation: Buffer): void {
  name[0] = ENTRY;
  of.copy(name, 1, at, at + ID_BYTES);
  incarnation.copy(name, ENTRY_MAKER);
}

function xlen(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== STREAM) reply.error(WRONGTYPE);
  else reply.int(lengthOf(place));
}

/** XRANGE, XREVRANGE. */
function ranging(down: boolean): Handler {
  return (run, args, reply) => {
    const wrong = edgeAt(args, down ? 3 : 2, true, id) ?? edgeAt(args, down ? 2 : 3, false, end);
    if (wrong !== null) return reply.error(wrong);
    let count = -1;
    for (let i = 4; i < args.count; i += 2) {
      if (i + 1 === args.count || !args.is(i, "COUNT")) return reply.error(SYNTAX);
      count = roughlyAt(args, i + 1);
      if (Number.isNaN(count)) return reply.error(NOT_AN_INTEGER);
      if (count < 0) count = 0;
    }
    const place = run.look(args, 1);
    if (place.type === NONE) return reply.array(0);
    if (place.type !== STREAM) return reply.error(WRONGTYPE);
    if (count === 0) return reply.nilArray();
    const order = place.order as Order;
    const from = rankOf(order, id);
    const to = Math.min(rankBehind(order, end), seenLength(run, place));
    showRange(run, place, from, to, Math.max(count, 0), down, reply);
  };
}

function xdel(run: Run, args: Args, reply: Reply): void {
  const place = run.look(args, 1);
  if (place.type === NONE) return reply.int(0);
  if (place.type !== STREAM) return reply.error(WRONGTYPE);
  for (let i = 2; i < args.count; i++) if (!idAt(args, i, id)) return reply.error(INVALID_ID);
  tally.read(run, place);
  const { deleted } = tally;
  let count = 0;
  for (let i = 2; i < args.count; i++) {
    idAt(args, i, id);
    const { order } = place;
    if (order === null) break;
    const from = rankOf(order, id);
    const to = rankBehind(order, id);
    if (from === to) continue;
    raise(deleted, id);
    count += to - from;
    removeEntries(run, place, from, to - from);
    run.lookAgain(place);
  }
  reply.int(count);
  if (count === 0) return;
  deleted.copy(tally.own.deleted);
  writeOwn(run, place);
}

function xtrim(run: Run, args: Args, reply: Reply): void {
  const wrong = asked.read(run, args, false);
  if (wrong !== null) return reply.error(wrong);
  const place = run.look(args, 1);
  if (place.type !== NONE && place.type !== STREAM) return reply.error(WRONGTYPE);
  reply.int(trim(run, place));
}

function xsetid(run: Run, args: Args, reply: Reply): void {
  if (!idAt(args, 2, id)) return reply.error(INVALID_ID);
  let added = -1;
  let hasDeleted = false;
  end.fill(0);
  for (let i = 3; i < args.count; i += 2) {
    const hasValue = i + 1 < args.count;
    if (hasValue && args.is(i, "ENTRIESADDED")) {
      added = roughlyAt(args, i + 1);
      if (Number.isNaN(added)) return reply.error(NOT_AN_INTEGER);
      if (added < 0) return reply.error("ERR entries_added must be positive");
    } else if (hasValue && args.is(i, "MAXDELETEDID")) {
      if (!idAt(args, i + 1, end)) return reply.error(INVALID_ID);
      if (compareIds(id, 0, end, 0) < 0)
        return reply.error(
          "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
        );
      hasDeleted = !isZeroId(end);
    } else return reply.error(SYNTAX);
  }
  const place = run.look(args, 1);
  if (place.type === NONE) return reply.error(NO_SUCH_KEY);
  if (place.type !== STREAM) return reply.error(WRONGTYPE);
  const length = lengthOf(place);
  if (length > 0) {
    const order = place.order as Order;
    const { bytes, nameStart } = place.nameOf(order.at(length - 1));
    if (compareIds(id, 0, bytes, nameStart + 1) < 0)
      return reply.error(
        "ERR The ID specified in XSETID is smaller than the target stream top item",
      );
    if (added >= 0 && length > added)
      return reply.error(
        "ERR The entries_added specified in XSETID is smaller than the target stream length",
      );
  }
  tally.read(run, place);
  const lowers =
    added >= 0 ||
    compareIds(id, 0, tally.last, 0) < 0 ||
    (hasDeleted && compareIds(end, 0, tally.deleted, 0) < 0);
  id.copy(tally.last);
  if (added >= 0) tally.added = Math.min(added, Number.MAX_SAFE_INTEGER);
  if (hasDeleted) end.copy(tally.deleted);
  if (lowers) writeWholeTally(run, place);
  else {
    tally.last.copy(tally.own.last);
    tally.deleted.copy(tally.own.deleted);
    writeOwn(run, place);
  }
  reply.ok();
}

const common = {
  keys: [1, 1, 1],
  categories: ["stream"],
  group: "stream",
  since: "5.0.0",
} as const;
const ranges = {
  ...common,
  arity: -4,
  flags: ["readonly"],
  complexity: "O(log N + M) for M of N entries",
} as const;

/** Every command on streams. */
export const streamCommands: readonly Command[] = [
  {
    ...common,
    name: "xadd",
    arity: -5,
    flags: ["write", "denyoom", "fast"],
    keyFlags: ["RW", "update"],
    complexity: "O(log N), and O(M) to remove M entries",
    summary: "Adds an entry at the end",
    run: xadd,
  },
  {
    ...common,
    name: "xlen",
    arity: 2,
    flags: ["readonly", "fast"],
    keyFlags: ["RO"],
    complexity: "O(log N)",
    summary: "Counts the entries",
    run: xlen,
  },
  {
    ...ranges,
    name: "xrange",
    summary: "Reads the entries from one id to another",
    run: ranging(false),
  },
  {
    ...ranges,
    name: "xrevrange",
    summary: "Reads the entries from one id back to another",
    run: ranging(true),
  },
  {
    ...common,
    name: "xdel",
    arity: -3,
    flags: ["write", "fast"],
    keyFlags: ["RW", "delete"],
    complexity: "O(log N) for each entry",
    summary: "Removes entries by their ids",
    run: xdel,
  },
  {
    ...common,
    name: "xtrim",
    arity: -4,
    flags: ["write"],
    keyFlags: ["RW", "delete"],
    complexity: "O(log N + M) to remove M of N entries",
    summary: "Removes the oldest entries",
    run: xtrim,
  },
  {
    ...common,
    name: "xsetid",
    arity: -3,
    flags: ["write", "denyoom", "fast"],
    keyFlags: ["RW", "update"],
    complexity: "O(1)",
    summary: "Sets the last id of a stream, and what is known of entries that are gone",
    run: xsetid,
  },
  ...streamReadCommands,
  ...streamGroupCommands,
  ...streamPendingCommands,
  ...streamInfoCommands,
];
