/**
 * Recent: the newest additions to a large body, so that a removal of everything need not look at all of it to find what it had not
 * seen.
 *
 *   [oldest … newest]   hash and dot of each addition; what falls out at the end is known as a vector only
 *
 *   counted             hashes of cells with counters, whose removal takes resets
 *
 * Invariant: every addition is in the ring or covered by `forgotten`. So if a removal covers `forgotten`, whatever survives it lies
 * under one of the hashes that `uncovered` tells.
 */
import { Vector } from "../clock/vector.ts";
import type { Context } from "./context.ts";

const CAPACITY_MIN = 1024;
/** At 50,000 additions a second the last second and more: further behind than a link is unless it is cut. */
const CAPACITY_MAX = 65_536;
/** More counters than this are walked to: each is a row in the record that removes them anyway. */
const COUNTED_MAX = 16_384;

export class Recent {
  readonly #forgotten = new Vector();
  #hashes = new Uint32Array(CAPACITY_MIN);
  #origins = new Uint16Array(CAPACITY_MIN);
  #seqs = new Float64Array(CAPACITY_MIN);
  /** Null: too many. */
  #counted: Set<number> | null = new Set();
  /** Additions ever taken in; the next goes to this place, modulo the capacity. */
  #count = 0;

  /** Takes in what was there before it was called recent. */
  forget(origin: number, seq: number): void {
    this.#forgotten.raise(origin, seq);
  }

  add(hash: number, origin: number, seq: number): void {
    let capacity = this.#seqs.length;
    if (this.#count >= capacity && capacity < CAPACITY_MAX) capacity = this.#grow();
    const at = this.#count++ % capacity;
    if (this.#count > capacity)
      this.#forgotten.raise(this.#origins[at] as number, this.#seqs[at] as number);
    this.#hashes[at] = hash;
    this.#origins[at] = origin;
    this.#seqs[at] = seq;
  }

  /** A cell has a counter. */
  count(hash: number): void {
    if (this.#counted === null) return;
    this.#counted.add(hash);
    if (this.#counted.size > COUNTED_MAX) this.#counted = null;
  }

  /** The hashes of cells that have, or had, counters; null when they are too many to tell. */
  get counted(): ReadonlySet<number> | null {
    return this.#counted;
  }

  /** Only called while the ring has never gone round: the order stays. */
  #grow(): number {
    const capacity = this.#seqs.length * 2;
    const hashes = new Uint32Array(capacity);
    const origins = new Uint16Array(capacity);
    const seqs = new Float64Array(capacity);
    hashes.set(this.#hashes);
    origins.set(this.#origins);
    seqs.set(this.#seqs);
    this.#hashes = hashes;
    this.#origins = origins;
    this.#seqs = seqs;
    return capacity;
  }

  /** The hashes under which additions may lie that a record had not seen, and counters; null when that cannot be told from here. */
  uncovered(context: Context): Set<number> | null {
    if (this.#counted === null || !context.deps.includes(this.#forgotten)) return null;
    const hashes = new Set(this.#counted);
    const length = Math.min(this.#count, this.#seqs.length);
    for (let i = 0; i < length; i++)
      if (!context.covers(this.#origins[i] as number, this.#seqs[i] as number))
        hashes.add(this.#hashes[i] as number);
    return hashes;
  }
}
