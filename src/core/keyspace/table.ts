/**
 * Table: names (bytes) → entries, compared and hashed where they lie.
 *
 *   directory  top bits of a hash → its segment
 *   segment    [hash, ref] pairs, open addressing, a name's home is given by the next bits of its hash
 *   entry      u32 name length | u8 kind, u8 flags, u16 db |                                              (in the heap)
 *              register: f64 seq | f64 ms | u32 value length | u16 tick, u16 origin | [f64 deadline] | name | value
 *              counter:  f64 seq | f64 ms | u32 - | u16 tick, u16 origin | f64 start | f64 sum | name
 *              both, before the name, when EXPIRE gave the key a deadline: f64 seq | f64 ms | u32 - | u16 tick, u16 origin | f64 deadline
 *              object:   i32 index | u32 - | name
 *              … at rest: i32 ref of its packed form | u32 bytes of that | name
 *
 * An entry is a packed register (one value with its dot and stamp, the common case), a packed counter (one origin's era of safe
 * integers, never reset) or, when that is not enough, an object. The keyspace is such tables (key → register, counter or `Key`),
 * and so are sets and hashes (member or field → register or `Cell`).
 *
 * An object that nobody used for a while may rest: packed in a block of its own, from which it is made again when somebody asks for
 * it. Nobody but this table can tell.
 *
 * Invariant: entries lie between their home bucket and the next empty one, and segments in the order of their hashes. So `walk`
 * can cut the table by hash, and a walk that stops and goes on later sees every entry that was there all the time exactly once,
 * however the table grew or shrank between.
 *
 * A segment that is full splits in two, and two that are nearly empty become one (extendible hashing: Fagin et al. 1979). So a
 * table of many millions grows by a few thousand entries at a time, and no write ever waits for all of them.
 *
 * A position returned by `find` is valid until the table changes.
 */
import { assert } from "../assert.ts";
import type { Heap, Page, Ref } from "./heap.ts";
import { LOOK_BITS } from "./steps.ts";

export const REGISTER = 1;
export const OBJECT = 2;
export const COUNTER = 3;

const FLAG_DEADLINE = 1;
const FLAG_EXPIRE = 2;
/** An object lies packed. */
const FLAG_RESTS = 4;
const EITHER_DEADLINE = (FLAG_DEADLINE | FLAG_EXPIRE) << 8;
const REGISTER_BYTES = 32;
const DEADLINE_BYTES = 8;
const OBJECT_BYTES = 16;
const COUNTER_BYTES = 48;
const EXPIRE_BYTES = 32;
const CAPACITY_MIN = 4;
/** Buckets of a segment, at most. */
const SEGMENT_BITS = 12;
const CAPACITY_MAX = 1 << SEGMENT_BITS;
const BUCKET_MASK = CAPACITY_MAX - 1;
/** Positions have 32 bits. */
const DEPTH_MAX = 32 - SEGMENT_BITS;

/** How objects of a table are packed when they rest. */
export interface Packing<T extends object> {
  /** The packed form, valid until the next call; null when the object has none now, or was used since it was last asked for. */
  pack(object: T): Buffer | null;
  /** Makes an object of its packed form, `bytes[start … end)`. */
  unpack(bytes: Buffer, start: number, end: number): T;
  /** An object was packed: whatever it owned is given back. */
  release(object: T): void;
  /** A table has more objects than before. */
  stirred(table: Table<T>): void;
}

/** The end of a walk: one more than the largest hash. */
export const WALK_END = 2 ** 32;

/** A reusable look at one entry in the heap. */
export class Entry {
  /** Where it lies; not known of the copy of a block. */
  ref: Ref = 0;
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
  /** Register or counter: milliseconds since 1970, Infinity for never. */
  deadline = Infinity;
  /** Whether the deadline is an EXPIRE's, with a dot and a stamp of its own, and did not come with the value. */
  expires = false;
  expireOrigin = 0;
  expireSeq = 0;
  expireMs = 0;
  expireTick = 0;
  valueStart = 0;
  valueEnd = 0;
  /** Object only: whether it rests. */
  rests = false;

  /** The page's bytes, in which name and value lie. */
  get bytes(): Buffer {
    return this.page.bytes;
  }

  /** As `load`, of the name alone. */
  loadName(heap: Heap, ref: Ref): void {
    const page = heap.page(ref);
    const offset = heap.offset(ref);
    const i = offset >> 2;
    this.page = page;
    this.nameStart = offset + headBytes(page.i32[i + 1] as number);
    this.nameEnd = this.nameStart + (page.i32[i] as number);
  }

  load(heap: Heap, ref: Ref): void {
    this.ref = ref;
    this.read(heap.page(ref), heap.offset(ref));
  }

  /** As `load`, of a block or the copy of one. */
  read(page: Page, offset: number): void {
    this.page = page;
    this.offset = offset;
    const i = offset >> 2;
    const nameLength = page.i32[i] as number;
    const head = page.i32[i + 1] as number;
    this.kind = head & 0xff;
    this.db = head >>> 16;
    this.nameStart = offset + headBytes(head);
    this.nameEnd = this.nameStart + nameLength;
    if (this.kind === OBJECT) {
      this.rests = (head & (FLAG_RESTS << 8)) !== 0;
      return;
    }
    const f = offset >> 3;
    this.seq = page.f64[f + 1] as number;
    this.ms = page.f64[f + 2] as number;
    this.valueStart = this.nameEnd;
    this.valueEnd = this.nameEnd + (page.i32[i + 6] as number);
    const packed = page.i32[i + 7] as number;
    this.tick = packed & 0xffff;
    this.origin = packed >>> 16;
    if (this.kind === COUNTER) {
      this.start = page.f64[f + 4] as number;
      this.sum = page.f64[f + 5] as number;
    }
    this.deadline = Infinity;
    this.expires = (head & (FLAG_EXPIRE << 8)) !== 0;
    if (this.expires) this.#readExpire((this.nameStart - EXPIRE_BYTES) >> 3);
    else if ((head & (FLAG_DEADLINE << 8)) !== 0) this.deadline = page.f64[f + 4] as number;
  }

  #readExpire(f: number): void {
    const { f64, i32 } = this.page;
    this.expireSeq = f64[f] as number;
    this.expireMs = f64[f + 1] as number;
    const packed = i32[f * 2 + 5] as number;
    this.expireTick = packed & 0xffff;
    this.expireOrigin = packed >>> 16;
    this.deadline = f64[f + 3] as number;
  }
}

/** The buckets of all names whose hashes begin with the same `depth` bits. */
class Segment {
  buckets: Int32Array;
  /** Bucket → access (`access.ts`); null while nobody asks for it. */
  accesses: Uint32Array | null;
  capacity: number;
  /** `(hash << depth) >>> shift` is the home bucket. */
  shift: number;
  depth: number;
  /** Where in the directory it is first: its number there. */
  first: number;
  size = 0;

  constructor(capacity: number, depth: number, first: number, tracks: boolean) {
    this.buckets = new Int32Array(capacity * 2);
    this.accesses = tracks ? new Uint32Array(capacity) : null;
    this.capacity = capacity;
    this.shift = Math.clz32(capacity) + 1;
    this.depth = depth;
    this.first = first;
  }

  insert(hash: number, ref: Ref, access: number): number {
    const { buckets, accesses } = this;
    const mask = this.capacity - 1;
    let at = (hash << this.depth) >>> this.shift;
    while (buckets[at * 2 + 1] !== 0) at = (at + 1) & mask;
    buckets[at * 2] = hash;
    buckets[at * 2 + 1] = ref;
    if (accesses !== null) accesses[at] = access;
    this.size++;
    return at;
  }

  resize(capacity: number): void {
    const { buckets, accesses } = this;
    this.capacity = capacity;
    this.shift = Math.clz32(capacity) + 1;
    this.buckets = new Int32Array(capacity * 2);
    if (accesses !== null) this.accesses = new Uint32Array(capacity);
    this.size = 0;
    this.take(buckets, accesses);
  }

  /** Inserts the pairs of other buckets. */
  take(buckets: Int32Array, accesses: Uint32Array | null): void {
    for (let i = 0; i < buckets.length; i += 2) {
      if (buckets[i + 1] === 0) continue;
      const access = accesses === null ? 0 : (accesses[i >> 1] as number);
      this.insert(buckets[i] as number, buckets[i + 1] as number, access);
    }
  }

  /** Moves entries back into a bucket that became empty, so that none is cut off from its home. */
  closeGap(at: number): void {
    const { buckets, accesses, depth, shift } = this;
    const mask = this.capacity - 1;
    let gap = at;
    for (let next = (gap + 1) & mask; buckets[next * 2 + 1] !== 0; next = (next + 1) & mask) {
      const home = ((buckets[next * 2] as number) << depth) >>> shift;
      if (((next - home) & mask) < ((next - gap) & mask)) continue;
      buckets[gap * 2] = buckets[next * 2] as number;
      buckets[gap * 2 + 1] = buckets[next * 2 + 1] as number;
      if (accesses !== null) accesses[gap] = accesses[next] as number;
      gap = next;
    }
    buckets[gap * 2] = 0;
    buckets[gap * 2 + 1] = 0;
    this.size--;
  }
}

/** What tables of one segment, and those without objects, share: it is replaced and never written to. */
const NO_SEGMENTS: Segment[] = [];
const NO_OBJECTS: never[] = [];
const NO_REFS: Ref[] = [];

/** What a bucket takes, and what an access takes beside it. */
const BUCKET_BYTES = 8;
const ACCESS_BYTES = 4;

export class Table<T extends object> {
  readonly heap: Heap;
  readonly #objectBytes: number;
  #tracks = false;
  /** The only segment, while there is but one; most tables are small. */
  #only: Segment | null = new Segment(CAPACITY_MIN, 0, 0, false);
  #directory: Segment[] = NO_SEGMENTS;
  /** The directory has 2^depth entries. */
  #depth = 0;
  #objects: (T | undefined)[] = NO_OBJECTS;
  #freeObjects: number[] = NO_OBJECTS;
  readonly #packing: Packing<T> | null;
  /** Index → its entry; kept where objects may rest. */
  readonly #refs: Ref[] = NO_REFS;
  /** Which object is looked at next, to let it rest. */
  #hand = 0;
  /** Entries, of either kind. */
  size = 0;
  /** Grows whenever positions may have changed their meaning. */
  version = 0;

  /** `objectBytes` is what an object takes on average, for the account of memory. */
  constructor(heap: Heap, objectBytes: number, packing: Packing<T> | null = null) {
    this.heap = heap;
    this.#objectBytes = objectBytes;
    this.#packing = packing;
    if (packing !== null) this.#refs = [];
  }

  /** From now on the table knows when its entries are used; all of them were last used as `access` says. */
  trackAccess(access: number): void {
    if (this.#tracks) return;
    this.#tracks = true;
    for (const segment of this.#segments()) {
      segment.accesses = new Uint32Array(segment.capacity).fill(access);
      this.heap.objectBytes += (segment.capacity - CAPACITY_MIN) * ACCESS_BYTES;
    }
  }

  /** When and how often the entry at a position was used; 0 while that is not tracked. */
  accessAt(at: number): number {
    const { accesses } = this.#segmentAt(at);
    return accesses === null ? 0 : (accesses[at & BUCKET_MASK] as number);
  }

  setAccess(at: number, access: number): void {
    const { accesses } = this.#segmentAt(at);
    if (accesses !== null) accesses[at & BUCKET_MASK] = access;
  }

  /** Accounts for buckets taken, or with a negative number given back. */
  #charge(buckets: number): void {
    this.heap.objectBytes += buckets * (this.#tracks ? BUCKET_BYTES + ACCESS_BYTES : BUCKET_BYTES);
  }

  /** The position of a name, or −1. */
  find(hash: number, db: number, bytes: Uint8Array, start: number, end: number): number {
    const segment = this.#only ?? this.#segmentOf(hash);
    const { buckets } = segment;
    const mask = segment.capacity - 1;
    const wanted = hash | 0;
    const length = end - start;
    for (let at = (hash << segment.depth) >>> segment.shift; ; at = (at + 1) & mask) {
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
      if (k === end) return segment.first * CAPACITY_MAX + at;
    }
  }

  #segmentOf(hash: number): Segment {
    return this.#directory[hash >>> (32 - this.#depth)] as Segment;
  }

  /** The segment in which a position lies. */
  #segmentAt(at: number): Segment {
    return this.#only ?? (this.#directory[at >>> SEGMENT_BITS] as Segment);
  }

  load(at: number, entry: Entry): void {
    entry.load(this.heap, this.refAt(at));
  }

  /** How many of the entries are objects that do not rest. */
  get objectCount(): number {
    return this.#objects.length - this.#freeObjects.length;
  }

  /** Where the entry at a position lies in the heap: it stays there until it is put again or removed. */
  refAt(at: number): Ref {
    return this.#segmentAt(at).buckets[(at & BUCKET_MASK) * 2 + 1] as number;
  }

  /** Whether the object at a position rests: it has no deadline, then, and waits for nothing. */
  restsAt(at: number): boolean {
    return (this.#headAt(at) & (FLAG_RESTS << 8)) !== 0;
  }

  /** What lies at a position: REGISTER, COUNTER or OBJECT. */
  kindAt(at: number): number {
    return this.#headAt(at) & 0xff;
  }

  /** Whether what lies packed at a position has a deadline. */
  hasDeadlineAt(at: number): boolean {
    return (this.#headAt(at) & EITHER_DEADLINE) !== 0;
  }

  #headAt(at: number): number {
    const ref = this.refAt(at);
    return this.heap.page(ref).i32[(this.heap.offset(ref) >> 2) + 1] as number;
  }

  /** The object at a position, or null when something packed lies there. */
  objectAt(at: number): T | null {
    const ref = this.refAt(at);
    const page = this.heap.page(ref);
    const i = this.heap.offset(ref) >> 2;
    if (((page.i32[i + 1] as number) & 0xff) !== OBJECT) return null;
    return this.#objectOf(ref, page, i);
  }

  object(entry: Entry): T {
    assert(entry.kind === OBJECT, "the entry holds an object");
    return this.#objectOf(entry.ref, entry.page, entry.offset >> 2);
  }

  /** Shows the object of an entry. One that rests goes on resting: what is shown is another one, and only for as long as `visit` takes. */
  peek<R>(entry: Entry, visit: (object: T) => R): R {
    if (!entry.rests) return visit(this.object(entry));
    const { i32 } = entry.page;
    const i = entry.offset >> 2;
    const object = this.#unpack(i32[i + 2] as number, i32[i + 3] as number);
    const seen = visit(object);
    (this.#packing as Packing<T>).release(object);
    return seen;
  }

  #unpack(packed: Ref, bytes: number): T {
    const from = this.heap.offset(packed);
    const page = this.heap.page(packed);
    return (this.#packing as Packing<T>).unpack(page.bytes, from, from + bytes);
  }

  #objectOf(ref: Ref, { i32 }: Page, i: number): T {
    if (((i32[i + 1] as number) & (FLAG_RESTS << 8)) === 0)
      return this.#objects[i32[i + 2] as number] as T;
    const packed = i32[i + 2] as number;
    const bytes = i32[i + 3] as number;
    const object = this.#unpack(packed, bytes);
    this.heap.free(packed, bytes);
    (i32[i + 1] as number) &= ~(FLAG_RESTS << 8);
    i32[i + 2] = this.#enlist(object, ref);
    return object;
  }

  /** A number for an object, whose entry lies at `ref`. */
  #enlist(object: T, ref: Ref): number {
    if (this.#objects === NO_OBJECTS) {
      this.#objects = [];
      this.#freeObjects = [];
    }
    const index = this.#freeObjects.pop() ?? this.#objects.length;
    this.#objects[index] = object;
    this.heap.objectBytes += this.#objectBytes;
    if (this.#packing !== null) {
      this.#refs[index] = ref;
      this.#packing.stirred(this);
    }
    return index;
  }

  #strike(index: number): void {
    this.#objects[index] = undefined;
    this.#freeObjects.push(index);
    this.heap.objectBytes -= this.#objectBytes;
  }

  /**
   * Lets objects rest that were not used since it last came by, until `most` are left that do not; looks at `looks` of them.
   * Nobody may hold one of them.
   */
  rest(most: number, looks: number): void {
    const packing = this.#packing as Packing<T>;
    this.heap.steps += looks >> LOOK_BITS;
    for (let i = 0; i < looks && this.objectCount > most; i++) {
      const index = this.#hand++ % this.#objects.length;
      const object = this.#objects[index];
      const packed = object === undefined ? null : packing.pack(object);
      if (object === undefined || packed === null) continue;
      const ref = this.heap.allocate(packed.length);
      copy(packed, 0, packed.length, this.heap.page(ref).bytes, this.heap.offset(ref));
      const entry = this.#refs[index] as number;
      const { i32 } = this.heap.page(entry);
      const at = this.heap.offset(entry) >> 2;
      (i32[at + 1] as number) |= FLAG_RESTS << 8;
      i32[at + 2] = ref;
      i32[at + 3] = packed.length;
      this.#strike(index);
      packing.release(object);
    }
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
    const ref = this.refAt(place);
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
    const ref = this.refAt(place);
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

  /** The packed counter at a position moves on; its deadline stays. */
  moveCounter(
    at: number,
    seq: number,
    sum: number,
    start: number,
    startMs: number,
    startTick: number,
  ): void {
    const ref = this.refAt(at);
    const page = this.heap.page(ref);
    const offset = this.heap.offset(ref);
    const f = offset >> 3;
    const i = (offset >> 2) + 7;
    page.f64[f + 1] = seq;
    page.f64[f + 2] = startMs;
    page.i32[i] = ((page.i32[i] as number) & ~0xffff) | startTick;
    page.f64[f + 4] = start;
    page.f64[f + 5] = sum;
  }

  /** Gives the counter, or the register without a deadline, at a position one that an EXPIRE set, in place of any such. */
  putExpire(
    at: number,
    origin: number,
    seq: number,
    ms: number,
    tick: number,
    deadline: number,
  ): void {
    let ref = this.refAt(at);
    let head = this.#headAt(at);
    if ((head & (FLAG_EXPIRE << 8)) === 0) {
      head |= FLAG_EXPIRE << 8;
      ref = this.#widen(at, ref, head);
    }
    const page = this.heap.page(ref);
    const f = (this.heap.offset(ref) + headBytes(head) - EXPIRE_BYTES) >> 3;
    page.f64[f] = seq;
    page.f64[f + 1] = ms;
    page.i32[f * 2 + 5] = (origin << 16) | tick;
    page.f64[f + 3] = deadline;
  }

  /** Makes room for a deadline before the name of the entry at a position. */
  #widen(at: number, from: Ref, head: number): Ref {
    const old = this.heap.page(from);
    const start = this.heap.offset(from);
    const i = start >> 2;
    const bytes = headBytes(head) + (old.i32[i] as number) + (old.i32[i + 6] as number);
    const name = start + headBytes(head) - EXPIRE_BYTES;
    const end = start + bytes - EXPIRE_BYTES;
    const ref = this.heap.allocate(bytes);
    const page = this.heap.page(ref);
    const offset = this.heap.offset(ref);
    copy(old.bytes, start, name, page.bytes, offset);
    copy(old.bytes, name, end, page.bytes, offset + headBytes(head));
    page.i32[(offset >> 2) + 1] = head;
    this.heap.free(from, bytes - EXPIRE_BYTES);
    this.#segmentAt(at).buckets[(at & BUCKET_MASK) * 2 + 1] = ref;
    return ref;
  }

  /** Bytes of the entry at a position. */
  bytesAt(at: number): number {
    const ref = this.refAt(at);
    return blockBytes(this.heap.page(ref), this.heap.offset(ref) >> 2);
  }

  /** Copies the entry at a position, which is no object, to where `putCopy` takes it from. */
  copyAt(at: number, to: Page, offset: number): void {
    const ref = this.refAt(at);
    const start = this.heap.offset(ref);
    const page = this.heap.page(ref);
    copy(page.bytes, start, start + blockBytes(page, start >> 2), to.bytes, offset);
  }

  /** Puts under its name what `copyAt` copied, as `putRegister` does. */
  putCopy(at: number, hash: number, from: Page, offset: number): number {
    const bytes = blockBytes(from, offset >> 2);
    const place = this.#place(at, hash, bytes);
    const ref = this.refAt(place);
    copy(from.bytes, offset, offset + bytes, this.heap.page(ref).bytes, this.heap.offset(ref));
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
    const ref = this.refAt(place);
    const page = this.heap.page(ref);
    const offset = this.heap.offset(ref);
    const i = offset >> 2;
    page.i32[i] = nameLength;
    page.i32[i + 1] = OBJECT | (db << 16);
    page.i32[i + 2] = this.#enlist(object, ref);
    copy(name, nameStart, nameEnd, page.bytes, offset + OBJECT_BYTES);
    return place;
  }

  /**
   * A bucket with a block of `bytes` for the name: the old block at `at` is reused if its size fits, else freed. The caller
   * must not read a name or value out of the old block any more, unless that is where it already lies in the new one.
   */
  #place(at: number, hash: number, bytes: number): number {
    if (at >= 0) {
      const ref = this.refAt(at);
      const old = this.#release(ref);
      if ((old + 15) >>> 4 === (bytes + 15) >>> 4) return at;
      // The name may be read from the old block below (a register becoming an object), so it is freed, not overwritten.
      this.heap.free(ref, old);
      this.#segmentAt(at).buckets[(at & BUCKET_MASK) * 2 + 1] = this.heap.allocate(bytes);
      return at;
    }
    let segment = this.#only ?? this.#segmentOf(hash);
    while ((segment.size + 1) * 4 > segment.capacity * 3)
      if (segment.capacity < CAPACITY_MAX) {
        this.#charge(segment.capacity);
        segment.resize(segment.capacity * 2);
      } else {
        this.#split(segment);
        segment = this.#segmentOf(hash);
      }
    const ref = this.heap.allocate(bytes);
    this.size++;
    this.version++;
    return segment.first * CAPACITY_MAX + segment.insert(hash | 0, ref, this.heap.newAccess);
  }

  /** Makes two segments of a full one: by the next bit of the hash. */
  #split(segment: Segment): void {
    assert(segment.depth < DEPTH_MAX, "hashes are spread");
    if (this.#only !== null) {
      this.#only = null;
      this.#directory = [segment];
    }
    if (segment.depth === this.#depth) {
      this.#depth++;
      const doubled: Segment[] = [];
      for (const one of this.#directory) doubled.push(one, one);
      this.#directory = doubled;
      for (let i = 0; i < doubled.length; i++) {
        const one = doubled[i] as Segment;
        if (i === 0 || doubled[i - 1] !== one) one.first = i;
      }
    }
    const depth = segment.depth + 1;
    const span = 1 << (this.#depth - depth);
    const low = new Segment(CAPACITY_MAX, depth, segment.first, this.#tracks);
    const high = new Segment(CAPACITY_MAX, depth, segment.first + span, this.#tracks);
    // Every segment but the first of a table is charged as a whole.
    this.#charge(CAPACITY_MAX);
    const { buckets, accesses } = segment;
    for (let i = 0; i < buckets.length; i += 2) {
      if (buckets[i + 1] === 0) continue;
      const hash = buckets[i] as number;
      const half = ((hash << segment.depth) & 0x80000000) === 0 ? low : high;
      const access = accesses === null ? 0 : (accesses[i >> 1] as number);
      half.insert(hash, buckets[i + 1] as number, access);
    }
    this.#enter(low);
    this.#enter(high);
  }

  /** Puts a segment into the directory, wherever its hashes lead. */
  #enter(segment: Segment): void {
    const span = 1 << (this.#depth - segment.depth);
    this.#directory.fill(segment, segment.first, segment.first + span);
  }

  /** Gives room back after a removal. */
  #shrink(segment: Segment): void {
    const { size, capacity, depth } = segment;
    if (capacity <= 64 || size * 8 >= capacity) return;
    if (depth === 0) {
      this.#charge(-capacity / 2);
      return segment.resize(capacity / 2);
    }
    const span = 1 << (this.#depth - depth);
    const other = this.#directory[segment.first ^ span] as Segment;
    if (other.depth !== depth || (size + other.size) * 8 > CAPACITY_MAX * 3) return;
    const first = Math.min(segment.first, other.first);
    const both = new Segment(CAPACITY_MAX, depth - 1, first, this.#tracks);
    this.#charge(-CAPACITY_MAX);
    both.take(segment.buckets, segment.accesses);
    both.take(other.buckets, other.accesses);
    if (depth > 1) return this.#enter(both);
    this.#only = both;
    this.#directory = NO_SEGMENTS;
    this.#depth = 0;
    both.first = 0;
  }

  /** Lets go of the object of an entry, if it has one; returns the entry's bytes. */
  #release(ref: Ref): number {
    const page = this.heap.page(ref);
    const i = this.heap.offset(ref) >> 2;
    const head = page.i32[i + 1] as number;
    if ((head & 0xff) !== OBJECT) return blockBytes(page, i);
    const what = page.i32[i + 2] as number;
    if ((head & (FLAG_RESTS << 8)) === 0) this.#strike(what);
    else this.heap.free(what, page.i32[i + 3] as number);
    return OBJECT_BYTES + (page.i32[i] as number);
  }

  /** Removes the entry at a position. */
  removeAt(at: number): void {
    const segment = this.#segmentAt(at);
    const ref = this.refAt(at);
    this.heap.free(ref, this.#release(ref));
    this.size--;
    this.version++;
    segment.closeGap(at & BUCKET_MASK);
    this.#shrink(segment);
  }

  /** Frees everything. */
  clear(): void {
    for (const segment of this.#segments()) this.#free(segment);
    this.size = 0;
    this.#reset();
  }

  #free({ buckets }: Segment): void {
    for (let i = 1; i < buckets.length; i += 2) {
      const ref = buckets[i] as number;
      if (ref !== 0) this.heap.free(ref, this.#release(ref));
    }
  }

  #reset(): void {
    for (const segment of this.#segments()) this.#charge(-segment.capacity);
    this.#charge(CAPACITY_MIN);
    this.#only = new Segment(CAPACITY_MIN, 0, 0, this.#tracks);
    this.#directory = NO_SEGMENTS;
    this.#depth = 0;
    this.#objects = NO_OBJECTS;
    this.#freeObjects = NO_OBJECTS;
    this.#refs.length = 0;
  }

  /** Frees what lies in one segment, the last; returns how many entries that were. For tables nobody looks into any more. */
  clearSome(): number {
    const segment = this.#only ?? (this.#directory.at(-1) as Segment);
    this.#free(segment);
    this.size -= segment.size;
    if (this.#only === null) {
      this.#directory.length = segment.first;
      this.#charge(-segment.capacity);
    }
    if (this.size === 0) this.#reset();
    return segment.size;
  }

  /** Every segment once, in the order of hashes. */
  #segments(): Segment[] {
    if (this.#only !== null) return [this.#only];
    return this.#directory.filter((segment, i) => segment.first === i);
  }

  /**
   * Visits entries in the order of their hashes, from hash `from` on, about `count` buckets of them; returns the hash to go
   * on from, `WALK_END` at the end. `visit` gets positions and must not change the table (collect names, then change).
   */
  walk(from: number, count: number, visit: (at: number) => void): number {
    let next = from;
    for (let left = Math.max(1, count); left > 0 && next < WALK_END;) {
      const segment = this.#only ?? this.#segmentOf(next);
      const width = 2 ** (segment.shift - segment.depth);
      const first = Math.floor(next / width) & (segment.capacity - 1);
      const buckets = Math.min(left, segment.capacity - first);
      const to = (Math.floor(next / width) + buckets) * width;
      walkSegment(segment, first, buckets, next, to, visit);
      this.heap.steps += buckets >> LOOK_BITS;
      left -= buckets;
      next = to;
    }
    return next;
  }

  /** Visits every entry; see `walk`. */
  each(visit: (at: number) => void): void {
    this.heap.steps += this.size >> LOOK_BITS;
    if (this.#only !== null) return eachOf(this.#only, visit);
    for (const segment of this.#segments()) eachOf(segment, visit);
  }

  /** The position of some entry, chosen by `chance` in [0, 1); −1 when there is none. */
  some(chance: number): number {
    if (this.size === 0) return -1;
    const hash = Math.floor(chance * WALK_END);
    let segment = this.#only ?? this.#segmentOf(hash);
    let at = (hash << segment.depth) >>> segment.shift;
    while (segment.size === 0) {
      const next = segment.first + (1 << (this.#depth - segment.depth));
      segment = this.#directory[next % this.#directory.length] as Segment;
      at = 0;
    }
    while (segment.buckets[at * 2 + 1] === 0) at = (at + 1) & (segment.capacity - 1);
    return segment.first * CAPACITY_MAX + at;
  }
}

/** Visits the entries of a segment with hashes in [from, to), whose homes are `count` buckets from `first` on. */
function walkSegment(
  segment: Segment,
  first: number,
  count: number,
  from: number,
  to: number,
  visit: (at: number) => void,
): void {
  const { buckets, capacity } = segment;
  const mask = capacity - 1;
  for (let step = 0; step < capacity; step++) {
    const at = (first + step) & mask;
    if (buckets[at * 2 + 1] === 0) {
      if (step >= count - 1) return;
      continue;
    }
    const hash = (buckets[at * 2] as number) >>> 0;
    if (hash >= from && hash < to) visit(segment.first * CAPACITY_MAX + at);
  }
}

function eachOf(segment: Segment, visit: (at: number) => void): void {
  const { buckets, capacity, first } = segment;
  for (let at = 0; at < capacity; at++)
    if (buckets[at * 2 + 1] !== 0) visit(first * CAPACITY_MAX + at);
}

function headBytes(head: number): number {
  const kind = head & 0xff;
  if (kind === OBJECT) return OBJECT_BYTES;
  const bytes = kind === COUNTER ? COUNTER_BYTES : REGISTER_BYTES;
  if ((head & EITHER_DEADLINE) === 0) return bytes;
  return bytes + ((head & (FLAG_EXPIRE << 8)) === 0 ? DEADLINE_BYTES : EXPIRE_BYTES);
}

/** Bytes of the block of a register or counter that begins at `i`. */
function blockBytes(page: Page, i: number): number {
  return (
    headBytes(page.i32[i + 1] as number) + (page.i32[i] as number) + (page.i32[i + 6] as number)
  );
}

function copy(from: Uint8Array, start: number, end: number, to: Buffer, at: number): void {
  let target = at;
  // A short copy is cheaper by hand than through the call into the runtime.
  if (end - start < 48) for (let i = start; i < end; i++) to[target++] = from[i] as number;
  else to.set(from.subarray(start, end), at);
}
