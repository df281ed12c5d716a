/**
 * Cells: names → cells, the body of a collection: the members of a set (whose cells hold nothing but their dots), the fields of a
 * hash, the members of a sorted set with their scores, the positions of a list, the ids of a stream.
 *
 * Invariant: `count` is the number of cells that are live when nothing has expired. A cell that is one register lies packed in
 * the table; only concurrent siblings and counters become `Cell` objects, and go back once they are one register again.
 *
 * The types that have an order keep their living cells in an `Order` too. So do, by deadline, cells that expire on their own.
 *
 * Nothing remembers removed members: the record that removed them covers their dots, and delivery is causal.
 */
import { COUNTER, type Entry, Entry as TableEntry, OBJECT, Table } from "../keyspace/table.ts";
import type { Hasher } from "../keyspace/hasher.ts";
import type { Heap, Ref } from "../keyspace/heap.ts";
import type { Undo } from "../keyspace/undo.ts";
import type { Amount } from "./amount.ts";
import { Cell, type Dot, type Reset, type Sibling } from "./cell.ts";
import type { Context } from "./context.ts";
import type { Collection } from "./key.ts";
import { Order } from "./order.ts";
import { Recent } from "./recent.ts";

/** The resets one removal carries for one named cell. */
export interface NamedResets {
  readonly name: Buffer;
  readonly resets: readonly Reset[];
}

/** What a `Cell` with one era or sibling takes. */
const CELL_BYTES = 400;
const nothing = Buffer.alloc(0);
const NO_SIBLINGS: readonly Sibling[] = [];
const NO_RESETS: readonly Reset[] = [];
/** Looked through for a moment, never across a call. */
const glance = new TableEntry();

/** What a reader sees of a write: nothing, another value, or one where there was none. */
export const SAME = 0;
export const CHANGED = 1;
export const CREATED = 2;
export type Put = typeof SAME | typeof CHANGED | typeof CREATED;

export class Cells {
  readonly tag: Collection;
  table: Table<Cell>;
  /** The living cells in order, for the types that have one. */
  order: Order | null;
  readonly #orderOf: ((cells: Cells) => Order) | null;
  readonly #hasher: Hasher;
  readonly #large: number;
  /** Live cells, expiry aside. */
  count = 0;
  /** Cells with a deadline of their own, the earliest first; null when there are none. */
  expiring: Order | null = null;
  /** The time by which a reader judges these deadlines: that of the last look. */
  readMs = -1;
  /** No cell was born later. */
  newestMs = 0;
  /** The newest additions, of a large body. */
  #recent: Recent | null = null;
  /** What the last `put` or `add` wrote to, unless it lies packed: then nobody else wrote there at the same time. */
  touched: Cell | null = null;
  /** The record that made it among those that can be taken back (`undo.ts`). */
  madeBy = 0;

  /** From `large` cells on a body is large; `orderOf` makes the order of a type that has one. */
  constructor(
    tag: Collection,
    heap: Heap,
    hasher: Hasher,
    large: number,
    orderOf: ((cells: Cells) => Order) | null,
  ) {
    this.tag = tag;
    this.table = new Table(heap, CELL_BYTES);
    this.#orderOf = orderOf;
    this.order = orderOf === null ? null : orderOf(this);
    this.#hasher = hasher;
    this.#large = large;
  }

  /** Whether it is too large to be walked through in one turn. */
  get isLarge(): boolean {
    return this.table.size > this.#large;
  }

  /** The position of a name in the table, or −1. It may be a cell that is not live. */
  find(name: Uint8Array, start: number, end: number): number {
    return this.table.find(this.#hasher.hash(0, name, start, end), 0, name, start, end);
  }

  /** Whether a reader sees the cell at a position. Entries born up to `horizonMs` do not count. */
  liveAt(at: number, horizonMs: number): boolean {
    this.table.load(at, glance);
    return glance.kind === OBJECT
      ? this.table.object(glance).live(horizonMs, this.readMs)
      : glance.ms > horizonMs && glance.deadline > this.readMs;
  }

  has(name: Uint8Array, start: number, end: number, horizonMs = -1): boolean {
    const at = this.find(name, start, end);
    return at >= 0 && this.liveAt(at, horizonMs);
  }

  /** How many cells a reader sees. */
  countLive(horizonMs = -1): number {
    if (horizonMs < 0) return this.expiring === null ? this.count : this.count - this.#countGone();
    if (horizonMs >= this.newestMs) return 0;
    let count = 0;
    this.table.each((at) => {
      if (this.liveAt(at, horizonMs)) count++;
    });
    return count;
  }

  /** Whether a reader sees any cell at `nowMs`. */
  survives(horizonMs: number, nowMs: number): boolean {
    this.readMs = nowMs;
    const due = this.expiring?.belowScore(nowMs, true) ?? 0;
    if (horizonMs < 0 && due < this.count) return true;
    return this.countLive(horizonMs) > 0;
  }

  /** How many cells no reader sees any more, since their deadlines have passed. */
  #countGone(): number {
    const expiring = this.expiring as Order;
    const due = expiring.belowScore(this.readMs, true);
    let gone = due;
    // What was added after the deadline lives on without one.
    if (this.table.objectCount > 0)
      expiring.each(0, due, false, (ref) => {
        glance.load(this.table.heap, ref);
        if (glance.kind === OBJECT && this.table.object(glance).live(-1, this.readMs)) gone--;
      });
    return gone;
  }

  /** The earliest deadline of a cell; Infinity when none has one. */
  get firstDeadline(): number {
    return this.expiring === null ? Infinity : this.#deadlineOf(this.expiring.at(0));
  }

  /** The origin that set `firstDeadline`. */
  get firstSetter(): number {
    glance.load(this.table.heap, (this.expiring as Order).at(0));
    if (glance.kind !== OBJECT) return glance.origin;
    const cell = this.table.object(glance);
    const deadline = cell.deadline();
    return cell.siblings.find((sibling) => sibling.deadline === deadline)?.origin ?? 0;
  }

  /** The names of cells whose deadlines lie up to `deadline`, the earliest first and no more than `most`. */
  due(deadline: number, most: number): Buffer[] {
    const names: Buffer[] = [];
    const count = Math.min(most, this.expiring?.belowScore(deadline, true) ?? 0);
    this.expiring?.each(0, count, false, (ref) => {
      glance.load(this.table.heap, ref);
      names.push(copyOf(glance.bytes, glance.nameStart, glance.nameEnd));
    });
    return names;
  }

  #deadlineOf(ref: Ref): number {
    glance.load(this.table.heap, ref);
    return this.#deadlineIn(glance);
  }

  #deadlineIn(entry: Entry): number {
    return entry.kind === OBJECT ? this.table.object(entry).deadline() : entry.deadline;
  }

  /** Says the value under a name again with another deadline; see `Cell.restate`. */
  restate(
    context: Context,
    name: Buffer,
    start: number,
    end: number,
    ms: number,
    tick: number,
    deadline: number,
    value: Buffer,
  ): void {
    const hash = this.#hasher.hash(0, name, start, end);
    const at = this.table.find(hash, 0, name, start, end);
    this.#keep(at, hash, name, start, end);
    if (ms > this.newestMs) this.newestMs = ms;
    this.#remember(hash, context.origin, context.seq);
    this.#leave(at);
    const cell = this.#cell(at);
    const wasLive = cell.live();
    cell.restate(context, ms, tick, deadline, value);
    this.touched = cell;
    this.#count(wasLive, true);
    this.#store(at, hash, name, start, end, cell);
  }

  /** Writes a register: replaces what the record has seen under that name. Returns what a reader can tell. */
  put(
    context: Context,
    name: Uint8Array,
    start: number,
    end: number,
    deadline: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): Put {
    const table = this.table;
    const hash = this.#hasher.hash(0, name, start, end);
    const at = table.find(hash, 0, name, start, end);
    this.#keep(at, hash, name, start, end);
    if (context.ms > this.newestMs) this.newestMs = context.ms;
    this.#remember(hash, context.origin, context.seq);
    let cell: Cell | null = null;
    let same = false;
    if (at >= 0) {
      table.load(at, glance);
      if (glance.kind === OBJECT) cell = table.object(glance);
      else if (!context.covers(glance.origin, glance.seq)) cell = cellOf(glance);
      else same = holds(glance, value, valueStart, valueEnd);
    }
    // What stays as long and the same stays where it is, in the order too.
    if (!same) this.#leave(at);
    this.touched = cell;
    if (cell === null) {
      if (at < 0) this.count++;
      const { origin, seq, ms, tick } = context;
      const put = table.putRegister(
        at,
        hash,
        0,
        name,
        start,
        end,
        origin,
        seq,
        ms,
        tick,
        deadline,
        value,
        valueStart,
        valueEnd,
      );
      if (same) return SAME;
      this.#enter(put);
      return at < 0 ? CREATED : CHANGED;
    }
    const wasLive = at >= 0 && cell.live();
    cell.put(context, deadline, Buffer.from(value.subarray(valueStart, valueEnd)));
    if (!wasLive) this.count++;
    this.#store(at, hash, name, start, end, cell);
    return wasLive ? CHANGED : CREATED;
  }

  /** Writes a register in place of exactly the writes named. */
  resolve(context: Context, name: Buffer, dots: readonly Dot[], value: Buffer): void {
    const hash = this.#hasher.hash(0, name, 0, name.length);
    const at = this.table.find(hash, 0, name, 0, name.length);
    this.#keep(at, hash, name, 0, name.length);
    if (context.ms > this.newestMs) this.newestMs = context.ms;
    this.#remember(hash, context.origin, context.seq);
    this.#leave(at);
    const cell = this.#cell(at);
    const wasLive = cell.live();
    cell.resolve(context, dots, Infinity, value);
    this.touched = cell;
    this.#count(wasLive, cell.live());
    this.#store(at, hash, name, 0, name.length, cell);
  }

  /** Adds to a counter: the era of `origin` as it is now. */
  add(
    context: Context,
    name: Uint8Array,
    start: number,
    end: number,
    seq: number,
    sum: Amount,
    eraStart: number,
    eraMs: number,
    eraTick: number,
  ): void {
    const hash = this.#hasher.hash(0, name, start, end);
    const at = this.table.find(hash, 0, name, start, end);
    this.#keep(at, hash, name, start, end);
    if (context.ms > this.newestMs) this.newestMs = context.ms;
    this.#recent?.count(hash);
    this.#leave(at);
    const cell = this.#cell(at);
    const wasLive = cell.live();
    cell.add(context.origin, seq, sum, eraStart, eraMs, eraTick);
    this.touched = cell;
    this.#count(wasLive, cell.live());
    this.#store(at, hash, name, start, end, cell);
  }

  /** Removes what the record has seen under one name. */
  remove(
    context: Context,
    name: Uint8Array,
    start: number,
    end: number,
    resets: readonly Reset[],
    horizonMs = Infinity,
  ): void {
    const hash = this.#hasher.hash(0, name, start, end);
    const at = this.table.find(hash, 0, name, start, end);
    if (at < 0 && resets.length === 0) return;
    this.#keep(at, hash, name, start, end);
    if (resets.length > 0) this.#recent?.count(hash);
    if (at >= 0) {
      this.table.load(at, glance);
      if (glance.kind !== OBJECT && resets.length === 0) {
        if (glance.ms > horizonMs || !context.covers(glance.origin, glance.seq)) return;
        this.#leave(at);
        this.table.removeAt(at);
        this.count--;
        return;
      }
    }
    this.#leave(at);
    const cell = this.#cell(at);
    const wasLive = cell.live();
    cell.dropSeen(context, horizonMs);
    cell.reset(resets);
    this.#count(wasLive, cell.live());
    this.#store(at, hash, name, start, end, cell);
  }

  /** Removes what the record has seen under one name, and what is older than it; returns what of that it had not seen. */
  removeOlder(context: Context, name: Uint8Array, start: number, end: number): readonly Sibling[] {
    const hash = this.#hasher.hash(0, name, start, end);
    const at = this.table.find(hash, 0, name, start, end);
    if (at < 0) return NO_SIBLINGS;
    this.#keep(at, hash, name, start, end);
    this.#leave(at);
    const cell = this.#cell(at);
    const wasLive = cell.live();
    const lost = cell.dropOlder(context);
    this.#count(wasLive, cell.live());
    this.#store(at, hash, name, start, end, cell);
    return lost;
  }

  /** Removes everything the record has seen that was born up to `horizonMs`. */
  removeSeen(context: Context, resets: readonly NamedResets[], horizonMs = Infinity): void {
    if (this.#discardSeen(context, horizonMs)) return;
    this.#sweep((entry) => {
      if (entry.kind !== OBJECT)
        return entry.ms <= horizonMs && context.covers(entry.origin, entry.seq);
      this.table.object(entry).dropSeen(context, horizonMs);
      return false;
    });
    for (const { name, resets: rows } of resets)
      this.remove(context, name, 0, name.length, rows, horizonMs);
  }

  /** Removes everything born at or before a stamp, seen or not. */
  dropBorn(ms: number, tick: number): void {
    if (this.#recent !== null && this.newestMs < ms) return this.#discard();
    this.#sweep((entry) => {
      if (entry.kind !== OBJECT) return entry.ms < ms || (entry.ms === ms && entry.tick <= tick);
      this.table.object(entry).dropBorn(ms, tick);
      return false;
    });
  }

  /** What a removal of everything made now must carry for its counters. */
  resets(horizonMs = Infinity): NamedResets[] {
    const found: NamedResets[] = [];
    // Counters are objects; most bodies have none.
    if (this.table.objectCount === 0) return found;
    this.#eachOf(this.#recent?.counted ?? null, () => {
      if (glance.kind !== OBJECT) return;
      const resets = this.table.object(glance).resets(horizonMs);
      if (resets.length > 0)
        found.push({ name: copyOf(glance.bytes, glance.nameStart, glance.nameEnd), resets });
    });
    return found;
  }

  /** What a removal of one name made now must carry. */
  resetsOf(name: Uint8Array, start: number, end: number, horizonMs = Infinity): readonly Reset[] {
    if (this.table.objectCount === 0) return NO_RESETS;
    const at = this.find(name, start, end);
    return at < 0 ? [] : (this.table.objectAt(at)?.resets(horizonMs) ?? []);
  }

  /** When a cell expires; Infinity for never, and when there is none. */
  deadlineOf(name: Uint8Array, start: number, end: number, horizonMs = -1): number {
    if (this.expiring === null) return Infinity;
    const at = this.find(name, start, end);
    if (at < 0) return Infinity;
    this.table.load(at, glance);
    return glance.kind === OBJECT ? this.table.object(glance).deadline(horizonMs) : glance.deadline;
  }

  /** The cell of a name, if it is more than one value. */
  object(name: Buffer): Cell | null {
    const at = this.find(name, 0, name.length);
    return at < 0 ? null : this.table.objectAt(at);
  }

  /** Lets go of eras that stable resets cover. */
  collect(name: Buffer, resets: readonly Reset[]): void {
    const hash = this.#hasher.hash(0, name, 0, name.length);
    const at = this.table.find(hash, 0, name, 0, name.length);
    const cell = at < 0 ? null : this.table.objectAt(at);
    if (cell === null) return;
    this.#leave(at);
    cell.collect(resets);
    this.#store(at, hash, name, 0, name.length, cell);
  }

  /** Visits the positions a reader sees; the visitor must not change the table. */
  each(horizonMs: number, visit: (at: number) => void): void {
    this.table.each((at) => {
      if (this.liveAt(at, horizonMs)) visit(at);
    });
  }

  /** Takes over a cell from a checkpoint or snapshot. */
  restore(name: Buffer, cell: Cell): void {
    const hash = this.#hasher.hash(0, name, 0, name.length);
    const at = this.table.find(hash, 0, name, 0, name.length);
    for (const sibling of cell.siblings) this.newestMs = Math.max(this.newestMs, sibling.ms);
    for (const era of cell.eras) this.newestMs = Math.max(this.newestMs, era.startMs);
    for (const { origin, seq } of cell.siblings) this.#remember(hash, origin, seq);
    if (cell.eras.length > 0) this.#recent?.count(hash);
    if (cell.live()) this.count++;
    this.#leave(at);
    this.#store(at, hash, name, 0, name.length, cell);
  }

  /** Takes over a register from the packed form of the body, which has no other cell under that name. */
  adopt(
    name: Uint8Array,
    start: number,
    end: number,
    origin: number,
    seq: number,
    ms: number,
    tick: number,
    valueStart: number,
    valueEnd: number,
  ): void {
    const hash = this.#hasher.hash(0, name, start, end);
    const put = this.table.putRegister(
      -1,
      hash,
      0,
      name,
      start,
      end,
      origin,
      seq,
      ms,
      tick,
      Infinity,
      name,
      valueStart,
      valueEnd,
    );
    this.count++;
    this.#enter(put);
  }

  /** What lies at a position, as a cell of its own. */
  copyAt(at: number): Cell {
    this.table.load(at, glance);
    return glance.kind === OBJECT ? this.table.object(glance).copy() : cellOf(glance);
  }

  /** Makes the cell under a name what it was; null: there was none. */
  putBack(name: Buffer, cell: Cell | null): void {
    const hash = this.#hasher.hash(0, name, 0, name.length);
    const at = this.table.find(hash, 0, name, 0, name.length);
    const isLive = at >= 0 && (this.table.objectAt(at)?.live() ?? true);
    this.#count(isLive, cell?.live() ?? false);
    this.#leave(at);
    this.#store(at, hash, name, 0, name.length, cell ?? new Cell());
  }

  /** What lies under a name is about to change. */
  #keep(at: number, hash: number, name: Uint8Array, start: number, end: number): void {
    this.table.heap.undo?.cell(this, at, hash, name, start, end);
  }

  free(): void {
    this.order?.clear();
    this.expiring = null;
    this.table.clear();
    this.count = 0;
  }

  /** Keeps in mind what was added to a large body. */
  #remember(hash: number, origin: number, seq: number): void {
    if (this.#recent !== null) this.#recent.add(hash, origin, seq);
    else if (this.table.size >= this.#large) this.#enlarge(hash, origin, seq);
  }

  #enlarge(hash: number, origin: number, seq: number): void {
    const recent = new Recent();
    this.table.each((at) => {
      this.table.load(at, glance);
      if (glance.kind !== OBJECT) recent.forget(glance.origin, glance.seq);
      else {
        const { siblings, eras } = this.table.object(glance);
        for (const s of siblings) recent.forget(s.origin, s.seq);
        const { bytes, nameStart, nameEnd } = glance;
        if (eras.length > 0) recent.count(this.#hasher.hash(0, bytes, nameStart, nameEnd));
      }
    });
    recent.add(hash, origin, seq);
    this.#recent = recent;
  }

  /** Removes everything a record has seen of a large body without looking at it: only what it may not have seen is kept. */
  #discardSeen(context: Context, horizonMs: number): boolean {
    if (this.#recent === null || horizonMs < this.newestMs) return false;
    const hashes = this.#recent.uncovered(context);
    if (hashes === null) return false;
    const survivors: { name: Buffer; cell: Cell }[] = [];
    this.#eachOf(hashes, (at) => {
      const { bytes, nameStart, nameEnd } = glance;
      // What is set aside below stays as it is.
      const cell = this.table.heap.undo === null ? this.#cell(at) : this.copyAt(at);
      cell.dropSeen(context);
      if (!cell.empty) survivors.push({ name: copyOf(bytes, nameStart, nameEnd), cell });
    });
    this.#discard();
    for (const { name, cell } of survivors) this.restore(name, cell);
    return true;
  }

  /** Lets everything go; the memory comes back in slices. */
  #discard(): void {
    const { heap } = this.table;
    const { undo } = heap;
    if (undo === null) heap.discard(this.table);
    // Of a body that came with the record nothing comes back.
    else if (undo.hasMade(this)) this.free();
    else this.#setAside(undo);
    this.table = new Table(heap, CELL_BYTES);
    this.order = this.#orderOf === null ? null : this.#orderOf(this);
    this.expiring = null;
    this.count = 0;
    this.#recent = null;
  }

  /** Keeps everything for as long as it may have to come back. */
  #setAside(undo: Undo): void {
    const { table, order, expiring, count } = this;
    const recent = this.#recent;
    const putBack = (): void => {
      this.free();
      Object.assign(this, { table, order, expiring, count });
      this.#recent = recent;
    };
    undo.body(putBack, () => table.heap.discard(table));
  }

  /** Visits the cells whose names have one of these hashes, each in `glance`; all cells when there is no telling. */
  #eachOf(hashes: ReadonlySet<number> | null, visit: (at: number) => void): void {
    const show = (at: number): void => {
      this.table.load(at, glance);
      visit(at);
    };
    if (hashes === null) return this.table.each(show);
    for (const hash of hashes)
      this.table.walk(hash, 1, (at) => {
        this.table.load(at, glance);
        const { bytes, nameStart, nameEnd } = glance;
        if (this.#hasher.hash(0, bytes, nameStart, nameEnd) === hash) show(at);
      });
  }

  /** What lies at a position is about to change or to go: it leaves the order as what it still is. */
  #leave(at: number): void {
    if (this.order !== null && at >= 0 && this.liveAt(at, -1))
      this.order.remove(this.table.refAt(at));
    if (this.expiring === null || at < 0) return;
    const ref = this.table.refAt(at);
    if (this.#deadlineOf(ref) === Infinity) return;
    this.expiring.remove(ref);
    if (this.expiring.size === 0) this.expiring = null;
  }

  /** What lies at a position is new or has changed. */
  #enter(at: number): void {
    if (this.order !== null && this.liveAt(at, -1)) this.order.insert(this.table.refAt(at));
    if (this.expiring === null) return;
    const ref = this.table.refAt(at);
    if (this.#deadlineOf(ref) !== Infinity) this.expiring.insert(ref);
  }

  /** The cell at a position as an object; a new one for −1. */
  #cell(at: number): Cell {
    if (at < 0) return new Cell();
    this.table.load(at, glance);
    return glance.kind === OBJECT ? this.table.object(glance) : cellOf(glance);
  }

  /** Stores a cell, which has left the order, in the smallest form it has. */
  #store(at: number, hash: number, name: Uint8Array, start: number, end: number, cell: Cell): void {
    if (cell.empty) {
      if (at >= 0) this.table.removeAt(at);
      return;
    }
    if (this.expiring === null && cell.deadline() !== Infinity)
      this.expiring = new Order(this.table.heap, (entry) => this.#deadlineIn(entry));
    const only = cell.siblings[0];
    if (only === undefined || cell.siblings.length > 1 || cell.eras.length > 0) {
      const isThere = at >= 0 && this.table.objectAt(at) === cell;
      this.#enter(isThere ? at : this.table.putObject(at, hash, 0, name, start, end, cell));
      return;
    }
    const { origin, seq, ms, tick, deadline, value } = only;
    const put = this.table.putRegister(
      at,
      hash,
      0,
      name,
      start,
      end,
      origin,
      seq,
      ms,
      tick,
      deadline,
      value,
      0,
      value.length,
    );
    this.#enter(put);
  }

  #count(wasLive: boolean, isLive: boolean): void {
    if (wasLive !== isLive) this.count += isLive ? 1 : -1;
  }

  /** Shows every entry to `drop`: it may change cells, and returns whether a register goes. */
  #sweep(drop: (entry: Entry) => boolean): void {
    const changed: Buffer[] = [];
    const entry = new TableEntry();
    this.table.each((at) => {
      this.table.load(at, entry);
      const cell = entry.kind === OBJECT ? this.table.object(entry) : null;
      const wasLive = cell?.live() ?? false;
      if (cell !== null) {
        const { bytes, nameStart, nameEnd } = entry;
        const hash = this.#hasher.hash(0, bytes, nameStart, nameEnd);
        this.#keep(at, hash, bytes, nameStart, nameEnd);
        this.#leave(at);
      }
      const gone = drop(entry);
      if (cell !== null) this.#count(wasLive, cell.live());
      else if (gone) this.count--;
      if (gone || cell !== null) changed.push(copyOf(entry.bytes, entry.nameStart, entry.nameEnd));
    });
    // A table does not change under a walk, so what became smaller is stored afterwards.
    for (const name of changed) {
      const hash = this.#hasher.hash(0, name, 0, name.length);
      const at = this.table.find(hash, 0, name, 0, name.length);
      const cell = this.table.objectAt(at);
      if (cell === null) {
        this.#keep(at, hash, name, 0, name.length);
        this.#leave(at);
        this.table.removeAt(at);
      } else this.#store(at, hash, name, 0, name.length, cell);
    }
  }
}

/** What lies packed, a register or a counter, as a cell; a deadline that EXPIRE gave the key is none of the cell's. */
export function cellOf(entry: Entry): Cell {
  const { origin, seq, ms, tick, bytes, valueStart, valueEnd } = entry;
  const deadline = entry.expires ? Infinity : entry.deadline;
  const cell = new Cell();
  if (entry.kind === COUNTER) {
    const { start, sum } = entry;
    cell.add(origin, seq, sum, start, ms, tick);
    return cell;
  }
  const value = valueEnd === valueStart ? nothing : copyOf(bytes, valueStart, valueEnd);
  cell.siblings.push({ origin, seq, ms, tick, deadline, value });
  return cell;
}

/** Whether a register holds these bytes and no deadline. */
function holds(entry: Entry, value: Uint8Array, start: number, end: number): boolean {
  const from = entry.valueStart;
  if (entry.valueEnd - from !== end - start || entry.deadline !== Infinity) return false;
  for (let i = start; i < end; i++) if (entry.bytes[from + i - start] !== value[i]) return false;
  return true;
}

function copyOf(bytes: Buffer, start: number, end: number): Buffer {
  return Buffer.from(bytes.subarray(start, end));
}
