/**
 * ShardPass: one way through the keys of some shards, in slices, adding up the digests of each slot, and of each shard if they are several.
 *
 *   begin (a moment, a vector) ─► slice, slice … ─► done ─► what of it has not changed since?
 *
 * Invariant: of a slot that has not changed since the pass began the sum is that of the state at its beginning, and still is: what was
 * written to it before `vector`, nothing else. What has changed counts for nothing.
 *
 * Of chosen slots the keys are remembered too, each with its own sum; then changes are told apart key by key.
 */
import type { Vector } from "../clock/vector.ts";
import type { Cells } from "../crdt/cells.ts";
import { ALL_SHARDS, SHARD_SLOTS } from "../keyspace/changes.ts";
import { type Keyspace, slotAmongAll } from "../keyspace/keyspace.ts";
import { Place } from "../keyspace/place.ts";
import { slotOf } from "../keyspace/slot.ts";
import { Entry, OBJECT, WALK_END } from "../keyspace/table.ts";
import { DIGEST_WORDS, isNothing } from "./digest.ts";
import { KeyDigest } from "./key-digest.ts";
import { KeySums, named } from "./key-sums.ts";
import { visitCell, visitKey } from "./parts.ts";
import type { SlotSums } from "./slot-sums.ts";
import type { Replica } from "../replica/replica.ts";

/** Cells looked at in one slice: about a millisecond's work. */
export const SLICE_CELLS = 1_000;

const SHARD_WORDS = SHARD_SLOTS * DIGEST_WORDS;
const NONE: readonly Cells[] = [];

interface LargeBody {
  readonly db: number;
  readonly name: Buffer;
  readonly tag: number;
  readonly nameWords: Int32Array;
  /** Where the sum goes: in the sums, or in those of the keys. */
  readonly at: number;
}

export class ShardPass {
  /** The first of its shards, and how many they are. */
  readonly shard: number;
  readonly count: number;
  /** The moment at which it began, as `Changes` counts them, and all that was applied then. */
  readonly since: number;
  readonly vector: Vector;
  /** Once it is done: four words a shard; of a single one, four a slot. */
  sums: Int32Array;
  /** The keys of the chosen slots; null when none were. */
  readonly keys: KeySums | null;
  readonly #keyspace: Keyspace;
  readonly #digest: KeyDigest;
  readonly #chosen: ReadonlySet<number> | null;
  readonly #known: SlotSums | null;
  /** Of each slot of its shards, whether its sum was known beforehand. */
  readonly #isKnown: Uint8Array;
  readonly #bodies: LargeBody[] = [];
  /** The table that is walked, and from where. */
  #table: number;
  /** The last table: the last shard holds all of the store's own. */
  readonly #last: number;
  #hash = 0;
  #bodyHash = 0;
  readonly #entry = new Entry();
  readonly #place = new Place();
  done = false;

  /**
   * `key` is the chance both sides share; `chosen`, slots among all whose keys are to be told apart; `known`, what was summed up
   * under that key before, which is added to.
   */
  constructor(
    replica: Replica,
    shard: number,
    count: number,
    key: Int32Array,
    chosen: readonly number[] | null,
    known: SlotSums | null = null,
  ) {
    const { keyspace, origins, applied } = replica;
    this.shard = shard;
    this.count = count;
    this.#table = shard;
    this.#last = (shard + count === ALL_SHARDS ? keyspace.shards.length : shard + count) - 1;
    this.sums = new Int32Array(count * SHARD_SLOTS * DIGEST_WORDS);
    this.#keyspace = keyspace;
    this.#digest = new KeyDigest(key, origins);
    this.#chosen = chosen === null ? null : new Set(chosen);
    this.keys = chosen === null ? null : new KeySums();
    this.since = keyspace.changes.begin();
    this.vector = applied.copy();
    this.#known = known;
    this.#isKnown = new Uint8Array(count * SHARD_SLOTS);
    const first = shard * SHARD_SLOTS;
    if (known !== null && chosen === null)
      for (let i = 0; i < this.#isKnown.length; i++)
        if (known.knows(first + i, keyspace.changes)) this.#isKnown[i] = 1;
  }

  /** Goes on for about `count` cells. */
  slice(count: number): void {
    if (this.done) return;
    if (this.#bodies.length > 0) return this.#walkBody(count);
    const keyspace = this.#keyspace;
    const table = keyspace.shards[this.#table];
    const isLarge = (body: Cells): boolean => body.isLarge;
    const entry = this.#entry;
    const first = this.shard * SHARD_SLOTS;
    const hasWork = table !== undefined && table.size > 0 && !this.#knows(this.#table);
    if (hasWork)
      this.#hash = table.walk(this.#hash, count, (at) => {
        table.load(at, entry);
        const { db, bytes, nameStart, nameEnd } = entry;
        const slot = slotAmongAll(db, slotOf(bytes, nameStart, nameEnd));
        if (this.#chosen === null ? this.#isKnown[slot - first] : !this.#chosen.has(slot)) return;
        const { keys } = this;
        keys?.clear();
        const sums = keys?.sums ?? this.sums;
        const sumAt = keys === null ? (slot - first) * DIGEST_WORDS : keys.sumAt(keys.size);
        this.#digest.begin(db, bytes, nameStart, nameEnd, sums, sumAt);
        visitKey(table, entry, this.#digest, isLarge);
        const isObject = entry.kind === OBJECT && !entry.rests;
        const large = isObject ? table.object(entry).bodies.filter(isLarge) : NONE;
        if (large.length > 0) {
          const name = Buffer.from(bytes.subarray(nameStart, nameEnd));
          const nameWords = this.#digest.name.slice();
          for (const { tag } of large) this.#bodies.push({ db, name, tag, nameWords, at: sumAt });
        } else if (keys === null || isNothing(sums, sumAt)) return;
        keys?.add(slot, db, bytes, nameStart, nameEnd, this.#digest.name);
      });
    else this.#hash = WALK_END;
    if (this.#hash >= WALK_END && this.#table < this.#last) {
      this.#hash = 0;
      this.#table++;
      if (!hasWork) return this.slice(count);
    }
    this.#settle();
  }

  /** Whether the sums of all slots that lie in a table are known. */
  #knows(table: number): boolean {
    const from = (Math.min(table, ALL_SHARDS - 1) - this.shard) * SHARD_SLOTS;
    return this.#isKnown.subarray(from, from + SHARD_SLOTS).every((is) => is === 1);
  }

  #walkBody(count: number): void {
    const { db, name, tag, nameWords, at } = this.#bodies[0] as LargeBody;
    const place = this.#place;
    this.#keyspace.locate(place, db, name, 0, name.length);
    const body = place.at < 0 ? null : (place.table.objectAt(place.at)?.cells(tag) ?? null);
    if (body !== null) {
      this.#digest.resume(nameWords, 0, this.keys?.sums ?? this.sums, at);
      this.#bodyHash = body.table.walk(this.#bodyHash, count, (cell) =>
        visitCell(body, cell, this.#digest),
      );
    }
    if (body === null || this.#bodyHash >= WALK_END) {
      this.#bodies.shift();
      this.#bodyHash = 0;
    }
    this.#settle();
  }

  #settle(): void {
    this.done = this.#hash >= WALK_END && this.#bodies.length === 0;
    if (this.done && this.#chosen === null) this.#sumUp();
  }

  /** What was known beforehand is added to what was found, and the other way round. */
  #sumUp(): void {
    const known = this.#known;
    const first = this.shard * SHARD_SLOTS;
    const slots = this.sums;
    if (known !== null)
      for (let i = 0; i < this.#isKnown.length; i++) {
        const [from, at] = [(first + i) * DIGEST_WORDS, i * DIGEST_WORDS];
        if (this.#isKnown[i]) slots.set(known.sums.subarray(from, from + DIGEST_WORDS), at);
        else known.put(first + i, slots, at, this.since);
      }
    if (this.count === 1) return;
    this.sums = new Int32Array(this.count * DIGEST_WORDS);
    for (let at = 0; at < slots.length; at++) {
      const to = Math.floor(at / SHARD_WORDS) * DIGEST_WORDS + (at % DIGEST_WORDS);
      this.sums[to] = ((this.sums[to] as number) + (slots[at] as number)) | 0;
    }
  }

  /** The names of the keys that changed in chosen slots since the beginning, which the caller watches; null for too many. */
  changedNames(): ReadonlySet<string> | null {
    const names = this.#keyspace.changes.names(this.shard, this.since);
    if (names === null) return null;
    const scratch = new Int32Array(DIGEST_WORDS);
    return new Set(
      names.map((name) => {
        const colon = name.indexOf(":");
        const bytes = Buffer.from(name.slice(colon + 1), "latin1");
        this.#digest.begin(Number(name.slice(0, colon)), bytes, 0, bytes.length, scratch, 0);
        return named(this.#digest.name, 0);
      }),
    );
  }

  /** Of the sums, which are of something that has changed since the beginning. */
  changes(): boolean[] {
    const each = this.count === 1 ? 1 : SHARD_SLOTS;
    const first = this.shard * SHARD_SLOTS;
    return Array.from({ length: this.sums.length / DIGEST_WORDS }, (_, i) => {
      for (let slot = first + i * each; slot < first + (i + 1) * each; slot++)
        if (this.changed(slot)) return true;
      return false;
    });
  }

  /** Whether a slot, one among all, has changed since the beginning. */
  changed(slot: number): boolean {
    return this.#keyspace.changes.changed(slot, this.since);
  }
}
