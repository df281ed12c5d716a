/**
 * Cell: a register and a counter in one, because Redis lets one value be both. A string is a cell, so is a field of a hash; a
 * member of a set is a cell whose value is empty.
 *
 *   register   siblings: dot → value. A write removes the siblings it has seen, so siblings are concurrent writes, and which one
 *              a reader sees is a policy (a lens), not part of the data.
 *   counter    one era per origin: the sum of what that origin added since its era began, and how much of it was reset.
 *              value = Σ sum − (reset reaches into the era ? resetSum : 0)
 *
 * Invariant: the state is a function of the set of records applied, not of their order. An era is written by its origin alone and
 * within it `sum` is a function of `seq`, so the larger seq is the newer copy; resets cover prefixes of an origin's
 * additions, so the larger resetSeq reaches further. A removal takes exactly what it had seen: a concurrent addition survives.
 *
 * The losing siblings stay: a removal that saw only the winner makes one of them the survivor (keeping the winner alone
 * diverges).
 */
import { add, type Amount, subtract } from "./amount.ts";
import type { Context } from "./context.ts";
import { horizonOf } from "./key.ts";

/** The name of a write: by whom, and its how-manyeth record. */
export interface Dot {
  readonly origin: number;
  readonly seq: number;
}

export interface Sibling {
  readonly origin: number;
  readonly seq: number;
  readonly ms: number;
  readonly tick: number;
  /** The deadline of a string or a field travels with its value; Infinity is none. */
  readonly deadline: number;
  readonly value: Buffer;
}

/**
 * One origin's part of a counter.
 *
 * A `seq` here may have a fraction: a transaction can reset a counter and go on counting within one record, so the eras after
 * the first within a record begin at seq + n · `ERA_STEP`.
 */
export interface Era {
  readonly origin: number;
  /** Where the era began, and the stamp of that record: its birth, by which expiry judges it. */
  start: number;
  startMs: number;
  startTick: number;
  /** The last addition. */
  seq: number;
  /** What was added since `start`. */
  sum: Amount;
  /** The furthest reset seen: everything up to `resetSeq`, of which `resetSum` was in this era. */
  resetSeq: number;
  resetSum: Amount;
}

/** How far one reset reached into one origin's additions: what a removal carries for every era it saw. */
export interface Reset {
  readonly origin: number;
  readonly seq: number;
  readonly sum: Amount;
}

/** seqs stay below 2^41, so eleven bits are left for the eras within one record. */
export const ERA_STEP = 2 ** -11;

export class Cell {
  siblings: Sibling[] = [];
  eras: Era[] = [];

  /** A cell of its own that says the same. */
  copy(): Cell {
    const copy = new Cell();
    copy.siblings = this.siblings.slice();
    copy.eras = this.eras.map((era) => ({ ...era }));
    return copy;
  }

  /** Whether it holds nothing at all, not even resets waiting to become stable. */
  get empty(): boolean {
    return this.siblings.length === 0 && this.eras.length === 0;
  }

  /** Whether a reader sees a value at `nowMs`, −1 for expiry aside. Entries born up to `horizonMs` do not count. */
  live(horizonMs = -1, nowMs = -1): boolean {
    for (const { ms, deadline } of this.siblings)
      if (ms > horizonMs && deadline > nowMs) return true;
    return this.counting(this.horizon(horizonMs, nowMs));
  }

  /** When the last of the values expires that were born after `horizonMs`; Infinity for never. */
  deadline(horizonMs = -1): number {
    let last = -1;
    for (const { ms, deadline } of this.siblings)
      if (ms > horizonMs && deadline > last) last = deadline;
    return last < 0 ? Infinity : last;
  }

  /** Up to when what was born has expired at `nowMs`: increments share the deadline of the value they were added to. */
  horizon(horizonMs: number, nowMs: number): number {
    const deadline = this.deadline(horizonMs);
    return deadline > nowMs ? horizonMs : Math.max(horizonMs, horizonOf(deadline));
  }

  /** Whether additions are alive: that they sum to zero does not make them unmade. */
  counting(horizonMs = -1): boolean {
    for (const era of this.eras) if (era.seq > era.resetSeq && era.startMs > horizonMs) return true;
    return false;
  }

  /** What the living additions sum to. */
  sum(horizonMs = -1): Amount {
    let sum: Amount = 0;
    for (const era of this.eras) {
      if (era.seq <= era.resetSeq || era.startMs <= horizonMs) continue;
      sum = add(sum, era.resetSeq >= era.start ? subtract(era.sum, era.resetSum) : era.sum);
    }
    return sum;
  }

  era(origin: number): Era | undefined {
    for (const era of this.eras) if (era.origin === origin) return era;
    return undefined;
  }

  /** A write: replaces what it has seen. */
  put(context: Context, deadline: number, value: Buffer): void {
    this.dropSeen(context);
    const { origin, seq, ms, tick } = context;
    this.siblings.push({ origin, seq, ms, tick, deadline, value });
  }

  /** Says again, with another deadline, what was written at an earlier stamp: a concurrent write is newer, and wins. */
  restate(context: Context, ms: number, tick: number, deadline: number, value: Buffer): void {
    this.dropSeen(context);
    const { origin, seq } = context;
    this.siblings.push({ origin, seq, ms, tick, deadline, value });
  }

  /** A write that replaces exactly the writes named; the others stay, although it comes after them. */
  resolve(context: Context, dots: readonly Dot[], deadline: number, value: Buffer): void {
    const { origin, seq, ms, tick } = context;
    const goes = (s: Sibling): boolean =>
      (s.origin === origin && s.seq === seq) ||
      dots.some((dot) => dot.origin === s.origin && dot.seq === s.seq);
    this.siblings = this.siblings.filter((sibling) => !goes(sibling));
    this.siblings.push({ origin, seq, ms, tick, deadline, value });
  }

  /** Drops the siblings that the record has seen; the resets of counters come with the effect (`reset`). */
  dropSeen(context: Context, horizonMs = Infinity): void {
    if (this.siblings.length > 0)
      this.siblings = this.siblings.filter(
        (sibling) => sibling.ms > horizonMs || !context.covers(sibling.origin, sibling.seq),
      );
  }

  /** Drops the siblings that the record has seen or that are older than it; returns those of them it had not seen. */
  dropOlder(context: Context): Sibling[] {
    this.dropSeen(context);
    const { ms, tick } = context;
    const isOlder = (s: Sibling): boolean => s.ms < ms || (s.ms === ms && s.tick < tick);
    const lost = this.siblings.filter(isOlder);
    if (lost.length > 0) this.siblings = this.siblings.filter((s) => !isOlder(s));
    return lost;
  }

  /** An addition by `origin`: its era as it is after it. */
  add(
    origin: number,
    seq: number,
    sum: Amount,
    start: number,
    startMs: number,
    startTick: number,
  ): void {
    const era = this.era(origin);
    if (era === undefined) {
      this.eras.push({ origin, start, startMs, startTick, seq, sum, resetSeq: 0, resetSum: 0 });
    } else if (seq >= era.seq) {
      // Equal: a later addition of the same record.
      era.seq = seq;
      era.sum = sum;
      era.start = start;
      era.startMs = startMs;
      era.startTick = startTick;
    }
  }

  /** A removal as it was seen where it was made. */
  reset(resets: readonly Reset[]): void {
    for (const { origin, seq, sum } of resets) {
      let era = this.era(origin);
      if (era === undefined) {
        // Replay meets resets whose era was already collected: a row that is reset throughout says the same.
        era = { origin, start: seq, startMs: 0, startTick: 0, seq, sum, resetSeq: 0, resetSum: 0 };
        this.eras.push(era);
      } else if (seq > era.seq) {
        era.seq = seq;
        era.sum = sum;
      }
      if (seq > era.resetSeq) {
        era.resetSeq = seq;
        era.resetSum = sum;
      }
    }
  }

  /** What a removal made now must carry: every era born up to `horizonMs` that is not yet wholly reset. */
  resets(horizonMs = Infinity): Reset[] {
    const resets: Reset[] = [];
    for (const era of this.eras)
      if (era.seq > era.resetSeq && era.startMs <= horizonMs)
        resets.push({ origin: era.origin, seq: era.seq, sum: era.sum });
    return resets;
  }

  /**
   * Drops eras that these resets, now stable, cover wholly. An era reset by another record waits for that one; one that began anew
   * behind a flush in the very record of the reset is not reset at all.
   */
  collect(resets: readonly Reset[]): void {
    this.eras = this.eras.filter(
      (era) =>
        era.resetSeq < era.seq ||
        !resets.some((reset) => reset.origin === era.origin && reset.seq >= era.seq),
    );
  }

  /** Drops everything born at or before a stamp, seen or not: what a floor does. */
  dropBorn(ms: number, tick: number): void {
    this.siblings = this.siblings.filter((s) => s.ms > ms || (s.ms === ms && s.tick > tick));
    this.eras = this.eras.filter(
      (era) => era.startMs > ms || (era.startMs === ms && era.startTick > tick),
    );
  }
}
