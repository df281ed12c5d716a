/**
 * Writer: turns what commands do into records: applied at once, and as bytes for the log.
 *
 *   command ─► effects ─► applied to the keyspace, appended to the record ─► commit: one record, one dot, one stamp
 *
 * Invariant: a record exists only if something changed, and it is atomic everywhere: one command or one transaction. Its
 * dependencies are exactly what this replica had applied when it was made: they are also all that its removals may remove.
 *
 * A method expects `place` located and looked at in this turn; afterwards what was looked up there is out of date.
 */
import { assert } from "../assert.ts";
import { Sink } from "../bytes/sink.ts";
import type { Origin } from "../clock/origins.ts";
import type { HybridClock } from "../clock/stamp.ts";
import type { Vector } from "../clock/vector.ts";
import type { Cells } from "../crdt/cells.ts";
import { add, type Amount, format, parseDecimal } from "../crdt/amount.ts";
import type { Cell, Dot, Reset } from "../crdt/cell.ts";
import type { Birth } from "../crdt/position.ts";
import type { Generation, GenerationKind } from "../crdt/generation.ts";
import {
  BITMAP,
  type Collection,
  COUNTING,
  DEADLINES,
  EVERYTHING,
  GENERATION,
  HASH,
  horizonOf,
  type Key,
  NEVER_MS,
  NONE,
  SET,
  STRING,
  type Tag,
} from "../crdt/key.ts";
import { SLOTS } from "../keyspace/slot.ts";
import { STEPS_EFFECT } from "../keyspace/steps.ts";
import type { Place } from "../keyspace/place.ts";
import { COUNTER } from "../keyspace/table.ts";
import { Undo } from "../keyspace/undo.ts";
import { type StrongValue, writeValue } from "../strong/strong-state.ts";
import type { Applier } from "./apply.ts";
import type { Conflicts } from "./conflicts.ts";
import * as effect from "./effect.ts";
import { EffectHeads } from "./effect-heads.ts";
import type { Lineage } from "./lineage.ts";
import { nextEra, nextEraAt, writeEra } from "./next-era.ts";
import type { RecordSink } from "./record.ts";

const nothing = Buffer.alloc(0);

export class Writer {
  readonly #applier: Applier;
  readonly #clock: HybridClock;
  readonly #applied: Vector;
  readonly #records: RecordSink;
  /** The effects of the record being made. */
  readonly #effects = new Sink(4096);
  readonly #heads = new EffectHeads();
  readonly #undo: Undo;
  #lineage: Lineage;
  /** Physical time of this turn. */
  nowMs = 0;
  /** The record being made; 0 between records. */
  #seq = 0;
  /** What there was when `protect` was called. */
  #keptBytes = 0;
  #wasWriting = false;
  #keptEverywhereSeq = 0;
  /** The elements of lists that it has made, and the last one's name. */
  #births = 0;
  readonly #birth: Birth = { ms: 0, tick: 0, index: 0, incarnation: nothing };
  /**
   * Slot → seq of our newest record in it. A reply may show a key only once that record is durable, absence included.
   */
  readonly slotSeqs = new Float64Array(SLOTS);
  /** Our newest record that touched more than single slots (FLUSHALL). */
  everywhereSeq = 0;

  constructor(
    applier: Applier,
    clock: HybridClock,
    applied: Vector,
    records: RecordSink,
    lineage: Lineage,
  ) {
    this.#applier = applier;
    this.#clock = clock;
    this.#applied = applied;
    this.#records = records;
    this.#lineage = lineage;
    this.#undo = new Undo(applier.keyspace);
    const { conflicts, keyspace } = applier;
    const me = keyspace.origins.get(lineage.number).member;
    conflicts.applied = applied;
    conflicts.answersFor = (member) => member === me;
    this.#named();
  }

  #named(): void {
    const { origins } = this.#applier.keyspace;
    const { incarnation } = origins.get(this.#lineage.number);
    this.#birth.incarnation = Buffer.from(incarnation, "latin1");
  }

  /** What was lost against concurrent writes. */
  get conflicts(): Conflicts {
    return this.#applier.conflicts;
  }

  /** Writes under another incarnation from now on. */
  become(lineage: Lineage): void {
    assert(this.#seq === 0, "an incarnation changes between records");
    this.#lineage = lineage;
    this.#named();
    this.slotSeqs.fill(0);
    this.everywhereSeq = 0;
  }

  /** Resets of counters that are not known everywhere yet, so that what they reset still takes memory. */
  get waitingResets(): number {
    return this.#applier.garbage.waitingResets;
  }

  /** What stamps our records, and nothing else but ids. */
  get clock(): HybridClock {
    return this.#clock;
  }

  /** Sees to it that the clock is stored, by a record that says nothing unless one is being made. Returns that one's millisecond. */
  store(): number {
    if (!this.writing) {
      this.#begin();
      this.#effects.u8(effect.OP_NONE);
    }
    return this.#applier.context.ms;
  }

  /** Whether a record is being made. */
  get writing(): boolean {
    return this.#seq !== 0;
  }

  /** Writes a string; a `deadline` of Infinity is none. Whatever the key held is gone. */
  set(place: Place, deadline: number, value: Buffer, start: number, end: number): void {
    this.#beginAt(place);
    const key = place.key ?? this.#counterAt(place);
    if (key !== null) {
      const others = key.tags & ~STRING;
      if (others !== 0) this.#remove(place, key, others, Infinity);
      this.#resetCell(place, key.cell, Infinity);
    }
    place.tag = STRING;
    if (this.#isStrict(place)) {
      this.#head(effect.OP_SET_STRICT, place);
      this.#effects.u48(Math.min(deadline, NEVER_MS));
      this.#effects.bytes(value, start, end);
      return this.#applier.setStrictly(place, deadline, value, start, end);
    }
    if (deadline === Infinity) this.#head(effect.OP_SET, place);
    else {
      this.#head(effect.OP_SET_EXPIRING, place);
      this.#effects.u48(deadline);
    }
    this.#effects.bytes(value, start, end);
    this.#applier.set(place, deadline, value, start, end);
  }

  /** Tells all members what was decided about a strong key. */
  learn(place: Place, value: StrongValue): void {
    this.#beginAt(place);
    this.#head(effect.OP_LEARN, place);
    writeValue(this.#effects, value);
    this.#applier.learn(place, value);
  }

  #isStrict({ bytes, start, end }: Place): boolean {
    return this.#applier.keyspace.policies.formatOf(bytes, start, end) === "lww-strict";
  }

  /** Adds to a string's counter. */
  count(place: Place, delta: Amount): void {
    if (place.tag === BITMAP) return this.#countText(place, delta);
    this.#prepare(place, STRING);
    const era = nextEraAt(place, this.#applier.context, delta);
    if (era === null) return this.#countAnew(place, delta);
    this.#head(effect.OP_COUNT, place);
    writeEra(this.#effects, era, this.#applier.context);
    this.#applier.count(place, era.seq, era.sum, era.start, era.startMs, era.startTick);
  }

  /** A number that is kept as a bitmap becomes a plain value. */
  #countText(place: Place, delta: Amount): void {
    const base = parseDecimal(place.value, place.valueStart, place.valueEnd);
    assert(base !== null, "only a number is counted on");
    const text = Buffer.from(format(add(base, delta)));
    this.set(place, place.deadline, text, 0, text.length);
  }

  /** A counter that was reset more often in one transaction than eras can tell apart starts over as a plain value. */
  #countAnew(place: Place, delta: Amount): void {
    place.look(this.#applier.keyspace, this.nowMs);
    const text = Buffer.from(format(delta));
    this.set(place, place.deadline, text, 0, text.length);
  }

  /**
   * Adds a member to a set, or adds it again: then it survives a concurrent removal. Returns whether no reader saw it before.
   */
  addMember(place: Place, name: Buffer, start: number, end: number): boolean {
    this.#prepare(place, SET);
    this.#head(effect.OP_ADD_MEMBER, place);
    this.#effects.bytes(name, start, end);
    return this.#applier.putMember(place, name, start, end);
  }

  removeMember(place: Place, name: Buffer, start: number, end: number): void {
    this.#prepare(place, SET);
    const { policies } = this.#applier.keyspace;
    const isLastWins = policies.formatOf(place.bytes, place.start, place.end) === "lww-set";
    this.#head(isLastWins ? effect.OP_REMOVE_OLDER : effect.OP_REMOVE_MEMBER, place);
    this.#effects.bytes(name, start, end);
    if (isLastWins) this.#applier.removeOlder(place, name, start, end);
    else this.#applier.removeCell(place, SET, name, start, end);
  }

  /** Writes a field of a hash. Returns whether no reader saw one there before. */
  setField(
    place: Place,
    name: Buffer,
    nameStart: number,
    nameEnd: number,
    value: Buffer,
    start: number,
    end: number,
  ): boolean {
    this.#prepare(place, HASH);
    this.#clearDue(place, name, nameStart, nameEnd);
    const counted = this.#resetNamed(place, HASH, name, nameStart, nameEnd);
    this.#head(effect.OP_SET_FIELD, place);
    this.#effects.bytes(name, nameStart, nameEnd);
    this.#effects.bytes(value, start, end);
    const created = this.#applier.putField(place, name, nameStart, nameEnd, value, start, end);
    return created && !counted;
  }

  removeField(place: Place, name: Buffer, start: number, end: number): void {
    this.#prepare(place, HASH);
    this.#resetNamed(place, HASH, name, start, end);
    this.#head(effect.OP_REMOVE_FIELD, place);
    this.#effects.bytes(name, start, end);
    this.#applier.removeCell(place, HASH, name, start, end);
  }

  countField(place: Place, name: Buffer, start: number, end: number, delta: Amount): void {
    this.#prepare(place, HASH);
    this.#clearDue(place, name, start, end);
    if (this.#countNamed(place, HASH, name, start, end, delta)) return;
    const text = Buffer.from(format(delta));
    this.setField(place, name, start, end, text, 0, text.length);
  }

  /** Sets the deadline of a field that a reader sees (milliseconds since 1970), or removes it with `NEVER_MS`. */
  expireField(place: Place, name: Buffer, start: number, end: number, deadline: number): void {
    assert(deadline >= 0 && deadline <= NEVER_MS, "a deadline has 48 bits");
    this.#prepare(place, HASH);
    this.#clearDue(place, name, start, end);
    const { ms, tick, value } = place.restated(this.#applier.keyspace, name, start, end);
    this.#head(effect.OP_EXPIRE_FIELD, place);
    const effects = this.#effects;
    effects.u48(deadline);
    effects.u48(ms);
    effects.u16(tick);
    effects.bytes(name, start, end);
    effects.bytes(value, 0, value.length);
    this.#applier.expireField(place, deadline, name, start, end, ms, tick, Buffer.from(value));
  }

  /** Removes a field that expired at `deadline` as far as this replica has seen it, increments made since then excepted. */
  removeDueField(place: Place, name: Buffer, start: number, end: number, deadline: number): void {
    this.#begin();
    const horizonMs = horizonOf(deadline);
    const resets = bodyAt(place, HASH)?.resetsOf(name, start, end, horizonMs) ?? [];
    this.#reset(place, HASH, Buffer.from(name.subarray(start, end)), resets);
    this.#head(effect.OP_REMOVE_FIELD, place);
    this.#effects.bytes(name, start, end);
    this.#applier.removeCell(place, HASH, name, start, end);
  }

  /** A field that has expired begins anew. */
  #clearDue(place: Place, name: Buffer, start: number, end: number): void {
    const { cells } = place;
    if (cells === null || cells.expiring === null) return;
    const deadline = cells.deadlineOf(name, start, end);
    if (deadline <= cells.readMs) this.removeDueField(place, name, start, end, deadline);
  }

  /** Who writes. */
  get origin(): Origin {
    return this.#applier.keyspace.origins.get(this.#lineage.number);
  }

  /** Eight bytes that name this origin alone. */
  get incarnation(): Buffer {
    return this.#birth.incarnation;
  }

  /** What names the next element of a list or entry of a stream; begins a record, so it is asked for only when that is then written. */
  nextBirth(): Birth {
    this.#begin();
    const birth = this.#birth;
    birth.ms = this.#applier.context.ms;
    birth.tick = this.#applier.context.tick;
    birth.index = this.#births++;
    return birth;
  }

  /**
   * Writes a cell of a sorted set, a list or a stream; sets and hashes have methods of their own. Returns whether no reader saw one
   * there before.
   */
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
    this.#prepare(place, tag);
    const counted = this.#resetNamed(place, tag, name, nameStart, nameEnd);
    this.#head(effect.OP_PUT_CELL, place);
    this.#effects.u8(tag);
    this.#effects.bytes(name, nameStart, nameEnd);
    this.#effects.bytes(value, start, end);
    const created = this.#applier.putCell(place, tag, name, nameStart, nameEnd, value, start, end);
    return created && !counted;
  }

  removeCell(place: Place, tag: Collection, name: Buffer, start: number, end: number): void {
    this.#prepare(place, tag);
    this.#resetNamed(place, tag, name, start, end);
    this.#head(effect.OP_REMOVE_CELL, place);
    this.#effects.u8(tag);
    this.#effects.bytes(name, start, end);
    this.#applier.removeCell(place, tag, name, start, end);
  }

  /** Adds to a named cell; false when this record has no eras left for it: it must be written as it then is. */
  countCell(
    place: Place,
    tag: Collection,
    name: Buffer,
    start: number,
    end: number,
    delta: Amount,
  ): boolean {
    this.#prepare(place, tag);
    return this.#countNamed(place, tag, name, start, end, delta);
  }

  /** As `countCell`, of a place that is prepared. */
  #countNamed(
    place: Place,
    tag: Collection,
    name: Buffer,
    start: number,
    end: number,
    delta: Amount,
  ): boolean {
    const cells = bodyAt(place, tag);
    const at = cells?.find(name, start, end) ?? -1;
    const cell = at < 0 ? null : (cells?.table.objectAt(at) ?? null);
    const era = nextEra(cell, this.#applier.context, delta);
    if (era === null) return false;
    if (tag === HASH) this.#head(effect.OP_COUNT_FIELD, place);
    else {
      this.#head(effect.OP_COUNT_CELL, place);
      this.#effects.u8(tag);
    }
    this.#effects.bytes(name, start, end);
    writeEra(this.#effects, era, this.#applier.context);
    this.#applier.countCell(
      place,
      tag,
      name,
      start,
      end,
      era.seq,
      era.sum,
      era.start,
      era.startMs,
      era.startTick,
    );
    return true;
  }

  /** Writes a chunk of a bitmap; whatever else the key held is gone. */
  putChunk(place: Place, chunk: number, value: Buffer, start: number, end: number): void {
    this.#prepare(place, BITMAP);
    this.#head(effect.OP_PUT_CHUNK, place);
    this.#effects.varint(chunk);
    this.#effects.bytes(value, start, end);
    this.#applier.putChunk(place, chunk, value, start, end);
  }

  /** Adds to a generation that is seen at the place, the first by default; begins one when none of the kind is. */
  join(
    place: Place,
    kind: GenerationKind,
    payload: Buffer,
    generation: Generation | undefined = place.kind === kind ? place.generations[0] : undefined,
  ): void {
    this.#prepare(place, GENERATION, kind);
    const { origin, seq } = generation ?? this.#applier.context;
    this.#head(effect.OP_JOIN, place);
    this.#effects.u8(kind.number);
    this.#records.dot(this.#effects, this.#lineage, this.#applied, origin, seq);
    this.#effects.bytes(payload, 0, payload.length);
    this.#applier.join(place, kind, origin, seq, payload);
  }

  /** Whether this replica has applied a record. */
  hasApplied(origin: number, seq: number): boolean {
    return this.#applied.covers(origin, seq);
  }

  /** Writes a string or a field in place of exactly the concurrent values named; all of them are applied here. */
  resolve(
    place: Place,
    tag: typeof STRING | typeof HASH,
    name: Buffer,
    dots: readonly Dot[],
    value: Buffer,
    start: number,
    end: number,
  ): void {
    this.#prepare(place, tag);
    if (tag === HASH) this.#clearDue(place, name, 0, name.length);
    this.#head(effect.OP_RESOLVE, place);
    const effects = this.#effects;
    effects.u8(tag);
    effects.bytes(name, 0, name.length);
    effects.varint(dots.length);
    for (const { origin, seq } of dots)
      this.#records.dot(effects, this.#lineage, this.#applied, origin, seq);
    effects.bytes(value, start, end);
    this.#applier.resolve(place, tag, name, dots, Buffer.from(value.subarray(start, end)));
  }

  /** Removes a key with everything it holds. */
  remove(place: Place): void {
    this.#beginAt(place);
    this.#remove(place, place.key ?? this.#counterAt(place), EVERYTHING, Infinity);
    if (place.tag === STRING && this.#isStrict(place)) {
      this.#head(effect.OP_REMOVE_STRICT, place);
      this.#applier.removeStrictly(place);
    }
    place.tag = NONE;
  }

  /** Sets a key's deadline (milliseconds since 1970), or removes it with `NEVER_MS`. */
  expire(place: Place, deadline: number): void {
    assert(deadline >= 0 && deadline <= NEVER_MS, "a deadline has 48 bits");
    this.#prepare(place, place.tag, place.kind);
    if (place.tag === STRING) this.#dropExpired(place);
    this.#head(effect.OP_EXPIRE, place);
    this.#effects.u48(deadline);
    this.#applier.expire(place, deadline);
  }

  /** Drops siblings that have expired, or the new deadline of the key would bring them back. */
  #dropExpired(place: Place): void {
    const key = place.at < 0 ? null : place.table.objectAt(place.at);
    if (key === null || key.cell === null) return;
    const { ms } = this.#applier.context;
    if (!key.cell.siblings.some((sibling) => key.siblingDeadline(sibling) <= ms)) return;
    const { winner } = place;
    if (winner === null) {
      this.#head(effect.OP_REMOVE, place);
      this.#effects.u8(STRING);
      this.#applier.remove(place, STRING, Infinity);
      return;
    }
    this.#head(effect.OP_SET, place);
    this.#effects.bytes(winner.value, 0, winner.value.length);
    this.#applier.set(place, Infinity, winner.value, 0, winner.value.length);
  }

  /** Removes an expired key for good, with a floor for what is still on its way here. */
  removeExpired(place: Place): void {
    this.#beginAt(place);
    let born = 0;
    let writtenMs = 0;
    let writtenTick = 0;
    const key = place.key;
    if (key === null) born = horizonOf(place.registerDeadline());
    else {
      for (const tag of [NONE, STRING])
        if (key.deadline(tag) !== Infinity) born = Math.max(born, horizonOf(key.deadline(tag)));
      // After a PERSIST a string that is still on its way may have no deadline at all.
      if (key.deadline(NONE) !== Infinity)
        for (const { ms, tick } of key.deadlines)
          if (ms > writtenMs || (ms === writtenMs && tick > writtenTick)) {
            writtenMs = ms;
            writtenTick = tick;
          }
      this.#resetAll(place, key, EVERYTHING, born);
    }
    this.#head(effect.OP_REMOVE_EXPIRED, place);
    this.#effects.u48(born);
    this.#effects.u48(writtenMs);
    this.#effects.u16(writtenTick);
    this.#applier.removeExpired(place, born, writtenMs, writtenTick);
  }

  /** Empties database `db`, or all of them with −1. */
  flush(place: Place, db: number): void {
    this.#begin();
    this.#effects.u8(effect.OP_FLUSH);
    this.#effects.varint(db + 1);
    this.#heads.forget();
    this.everywhereSeq = this.#seq;
    this.#applier.flush(place, db);
  }

  /** Ends the record, if one was begun; returns its seq, or 0 if nothing changed. */
  commit(): number {
    const seq = this.#seq;
    if (seq === 0) return 0;
    this.#applier.conflicts.recordApplied(this.#applier.context);
    this.#records.append(this.#lineage, this.#applier.context, this.#applied, this.#effects);
    this.#effects.clear();
    this.#seq = 0;
    this.#heads.forget();
    return seq;
  }

  /** What is written from now on can be taken back, until `keep` or `takeBack`. */
  protect(): void {
    this.#undo.begin();
    this.#keptBytes = this.#effects.length;
    this.#wasWriting = this.writing;
    this.#keptEverywhereSeq = this.everywhereSeq;
  }

  /** What was written since `protect` stays. */
  keep(): void {
    this.#undo.keep();
  }

  /** Takes back what was written since `protect`; a record that was begun before goes on without it. */
  takeBack(): void {
    this.#undo.rollBack();
    this.#effects.length = this.#keptBytes;
    this.#heads.forget();
    this.everywhereSeq = this.#keptEverywhereSeq;
    if (this.#wasWriting || this.#seq === 0) return;
    this.#applied.lower(this.#lineage.number, this.#seq - 1);
    this.#records.giveUp(this.#lineage, this.#applied);
    this.#seq = 0;
  }

  /** Begins a record if need be; an entry that an earlier write of it has moved is found again. */
  #beginAt(place: Place): void {
    this.#begin();
    this.#applier.keyspace.relocate(place);
  }

  #begin(): void {
    if (this.#seq !== 0) return;
    this.#births = 0;
    const me = this.#lineage.number;
    this.#clock.next(this.nowMs);
    this.#seq = this.#applied.get(me) + 1;
    // The record is applied as it is made: no reader runs before `commit`, so the vector may already say so.
    this.#applied.raise(me, this.#seq);
    const context = this.#applier.context;
    context.deps = this.#applied;
    context.origin = me;
    context.seq = this.#seq;
    context.ms = this.#clock.ms;
    context.tick = this.#clock.tick;
  }

  /**
   * Begins a record if need be, and clears away what expired, lost a type conflict or is kept in another way than `tag`, since this
   * write has seen it.
   */
  #prepare(place: Place, tag: Tag, kind: GenerationKind | null = null): void {
    this.#beginAt(place);
    if (!place.stale && (place.tag === tag || place.tag === NONE)) return;
    const wasKeptSo = place.tag === tag;
    place.stale = false;
    place.tag = tag;
    const key = place.key ?? this.#counterAt(place);
    if (place.type === NONE || key === null) this.#remove(place, key, EVERYTHING, Infinity);
    else {
      // What lost as this type before is hidden as well, and must not come back with the write.
      const others = wasKeptSo ? key.tags & ~tag : key.tags;
      if (place.horizonMs >= 0) this.#remove(place, key, tag | DEADLINES, place.horizonMs);
      if (others !== 0) this.#remove(place, key, others, Infinity);
      if (kind !== null) this.#removeOtherKinds(place, key, kind);
    }
    place.key = place.at < 0 ? null : place.table.objectAt(place.at);
  }

  #removeOtherKinds(place: Place, key: Key, kind: GenerationKind): void {
    const others = new Set(key.generations.map((generation) => generation.kind));
    others.delete(kind);
    for (const { number } of others) {
      this.#head(effect.OP_REMOVE_KIND, place);
      this.#effects.u8(number);
      this.#applier.removeKind(place, number);
    }
  }

  #remove(place: Place, key: Key | null, mask: number, horizonMs: number): void {
    if (key !== null) this.#resetAll(place, key, mask, horizonMs);
    if ((mask & BITMAP) !== 0 && mask !== EVERYTHING) {
      this.#head(effect.OP_REMOVE_TYPES, place);
      this.#effects.varint(mask);
      this.#effects.u48(Math.min(horizonMs, NEVER_MS));
    } else if (horizonMs === Infinity) {
      this.#head(effect.OP_REMOVE, place);
      this.#effects.u8(mask & effect.MASK_BYTE);
    } else {
      this.#head(effect.OP_REMOVE_BORN, place);
      this.#effects.u8(mask & effect.MASK_BYTE);
      this.#effects.u48(horizonMs);
    }
    this.#applier.remove(place, mask, horizonMs);
  }

  #resetAll(place: Place, key: Key, mask: number, horizonMs: number): void {
    if ((mask & STRING) !== 0) this.#resetCell(place, key.cell, horizonMs);
    for (const body of key.bodies)
      if ((mask & body.tag & COUNTING) !== 0)
        for (const { name, resets } of body.resets(horizonMs))
          this.#reset(place, body.tag, name, resets);
  }

  /** A packed counter as a key: what removes it has to reset it. */
  #counterAt(place: Place): Key | null {
    if (place.at < 0 || place.table.kindAt(place.at) !== COUNTER) return null;
    return this.#applier.keyspace.open(place);
  }

  #resetCell(place: Place, cell: Cell | null, horizonMs: number): void {
    if (cell === null || cell.eras.length === 0) return;
    this.#reset(place, STRING, nothing, cell.resets(horizonMs));
  }

  /** Resets a named cell's counter; returns whether there was one to reset. */
  #resetNamed(place: Place, tag: Collection, name: Buffer, start: number, end: number): boolean {
    if ((tag & COUNTING) === 0) return false;
    const resets = bodyAt(place, tag)?.resetsOf(name, start, end) ?? [];
    if (resets.length === 0) return false;
    this.#reset(place, tag, Buffer.from(name.subarray(start, end)), resets);
    return true;
  }

  #reset(
    place: Place,
    tag: typeof STRING | Collection,
    name: Buffer,
    resets: readonly Reset[],
  ): void {
    if (resets.length === 0) return;
    this.#head(effect.OP_RESET, place);
    this.#effects.u8(tag);
    this.#effects.bytes(name, 0, name.length);
    this.#records.resets(this.#effects, this.#lineage, this.#applied, resets);
    this.#applier.reset(place, tag, name, resets);
  }

  #head(op: number, place: Place): void {
    this.slotSeqs[place.slot] = this.#seq;
    const { keyspace } = this.#applier;
    keyspace.noteWrite(place);
    keyspace.heap.steps += STEPS_EFFECT;
    this.#heads.write(this.#effects, op, place);
  }
}

/** The body of a type at a place, without a look at whether a reader sees it. */
function bodyAt(place: Place, tag: Collection): Cells | null {
  return place.at < 0 ? null : (place.table.objectAt(place.at)?.cells(tag) ?? null);
}
