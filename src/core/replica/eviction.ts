/**
 * Eviction: removes keys when the data takes more than `maxmemory`, as records like any other.
 *
 *   over the bound ─► some keys are drawn ─► the one that matters least goes ─► … ─► within the bound, or nothing may go: OOM
 *
 * Invariant: nothing is dropped locally. A key goes by an observed removal that every replica applies, and what another region
 * adds at the same time survives it. What arrives from peers is never refused: it may exceed the bound by a sixteenth before this
 * replica evicts for it, since the replica it came from evicts as well.
 */
import { frequency, idleSeconds } from "../keyspace/access.ts";
import type { Keyspace } from "../keyspace/keyspace.ts";
import { Place } from "../keyspace/place.ts";
import { Entry, OBJECT, type Table } from "../keyspace/table.ts";
import { BOUNDED, type Key } from "../crdt/key.ts";
import type { Settings } from "../commands/settings.ts";
import type { Writer } from "./writer.ts";

/** What is taken by a store without data: tables, buffers. */
export const REST_BYTES = 1024 * 1024;
/** What stays of a counter until its removal is known everywhere: to evict for it would empty the store while a region is away. */
const REMAINS_BYTES = 600;
/** Keys removed at one time: one record. */
const REMOVE_MAX = 128;
/** Entries looked at in search of keys with a deadline, where those are few. */
const SEARCH_MAX = 65_536;
/** Draws among all keys until some live one is met. */
const ROUNDS_MAX = 16;

export class Eviction {
  readonly #keyspace: Keyspace;
  readonly #writer: Writer;
  readonly #settings: Settings;
  readonly #chance: () => number;
  readonly #entry = new Entry();
  readonly #place = new Place();
  #cursor = 0;
  #best = -Infinity;
  #victim: { db: number; name: Buffer } | null = null;
  /** Called with each key that has gone. */
  onEvicted: (place: Place) => void = () => {};
  /** Keys removed since the start. */
  evicted = 0;
  /** The most that `usedBytes` was, when it was looked at. */
  peakBytes = REST_BYTES;

  constructor(keyspace: Keyspace, writer: Writer, settings: Settings, chance: () => number) {
    this.#keyspace = keyspace;
    this.#writer = writer;
    this.#settings = settings;
    this.#chance = chance;
  }

  /** What the data takes, in bytes: the figure that `maxmemory` bounds. */
  get usedBytes(): number {
    return REST_BYTES + this.#keyspace.usedBytes;
  }

  /** Looks how much is used now, for the peak. */
  look(): void {
    this.peakBytes = Math.max(this.peakBytes, this.usedBytes);
  }

  /** Whether the data takes so much that this replica evicts for what came from its peers. */
  get overflows(): boolean {
    const { maxMemoryBytes } = this.#settings;
    return maxMemoryBytes > 0 && this.#countedBytes > maxMemoryBytes + maxMemoryBytes / 16;
  }

  get #countedBytes(): number {
    return this.usedBytes - this.#writer.waitingResets * REMAINS_BYTES;
  }

  /**
   * Removes keys until the data is within the bound, up to `REMOVE_MAX` of them, in one record. False when it is not and nothing
   * may go; `mayWrite` says whether removals may be made at all.
   */
  makeRoom(mayWrite: boolean): boolean {
    const { maxMemoryBytes, maxMemoryPolicy } = this.#settings;
    if (maxMemoryBytes === 0 || this.#countedBytes <= maxMemoryBytes) return true;
    if (maxMemoryPolicy === "noeviction" || !mayWrite) return false;
    let removed = 0;
    while (removed < REMOVE_MAX && this.#countedBytes > maxMemoryBytes && this.#removeOne())
      removed++;
    if (removed > 0) this.#writer.commit();
    this.evicted += removed;
    // The next command goes on where so many removals were not enough.
    return removed === REMOVE_MAX || this.#countedBytes <= maxMemoryBytes;
  }

  #removeOne(): boolean {
    this.#best = -Infinity;
    this.#victim = null;
    if (this.#settings.maxMemoryPolicy.startsWith("allkeys")) this.#drawAny();
    else this.#drawVolatile();
    // Assigned where the draws consider a key, which the compiler does not see.
    const victim = this.#victim as { db: number; name: Buffer } | null;
    if (victim === null) return false;
    const { db, name } = victim;
    this.#keyspace.locate(this.#place, db, name, 0, name.length);
    this.#place.look(this.#keyspace, 0);
    this.#writer.remove(this.#place);
    this.onEvicted(this.#place);
    return true;
  }

  #drawAny(): void {
    const { maxMemorySamples } = this.#settings;
    for (let round = 0; round < ROUNDS_MAX && this.#victim === null; round++)
      for (let i = 0; i < maxMemorySamples; i++) {
        const found = this.#keyspace.some(this.#chance());
        if (found !== null) this.#consider(found.table, found.at, false);
      }
  }

  /** Goes on through the keyspace where it stopped the last time, until enough keys with a deadline were met. */
  #drawVolatile(): void {
    const { maxMemorySamples } = this.#settings;
    if (this.#keyspace.expirable === 0) return;
    let met = 0;
    for (let seen = 0; seen < SEARCH_MAX && met < maxMemorySamples; seen += maxMemorySamples) {
      // A walk visits at least one whole bucket run, so it may see a few more than it was asked for.
      this.#cursor = this.#keyspace.walk(this.#cursor, maxMemorySamples, (table, at) => {
        if (this.#consider(table, at, true)) met++;
      });
      if (this.#cursor === 0 && seen > this.#keyspace.entries) break;
    }
  }

  /** Takes an entry for the victim if it matters less than the one there is; returns whether it may go at all. */
  #consider(table: Table<Key>, at: number, volatile: boolean): boolean {
    if (!this.#keyspace.isOfClients(table)) return false;
    const entry = this.#entry;
    table.load(at, entry);
    let { deadline } = entry;
    if (entry.kind === OBJECT && entry.rests) deadline = Infinity;
    else if (entry.kind === OBJECT) {
      const key = table.object(entry);
      if (key.tags === 0) return false;
      // Rights are in use elsewhere, whatever is used here.
      if (key.generations.some(({ kind }) => kind.type === BOUNDED)) return false;
      deadline = key.deadline(key.tags);
    }
    if (volatile && deadline === Infinity) return false;
    const score = this.#score(table.accessAt(at), deadline);
    if (score > this.#best) {
      this.#best = score;
      const { db, bytes, nameStart, nameEnd } = entry;
      this.#victim = { db, name: Buffer.from(bytes.subarray(nameStart, nameEnd)) };
    }
    return true;
  }

  /** The higher, the sooner it goes. */
  #score(access: number, deadline: number): number {
    const seconds = this.#keyspace.accessSeconds;
    switch (this.#settings.maxMemoryPolicy) {
      case "allkeys-lru":
      case "volatile-lru":
        return idleSeconds(access, seconds);
      case "allkeys-lfu":
      case "volatile-lfu":
        return 255 - frequency(access, seconds, this.#settings);
      case "volatile-ttl":
        return -deadline;
      default:
        return this.#chance();
    }
  }
}
