/**
 * Key: all that one key may hold when a single register is not enough: several types at once after a conflict, deadlines, floors.
 *
 * Invariant: the state is a function of the records applied. What a reader sees is a function of the state, the time and the
 * conflict policy; reading changes nothing, an expired key included.
 *
 *   deadlines   siblings of EXPIRE and PERSIST; among concurrent ones the longest wins
 *   floors      what an expiry left behind until every replica has it: whatever was born under it is dead on arrival, or a
 *               concurrent addition would outlive the key and, its deadline gone, live for ever
 */
import { compareStamps } from "../clock/stamp.ts";
import type { Cell, Sibling } from "./cell.ts";
import type { Cells } from "./cells.ts";
import type { Context } from "./context.ts";

/** The types of values, as one bit each: a mask of them names what an effect touches. */
export const NONE = 0;
export const STRING = 1;
export const SET = 2;
export const HASH = 4;
/** In a mask: the key's deadlines. */
export const DEADLINES = 0x80;
export const EVERYTHING = 0xff;

export type Tag = typeof NONE | typeof STRING | typeof SET | typeof HASH;

/** The deadline of PERSIST, on the wire and in comparisons longer than any other. */
export const NEVER_MS = 2 ** 48 - 1;

export interface Deadline {
  readonly origin: number;
  readonly seq: number;
  readonly ms: number;
  readonly tick: number;
  /** Milliseconds since 1970; `NEVER_MS` after PERSIST. */
  readonly deadline: number;
}

export interface Floor {
  /** The record that set it: the floor goes when that record is stable. */
  readonly origin: number;
  readonly seq: number;
  /** Members, fields and counters born up to here are dead. */
  readonly bornMs: number;
  /** Registers of strings written up to this stamp are dead: theirs was the expired deadline. */
  readonly writtenMs: number;
  readonly writtenTick: number;
}

export class Key {
  cell: Cell | null = null;
  set: Cells | null = null;
  hash: Cells | null = null;
  deadlines: Deadline[] = [];
  floors: Floor[] = [];
  /** Whether the keyspace counts it as a key, as one with a deadline, and as one that expiry must look at. */
  counted = false;
  countedExpiring = false;
  countedExpirable = false;

  /** The types that hold living entries, expiry aside. */
  get tags(): number {
    return (
      (this.cell?.live() ? STRING : 0) |
      (this.set !== null && this.set.count > 0 ? SET : 0) |
      (this.hash !== null && this.hash.count > 0 ? HASH : 0)
    );
  }

  cells(tag: Tag): Cells | null {
    return tag === SET ? this.set : tag === HASH ? this.hash : null;
  }

  /** When a string's register expires: a later EXPIRE or PERSIST overrules the deadline that came with the value. */
  siblingDeadline(sibling: Sibling): number {
    let later = -1;
    for (const d of this.deadlines)
      if (compareStamps(d.ms, d.tick, sibling.ms, sibling.tick) >= 0 && d.deadline > later)
        later = d.deadline;
    return later < 0 ? sibling.deadline : forever(later);
  }

  /** When everything of a type that was born before then is expired; Infinity for never. */
  deadline(tag: number): number {
    let longest = -1;
    for (const { deadline } of this.deadlines) if (deadline > longest) longest = deadline;
    if (tag === STRING && this.cell !== null)
      for (const sibling of this.cell.siblings)
        longest = Math.max(longest, this.siblingDeadline(sibling));
    return longest < 0 ? Infinity : forever(longest);
  }

  /** When the last of what it holds expires; Infinity for never. */
  lastDeadline(): number {
    const { tags } = this;
    let last = -1;
    if ((tags & STRING) !== 0 && this.cell !== null) {
      for (const sibling of this.cell.siblings)
        last = Math.max(last, this.siblingDeadline(sibling));
      if (this.cell.counting()) last = Math.max(last, this.deadline(STRING));
    }
    if ((tags & (SET | HASH)) !== 0) last = Math.max(last, this.deadline(SET));
    if (last >= 0) return last;
    if (this.deadlines.length === 0) return Infinity;
    // Deadlines without values are what removals elsewhere had not seen. Those that pass stay until then; a PERSIST needs not.
    for (const { deadline } of this.deadlines)
      if (deadline !== NEVER_MS) last = Math.max(last, deadline);
    return Math.max(last, 0);
  }

  /** Whether anything of a type is still there at `nowMs`. */
  survives(tag: number, nowMs: number): boolean {
    const deadline = this.deadline(tag);
    const horizonMs = deadline > nowMs ? -1 : horizonOf(deadline);
    if (tag !== STRING) return (this.cells(tag as Tag)?.countLive(horizonMs) ?? 0) > 0;
    if (this.cell === null) return false;
    for (const sibling of this.cell.siblings)
      if (this.siblingDeadline(sibling) > nowMs) return true;
    return this.cell.counting(horizonMs);
  }

  /** Sets the deadline: replaces those the record has seen. */
  expire(context: Context, deadline: number): void {
    this.dropDeadlines(context);
    const { origin, seq, ms, tick } = context;
    this.deadlines.push({ origin, seq, ms, tick, deadline });
  }

  dropDeadlines(context: Context): void {
    if (this.deadlines.length > 0)
      this.deadlines = this.deadlines.filter((d) => !context.covers(d.origin, d.seq));
  }

  /** Raises a floor and drops what lies under it. */
  raiseFloor(floor: Floor): void {
    if (this.floors.some((f) => f.origin === floor.origin && f.seq === floor.seq)) return;
    this.floors.push(floor);
    this.dropUnderFloors();
  }

  dropUnderFloors(): void {
    for (const { bornMs, writtenMs, writtenTick } of this.floors) {
      this.set?.dropBorn(bornMs, 0xffff);
      this.hash?.dropBorn(bornMs, 0xffff);
      if (this.cell === null) continue;
      this.cell.siblings = this.cell.siblings.filter(
        (s) => compareStamps(s.ms, s.tick, writtenMs, writtenTick) > 0,
      );
      this.cell.eras = this.cell.eras.filter((era) => era.startMs > bornMs);
    }
  }

  /** Whether a member, field or counter born at `ms` is dead on arrival. */
  underFloor(ms: number): boolean {
    for (const floor of this.floors) if (ms <= floor.bornMs) return true;
    return false;
  }

  /** Drops everything born at or before a stamp: FLUSHALL's horizon. */
  dropBorn(ms: number, tick: number): void {
    this.set?.dropBorn(ms, tick);
    this.hash?.dropBorn(ms, tick);
    this.cell?.dropBorn(ms, tick);
    this.deadlines = this.deadlines.filter((d) => compareStamps(d.ms, d.tick, ms, tick) > 0);
  }

  /** Gives the memory of its parts back and keeps those that still hold something. */
  tidy(): void {
    if (this.cell?.empty) this.cell = null;
    if (this.set !== null && this.set.table.size === 0) {
      this.set.free();
      this.set = null;
    }
    if (this.hash !== null && this.hash.table.size === 0) {
      this.hash.free();
      this.hash = null;
    }
    // Without anything that could expire, the deadlines that were seen decide nothing any more. They stay all the same:
    // a replica that has not seen the removal of the values may not differ from one that has.
  }

  get empty(): boolean {
    return (
      this.cell === null &&
      this.set === null &&
      this.hash === null &&
      this.deadlines.length === 0 &&
      this.floors.length === 0
    );
  }
}

/** What was born up to here shared a deadline that has passed; what was born from the deadline on never did. */
export function horizonOf(deadline: number): number {
  return deadline - 1;
}

function forever(deadline: number): number {
  return deadline === NEVER_MS ? Infinity : deadline;
}
