/**
 * View: what a reader must see of a key, by the facts, beside what the node shows.
 *
 * Invariant: only keys that are of one type and without deadlines are read here: everything else about them is in the facts, and what
 * deadlines and conflicts of types show is tested where it is decided.
 */
import type { Cells } from "../../src/core/crdt/cells.ts";
import { BITMAP, HASH, LIST, SET, STREAM, STRING, ZSET } from "../../src/core/crdt/key.ts";
import type { Order } from "../../src/core/crdt/order.ts";
import type { Keyspace } from "../../src/core/keyspace/keyspace.ts";
import { Place } from "../../src/core/keyspace/place.ts";
import { locate } from "./canonical.ts";
import type { Fact, Facts, KeyFacts } from "./facts.ts";
import type { History } from "./history.ts";

/** The first of these keys, each `db:name`, that a node shows otherwise than it should; null when there is none. */
export function misread(
  keyspace: Keyspace,
  facts: Facts,
  names: Iterable<string>,
  history: History,
  nowMs: number,
): { name: string; is: string; should: string } | null {
  for (const name of names) {
    const key = facts.keys.get(name);
    if (key === undefined) continue;
    const should = expected(key, history);
    if (should === null) continue;
    const is = shown(keyspace, name, nowMs);
    if (is !== should) return { name, is, should };
  }
  return null;
}

function expected(key: KeyFacts, history: History): string | null {
  const isString = key.registers.length + key.counts.length > 0;
  const tags = new Set(
    [...key.cells.keys(), ...key.cellCounts.keys()].map((name) => parseInt(name, 10)),
  );
  const types = Number(isString) + tags.size + Number(key.generations.size > 0);
  const written = [...key.registers, ...[...key.cells.values()].flat()];
  const expires = key.deadlines.length > 0 || written.some((fact) => fact.deadline !== Infinity);
  if (types > 1 || expires || key.generations.size > 0) return null;
  if (isString) return `string ${read(key.registers, key.counts, history)}`;
  const [tag] = tags;
  if (tag === undefined) return "none";
  // The name of a cell begins with its type.
  const own = (name: string): string => name.slice(name.indexOf(" ") + 1);
  if (tag === SET) return `set ${[...key.cells.keys()].map(own).toSorted().join(",")}`;
  if (tag === BITMAP) return `string ${bits(key.cells)}`;
  if (tag === LIST) {
    const positions = [...key.cells.keys()].map(own).toSorted();
    const values = positions.map((at) => read(key.cells.get(`${LIST} ${at}`) ?? [], [], history));
    return `list ${values.join(",")}`;
  }
  if (tag === STREAM) {
    const cells = [...key.cells.keys()].toSorted((a, b) => compare(own(a), own(b)));
    const texts = cells.map((of) => `${own(of)}=${read(key.cells.get(of) ?? [], [], history)}`);
    return `stream ${texts.join(",")}`;
  }
  const names = [...new Set([...key.cells.keys(), ...key.cellCounts.keys()])];
  if (tag === ZSET) {
    const members = names.map((m) => ({
      name: own(m),
      score: score(key.cells.get(m) ?? [], key.cellCounts.get(m) ?? [], history),
    }));
    members.sort((a, b) => compare(a.score, b.score) || compare(a.name, b.name));
    return `zset ${members.map(({ name, score: s }) => `${name}=${s}`).join(",")}`;
  }
  if (tag !== HASH) return null;
  return `hash ${names
    .map((f) => `${own(f)}=${read(key.cells.get(f) ?? [], key.cellCounts.get(f) ?? [], history)}`)
    .toSorted()
    .join(",")}`;
}

/** A bitmap: whatever bit one of the values of its chunk has set. */
function bits(chunks: KeyFacts["cells"]): string {
  const bytes: number[] = [];
  for (const [name, facts] of chunks) {
    const chunk = Buffer.from(name.slice(name.indexOf(" ") + 1), "latin1").readUInt32BE();
    for (const { value } of facts)
      for (let i = 0; i < value.length; i++) {
        const at = chunk * 64 + i;
        bytes[at] = (bytes[at] ?? 0) | value.charCodeAt(i);
      }
  }
  return Buffer.from(Array.from(bytes, (byte) => byte ?? 0)).latin1Slice();
}

function compare<T extends number | string>(a: T, b: T): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/** Registers in the order of their stamps. */
function inOrder(registers: readonly Fact[], history: History): Fact[] {
  const rank = (fact: Fact): string => {
    const { member, incarnation } = history.origins[fact.origin] as History["origins"][0];
    return `${member} ${Buffer.from(incarnation, "latin1").toString("hex")}`;
  };
  return registers.toSorted((a, b) => a.ms - b.ms || a.tick - b.tick || compare(rank(a), rank(b)));
}

/** What one server would have made of the scores, GT and LT included, had they come in the order of their stamps. */
function score(registers: readonly Fact[], counts: readonly Fact[], history: History): number {
  let base: number | null = null;
  for (const { value } of inOrder(registers, history)) {
    const bytes = Buffer.from(value, "latin1");
    const next = bytes.readDoubleBE(0);
    if (base === null || bytes.length === 8) base = next;
    else base = bytes[8] === 1 ? Math.max(base, next) : Math.min(base, next);
  }
  return counts.reduce((total, { delta }) => total + delta, base ?? 0);
}

/** The last writer's value, and what was added to it if it is a number. */
function read(registers: readonly Fact[], counts: readonly Fact[], history: History): string {
  const last = inOrder(registers, history).at(-1) ?? null;
  const sum = counts.reduce((total, { delta }) => total + delta, 0);
  if (last === null) return String(sum);
  // A plain decimal only: what else counts as a number is for the commands' own tests.
  const isNumber = /^-?\d+(\.\d+)?$/.test(last.value);
  if (counts.length === 0 || !isNumber) return last.value;
  return String(Math.round((Number(last.value) + sum) * 1e9) / 1e9);
}

const place = new Place();

/** What a reader sees of the key `db:name`: its type and value. */
export function shown(keyspace: Keyspace, name: string, nowMs: number): string {
  locate(place, keyspace, name);
  place.look(keyspace, nowMs);
  const value = (): string => place.value.latin1Slice(place.valueStart, place.valueEnd);
  if (place.type === STRING) return `string ${value()}`;
  if (place.type === LIST) {
    const order = place.order as Order;
    const values: string[] = [];
    order.each(0, order.size, false, (ref) => {
      place.lookRef(keyspace, ref);
      values.push(value());
    });
    return `list ${values.join(",")}`;
  }
  if (place.type === STREAM) {
    const order = place.order as Order;
    const cells: string[] = [];
    order.each(0, order.size, false, (ref) => {
      const entry = place.nameOf(ref);
      const of = entry.bytes.latin1Slice(entry.nameStart, entry.nameEnd);
      place.lookRef(keyspace, ref);
      cells.push(`${of}=${value()}`);
    });
    return `stream ${cells.join(",")}`;
  }
  if (place.type === ZSET) {
    const ranked: string[] = [];
    const order = place.order as Order;
    order.each(0, order.size, false, (ref, at) => {
      const entry = place.nameOf(ref);
      ranked.push(`${entry.bytes.latin1Slice(entry.nameStart, entry.nameEnd)}=${at}`);
    });
    return `zset ${ranked.join(",")}`;
  }
  if (place.type !== SET && place.type !== HASH) return "none";
  const positions: number[] = [];
  (place.cells as Cells).each(place.horizonMs, (at) => positions.push(at));
  const texts = positions.map((at) => {
    const entry = place.name(at);
    const text = entry.bytes.latin1Slice(entry.nameStart, entry.nameEnd);
    if (place.type === SET) return text;
    place.lookCell(keyspace, at);
    return `${text}=${value()}`;
  });
  return `${place.type === SET ? "set" : "hash"} ${texts.toSorted().join(",")}`;
}
