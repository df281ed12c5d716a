/**
 * StreamConsumers: the consumers of a group, and what was delivered to them and is not acknowledged.
 *
 * Invariant: an entry is pending for one consumer of a group at a time; of two that several regions gave it to at once, for the
 * later. Whoever has something pending is a consumer, even when its own cell was removed elsewhere at the same time.
 *
 * Times that a client or a payload brings are cut to what any clock shows.
 */
import { Sink } from "../bytes/sink.ts";
import { Source } from "../bytes/source.ts";
import { plausibleMs } from "../clock/stamp.ts";
import { STREAM } from "../crdt/key.ts";
import type { Order } from "../crdt/order.ts";
import { CONSUMER, PENDING } from "../crdt/stream-cell.ts";
import { ID_BYTES, nextId } from "../crdt/stream-id.ts";
import type { Ref } from "../keyspace/heap.ts";
import type { Place } from "../keyspace/place.ts";
import type { Run } from "./run.ts";

const name = new Sink(128);
const packed = new Sink(128);
const source = new Source(Buffer.alloc(0));

/** The names of a kind of cells of a group begin with this; it is valid until the next call. */
function prefix(kind: number, group: Buffer): Sink {
  name.clear();
  name.u8(kind);
  name.bytes(group, 0, group.length);
  return name;
}

/** The ranks of the cells of a kind that a group has. */
export interface Ranks {
  readonly from: number;
  readonly to: number;
}

export function ranksOf(order: Order, kind: number, group: Buffer): Ranks {
  const { buffer, length } = prefix(kind, group);
  const from = order.belowName(buffer, 0, length, false);
  // The first name behind all that begin with these bytes.
  let last = length - 1;
  while (buffer[last] === 0xff) last--;
  (buffer[last] as number)++;
  return { from, to: order.belowName(buffer, 0, last + 1, false) };
}

/** The rank of the pending entry with this id, or with the first behind it. */
export function pendingRank(order: Order, group: Buffer, id: Buffer, at = 0): number {
  const sink = prefix(PENDING, group);
  sink.raw(id, at, at + ID_BYTES);
  return order.belowName(sink.buffer, 0, sink.length, false);
}

/** The rank behind the pending entries up to an id. */
export function pendingRankBehind(order: Order, group: Buffer, id: Buffer): number {
  const next = Buffer.from(id);
  if (!nextId(next, 0)) return ranksOf(order, PENDING, group).to;
  return pendingRank(order, group, next);
}

/** A pending entry as it was read last. One serves every call. */
export const pending = {
  id: Buffer.alloc(ID_BYTES),
  deliveredMs: 0,
  deliveries: 0,
  /** The consumer is `bytes[start … end)`, which is valid until the next look or write. */
  bytes: Buffer.alloc(0) as Buffer,
  start: 0,
  end: 0,

  /** Reads the one at a reference. */
  at(run: Run, place: Place, ref: Ref): void {
    const entry = place.nameOf(ref);
    entry.bytes.copy(this.id, 0, entry.nameEnd - ID_BYTES, entry.nameEnd);
    place.lookRef(run.keyspace, ref);
    this.read(place);
  },

  /** Reads the one with an id; false when there is none. */
  find(run: Run, place: Place, group: Buffer, id: Buffer): boolean {
    const sink = prefix(PENDING, group);
    sink.raw(id, 0, ID_BYTES);
    id.copy(this.id);
    if (place.cells === null || !place.lookField(run.keyspace, sink.buffer, 0, sink.length))
      return false;
    this.read(place);
    return true;
  },

  read({ value, valueStart, valueEnd }: Place): void {
    source.reset(value, valueStart, valueEnd);
    this.deliveredMs = source.u48();
    this.deliveries = source.varint();
    this.bytes = value;
    this.start = source.at;
    this.end = valueEnd;
  },

  isOf(consumer: Buffer): boolean {
    return (
      this.end - this.start === consumer.length &&
      this.bytes.compare(consumer, 0, consumer.length, this.start, this.end) === 0
    );
  },
};

export function writePending(
  run: Run,
  place: Place,
  group: Buffer,
  id: Buffer,
  idAt: number,
  deliveredMs: number,
  deliveries: number,
  consumer: Buffer,
): void {
  const sink = prefix(PENDING, group);
  sink.raw(id, idAt, idAt + ID_BYTES);
  packed.clear();
  packed.u48(plausibleMs(deliveredMs));
  packed.varint(Math.min(deliveries, Number.MAX_SAFE_INTEGER));
  packed.raw(consumer, 0, consumer.length);
  run.write.putCell(place, STREAM, sink.buffer, 0, sink.length, packed.buffer, 0, packed.length);
}

export function removePending(run: Run, place: Place, group: Buffer, id: Buffer): void {
  const sink = prefix(PENDING, group);
  sink.raw(id, 0, ID_BYTES);
  run.write.removeCell(place, STREAM, sink.buffer, 0, sink.length);
}

export function writeConsumer(
  run: Run,
  place: Place,
  group: Buffer,
  consumer: Buffer,
  seenMs: number,
): void {
  const sink = prefix(CONSUMER, group);
  sink.raw(consumer, 0, consumer.length);
  packed.clear();
  packed.u48(plausibleMs(seenMs));
  const { write, events } = run;
  if (write.putCell(place, STREAM, sink.buffer, 0, sink.length, packed.buffer, 0, packed.length))
    events.note("txgroup-createconsumer");
}

export function removeConsumer(run: Run, place: Place, group: Buffer, consumer: Buffer): void {
  const sink = prefix(CONSUMER, group);
  sink.raw(consumer, 0, consumer.length);
  run.write.removeCell(place, STREAM, sink.buffer, 0, sink.length);
}

/** Whether a group has a consumer of this name. */
export function hasConsumer(run: Run, place: Place, group: Buffer, consumer: Buffer): boolean {
  const sink = prefix(CONSUMER, group);
  sink.raw(consumer, 0, consumer.length);
  return place.cells !== null && place.lookField(run.keyspace, sink.buffer, 0, sink.length);
}
