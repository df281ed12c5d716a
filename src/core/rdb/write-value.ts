/**
 * WriteValue: a value in Redis' format, as 7.0 writes it under its default limits.
 *
 * Invariant: a small collection is one pack, a large one has its parts one after the other, and where Redis relies on an order
 * (sorted sets, intsets) it is that order.
 */
import type { Strings } from "../bytes/strings.ts";
import { parseInteger, whole } from "../crdt/amount.ts";
import { ListpackSink } from "./listpack.ts";
import { intset } from "./old-packs.ts";
import type { RdbSink } from "./rdb-sink.ts";
import * as kind from "./value-kinds.ts";
import type { HashValue, SortedSetValue, Value } from "./value.ts";
import { writeStream } from "./write-stream.ts";

const INTSET_MAX_MEMBERS = 512;
const HASH_PACK_MAX_FIELDS = 512;
const ZSET_PACK_MAX_MEMBERS = 128;
const PACK_MAX_STRING_BYTES = 64;
const LIST_NODE_MAX_BYTES = 8192;
/** What an entry of a pack takes besides its bytes, at most. */
const ENTRY_OVERHEAD_BYTES = 10;

/** Writes the kind of a value and the value. */
export function writeValue(value: Value, sink: RdbSink): void {
  switch (value.type) {
    case "string":
      sink.u8(kind.STRING);
      return sink.string(value.value, 0, value.value.length);
    case "list":
      return writeList(value.items, sink);
    case "set":
      return writeSet(value.members, sink);
    case "zset":
      return writeSortedSet(value, sink);
    case "hash":
      return writeHash(value, sink);
    case "stream":
      sink.u8(kind.STREAM_2);
      return writeStream(value, sink);
  }
}

function writeList(items: Strings, sink: RdbSink): void {
  const nodes = [0];
  let bytes = 0;
  for (let i = 0; i < items.count; i++) {
    const size = items.end(i) - items.start(i) + ENTRY_OVERHEAD_BYTES;
    if (bytes > 0 && bytes + size > LIST_NODE_MAX_BYTES) {
      nodes.push(i);
      bytes = 0;
    }
    bytes += size;
  }
  sink.u8(kind.LIST_QUICKLIST_2);
  sink.count(nodes.length);
  const pack = new ListpackSink();
  for (const [n, first] of nodes.entries()) {
    pack.clear();
    for (let i = first, end = nodes[n + 1] ?? items.count; i < end; i++) add(items, i, pack);
    sink.count(kind.NODE_PACKED);
    finish(pack, sink);
  }
}

function add(strings: Strings, i: number, pack: ListpackSink): void {
  pack.string(strings.bytes, strings.start(i), strings.end(i));
}

function finish(pack: ListpackSink, sink: RdbSink): void {
  const bytes = pack.finish();
  sink.string(bytes, 0, bytes.length);
}

function writeSet(members: Strings, sink: RdbSink): void {
  const integers = members.count <= INTSET_MAX_MEMBERS ? integersOf(members) : null;
  if (integers !== null) {
    const bytes = intset(integers.sort((a, b) => (a < b ? -1 : 1)));
    sink.u8(kind.SET_INTSET);
    return sink.string(bytes, 0, bytes.length);
  }
  sink.u8(kind.SET);
  sink.count(members.count);
  for (let i = 0; i < members.count; i++) put(members, i, sink);
}

function put(strings: Strings, i: number, sink: RdbSink): void {
  sink.string(strings.bytes, strings.start(i), strings.end(i));
}

/** All members as integers; null when one is none. */
function integersOf(members: Strings): bigint[] | null {
  const integers: bigint[] = [];
  for (let i = 0; i < members.count; i++) {
    const amount = parseInteger(members.bytes, members.start(i), members.end(i));
    if (amount === null) return null;
    integers.push(whole(amount) as bigint);
  }
  return integers;
}

function writeSortedSet({ members, scores }: SortedSetValue, sink: RdbSink): void {
  const order = Uint32Array.from(scores.keys());
  const ascending = (a: number, b: number): number =>
    compare(scores[a] as number, scores[b] as number) || members.compare(a, b);
  if (members.count <= ZSET_PACK_MAX_MEMBERS && allShort(members)) {
    const pack = new ListpackSink();
    for (const i of order.sort(ascending)) {
      add(members, i, pack);
      const score = scores[i] as number;
      // An integer has no minus in front of its zero.
      if (Number.isSafeInteger(score) && !Object.is(score, -0)) pack.integer(score);
      else pack.text(textOf(score));
    }
    sink.u8(kind.ZSET_LISTPACK);
    return finish(pack, sink);
  }
  sink.u8(kind.ZSET_2);
  sink.count(members.count);
  // The highest first, since Redis adds what it reads at its front.
  for (const i of order.sort((a, b) => ascending(b, a))) {
    put(members, i, sink);
    sink.double(scores[i] as number);
  }
}

function compare(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function textOf(score: number): string {
  if (Object.is(score, -0)) return "-0";
  return Number.isFinite(score) ? String(score) : score > 0 ? "inf" : "-inf";
}

function allShort(strings: Strings): boolean {
  for (let i = 0; i < strings.count; i++)
    if (strings.end(i) - strings.start(i) > PACK_MAX_STRING_BYTES) return false;
  return true;
}

function writeHash({ fields, values }: HashValue, sink: RdbSink): void {
  if (fields.count <= HASH_PACK_MAX_FIELDS && allShort(fields) && allShort(values)) {
    const pack = new ListpackSink();
    for (let i = 0; i < fields.count; i++) {
      add(fields, i, pack);
      add(values, i, pack);
    }
    sink.u8(kind.HASH_LISTPACK);
    return finish(pack, sink);
  }
  sink.u8(kind.HASH);
  sink.count(fields.count);
  for (let i = 0; i < fields.count; i++) {
    put(fields, i, sink);
    put(values, i, sink);
  }
}
