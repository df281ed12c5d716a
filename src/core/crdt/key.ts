/**
 * Key: all that one key may hold when a single register is not enough: several types at once after a conflict, deadlines, floors.
 *
 * Invariant: the state is a function of the records applied. What a reader sees is a function of the state, the time and the
 * conflict policy; reading changes nothing, an expired key included.
 *
 *   cell         the string
 *   bodies       the collections: one `Cells` for each type that holds some
 *   generations  what is joined and never removed in part: HyperLogLogs, documents
 *   deadlines   siblings of EXPIRE and PERSIST; among concurrent ones the longest wins
 *   floors       what an expiry left behind until every replica has it: whatever was born under it is dead on arrival, or a
 *                concurrent addition would outlive the key and, its deadline gone, live for ever
 *   memberFloors  the same of single members, which a removal by the last writer leaves behind (`lww-set`)
 */
import { compareStamps } from "../clock/stamp.ts";
import type { Cell, Sibling } from "./cell.ts";
import type { Cells } from "./cells.ts";
import type { Context } from "./context.ts";
import type { Generation } from "./generation.ts";

/** The types of values, as one bit each: a mask of them names what an effect touches. */
export const NONE = 0;
export const STRING = 1;
export const SET = 2;
export const HASH = 4;
export const ZSET = 8;
export const LIST = 0x10;
export const STREAM = 0x20;
/** Values without removable parts: what a reader sees of them, a string or a document, is their kind's affair. */
export const GENERATION = 0x40;
/** In a mask: the key's deadlines. */
export const DEADLINES = 0x80;
export const EVERYTHING = 0x2ff;
/** A document, as a reader sees it; it is held as a generation, so it is no bit of a mask. */
export const DOCUMENT = 0x100;
/** A bounded counter, as a reader sees it; held as a generation too. */
export const BOUNDED = 0x400;
/** Strings kept in chunks, which merge bit by bit: what a reader sees of them is a string. */
export const BITMAP = 0x200;

/** The types whose body is cells by name. */
export const COLLECTIONS = [SET, HASH, ZSET, LIST, STREAM, BITMAP] as const;
export type Collection = (typeof COLLECTIONS)[number];
/** What a key holds. */
export type Tag = typeof NONE | typeof STRING | Collection | typeof GENERATION;
/** What a reader sees. */
export type Type =
  | typeof NONE
  | typeof STRING
  | Exclude<Collection, typeof BITMAP>
  | typeof DOCUMENT
  | typeof BOUNDED;
/** As masks. */
const IN_BODIES = SET | HASH | ZSET | LIST | STREAM | BITMAP;
/** The types in which additions sum up, so that removing them takes resets. */
export const COUNTING = STRING | HASH | ZSET;

export function isCollection(type: number): type is Collection {
  return (type & IN_BODIES) !== 0;
}

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

/** The removal of a member that takes additions it has not seen: what was added before is dead on arrival until it is stable. */
export interface MemberFloor {
  readonly origin: number;
  readonly seq: number;
  readonly ms: number;
  readonly tick: number;
}

/** Most keys have one body or none, and hardly any a generation. */
const NO_BODIES: readonly Cells[] = [];
const NO_GENERATIONS: readonly Generation[] = [];
const NO_DEADLINES: readonly Deadline[] = [];
const NO_FLOORS: readonly Floor[] = [];

export class Key {
  cell: Cell | null = null;
  bodies: readonly Cells[] = NO_BODIES;
  generations: readonly Generation[] = NO_GENERATIONS;
  deadlines: readonly Deadline[] = NO_DEADLINES;
  floors: readonly Floor[] = NO_FLOORS;
  /** By member, one byte a character: the latest removal of each. By null: the latest strict write of the string. */
  memberFloors: Map<string | null, MemberFloor> | null = null;
  /** Whether the keyspace counts it as a key, as one with a deadline, and as one that expiry must look at. */
  counted = false;
  countedExpiring = false;
  countedExpirable = false;
  /** Nothing of it expires before then, as far as was looked; 0 where nobody has. */
  dueMs = 0;
  /** Whether it was looked at since it was last asked whether it may rest. */
  used = false;
  /** What of its generations the keyspace counts as memory, in bytes. */
  countedBytes = 0;

  /** The types that hold living entries, expiry aside. */
  get tags(): number {
    let tags = this.cell?.live() ? STRING : 0;
    for (const body of this.bodies) if (body.count > 0) tags |= body.tag;
    return this.generations.length > 0 ? tags | GENERATION : tags;
  }

  /** The body of a type, or null when it holds none. */
  cells(tag: number): Cells | null {
    for (const body of this.bodies) if (body.tag === tag) return body;
    return null;
  }

  /** Whether it may hold more than one type: only while two regions disagree about it. */
  get isMixed(): boolean {
    return (this.cell === null ? 0 : 1) + this.bodies.length + this.generations.length > 1;
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
    if ((tags & ~STRING) !== 0) last = Math.max(last, this.deadline(NONE));
    if (last < 0 && this.deadlines.length === 0) return Infinity;
    // A deadline later than the last value's may be that of an addition still on its way: it stays until it has passed, as one
    // without values does. A PERSIST needs not.
    for (const { deadline } of this.deadlines)
      if (deadline !== NEVER_MS) last = Math.max(last, deadline);
    return Math.max(last, 0);
  }

  /** Whether anything of a type is still there at `nowMs`. */
  survives(tag: number, nowMs: number): boolean {
    const deadline = this.deadline(tag);
    const horizonMs = deadline > nowMs ? -1 : horizonOf(deadline);
    if (tag === GENERATION) return this.generations.some(({ ms }) => ms > horizonMs);
    if (tag !== STRING) return this.cells(tag)?.survives(horizonMs, nowMs) ?? false;
    if (this.cell === null) return false;
    for (const sibling of this.cell.siblings)
      if (this.siblingDeadline(sibling) > nowMs) return true;
    return this.cell.counting(horizonMs);
  }

  /** The fields of a hash that expire on their own; null when none does. */
  get expiringFields(): Cells | null {
    for (const body of this.bodies) if (body.expiring !== null) return body;
    return null;
  }

  /** Sets the deadline: replaces those the record has seen. */
  expire(context: Context, deadline: number): void {
    const { origin, seq, ms, tick } = context;
    const set = { origin, seq, ms, tick, deadline };
    const others = this.deadlines.filter((d) => !context.covers(d.origin, d.seq));
    this.deadlines = others.length === 0 ? [set] : [...others, set];
  }

  dropDeadlines(context: Context): void {
    if (this.deadlines.length > 0)
      this.deadlines = this.deadlines.filter((d) => !context.covers(d.origin, d.seq));
  }

  /** Raises a floor and drops what lies under it. */
  raiseFloor(floor: Floor): void {
    if (this.floors.some((f) => f.origin === floor.origin && f.seq === floor.seq)) return;
    this.floors = [...this.floors, floor];
    this.dropUnderFloors();
  }

  dropUnderFloors(): void {
    const { cell } = this;
    if (cell !== null && this.memberFloors?.has(null))
      cell.siblings = cell.siblings.filter((s) => !this.underMemberFloor(null, s.ms, s.tick));
    for (const { bornMs, writtenMs, writtenTick } of this.floors) {
      for (const body of this.bodies) body.dropBorn(bornMs, 0xffff);
      this.#dropGenerations(({ ms }) => ms <= bornMs);
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

  /** Raises the floor of a member. Of two removals the later is enough: what is older than it has come once it is stable. */
  raiseMemberFloor(member: string | null, { origin, seq, ms, tick }: MemberFloor): void {
    const there = this.memberFloors?.get(member);
    if (there !== undefined && compareStamps(there.ms, there.tick, ms, tick) >= 0) return;
    this.memberFloors ??= new Map();
    this.memberFloors.set(member, { origin, seq, ms, tick });
  }

  /** Whether the addition of a member is older than a removal of it. */
  underMemberFloor(member: string | null, ms: number, tick: number): boolean {
    const floor = this.memberFloors?.get(member);
    return floor !== undefined && compareStamps(ms, tick, floor.ms, floor.tick) < 0;
  }

  /** Lets go of a floor whose removal is stable. */
  dropMemberFloor(member: string | null, origin: number, seq: number): void {
    const floor = this.memberFloors?.get(member);
    if (floor?.origin !== origin || floor.seq !== seq) return;
    this.memberFloors?.delete(member);
    if (this.memberFloors?.size === 0) this.memberFloors = null;
  }

  /** Drops everything born at or before a stamp: FLUSHALL's horizon. */
  dropBorn(ms: number, tick: number): void {
    for (const body of this.bodies) body.dropBorn(ms, tick);
    this.#dropGenerations((g) => compareStamps(g.ms, g.tick, ms, tick) <= 0);
    this.cell?.dropBorn(ms, tick);
    this.deadlines = this.deadlines.filter((d) => compareStamps(d.ms, d.tick, ms, tick) > 0);
  }

  /** Removes the generations the record has seen, of one kind or (0) of all, that were born up to `horizonMs`. */
  removeGenerations(context: Context, kind: number, horizonMs = Infinity): void {
    this.#dropGenerations(
      (g) =>
        (kind === 0 || g.kind.number === kind) &&
        g.ms <= horizonMs &&
        context.covers(g.origin, g.seq),
    );
  }

  #dropGenerations(goes: (generation: Generation) => boolean): void {
    if (this.generations.length > 0)
      this.generations = this.generations.filter((generation) => !goes(generation));
  }

  /** Gives the memory of its parts back and keeps those that still hold something. */
  tidy(): void {
    if (this.cell?.empty) this.cell = null;
    for (const body of this.bodies)
      if (body.table.size === 0) {
        body.free();
        this.bodies = this.bodies.filter((other) => other !== body);
      }
    // Without anything that could expire, the deadlines that were seen decide nothing any more. They stay all the same:
    // a replica that has not seen the removal of the values may not differ from one that has.
  }

  get empty(): boolean {
    return (
      this.cell === null &&
      this.bodies.length === 0 &&
      this.generations.length === 0 &&
      this.deadlines.length === 0 &&
      this.floors.length === 0 &&
      this.memberFloors === null
    );
  }
}

/** What was born up to here shared a deadline that has passed; what was born from the deadline on never did. */
export function horizonOf(deadline: number): number {
  return Math.max(0, deadline - 1);
}

function forever(deadline: number): number {
  return deadline === NEVER_MS ? Infinity : deadline;
}
