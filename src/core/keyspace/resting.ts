/**
 * Resting: the packed form of small collections that nobody used for a while. As objects they take five times what is in them.
 *
 *   u8 tag | varint cells | u48 newest birth | cells
 *   cell     varint 2 · name length + (whether its dot is another one than that of the cell before) |
 *            [varint origin | varint seq | varint newest birth − ms | varint tick] | name | varint value length | value
 *
 * A hash whose fields were written together has one dot for all of them. Why not in place: `docs/decisions/resting-keys.md`.
 *
 * Invariant: what is packed says all that its key said: one body of plain registers, and nothing that waits: no deadline, no floor, no
 * concurrent write. So nothing but time spent tells whether a key rested, and the packed form is never written anywhere: it may change
 * with any version.
 */
import { assert } from "../assert.ts";
import { Sink } from "../bytes/sink.ts";
import { Source } from "../bytes/source.ts";
import type { Cells } from "../crdt/cells.ts";
import { type Collection, HASH, Key, LIST, SET, ZSET } from "../crdt/key.ts";
import type { Heap } from "./heap.ts";
import { Entry, type Packing, REGISTER, type Table } from "./table.ts";

/** What is larger is used cell by cell, and takes little beside its cells. */
const CELLS_MAX = 64;
const BYTES_MAX = 1024;
const TAGS = SET | HASH | ZSET | LIST;
/** Objects that are looked at for each one that was made or woken: so many may be unfit or in use. */
const LOOKS = 4;
/** So many are looked at in a row; after this much work the rest waits for the next time. */
const LOOKS_MAX = 128;
const STEPS_MAX = 1_000;

export class Resting implements Packing<Key> {
  readonly #heap: Heap;
  readonly #newCells: (tag: Collection) => Cells;
  readonly #sink = new Sink(2 * BYTES_MAX);
  readonly #source = new Source(Buffer.alloc(0));
  readonly #entry = new Entry();
  /** How many keys were packed so far. */
  packed = 0;
  /** Tables with more objects than when they were last asked to rest, and how many are to be looked at. */
  readonly #stirred = new Map<Table<Key>, number>();

  constructor(heap: Heap, newCells: (tag: Collection) => Cells) {
    this.#heap = heap;
    this.#newCells = newCells;
  }

  stirred(table: Table<Key>): void {
    this.#stirred.set(table, (this.#stirred.get(table) ?? 0) + LOOKS);
  }

  /**
   * Lets objects rest where there were new ones, but for `awake` of each table. Nobody may hold a key or a body of one. Stops when that
   * has become much work, and goes on with it at the next call.
   */
  settle(awake: number): void {
    if (this.#stirred.size === 0) return;
    assert(this.#heap.undo === null, "nothing rests within a record");
    const begin = this.#heap.steps;
    for (const [table, looks] of this.#stirred)
      for (let left = looks; left > 0; left -= LOOKS_MAX) {
        table.rest(awake, Math.min(left, LOOKS_MAX));
        if (left > LOOKS_MAX) this.#stirred.set(table, left - LOOKS_MAX);
        else this.#stirred.delete(table);
        if (this.#heap.steps - begin > STEPS_MAX) return;
      }
  }

  pack(key: Key): Buffer | null {
    if (key.used) {
      key.used = false;
      return null;
    }
    const [body] = key.bodies;
    if (body === undefined || !isPlain(key) || !mayRest(body)) return null;
    const sink = this.#sink;
    sink.clear();
    sink.u8(body.tag);
    sink.varint(body.count);
    sink.u48(body.newestMs);
    const entry = this.#entry;
    let [origin, seq, ms, tick] = [-1, -1, -1, -1];
    let fits = true;
    body.table.each((at) => {
      if (!fits) return;
      body.table.load(at, entry);
      const { bytes, nameStart, nameEnd, valueStart, valueEnd } = entry;
      fits = entry.kind === REGISTER && sink.length + valueEnd - nameStart < BYTES_MAX;
      if (!fits) return;
      const isOther =
        entry.seq !== seq || entry.origin !== origin || entry.ms !== ms || entry.tick !== tick;
      sink.varint((nameEnd - nameStart) * 2 + Number(isOther));
      if (isOther) {
        ({ origin, seq, ms, tick } = entry);
        sink.varint(origin);
        sink.varint(seq);
        sink.varint(body.newestMs - ms);
        sink.varint(tick);
      }
      sink.raw(bytes, nameStart, nameEnd);
      sink.bytes(bytes, valueStart, valueEnd);
    });
    this.#heap.steps += body.count;
    if (!fits) return null;
    this.packed++;
    return sink.view();
  }

  release(key: Key): void {
    for (const body of key.bodies) body.free();
  }

  unpack(bytes: Buffer, start: number, end: number): Key {
    const source = this.#source;
    source.reset(bytes, start, end);
    const body = this.#newCells(source.u8() as Collection);
    const count = source.varint();
    body.newestMs = source.u48();
    let [origin, seq, ms, tick] = [0, 0, 0, 0];
    for (let left = count; left > 0; left--) {
      const head = source.varint();
      if ((head & 1) !== 0) {
        origin = source.varint();
        seq = source.varint();
        ms = body.newestMs - source.varint();
        tick = source.varint();
      }
      const name = source.at;
      source.at += head >>> 1;
      const nameEnd = source.at;
      const length = source.varint();
      const value = source.at;
      source.at += length;
      body.adopt(bytes, name, nameEnd, origin, seq, ms, tick, value, source.at);
    }
    this.#heap.steps += count;
    const key = new Key();
    key.bodies = [body];
    key.counted = true;
    key.dueMs = Infinity;
    return key;
  }
}

/** Whether a key is what its only body holds, and nothing else. */
function isPlain(key: Key): boolean {
  return (
    key.bodies.length === 1 &&
    key.counted &&
    !key.countedExpiring &&
    !key.countedExpirable &&
    key.countedBytes === 0 &&
    key.cell === null &&
    key.generations.length === 0 &&
    key.deadlines.length === 0 &&
    key.floors.length === 0 &&
    key.memberFloors === null
  );
}

/** Whether a body is small, and all of it are registers that a reader sees. */
function mayRest(body: Cells): boolean {
  const { table } = body;
  return (
    (body.tag & TAGS) !== 0 &&
    body.count > 0 &&
    body.count <= CELLS_MAX &&
    !body.isLarge &&
    table.size === body.count &&
    table.objectCount === 0 &&
    body.expiring === null
  );
}
