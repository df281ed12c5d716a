/**
 * Checkpoint: the state of a replica as bytes, taken in slices while it goes on writing.
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
import { Malformed, Source } from "../bytes/source.ts";
import { type Origins, readOrigin, writeOrigin } from "../clock/origins.ts";
import { readStampMs } from "../clock/stamp.ts";
import { readDotSeq, Vector } from "../clock/vector.ts";
import { readAmount, writeAmount } from "../crdt/amount.ts";
import { Cell, ERA_STEP, type Reset } from "../crdt/cell.ts";
import { cellOf, type Cells } from "../crdt/cells.ts";
import type { Generation } from "../crdt/generation.ts";
import { type Collection, HASH, Key, type MemberFloor, SET } from "../crdt/key.ts";
import { type Keyspace, keyOf } from "../keyspace/keyspace.ts";
import { Place } from "../keyspace/place.ts";
import { COUNTER, Entry, OBJECT, type Table, WALK_END } from "../keyspace/table.ts";
import type { Strong } from "../strong/strong.ts";
import { readValue, writeValue } from "../strong/strong-state.ts";
import { checkCell } from "./cell-check.ts";
import { readBody, readCounting, readDb, readKind } from "./effect.ts";
import type { GarbageItem } from "./garbage.ts";
import { readLineage } from "./lineage.ts";
import type { Replica } from "./replica.ts";

/** Format 4 has strong keys: without any it is still format 3, which an older version reads. */
export const CHECKPOINT_VERSION = 4;
/** Entries in a slice: what is written between two turns. Once it has so many bytes, it ends sooner. */
const SLICE_ENTRIES = 1024;
const SLICE_BYTES = 64 * 1024;
/** Entries between two looks at how many bytes there are. */
const STEP_ENTRIES = 32;
const NEVER = 2 ** 48 - 1;

/** Instead of a key's parts: more cells of a body. */
const MORE = 128;
/** Instead of a key's parts: the floors of its members. */
const MEMBER_FLOORS = 129;
/** Instead of a key's parts: what was decided about it, a strong key. */
const LEARNED = 130;
/** Instead of a key's parts, behind a key of no name: what this member has promised and accepted. */
const ACCEPTOR = 131;

/** What garbage waits, by its number. */
const ITEM_KINDS = ["", "flush", "resets", "member", "floor"] as const;

const CELL_REGISTER = 0;
const CELL_OBJECT = 1;

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
      const key = keyAt(table, entry);
      const isLarge = (body: Cells): boolean => body.table.size > this.#keyspace.large;
      for (const { tag } of key?.bodies.filter(isLarge) ?? []) {
        const { db, bytes, nameStart, nameEnd } = entry;
        this.#bodies.push({ db, name: Buffer.from(bytes.subarray(nameStart, nameEnd)), tag });
      }
      writeEntry(this.#sink, entry, key, (body) => !isLarge(body));
      if (key?.memberFloors) writeMemberFloors(this.#sink, entry, key.memberFloors);
    });
    this.#walked = this.#cursor === 0;
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

/** Loads the sections of a checkpoint, in order, into a replica that is still empty. */
export class CheckpointLoader {
  readonly #replica: Replica;
  /** The file's number of an origin → ours. */
  readonly #numbers: number[] = [];
  readonly #place = new Place();
  /** The newest record of each origin that anything loaded shows. */
  readonly shown = new Vector();
  position = 0;

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  /** Throws `Malformed` for bytes that this version cannot read. */
  section(bytes: Buffer, index: number): void {
    const source = new Source(bytes);
    if (index === 0) return this.#readHeader(source);
    this.#readOrigins(source);
    while (source.left > 0) this.#readEntry(source);
  }

  #readOrigins(source: Source): void {
    for (let left = source.varint(); left > 0; left--)
      this.#numbers.push(this.#replica.origins.introduce(readOrigin(source)));
  }

  #number(source: Source): number {
    const number = this.#numbers[source.varint()];
    if (number === undefined) throw new Malformed("an entry names an origin nobody introduced");
    return number;
  }

  #dot(source: Source): { origin: number; seq: number } {
    const origin = this.#number(source);
    return { origin, seq: this.#seq(origin, source.varint()) };
  }

  /** The seq of a record of `origin`, of which something shows. */
  #seq(origin: number, seq: number): number {
    this.shown.raise(origin, Math.floor(seq));
    return seq;
  }

  /**
   * Call it behind the log. A slice may show records beyond the vector it began with, and the log behind holds all of them. What shows
   * others was not written by a replica that works: to remove it would take a record that has seen what nobody made. Throws `Malformed`.
   */
  check(): void {
    if (!this.#replica.applied.includes(this.shown))
      throw new Malformed(
        "the checkpoint shows records that neither it nor the log behind it holds",
      );
  }

  #readVector(source: Source): Vector {
    const vector = new Vector();
    for (const number of this.#numbers) vector.raise(number, readDotSeq(source));
    return vector;
  }

  #readHeader(source: Source): void {
    const replica = this.#replica;
    const version = source.u8();
    // Format 1 had nothing but strings, sets and hashes; format 2 no bitmaps and floors of members.
    if (version === 0 || version > CHECKPOINT_VERSION)
      throw new Malformed(
        `the checkpoint has format ${version}, this version reads 1 to ${CHECKPOINT_VERSION}`,
      );
    this.#readOrigins(source);
    this.position = source.varint();
    replica.applied.join(this.#readVector(source));
    for (let left = source.varint(); left > 0; left--) {
      const lineage = readLineage(source, replica.origins);
      replica.delivery.adopt(lineage);
    }
    replica.clock.observe(readStampMs(source), source.u16());
    const marks = [];
    for (let left = source.varint(); left > 0; left--)
      marks.push({ position: source.varint(), vector: this.#readVector(source) });
    replica.index.restore(marks, this.position);
    for (let left = source.varint(); left > 0; left--) {
      const origin = this.#number(source);
      const seq = this.#seq(origin, source.varint());
      const [db, ms, tick] = [readDb(source), source.u48(), source.u16()];
      replica.keyspace.flushes.push({ origin, seq, db: db - 1, ms, tick });
    }
    for (let left = source.varint(); left > 0; left--) {
      const item = this.#item(source);
      replica.garbage.restore(item);
      this.#raiseFloor(item);
    }
  }

  /**
   * A floor that stood when the checkpoint began. It may have been let go before its key was written: what it kept out meanwhile is
   * replayed, and must be kept out again.
   */
  #raiseFloor({ origin, seq, db, key: name, what }: GarbageItem): void {
    if (what.kind !== "member" && what.kind !== "floor") return;
    const { keyspace } = this.#replica;
    keyspace.locate(this.#place, db, name, 0, name.length);
    const key = keyspace.open(this.#place);
    if (what.kind === "member")
      key.raiseMemberFloor(what.member, { origin, seq, ms: what.ms, tick: what.tick });
    else {
      const { bornMs, writtenMs, writtenTick } = what;
      key.raiseFloor({ origin, seq, bornMs, writtenMs, writtenTick });
    }
    keyspace.settle(this.#place, key);
  }

  #item(source: Source): GarbageItem {
    const origin = this.#number(source);
    const seq = this.#seq(origin, source.varint());
    const db = readDb(source);
    const key = Buffer.from(source.view());
    const kind = source.u8();
    if (kind === 0 || kind === 4) {
      // Formats 1 and 2 did not say where it was.
      const bornMs = kind === 0 ? 0 : source.u48();
      const writtenMs = kind === 0 ? 0 : source.u48();
      const writtenTick = kind === 0 ? 0 : source.u16();
      return { origin, seq, db, key, what: { kind: "floor", bornMs, writtenMs, writtenTick } };
    }
    if (kind === 1) return { origin, seq, db, key, what: { kind: "flush" } };
    if (kind === 3) {
      const member = readMember(source);
      const [ms, tick] = [source.u48(), source.u16()];
      return { origin, seq, db, key, what: { kind: "member", member, ms, tick } };
    }
    const tag = readCounting(source);
    const name = Buffer.from(source.view());
    const resets: Reset[] = [];
    for (let left = source.varint(); left > 0; left--) {
      const of = this.#number(source);
      resets.push({ origin: of, seq: this.#seq(of, readSeq(source)), sum: readAmount(source) });
    }
    return { origin, seq, db, key, what: { kind: "resets", tag, name, resets } };
  }

  #readEntry(source: Source): void {
    const { keyspace } = this.#replica;
    const place = this.#place;
    const db = readDb(source);
    const length = source.varint();
    const start = source.skip(length);
    keyspace.locate(place, db, source.bytes, start, start + length);
    const parts = source.u8();
    if (parts === 1 && place.at < 0 && source.bytes[source.at] === CELL_REGISTER)
      return this.#readPlain(source);
    if (parts === MORE) {
      const key = keyspace.open(place);
      this.#cells(source, keyspace.cells(key, readBody(source)));
      return keyspace.settle(place, key);
    }
    if (parts === MEMBER_FLOORS) return this.#memberFloors(source);
    if (parts === LEARNED) {
      const name = source.bytes.subarray(start, start + length);
      this.#replica.strong.learn(db, name, readValue(source));
      return;
    }
    if (parts === ACCEPTOR) return this.#replica.strong.acceptor.replay(source.view(), 0);
    const key = new Key();
    // Should the key be there already, this entry takes its place, in the counts too.
    if (place.at >= 0) {
      const there = keyspace.open(place);
      const { counted, countedExpiring, countedExpirable, floors, memberFloors } = there;
      Object.assign(key, { counted, countedExpiring, countedExpirable, floors, memberFloors });
    }
    if ((parts & 1) !== 0) key.cell = this.#cell(source);
    if ((parts & 2) !== 0) this.#cells(source, keyspace.cells(key, SET));
    if ((parts & 4) !== 0) this.#cells(source, keyspace.cells(key, HASH));
    if ((parts & 8) !== 0)
      for (let left = source.varint(); left > 0; left--) {
        const dot = this.#dot(source);
        const [ms, tick, deadline] = [source.u48(), source.u16(), source.u48()];
        key.deadlines = [...key.deadlines, { ...dot, ms, tick, deadline }];
      }
    if ((parts & 16) !== 0)
      for (let left = source.varint(); left > 0; left--)
        key.raiseFloor({
          ...this.#dot(source),
          bornMs: source.u48(),
          writtenMs: source.u48(),
          writtenTick: source.u16(),
        });
    if ((parts & 32) !== 0)
      for (let left = source.varint(); left > 0; left--)
        this.#cells(source, keyspace.cells(key, readBody(source)));
    if ((parts & 64) !== 0)
      for (let left = source.varint(); left > 0; left--)
        key.generations = [...key.generations, this.#generation(source)];
    keyspace.settle(place, key);
  }

  /** A key that is one plain value, as most are, and is not there yet: it lies in the table as it is, and nothing else is made of it. */
  #readPlain(source: Source): void {
    const { keyspace } = this.#replica;
    const place = this.#place;
    source.u8();
    const origin = this.#number(source);
    const seq = this.#seq(origin, source.varint());
    const [ms, tick, until] = [source.u48(), source.u16(), source.u48()];
    const length = source.varint();
    const start = source.skip(length);
    const expiring = until === NEVER ? 0 : 1;
    keyspace.count(place.db, 1, expiring);
    keyspace.expirable += expiring;
    place.at = place.table.putRegister(
      -1,
      place.hash,
      place.db,
      place.bytes,
      place.start,
      place.end,
      origin,
      seq,
      ms,
      tick,
      until === NEVER ? Infinity : until,
      source.bytes,
      start,
      start + length,
    );
  }

  #memberFloors(source: Source): void {
    const { keyspace } = this.#replica;
    const key = keyspace.open(this.#place);
    for (let left = source.varint(); left > 0; left--) {
      const member = readMember(source);
      const { origin, seq } = this.#dot(source);
      const [ms, tick] = [source.u48(), source.u16()];
      key.raiseMemberFloor(member, { origin, seq, ms, tick });
    }
    keyspace.settle(this.#place, key);
  }

  #generation(source: Source): Generation {
    const kind = readKind(source, this.#replica.keyspace.kinds);
    const { origin, seq } = this.#dot(source);
    const [ms, tick] = [source.u48(), source.u16()];
    const state = kind.create();
    state.join(source.view());
    return { kind, origin, seq, ms, tick, state };
  }

  #cells(source: Source, cells: Cells): void {
    for (let left = source.varint(); left > 0; left--) {
      const name = source.view();
      const cell = this.#cell(source);
      checkCell(cells.tag, name, cell);
      cells.restore(name, cell);
    }
  }

  #cell(source: Source): Cell {
    const cell = new Cell();
    const kind = source.u8();
    const siblings = kind === CELL_REGISTER ? 1 : source.varint();
    for (let left = siblings; left > 0; left--) {
      const { origin, seq } = this.#dot(source);
      const [ms, tick] = [source.u48(), source.u16()];
      const deadline = source.u48();
      cell.siblings.push({
        origin,
        seq,
        ms,
        tick,
        deadline: deadline === NEVER ? Infinity : deadline,
        value: Buffer.from(source.view()),
      });
    }
    if (kind === CELL_REGISTER) return cell;
    for (let left = source.varint(); left > 0; left--) {
      const origin = this.#number(source);
      cell.eras.push({
        origin,
        start: this.#seq(origin, readSeq(source)),
        startMs: source.u48(),
        startTick: source.u16(),
        seq: this.#seq(origin, readSeq(source)),
        sum: readAmount(source),
        resetSeq: this.#seq(origin, readSeq(source)),
        resetSum: readAmount(source),
      });
    }
    return cell;
  }
}

function writeHeader(sink: Sink, replica: Replica): void {
  const { origins, index, delivery, keyspace, garbage, clock } = replica;
  const writeVector = (vector: Vector): void => {
    for (let number = 0; number < origins.count; number++) sink.varint(vector.get(number));
  };
  const { strong } = replica;
  const isPlain = strong.learned.size === 0 && strong.acceptor.isBlank;
  sink.u8(isPlain ? CHECKPOINT_VERSION - 1 : CHECKPOINT_VERSION);
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
    sink.u8(LEARNED);
    writeValue(sink, value);
    if (sink.length >= SLICE_BYTES) yield;
  }
  if (!isOurs) return;
  for (const part of acceptor.parts(SLICE_BYTES)) {
    sink.varint(0);
    sink.bytes(part, 0, 0);
    sink.u8(ACCEPTOR);
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
  sink.u8(MORE);
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

function readMember(source: Source): string | null {
  return source.u8() === 0 ? null : source.text();
}

function writeMemberFloors(
  sink: Sink,
  { db, bytes, nameStart, nameEnd }: Entry,
  floors: ReadonlyMap<string | null, MemberFloor>,
): void {
  sink.varint(db);
  sink.bytes(bytes, nameStart, nameEnd);
  sink.u8(MEMBER_FLOORS);
  sink.varint(floors.size);
  for (const [member, { origin, seq, ms, tick }] of floors) {
    writeMember(sink, member);
    sink.varint(origin);
    sink.varint(seq);
    sink.u48(ms);
    sink.u16(tick);
  }
}

/** The key that was loaded, if it is more than a value with its dot and stamp. */
function keyAt(table: Table<Key>, entry: Entry): Key | null {
  if (entry.kind === OBJECT) return table.object(entry);
  return entry.expires ? keyOf(entry) : null;
}

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
  sink.u8(CELL_REGISTER);
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
  sink.u48(sibling.deadline === Infinity ? NEVER : sibling.deadline);
}

function writeCell(sink: Sink, cell: Cell): void {
  sink.u8(CELL_OBJECT);
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

function readSeq(source: Source): number {
  return source.varint() * ERA_STEP;
}
