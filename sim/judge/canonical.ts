/**
 * Canonical: everything a replica holds that can ever become visible, as text: values with their dots, living sums, deadlines.
 *
 * Invariant (I-3): replicas that have applied the same records give the same text, whatever the order in which their tables, maps and
 * numberings came to be, and whatever was collected.
 */
import type { Origins } from "../../src/core/clock/origins.ts";
import { format, subtract } from "../../src/core/crdt/amount.ts";
import type { Cell } from "../../src/core/crdt/cell.ts";
import { type Cells, cellOf } from "../../src/core/crdt/cells.ts";
import type { Key } from "../../src/core/crdt/key.ts";
import { type Keyspace, keyOf } from "../../src/core/keyspace/keyspace.ts";
import { Place } from "../../src/core/keyspace/place.ts";
import { Entry, OBJECT, type Table } from "../../src/core/keyspace/table.ts";
import type { History } from "./history.ts";

/** A replica's own number of an origin → the history's. */
export type Numbers = (origin: number) => number;

/** The state of a replica, origins numbered as the history does. */
export function canonicalText(keyspace: Keyspace, history: History): string {
  const number = numbering(keyspace.origins, history);
  const lines: string[] = [];
  const entry = new Entry();
  for (const table of keyspace.shards) {
    if (table.size === 0) continue;
    table.each((at) => {
      const text = entryText(table, at, number);
      if (text === "") return;
      table.load(at, entry);
      const name = `${entry.db}:${entry.bytes.latin1Slice(entry.nameStart, entry.nameEnd)}`;
      lines.push(`${name} ${text}`);
    });
  }
  return lines.toSorted().join("\n");
}

/** The same of one key, named `db:key`, without its name. */
export function canonicalKey(keyspace: Keyspace, history: History, name: string): string {
  locate(found, keyspace, name);
  if (found.at < 0) return "";
  return entryText(found.table, found.at, numbering(keyspace.origins, history));
}

/** Points a place to the key `db:key`. */
export function locate(place: Place, keyspace: Keyspace, name: string): void {
  const colon = name.indexOf(":");
  const bytes = Buffer.from(name.slice(colon + 1), "latin1");
  keyspace.locate(place, Number(name.slice(0, colon)), bytes, 0, bytes.length);
}

const found = new Place();
const glance = new Entry();

function entryText(table: Table<Key>, at: number, number: Numbers): string {
  table.load(at, glance);
  const key = glance.kind === OBJECT ? table.object(glance) : keyOf(glance);
  return keyParts(key, number).toSorted().join(" | ");
}

const known = new WeakMap<Origins, Numbers>();

/** The numbers of a replica, which never change while it lives. */
export function numbering(origins: Origins, history: History): Numbers {
  const before = known.get(origins);
  if (before !== undefined) return before;
  const numbers: number[] = [];
  const number: Numbers = (origin) => {
    let index = numbers[origin];
    if (index === undefined) {
      const { incarnation, member } = origins.get(origin);
      index = history.origin(incarnation, member).index;
      numbers[origin] = index;
    }
    return index;
  };
  known.set(origins, number);
  return number;
}

function cellParts(cell: Cell, number: Numbers): string[] {
  return [...registerParts(cell, number), ...sums("", cell, number)];
}

function registerParts(cell: Cell, number: Numbers): string[] {
  return cell.siblings.map(
    (s) => `=${number(s.origin)}:${s.seq}@${s.ms}.${s.tick}~${s.deadline} ${s.value.latin1Slice()}`,
  );
}

function keyParts(key: Key, number: Numbers): string[] {
  const parts: string[] = [];
  if (key.cell !== null) parts.push(...cellParts(key.cell, number));
  for (const body of key.bodies)
    each(body, (name, cell) => {
      for (const s of cell.siblings)
        parts.push(
          `${body.tag} ${name} ${number(s.origin)}:${s.seq}@${s.ms}.${s.tick}~${s.deadline} ${s.value.latin1Slice()}`,
        );
      parts.push(...sums(`${body.tag} ${name}`, cell, number));
    });
  for (const g of key.generations)
    parts.push(
      `${g.kind.number} ${number(g.origin)}:${g.seq}@${g.ms}.${g.tick} ${g.state.encode().latin1Slice()}`,
    );
  for (const d of key.deadlines)
    parts.push(`d${number(d.origin)}:${d.seq}@${d.ms}.${d.tick}~${d.deadline}`);
  return parts;
}

function each(cells: Cells, visit: (name: string, cell: Cell) => void): void {
  const entry = new Entry();
  cells.table.each((at) => {
    cells.table.load(at, entry);
    const name = entry.bytes.latin1Slice(entry.nameStart, entry.nameEnd);
    visit(name, entry.kind === OBJECT ? cells.table.object(entry) : cellOf(entry));
  });
}

function sums(name: string, cell: Cell, number: Numbers): string[] {
  return cell.eras
    .filter((era) => era.seq > era.resetSeq)
    .map((era) => {
      const sum = era.resetSeq >= era.start ? subtract(era.sum, era.resetSum) : era.sum;
      return `+${name} ${number(era.origin)}:${format(sum)}`;
    });
}
