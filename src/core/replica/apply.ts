/**
 * Apply: what each effect of a record does to the keyspace.
 *
 * Invariant: one code for all records, the replica's own and its peers': a command's write takes the same way here as the same
 * bytes read from the log or a link. Applying a record twice, in the order of the log, changes nothing.
 *
 * `context` names the record being applied: its dot, stamp and dependencies. Every method expects `place` located.
 */
import { compareStamps } from "../clock/stamp.ts";
import type { Amount } from "../crdt/amount.ts";
import { CHUNK_NAME_BYTES } from "../crdt/bitmap.ts";
import type { Cell, Dot, Reset } from "../crdt/cell.ts";
import { CREATED, type Put, SAME } from "../crdt/cells.ts";
import { Context } from "../crdt/context.ts";
import {
  BITMAP,
  type Collection,
  DEADLINES,
  GENERATION,
  HASH,
  type Key,
  NEVER_MS,
  SET,
  STREAM,
  STRING,
  ZSET,
} from "../crdt/key.ts";
import type { Generation, GenerationKind } from "../crdt/generation.ts";
import type { Keyspace } from "../keyspace/keyspace.ts";
import type { Place } from "../keyspace/place.ts";
import { COUNTER, Entry, OBJECT, REGISTER } from "../keyspace/table.ts";
import type { StrongValue } from "../strong/strong-state.ts";
import { Conflicts } from "./conflicts.ts";
import type { Garbage } from "./garbage.ts";

const nothing = Buffer.alloc(0);
/**
 * Of these no write is lost: a member is there or not, what two write of a stream at once is put together, and so are the bits of
 * a chunk.
 */
const MERGED = SET | STREAM | BITMAP;

export class Applier {
  readonly keyspace: Keyspace;
  readonly garbage: Garbage;
  readonly conflicts: Conflicts;
  context = new Context();
  readonly #entry = new Entry();
  readonly #chunkName = Buffer.alloc(CHUNK_NAME_BYTES);

  constructor(keyspace: Keyspace, garbage: Garbage) {
    this.keyspace = keyspace;
    this.garbage = garbage;
    this.conflicts = new Conflicts(keyspace);
  }

  /** Called with what was decided about a strong key. */
  onLearned: (place: Place, value: StrongValue) => void = () => {};

  /** Hears what was decided about a strong key: that is none of the data here. */
  learn(place: Place, value: StrongValue): void {
    this.onLearned(place, value);
  }

  /** Writes a string: replaces the values and deadlines the record has seen. */
  set(place: Place, deadline: number, value: Buffer, start: number, end: number): void {
    const { context, keyspace } = this;
    if (this.#flushed(place)) return;
    keyspace.heap.undo?.key(place);
    let wasExpiring = false;
    if (place.at >= 0) {
      const entry = this.#entry;
      place.table.load(place.at, entry);
      if (entry.kind !== REGISTER || !this.#hasSeen(entry))
        return this.#setObject(place, deadline, value, start, end);
      wasExpiring = entry.deadline !== Infinity;
    }
    const isExpiring = deadline !== Infinity;
    if (place.at < 0 || wasExpiring !== isExpiring) {
      const expiring = (isExpiring ? 1 : 0) - (wasExpiring ? 1 : 0);
      keyspace.count(place.db, place.at < 0 ? 1 : 0, expiring);
      keyspace.expirable += expiring;
    }
    place.at = place.table.putRegister(
      place.at,
      place.hash,
      place.db,
      place.bytes,
      place.start,
      place.end,
      context.origin,
      context.seq,
      context.ms,
      context.tick,
      deadline,
      value,
      start,
      end,
    );
    keyspace.touch(place);
  }

  /** Whether the record has seen what lies packed, its deadline too. */
  #hasSeen({ origin, seq, expires, expireOrigin, expireSeq }: Entry): boolean {
    const { context } = this;
    return context.covers(origin, seq) && (!expires || context.covers(expireOrigin, expireSeq));
  }

  #setObject(place: Place, deadline: number, value: Buffer, start: number, end: number): void {
    const key = this.keyspace.open(place);
    key.dropDeadlines(this.context);
    const cell = this.keyspace.cell(key);
    cell.put(this.context, deadline, Buffer.from(value.subarray(start, end)));
    key.dropUnderFloors();
    this.conflicts.cell(this.context, place, STRING, nothing, 0, 0, cell);
    this.keyspace.close(place, key);
    if (key.isMixed) this.conflicts.mixed(place, key);
  }

  /** Writes a string strictly: in place of everything older, seen or not, of which none comes in until this is stable. */
  setStrictly(place: Place, deadline: number, value: Buffer, start: number, end: number): void {
    if (this.#flushed(place)) return;
    const { context, keyspace } = this;
    const key = keyspace.open(place);
    key.dropDeadlines(context);
    const cell = keyspace.cell(key);
    const lost = cell.dropOlder(context);
    const bytes = Buffer.from(value.subarray(start, end));
    cell.put(context, deadline, bytes);
    key.dropUnderFloors();
    this.conflicts.values(context, place, lost, bytes);
    this.conflicts.cell(context, place, STRING, nothing, 0, 0, cell);
    this.#closeStrictly(place, key);
    if (key.isMixed) this.conflicts.mixed(place, key);
  }

  /** Removes a string strictly. */
  removeStrictly(place: Place): void {
    const key = this.keyspace.open(place);
    const lost = key.cell?.dropOlder(this.context) ?? [];
    this.conflicts.values(this.context, place, lost, null);
    this.#closeStrictly(place, key);
  }

  #closeStrictly(place: Place, key: Key): void {
    key.raiseMemberFloor(null, this.context);
    this.keyspace.close(place, key);
    this.garbage.addMemberFloor(this.context, place, null);
  }

  /** Adds to a string's counter. */
  count(
    place: Place,
    seq: number,
    sum: Amount,
    start: number,
    startMs: number,
    startTick: number,
  ): void {
    if (this.#eraFlushed(place, start, startMs, startTick)) return;
    if (typeof sum === "number" && this.#countsAlone(place, seq)) {
      this.keyspace.heap.undo?.key(place);
      const { table, at, hash, db, bytes, start: from, end } = place;
      if (at >= 0) table.moveCounter(at, seq, sum, start, startMs, startTick);
      else {
        this.keyspace.count(db, 1, 0);
        const { origin } = this.context;
        place.at = table.putCounter(
          at,
          hash,
          db,
          bytes,
          from,
          end,
          origin,
          seq,
          sum,
          start,
          startMs,
          startTick,
        );
      }
      this.keyspace.touch(place);
      return;
    }
    const key = this.keyspace.open(place);
    if (!key.underFloor(startMs)) {
      const cell = this.keyspace.cell(key);
      cell.add(this.context.origin, seq, sum, start, startMs, startTick);
      this.conflicts.cell(this.context, place, STRING, nothing, 0, 0, cell);
    }
    this.keyspace.close(place, key);
    if (key.isMixed) this.conflicts.mixed(place, key);
  }

  /** Whether the key is nothing yet, or a packed counter of the record's own origin that this addition moves on. */
  #countsAlone(place: Place, seq: number): boolean {
    if (place.at < 0) return true;
    if (place.table.kindAt(place.at) !== COUNTER) return false;
    const entry = this.#entry;
    place.table.load(place.at, entry);
    return entry.origin === this.context.origin && entry.seq <= seq;
  }

  /** Writes a field of a hash. Returns whether no reader saw one there before. */
  putField(
    place: Place,
    name: Buffer,
    nameStart: number,
    nameEnd: number,
    value: Buffer,
    start: number,
    end: number,
  ): boolean {
    const put = this.#put(place, HASH, name, nameStart, nameEnd, value, start, end);
    this.keyspace.touch(place);
    return put === CREATED;
  }

  /**
   * Says a field's value again with a deadline, `NEVER_MS` for none. What `ms` and `tick` say was written then is judged by them: so
   * it loses against whatever was written since, and goes with the flushes and floors that the record had not seen.
   */
  expireField(
    place: Place,
    deadline: number,
    name: Buffer,
    start: number,
    end: number,
    ms: number,
    tick: number,
    value: Buffer,
  ): void {
    const { keyspace, context } = this;
    if (keyspace.flushedUnseen(place.db, ms, tick, context)) return;
    const key = keyspace.open(place);
    if (key.underFloor(ms)) return;
    const cells = keyspace.cells(key, HASH);
    const until = deadline === NEVER_MS ? Infinity : deadline;
    cells.restate(context, name, start, end, ms, tick, until, value);
    if (cells.touched !== null)
      this.conflicts.cell(context, place, HASH, name, start, end, cells.touched);
    keyspace.close(place, key);
    if (key.isMixed) this.conflicts.mixed(place, key);
  }

  /** Adds a member to a set. Returns whether no reader saw it there before: only then has the set changed for them. */
  putMember(place: Place, name: Buffer, start: number, end: number): boolean {
    const put = this.#put(place, SET, name, start, end, nothing, 0, 0);
    if (put === CREATED) this.keyspace.touch(place);
    return put === CREATED;
  }

  /** Writes a cell of another collection. Returns whether no reader saw one there before. */
  putCell(
    place: Place,
    tag: Collection,
    name: Buffer,
    nameStart: number,
    nameEnd: number,
    value: Buffer,
    start: number,
    end: number,
  ): boolean {
    const put = this.#put(place, tag, name, nameStart, nameEnd, value, start, end);
    // A member that is added again with its score has not changed for any reader.
    if (put !== SAME || tag !== ZSET) this.keyspace.touch(place);
    return put === CREATED;
  }

  /** Writes a chunk of a bitmap. */
  putChunk(place: Place, chunk: number, value: Buffer, start: number, end: number): void {
    this.#chunkName.writeUInt32BE(chunk);
    this.#put(place, BITMAP, this.#chunkName, 0, CHUNK_NAME_BYTES, value, start, end);
    this.keyspace.touch(place);
  }

  #put(
    place: Place,
    tag: Collection,
    name: Buffer,
    nameStart: number,
    nameEnd: number,
    value: Buffer,
    start: number,
    end: number,
  ): Put {
    if (this.#flushed(place)) return SAME;
    const { keyspace, context } = this;
    const key = keyspace.open(place);
    if (key.underFloor(context.ms)) return SAME;
    if (tag === SET && key.memberFloors !== null) {
      const member = name.latin1Slice(nameStart, nameEnd);
      if (key.underMemberFloor(member, context.ms, context.tick)) return SAME;
    }
    const cells = keyspace.cells(key, tag);
    const put = cells.put(context, name, nameStart, nameEnd, Infinity, value, start, end);
    if (cells.touched !== null && (tag & MERGED) === 0)
      this.conflicts.cell(context, place, tag, name, nameStart, nameEnd, cells.touched);
    // One entry more changes nothing about a key that lives and has no deadline of any kind.
    const lasting = key.counted && !key.countedExpirable && key.deadlines.length === 0;
    const settled = lasting && place.table.objectAt(place.at) === key;
    if (!settled) keyspace.settle(place, key);
    if (key.isMixed) this.conflicts.mixed(place, key);
    return put;
  }

  /** Adds to the counter of a named cell: a hash's field or a sorted set's member. */
  countCell(
    place: Place,
    tag: Collection,
    name: Buffer,
    nameStart: number,
    nameEnd: number,
    seq: number,
    sum: Amount,
    start: number,
    startMs: number,
    startTick: number,
  ): void {
    if (this.#eraFlushed(place, start, startMs, startTick)) return;
    const key = this.keyspace.open(place);
    if (!key.underFloor(startMs)) {
      const cells = this.keyspace.cells(key, tag);
      cells.add(this.context, name, nameStart, nameEnd, seq, sum, start, startMs, startTick);
      if (cells.touched !== null)
        this.conflicts.cell(this.context, place, tag, name, nameStart, nameEnd, cells.touched);
    }
    this.keyspace.close(place, key);
    if (key.isMixed) this.conflicts.mixed(place, key);
  }

  /** Writes a string or a field in place of exactly the concurrent values named. */
  resolve(
    place: Place,
    tag: typeof STRING | typeof HASH,
    name: Buffer,
    dots: readonly Dot[],
    value: Buffer,
  ): void {
    if (this.#flushed(place)) return;
    const { keyspace, context } = this;
    const key = keyspace.open(place);
    let cell: Cell | null;
    if (tag === STRING) {
      cell = keyspace.cell(key);
      cell.resolve(context, dots, Infinity, value);
      key.dropUnderFloors();
    } else {
      if (key.underFloor(context.ms)) return;
      const cells = keyspace.cells(key, tag);
      cells.resolve(context, name, dots, value);
      cell = cells.touched;
    }
    if (cell !== null) this.conflicts.cell(context, place, tag, name, 0, name.length, cell);
    keyspace.close(place, key);
    if (key.isMixed) this.conflicts.mixed(place, key);
  }

  /** Removes what the record has seen of one member or field. */
  removeCell(place: Place, tag: Collection, name: Buffer, start: number, end: number): void {
    if (place.at < 0) return;
    const key = this.keyspace.open(place);
    key.cells(tag)?.remove(this.context, name, start, end, []);
    this.keyspace.close(place, key);
  }

  /** Removes every addition of a member that the record has seen or that is older; until it is stable none such comes in. */
  removeOlder(place: Place, name: Buffer, start: number, end: number): void {
    const { keyspace, context } = this;
    const key = keyspace.open(place);
    const lost = key.cells(SET)?.removeOlder(context, name, start, end) ?? [];
    if (lost.length > 0) this.conflicts.members(context, place, name, start, end, lost);
    const member = name.latin1Slice(start, end);
    key.raiseMemberFloor(member, context);
    keyspace.close(place, key);
    this.garbage.addMemberFloor(context, place, member);
  }

  /** Resets a counter as far as the record has seen it: of the string itself, or of a field. */
  reset(
    place: Place,
    tag: typeof STRING | Collection,
    name: Buffer,
    resets: readonly Reset[],
  ): void {
    const { keyspace, context } = this;
    const key = keyspace.open(place);
    if (tag === STRING) keyspace.cell(key).reset(resets);
    else keyspace.cells(key, tag).remove(context, name, 0, name.length, resets, -1);
    keyspace.close(place, key);
    this.garbage.addResets(context, place, tag, name, resets);
  }

  /** Removes what the record has seen of the types in `mask`, if it was born up to `horizonMs`. */
  remove(place: Place, mask: number, horizonMs: number): void {
    if (place.at < 0) return;
    const { keyspace, context } = this;
    const entry = this.#entry;
    place.table.load(place.at, entry);
    if (entry.kind === REGISTER && !entry.expires) {
      const seen = entry.ms <= horizonMs && context.covers(entry.origin, entry.seq);
      if ((mask & STRING) === 0 || !seen) return;
      keyspace.heap.undo?.key(place);
      place.table.removeAt(place.at);
      place.at = -1;
      const expiring = entry.deadline === Infinity ? 0 : -1;
      keyspace.count(place.db, -1, expiring);
      keyspace.expirable += expiring;
      keyspace.touch(place);
      return;
    }
    const key = keyspace.open(place);
    if ((mask & STRING) !== 0) key.cell?.dropSeen(context, horizonMs);
    for (const body of key.bodies)
      if ((mask & body.tag) !== 0) body.removeSeen(context, [], horizonMs);
    if ((mask & GENERATION) !== 0) key.removeGenerations(context, 0, horizonMs);
    if ((mask & DEADLINES) !== 0) key.dropDeadlines(context);
    keyspace.close(place, key);
  }

  /** Adds to the generation (origin, seq), or creates it if that is this record. */
  join(place: Place, kind: GenerationKind, origin: number, seq: number, payload: Buffer): void {
    const { keyspace, context } = this;
    const key = keyspace.open(place);
    const there = key.generations.find(
      (g) => g.kind === kind && g.origin === origin && g.seq === seq,
    );
    if (there !== undefined) this.#own(key, there).state.join(payload);
    else if (origin === context.origin && seq === context.seq) {
      const { ms, tick } = context;
      if (this.#flushed(place) || key.underFloor(ms)) return;
      const state = kind.create();
      state.join(payload);
      key.generations = [...key.generations, { kind, origin, seq, ms, tick, state }];
    } else return;
    keyspace.close(place, key);
    if (key.isMixed) this.conflicts.mixed(place, key);
  }

  /** The generation to join to: what may have to come back stays as it is. */
  #own(key: Key, generation: Generation): Generation {
    const own = this.keyspace.heap.undo?.own(generation) ?? generation;
    if (own !== generation)
      key.generations = key.generations.map((g) => (g === generation ? own : g));
    return own;
  }

  /** Removes the generations of one kind that the record has seen. */
  removeKind(place: Place, kind: number): void {
    if (place.at < 0) return;
    const key = this.keyspace.open(place);
    key.removeGenerations(this.context, kind);
    this.keyspace.close(place, key);
  }

  /** Sets the deadline of a key, `NEVER_MS` for none. */
  expire(place: Place, deadline: number): void {
    if (this.#flushed(place)) return;
    if (this.#carries(place, deadline)) return this.#expirePacked(place, deadline);
    const key = this.keyspace.open(place);
    key.expire(this.context, deadline);
    this.keyspace.close(place, key);
  }

  /** Whether the deadline is the only one of what lies packed, and can lie with it. Leaves that in `#entry`. */
  #carries(place: Place, deadline: number): boolean {
    if (place.at < 0 || deadline === NEVER_MS) return false;
    const { context } = this;
    const entry = this.#entry;
    place.table.load(place.at, entry);
    if (entry.kind === OBJECT) return false;
    if (entry.expires) return context.covers(entry.expireOrigin, entry.expireSeq);
    if (entry.kind === COUNTER) return true;
    // A register with a deadline of its own, or one newer than this, keeps both apart.
    const isOlder = compareStamps(entry.ms, entry.tick, context.ms, context.tick) <= 0;
    return isOlder && entry.deadline === Infinity;
  }

  #expirePacked(place: Place, deadline: number): void {
    const { keyspace } = this;
    const { origin, seq, ms, tick } = this.context;
    keyspace.heap.undo?.key(place);
    if (this.#entry.deadline === Infinity) {
      keyspace.count(place.db, 0, 1);
      keyspace.expirable++;
    }
    place.table.putExpire(place.at, origin, seq, ms, tick, deadline);
    keyspace.touch(place);
  }

  /** Removes a key whose deadline has passed, with a floor for what nobody here has seen yet. */
  removeExpired(place: Place, bornMs: number, writtenMs: number, writtenTick: number): void {
    const { origin, seq } = this.context;
    const key = this.keyspace.open(place);
    key.cell?.dropSeen(this.context);
    for (const body of key.bodies) body.removeSeen(this.context, [], bornMs);
    key.removeGenerations(this.context, 0, bornMs);
    key.dropDeadlines(this.context);
    key.raiseFloor({ origin, seq, bornMs, writtenMs, writtenTick });
    this.keyspace.close(place, key);
    this.garbage.addFloor(this.context, place, bornMs, writtenMs, writtenTick);
  }

  /** Empties a database, or all of them (−1): whatever was born up to the record's stamp. */
  flush(place: Place, db: number): void {
    const { origin, seq, ms, tick } = this.context;
    this.keyspace.flush({ origin, seq, db, ms, tick }, place);
    this.garbage.addFlush(this.context);
  }

  #flushed(place: Place): boolean {
    const { keyspace, context } = this;
    if (keyspace.flushes.length === 0) return false;
    const { origin, seq, ms, tick } = context;
    return keyspace.flushed(place.db, ms, tick, origin, seq);
  }

  /** Whether the era that the record's origin began at `start` was flushed. */
  #eraFlushed(place: Place, start: number, startMs: number, startTick: number): boolean {
    const { keyspace, context } = this;
    if (keyspace.flushes.length === 0) return false;
    return keyspace.flushed(place.db, startMs, startTick, context.origin, Math.floor(start));
  }
}
