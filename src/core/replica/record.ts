/**
 * Record: one atomic write as bytes.
 *
 *   run    = origin | varint first seq | varint count | varint byte length | records        consecutive seqs of one origin
 *   record = varint length | u8 flags | varint ms since the previous record | varint tick (or ticks since, if ms is 0)
 *            [introductions: varint n, n × origin] [dependencies: varint n, n × (varint reference, varint growth)] | effects
 *
 * Everything is relative to the origin's previous record (`Lineage`), so these bytes are the same in every log and on every link.
 *
 * Invariant: a run is whole: whoever reads a block or a batch finds runs back to back, each with every record between its first
 * and its last seq.
 */
import { assert } from "../assert.ts";
import { Sink } from "../bytes/sink.ts";
import { Malformed, type Source } from "../bytes/source.ts";
import { type Origins, readOrigin, writeOrigin } from "../clock/origins.ts";
import { STAMP_MS_MAX } from "../clock/stamp.ts";
import type { Vector } from "../clock/vector.ts";
import type { Reset } from "../crdt/cell.ts";
import type { Context } from "../crdt/context.ts";
import { writeResets } from "./effect.ts";
import type { Lineage } from "./lineage.ts";

const HAS_INTRODUCTIONS = 1;
const HAS_DEPENDENCIES = 2;
const FLAGS_KNOWN = HAS_INTRODUCTIONS | HAS_DEPENDENCIES;

/** What blocks of the log hold. */
export const BLOCK_RUNS = 0;
/** The clock's ceiling: no stamp or promise beyond it was ever given. */
export const BLOCK_CEILING = 1;
/** What this member has promised and accepted of strong keys. */
export const BLOCK_STRONG = 2;

/** Collects the records of a turn, ours and those applied from peers, as the runs of one block. */
export class RecordSink {
  readonly #origins: Origins;
  /** The block: closed runs. */
  readonly block = new Sink(64 * 1024);
  /** The records of the open run. */
  readonly #run = new Sink(64 * 1024);
  readonly #header = new Sink(256);
  #origin = -1;
  #firstSeq = 0;
  #nextSeq = 0;
  /** Origins introduced by the record being written. */
  readonly #introduced: number[] = [];
  readonly #growth = new Sink(64);
  /** Of each dependency that grew: its origin, and the seq it grew from. */
  readonly #grown: number[] = [];
  /** Records since the last `take`. */
  count = 0;

  constructor(origins: Origins) {
    this.#origins = origins;
    this.block.u8(BLOCK_RUNS);
  }

  get empty(): boolean {
    return this.count === 0;
  }

  /** Makes sure the lineage can refer to an origin in the record being written; to its own first of all. */
  #introduce(lineage: Lineage, origin: number): void {
    if (lineage.numbers.length === 0 && origin !== lineage.number)
      this.#introduce(lineage, lineage.number);
    if (lineage.reference(origin) >= 0) return;
    lineage.introduce(origin);
    this.#introduced.push(origin);
  }

  /** Writes a dot this replica has applied, relative to the dependencies the record will have. */
  dot(sink: Sink, lineage: Lineage, applied: Vector, origin: number, seq: number): void {
    lineage.deps.raise(lineage.number, applied.get(lineage.number));
    this.#introduce(lineage, origin);
    this.#depend(lineage, origin, applied.get(origin));
    sink.varint(lineage.reference(origin));
    sink.varint(lineage.deps.get(origin) - seq);
  }

  /** Writes resets; they are relative to the dependencies the record will have. */
  resets(sink: Sink, lineage: Lineage, applied: Vector, resets: readonly Reset[]): void {
    lineage.deps.raise(lineage.number, applied.get(lineage.number));
    for (const { origin } of resets) {
      this.#introduce(lineage, origin);
      this.#depend(lineage, origin, applied.get(origin));
    }
    writeResets(sink, lineage, resets);
  }

  /** Appends our own record: `effects` made in `context`, after everything in `applied`. */
  append(lineage: Lineage, context: Context, applied: Vector, effects: Sink): void {
    const { seq, ms, tick, origin } = context;
    assert(seq > 1 || lineage.ms === 0, "an origin begins once");
    if (lineage.numbers.length === 0) this.#introduce(lineage, origin);
    for (let number = 0; number < this.#origins.count; number++)
      if (number !== origin && applied.get(number) > lineage.deps.get(number)) {
        this.#introduce(lineage, number);
        this.#depend(lineage, number, applied.get(number));
      }
    const header = this.#header;
    header.clear();
    const introduces = this.#introduced.length > 0;
    const depends = this.#dependencies > 0;
    header.u8((introduces ? HAS_INTRODUCTIONS : 0) | (depends ? HAS_DEPENDENCIES : 0));
    header.varint(ms - lineage.ms);
    header.varint(ms === lineage.ms ? tick - lineage.tick : tick);
    if (introduces) {
      header.varint(this.#introduced.length);
      for (const number of this.#introduced) writeOrigin(header, this.#origins.get(number));
      this.#introduced.length = 0;
    }
    if (depends) {
      header.varint(this.#dependencies);
      header.raw(this.#growth.buffer, 0, this.#growth.length);
      this.#growth.clear();
      this.#grown.length = 0;
      this.#dependencies = 0;
    }
    lineage.ms = ms;
    lineage.tick = tick;
    lineage.deps.raise(origin, seq);
    this.#open(origin, seq);
    const run = this.#run;
    run.varint(header.length + effects.length);
    run.raw(header.buffer, 0, header.length);
    run.raw(effects.buffer, 0, effects.length);
  }

  /** Forgets what was said of the record being written, which is given up. */
  giveUp(lineage: Lineage, applied: Vector): void {
    for (let i = 0; i < this.#grown.length; i += 2)
      lineage.deps.lower(this.#grown[i] as number, this.#grown[i + 1] as number);
    for (let left = this.#introduced.length; left > 0; left--) lineage.forget();
    if (lineage.numbers.length > 0) lineage.deps.lower(lineage.number, applied.get(lineage.number));
    this.#grown.length = 0;
    this.#introduced.length = 0;
    this.#growth.clear();
    this.#dependencies = 0;
  }

  #dependencies = 0;

  #depend(lineage: Lineage, number: number, seq: number): void {
    const known = lineage.deps.get(number);
    if (seq <= known || number === lineage.number) return;
    this.#grown.push(number, known);
    this.#growth.varint(lineage.reference(number));
    this.#growth.varint(seq - known);
    this.#dependencies++;
    lineage.deps.raise(number, seq);
  }

  /** Appends a peer's record as it came: `bytes[start … end)` with its length in front. */
  relay(origin: number, seq: number, bytes: Buffer, start: number, end: number): void {
    this.#open(origin, seq);
    this.#run.raw(bytes, start, end);
  }

  #open(origin: number, seq: number): void {
    this.count++;
    if (origin === this.#origin && seq === this.#nextSeq) {
      this.#nextSeq++;
      return;
    }
    this.#close();
    this.#origin = origin;
    this.#firstSeq = seq;
    this.#nextSeq = seq + 1;
  }

  #close(): void {
    if (this.#origin < 0) return;
    const { block } = this;
    writeOrigin(block, this.#origins.get(this.#origin));
    block.varint(this.#firstSeq);
    block.varint(this.#nextSeq - this.#firstSeq);
    block.bytes(this.#run.buffer, 0, this.#run.length);
    this.#run.clear();
    this.#origin = -1;
  }

  /** The block of everything since `clear`; valid until then. */
  take(): Buffer {
    this.#close();
    return this.block.view();
  }

  clear(): void {
    this.block.clear();
    this.block.u8(BLOCK_RUNS);
    this.count = 0;
  }
}

/** Reads runs back to back; see the drawing above. */
export class RunReader {
  readonly #origins: Origins;
  /** Local number of the run's origin. */
  origin = -1;
  firstSeq = 0;
  lastSeq = 0;
  /** Where the run begins, header included. */
  begin = 0;
  /** The run's records lie in `bytes[start … end)`. */
  start = 0;
  end = 0;

  constructor(origins: Origins) {
    this.#origins = origins;
  }

  /** Reads the next run's header and moves `source` behind the run; false at the end. */
  next(source: Source): boolean {
    if (source.left === 0) return false;
    this.begin = source.at;
    this.origin = this.#origins.introduce(readOrigin(source));
    this.firstSeq = source.varint();
    const count = source.varint();
    const length = source.varint();
    this.lastSeq = this.firstSeq + count - 1;
    // Every record takes at least a byte, so a count beyond the bytes is a lie.
    if (this.firstSeq === 0 || count === 0 || count > length)
      throw new Malformed("a run holds at least one record, and seqs begin at 1");
    this.start = source.skip(length);
    this.end = this.start + length;
    return true;
  }
}

/** Skips a record's header, of which what is relative to the record before makes no sense by itself. */
export function skipHeader(source: Source): void {
  const flags = source.u8();
  source.varint();
  source.varint();
  if ((flags & HAS_INTRODUCTIONS) !== 0)
    for (let left = source.varint(); left > 0; left--) readOrigin(source);
  if ((flags & HAS_DEPENDENCIES) === 0) return;
  for (let left = source.varint(); left > 0; left--) {
    source.varint();
    source.varint();
  }
}

const never = (): boolean => false;

/** Reads a record's header, and holds it until the record may be applied. */
export class RecordReader {
  ms = 0;
  tick = 0;
  /** Dependencies that grew: local number, and the seq it grew to. */
  count = 0;
  numbers = new Int32Array(64);
  seqs = new Float64Array(64);
  readonly introduced: number[] = [];
  readonly #origins: Origins;

  constructor(origins: Origins) {
    this.#origins = origins;
  }

  /** Reads up to the effects. Changes nothing but the origins known. */
  read(source: Source, lineage: Lineage): void {
    const flags = source.u8();
    if ((flags & ~FLAGS_KNOWN) !== 0)
      throw new Malformed(`a record has flags (${flags}) that this version does not know`);
    const sinceMs = source.varint();
    const ticks = source.varint();
    this.ms = lineage.ms + sinceMs;
    this.tick = sinceMs === 0 ? lineage.tick + ticks : ticks;
    if (this.tick > 0xffff || this.ms > STAMP_MS_MAX)
      throw new Malformed("a stamp is out of bounds");
    this.introduced.length = 0;
    this.count = 0;
    if ((flags & HAS_INTRODUCTIONS) !== 0)
      for (let left = source.varint(); left > 0; left--)
        this.introduced.push(this.#origins.introduce(readOrigin(source)));
    if ((flags & HAS_DEPENDENCIES) !== 0) this.#readDependencies(source, lineage);
  }

  #readDependencies(source: Source, lineage: Lineage): void {
    const count = source.varint();
    if (count > 4096) throw new Malformed("a record depends on more origins than there can be");
    if (count > this.numbers.length) {
      this.numbers = new Int32Array(count);
      this.seqs = new Float64Array(count);
    }
    for (let i = 0; i < count; i++) {
      const number = this.origin(lineage, source.varint());
      if (number < 0) throw new Malformed("a record depends on an origin nobody introduced");
      this.numbers[i] = number;
      this.seqs[i] = lineage.deps.get(number) + source.varint();
    }
    this.count = count;
  }

  /** The local number of an origin by the reference of the record's own, which may introduce it; −1 if nobody did. */
  origin(lineage: Lineage, reference: number): number {
    const known = lineage.numbers.length;
    return (
      (reference < known ? lineage.numbers[reference] : this.introduced[reference - known]) ?? -1
    );
  }

  /** What the record, at `seq`, depends on of one origin. */
  dependency(lineage: Lineage, number: number, seq: number): number {
    if (number === lineage.number) return seq;
    for (let i = 0; i < this.count; i++)
      if (this.numbers[i] === number) return this.seqs[i] as number;
    return lineage.deps.get(number);
  }

  /** Whether everything the record depends on is applied, but for what `isVoid` says will never be. */
  deliverable(applied: Vector, isVoid: (origin: number, seq: number) => boolean = never): boolean {
    for (let i = 0; i < this.count; i++) {
      const number = this.numbers[i] as number;
      const seq = this.seqs[i] as number;
      if (!applied.covers(number, seq) && !isVoid(number, seq)) return false;
    }
    return true;
  }

  /** Moves the lineage to this record, which is about to be applied. */
  advance(lineage: Lineage, seq: number): void {
    for (const number of this.introduced) lineage.introduce(number);
    for (let i = 0; i < this.count; i++)
      lineage.deps.raise(this.numbers[i] as number, this.seqs[i] as number);
    lineage.deps.raise(lineage.number, seq);
    lineage.ms = this.ms;
    lineage.tick = this.tick;
  }
}
