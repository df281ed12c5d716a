/**
 * Table: names (bytes) → entries, compared and hashed where they lie.
 *
 *   buckets   [hash, ref] pairs, open addressing, a name's home is given by the top bits of its hash
 *   entry     u32 name length | u8 kind, u8 flags, u16 db |                                              (in the heap)
 *             register: f64 seq | f64 ms | u32 value length | u16 tick, u16 origin | [f64 deadline] | name | value
 *             counter:  f64 seq | f64 ms | u32 - | u16 tick, u16 origin | f64 start | f64 sum | name
 *             object:   i32 index | u32 - | name
 *
 * An entry is a packed register (one value with its dot and stamp, the common case), a packed counter (one origin's era of safe
 * integers, never reset) or, when that is not enough, an object. The keyspace is such tables (key → register, counter or `Key`),
 * and so are sets and hashes (member or field → register or `Cell`).
 *
 * Invariant: entries lie between their home bucket and the next empty one. So `walk` can cut the table by hash, and a walk that
 * stops and goes on later sees every entry that was there all the time exactly once, however the table grew or shrank between.
 *
 * A position returned by `find` is valid until the table changes.
 */
import { assert } from "../assert.ts";
import type { Heap, Page, Ref } from "./heap.ts";

export const REGISTER = 1;
export const OBJECT = 2;
export const COUNTER = 3;

const FLAG_DEADLINE = 1;
const REGISTER_BYTES = 32;
const DEADLINE_BYTES = 8;
const OBJECT_BYTES = 16;
const COUNTER_BYTES = 48;
const CAPACITY_MIN = 4;

/** The end of a walk: one more than the largest hash. */
export const WALK_END = 2 ** 32;

/** A reusable look at one entry in the heap. */
export class Entry {
  page!: Page;
  offset = 0;
  kind = 0;
  db = 0;
  nameStart = 0;
  nameEnd = 0;
  /** Register: the dot. Counter: its origin, and the seq of the last addition. */
  origin = 0;
  seq = 0;
  /** Register: the stamp. Counter: the stamp with which its era began. */
  ms = 0;
  tick = 0;
  /** Counter only: the seq with which its era began, and what was added since. */
  start = 0;
  sum = 0;
  /** Register only: milliseconds since 1970, Infinity for never. */
  deadline = Infinity;
  valueStart = 0;
  valueEnd = 0;
  /** Object only. */
  index = 0;

  /** The page's bytes, in which name and value lie. */
  get bytes(): Buffer {
    return this.page.bytes;
  }

  load(heap: Heap, ref: Ref): void {
    const page = heap.page(ref);
    const offset = heap.offset(ref);
    this.page = page;
    this.offset = offset;
    const i = offset >> 2;
    const nameLength = page.i32[i] as number;
    const head = page.i32[i + 1] as number;
    this.kind = head & 0xff;
    this.db = head >>> 16;
    if (this.kind === OBJECT) {
      this.index = page.i32[i + 2] as number;
      this.nameStart = offset + OBJECT_BYTES;
      this.nameEnd = this.nameStart + nameLength;
      return;
    }
    const f = offset >> 3;
    this.seq = page.f64[f + 1] as number;
    this.ms = page.f64[f + 2] as number;
    const valueLength = page.i32[i + 6] as number;
    const packed = page.i32[i + 7] as number;
    this.tick = packed & 0xffff;
    this.origin = packed >>> 16;
    if (this.kind === COUNTER) {
      this.start = page.f64[f + 4] as number;
      this.sum = page.f64[f + 5] as number;
      this.deadline = Infinity;
      this.nameStart = offset + COUNTER_BYTES;
      this.nameEnd = this.nameStart + nameLength;
      this.valueStart = this.nameEnd;
      this.valueEnd = this.nameEnd;
      return;
    }
    if ((head & (FLAG_DEADLINE << 8)) === 0) {
      this.deadline = Infinity;
      this.nameStart = offset + REGISTER_BYTES;
    } else {
      this.deadline = page.f64[f + 4] as number;
      this.nameStart = offset + REGISTER_BYTES + DEADLINE_BYTES;
    }
    this.nameEnd = this.nameStart + nameLength;
    this.valueStart = this.nameEnd;
    this.valueEnd = this.valueStart + valueLength;
  }
}

export class Table<T extends object> {
  readonly heap: Heap;
  #buckets = new Int32Array(CAPACITY_MIN * 2);
  #capacity = CAPACITY_MIN;
  /** `hash >>> shift` is the home bucket. */
  #shift = 30;
  readonly #objects: (T | undefined)[] = [];
  readonly #freeObjects: number[] = [];
  /** Entries, of either kind. */
  size = 0;

  constructor(heap: Heap) {
    this.heap = heap;
  }

  /** The position of a name, or −1. */
  find(hash: number, db: number, bytes: Uint8Array, start: number, end: number): number {
    const buckets = this.#buckets;
    const mask = this.#capacity - 1;
    const wanted = hash | 0;
    const length = end - start;
    for (let at = hash >>> this.#shift; ; at = (at + 1) & mask) {
      const ref = buckets[at * 2 + 1] as number;
      if (ref === 0) return -1;
      if ((buckets[at * 2] as number) !== wanted) continue;
      const page = this.heap.page(ref);
      const i = this.heap.offset(ref) >> 2;
      if ((page.i32[i] as number) !== length) continue;
      const head = page.i32[i + 1] as number;
      if (head >>> 16 !== db) continue;
      const stored = page.bytes;
      let from = (i << 2) + headBytes(head);
      let k = start;
      while (k < end && stored[from] === bytes[k]) {
        from++;
        k++;
      }
      if (k === end) return at;
    }
  }

  load(at: number, entry: Entry): void {
    entry.load(this.heap, this.#buckets[at * 2 + 1] as number);
  }

  /** How many of the entries are objects. */
  get objectCount(): number {
    return this.#objects.length - this.#freeObjects.length;
  }

  /** Where the entry at a position lies in the heap: it stays there until it is put again or removed. */
  refAt(at: number): Ref {
    return this.#buckets[at * 2 + 1] as number;
  }

  /** What lies at a position: REGISTER, COUNTER or OBJECT. */
  kindAt(at: number): number {
    const ref = this.#buckets[at * 2 + 1] as number;
    return (this.heap.page(ref).i32[(this.heap.offset(ref) >> 2) + 1] as number) & 0xff;
  }

  /** The object at a position, or null when something packed lies there. */
  objectAt(at: number): T | null {
    const ref = this.#buckets[at * 2 + 1] as number;
    const page = this.heap.page(ref);
    const i = this.heap.offset(ref) >> 2;
    if (((page.i32[i + 1] as number) & 0xff) !== OBJECT) return null;
    return this.#objects[page.i32[i + 2] as number] as T;
  }

  object(entry: Entry): T {
    assert(entry.kind === OBJECT, "the entry holds an object");
    return this.#objects[entry.index] as T;
  }

  /** Puts a register under a name: at position `at` if the name is there, else (−1) as a new entry. Returns its position. */
  putRegister(
    at: number,
    hash: number,
    db: number,
    name: Uint8Array,
    nameStart: number,
    nameEnd: number,
    origin: number,
    seq: number,
    ms: number,
    tick: number,
    deadline: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): number {
    const nameLength = nameEnd - nameStart;
    const valueLength = valueEnd - valueStart;
    const flags = deadline === Infinity ? 0 : FLAG_DEADLINE;
    const head = REGISTER | (flags << 8) | (db << 16);
    const bytes = headBytes(head) + nameLength + valueLength;
    const place = this.#place(at, hash, bytes);
    const ref = this.#buckets[place * 2 + 1] as number;
    const page = this.heap.page(ref);
    const offset = this.heap.offset(ref);
    const i = offset >> 2;
    const f = offset >> 3;
    page.i32[i] = nameLength;
    page.i32[i + 1] = head;
    page.f64[f + 1] = seq;
    page.f64[f + 2] = ms;
    page.i32[i + 6] = valueLength;
    page.i32[i + 7] = (origin << 16) | tick;
    if (flags !== 0) page.f64[f + 4] = deadline;
    const start = offset + headBytes(head);
    copy(name, nameStart, nameEnd, page.bytes, start);
    copy(value, valueStart, valueEnd, page.bytes, start + nameLength);
    return place;
  }

  /** Puts a counter under a name, as `putRegister` does. */
  putCounter(
    at: number,
    hash: number,
    db: number,
    name: Uint8Array,
    nameStart: number,
    nameEnd: number,
    origin: number,
    seq: number,
    sum: number,
    start: number,
    startMs: number,
    startTick: number,
  ): number {
    const nameLength = nameEnd - nameStart;
    const place = this.#place(at, hash, COUNTER_BYTES + nameLength);
    const ref = this.#buckets[place * 2 + 1] as number;
    const page = this.heap.page(ref);
    const offset = this.heap.offset(ref);
    const i = offset >> 2;
    const f = offset >> 3;
    page.i32[i] = nameLength;
    page.i32[i + 1] = COUNTER | (db << 16);
    page.f64[f + 1] = seq;
    page.f64[f + 2] = startMs;
    page.i32[i + 6] = 0;
    page.i32[i + 7] = (origin << 16) | startTick;
    page.f64[f + 4] = start;
    page.f64[f + 5] = sum;
    copy(name, nameStart, nameEnd, page.bytes, offset + COUNTER_BYTES);
    return place;
  }

  /** Puts an object under a name, as `putRegister` does. */
  putObject(
    at: number,
    hash: number,
    db: number,
    name: Uint8Array,
    nameStart: number,
    nameEnd: number,
    object: T,
  ): number {
    const nameLength = nameEnd - nameStart;
    const place = this.#place(at, hash, OBJECT_BYTES + nameLength);
    const ref = this.#buckets[place * 2 + 1] as number;
    const page = this.heap.page(ref);
    const offset = this.heap.offset(ref);
    const i = offset >> 2;
    const index = this.#freeObjects.pop() ?? this.#objects.length;
    this.#objects[index] = object;
    page.i32[i] = nameLength;
    page.i32[i + 1] = OBJECT | (db << 16);
    page.i32[i + 2] = index;
    copy(name, nameStart, nameEnd, page.bytes, offset + OBJECT_BYTES);
    return place;
  }

  /**
   * A bucket with a block of `bytes` for the name: the old block at `at` is reused if its size fits, else freed. The caller
   * must not read a name or value out of the old block any more, unless that is where it already lies in the new one.
   */
  #place(at: number, hash: number, bytes: number): number {
    if (at >= 0) {
      const ref = this.#buckets[at * 2 + 1] as number;
      const old = this.#release(ref);
      if ((old + 15) >>> 4 === (bytes + 15) >>> 4) return at;
      // The name may be read from the old block below (a register becoming an object), so it is freed, not overwritten.
      this.heap.free(ref, old);
      this.#buckets[at * 2 + 1] = this.heap.allocate(bytes);
      return at;
    }
    if ((this.size + 1) * 4 > this.#capacity * 3) this.#resize(this.#capacity * 2);
    const ref = this.heap.allocate(bytes);
    this.size++;
    return this.#insert(hash | 0, ref);
  }

  /** Lets go of the object of an entry, if it has one; returns the entry's bytes. */
  #release(ref: Ref): number {
    const page = this.heap.page(ref);
    const i = this.heap.offset(ref) >> 2;
    const head = page.i32[i + 1] as number;
    if ((head & 0xff) !== OBJECT)
      return headBytes(head) + (page.i32[i] as number) + (page.i32[i + 6] as number);
    const index = page.i32[i + 2] as number;
    this.#objects[index] = undefined;
    this.#freeObjects.push(index);
    return OBJECT_BYTES + (page.i32[i] as number);
  }

  #insert(hash: number, ref: Ref): number {
    const buckets = this.#buckets;
    const mask = this.#capacity - 1;
    let at = hash >>> this.#shift;
    while (buckets[at * 2 + 1] !== 0) at = (at + 1) & mask;
    buckets[at * 2] = hash;
    buckets[at * 2 + 1] = ref;
    return at;
  }

  #resize(capacity: number): void {
    const old = this.#buckets;
    this.#capacity = capacity;
    this.#shift = Math.clz32(capacity) + 1;
    this.#buckets = new Int32Array(capacity * 2);
    for (let i = 0; i < old.length; i += 2)
      if (old[i + 1] !== 0) this.#insert(old[i] as number, old[i + 1] as number);
  }

  /** Removes the entry at a position. */
  removeAt(at: number): void {
    const ref = this.#buckets[at * 2 + 1] as number;
    this.heap.free(ref, this.#release(ref));
    this.size--;
    this.#closeGap(at);
    if (this.#capacity > 64 && this.size * 8 < this.#capacity) this.#resize(this.#capacity / 2);
  }

  /** Moves entries back into a bucket that became empty, so that none is cut off from its home. */
  #closeGap(at: number): void {
    const buckets = this.#buckets;
    const mask = this.#capacity - 1;
    let gap = at;
    for (let next = (gap + 1) & mask; buckets[next * 2 + 1] !== 0; next = (next + 1) & mask) {
      const home = (buckets[next * 2] as number) >>> this.#shift;
      if (((next - home) & mask) < ((next - gap) & mask)) continue;
      buckets[gap * 2] = buckets[next * 2] as number;
      buckets[gap * 2 + 1] = buckets[next * 2 + 1] as number;
      gap = next;
    }
    buckets[gap * 2] = 0;
    buckets[gap * 2 + 1] = 0;
  }

  /** Frees everything. */
  clear(): void {
    for (let i = 1; i < this.#buckets.length; i += 2) {
      const ref = this.#buckets[i] as number;
      if (ref !== 0) this.heap.free(ref, this.#release(ref));
    }
    this.#buckets = new Int32Array(CAPACITY_MIN * 2);
    this.#capacity = CAPACITY_MIN;
    this.#shift = 30;
    this.#objects.length = 0;
    this.#freeObjects.length = 0;
    this.size = 0;
  }

  /**
   * Visits entries in the order of their hashes, from hash `from` on, about `count` buckets of them; returns the hash to go
   * on from, `WALK_END` at the end. `visit` gets positions and must not change the table (collect names, then change).
   */
  walk(from: number, count: number, visit: (at: number) => void): number {
    const width = 2 ** this.#shift;
    const first = Math.floor(from / width);
    const to = Math.min(WALK_END, (first + Math.max(1, count)) * width);
    const mask = this.#capacity - 1;
    const lastHome = Math.ceil(to / width) - 1;
    for (let step = 0; step < this.#capacity; step++) {
      const at = (first + step) & mask;
      if (this.#buckets[at * 2 + 1] === 0) {
        if (first + step >= lastHome) break;
        continue;
      }
      const hash = (this.#buckets[at * 2] as number) >>> 0;
      if (hash >= from && hash < to) visit(at);
    }
    return to;
  }

  /** Visits every entry; see `walk`. */
  each(visit: (at: number) => void): void {
    for (let at = 0; at < this.#capacity; at++) if (this.#buckets[at * 2 + 1] !== 0) visit(at);
  }

  /** The position of some entry, chosen by `chance` in [0, 1); −1 when there is none. */
  some(chance: number): number {
    if (this.size === 0) return -1;
    let at = Math.floor(chance * this.#capacity);
    while (this.#buckets[at * 2 + 1] === 0) at = (at + 1) & (this.#capacity - 1);
    return at;
  }
}

function headBytes(head: number): number {
  const kind = head & 0xff;
  if (kind === OBJECT) return OBJECT_BYTES;
  if (kind === COUNTER) return COUNTER_BYTES;
  return (head & (FLAG_DEADLINE << 8)) === 0 ? REGISTER_BYTES : REGISTER_BYTES + DEADLINE_BYTES;
}

function copy(from: Uint8Array, start: number, end: number, to: Buffer, at: number): void {
  let target = at;
  // A short copy is cheaper by hand than through the call into the runtime.
  if (end - start < 48) for (let i = start; i < end; i++) to[target++] = from[i] as number;
  else to.set(from.subarray(start, end), at);
}
