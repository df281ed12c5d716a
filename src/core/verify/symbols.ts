/**
 * Symbols: how two sets that differ little find out where, in bytes that grow with the difference and not with the sets
 * (rateless invertible Bloom lookup tables: Yang, Gilad and Alizadeh 2024).
 *
 *   item ─► its places: 0, then ever further apart ─► each symbol is the xor of the items placed there, and their count
 *   theirs[i] ⊖ ours[i] = the xor of the items only one side has; where only one is left, it is taken out of all its places, which
 *   leaves others alone, and so on. Too few symbols for that: the next ones are asked for; none was in vain.
 *
 * Invariant: what comes out is in one of the sets and not in the other, but for a chance of 2^-64 per symbol looked at. It is all there
 * is once every symbol has become empty.
 */
import { Digest } from "./digest.ts";

/** Words of an item: two that name a key, four of its sum. */
export const ITEM_WORDS = 6;
const CHECK_WORDS = 2;
const COUNT = ITEM_WORDS + CHECK_WORDS;
/** Words of a symbol: the items' xor, that of their checks, their count. */
export const SYMBOL_WORDS = COUNT + 1;

/** The places of one item, one after the other. */
class Places {
  next = 0;
  #state: number;
  readonly #step: number;

  constructor(check0: number, check1: number) {
    this.#state = check0;
    this.#step = check1 | 1;
  }

  /** Goes to the next place. */
  advance(): void {
    this.#state = (this.#state + this.#step) | 0;
    this.next += distance(this.next, this.#state);
  }
}

/** From a place of an item to the next, by chance: the i-th symbol holds about one of 1 + i/2 items. */
function distance(from: number, state: number): number {
  let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  const chance = (mixed ^ (mixed >>> 16)) >>> 0;
  const apart = (from + 1.5) * (65_536 / Math.sqrt(chance + 1) - 1);
  return Math.max(1, Math.ceil(apart));
}

interface Placed {
  readonly words: Int32Array;
  readonly check: Int32Array;
  readonly places: Places;
  /** +1 or −1 in the counts. */
  readonly sign: number;
}

const digest = new Digest();

function checkOf(items: Int32Array, at: number, key: Int32Array, check: Int32Array): void {
  digest.seed(key, 0);
  for (let i = at; i < at + ITEM_WORDS; i++) digest.word(items[i] as number);
  digest.writeTo(check, 0);
}

function placed(words: Int32Array, key: Int32Array, sign: number): Placed {
  const check = new Int32Array(4);
  checkOf(words, 0, key, check);
  return { words, check, places: new Places(check[2] as number, check[3] as number), sign };
}

/** Adds an item to every symbol before `end` that it has not been added to yet. */
function spread(item: Placed, symbols: Int32Array, end: number, touched: number[] | null): void {
  const { words, check, places, sign } = item;
  while (places.next < end) {
    const at = places.next * SYMBOL_WORDS;
    for (let i = 0; i < ITEM_WORDS; i++) (symbols[at + i] as number) ^= words[i] as number;
    for (let i = 0; i < CHECK_WORDS; i++)
      (symbols[at + ITEM_WORDS + i] as number) ^= check[i] as number;
    (symbols[at + COUNT] as number) += sign;
    touched?.push(places.next);
    places.advance();
  }
}

function enlarged(symbols: Int32Array, count: number): Int32Array {
  const larger = new Int32Array(count * SYMBOL_WORDS);
  larger.set(symbols);
  return larger;
}

/** A set as symbols, as many as are asked for. */
export class SymbolWriter {
  /** The items, one behind the other. */
  readonly items: Int32Array;
  readonly #checks: Int32Array;
  /** Of each item: the next of its places, and what the one behind that comes from. */
  readonly #next: Float64Array;
  readonly #states: Int32Array;
  readonly #steps: Int32Array;
  #symbols: Int32Array = new Int32Array(0);

  /** `key` is the chance both sides share. */
  constructor(items: Int32Array, key: Int32Array) {
    const count = items.length / ITEM_WORDS;
    this.items = items;
    this.#checks = new Int32Array(count * CHECK_WORDS);
    this.#next = new Float64Array(count);
    this.#states = new Int32Array(count);
    this.#steps = new Int32Array(count);
    const check = new Int32Array(4);
    for (let item = 0; item < count; item++) {
      checkOf(items, item * ITEM_WORDS, key, check);
      this.#checks[item * CHECK_WORDS] = check[0] as number;
      this.#checks[item * CHECK_WORDS + 1] = check[1] as number;
      this.#states[item] = check[2] as number;
      this.#steps[item] = (check[3] as number) | 1;
    }
  }

  /** The first `count` symbols. */
  first(count: number): Int32Array {
    if (count * SYMBOL_WORDS <= this.#symbols.length) return this.#symbols;
    this.#symbols = enlarged(this.#symbols, count);
    for (let item = 0; item < this.#next.length; item++) this.#spread(item, count);
    return this.#symbols;
  }

  /** As `spread`, of an item that is no object: sets may be large. */
  #spread(item: number, end: number): void {
    const symbols = this.#symbols;
    const { items } = this;
    const checks = this.#checks;
    let next = this.#next[item] as number;
    if (next >= end) return;
    let state = this.#states[item] as number;
    const step = this.#steps[item] as number;
    const from = item * ITEM_WORDS;
    while (next < end) {
      const at = next * SYMBOL_WORDS;
      for (let i = 0; i < ITEM_WORDS; i++) (symbols[at + i] as number) ^= items[from + i] as number;
      for (let i = 0; i < CHECK_WORDS; i++)
        (symbols[at + ITEM_WORDS + i] as number) ^= checks[item * CHECK_WORDS + i] as number;
      (symbols[at + COUNT] as number) += 1;
      state = (state + step) | 0;
      next += distance(next, state);
    }
    this.#next[item] = next;
    this.#states[item] = state;
  }
}

/** Finds what is only here or only there, from the other side's symbols as they come. */
export class SymbolReader {
  readonly #own: SymbolWriter;
  readonly #key: Int32Array;
  #symbols: Int32Array = new Int32Array(0);
  #count = 0;
  readonly #found: Placed[] = [];
  readonly here: Int32Array[] = [];
  readonly there: Int32Array[] = [];

  /** `own` may serve several readers. */
  constructor(own: SymbolWriter, key: Int32Array) {
    this.#own = own;
    this.#key = key;
  }

  /** Symbols taken so far. */
  get count(): number {
    return this.#count;
  }

  /** Takes the next symbols of the other side; returns whether everything is found. */
  take(theirs: Int32Array): boolean {
    const first = this.#count;
    this.#count += theirs.length / SYMBOL_WORDS;
    const own = this.#own.first(this.#count);
    const symbols = enlarged(this.#symbols, this.#count);
    for (let i = 0; i < theirs.length; i++) {
      const at = first * SYMBOL_WORDS + i;
      symbols[at] =
        i % SYMBOL_WORDS === COUNT
          ? (theirs[i] as number) - (own[at] as number)
          : (theirs[i] as number) ^ (own[at] as number);
    }
    this.#symbols = symbols;
    for (const item of this.#found) spread(item, symbols, this.#count, null);
    const open = Array.from({ length: this.#count }, (_, i) => i);
    for (let place = open.pop(); place !== undefined; place = open.pop()) {
      const item = this.#alone(place);
      if (item === null) continue;
      this.#found.push(item);
      (item.sign < 0 ? this.there : this.here).push(item.words);
      spread(item, symbols, this.#count, open);
    }
    return symbols.every((word) => word === 0);
  }

  /** The item that is alone in a symbol, ready to be taken out of all; null when there is none. */
  #alone(place: number): Placed | null {
    const at = place * SYMBOL_WORDS;
    const count = this.#symbols[at + COUNT];
    if (count !== 1 && count !== -1) return null;
    const words = this.#symbols.slice(at, at + ITEM_WORDS);
    const item = placed(words, this.#key, -count);
    for (let i = 0; i < CHECK_WORDS; i++)
      if (item.check[i] !== this.#symbols[at + ITEM_WORDS + i]) return null;
    return item;
  }
}
