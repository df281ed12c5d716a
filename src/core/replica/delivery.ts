/**
 * Delivery: takes records from links and from the log, and applies each once, in causal order.
 *
 *   run ─► seen already? drop ─► gap? ask for what is missing ─► dependencies applied? ─► apply, append to our log
 *                                                               └─ no, or from the future, or the turn is full: wait
 *
 * Invariant: a record is applied when its seq is the next of its origin and everything it depends on is applied, or lies beyond the
 * seal of a removed member, as then it never will be. What lies beyond a seal itself is dropped. It is appended
 * to our log when it is applied, so the log's order is a causal order too, and what waits is not acknowledged: after a crash
 * the peer sends it again.
 */
import { Malformed, Source } from "../bytes/source.ts";
import type { Origins } from "../clock/origins.ts";
import { AHEAD_MAX_MS, type HybridClock } from "../clock/stamp.ts";
import type { Vector } from "../clock/vector.ts";
import { Context } from "../crdt/context.ts";
import { Place } from "../keyspace/place.ts";
import { STEP_BITS, STEPS_CALL } from "../keyspace/steps.ts";
import type { Applier } from "./apply.ts";
import { EffectReader } from "./effect.ts";
import { checkEffects } from "./effect-check.ts";
import { Lineage } from "./lineage.ts";
import { RecordReader, type RecordSink, RunReader } from "./record.ts";

/** Records of one origin that wait, from the next one on without a gap. */
interface Waiting {
  readonly origin: number;
  firstSeq: number;
  readonly records: Buffer[];
  /** Physical time when the head began to wait. */
  sinceMs: number;
  /** The link that sent the head: it has what the head depends on. */
  link: number;
  /** The stamp of the head, in milliseconds, where it is too far ahead of our clock; else 0. */
  aheadMs: number;
}

/** Bytes that may wait; more are dropped and asked for again once they are next. */
const WAITING_MAX_BYTES = 64 * 1024 * 1024;

export class Delivery {
  readonly #clock: HybridClock;
  readonly #applier: Applier;
  readonly #applied: Vector;
  readonly #records: RecordSink;
  readonly #runs: RunReader;
  readonly #record: RecordReader;
  readonly #effects: EffectReader;
  readonly #source = new Source(Buffer.alloc(0));
  readonly #context = new Context();
  readonly lineages: Lineage[] = [];
  readonly waiting = new Map<number, Waiting>();
  #waitingBytes = 0;
  /** Physical time of this turn; judges stamps from the future. */
  nowMs = 0;
  /** The link that each origin's records last came over. */
  readonly via: number[] = [];
  /** Counters for status. */
  appliedCount = 0;
  duplicateCount = 0;
  /** Up to which seq records of an origin are taken: roster.ts. */
  limitOf: (origin: number) => number = () => Infinity;
  /** Whether a record will never be applied, as it lies beyond the seal of its origin, of which we have the rest. */
  readonly #isVoid = (origin: number, seq: number): boolean => this.isVoid(origin, seq);
  isVoid: (origin: number, seq: number) => boolean = () => false;
  /** Records dropped because they lie beyond a limit. */
  voidCount = 0;
  /** Origins of which something is missing before what was received: origin → first missing seq. */
  readonly gaps = new Map<number, number>();
  /** Whether this turn has had its share of work; told by the host. */
  isTurnFull: () => boolean = () => false;
  /** What waits may be only waiting for the next turn: `retry` then. */
  unfinished = false;
  /** Links whose records, once their turn came, made no sense: link → why. The replica closes them. */
  readonly broken = new Map<number, string>();

  constructor(
    origins: Origins,
    clock: HybridClock,
    applier: Applier,
    applied: Vector,
    records: RecordSink,
  ) {
    this.#clock = clock;
    this.#applier = applier;
    this.#applied = applied;
    this.#records = records;
    this.#runs = new RunReader(origins);
    this.#record = new RecordReader(origins);
    this.#effects = new EffectReader(applier, new Place());
  }

  lineage(origin: number): Lineage {
    return (this.lineages[origin] ??= new Lineage(origin));
  }

  /** Takes over a lineage from a checkpoint. */
  adopt(lineage: Lineage): void {
    this.lineages[lineage.number] = lineage;
  }

  /**
   * Takes a batch from a link; returns how many records were new. Throws `Malformed`: the records before are applied, the one that
   * makes no sense leaves nothing, and what follows it is not looked at.
   */
  receive(link: number, bytes: Buffer, start: number, end: number): number {
    const source = new Source(bytes, start, end);
    const before = this.appliedCount;
    while (this.#runs.next(source)) {
      const { origin, firstSeq, lastSeq, start: at, end: to } = this.#runs;
      if (lastSeq <= this.#applied.get(origin)) this.duplicateCount += lastSeq - firstSeq + 1;
      else {
        this.via[origin] = link;
        this.#receiveRun(link, origin, firstSeq, lastSeq, bytes, at, to);
      }
    }
    if (this.waiting.size > 0 && this.appliedCount > before) this.retry();
    return this.appliedCount - before;
  }

  #receiveRun(
    link: number,
    origin: number,
    firstSeq: number,
    lastSeq: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const source = this.#source;
    const limit = this.limitOf(origin);
    let seq = firstSeq;
    for (let at = start; at < end; seq++) {
      if (seq > lastSeq) throw new Malformed("a run holds more records than it says");
      if (seq > limit) {
        this.voidCount += lastSeq - seq + 1;
        return;
      }
      source.reset(bytes, at, end);
      const length = source.varint();
      const body = source.skip(length);
      const next = source.at;
      const expected = this.#applied.get(origin) + 1;
      if (seq < expected) this.duplicateCount++;
      else if (this.waiting.has(origin) || seq > expected || this.#isFull()) {
        if (!this.#wait(link, origin, seq, bytes, at, next, 0)) return;
      } else if (!this.#apply(origin, seq, bytes, at, body, next)) {
        this.#wait(link, origin, seq, bytes, at, next, this.#isAhead() ? this.#record.ms : 0);
      }
      at = next;
    }
    if (seq <= lastSeq) throw new Malformed("a run holds fewer records than it says");
  }

  /** Applies the record `bytes[at … end)`, body from `body`, if it is deliverable. */
  #apply(
    origin: number,
    seq: number,
    bytes: Buffer,
    at: number,
    body: number,
    end: number,
  ): boolean {
    const record = this.#record;
    const source = this.#source;
    const lineage = this.lineage(origin);
    source.reset(bytes, body, end);
    record.read(source, lineage);
    if (!record.deliverable(this.#applied, this.#isVoid) || this.#isAhead()) return false;
    const effects = source.at;
    checkEffects(source, record, lineage, seq, this.#applier.keyspace.kinds);
    source.at = effects;
    this.#commit(lineage, seq, source);
    this.#records.relay(origin, seq, bytes, at, end);
    return true;
  }

  /** Whether the turn holds no more: then the rest waits for the next one. */
  #isFull(): boolean {
    if (!this.isTurnFull()) return false;
    this.unfinished = true;
    return true;
  }

  #isAhead(): boolean {
    return this.#record.ms > this.nowMs + AHEAD_MAX_MS;
  }

  /** Applies the effects that `source` stands at, of the record whose header was just read. */
  #commit(lineage: Lineage, seq: number, source: Source): void {
    const record = this.#record;
    const start = source.at;
    record.advance(lineage, seq);
    this.#clock.observe(record.ms, record.tick);
    const context = this.#context;
    context.deps = lineage.deps;
    context.origin = lineage.number;
    context.seq = seq;
    context.ms = record.ms;
    context.tick = record.tick;
    const own = this.#applier.context;
    this.#applier.context = context;
    this.#effects.apply(source, lineage);
    this.#applier.conflicts.recordApplied(context);
    this.#applier.context = own;
    this.#applier.keyspace.heap.steps += STEPS_CALL + ((source.end - start) >>> STEP_BITS);
    this.#applied.raise(lineage.number, seq);
    this.appliedCount++;
  }

  /** Keeps a record until it is its turn; false if it must be sent again later. */
  #wait(
    link: number,
    origin: number,
    seq: number,
    bytes: Buffer,
    at: number,
    end: number,
    aheadMs: number,
  ): boolean {
    const waiting = this.waiting.get(origin);
    const expected =
      waiting === undefined
        ? this.#applied.get(origin) + 1
        : waiting.firstSeq + waiting.records.length;
    if (seq < expected) {
      this.duplicateCount++;
      return true;
    }
    if (seq > expected || this.#waitingBytes + (end - at) > WAITING_MAX_BYTES) {
      if (!this.gaps.has(origin)) this.gaps.set(origin, expected);
      return false;
    }
    const copy = Buffer.from(bytes.subarray(at, end));
    this.#waitingBytes += copy.length;
    if (waiting === undefined)
      this.waiting.set(origin, {
        origin,
        firstSeq: seq,
        records: [copy],
        sinceMs: this.nowMs,
        link,
        aheadMs,
      });
    else waiting.records.push(copy);
    return true;
  }

  /** Applies what has become deliverable, as long as there is progress and the turn is not full. */
  retry(): void {
    this.unfinished = false;
    let progress = true;
    while (progress) {
      progress = false;
      for (const waiting of this.waiting.values())
        try {
          if (this.#retryOne(waiting)) progress = true;
        } catch (error) {
          if (!(error instanceof Malformed)) throw error;
          this.#discard(waiting, error);
        }
    }
  }

  /** The head of what waits makes no sense. Another peer may send it as it was made. */
  #discard(waiting: Waiting, error: Malformed): void {
    this.forget(waiting.origin);
    this.broken.set(waiting.link, error.message);
  }

  /** Forgets what waits of an origin: whoever has it will be asked for it. */
  forget(origin: number): void {
    if (!this.waiting.delete(origin)) return;
    this.#waitingBytes = 0;
    for (const { records } of this.waiting.values())
      for (const bytes of records) this.#waitingBytes += bytes.length;
  }

  #retryOne(waiting: Waiting): boolean {
    let count = 0;
    for (const bytes of waiting.records) {
      const seq = waiting.firstSeq + count;
      if (this.#isFull()) break;
      if (seq > this.#applied.get(waiting.origin)) {
        const source = this.#source;
        source.reset(bytes, 0, bytes.length);
        source.varint();
        if (!this.#apply(waiting.origin, seq, bytes, 0, source.at, bytes.length)) {
          waiting.aheadMs = this.#isAhead() ? this.#record.ms : 0;
          break;
        }
      }
      this.#waitingBytes -= bytes.length;
      count++;
    }
    if (count === 0) return false;
    waiting.records.splice(0, count);
    waiting.firstSeq += count;
    waiting.sinceMs = this.nowMs;
    if (waiting.records.length === 0) this.waiting.delete(waiting.origin);
    return true;
  }

  /** Origins whose waiting head depends on records that are missing here: local numbers. */
  missing(waiting: Waiting): number[] {
    const bytes = waiting.records[0] as Buffer;
    const source = new Source(bytes);
    source.varint();
    const record = this.#record;
    record.read(source, this.lineage(waiting.origin));
    const missing: number[] = [];
    for (let i = 0; i < record.count; i++) {
      const number = record.numbers[i] as number;
      const seq = record.seqs[i] as number;
      if (!this.#applied.covers(number, seq) && !this.isVoid(number, seq)) missing.push(number);
    }
    return missing;
  }

  get waitingCount(): number {
    let count = 0;
    for (const { records } of this.waiting.values()) count += records.length;
    return count;
  }

  /** Replays runs from our own log: they were deliverable when they were written. Nothing is appended again. */
  replay(bytes: Buffer, start: number, end: number): void {
    const runs = new Source(bytes, start, end);
    while (this.#runs.next(runs)) {
      const { origin, firstSeq, start: from, end: to } = this.#runs;
      const lineage = this.lineage(origin);
      const source = this.#source;
      let seq = firstSeq;
      for (let at = from; at < to; seq++) {
        source.reset(bytes, at, to);
        const length = source.varint();
        const body = source.skip(length);
        at = source.at;
        if (seq <= this.#applied.get(origin)) continue;
        if (seq !== this.#applied.get(origin) + 1)
          throw new Malformed(`the log continues an origin at ${seq} instead of where it stopped`);
        source.reset(bytes, body, at);
        this.#record.read(source, lineage);
        this.#commit(lineage, seq, source);
      }
    }
  }
}
