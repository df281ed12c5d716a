/**
 * Table: Lua's only structure, laid out as Lua 5.1 lays it out.
 *
 *   keys 1..n  ─► array part                      n changes only when the hash part is full
 *   others     ─► nodes: main position by hash; colliding nodes are chained and take the last free node
 *
 * Scripts see the layout: `next` walks the array and then the nodes, and the length of a table with holes depends on what
 * lies where. So keys, sizes and collisions follow Lua's rules, and what `cjson.encode` writes comes in the order in which
 * Redis writes it. Objects as keys, which Lua hashes by address, are numbered as they come.
 *
 * Invariant: a node whose value is nil keeps its key until another key takes the node or the table is laid out anew, so a
 * traversal may clear fields.
 */
import { ARRAY_SLOT_BYTES, NODE_BYTES, TABLE_BYTES, type Heap } from "./heap.ts";
import { LuaObject, type LuaValue } from "./values.ts";
import { hashNumber, hashString, log2Ceiling } from "./hashes.ts";

/** A chain's end. */
const NONE = -1;

/** Up to this many nodes a key is looked for from front to back; beyond, an index of the keys is kept. */
const NODES_SCANNED = 8;

const MOST_BITS = 26;

/** Room for many elements at once. */
const BLANKS: readonly undefined[] = Array.from({ length: 64 }, () => undefined);
/** What tables without elements, or without nodes, share: it is replaced and never written to. */
const NO_SLOTS: LuaValue[] = [];
const NO_LINKS: number[] = [];

export class LuaTable extends LuaObject {
  readonly type = "table";
  metatable: LuaTable | undefined = undefined;
  /** Only raw writes of the host change it. */
  readonly = false;

  readonly #heap: Heap;
  #array: LuaValue[];
  #keys: LuaValue[] = NO_SLOTS;
  #values: LuaValue[] = NO_SLOTS;
  #next: number[] = NO_LINKS;
  #lastFree = 0;
  #index: Map<LuaValue, number> | null = null;
  #objects = 0;

  /** Room for that many elements and fields; more is made when it is needed. */
  constructor(heap: Heap, elements = 0, fields = 0) {
    super();
    this.#heap = heap;
    heap.charge(TABLE_BYTES + (elements === 0 ? 0 : elements * ARRAY_SLOT_BYTES));
    this.#array = elements === 0 ? NO_SLOTS : blanks(elements);
    if (fields > 0) this.#makeNodes(fields);
  }

  get bytes(): number {
    return TABLE_BYTES + this.#array.length * ARRAY_SLOT_BYTES + this.#keys.length * NODE_BYTES;
  }

  get(key: LuaValue): LuaValue {
    if (typeof key === "number") {
      // NaN and fractions read past the array's elements, which is slow but right: such keys are not there.
      const array = this.#array;
      if (key >= 1 && key <= array.length && Number.isInteger(key)) return array[key - 1];
    }
    const node = this.#find(key);
    return node < 0 ? undefined : this.#values[node];
  }

  /** `get` of a string whose hash is known. */
  getField(key: string, hash: number): LuaValue {
    const keys = this.#keys;
    if (keys.length === 0) return undefined;
    let node = hash & (keys.length - 1);
    do {
      if (keys[node] === key) return this.#values[node];
      node = this.#next[node] as number;
    } while (node >= 0);
    return undefined;
  }

  /** `set` of a string whose hash is known. */
  setField(key: string, hash: number, value: LuaValue): void {
    const keys = this.#keys;
    if (keys.length > 0) {
      let node = hash & (keys.length - 1);
      do {
        if (keys[node] === key) {
          this.#values[node] = value;
          return;
        }
        node = this.#next[node] as number;
      } while (node >= 0);
    }
    this.#insert(key, value);
  }

  /** The key is neither nil nor NaN. */
  set(key: LuaValue, value: LuaValue): void {
    if (typeof key === "number") {
      const array = this.#array;
      if (key >= 1 && key <= array.length && Number.isInteger(key)) {
        array[key - 1] = value;
        return;
      }
    }
    const node = this.#find(key);
    if (node >= 0) this.#values[node] = value;
    else this.#insert(key, value);
  }

  /** A border: an index with a value after which comes nil, or 0. */
  get length(): number {
    const array = this.#array;
    let high = array.length;
    if (high > 0 && array[high - 1] === undefined) {
      let low = 0;
      while (high - low > 1) {
        const middle = (low + high) >>> 1;
        if (array[middle - 1] === undefined) high = middle;
        else low = middle;
      }
      return low;
    }
    return this.#keys.length === 0 ? high : this.#searchBorder(high);
  }

  /**
   * The position after that of `key`, at which a value is: from 0 for nil, -1 when there is none, -2 when no such key is
   * known. Read it with `keyAt` and `valueAt`.
   */
  positionAfter(key: LuaValue): number {
    if (key === undefined) return this.occupied(0);
    const length = this.#array.length;
    if (typeof key === "number" && key >= 1 && key <= length && Number.isInteger(key)) {
      return this.occupied(key);
    }
    const node = this.#find(key);
    return node < 0 ? -2 : this.occupied(length + node + 1);
  }

  /** The first position with a value, from this one on; -1 when there is none. */
  occupied(position: number): number {
    const length = this.#array.length;
    let at = position;
    while (at < length && this.#array[at] === undefined) at++;
    if (at >= length) {
      const end = length + this.#values.length;
      while (at < end && this.#values[at - length] === undefined) at++;
      if (at === end) at = -1;
    }
    // What was cleared is walked over each time.
    this.#heap.handle((at < 0 ? this.#values.length : at - position) * ARRAY_SLOT_BYTES);
    return at;
  }

  /** Undefined beyond the last position. */
  keyAt(position: number): LuaValue {
    const length = this.#array.length;
    return position < length ? position + 1 : this.#keys[position - length];
  }

  valueAt(position: number): LuaValue {
    const length = this.#array.length;
    return position < length ? this.#array[position] : this.#values[position - length];
  }

  /** Makes the array part at least this long, as a constructor does before it fills it. */
  reserve(elements: number): void {
    if (elements > this.#array.length) this.#layOut(elements, this.#keys.length);
  }

  #find(key: LuaValue): number {
    const index = this.#index;
    if (index !== null) return index.get(key) ?? NONE;
    return key === undefined ? NONE : this.#keys.indexOf(key);
  }

  #searchBorder(from: number): number {
    let low = from;
    let high = from + 1;
    while (this.get(high) !== undefined) {
      low = high;
      high *= 2;
      if (high > 0x7ffffffd) {
        let at = 1;
        while (this.get(at) !== undefined) at++;
        return at - 1;
      }
    }
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.get(middle) === undefined) high = middle;
      else low = middle;
    }
    return low;
  }

  #mainPosition(key: LuaValue): number {
    const size = this.#keys.length;
    switch (typeof key) {
      case "string":
        return hashString(key) & (size - 1);
      case "number":
        return hashNumber(key) % ((size - 1) | 1);
      case "boolean":
        return (key ? 1 : 0) & (size - 1);
      case "undefined":
        return 0;
      default:
        if (key.keyHash < 0) key.keyHash = ++this.#objects;
        return key.keyHash % ((size - 1) | 1);
    }
  }

  /** A key that no node has. Nil is stored too: the key then takes part in the layout. */
  #insert(key: LuaValue, value: LuaValue): void {
    if (typeof key === "string") this.#heap.handle(key.length);
    const keys = this.#keys;
    if (keys.length === 0) return this.#growFor(key, value);
    const values = this.#values;
    const next = this.#next;
    let node = this.#mainPosition(key);
    if (values[node] !== undefined) {
      const free = this.#takeFree();
      if (free < 0) return this.#growFor(key, value);
      let other = this.#mainPosition(keys[node]);
      if (other === node) {
        next[free] = next[node] as number;
        next[node] = free;
        node = free;
      } else {
        while (next[other] !== node) other = next[other] as number;
        next[other] = free;
        keys[free] = keys[node];
        values[free] = values[node];
        next[free] = next[node] as number;
        next[node] = NONE;
        this.#index?.set(keys[free], free);
        keys[node] = undefined;
      }
    }
    const index = this.#index;
    if (index !== null) {
      if (keys[node] !== undefined) index.delete(keys[node]);
      index.set(key, node);
    }
    // -0 and 0 are one key, and `next` shows the first that came; keys never differ otherwise.
    keys[node] = key;
    values[node] = value;
  }

  /** Free nodes are taken from the back, and each is looked at once: then it is time for another layout. */
  #takeFree(): number {
    while (this.#lastFree > 0) {
      this.#lastFree--;
      if (this.#keys[this.#lastFree] === undefined) return this.#lastFree;
    }
    return NONE;
  }

  #growFor(key: LuaValue, value: LuaValue): void {
    const counts = new Int32Array(MOST_BITS + 1);
    let elements = this.#countArray(counts);
    let total = elements + 1;
    for (let node = 0; node < this.#keys.length; node++) {
      if (this.#values[node] === undefined) continue;
      if (countElement(this.#keys[node], counts)) elements++;
      total++;
    }
    if (countElement(key, counts)) elements++;
    const { length, used } = arrayFor(counts, elements);
    this.#layOut(length, total - used);
    this.set(key, value);
  }

  #countArray(counts: Int32Array): number {
    const array = this.#array;
    let used = 0;
    let at = 0;
    for (let bits = 0; at < array.length; bits++) {
      const end = Math.min(array.length, 2 ** bits);
      const before = used;
      for (; at < end; at++) if (array[at] !== undefined) used++;
      counts[bits] = used - before;
    }
    return used;
  }

  #layOut(length: number, fields: number): void {
    const array = this.#array;
    const keys = this.#keys;
    const values = this.#values;
    this.#heap.charge(Math.max(0, length - array.length) * ARRAY_SLOT_BYTES + fields * NODE_BYTES);
    this.#makeNodes(fields);
    if (array.length === 0) {
      if (length > 0) this.#array = blanks(length);
    } else if (length >= array.length) extend(array, length);
    else
      for (const [at, value] of array.splice(length).entries())
        if (value !== undefined) this.set(length + at + 1, value);
    for (let node = keys.length - 1; node >= 0; node--) {
      if (values[node] !== undefined) this.set(keys[node], values[node]);
    }
  }

  #makeNodes(fields: number): void {
    const size = fields === 0 ? 0 : 2 ** log2Ceiling(fields);
    this.#keys = size === 0 ? NO_SLOTS : blanks(size);
    this.#values = size === 0 ? NO_SLOTS : blanks(size);
    this.#next = size === 0 ? NO_LINKS : [];
    for (let node = 0; node < size; node++) this.#next.push(NONE);
    this.#lastFree = size;
    this.#index = size > NODES_SCANNED ? new Map() : null;
  }
}

/** That many slots without values. */
function blanks(length: number): LuaValue[] {
  const slots: LuaValue[] = BLANKS.slice(0, length);
  extend(slots, length);
  return slots;
}

function extend(slots: LuaValue[], length: number): void {
  while (slots.length + BLANKS.length <= length) slots.push(...BLANKS);
  while (slots.length < length) slots.push(undefined);
}

/** Counts a key that could stand in an array part among those of its power of two. */
function countElement(key: LuaValue, counts: Int32Array): boolean {
  if (typeof key !== "number" || !(key >= 1 && key <= 2 ** MOST_BITS) || !Number.isInteger(key)) {
    return false;
  }
  const bits = log2Ceiling(key);
  counts[bits] = (counts[bits] as number) + 1;
  return true;
}

/** The longest array part of which more than half is used, and how much of it is. */
function arrayFor(counts: Int32Array, elements: number): { length: number; used: number } {
  let length = 0;
  let used = 0;
  let below = 0;
  for (let bits = 0, power = 1; power / 2 < elements; bits++, power *= 2) {
    const here = counts[bits] as number;
    if (here > 0) {
      below += here;
      if (below > power / 2) {
        length = power;
        used = below;
      }
    }
    if (below === elements) break;
  }
  return { length, used };
}
