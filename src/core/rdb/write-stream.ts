/**
 * WriteStream: streams as Redis 7.0 writes them (see `read-stream.ts` for the layout).
 *
 * Invariant: a node is as large as Redis makes them by default, and no entry is marked deleted.
 */
import { ListpackSink } from "./listpack.ts";
import type { RdbSink } from "./rdb-sink.ts";
import { SAME_NAMES } from "./read-stream.ts";
import type { StreamGroup, StreamId, StreamPending, StreamValue } from "./value.ts";

const NODE_MAX_ENTRIES = 100;
const NODE_MAX_BYTES = 4096;
const PART_BITS = 64n;
const PART_MASK = (1n << PART_BITS) - 1n;

export function writeStream(value: StreamValue, sink: RdbSink): void {
  const { ids, lastId, deletedId, added, groups } = value;
  const nodes = nodesOf(value);
  sink.count(nodes.length);
  const pack = new ListpackSink();
  for (const [i, first] of nodes.entries())
    writeNode(value, first, nodes[i + 1] ?? ids.length, pack, sink);
  sink.count(ids.length);
  writeId(lastId, sink);
  writeId(ids[0] ?? 0n, sink);
  writeId(deletedId, sink);
  sink.count64(added);
  sink.count(groups.length);
  for (const group of groups) writeGroup(group, sink);
}

/** The first entry of each node. */
function nodesOf({ ids, pairs, ends }: StreamValue): number[] {
  const nodes: number[] = [];
  let bytes = 0;
  let entries = 0;
  for (let i = 0, pair = 0; i < ids.length; i++) {
    let entryBytes = 0;
    for (const end = ends[i] as number; pair < end; pair++)
      entryBytes += pairs.end(pair) - pairs.start(pair);
    if (i === 0 || entries === NODE_MAX_ENTRIES || bytes + entryBytes > NODE_MAX_BYTES) {
      nodes.push(i);
      bytes = 0;
      entries = 0;
    }
    bytes += entryBytes;
    entries++;
  }
  return nodes;
}

function writeNode(
  value: StreamValue,
  first: number,
  end: number,
  pack: ListpackSink,
  sink: RdbSink,
): void {
  const { ids, ends } = value;
  const base = ids[first] as StreamId;
  const begin = first === 0 ? 0 : (ends[first - 1] as number);
  const names = ((ends[first] as number) - begin) / 2;
  pack.clear();
  pack.integer(end - first);
  pack.integer(0);
  pack.integer(names);
  for (let i = 0; i < names; i++) addString(value, begin + 2 * i, pack);
  pack.integer(0);
  for (let at = first, pair = begin; at < end; at++) {
    const last = ends[at] as number;
    const count = (last - pair) / 2;
    const same = count === names && sameNames(value, begin, pair, names);
    const id = ids[at] as StreamId;
    pack.integer(same ? SAME_NAMES : 0n);
    pack.integer(BigInt.asIntN(64, (id >> PART_BITS) - (base >> PART_BITS)));
    pack.integer(BigInt.asIntN(64, (id & PART_MASK) - (base & PART_MASK)));
    if (!same) pack.integer(count);
    for (; pair < last; pair += 2) {
      if (!same) addString(value, pair, pack);
      addString(value, pair + 1, pack);
    }
    pack.integer(same ? count + 3 : 2 * count + 4);
  }
  const key = Buffer.alloc(16);
  key.writeBigUInt64BE(base >> PART_BITS, 0);
  key.writeBigUInt64BE(base & PART_MASK, 8);
  sink.string(key, 0, key.length);
  const bytes = pack.finish();
  sink.string(bytes, 0, bytes.length);
}

function addString({ pairs }: StreamValue, i: number, pack: ListpackSink): void {
  pack.string(pairs.bytes, pairs.start(i), pairs.end(i));
}

function sameNames({ pairs }: StreamValue, a: number, b: number, names: number): boolean {
  for (let i = 0; i < 2 * names; i += 2)
    if (!pairs.view(a + i).equals(pairs.view(b + i))) return false;
  return true;
}

function writeId(id: StreamId, sink: RdbSink): void {
  sink.count64(id >> PART_BITS);
  sink.count64(id & PART_MASK);
}

function writeRawId(id: StreamId, sink: RdbSink): void {
  sink.u64(id >> PART_BITS);
  sink.u64(id & PART_MASK);
}

function writeGroup({ name, lastId, read, consumers }: StreamGroup, sink: RdbSink): void {
  sink.string(name, 0, name.length);
  writeId(lastId, sink);
  sink.count64(BigInt.asUintN(64, read));
  const pending = consumers.flatMap((consumer) => consumer.pending).sort(byId);
  sink.count(pending.length);
  for (const { id, deliveredMs, deliveries } of pending) {
    writeRawId(id, sink);
    sink.time(deliveredMs);
    sink.count(deliveries);
  }
  sink.count(consumers.length);
  for (const consumer of consumers) {
    sink.string(consumer.name, 0, consumer.name.length);
    sink.time(consumer.seenMs);
    sink.count(consumer.pending.length);
    for (const { id } of consumer.pending) writeRawId(id, sink);
  }
}

function byId(a: StreamPending, b: StreamPending): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
