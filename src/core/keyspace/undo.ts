/**
 * Undo: what brings the keyspace back to where it was before a record that is given up: a script that ran out of its time.
 *
 *   open ─► a key, a cell or a body is about to change for the first time ─► its image ─► rollBack: images put back, the last first
 *                                                                                      └─► keep: what was set aside is freed
 *
 * Invariant: whatever a record changes in the keyspace has its image first, and images are put back in the opposite order. So the
 * state is the same as if the record had not begun; only when keys were last used is not.
 *
 * Nearly every script is kept and changes a key or two, so images of what lies packed are copies of its bytes, and nothing is
 * allocated for them.
 */
import { assert } from "../assert.ts";
import type { Cell } from "../crdt/cell.ts";
import { type Cells, cellOf } from "../crdt/cells.ts";
import type { Generation, Semilattice } from "../crdt/generation.ts";
import type { Key } from "../crdt/key.ts";
import type { Keyspace } from "./keyspace.ts";
import { Page } from "./heap.ts";
import { Place } from "./place.ts";
import { Entry, type Table } from "./table.ts";

/** How the keyspace counts a key. */
type Counts = Pick<Key, "counted" | "countedExpiring" | "countedExpirable">;
const ABSENT: Counts = { counted: false, countedExpiring: false, countedExpirable: false };
const LASTING: Counts = { counted: true, countedExpiring: false, countedExpirable: false };
const EXPIRING: Counts = { counted: true, countedExpiring: true, countedExpirable: true };

/** So many images are looked through; beyond, they are found by hash. */
const FEW = 8;
/** Bytes for copies, at first and at most between two records. */
const COPIES_BYTES = 4096;
const COPIES_BYTES_MAX = 1 << 20;
/** Where nothing was copied. */
const NOWHERE = -1;

/** What a key, or a cell of a body, was. */
class Image {
  /** Null for a key. */
  cells: Cells | null = null;
  db = 0;
  hash = 0;
  /** The name, among the copies. */
  nameStart = 0;
  nameEnd = 0;
  /** The copy of what lay packed. */
  copy = NOWHERE;
  /** What was an object. */
  cell: Cell | null = null;
  object: ObjectImage | null = null;
  /** The next with the same hash. */
  next: Image | null = null;
}

/** What a key that is an object held. Its arrays are never changed in place. */
interface ObjectImage
  extends Counts, Pick<Key, "bodies" | "generations" | "deadlines" | "floors" | "memberFloors"> {
  readonly key: Key;
  readonly cell: Cell | null;
}

export class Undo {
  readonly #keyspace: Keyspace;
  /** What puts the state back, from the last to the first. */
  readonly #steps: (Image | (() => void))[] = [];
  /** Frees what was set aside for them. */
  readonly #releases: (() => void)[] = [];
  /** Used again and again; those up to `#count` are images of this record. */
  readonly #images: Image[] = [];
  #count = 0;
  /** Hash → the last image with it, once they are more than a few. */
  readonly #byHash = new Map<number, Image>();
  #copies = new Page(COPIES_BYTES);
  #copied = 0;
  /** Which record this is: a body that came with it goes with it as a whole. */
  #record = 0;
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
    this.#record++;
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
    for (let i = this.#steps.length - 1; i >= 0; i--) {
      const step = this.#steps[i] as Image | (() => void);
      if (!(step instanceof Image)) step();
      else if (step.cells === null) this.#putKeyBack(step);
      else this.#putCellBack(step, step.cells);
    }
    this.#end();
  }

  #end(): void {
    if (this.#steps.length === 0) return;
    this.#steps.length = 0;
    this.#releases.length = 0;
    for (let i = 0; i < this.#count; i++) {
      const image = this.#images[i] as Image;
      image.cells = null;
      image.cell = null;
      image.object = null;
      image.next = null;
    }
    this.#count = 0;
    this.#copied = 0;
    if (this.#images.length > COPIES_BYTES) this.#images.length = 0;
    if (this.#copies.bytes.length > COPIES_BYTES_MAX) this.#copies = new Page(COPIES_BYTES);
    // Clearing what is empty makes it anew.
    if (this.#byHash.size > 0) this.#byHash.clear();
    if (this.#states.size > 0) this.#states.clear();
  }

  /** The key at a place is about to change. */
  key({ db, hash, table, at, bytes, start, end }: Place): void {
    const image = this.#newImage(null, db, hash, bytes, start, end);
    if (image === null || at < 0) return;
    const key = table.objectAt(at);
    if (key === null) image.copy = this.#copyOf(table, at);
    else image.object = imageOf(key);
  }

  /** The cell under a name is about to change, or (`at` is −1) to be made. */
  cell(cells: Cells, at: number, hash: number, name: Uint8Array, start: number, end: number): void {
    if (this.hasMade(cells)) return;
    const image = this.#newImage(cells, 0, hash, name, start, end);
    if (image === null || at < 0) return;
    const cell = cells.table.objectAt(at);
    if (cell === null) image.copy = this.#copyOf(cells.table, at);
    else image.cell = cell.copy();
  }

  /** An image of what is not there; null when there is an image already. */
  #newImage(
    cells: Cells | null,
    db: number,
    hash: number,
    name: Uint8Array,
    start: number,
    end: number,
  ): Image | null {
    if (this.#has(cells, db, hash, name, start, end)) return null;
    const image = (this.#images[this.#count++] ??= new Image());
    image.cells = cells;
    image.db = db;
    image.hash = hash;
    image.nameStart = this.#reserve(end - start);
    image.nameEnd = image.nameStart + end - start;
    image.copy = NOWHERE;
    const { bytes } = this.#copies;
    for (let i = start; i < end; i++) bytes[image.nameStart + i - start] = name[i] as number;
    if (this.#count === FEW + 1)
      for (let i = 0; i < this.#count; i++) this.#file(this.#images[i] as Image);
    else if (this.#count > FEW) this.#file(image);
    this.#steps.push(image);
    return image;
  }

  #file(image: Image): void {
    image.next = this.#byHash.get(image.hash) ?? null;
    this.#byHash.set(image.hash, image);
  }

  #has(
    cells: Cells | null,
    db: number,
    hash: number,
    name: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    if (this.#count > FEW) {
      let image = this.#byHash.get(hash) ?? null;
      for (; image !== null; image = image.next)
        if (image.cells === cells && image.db === db && this.#isNamed(image, name, start, end))
          return true;
      return false;
    }
    for (let i = 0; i < this.#count; i++) {
      const image = this.#images[i] as Image;
      if (image.hash !== hash || image.cells !== cells || image.db !== db) continue;
      if (this.#isNamed(image, name, start, end)) return true;
    }
    return false;
  }

  #isNamed({ nameStart, nameEnd }: Image, name: Uint8Array, start: number, end: number): boolean {
    if (nameEnd - nameStart !== end - start) return false;
    const { bytes } = this.#copies;
    for (let i = start; i < end; i++) if (bytes[nameStart + i - start] !== name[i]) return false;
    return true;
  }

  #copyOf(table: Table<Key> | Cells["table"], at: number): number {
    const offset = this.#reserve(table.bytesAt(at));
    table.copyAt(at, this.#copies, offset);
    return offset;
  }

  /** Where so many bytes have room among the copies. */
  #reserve(bytes: number): number {
    const offset = this.#copied;
    this.#copied = (offset + bytes + 7) & ~7;
    const { length } = this.#copies.bytes;
    if (this.#copied > length) {
      const larger = new Page(Math.max(length * 2, this.#copied));
      larger.bytes.set(this.#copies.bytes.subarray(0, offset));
      this.#copies = larger;
    }
    return offset;
  }

  #putKeyBack({ db, nameStart, nameEnd, copy, object }: Image): void {
    const now = this.#place;
    const { bytes } = this.#copies;
    this.#keyspace.locate(now, db, bytes, nameStart, nameEnd);
    if (object !== null) return this.#putObjectBack(now, object);
    if (copy === NOWHERE) {
      this.#leave(now, ABSENT, null);
      if (now.at >= 0) now.table.removeAt(now.at);
      return;
    }
    this.#entry.read(this.#copies, copy);
    this.#leave(now, this.#entry.deadline === Infinity ? LASTING : EXPIRING, null);
    now.table.putCopy(now.at, now.hash, this.#copies, copy);
  }

  #putObjectBack(now: Place, { key, ...held }: ObjectImage): void {
    this.#leave(now, held, key);
    for (const body of key.bodies) if (!held.bodies.includes(body)) body.free();
    Object.assign(key, held);
    key.dueMs = 0;
    const { table, at, hash, db, bytes, start, end } = now;
    if (at < 0 || table.objectAt(at) !== key) table.putObject(at, hash, db, bytes, start, end, key);
  }

  #putCellBack({ nameStart, nameEnd, copy, cell: object }: Image, cells: Cells): void {
    const name = Buffer.from(this.#copies.bytes.subarray(nameStart, nameEnd));
    let cell = object;
    if (copy !== NOWHERE) {
      this.#entry.read(this.#copies, copy);
      cell = cellOf(this.#entry);
    }
    cells.putBack(name, cell);
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
    cells.madeBy = this.#record;
  }

  /** Whether the record has made a body. */
  hasMade(cells: Cells): boolean {
    return cells.madeBy === this.#record;
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

function imageOf(key: Key): ObjectImage {
  const { bodies, generations, deadlines, floors, memberFloors } = key;
  const { counted, countedExpiring, countedExpirable } = key;
  return {
    key,
    cell: key.cell?.copy() ?? null,
    bodies,
    generations,
    deadlines,
    floors,
    memberFloors: memberFloors === null ? null : new Map(memberFloors),
    counted,
    countedExpiring,
    countedExpirable,
  };
}
