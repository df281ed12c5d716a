/**
 * Garbage: what removals leave behind until every member has applied them: resets of counters, floors of keys and members, flushes.
 *
 * Invariant: something is collected only when the very record that left it is stable, that is when every member has it and
 * nothing concurrent with it can still arrive. Collecting a counter's era because another reset of the key was stable, or
 * on a mere acknowledgement, makes replicas differ.
 *
 * Records are applied in causal order, so the queue is looked at from its head only: what waits behind an unstable record
 * waits a little longer than it must.
 *
 * While a member is away nothing becomes stable. What was overtaken by later writes of the same key is let go of then: collecting it would
 * change nothing any more. So what waits grows with the keys that were removed, not with how often.
 */
import type { Reset } from "../crdt/cell.ts";
import type { Context } from "../crdt/context.ts";
import { type Collection, STRING } from "../crdt/key.ts";
import type { Keyspace } from "../keyspace/keyspace.ts";
import { Place } from "../keyspace/place.ts";

type What =
  | {
      readonly kind: "resets";
      readonly tag: typeof STRING | Collection;
      readonly name: Buffer;
      readonly resets: readonly Reset[];
    }
  | {
      readonly kind: "floor";
      readonly bornMs: number;
      readonly writtenMs: number;
      readonly writtenTick: number;
    }
  | {
      readonly kind: "member";
      readonly member: string | null;
      readonly ms: number;
      readonly tick: number;
    }
  | { readonly kind: "flush" };

interface Item {
  readonly origin: number;
  readonly seq: number;
  readonly db: number;
  readonly key: Buffer;
  readonly what: What;
}

const nothing = Buffer.alloc(0);

export class Garbage {
  readonly #keyspace: Keyspace;
  readonly #place = new Place();
  #queue: Item[] = [];
  #head = 0;
  /** Items that were overtaken and are still in the queue. */
  readonly #overtaken = new Set<Item>();
  /** The next item to be looked at; −1 while none is. */
  #looked = -1;
  /** How many were left when that was looked at last. */
  #left = 0;
  /** So many must wait before it is looked which of them were overtaken; then twice as many as were left. */
  thinnedFrom = 1024;
  waitingResets = 0;
  waitingFloors = 0;

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
  }

  addResets(
    context: Context,
    place: Place,
    tag: typeof STRING | Collection,
    name: Buffer,
    resets: readonly Reset[],
  ): void {
    this.waitingResets++;
    this.#add(context, place, { kind: "resets", tag, name: Buffer.from(name), resets });
  }

  addFloor(
    context: Context,
    place: Place,
    bornMs: number,
    writtenMs: number,
    writtenTick: number,
  ): void {
    this.waitingFloors++;
    this.#add(context, place, { kind: "floor", bornMs, writtenMs, writtenTick });
  }

  addMemberFloor(context: Context, place: Place, member: string | null): void {
    this.waitingFloors++;
    const { ms, tick } = context;
    this.#add(context, place, { kind: "member", member, ms, tick });
  }

  addFlush(context: Context): void {
    this.waitingFloors++;
    this.#add(context, null, { kind: "flush" });
  }

  #add(context: Context, place: Place | null, what: What): void {
    const { origin, seq } = context;
    const key =
      place === null ? nothing : Buffer.from(place.bytes.subarray(place.start, place.end));
    this.#queue.push({ origin, seq, db: place?.db ?? 0, key, what });
    this.#keyspace.heap.undo?.other(() => {
      this.#queue.pop();
      if (what.kind === "resets") this.waitingResets--;
      else this.waitingFloors--;
    });
  }

  /** Collects what is stable, at most `limit` items; returns how many. */
  collect(isStable: (origin: number, seq: number) => boolean, limit: number): number {
    let count = 0;
    while (count < limit) {
      const item = this.#queue[this.#head];
      if (item === undefined || !isStable(item.origin, item.seq)) break;
      this.#head++;
      count++;
      if (!this.#overtaken.delete(item)) this.#collectItem(item);
    }
    if (this.#head > 1024 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#looked = Math.max(-1, this.#looked - this.#head);
      this.#head = 0;
    }
    return count;
  }

  /** Looks at `limit` items at most, once so many wait that it is worth it, and lets go of those that were overtaken. */
  thin(limit: number): void {
    if (this.#looked < 0) {
      const waiting = this.#queue.length - this.#head;
      if (waiting < Math.max(this.thinnedFrom, 2 * this.#left)) return;
      this.#looked = this.#head;
    }
    for (let left = limit; left > 0; left--) {
      const item = this.#queue[this.#looked++];
      if (item === undefined) return this.#thinned();
      if (this.#overtaken.has(item) || !this.#isOvertaken(item)) continue;
      this.#overtaken.add(item);
      this.#forget(item);
    }
  }

  #thinned(): void {
    this.#queue = this.#queue.filter((item, i) => i >= this.#head && !this.#overtaken.has(item));
    this.#overtaken.clear();
    this.#head = 0;
    this.#looked = -1;
    this.#left = this.#queue.length;
  }

  /** Whether nothing would come of collecting it, now or later. What it says of a key that is not there may come back with that. */
  #isOvertaken({ origin, seq, db, key: bytes, what }: Item): boolean {
    // Nothing expires while a member is away: of floors there are never many.
    if (what.kind === "flush" || what.kind === "floor") return false;
    const keyspace = this.#keyspace;
    const place = this.#place;
    keyspace.locate(place, db, bytes, 0, bytes.length);
    const key = place.at < 0 ? null : place.table.objectAt(place.at);
    if (key === null) return false;
    if (what.kind === "resets") {
      const cell =
        what.tag === STRING ? key.cell : (key.cells(what.tag)?.object(what.name) ?? null);
      // An era is not collected before all of it was reset, which takes a later reset from here on.
      return (
        cell !== null &&
        what.resets.every((reset) => (cell.era(reset.origin)?.seq ?? 0) > reset.seq)
      );
    }
    const floor = key.memberFloors?.get(what.member);
    return floor !== undefined && (floor.origin !== origin || floor.seq !== seq);
  }

  #forget({ what }: Item): void {
    if (what.kind === "resets") this.waitingResets--;
    else this.waitingFloors--;
  }

  #collectItem(item: Item): void {
    const { origin, seq, db, key: bytes, what } = item;
    const keyspace = this.#keyspace;
    this.#forget(item);
    if (what.kind === "flush") {
      keyspace.flushes = keyspace.flushes.filter((f) => f.origin !== origin || f.seq !== seq);
      return;
    }
    const place = this.#place;
    keyspace.locate(place, db, bytes, 0, bytes.length);
    if (place.at < 0) return;
    const key = place.table.objectAt(place.at);
    if (key === null) return;
    if (what.kind === "floor")
      key.floors = key.floors.filter((f) => f.origin !== origin || f.seq !== seq);
    else if (what.kind === "member") key.dropMemberFloor(what.member, origin, seq);
    else if (what.tag === STRING) key.cell?.collect(what.resets);
    else key.cells(what.tag)?.collect(what.name, what.resets);
    keyspace.settle(place, key);
  }

  /** The record that left the oldest of what waits; null when nothing does. */
  get oldest(): { readonly origin: number; readonly seq: number } | null {
    return this.#queue[this.#head] ?? null;
  }

  /** Everything that waits, for a checkpoint. */
  items(): readonly Item[] {
    return this.#queue.filter((item, i) => i >= this.#head && !this.#overtaken.has(item));
  }

  /** Takes over what waited when a checkpoint was taken. */
  restore(item: Item): void {
    if (item.what.kind === "resets") this.waitingResets++;
    else this.waitingFloors++;
    this.#queue.push(item);
  }
}

export type { Item as GarbageItem };
