/**
 * ReadValue: a value from Redis' format, in every form that Redis wrote since 2.0, up to 7.4.
 *
 * Invariant: what is malformed throws `Malformed` and nothing else, in time and memory that are a small multiple of the bytes
 * read and of what `RdbSource` lets be decompressed. A collection is never empty.
 */
import { Malformed } from "../bytes/source.ts";
import { Strings } from "../bytes/strings.ts";
import { Listpack } from "./listpack.ts";
import { readIntset, readZiplist, readZipmap } from "./old-packs.ts";
import { doubleOf, type RdbSource } from "./rdb-source.ts";
import { readStream } from "./read-stream.ts";
import * as kind from "./value-kinds.ts";
import type { Value } from "./value.ts";

/** The value of kind `type` that `source` is at. Throws `Malformed`. */
export function readValue(type: number, source: RdbSource): Value {
  const value = read(type, source);
  if (isEmpty(value)) throw new Malformed("a collection is empty");
  return value;
}

function read(type: number, source: RdbSource): Value {
  switch (type) {
    case kind.STRING:
      return { type: "string", value: source.string() };
    case kind.LIST:
      return { type: "list", items: strings(source, source.count()) };
    case kind.LIST_ZIPLIST:
      return { type: "list", items: readZiplist(source.string()) };
    case kind.LIST_QUICKLIST:
    case kind.LIST_QUICKLIST_2:
      return { type: "list", items: quicklist(source, type === kind.LIST_QUICKLIST_2) };
    case kind.SET:
      return { type: "set", members: strings(source, source.count()) };
    case kind.SET_INTSET:
      return { type: "set", members: readIntset(source.string()) };
    case kind.SET_LISTPACK:
      return { type: "set", members: entries(source.string()) };
    case kind.ZSET:
    case kind.ZSET_2:
      return sortedSet(source, type === kind.ZSET_2);
    case kind.ZSET_ZIPLIST:
      return scored(readZiplist(source.string()));
    case kind.ZSET_LISTPACK:
      return scored(entries(source.string()));
    case kind.HASH: {
      return paired(strings(source, source.count() * 2), 2);
    }
    case kind.HASH_ZIPMAP:
      return paired(readZipmap(source.string()), 2);
    case kind.HASH_ZIPLIST:
      return paired(readZiplist(source.string()), 2);
    case kind.HASH_LISTPACK:
      return paired(entries(source.string()), 2);
    case kind.HASH_EXPIRING:
      return expiring(source);
    case kind.HASH_LISTPACK_EXPIRING:
      source.time();
      return paired(entries(source.string()), 3);
    case kind.STREAM:
    case kind.STREAM_2:
    case kind.STREAM_3:
      return readStream(source, type);
    default:
      throw new Malformed(`${type} is no kind of value`);
  }
}

function isEmpty(value: Value): boolean {
  switch (value.type) {
    case "list":
      return value.items.count === 0;
    case "set":
    case "zset":
      return value.members.count === 0;
    case "hash":
      return value.fields.count === 0;
    // These may well be.
    case "string":
    case "stream":
      return false;
  }
}

function strings(source: RdbSource, count: number): Strings {
  const found = new Strings();
  for (let i = 0; i < count; i++) {
    const one = source.string();
    found.push(one, 0, one.length);
  }
  return found;
}

function entries(bytes: Buffer): Strings {
  const found = new Strings();
  for (const pack = new Listpack(bytes); pack.next();) pack.copyTo(found);
  return found;
}

/** Nodes that are packs of items, or in the later form single items too. */
function quicklist(source: RdbSource, later: boolean): Strings {
  const found = new Strings();
  for (let nodes = source.count(); nodes > 0; nodes--) {
    const container = later ? source.length() : 0;
    const node = source.string();
    if (container === kind.NODE_PLAIN) found.push(node, 0, node.length);
    else if (later && container !== kind.NODE_PACKED) throw new Malformed("a node is of no kind");
    else {
      const before = found.count;
      if (later) for (const pack = new Listpack(node); pack.next();) pack.copyTo(found);
      else append(readZiplist(node), found);
      if (found.count === before) throw new Malformed("a node is empty");
    }
  }
  return found;
}

function append(from: Strings, to: Strings): void {
  for (let i = 0; i < from.count; i++) to.push(from.bytes, from.start(i), from.end(i));
}

function sortedSet(source: RdbSource, binary: boolean): Value {
  const members = new Strings();
  const scores: number[] = [];
  for (let count = source.count(); count > 0; count--) {
    const member = source.string();
    members.push(member, 0, member.length);
    scores.push(score(binary ? source.double() : source.textDouble()));
  }
  return { type: "zset", members, scores };
}

/** Members and scores in turn. */
function scored(both: Strings): Value {
  if (both.count % 2 !== 0) throw new Malformed("a member has no score");
  const members = new Strings();
  const scores: number[] = [];
  for (let i = 0; i < both.count; i += 2) {
    members.push(both.bytes, both.start(i), both.end(i));
    scores.push(score(doubleOf(both.view(i + 1))));
  }
  return { type: "zset", members, scores };
}

function score(value: number): number {
  if (Number.isNaN(value)) throw new Malformed("a score is no number");
  return value;
}

/** Fields and values in turn, and in threes with the deadline of each. */
function paired(all: Strings, each: 2 | 3): Value {
  if (all.count % each !== 0) throw new Malformed("a field has no value");
  const fields = new Strings();
  const values = new Strings();
  const deadlines: number[] = [];
  for (let i = 0; i < all.count; i += each) {
    fields.push(all.bytes, all.start(i), all.end(i));
    values.push(all.bytes, all.start(i + 1), all.end(i + 1));
    if (each === 3) deadlines.push(deadline(Number(all.view(i + 2).latin1Slice())));
  }
  return each === 2
    ? { type: "hash", fields, values }
    : { type: "hash", fields, values, deadlines };
}

/** The form of 7.4 for hashes whose fields may have deadlines of their own: 1 is the earliest, 0 none. */
function expiring(source: RdbSource): Value {
  const earliest = source.time();
  const deadlines: number[] = [];
  const fields = new Strings();
  const values = new Strings();
  for (let count = source.count(); count > 0; count--) {
    const since = Number(source.length64());
    deadlines.push(deadline(since === 0 ? 0 : earliest + since - 1));
    const field = source.string();
    const value = source.string();
    fields.push(field, 0, field.length);
    values.push(value, 0, value.length);
  }
  return { type: "hash", fields, values, deadlines };
}

function deadline(ms: number): number {
  if (!Number.isSafeInteger(ms) || ms < 0) throw new Malformed("a time is out of range");
  return ms === 0 ? Infinity : ms;
}
