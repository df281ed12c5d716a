/**
 * Keyspace: every key of every database, in 256 tables of 64 slots each, so that none is ever large enough to make growing it
 * a pause.
 *
 * Invariant: `keys(db)` counts the keys with living entries, expiry aside; a key that holds nothing, not even something that
 * waits for stability, is not in a table.
 *
 *   locate(place, …)   where a key is          look(place, now)   what a reader sees there
 *   open(place)        the key as an object    close(place, key)  stored again in its smallest form
 */
import { assert } from "../assert.ts";
import { compareStamps } from "../clock/stamp.ts";
import type { Origins } from "../clock/origins.ts";
import { Cell, type Sibling } from "../crdt/cell.ts";
import { Cells, cellOf } from "../crdt/cells.ts";
import type { Context } from "../crdt/context.ts";
import type { GenerationKind } from "../crdt/generation.ts";
import { GENERATION_KINDS } from "../crdt/generation-kinds.ts";
import {
  BITMAP,
  BOUNDED,
  type Collection,
  type Deadline,
  Key,
  LIST,
  NEVER_MS,
  STREAM,
  ZSET,
} from "../crdt/key.ts";
import { Order } from "../crdt/order.ts";
import { newAccess } from "./access.ts";
import { BoundedKeys } from "./bounded-keys.ts";
import { Policies } from "../crdt/policy.ts";
import { scoreOf } from "../crdt/score.ts";
import type { Hasher } from "./hasher.ts";
import { Heap } from "./heap.ts";
import type { Place } from "./place.ts";
import { Changes } from "./changes.ts";
import { Resting } from "./resting.ts";
import { SLOTS, slotOf } from "./slot.ts";
import { Entry, OBJECT, Table, WALK_END } from "./table.ts";

const SHARDS = 256;
/** What a `Key` takes with its body. */
const KEY_BYTES = 600;
/** What a generation takes beside its state's bytes. */
const GENERATION_BYTES = 300;
/** 16,384 slots in 256 tables. */
const SHARD_SHIFT = 6;
/** A walk's cursor: the shard above, the hash below. */
const SHARD_UNIT = 2 ** 32;
/** The store's own data has as many slots as another shard: so many of the others are one of them. */
const INTERNAL_SHIFT = 8;

/**
 * The database of the store's own data (the conflict feed): replicated, logged and collected as any other, and in a table of its
 * own, so that no command meets it. Clients' databases have smaller numbers.
 */
export const INTERNAL_DB = 16_384;
/** The libraries of functions, by name: as that, but for losses against concurrent writes, which are recorded. */
export const LIBRARIES_DB: number = INTERNAL_DB + 1;

/** Which regions prefixes have been moved to, by prefix: as that. */
export const HOMES_DB: number = INTERNAL_DB + 2;

/** What was answered to commands that are done once, by user and id: as that, and gone when its window is over. */
export const ONCE_DB: number = INTERNAL_DB + 3;
const INTERNAL_DBS = 4;

/** Whether a database is the store's own. */
export function isInternal(db: number): boolean {
  return db >= INTERNAL_DB && db < INTERNAL_DB + INTERNAL_DBS;
}

/** FLUSHALL or FLUSHDB until it is stable: what was born at or before the stamp is dead on arrival. */
export interface Flush {
  readonly origin: number;
  readonly seq: number;
  /** −1 for every database. */
  readonly db: number;
  readonly ms: number;
  readonly tick: number;
}

/** Among all slots (`ALL_SLOTS`), the one of a key. */
export function slotAmongAll(db: number, slot: number): number {
  return isInternal(db) ? SLOTS + (slot >>> INTERNAL_SHIFT) : slot;
}

export class Keyspace {
  readonly heap = new Heap();
  readonly hasher: Hasher;
  readonly origins: Origins;
  policies = new Policies();
  /** The kinds of generations this replica knows, by number. */
  kinds: ReadonlyMap<number, GenerationKind> = GENERATION_KINDS;
  /** The tables of clients' databases, and behind them those of the store's own. */
  readonly shards: Table<Key>[];
  flushes: Flush[] = [];
  readonly changes = new Changes();
  readonly boundedKeys = new BoundedKeys();
  /** Bodies of so many cells are not walked through in one turn if that can be helped. */
  large = 4096;
  /** Each table keeps so many keys that are objects awake: in all of them what a busy node touches within a second or so. */
  awake = 8;
  readonly #keys: number[] = [];
  readonly #expiring: number[] = [];
  /** Entries that expiry will have to remove some day, whether a reader still sees them or not. */
  expirable = 0;
  accessSeconds = 0;
  /** Grows whenever a library of functions has changed. */
  librariesVersion = 0;
  /** Grows whenever a prefix may have been moved to another region. */
  homesVersion = 0;
  /** Called with every key that changed, wherever the change came from: WATCH hangs on it. */
  onTouch: ((place: Place) => void) | null = null;
  /** Called when a database was emptied; and whether that is being done, key by key. */
  onFlushed: (() => void) | null = null;
  flushing = false;
  readonly #resting: Resting;
  readonly #entry = new Entry();

  constructor(origins: Origins, hasher: Hasher) {
    this.origins = origins;
    this.hasher = hasher;
    this.#resting = new Resting(this.heap, (tag) => this.#newCells(tag));
    this.shards = Array.from(
      { length: SHARDS + INTERNAL_DBS },
      (_, i) => new Table<Key>(this.heap, KEY_BYTES, i < SHARDS ? this.#resting : null),
    );
  }

  /** Between two turns: keys that nobody used lately are packed. Whoever holds a key or a body from before may not use it any more. */
  rest(): void {
    this.#resting.settle(this.awake);
  }

  /** How many keys were packed so far, those that were unpacked again among them. */
  get rested(): number {
    return this.#resting.packed;
  }

  /** What the data takes, in bytes. */
  get usedBytes(): number {
    return this.heap.usedBytes + this.heap.objectBytes;
  }

  /** How many entries of clients there are, remains of removed keys among them. */
  get entries(): number {
    let count = 0;
    for (let i = 0; i < SHARDS; i++) count += (this.shards[i] as Table<Key>).size;
    return count;
  }

  /** Whether it is known when keys were used. */
  get tracksAccess(): boolean {
    return this.heap.newAccess !== 0;
  }

  /** From now on it is known when keys were used. `access.ts` tells what that costs. */
  trackAccess(): void {
    if (this.tracksAccess) return;
    this.heap.newAccess = newAccess(this.accessSeconds);
    for (let i = 0; i < SHARDS; i++)
      (this.shards[i] as Table<Key>).trackAccess(this.heap.newAccess);
  }

  /** The clock of accesses, set each turn, in seconds. */
  setAccessSeconds(seconds: number): void {
    if (seconds === this.accessSeconds) return;
    this.accessSeconds = seconds;
    if (this.tracksAccess) this.heap.newAccess = newAccess(seconds);
  }

  /** Keys in a database, those that have expired and await removal included. */
  keys(db: number): number {
    return this.#keys[db] ?? 0;
  }

  /** Keys with a deadline in a database. */
  expiring(db: number): number {
    return this.#expiring[db] ?? 0;
  }

  /** The table of `INTERNAL_DB`. */
  get internal(): Table<Key> {
    return this.shards[SHARDS] as Table<Key>;
  }

  /** The table of `LIBRARIES_DB`. */
  get libraries(): Table<Key> {
    return this.shards[SHARDS + 1] as Table<Key>;
  }

  /** The table of `HOMES_DB`. */
  get homes(): Table<Key> {
    return this.shards[SHARDS + 2] as Table<Key>;
  }

  /** Whether a table holds keys of clients. */
  isOfClients(table: Table<Key>): boolean {
    return this.shards.indexOf(table, SHARDS) < 0;
  }

  /** Databases that have ever held a key, by number. */
  get databases(): number {
    return this.#keys.length;
  }

  /** Finds the entry of a key; the bytes must stay as they are while the place is used. */
  locate(place: Place, db: number, bytes: Buffer, start: number, end: number): void {
    place.db = db;
    place.bytes = bytes;
    place.start = start;
    place.end = end;
    place.slot = slotOf(bytes, start, end);
    place.hash = this.hasher.hash(db, bytes, start, end);
    const shard = isInternal(db) ? SHARDS + db - INTERNAL_DB : place.slot >>> SHARD_SHIFT;
    place.table = this.shards[shard] as Table<Key>;
    place.at = place.table.find(place.hash, db, bytes, start, end);
    place.version = place.table.version;
  }

  /** Finds the entry of a place again, if a write elsewhere may have moved it. */
  relocate(place: Place): void {
    const { table } = place;
    if (place.version === table.version) return;
    place.at = table.find(place.hash, place.db, place.bytes, place.start, place.end);
    place.version = table.version;
  }

  /** The key at a place as an object: its own, what lies packed as one, or a new one. `close` must follow. */
  open(place: Place): Key {
    this.heap.undo?.key(place);
    if (place.at < 0) return new Key();
    const entry = this.#entry;
    place.table.load(place.at, entry);
    if (entry.kind !== OBJECT) return keyOf(entry);
    const key = place.table.object(entry);
    key.used = true;
    return key;
  }

  /** Stores a key that `open` gave, accounts for what became of it and tells whoever watches. */
  close(place: Place, key: Key): void {
    this.settle(place, key);
    this.touch(place);
  }

  /** As `close`, for a change that no reader can see. */
  settle(place: Place, key: Key): void {
    key.tidy();
    const live = key.tags !== 0;
    const expiring = live && key.deadline(key.tags) !== Infinity;
    this.count(
      place.db,
      Number(live) - Number(key.counted),
      Number(expiring) - Number(key.countedExpiring),
    );
    key.counted = live;
    key.countedExpiring = expiring;
    const fields = key.expiringFields;
    key.dueMs = Math.min(key.lastDeadline(), fields?.firstDeadline ?? Infinity);
    const expirable = key.dueMs !== Infinity || fields !== null;
    this.expirable += Number(expirable) - Number(key.countedExpirable);
    key.countedExpirable = expirable;
    if (key.generations.length > 0 || key.countedBytes > 0) this.#weigh(place, key);
    this.#store(place, key);
  }

  /** Accounts for the generations of a key, which lie in memory of their own. */
  #weigh(place: Place, key: Key): void {
    let bytes = 0;
    for (const { kind, state } of key.generations) {
      bytes += GENERATION_BYTES + state.bytes;
      if (kind.type === BOUNDED) this.boundedKeys.note(place);
    }
    this.heap.objectBytes += bytes - key.countedBytes;
    key.countedBytes = bytes;
  }

  #store(place: Place, key: Key): void {
    const { table, hash, db, bytes, start, end } = place;
    if (key.empty) {
      if (place.at >= 0) table.removeAt(place.at);
      place.at = -1;
      return;
    }
    const { cell } = key;
    const alone =
      cell !== null &&
      key.bodies.length === 0 &&
      key.generations.length === 0 &&
      key.deadlines.length <= 1 &&
      key.floors.length === 0 &&
      key.memberFloors === null;
    const expire = key.deadlines[0];
    const only = alone && cell.eras.length === 0 && cell.siblings.length === 1 && cell.siblings[0];
    const era = alone && cell.siblings.length === 0 && cell.eras.length === 1 && cell.eras[0];
    if (
      era &&
      isCarried(expire, null) &&
      era.resetSeq === 0 &&
      era.seq > 0 &&
      typeof era.sum === "number"
    ) {
      const { origin, seq, sum, start: from, startMs, startTick } = era;
      place.at = table.putCounter(
        place.at,
        hash,
        db,
        bytes,
        start,
        end,
        origin,
        seq,
        sum,
        from,
        startMs,
        startTick,
      );
    } else if (only && isCarried(expire, only)) {
      const { origin, seq, ms, tick, deadline, value } = only;
      place.at = table.putRegister(
        place.at,
        hash,
        db,
        bytes,
        start,
        end,
        origin,
        seq,
        ms,
        tick,
        deadline,
        value,
        0,
        value.length,
      );
    } else {
      if (place.at < 0 || table.objectAt(place.at) !== key)
        place.at = table.putObject(place.at, hash, db, bytes, start, end, key);
      return;
    }
    if (expire !== undefined) {
      const { origin, seq, ms, tick, deadline } = expire;
      table.putExpire(place.at, origin, seq, ms, tick, deadline);
    }
  }

  /** Changes the counts of a database. */
  count(db: number, keys: number, expiring: number): void {
    if (isInternal(db)) return;
    while (db >= this.#keys.length) {
      this.#keys.push(0);
      this.#expiring.push(0);
    }
    (this.#keys[db] as number) += keys;
    (this.#expiring[db] as number) += expiring;
    assert((this.#keys[db] as number) >= 0, "a database has no fewer than no keys");
  }

  /** A record writes to a place, whether that changes anything or not. */
  noteWrite(place: Place): void {
    this.changes.note(slotAmongAll(place.db, place.slot), place);
  }

  /** Tells whoever watches that a key changed. */
  touch(place: Place): void {
    if (place.db === LIBRARIES_DB) this.librariesVersion++;
    else if (place.db === HOMES_DB) this.homesVersion++;
    if (this.onTouch !== null) this.onTouch(place);
  }

  /** The body of a key for a type, made if there is none yet. */
  cells(key: Key, tag: Collection): Cells {
    const there = key.cells(tag);
    if (there !== null) return there;
    const cells = this.#newCells(tag);
    key.bodies = key.bodies.length === 0 ? [cells] : [...key.bodies, cells];
    this.heap.undo?.made(cells);
    return cells;
  }

  #newCells(tag: Collection): Cells {
    return new Cells(tag, this.heap, this.hasher, this.large, this.#orderOf(tag));
  }

  #orderOf(tag: Collection): ((cells: Cells) => Order) | null {
    if (tag === LIST || tag === STREAM || tag === BITMAP) return this.#byName;
    return tag === ZSET ? this.#byPlainScore : null;
  }

  readonly #byName = (): Order => new Order(this.heap, null);
  readonly #byPlainScore = (cells: Cells): Order => this.#byScore(cells, -1);

  #byScore(cells: Cells, horizonMs: number): Order {
    return new Order(this.heap, (entry) => scoreOf(this.origins, cells.table, entry, horizonMs));
  }

  /**
   * What a reader sees of a body's order: without the entries born up to `horizonMs`, which are expired and not yet removed. That
   * hardly ever happens, so it may cost a walk over everything.
   */
  orderFrom(cells: Cells, horizonMs: number): Order | null {
    const { order, table } = cells;
    if (order === null || horizonMs < 0) return order;
    const seen = cells.tag === ZSET ? this.#byScore(cells, horizonMs) : new Order(this.heap, null);
    cells.each(horizonMs, (at) => seen.insert(table.refAt(at)));
    return seen;
  }

  cell(key: Key): Cell {
    return (key.cell ??= new Cell());
  }

  /**
   * Whether what the record (origin, seq) made with this stamp in `db` was flushed. What a record makes behind its own flush was
   * not.
   */
  flushed(db: number, ms: number, tick: number, origin: number, seq: number): boolean {
    for (const flush of this.flushes)
      if (
        (flush.db < 0 ? !isInternal(db) : flush.db === db) &&
        compareStamps(ms, tick, flush.ms, flush.tick) <= 0 &&
        (flush.origin !== origin || flush.seq !== seq)
      )
        return true;
    return false;
  }

  /** Whether what was written with this stamp in `db` was flushed by a record that the one of `context` had not seen. */
  flushedUnseen(db: number, ms: number, tick: number, context: Context): boolean {
    for (const flush of this.flushes)
      if (
        (flush.db < 0 ? !isInternal(db) : flush.db === db) &&
        compareStamps(ms, tick, flush.ms, flush.tick) <= 0 &&
        !context.covers(flush.origin, flush.seq)
      )
        return true;
    return false;
  }

  /** Drops everything born up to the flush, and remembers it for what is still on its way. */
  flush(flush: Flush, place: Place): void {
    const { origin, seq } = flush;
    this.changes.noteAll();
    // A transaction may flush several databases.
    if (!this.flushes.some((f) => f.origin === origin && f.seq === seq && f.db === flush.db)) {
      this.flushes.push(flush);
      this.heap.undo?.other(() => void this.flushes.pop());
    }
    this.flushing = true;
    for (const table of this.shards) {
      if (!this.isOfClients(table)) continue;
      const names: { db: number; name: Buffer }[] = [];
      table.each((at) => {
        table.load(at, this.#entry);
        const { db, bytes, nameStart, nameEnd } = this.#entry;
        if (flush.db < 0 || flush.db === db)
          names.push({ db, name: Buffer.from(bytes.subarray(nameStart, nameEnd)) });
      });
      for (const { db, name } of names) {
        this.locate(place, db, name, 0, name.length);
        const key = this.open(place);
        key.dropBorn(flush.ms, flush.tick);
        this.close(place, key);
      }
    }
    this.flushing = false;
    this.onFlushed?.();
  }

  /**
   * Visits entries from `cursor` on, about `count` of them; returns the cursor to go on from, 0 at the end. Every entry that is
   * there from the first call to the last is visited exactly once. `visit` must not change the keyspace.
   */
  walk(cursor: number, count: number, visit: (table: Table<Key>, at: number) => void): number {
    let shard = Math.floor(cursor / SHARD_UNIT);
    let hash = cursor % SHARD_UNIT;
    let left = count;
    while (shard < this.shards.length) {
      const table = this.shards[shard] as Table<Key>;
      if (table.size > 0) {
        hash = table.walk(hash, left, (at) => {
          left--;
          visit(table, at);
        });
        if (hash < WALK_END) return shard * SHARD_UNIT + hash;
      }
      shard++;
      hash = 0;
      if (left <= 0) break;
    }
    return shard < this.shards.length ? shard * SHARD_UNIT : 0;
  }

  /** Some entry of a client's, chosen by `chance` in [0, 1), for RANDOMKEY; null when there is none. */
  some(chance: number): { table: Table<Key>; at: number } | null {
    let pick = Math.floor(chance * this.entries);
    for (let i = 0; i < SHARDS; i++) {
      const table = this.shards[i] as Table<Key>;
      if (pick < table.size) return { table, at: table.some(pick / table.size) };
      pick -= table.size;
    }
    return null;
  }
}

/** What lies packed, as a key of its own. */
export function keyOf(entry: Entry): Key {
  const key = new Key();
  key.cell = cellOf(entry);
  key.counted = true;
  key.countedExpiring = entry.deadline !== Infinity;
  key.countedExpirable = key.countedExpiring;
  if (entry.expires) {
    const { expireOrigin, expireSeq, expireMs, expireTick, deadline } = entry;
    const dot = { origin: expireOrigin, seq: expireSeq };
    key.deadlines = [{ ...dot, ms: expireMs, tick: expireTick, deadline }];
  }
  return key;
}

/**
 * Whether a packed entry can carry the only deadline of its key: one that ends the value, a register that has none of its own and is
 * no newer, or a counter (null).
 */
function isCarried(expire: Deadline | undefined, register: Sibling | null): boolean {
  if (expire === undefined) return true;
  if (expire.deadline === NEVER_MS) return false;
  if (register === null) return true;
  const { ms, tick, deadline } = register;
  return deadline === Infinity && compareStamps(expire.ms, expire.tick, ms, tick) >= 0;
}
