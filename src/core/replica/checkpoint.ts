/**
 * Checkpoint: the state of a replica as bytes, taken in slices while it goes on writing. `checkpoint-loader.ts` reads them.
 *
 *   section 0     origins, vector, lineages, clock, log marks, garbage, as they are at `position` of the log
 *   section 1 …   origins met since the section before, entries of the keyspace as they are when their turn comes; a large body
 *                 comes in entries of its own behind its key's, a slice of its cells in each
 *
 * Invariant: loading the sections and replaying the log from `position` gives exactly the state of the log's end. A slice may
 * hold effects of records after `position`: applying a record again changes nothing, and removals name what they saw. So
 * a checkpoint may be installed only once the log is durable up to where its last slice was taken.
 */
import { assert } from "../assert.ts";
import { Sink } from "../bytes/sink.ts";
import { type Origins, writeOrigin } from "../clock/origins.ts";
import type { Vector } from "../clock/vector.ts";
import { writeAmount } from "../crdt/amount.ts";
import { type Cell, ERA_STEP } from "../crdt/cell.ts";
import { cellOf, type Cells } from "../crdt/cells.ts";
import { type Collection, HASH, type Key, SET } from "../crdt/key.ts";
import { type Keyspace, keyOf } from "../keyspace/keyspace.ts";
import { Place } from "../keyspace/place.ts";
import { COUNTER, Entry, OBJECT, WALK_END } from "../keyspace/table.ts";
import type { Strong } from "../strong/strong.ts";
import { writeValue } from "../strong/strong-state.ts";
import * as format from "./checkpoint-format.ts";
import type { Replica } from "./replica.ts";

/** Entries in a slice: what is written between two turns. Once it has so many bytes, it ends sooner. */
const SLICE_ENTRIES = 1024;
const SLICE_BYTES = 64 * 1024;
/** Entries between two looks at how many bytes there are. */
const STEP_ENTRIES = 32;

/** What garbage waits, by its number. */
const ITEM_KINDS = ["", "flush", "resets", "member", "floor"] as const;

interface LargeBody {
  readonly db: number;
  readonly name: Buffer;
  readonly tag: Collection;
}

/** Between two sections: where the next one begins. */
export interface CheckpointPlace {
  readonly told: number;
  readonly cursor: number;
  readonly walked: boolean;
  readonly bodies: readonly LargeBody[];
  readonly hash: number;
  readonly entries: number;
}

/** Writes a checkpoint; call `next` once a turn until it returns null. */
export class CheckpointWriter {
  readonly #origins: Origins;
  readonly #keyspace: Keyspace;
  readonly #sink = new Sink(256 * 1024);
  readonly #sliceEntries: number;
  #header: Buffer | null;
  /** Origins the sections so far introduce: their numbers below this. */
  #told: number;
  #cursor = 0;
  /** The walk through the keyspace is over. */
  #walked = false;
  /** Large bodies whose cells are yet to come, and the hash up to which those of the first have. */
  #bodies: LargeBody[] = [];
  #hash = 0;
  readonly #place = new Place();
  /** Strong keys, which come behind all others; null before their turn. */
  #strong: Iterator<void> | null = null;
  readonly #of: Strong;
  readonly #isOurs: boolean;
  /** Keys in the sections so far. */
  entries = 0;
  /** The position from which the log is replayed after loading. */
  readonly position: number;

  /**
   * Begins at the end of the log: every record applied must have been appended. One that is for another member (`isOurs` false) says
   * nothing of what this one has promised.
   */
  constructor(replica: Replica, sliceEntries = SLICE_ENTRIES, isOurs = true) {
    assert(replica.records.empty, "a checkpoint begins between blocks");
    this.#origins = replica.origins;
    this.#told = replica.origins.count;
    this.#keyspace = replica.keyspace;
    this.#sliceEntries = sliceEntries;
    this.#of = replica.strong;
    this.#isOurs = isOurs;
    this.position = replica.index.end;
    writeHeader(this.#sink, replica);
    this.#header = this.#sink.copy();
  }

  /** The next section, or null after the last. Valid until the next call. */
  next(): Buffer | null {
    if (this.#header !== null) {
      const header = this.#header;
      this.#header = null;
      return header;
    }
    const isWalked = this.#walked && this.#bodies.length === 0;
    const sink = this.#sink;
    sink.clear();
    if (isWalked) return this.#nextStrong();
    // A record that arrived since may come from an origin that the sections so far do not know.
    const { count } = this.#origins;
    sink.varint(count - this.#told);
    for (; this.#told < count; this.#told++) writeOrigin(sink, this.#origins.get(this.#told));
    if (this.#bodies.length > 0) this.#writeSlice();
    else this.#writeEntries();
    return sink.view();
  }

  /** A section of strong keys, or null behind the last. */
  #nextStrong(): Buffer | null {
    this.#sink.varint(0);
    this.#strong ??= writeStrong(this.#sink, this.#of, this.#isOurs);
    return this.#strong.next().done === true && this.#sink.length === 1 ? null : this.#sink.view();
  }

  /** Where the next section begins, for `resume`. */
  get place(): CheckpointPlace {
    return {
      told: this.#told,
      cursor: this.#cursor,
      walked: this.#walked,
      bodies: [...this.#bodies],
      hash: this.#hash,
      entries: this.entries,
    };
  }

  /** Goes on behind a section that was written before: what follows is written again, as it is by now. */
  resume(place: CheckpointPlace): void {
    this.#told = place.told;
    this.#cursor = place.cursor;
    this.#walked = place.walked;
    this.#bodies = [...place.bodies];
    this.#hash = place.hash;
    this.entries = place.entries;
    this.#strong = null;
  }

  #writeEntries(): void {
    let left = this.#sliceEntries;
    do {
      this.#writeStep(Math.min(left, STEP_ENTRIES));
      left -= STEP_ENTRIES;
    } while (!this.#walked && left > 0 && this.#sink.length < SLICE_BYTES);
  }

  #writeStep(count: number): void {
    const entry = new Entry();
    this.#cursor = this.#keyspace.walk(this.#cursor, count, (table, at) => {
      this.entries++;
      table.load(at, entry);
      if (entry.kind === OBJECT) table.peek(entry, (key) => this.#writeKey(entry, key));
      else this.#writeKey(entry, entry.expires ? keyOf(entry) : null);
    });
    this.#walked = this.#cursor === 0;
  }

  /** `key` is null for what is no more than a value with its dot and stamp. */
  #writeKey(entry: Entry, key: Key | null): void {
    for (const { tag } of key?.bodies.filter(isLarge) ?? []) {
      const { db, bytes, nameStart, nameEnd } = entry;
      this.#bodies.push({ db, name: Buffer.from(bytes.subarray(nameStart, nameEnd)), tag });
    }
    writeEntry(this.#sink, entry, key, (body) => !isLarge(body));
  }

  /** Writes some cells of the first of the large bodies, as it is by now. */
  #writeSlice(): void {
    const sink = this.#sink;
    const { db, name, tag } = this.#bodies[0] as LargeBody;
    this.#keyspace.locate(this.#place, db, name, 0, name.length);
    const { at, table } = this.#place;
    const body = at < 0 ? null : (table.objectAt(at)?.cells(tag) ?? null);
    const cells: number[] = [];
    for (let left = this.#sliceEntries; body !== null && left > 0; left -= STEP_ENTRIES) {
      cells.length = 0;
      const count = Math.min(left, STEP_ENTRIES);
      this.#hash = body.table.walk(this.#hash, count, (cell) => cells.push(cell));
      if (cells.length > 0) writeMore(sink, this.#bodies[0] as LargeBody, body, cells);
      if (this.#hash >= WALK_END || sink.length >= SLICE_BYTES) break;
    }
    if (body !== null && this.#hash < WALK_END) return;
    this.#bodies.shift();
    this.#hash = 0;
  }
}

function writeHeader(sink: Sink, replica: Replica): void {
  const { origins, index, delivery, keyspace, garbage, clock } = replica;
  const writeVector = (vector: Vector): void => {
    for (let number = 0; number < origins.count; number++) sink.varint(vector.get(number));
  };
  const { strong } = replica;
  const isPlain = strong.learned.size === 0 && strong.acceptor.isBlank;
  sink.u8(isPlain ? format.CHECKPOINT_VERSION - 1 : format.CHECKPOINT_VERSION);
  sink.varint(origins.count);
  for (let number = 0; number < origins.count; number++) writeOrigin(sink, origins.get(number));
  sink.varint(index.end);
  writeVector(replica.applied);
  const lineages = delivery.lineages.filter((lineage) => lineage.numbers.length > 0);
  sink.varint(lineages.length);
  for (const lineage of lineages) lineage.write(sink, origins);
  // Whoever starts from here reads no ceiling that lies before it, and is bound by what was promised all the same.
  const boundMs = Math.max(clock.ms, replica.ceilingMs);
  sink.u48(boundMs);
  sink.u16(boundMs === clock.ms ? clock.tick : 0);
  sink.varint(index.marks().length);
  for (const { position, vector } of index.marks()) {
    sink.varint(position);
    writeVector(vector);
  }
  sink.varint(keyspace.flushes.length);
  for (const { origin, seq, db, ms, tick } of keyspace.flushes) {
    sink.varint(origin);
    sink.varint(seq);
    sink.varint(db + 1);
    sink.u48(ms);
    sink.u16(tick);
  }
  const items = garbage.items();
  sink.varint(items.length);
  for (const { origin, seq, db, key, what } of items) {
    sink.varint(origin);
    sink.varint(seq);
    sink.varint(db);
    sink.bytes(key, 0, key.length);
    sink.u8(ITEM_KINDS.indexOf(what.kind));
    if (what.kind === "floor") {
      sink.u48(what.bornMs);
      sink.u48(what.writtenMs);
      sink.u16(what.writtenTick);
    }
    if (what.kind === "member") {
      writeMember(sink, what.member);
      sink.u48(what.ms);
      sink.u16(what.tick);
    }
    if (what.kind !== "resets") continue;
    sink.u8(what.tag);
    sink.bytes(what.name, 0, what.name.length);
    sink.varint(what.resets.length);
    for (const reset of what.resets) {
      sink.varint(reset.origin);
      writeSeq(sink, reset.seq);
      writeAmount(sink, reset.sum);
    }
  }
}

/** What this member has promised, as sections to stand behind those of another member's copy. */
export function* promisesOf({ strong }: Replica): Generator<Buffer> {
  const sink = new Sink(SLICE_BYTES);
  const steps = writeStrong(sink, strong, true);
  for (;;) {
    sink.clear();
    sink.varint(0);
    const { done } = steps.next();
    if (sink.length > 1) yield sink.copy();
    if (done === true) return;
  }
}

/** Writes strong keys into a sink, a slice between two steps. */
function* writeStrong(sink: Sink, { learned, acceptor }: Strong, isOurs: boolean): Generator<void> {
  for (const { db, key, ...value } of learned.all()) {
    sink.varint(db);
    sink.bytes(key, 0, key.length);
    sink.u8(format.LEARNED);
    writeValue(sink, value);
    if (sink.length >= SLICE_BYTES) yield;
  }
  if (!isOurs) return;
  for (const part of acceptor.parts(SLICE_BYTES)) {
    sink.varint(0);
    sink.bytes(part, 0, 0);
    sink.u8(format.ACCEPTOR);
    sink.bytes(part, 0, part.length);
    yield;
  }
}

/** Some cells of a large body. */
function writeMore(
  sink: Sink,
  { db, name, tag }: LargeBody,
  body: Cells,
  cells: readonly number[],
): void {
  sink.varint(db);
  sink.bytes(name, 0, name.length);
  sink.u8(format.MORE);
  sink.varint(tag);
  sink.varint(cells.length);
  const entry = new Entry();
  for (const cell of cells) writeNamedCell(sink, body, cell, entry);
}

/** A member, or the string itself. */
function writeMember(sink: Sink, member: string | null): void {
  sink.u8(member === null ? 0 : 1);
  if (member !== null) sink.text(member);
}

const isLarge = ({ isLarge: is }: Cells): boolean => is;

/** Writes an entry with those of its bodies that are `wanted`. */
function writeEntry(
  sink: Sink,
  entry: Entry,
  key: Key | null,
  wanted: (body: Cells) => boolean,
): void {
  sink.varint(entry.db);
  sink.bytes(entry.bytes, entry.nameStart, entry.nameEnd);
  if (key === null) {
    sink.u8(1);
    if (entry.kind === COUNTER) writeCell(sink, cellOf(entry));
    else writeRegister(sink, entry);
    return;
  }
  const { cell, deadlines, floors, generations } = key;
  const bodies = key.bodies.filter(wanted);
  const set = bodies.find(({ tag }) => tag === SET);
  const hash = bodies.find(({ tag }) => tag === HASH);
  const others = bodies.filter((body) => body !== set && body !== hash);
  sink.u8(
    (cell === null ? 0 : 1) |
      (set === undefined ? 0 : 2) |
      (hash === undefined ? 0 : 4) |
      (deadlines.length === 0 ? 0 : 8) |
      (floors.length === 0 ? 0 : 16) |
      (others.length === 0 ? 0 : 32) |
      (generations.length === 0 ? 0 : 64),
  );
  if (cell !== null) writeCell(sink, cell);
  if (set !== undefined) writeCells(sink, set);
  if (hash !== undefined) writeCells(sink, hash);
  if (deadlines.length > 0) sink.varint(deadlines.length);
  for (const { origin, seq, ms, tick, deadline } of deadlines) {
    sink.varint(origin);
    sink.varint(seq);
    sink.u48(ms);
    sink.u16(tick);
    sink.u48(deadline);
  }
  if (floors.length > 0) sink.varint(floors.length);
  for (const { origin, seq, bornMs, writtenMs, writtenTick } of floors) {
    sink.varint(origin);
    sink.varint(seq);
    sink.u48(bornMs);
    sink.u48(writtenMs);
    sink.u16(writtenTick);
  }
  if (others.length > 0) sink.varint(others.length);
  for (const body of others) {
    sink.varint(body.tag);
    writeCells(sink, body);
  }
  if (generations.length > 0) sink.varint(generations.length);
  for (const { kind, origin, seq, ms, tick, state } of generations) {
    sink.u8(kind.number);
    sink.varint(origin);
    sink.varint(seq);
    sink.u48(ms);
    sink.u16(tick);
    const payload = state.encode();
    sink.bytes(payload, 0, payload.length);
  }
}

function writeCells(sink: Sink, cells: Cells): void {
  const entry = new Entry();
  sink.varint(cells.table.size);
  cells.table.each((at) => writeNamedCell(sink, cells, at, entry));
}

function writeNamedCell(sink: Sink, { table }: Cells, at: number, entry: Entry): void {
  table.load(at, entry);
  sink.bytes(entry.bytes, entry.nameStart, entry.nameEnd);
  if (entry.kind === OBJECT) writeCell(sink, table.object(entry));
  else writeRegister(sink, entry);
}

function writeRegister(sink: Sink, entry: Entry): void {
  sink.u8(format.CELL_REGISTER);
  writeSibling(sink, entry);
  sink.bytes(entry.bytes, entry.valueStart, entry.valueEnd);
}

function writeSibling(
  sink: Sink,
  sibling: { origin: number; seq: number; ms: number; tick: number; deadline: number },
): void {
  sink.varint(sibling.origin);
  sink.varint(sibling.seq);
  sink.u48(sibling.ms);
  sink.u16(sibling.tick);
  sink.u48(sibling.deadline === Infinity ? format.NEVER : sibling.deadline);
}

function writeCell(sink: Sink, cell: Cell): void {
  sink.u8(format.CELL_OBJECT);
  sink.varint(cell.siblings.length);
  for (const sibling of cell.siblings) {
    writeSibling(sink, sibling);
    sink.bytes(sibling.value, 0, sibling.value.length);
  }
  sink.varint(cell.eras.length);
  for (const era of cell.eras) {
    sink.varint(era.origin);
    writeSeq(sink, era.start);
    sink.u48(era.startMs);
    sink.u16(era.startTick);
    writeSeq(sink, era.seq);
    writeAmount(sink, era.sum);
    writeSeq(sink, era.resetSeq);
    writeAmount(sink, era.resetSum);
  }
}

/** A counter's seq with its fraction. */
function writeSeq(sink: Sink, seq: number): void {
  sink.varint(seq / ERA_STEP);
}
