/**
 * ReadStream: streams in Redis' format, with their groups.
 *
 *   nodes:   16 bytes, the id that all ids of the node are told from │ listpack
 *   node:    entries │ deleted ones │ n │ n names │ 0            the names that most entries have
 *            flags │ ms, seq from the node's │ [n │ n names and values] or [values] │ how many entries of the pack this took
 *   groups:  name │ last id │ read │ pending: id, time, deliveries │ consumers: name │ times │ ids of its pending
 *
 * Invariant: ids ascend, every pending entry has exactly one consumer, and names are there once.
 */
import { Malformed } from "../bytes/source.ts";
import { Strings } from "../bytes/strings.ts";
import { Listpack } from "./listpack.ts";
import type { RdbSource } from "./rdb-source.ts";
import * as kind from "./value-kinds.ts";
import type { StreamConsumer, StreamGroup, StreamId, StreamPending, StreamValue } from "./value.ts";

/** In an entry's flags: it is deleted; it has the names of the node. */
const DELETED = 1n;
export const SAME_NAMES = 2n;

const PART_BITS = 64n;

interface Entries {
  readonly ids: StreamId[];
  readonly pairs: Strings;
  readonly ends: number[];
}

export function readStream(source: RdbSource, type: number): StreamValue {
  const entries: Entries = { ids: [], pairs: new Strings(), ends: [] };
  for (let nodes = source.count(); nodes > 0; nodes--) {
    const base = source.string();
    if (base.length !== 16) throw broken("an id has not 16 bytes");
    readNode(idOf(base), new Listpack(source.string()), entries);
  }
  const { ids } = entries;
  if (source.length() !== ids.length)
    throw broken("a stream has more or fewer entries than it says");
  const lastId = readId(source);
  if (ids.length > 0 && (ids.at(-1) as StreamId) > lastId)
    throw broken("an entry is newer than the last");
  let deletedId = 0n;
  let added = BigInt(ids.length);
  if (type !== kind.STREAM) {
    readId(source); // The first id: the entries tell.
    deletedId = readId(source);
    added = source.length64();
  }
  const groups: StreamGroup[] = [];
  for (let count = source.count(); count > 0; count--)
    groups.push(readGroup(source, type, ids, lastId));
  distinct(groups);
  return { type: "stream", ...entries, lastId, deletedId, added, groups };
}

function broken(reason: string): Malformed {
  return new Malformed(reason);
}

function idOf(bytes: Buffer): StreamId {
  return (bytes.readBigUInt64BE(0) << PART_BITS) | bytes.readBigUInt64BE(8);
}

function readId(source: RdbSource): StreamId {
  const ms = source.length64();
  return (ms << PART_BITS) | source.length64();
}

function readNode(base: StreamId, pack: Listpack, entries: Entries): void {
  const living = pack.nextInteger();
  const dead = pack.nextInteger();
  const names = new Strings();
  for (let count = pack.nextInteger(); count > 0n; count--) pack.nextTo(names);
  if (pack.nextInteger() !== 0n) throw broken("a node's names do not end");
  let count = 0n;
  let total = 0n;
  for (; pack.next(); total++) {
    if (pack.integer === null) throw broken("an entry has no flags");
    if (readEntry(base, pack, BigInt(pack.integer), names, entries)) count++;
  }
  if (count !== living || total !== living + dead) throw broken("a node's counts are wrong");
}

/** Reads one entry; whether it is there, and not deleted. */
function readEntry(
  base: StreamId,
  pack: Listpack,
  flags: bigint,
  names: Strings,
  { ids, pairs, ends }: Entries,
): boolean {
  const mask = (1n << PART_BITS) - 1n;
  const ms = (base >> PART_BITS) + pack.nextInteger();
  const seq = (base & mask) + pack.nextInteger();
  const id = ((ms & mask) << PART_BITS) | (seq & mask);
  const deleted = (flags & DELETED) !== 0n;
  const into = deleted ? new Strings() : pairs;
  let parts: bigint;
  if ((flags & SAME_NAMES) !== 0n) {
    for (let i = 0; i < names.count; i++) {
      into.push(names.bytes, names.start(i), names.end(i));
      pack.nextTo(into);
    }
    parts = BigInt(names.count) + 3n;
  } else {
    const count = pack.nextInteger();
    for (let i = 0n; i < 2n * count; i++) pack.nextTo(into);
    parts = 2n * count + 4n;
  }
  if (pack.nextInteger() !== parts) throw broken("an entry's length is wrong");
  if (deleted) return false;
  if (ids.length > 0 && id <= (ids.at(-1) as StreamId)) throw broken("ids do not ascend");
  ids.push(id);
  ends.push(pairs.count);
  return true;
}

function readGroup(
  source: RdbSource,
  type: number,
  ids: readonly StreamId[],
  streamLastId: StreamId,
): StreamGroup {
  const name = Buffer.from(source.string());
  const lastId = readId(source);
  const read =
    type === kind.STREAM
      ? readBefore(lastId, ids, streamLastId)
      : BigInt.asIntN(64, source.length64());
  const pending = new Map<StreamId, StreamPending>();
  for (let count = source.count(); count > 0; count--) {
    const id = idOf(source.raw(16));
    const deliveredMs = source.time();
    const deliveries = source.length();
    if (pending.has(id)) throw broken("an entry is pending twice");
    pending.set(id, { id, deliveredMs, deliveries });
  }
  const consumers: StreamConsumer[] = [];
  for (let count = source.count(); count > 0; count--)
    consumers.push(readConsumer(source, type, pending));
  distinct(consumers);
  if (pending.size > 0) throw broken("a pending entry has no consumer");
  return { name, lastId, read, consumers };
}

/** How many entries a group has read, as far as its last id tells; Redis told no more before 7.0. */
function readBefore(lastId: StreamId, ids: readonly StreamId[], streamLastId: StreamId): bigint {
  const [first] = ids;
  if (first === undefined) return 0n;
  if (lastId === streamLastId) return BigInt(ids.length);
  if (lastId < first) return 0n;
  return lastId === first ? 1n : -1n;
}

/** Takes what is the consumer's out of `pending`. */
function readConsumer(
  source: RdbSource,
  type: number,
  pending: Map<StreamId, StreamPending>,
): StreamConsumer {
  const name = Buffer.from(source.string());
  const seenMs = source.time();
  const activeMs = type === kind.STREAM_3 ? source.time() : seenMs;
  const own: StreamPending[] = [];
  for (let count = source.count(); count > 0; count--) {
    const id = idOf(source.raw(16));
    const entry = pending.get(id);
    if (entry === undefined) throw broken("a consumer's pending entry is not the group's");
    pending.delete(id);
    own.push(entry);
  }
  return { name, seenMs, activeMs, pending: own };
}

function distinct(named: readonly { readonly name: Buffer }[]): void {
  if (new Set(named.map(({ name }) => name.latin1Slice())).size < named.length)
    throw broken("a name is there twice");
}
