/**
 * Place: one key as a command sees it: where it lies, its type, its value.
 *
 * Invariant: what `look` found is valid until the keyspace changes; a command that writes looks first and decides, then writes.
 * A place is reused for the next key, so looking allocates nothing.
 */
import { compareStamps } from "../clock/stamp.ts";
import { add, type Amount, format, parseDecimal } from "../crdt/amount.ts";
import type { Cell, Sibling } from "../crdt/cell.ts";
import { CHUNK_BYTES, CHUNK_NAME_BYTES, chunkAt, readChunk } from "../crdt/bitmap.ts";
import { type Cells, cellOf } from "../crdt/cells.ts";
import type { Generation, GenerationKind } from "../crdt/generation.ts";
import {
  BITMAP,
  COLLECTIONS,
  GENERATION,
  HASH,
  horizonOf,
  isCollection,
  type Key,
  NONE,
  STRING,
  type Tag,
  type Type,
} from "../crdt/key.ts";
import type { Order } from "../crdt/order.ts";
import { type Policy, wins } from "../crdt/policy.ts";
import { additionFor, baseOf, scoreOf, sumOf } from "../crdt/score.ts";
import { type Keyspace, keyOf } from "./keyspace.ts";
import type { Ref } from "./heap.ts";
import { COUNTER, Entry, OBJECT, type Table } from "./table.ts";

const nothing = Buffer.alloc(0);
const ZERO = Buffer.from("0");
const NO_GENERATIONS: readonly Generation[] = [];

/** A value and the stamp with which it was written. */
export type Restated = Pick<Sibling, "ms" | "tick" | "value">;

export class Place {
  db = 0;
  bytes: Buffer = nothing;
  start = 0;
  end = 0;
  slot = 0;
  hash = 0;
  table!: Table<Key>;
  /** The position in the table, or −1, as of a version of the table. */
  at = -1;
  version = 0;

  /** What a reader sees: its type, or NONE. */
  type: Type = NONE;
  /** As what it is kept: of a string also GENERATION or BITMAP. */
  tag: Tag = NONE;
  /** The key as an object, of its own when it lies packed and has expired; null when it lies packed or is absent. */
  key: Key | null = null;
  /** Whether something lies here that a write has to clear away first: expired values, or another type's after a conflict. */
  stale = false;
  /** When the key expires; Infinity for never. */
  deadline = Infinity;
  /** STRING: the value is `value[valueStart … valueEnd)`. */
  #value: Buffer = nothing;
  valueStart = 0;
  valueEnd = 0;
  /** STRING of a key that is an object: the sibling that is shown, if the value is not a counter alone. */
  winner: Sibling | null = null;
  /** Collections: the members, fields, chunks, …, of which those born up to `horizonMs` are expired. */
  cells: Cells | null = null;
  /** Sorted sets, lists, streams and bitmaps: what is not expired of them, in order. */
  order: Order | null = null;
  horizonMs = -1;
  /** What is seen is of this kind of generation; null when it is none. */
  kind: GenerationKind | null = null;
  /** The living generations of that kind. */
  generations: readonly Generation[] = NO_GENERATIONS;

  /** Bitmaps: the bytes of the chunk that was read last, zeros behind its end. */
  readonly chunk = Buffer.alloc(CHUNK_BYTES);
  /** BITMAP: `value` is put together when somebody asks for it. */
  #inChunks = false;

  readonly #entry = new Entry();
  readonly #number = Buffer.alloc(1100);
  readonly #chunkName = Buffer.alloc(CHUNK_NAME_BYTES);

  get value(): Buffer {
    if (this.#inChunks) this.#joinChunks();
    return this.#value;
  }

  set value(value: Buffer) {
    this.#value = value;
  }

  /** Fills the place with what a reader sees at `nowMs`. `keyspace.locate` must have been called. */
  look(keyspace: Keyspace, nowMs: number): void {
    this.type = NONE;
    this.tag = NONE;
    this.#inChunks = false;
    this.key = null;
    this.stale = false;
    this.deadline = Infinity;
    this.winner = null;
    this.cells = null;
    this.order = null;
    this.horizonMs = -1;
    this.kind = null;
    this.generations = NO_GENERATIONS;
    if (this.at < 0) return;
    const entry = this.#entry;
    this.table.load(this.at, entry);
    if (entry.kind === OBJECT) {
      this.key = this.table.object(entry);
      this.key.used = true;
      this.#lookInto(keyspace, this.key, nowMs);
      return;
    }
    if (entry.deadline <= nowMs) {
      if (!entry.expires) {
        this.stale = true;
        return;
      }
      // What was born after the deadline lives on.
      this.key = keyOf(entry);
      return this.#lookInto(keyspace, this.key, nowMs);
    }
    this.type = STRING;
    this.tag = STRING;
    this.deadline = entry.deadline;
    if (entry.kind === COUNTER) return this.#showNumber(entry.sum);
    this.value = entry.bytes;
    this.valueStart = entry.valueStart;
    this.valueEnd = entry.valueEnd;
  }

  /** Puts a safe integer into `value` as text. */
  #showNumber(value: number): void {
    const digits = this.#number;
    let at = 20;
    let rest = Math.abs(value);
    do {
      const tens = Math.floor(rest / 10);
      digits[--at] = 48 + rest - tens * 10;
      rest = tens;
    } while (rest > 0);
    if (value < 0) digits[--at] = 45;
    this.value = digits;
    this.valueStart = at;
    this.valueEnd = 20;
  }

  #lookInto(keyspace: Keyspace, key: Key, nowMs: number): void {
    const tags = key.tags;
    let tag: Tag = NONE;
    if ((tags & (tags - 1)) === 0)
      tag = tags !== 0 && key.survives(tags, nowMs) ? (tags as Tag) : NONE;
    else tag = newestTag(keyspace, key, tags, nowMs);
    this.stale = tag !== tags || (tag === NONE && key.deadlines.length > 0);
    if (tag === NONE) return;
    this.deadline = key.deadline(tag);
    if (this.deadline <= nowMs) {
      // What was born after the deadline lives on without one.
      this.horizonMs = horizonOf(this.deadline);
      this.deadline = Infinity;
      this.stale = true;
    }
    this.tag = tag;
    if (tag === GENERATION) return this.#lookGenerations(keyspace, key);
    this.type = tag === BITMAP ? STRING : tag;
    if (tag === STRING) {
      const policy = keyspace.policies.of(this.bytes, this.start, this.end);
      this.winner = this.#read(keyspace, key.cell as Cell, policy, nowMs, key, this.horizonMs);
      if (this.winner !== null) this.deadline = key.siblingDeadline(this.winner);
      return;
    }
    const cells = key.cells(tag) as Cells;
    this.cells = cells;
    this.order = keyspace.orderFrom(cells, this.horizonMs);
    if (tag === BITMAP) this.#lookAtEnd();
  }

  /** How long a bitmap is, which its last chunk tells. */
  #lookAtEnd(): void {
    const order = this.order as Order;
    const last = this.nameOf(order.at(order.size - 1));
    const chunk = chunkAt(last.bytes, last.nameStart);
    this.valueStart = 0;
    this.valueEnd = chunk * CHUNK_BYTES + this.readChunk(chunk);
    this.#inChunks = true;
  }

  /** Reads a chunk of a bitmap into `chunk`; returns its length, 0 where there is none. */
  readChunk(chunk: number): number {
    const { table } = this.cells as Cells;
    this.chunk.fill(0);
    this.#chunkName.writeUInt32BE(chunk);
    const at = (this.cells as Cells).find(this.#chunkName, 0, CHUNK_NAME_BYTES);
    if (at < 0 || !(this.cells as Cells).liveAt(at, this.horizonMs)) return 0;
    table.load(at, this.#entry);
    return readChunk(table, this.#entry, this.horizonMs, this.chunk, 0);
  }

  #joinChunks(): void {
    this.#inChunks = false;
    const { table } = this.cells as Cells;
    const order = this.order as Order;
    const whole = Buffer.alloc(this.valueEnd);
    order.each(0, order.size, false, (ref) => {
      const entry = this.nameOf(ref);
      const start = chunkAt(entry.bytes, entry.nameStart) * CHUNK_BYTES;
      readChunk(table, entry, this.horizonMs, whole, start);
    });
    this.#value = whole;
  }

  /** Several generations of the kind of the newest are read as one. */
  #lookGenerations(keyspace: Keyspace, key: Key): void {
    const living = key.generations.filter(({ ms }) => ms > this.horizonMs);
    const newest = living.reduce((a, b) =>
      keyspace.origins.after(a.ms, a.tick, a.origin, b.ms, b.tick, b.origin) ? a : b,
    );
    const { kind } = newest;
    this.kind = kind;
    this.type = kind.type;
    this.generations = living.filter((generation) => generation.kind === kind);
    if (this.generations.length < living.length) this.stale = true;
    if (kind.type !== STRING) return;
    let { state } = newest;
    if (this.generations.length > 1) {
      state = kind.create();
      for (const generation of this.generations) state.join(generation.state.encode());
    }
    this.value = state.text();
    this.valueStart = 0;
    this.valueEnd = this.value.length;
  }

  /** The deadline of the packed register here, expired or not. */
  registerDeadline(): number {
    this.table.load(this.at, this.#entry);
    return this.#entry.deadline;
  }

  /** Reads a field of a hash into `value`; false when no reader sees one. */
  lookField(keyspace: Keyspace, name: Uint8Array, start: number, end: number): boolean {
    const cells = this.cells as Cells;
    const at = cells.find(name, start, end);
    return at >= 0 && this.lookCell(keyspace, at);
  }

  /** Reads the field at a position of `cells` into `value`; false when no reader sees one. */
  lookCell(keyspace: Keyspace, at: number): boolean {
    return this.lookRef(keyspace, (this.cells as Cells).table.refAt(at));
  }

  /** When a field that a reader sees expires on its own; Infinity for never. */
  fieldDeadline(name: Uint8Array, start: number, end: number): number {
    const cells = this.cells as Cells;
    const deadline = cells.deadlineOf(name, start, end, this.horizonMs);
    // What was added after a deadline has none.
    return deadline > cells.readMs ? deadline : Infinity;
  }

  /**
   * What another deadline repeats of a field that a reader sees: its value and when that was written. A counter without a value is
   * 0 and what was added; what has expired of the field was removed.
   */
  restated(keyspace: Keyspace, name: Uint8Array, start: number, end: number): Restated {
    const cells = this.cells as Cells;
    const entry = this.#entry;
    cells.table.load(cells.find(name, start, end), entry);
    const cell = entry.kind === OBJECT ? cells.table.object(entry) : cellOf(entry);
    const policy = keyspace.policies.of(this.bytes, this.start, this.end);
    const shown = winnerOf(keyspace, cell, policy, cells.readMs, null, this.horizonMs);
    if (shown !== null) return shown;
    const first = cell.eras
      .filter((era) => era.seq > era.resetSeq && era.startMs > this.horizonMs)
      .reduce((a, b) =>
        compareStamps(a.startMs, a.startTick, b.startMs, b.startTick) < 0 ? a : b,
      );
    return { ms: first.startMs, tick: first.startTick, value: ZERO };
  }

  /** The score of a member of a sorted set; NaN when no reader sees it. */
  score(keyspace: Keyspace, name: Uint8Array, start: number, end: number): number {
    const { cells, horizonMs } = this;
    const at = cells?.find(name, start, end) ?? -1;
    if (cells === null || at < 0) return Number.NaN;
    return cells.liveAt(at, horizonMs) ? this.scoreAt(keyspace, at) : Number.NaN;
  }

  /** The score of the member at a position of `cells` that a reader sees. */
  scoreAt(keyspace: Keyspace, at: number): number {
    const { table } = this.cells as Cells;
    table.load(at, this.#entry);
    return scoreOf(keyspace.origins, table, this.#entry, this.horizonMs);
  }

  /**
   * What must be added to a member of a sorted set for its score to become `target`: what a reader gets by adding `increment` to what
   * it sees, or to nothing. Null when no addition does that and the score must be set.
   */
  addition(
    keyspace: Keyspace,
    name: Uint8Array,
    start: number,
    end: number,
    increment: number,
    target: number,
  ): Amount | null {
    const { cells, horizonMs } = this;
    const at = cells?.find(name, start, end) ?? -1;
    if (cells === null || at < 0 || !cells.liveAt(at, horizonMs))
      return additionFor(0, 0, increment, target);
    const entry = this.#entry;
    cells.table.load(at, entry);
    const { origins } = keyspace;
    const base = baseOf(origins, cells.table, entry, horizonMs);
    return additionFor(base, sumOf(cells.table, entry, horizonMs), increment, target);
  }

  /** As `lookCell`, of the cell at a reference. */
  lookRef(keyspace: Keyspace, ref: Ref): boolean {
    const cells = this.cells as Cells;
    const entry = this.#entry;
    entry.load(keyspace.heap, ref);
    if (entry.kind === OBJECT) {
      const cell = cells.table.object(entry);
      const { readMs } = cells;
      if (!cell.live(this.horizonMs, readMs)) return false;
      const policy =
        cells.tag === HASH ? keyspace.policies.of(this.bytes, this.start, this.end) : "lww";
      const horizonMs = cell.horizon(this.horizonMs, readMs);
      this.#read(keyspace, cell, policy, readMs, null, horizonMs);
      return true;
    }
    if (entry.ms <= this.horizonMs || entry.deadline <= cells.readMs) return false;
    this.value = entry.bytes;
    this.valueStart = entry.valueStart;
    this.valueEnd = entry.valueEnd;
    return true;
  }

  /**
   * Reads a cell into `value` and returns the sibling that won, or null. The sum of the counter is added to a value that is a
   * number; a value that is not hides it.
   */
  #read(
    keyspace: Keyspace,
    cell: Cell,
    policy: Policy,
    nowMs: number,
    key: Key | null,
    horizonMs: number,
  ): Sibling | null {
    const winner = winnerOf(keyspace, cell, policy, nowMs, key, horizonMs);
    if (winner !== null) {
      this.value = winner.value;
      if (typeof policy === "object" && cell.siblings.length > 1) {
        const shown = cell.siblings.filter(
          (s) => s.ms > horizonMs && (key?.siblingDeadline(s) ?? s.deadline) > nowMs,
        );
        if (shown.length > 1)
          this.value = keyspace.policies.resolve(policy, shown, keyspace.origins) ?? winner.value;
      }
      this.valueStart = 0;
      this.valueEnd = this.value.length;
    }
    if (!cell.counting(horizonMs)) return winner;
    let total: Amount | null = cell.sum(horizonMs);
    if (winner !== null) {
      const base = parseDecimal(this.value, 0, this.valueEnd);
      total = base === null ? null : add(base, total);
    }
    if (total === null) return winner;
    this.value = this.#number;
    this.valueStart = 0;
    this.valueEnd = this.#number.latin1Write(format(total), 0);
    return winner;
  }

  /** The name of the entry at a position of `cells`, without a copy: valid until the next look. */
  name(at: number): Entry {
    (this.cells as Cells).table.load(at, this.#entry);
    return this.#entry;
  }

  /** As `name`, of the cell at a reference. */
  nameOf(ref: Ref): Entry {
    this.#entry.load((this.cells as Cells).table.heap, ref);
    return this.#entry;
  }
}

/** Of concurrent registers the one that is shown; null when none is. */
function winnerOf(
  keyspace: Keyspace,
  cell: Cell,
  policy: Policy,
  nowMs: number,
  key: Key | null,
  horizonMs: number,
): Sibling | null {
  let winner: Sibling | null = null;
  for (const sibling of cell.siblings) {
    const deadline = key === null ? sibling.deadline : key.siblingDeadline(sibling);
    if (sibling.ms <= horizonMs || deadline <= nowMs) continue;
    if (winner === null || wins(policy, keyspace.origins, sibling, winner)) winner = sibling;
  }
  return winner;
}

/** Among several living types, the one with the newest living entry. */
function newestTag(keyspace: Keyspace, key: Key, tags: number, nowMs: number): Tag {
  let type: Tag = NONE;
  let ms = -1;
  let tick = 0;
  let origin = 0;
  const consider = (tag: Tag, bornMs: number, bornTick: number, bornOrigin: number): void => {
    if (type !== NONE && !keyspace.origins.after(bornMs, bornTick, bornOrigin, ms, tick, origin))
      return;
    type = tag;
    ms = bornMs;
    tick = bornTick;
    origin = bornOrigin;
  };
  const considerCell = (tag: Tag, cell: Cell, horizonMs: number): void => {
    for (const s of cell.siblings)
      if (s.ms > horizonMs && (tag === STRING ? key.siblingDeadline(s) : s.deadline) > nowMs)
        consider(tag, s.ms, s.tick, s.origin);
    const countedMs = tag === STRING ? horizonMs : cell.horizon(horizonMs, nowMs);
    for (const era of cell.eras)
      if (era.seq > era.resetSeq && era.startMs > countedMs)
        consider(tag, era.startMs, era.startTick, era.origin);
  };
  for (const tag of [STRING, ...COLLECTIONS, GENERATION] as const) {
    if ((tags & tag) === 0 || !key.survives(tag, nowMs)) continue;
    const deadline = key.deadline(tag);
    const horizonMs = deadline <= nowMs ? horizonOf(deadline) : -1;
    if (tag === STRING) {
      considerCell(tag, key.cell as Cell, horizonMs);
      continue;
    }
    if (!isCollection(tag)) {
      for (const g of key.generations) if (g.ms > horizonMs) consider(tag, g.ms, g.tick, g.origin);
      continue;
    }
    const cells = key.cells(tag) as Cells;
    const entry = new Entry();
    cells.each(horizonMs, (at) => {
      cells.table.load(at, entry);
      considerCell(
        tag,
        entry.kind === OBJECT ? cells.table.object(entry) : cellOf(entry),
        horizonMs,
      );
    });
  }
  return type;
}
