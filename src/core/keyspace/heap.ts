/**
 * Heap: bytes for keys and values outside of the JavaScript heap.
 *
 *   ref = page (16 bits) | unit (16 bits)        a unit is 16 bytes, a page 1 MiB
 *
 * Invariant: a block belongs to one owner from `allocate` to `free`, and the owner frees it with the size it asked for. Blocks do
 * not move. Ref 0 is nothing.
 *
 * A million small values as objects cost the collector a pause and 230 bytes each; here they cost neither.
 */
import { assert } from "../assert.ts";
import type { Undo } from "./undo.ts";

/** Something whose blocks nobody will read again. */
export interface Discarded {
  /** Blocks it still has. */
  readonly size: number;
  /** Frees some of them; returns how many. */
  clearSome(): number;
}

/** Where a block begins: see the drawing above. */
export type Ref = number;

/** One page under the views the store needs. */
export class Page {
  readonly bytes: Buffer;
  readonly i32: Int32Array;
  readonly f64: Float64Array;

  constructor(size: number) {
    const memory = new ArrayBuffer(size);
    this.bytes = Buffer.from(memory);
    this.i32 = new Int32Array(memory);
    this.f64 = new Float64Array(memory);
  }
}

const UNIT = 16;
const PAGE_UNITS = 0x10000;
/** Larger blocks get a page of their own, which goes back to the system when it is freed. */
const SHARED_UNITS_MAX = PAGE_UNITS / 2;
/** Up to 1 KiB each number of units has its own class; above, eight classes a doubling. */
const EXACT_UNITS = 64;
const EXACT_BITS = 6;

const empty = new Page(0);

function classOf(units: number): number {
  if (units <= EXACT_UNITS) return units;
  const bits = 31 - Math.clz32(units - 1);
  const step = 1 << (bits - 3);
  return EXACT_UNITS + (bits - EXACT_BITS) * 8 + Math.ceil(units / step) - 8;
}

function unitsOfClass(units: number): number {
  if (units <= EXACT_UNITS) return units;
  const step = 1 << (28 - Math.clz32(units - 1));
  return Math.ceil(units / step) * step;
}

export class Heap {
  readonly pages: Page[] = [];
  /** First free block of each class; a free block holds the ref of the next in its first four bytes. */
  readonly #free = new Int32Array(256);
  readonly #freePages: number[] = [];
  #page = -1;
  #unit = PAGE_UNITS;
  readonly #discarded: Discarded[] = [];
  /** Bytes owned by blocks, rounded up to their classes. */
  usedBytes = 0;
  /** Bytes of the JavaScript heap that the tables and their objects take, by what one takes on average. */
  objectBytes = 0;
  /** Takes the images of what is about to change; null while nothing needs to be taken back. */
  undo: Undo | null = null;
  /** The access that a new entry of a table begins with (`access.ts`). */
  newAccess = 0;
  /** Bytes taken from the system. */
  capacityBytes = 0;
  /** What was done so far with what lies here: see `steps.ts`. */
  steps = 0;

  /** A block of at least `bytes`. Its contents are whatever was there before. */
  allocate(bytes: number): Ref {
    const wanted = (bytes + UNIT - 1) >>> 4;
    if (wanted > SHARED_UNITS_MAX) return this.#allocatePage(bytes);
    const kind = classOf(wanted);
    const units = unitsOfClass(wanted);
    this.usedBytes += units * UNIT;
    const free = this.#free[kind] as number;
    if (free !== 0) {
      this.#free[kind] = this.page(free).i32[this.offset(free) >> 2] as number;
      return free;
    }
    if (this.#unit + units > PAGE_UNITS) this.#openPage();
    const ref = ((this.#page << 16) | this.#unit) >>> 0;
    this.#unit += units;
    return ref | 0;
  }

  /** Gives back a block that was allocated with `bytes`. */
  free(ref: Ref, bytes: number): void {
    const wanted = (bytes + UNIT - 1) >>> 4;
    if (wanted > SHARED_UNITS_MAX) return this.#freePage(ref);
    const kind = classOf(wanted);
    this.usedBytes -= unitsOfClass(wanted) * UNIT;
    this.page(ref).i32[this.offset(ref) >> 2] = this.#free[kind] as number;
    this.#free[kind] = ref;
  }

  /** Takes over what is to be freed when there is time: freeing a million blocks at once would be a pause. */
  discard(discarded: Discarded): void {
    if (discarded.size > 0) this.#discarded.push(discarded);
  }

  /** Frees about `limit` blocks of what was discarded. */
  reclaim(limit: number): void {
    for (let left = limit; left > 0;) {
      const last = this.#discarded.at(-1);
      if (last === undefined) return;
      left -= Math.max(1, last.clearSome());
      if (last.size === 0) this.#discarded.pop();
    }
  }

  page(ref: Ref): Page {
    return this.pages[ref >>> 16] as Page;
  }

  /** Where the block begins within its page. */
  offset(ref: Ref): number {
    return (ref & 0xffff) << 4;
  }

  #openPage(): void {
    this.#page = this.#addPage(PAGE_UNITS * UNIT);
    // Unit 0 of page 0 would be ref 0, which is nothing.
    this.#unit = this.#page === 0 ? 1 : 0;
  }

  #addPage(size: number): number {
    const number = this.#freePages.pop() ?? this.pages.length;
    assert(number < 0x10000, "the heap holds at most 65,536 pages");
    this.pages[number] = new Page(size);
    this.capacityBytes += size;
    return number;
  }

  #allocatePage(bytes: number): Ref {
    // Page 0 must be a shared one, so that no block of its own begins at ref 0.
    if (this.pages.length === 0) this.#openPage();
    const size = Math.ceil(bytes / 4096) * 4096;
    this.usedBytes += size;
    return (this.#addPage(size) << 16) | 0;
  }

  #freePage(ref: Ref): void {
    const number = ref >>> 16;
    const size = (this.pages[number] as Page).bytes.length;
    this.usedBytes -= size;
    this.capacityBytes -= size;
    this.pages[number] = empty;
    this.#freePages.push(number);
  }
}
