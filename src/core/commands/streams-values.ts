/**
 * StreamsValues: a stream read whole and written whole, as COPY, RENAME, DUMP and RESTORE carry it.
 *
 * Invariant: what is written is this origin's alone. In Redis' form no two entries have one id, so of those that two regions gave
 * one id the later is given the next.
 */
import { Sink } from "../bytes/sink.ts";
import { Source } from "../bytes/source.ts";
import { Strings } from "../bytes/strings.ts";
import { STREAM } from "../crdt/key.ts";
import type { Order } from "../crdt/order.ts";
import {
  CONSUMER,
  ENTRY,
  ENTRY_MAKER,
  ENTRY_NAME_BYTES,
  GROUP,
  PENDING,
} from "../crdt/stream-cell.ts";
import { ID_BYTES } from "../crdt/stream-id.ts";
import type { Place } from "../keyspace/place.ts";
import type { StreamConsumer, StreamGroup, StreamId, StreamValue } from "../rdb/value.ts";
import type { Run } from "./run.ts";
import { pending, ranksOf, writeConsumer, writePending } from "./stream-consumers.ts";
import { kindRank, lengthOf } from "./stream-entries.ts";
import { group } from "./stream-group.ts";
import { tally, writeWholeTally } from "./stream-tally.ts";
import { limitOf } from "./parameters.ts";

const PART_BITS = 64n;
const PART_MASK = (1n << PART_BITS) - 1n;
const source = new Source(Buffer.alloc(0));

function numberOf(id: Buffer, at = 0): StreamId {
  return (id.readBigUInt64BE(at) << PART_BITS) | id.readBigUInt64BE(at + 8);
}

export function bytesOf(id: StreamId): Buffer {
  const bytes = Buffer.alloc(ID_BYTES);
  bytes.writeBigUInt64BE(id >> PART_BITS, 0);
  bytes.writeBigUInt64BE(id & PART_MASK, 8);
  return bytes;
}

/** The stream at a place. */
export function readStreamValue(run: Run, place: Place): StreamValue {
  const order = place.order as Order;
  const ids: StreamId[] = [];
  const pairs = new Strings();
  const ends: number[] = [];
  order.each(0, lengthOf(place), false, (ref) => {
    const { bytes, nameStart } = place.nameOf(ref);
    const id = numberOf(bytes, nameStart + 1);
    const before = ids.at(-1) ?? -1n;
    ids.push(id > before ? id : before + 1n);
    place.lookRef(run.keyspace, ref);
    source.reset(place.value, place.valueStart, place.valueEnd);
    source.varint();
    for (let left = 2 * source.varint(); left > 0; left--) {
      const length = source.varint();
      const start = source.skip(length);
      pairs.push(place.value, start, start + length);
    }
    ends.push(pairs.count);
  });
  tally.read(run, place);
  const last = numberOf(tally.last);
  const newest = ids.at(-1) ?? 0n;
  const names: Buffer[] = [];
  const from = kindRank(order, GROUP);
  order.each(from, kindRank(order, CONSUMER) - from, false, (ref) => {
    const { bytes, nameStart, nameEnd } = place.nameOf(ref);
    names.push(Buffer.from(bytes.subarray(nameStart + 1, nameEnd)));
  });
  return {
    type: "stream",
    ids,
    pairs,
    ends,
    lastId: last > newest ? last : newest,
    deletedId: numberOf(tally.deleted),
    added: BigInt(tally.added),
    groups: names.map((name) => readGroup(run, place, name)),
  };
}

function readGroup(run: Run, place: Place, name: Buffer): StreamGroup {
  group.find(run, place, name, 0, name.length);
  const { read } = group;
  return {
    name,
    lastId: numberOf(group.last),
    read: BigInt(read),
    consumers: consumersOf(run, place, name),
  };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** The consumers of a group by name, with all that is pending for each. */
export function consumersOf(run: Run, place: Place, name: Buffer): StreamConsumer[] {
  const order = place.order as Order;
  const found = new Map<
    string,
    Mutable<StreamConsumer> & { pending: StreamConsumer["pending"][number][] }
  >();
  const consumers = ranksOf(order, CONSUMER, name);
  order.each(consumers.from, consumers.to - consumers.from, false, (ref) => {
    const { bytes, nameStart, nameEnd } = place.nameOf(ref);
    source.reset(bytes, nameStart + 1, nameEnd);
    source.skip(source.varint());
    const consumer = Buffer.from(bytes.subarray(source.at, nameEnd));
    place.lookRef(run.keyspace, ref);
    const seenMs = place.value.readUIntBE(place.valueStart, 6);
    found.set(consumer.latin1Slice(), { name: consumer, seenMs, activeMs: seenMs, pending: [] });
  });
  const all = ranksOf(order, PENDING, name);
  order.each(all.from, all.to - all.from, false, (ref) => {
    pending.at(run, place, ref);
    const { bytes, start, end, deliveredMs, deliveries } = pending;
    const consumer = bytes.latin1Slice(start, end);
    let its = found.get(consumer);
    if (its === undefined) {
      const own = Buffer.from(bytes.subarray(start, end));
      its = { name: own, seenMs: deliveredMs, activeMs: deliveredMs, pending: [] };
      found.set(consumer, its);
    }
    its.pending.push({ id: numberOf(pending.id), deliveredMs, deliveries });
  });
  return [...found.values()].sort((a, b) => a.name.compare(b.name));
}

/** Writes a stream to a place that holds nothing. */
export function writeStreamValue(run: Run, place: Place, value: StreamValue): void {
  const { ids, pairs, ends } = value;
  tally.read(run, place);
  const { own } = tally;
  const name = Buffer.alloc(ENTRY_NAME_BYTES);
  const packed = new Sink(256);
  name[0] = ENTRY;
  run.write.incarnation.copy(name, ENTRY_MAKER);
  const nodeEntries = limitOf(run.settings, "stream-node-max-entries") || Infinity;
  for (const [i, id] of ids.entries()) {
    const first = i === 0 ? 0 : (ends[i - 1] as number);
    const last = ends[i] as number;
    if (own.nodeEntries === nodeEntries || i === 0) {
      own.node++;
      own.nodeEntries = 0;
    }
    own.nodeEntries++;
    packed.clear();
    packed.varint(own.node);
    packed.varint((last - first) / 2);
    for (let k = first; k < last; k++) packed.bytes(pairs.bytes, pairs.start(k), pairs.end(k));
    bytesOf(id).copy(name, 1);
    run.write.putCell(place, STREAM, name, 0, ENTRY_NAME_BYTES, packed.buffer, 0, packed.length);
  }
  bytesOf(value.lastId).copy(tally.last);
  bytesOf(value.deletedId).copy(tally.deleted);
  tally.added = Math.min(Number(value.added), Number.MAX_SAFE_INTEGER);
  writeWholeTally(run, place);
  for (const each of value.groups) writeGroup(run, place, each);
}

function writeGroup(run: Run, place: Place, { name, lastId, read, consumers }: StreamGroup): void {
  group.find(run, place, name, 0, name.length);
  group.set(bytesOf(lastId), Math.max(-1, Math.min(Number(read), Number.MAX_SAFE_INTEGER - 1)));
  group.write(run, place);
  for (const consumer of consumers) {
    writeConsumer(run, place, name, consumer.name, consumer.seenMs);
    for (const { id, deliveredMs, deliveries } of consumer.pending)
      writePending(run, place, name, bytesOf(id), 0, deliveredMs, deliveries, consumer.name);
  }
}
