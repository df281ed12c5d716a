/**
 * Garbage: what removals leave behind until every member has applied them: resets of counters, floors of keys and members, flushes.
 *
 * Invariant: something is collected only when the very record that left it is stable, that is when every member has it and
 * nothing concurrent with it can still arrive. Collecting a counter's era because another reset of the key was stable, or
 * on a mere acknowledgement, makes replicas differ.
 *
 * Records are applied in causal order, so the queue is looked at from its head only: what waits behind an unstable record
 * waits a little longer than it must.
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
      this.#collectItem(item);
    }
    if (this.#head > 1024 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    return count;
  }

  #collectItem({ origin, seq, db, key: bytes, what }: Item): void {
    const keyspace = this.#keyspace;
    if (what.kind === "resets") this.waitingResets--;
    else this.waitingFloors--;
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
    return this.#queue.slice(this.#head);
  }

  /** Takes over what waited when a checkpoint was taken. */
  restore(item: Item): void {
    if (item.what.kind === "resets") this.waitingResets++;
    else this.waitingFloors++;
    this.#queue.push(item);
  }
}

export type { Item as GarbageItem };
