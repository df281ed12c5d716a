/**
 * Changes: which slots were written to since some moment, so that whoever looks at the keyspace in slices knows what moved meanwhile.
 *
 * Invariant: every effect of a record, made here or received, is noted in the turn in which it is applied, whether it changed anything
 * or not. What collection takes is not noted: it changes nothing that a record could show.
 *
 *   since = begin() … slices, waiting … changed(slot, since)?
 */
import type { Place } from "./place.ts";
import { SLOTS } from "./slot.ts";

/** Slots a shard holds. */
export const SHARD_SLOTS = 64;
/** Those of clients' keys, and behind them as many as a shard holds for the store's own. */
export const ALL_SLOTS = SLOTS + SHARD_SLOTS;
/** Shards, that of the store's own data included. */
export const ALL_SHARDS = ALL_SLOTS / SHARD_SLOTS;
/** Names remembered; beyond, everything counts as changed. */
const NAMES_MAX = 100_000;

export class Changes {
  /** Slot → the moment of its last change. */
  readonly #moments = new Uint32Array(ALL_SLOTS);
  /** Moments are counted from one: a slot that was never written to has not changed since. */
  #now = 1;
  /** Slots whose keys are told apart, and by how many. */
  readonly #watched = new Uint8Array(ALL_SLOTS);
  #watching = 0;
  /** In watched slots: `db:key` → the moment of its last change. */
  readonly #names = new Map<string, number>();
  /** When names were last too many to keep. */
  #forgotten = 0;
  /** How often a key was changed by what is no record: no log holds it. */
  unlogged = 0;

  /** Begins a span of time: what is noted from now on has changed since. */
  begin(): number {
    return ++this.#now;
  }

  /** A key was written to that lies in this one among all slots. */
  note(slot: number, place: Place): void {
    this.#moments[slot] = this.#now;
    if (this.#watching > 0 && (this.#watched[slot] as number) > 0) this.#noteName(place);
  }

  #noteName({ db, bytes, start, end }: Place): void {
    if (this.#names.size >= NAMES_MAX) {
      this.#names.clear();
      this.#forgotten = this.#now;
    }
    this.#names.set(`${db}:${bytes.latin1Slice(start, end)}`, this.#now);
  }

  /** Every key may have changed. */
  noteAll(): void {
    this.#moments.fill(this.#now);
    this.#forgotten = this.#now;
  }

  changed(slot: number, since: number): boolean {
    return (this.#moments[slot] as number) >= since;
  }

  /** From now on the keys that change in these slots are known by name, until `unwatch`. */
  watch(slots: readonly number[]): void {
    this.#watching++;
    for (const slot of slots) (this.#watched[slot] as number)++;
  }

  unwatch(slots: readonly number[]): void {
    for (const slot of slots) (this.#watched[slot] as number)--;
    if (--this.#watching === 0) this.#names.clear();
  }

  /** Whether a key in a watched slot may have changed; `since` is no earlier than the watch. */
  keyChanged(name: string, since: number): boolean {
    return this.#forgotten >= since || (this.#names.get(name) ?? 0) >= since;
  }

  /** The keys, as `db:key`, that changed in watched slots; null when there were too many to tell. */
  names(since: number): string[] | null {
    if (this.#forgotten >= since) return null;
    return [...this.#names].filter(([, moment]) => moment >= since).map(([name]) => name);
  }
}
