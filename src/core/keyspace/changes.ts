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
/** Names remembered of a shard; beyond, all of its keys count as changed. */
const NAMES_MAX = 20_000;

export class Changes {
  /** Slot → the moment of its last change. */
  readonly #moments = new Uint32Array(ALL_SLOTS);
  /** Moments are counted from one: a slot that was never written to has not changed since. */
  #now = 1;
  /** Slots whose keys are told apart, and by how many. */
  readonly #watched = new Uint8Array(ALL_SLOTS);
  /** How often each shard is watched. */
  readonly #watching = new Uint16Array(ALL_SHARDS);
  /** By shard, in watched slots: `db:key` → the moment of its last change. */
  readonly #names = new Map<number, Map<string, number>>();
  /** By shard: when names were last too many to keep. */
  readonly #forgotten = new Uint32Array(ALL_SHARDS);
  /** How often a key was changed by what is no record: no log holds it. */
  unlogged = 0;

  /** Begins a span of time: what is noted from now on has changed since. */
  begin(): number {
    return ++this.#now;
  }

  /** A key was written to that lies in this one among all slots. */
  note(slot: number, place: Place): void {
    this.#moments[slot] = this.#now;
    if ((this.#watched[slot] as number) > 0) this.#noteName(Math.floor(slot / SHARD_SLOTS), place);
  }

  #noteName(shard: number, { db, bytes, start, end }: Place): void {
    let names = this.#names.get(shard);
    if (names === undefined) this.#names.set(shard, (names = new Map()));
    if (names.size >= NAMES_MAX) {
      names.clear();
      this.#forgotten[shard] = this.#now;
    }
    names.set(`${db}:${bytes.latin1Slice(start, end)}`, this.#now);
  }

  /** Every key may have changed. */
  noteAll(): void {
    this.#moments.fill(this.#now);
    this.#forgotten.fill(this.#now);
  }

  changed(slot: number, since: number): boolean {
    return (this.#moments[slot] as number) >= since;
  }

  /** From now on the keys that change in these slots, all of one shard, are known by name, until `unwatch`. */
  watch(slots: readonly number[]): void {
    for (const slot of slots) (this.#watched[slot] as number)++;
    if (slots.length > 0) (this.#watching[shardOf(slots)] as number)++;
  }

  unwatch(slots: readonly number[]): void {
    for (const slot of slots) (this.#watched[slot] as number)--;
    if (slots.length === 0) return;
    const shard = shardOf(slots);
    (this.#watching[shard] as number)--;
    if (this.#watching[shard] === 0) this.#names.delete(shard);
  }

  /** The keys, as `db:key`, that changed in watched slots of a shard; null when there were too many to tell. */
  names(shard: number, since: number): string[] | null {
    if ((this.#forgotten[shard] as number) >= since) return null;
    const names = this.#names.get(shard) ?? new Map<string, number>();
    return [...names].filter(([, moment]) => moment >= since).map(([name]) => name);
  }
}

function shardOf(slots: readonly number[]): number {
  return Math.floor((slots[0] as number) / SHARD_SLOTS);
}
