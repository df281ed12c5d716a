/**
 * Undo: what brings the keyspace back to where it was before a record that is given up: a script that ran out of its time.
 *
 *   open ─► a key, a cell or a body is about to change for the first time ─► its image ─► rollBack: images put back, the last first
 *                                                                                      └─► keep: what was set aside is freed
 *
 * Invariant: whatever a record changes in the keyspace has its image first, and images are put back in the opposite order. So the
 * state is the same as if the record had not begun; only when keys were last used is not.
 */
import { assert } from "../assert.ts";
import type { Cells } from "../crdt/cells.ts";
import type { Generation, Semilattice } from "../crdt/generation.ts";
import type { Key } from "../crdt/key.ts";
import type { Keyspace } from "./keyspace.ts";
import { keyName } from "./key-name.ts";
import { Place } from "./place.ts";
import { COUNTER, Entry, OBJECT } from "./table.ts";

/** How the keyspace counts a key. */
type Counts = Pick<Key, "counted" | "countedExpiring" | "countedExpirable">;
const ABSENT: Counts = { counted: false, countedExpiring: false, countedExpirable: false };
const LASTING: Counts = { counted: true, countedExpiring: false, countedExpirable: false };
const EXPIRING: Counts = { counted: true, countedExpiring: true, countedExpirable: true };

export class Undo {
  readonly #keyspace: Keyspace;
  /** Puts the images back; called from the last to the first. */
  readonly #steps: (() => void)[] = [];
  /** Frees what was set aside for them. */
  readonly #releases: (() => void)[] = [];
  /** Keys that have their image, by database and name. */
  readonly #keys = new Set<string>();
  /** Cells that have theirs, by name; null for a body that came with the record and goes with it as a whole. */
  readonly #cells = new Map<Cells, Set<string> | null>();
  /** States that the record has made. */
  readonly #states = new Set<Semilattice>();
  readonly #entry = new Entry();
  readonly #place = new Place();

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
  }

  begin(): void {
    const { heap } = this.#keyspace;
    assert(heap.undo === null, "what can be taken back does not nest");
    heap.undo = this;
  }

  /** What was written since `begin` stays. */
  keep(): void {
    this.#keyspace.heap.undo = null;
    for (const release of this.#releases) release();
    this.#end();
  }

  /** Nothing was written since `begin`. */
  rollBack(): void {
    this.#keyspace.heap.undo = null;
    for (let i = this.#steps.length - 1; i >= 0; i--) this.#steps[i]?.();
    this.#end();
  }

  #end(): void {
    if (this.#steps.length === 0) return;
    this.#steps.length = 0;
    this.#releases.length = 0;
    this.#keys.clear();
    // Clearing what is empty makes it anew.
    if (this.#cells.size > 0) this.#cells.clear();
    if (this.#states.size > 0) this.#states.clear();
  }

  /** The key at a place is about to change. */
  key(place: Place): void {
    const { db, bytes, start, end } = place;
    const id = keyName(db, bytes, start, end);
    if (this.#keys.has(id)) return;
    this.#keys.add(id);
    const name = Buffer.from(bytes.subarray(start, end));
    const putBack = this.#imageOf(place);
    this.#steps.push(() => {
      this.#keyspace.locate(this.#place, db, name, 0, name.length);
      putBack(this.#place);
    });
  }

  #imageOf(place: Place): (now: Place) => void {
    if (place.at < 0) return (now) => this.#putNothing(now);
    const entry = this.#entry;
    place.table.load(place.at, entry);
    if (entry.kind === OBJECT) return this.#imageOfObject(place.table.object(entry));
    const { kind, origin, seq, ms, tick, deadline, start, sum } = entry;
    const value = Buffer.from(entry.bytes.subarray(entry.valueStart, entry.valueEnd));
    return (now) => {
      this.#leave(now, deadline === Infinity ? LASTING : EXPIRING, null);
      const { table, at, hash, db, bytes, start: from, end } = now;
      if (kind === COUNTER)
        table.putCounter(at, hash, db, bytes, from, end, origin, seq, sum, start, ms, tick);
      else
        table.putRegister(
          at,
          hash,
          db,
          bytes,
          from,
          end,
          origin,
          seq,
          ms,
          tick,
          deadline,
          value,
          0,
          value.length,
        );
    };
  }

  #putNothing(now: Place): void {
    this.#leave(now, ABSENT, null);
    if (now.at >= 0) now.table.removeAt(now.at);
  }

  #imageOfObject(key: Key): (now: Place) => void {
    const { bodies, generations, counted, countedExpiring, countedExpirable } = key;
    const cell = key.cell?.copy() ?? null;
    const deadlines = key.deadlines.slice();
    const floors = key.floors.slice();
    const memberFloors = key.memberFloors === null ? null : new Map(key.memberFloors);
    const counts = { counted, countedExpiring, countedExpirable };
    return (now) => {
      this.#leave(now, counts, key);
      for (const body of key.bodies) if (!bodies.includes(body)) body.free();
      Object.assign(key, { cell, bodies, generations, deadlines, floors, memberFloors }, counts);
      key.dueMs = 0;
      const { table, at, hash, db, bytes, start, end } = now;
      if (at < 0 || table.objectAt(at) !== key)
        table.putObject(at, hash, db, bytes, start, end, key);
    };
  }

  /** What is at a place goes, `key` aside: it is counted as `then` says, and the bodies it came with are freed. */
  #leave({ db, table, at }: Place, then: Counts, key: Key | null): void {
    let now = ABSENT;
    if (at >= 0) {
      const object = table.objectAt(at);
      if (object !== null && object !== key) for (const body of object.bodies) body.free();
      table.load(at, this.#entry);
      now = object ?? (this.#entry.deadline === Infinity ? LASTING : EXPIRING);
    }
    const keyspace = this.#keyspace;
    keyspace.count(
      db,
      Number(then.counted) - Number(now.counted),
      Number(then.countedExpiring) - Number(now.countedExpiring),
    );
    keyspace.expirable += Number(then.countedExpirable) - Number(now.countedExpirable);
  }

  /** A body was made. */
  made(cells: Cells): void {
    this.#cells.set(cells, null);
  }

  /** Whether the record has made a body. */
  hasMade(cells: Cells): boolean {
    return this.#cells.get(cells) === null;
  }

  /** The cell under a name is about to change, or (`at` is −1) to be made. */
  cell(cells: Cells, at: number, name: Uint8Array, start: number, end: number): void {
    let seen = this.#cells.get(cells);
    if (seen === null) return;
    const bytes = Buffer.from(name.subarray(start, end));
    if (seen === undefined) this.#cells.set(cells, (seen = new Set()));
    const id = bytes.latin1Slice();
    if (seen.has(id)) return;
    seen.add(id);
    const image = at < 0 ? null : cells.copyAt(at);
    this.#steps.push(() => cells.putBack(bytes, image));
  }

  /** The contents of a body were set aside: `putBack` makes them its contents again, `free` lets them go. */
  body(putBack: () => void, free: () => void): void {
    this.#steps.push(putBack);
    this.#releases.push(free);
  }

  /** The generation with a state of the record's own, which may change in place. */
  own(generation: Generation): Generation {
    if (this.#states.has(generation.state)) return generation;
    const state = generation.kind.create();
    state.join(generation.state.encode());
    // An edit on its way here was made to what is loaded of the old one.
    generation.state.drop?.();
    this.#states.add(state);
    return { ...generation, state };
  }

  /** Something beside the keyspace has changed with it. */
  other(putBack: () => void): void {
    this.#steps.push(putBack);
  }
}
