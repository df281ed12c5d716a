/**
 * Canonical: the state of a keyspace as text, the same for every replica that has applied the same records.
 *
 * Invariant: it shows everything that can ever become visible (values, dots, living sums, deadlines, by the names of their origins)
 * and nothing that collection may take (resets, floors).
 */
import assert from "node:assert/strict";
import { BoundedView } from "../commands/bounded-view.ts";
import { originName } from "../clock/origins.ts";
import { format } from "../crdt/amount.ts";
import type { Cell } from "../crdt/cell.ts";
import { type Cells, cellOf } from "../crdt/cells.ts";
import type { DocumentKind, OpenDocument } from "../crdt/document.ts";
import {
  BOUNDED,
  COLLECTIONS,
  DOCUMENT,
  LIST,
  NONE,
  SET,
  STREAM,
  STRING,
  type Tag,
  ZSET,
} from "../crdt/key.ts";
import type { Order } from "../crdt/order.ts";
import { printJson } from "../json/print.ts";
import { isInternal, type Keyspace } from "../keyspace/keyspace.ts";
import { Place } from "../keyspace/place.ts";
import { Entry, OBJECT } from "../keyspace/table.ts";

export function canonical(keyspace: Keyspace): string {
  const lines: string[] = [];
  for (const { db, name } of names(keyspace)) {
    const place = locate(keyspace, db, name, glance);
    const key = keyspace.open(place);
    const by = (origin: number): string => originName(keyspace.origins.get(origin));
    const deadlines = key.deadlines
      .map((d) => `${by(d.origin)}:${d.seq}@${d.ms}.${d.tick}→${d.deadline}`)
      .toSorted();
    const parts = [
      cellText(keyspace, key.cell),
      ...COLLECTIONS.map((tag) => cellsText(keyspace, key.cells(tag))),
      ...key.generations
        .map(
          (g) =>
            `${g.kind.name} ${by(g.origin)}:${g.seq}@${g.ms}.${g.tick} ${g.state.encode().latin1Slice()}`,
        )
        .toSorted(),
      deadlines.join(" "),
    ];
    if (parts.some((part) => part !== ""))
      lines.push(`${db}:${name.latin1Slice()} ${parts.join(" | ")}`);
  }
  return lines.toSorted().join("\n");
}

function cellText(keyspace: Keyspace, cell: Cell | null): string {
  if (cell === null) return "";
  const by = (origin: number): string => originName(keyspace.origins.get(origin));
  const siblings = cell.siblings.map(
    (s) => `${by(s.origin)}:${s.seq}@${s.ms}.${s.tick}→${s.deadline}=${s.value.latin1Slice()}`,
  );
  const eras = cell.eras
    .filter((era) => era.seq > era.resetSeq)
    .map((era) => {
      const alone = Object.assign(cellOfEras(cell), { eras: [era] });
      return `${by(era.origin)}:${era.start}…${era.seq}@${era.startMs}.${era.startTick}+${format(alone.sum())}`;
    });
  return [...siblings.toSorted(), ...eras.toSorted()].join(" ");
}

function cellOfEras(cell: Cell): Cell {
  return Object.create(Object.getPrototypeOf(cell) as object) as Cell;
}

function cellsText(keyspace: Keyspace, cells: Cells | null): string {
  if (cells === null) return "";
  const entry = new Entry();
  const texts: string[] = [];
  let live = 0;
  let expiring = 0;
  cells.table.each((at) => {
    cells.table.load(at, entry);
    const name = entry.bytes.latin1Slice(entry.nameStart, entry.nameEnd);
    const cell = entry.kind === OBJECT ? cells.table.object(entry) : cellOf(entry);
    if (cell.live()) live++;
    if (cell.deadline() !== Infinity) expiring++;
    const text = cellText(keyspace, cell);
    if (text !== "") texts.push(`${name}{${text}}`);
  });
  assert.equal(cells.count, live, "the count of living members or fields is a recount");
  if (cells.order !== null) checkOrder(cells.order, live);
  assert.equal(cells.expiring !== null, expiring > 0, "fields that expire are known");
  if (cells.expiring !== null) checkOrder(cells.expiring, expiring);
  return texts.toSorted().join(" ");
}

/** An order holds every living cell once, and finds each at its rank. */
function checkOrder(order: Order, live: number): void {
  assert.equal(order.size, live, "the order holds what lives");
  let rank = 0;
  order.each(0, live, false, (ref) => assert.equal(order.rank(ref), rank++, "a rank is a place"));
}

/** Every entry's name. */
export function names(keyspace: Keyspace): { db: number; name: Buffer }[] {
  const found: { db: number; name: Buffer }[] = [];
  const entry = new Entry();
  for (const table of keyspace.shards)
    if (table.size > 0)
      table.each((at) => {
        table.load(at, entry);
        const name = Buffer.from(entry.bytes.subarray(entry.nameStart, entry.nameEnd));
        found.push({ db: entry.db, name });
      });
  return found;
}

/** What `view` and `canonical` look at. */
const glance = new Place();

/** Locates a key, with a place of its own unless it is given one. */
export function locate(
  keyspace: Keyspace,
  db: number,
  name: Buffer,
  place: Place = new Place(),
): Place {
  keyspace.locate(place, db, name, 0, name.length);
  return place;
}

/** What a reader sees of a key at `nowMs`, in the oracle's words. */
export function view(keyspace: Keyspace, db: number, name: Buffer, nowMs: number): string {
  const place = locate(keyspace, db, name, glance);
  place.look(keyspace, nowMs);
  if (place.type === NONE) return "none";
  const value = (): string => place.value.latin1Slice(place.valueStart, place.valueEnd);
  if (place.type === STRING) return `string ${value()} until ${place.deadline}`;
  if (place.type === DOCUMENT) {
    const text = documentText((place.kind as DocumentKind).open(place.generations));
    return `document ${text} until ${place.deadline}`;
  }
  if (place.type === BOUNDED) {
    const counter = new BoundedView({ keyspace }, place);
    const { isMax, at } = counter.bound;
    return `bounded ${counter.value}, ${isMax ? "max" : "min"} ${at} until ${place.deadline}`;
  }
  const cells = place.cells as Cells;
  if (place.type === ZSET) return `zset ${ranked(place).join(",")} until ${place.deadline}`;
  if (place.type === LIST)
    return `list ${elements(keyspace, place).join(",")} until ${place.deadline}`;
  if (place.type === STREAM)
    return `stream ${streamCells(keyspace, place).join(",")} until ${place.deadline}`;
  const found: string[] = [];
  cells.each(place.horizonMs, (at) => {
    const entry = new Entry();
    cells.table.load(at, entry);
    const member = entry.bytes.latin1Slice(entry.nameStart, entry.nameEnd);
    if (place.type === SET) found.push(member);
    else {
      assert.ok(place.lookCell(keyspace, at), "a field that is listed can be read");
      const field = Buffer.from(member, "latin1");
      const until = place.fieldDeadline(field, 0, field.length);
      found.push(`${member}=${value()}${until === Infinity ? "" : `~${until}`}`);
    }
  });
  assert.equal(found.length, cells.countLive(place.horizonMs), "as many as are counted");
  return `${place.type === SET ? "set" : "hash"} ${found.toSorted().join(",")} until ${place.deadline}`;
}

/** A document of flat members and lists, its members in the order of their names. */
export function documentText(document: OpenDocument | null): string {
  assert.ok(document !== null, "a document that commands made can be read");
  return sortedJson(JSON.parse(printJson(document.root)) as object);
}

/** An object as JSON, its members in the order of their names. */
export function sortedJson(members: object): string {
  const entries = Object.entries(members).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify(Object.fromEntries(entries));
}

/** The members of a sorted set with their scores, in its order. */
function ranked(place: Place): string[] {
  const order = place.order as Order;
  const found: string[] = [];
  order.each(0, order.size, false, (ref, score) => {
    const entry = place.nameOf(ref);
    found.push(`${entry.bytes.latin1Slice(entry.nameStart, entry.nameEnd)}=${score}`);
  });
  return found;
}

/** The names and values of the cells of a stream, in its order. */
function streamCells(keyspace: Keyspace, place: Place): string[] {
  const order = place.order as Order;
  const found: string[] = [];
  order.each(0, order.size, false, (ref) => {
    const { bytes, nameStart, nameEnd } = place.nameOf(ref);
    const name = bytes.subarray(nameStart, nameEnd).toString("hex");
    place.lookRef(keyspace, ref);
    const value = place.value.subarray(place.valueStart, place.valueEnd).toString("hex");
    found.push(`${name}=${value}`);
  });
  return found;
}

/** The values of a list, in its order. */
function elements(keyspace: Keyspace, place: Place): string[] {
  const order = place.order as Order;
  const found: string[] = [];
  order.each(0, order.size, false, (ref) => {
    assert.ok(place.lookRef(keyspace, ref), "an element in the order can be read");
    found.push(place.value.latin1Slice(place.valueStart, place.valueEnd));
  });
  return found;
}

/** Recounts what the keyspace keeps as figures. */
export function checkCounts(keyspace: Keyspace): void {
  const keys: number[] = [];
  const expiring: number[] = [];
  for (const { db, name } of names(keyspace)) {
    if (isInternal(db)) continue;
    const key = keyspace.open(locate(keyspace, db, name));
    const tags = key.tags as Tag;
    if (tags === NONE) continue;
    keys[db] = (keys[db] ?? 0) + 1;
    if (key.deadline(tags) !== Infinity) expiring[db] = (expiring[db] ?? 0) + 1;
  }
  for (let db = 0; db < Math.max(keys.length, keyspace.databases); db++) {
    assert.equal(keyspace.keys(db), keys[db] ?? 0, `keys in database ${db}`);
    assert.equal(keyspace.expiring(db), expiring[db] ?? 0, `expiring keys in database ${db}`);
  }
}
