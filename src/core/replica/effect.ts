/**
 * Effect: what a record does to one key, as bytes.
 *
 *   effect = u8 op | [varint db] | [bytes key] | payload
 *
 * Bit 7 of the op says "the same key as the effect before"; bit 6 that a database number follows (0 is left out). A record's
 * effects run to its end, so nothing is counted beforehand. `docs/protocol.md` lists every payload.
 *
 * Invariant: ops are never renumbered and payloads never change; a new meaning is a new op, which nobody writes before every
 * member can read it.
 */
import type { Sink } from "../bytes/sink.ts";
import { Malformed, type Source } from "../bytes/source.ts";
import { readAmount, writeAmount } from "../crdt/amount.ts";
import { type Dot, ERA_STEP, type Reset } from "../crdt/cell.ts";
import type { GenerationKind } from "../crdt/generation.ts";
import {
  type Collection,
  COUNTING,
  EVERYTHING,
  HASH,
  isCollection,
  NEVER_MS,
  SET,
  STRING,
} from "../crdt/key.ts";
import type { Place } from "../keyspace/place.ts";
import { STEPS_EFFECT } from "../keyspace/steps.ts";
import { readValue } from "../strong/strong-state.ts";
import type { Applier } from "./apply.ts";
import type { Lineage } from "./lineage.ts";

export const SAME_KEY = 0x80;
export const OTHER_DB = 0x40;

/** value */
export const OP_SET = 1;
/** deadline u48, value */
export const OP_SET_EXPIRING = 2;
/** era */
export const OP_COUNT = 3;
/** member */
export const OP_ADD_MEMBER = 4;
/** member */
export const OP_REMOVE_MEMBER = 5;
/** field, value */
export const OP_SET_FIELD = 6;
/** field */
export const OP_REMOVE_FIELD = 7;
/** field, era */
export const OP_COUNT_FIELD = 8;
/** tag u8, name, resets */
export const OP_RESET = 9;
/** mask u8 */
export const OP_REMOVE = 10;
/** mask u8, horizon u48 */
export const OP_REMOVE_BORN = 11;
/** deadline u48 */
export const OP_EXPIRE = 12;
/** born u48, written u48 + u16 */
export const OP_REMOVE_EXPIRED = 13;
/** varint database + 1, 0 for all; has no key */
export const OP_FLUSH = 14;
/** Nothing; has no key. */
export const OP_NONE = 15;
/** tag u8, name, value: sets and hashes have shorter ones. */
export const OP_PUT_CELL = 16;
/** tag u8, name */
export const OP_REMOVE_CELL = 17;
/** tag u8, name, era */
export const OP_COUNT_CELL = 18;
/** kind u8, dot, payload */
export const OP_JOIN = 19;
/** kind u8 */
export const OP_REMOVE_KIND = 20;
/** deadline u48, written u48 + u16, field, value */
export const OP_EXPIRE_FIELD = 21;
/** varint chunk, bytes */
export const OP_PUT_CHUNK = 24;
/** varint mask, horizon u48: as REMOVE and REMOVE BORN, for types beyond a byte. */
export const OP_REMOVE_TYPES = 25;
/** member */
export const OP_REMOVE_OLDER = 26;
/** deadline u48, value */
export const OP_SET_STRICT = 27;
/** Nothing. */
export const OP_REMOVE_STRICT = 28;
/** varint version, deadline u48, u8 has, [value]: what was decided about a strong key */
export const OP_LEARN = 29;
/** tag u8, name, dots, value */
export const OP_RESOLVE = 48;

/** What a mask of one byte can name, and means everything. */
export const MASK_BYTE = 0xff;

const nothing = Buffer.alloc(0);

/** A dot's seq as a counter writes it: twice the whole part, plus 1 when eras within the record follow. */
export function writeEraSeq(sink: Sink, seq: number, base: number): void {
  const whole = Math.floor(seq);
  const steps = (seq - whole) / ERA_STEP;
  sink.varint((base - whole) * 2 + (steps > 0 ? 1 : 0));
  if (steps > 0) sink.varint(steps);
}

export function readEraSeq(source: Source, base: number): number {
  const packed = source.varint();
  const whole = base - Math.floor(packed / 2);
  if (whole < 1) throw new Malformed("a counter's era begins before its origin");
  if (packed % 2 === 0) return whole;
  const steps = source.varint();
  if (steps === 0 || steps >= 1 / ERA_STEP) throw new Malformed("an era's step is out of bounds");
  return whole + steps * ERA_STEP;
}

/** How many eras into its record a counter is. */
export function readSteps(source: Source): number {
  const steps = source.varint();
  if (steps >= 1 / ERA_STEP) throw new Malformed("an era's step is out of bounds");
  return steps;
}

/** A type that is cells by name. */
export function readCollection(source: Source): Collection {
  const tag = source.u8();
  if (!isCollection(tag) || (tag & (tag - 1)) !== 0)
    throw new Malformed(`type ${tag} holds no cells`);
  return tag;
}

/** A type that is cells by name, where a checkpoint says so: one byte, but for bitmaps. */
export function readBody(source: Source): Collection {
  const tag = source.varint();
  if (tag > EVERYTHING || !isCollection(tag) || (tag & (tag - 1)) !== 0)
    throw new Malformed(`type ${tag} holds no cells`);
  return tag;
}

/** A mask of one byte; one that names all it can means all there is. */
function readMask(source: Source): number {
  const mask = source.u8();
  return mask === MASK_BYTE ? EVERYTHING : mask;
}

/** A mask of any types. */
export function readTypes(source: Source): number {
  const mask = source.varint();
  if (mask > EVERYTHING || (mask & ~EVERYTHING) !== 0)
    throw new Malformed("a mask names types that this version does not know");
  return mask;
}

/** A type that has counters. */
export function readCounting(source: Source): typeof STRING | Collection {
  const tag = source.u8();
  if ((tag & COUNTING) === 0 || (tag & (tag - 1)) !== 0)
    throw new Malformed(`type ${tag} has no counters`);
  return tag as typeof STRING | Collection;
}

export function readKind(
  source: Source,
  kinds: ReadonlyMap<number, GenerationKind>,
): GenerationKind {
  const number = source.u8();
  const kind = kinds.get(number);
  if (kind === undefined)
    throw new Malformed(`this version knows no generations of kind ${number}`);
  return kind;
}

export function readDb(source: Source): number {
  const db = source.varint();
  if (db > 0xffff) throw new Malformed(`database ${db} is out of bounds`);
  return db;
}

export function writeResets(sink: Sink, lineage: Lineage, resets: readonly Reset[]): void {
  sink.varint(resets.length);
  for (const { origin, seq, sum } of resets) {
    sink.varint(lineage.reference(origin));
    writeEraSeq(sink, seq, lineage.deps.get(origin));
    writeAmount(sink, sum);
  }
}

/**
 * Applies one record's effects as they are read.
 */
export class EffectReader {
  readonly #applier: Applier;
  readonly #place: Place;

  constructor(applier: Applier, place: Place) {
    this.#applier = applier;
    this.#place = place;
  }

  /** Applies the effects from `source.at` to its end. `applier.context` names the record, `lineage` its origin. */
  apply(source: Source, lineage: Lineage): void {
    let located = false;
    while (source.at < source.end) {
      const head = source.u8();
      const op = head & 0x3f;
      this.#applier.keyspace.heap.steps += STEPS_EFFECT;
      if (op === OP_FLUSH) {
        this.#applier.flush(this.#place, source.varint() - 1);
        located = false;
        continue;
      }
      if (op === OP_NONE) continue;
      if ((head & SAME_KEY) === 0) {
        const db = (head & OTHER_DB) === 0 ? 0 : readDb(source);
        const length = source.varint();
        const start = source.skip(length);
        this.#applier.keyspace.locate(this.#place, db, source.bytes, start, start + length);
        located = true;
        this.#applier.keyspace.noteWrite(this.#place);
      } else if (!located) throw new Malformed("the first effect of a record names no key");
      this.#applyTo(op, source, lineage);
    }
  }

  #applyTo(op: number, source: Source, lineage: Lineage): void {
    const applier = this.#applier;
    const place = this.#place;
    const bytes = source.bytes;
    switch (op) {
      case OP_SET:
      case OP_SET_EXPIRING: {
        const deadline = op === OP_SET ? Infinity : source.u48();
        const length = source.varint();
        const start = source.skip(length);
        applier.set(place, deadline, bytes, start, start + length);
        return;
      }
      case OP_SET_STRICT: {
        const deadline = source.u48();
        const length = source.varint();
        const start = source.skip(length);
        const until = deadline === NEVER_MS ? Infinity : deadline;
        applier.setStrictly(place, until, bytes, start, start + length);
        return;
      }
      case OP_REMOVE_STRICT:
        applier.removeStrictly(place);
        return;
      case OP_COUNT:
        this.#readEra(source, STRING, nothing, 0, 0);
        return;
      case OP_COUNT_FIELD: {
        const length = source.varint();
        const start = source.skip(length);
        this.#readEra(source, HASH, bytes, start, start + length);
        return;
      }
      case OP_ADD_MEMBER: {
        const length = source.varint();
        const start = source.skip(length);
        applier.putMember(place, bytes, start, start + length);
        return;
      }
      case OP_REMOVE_MEMBER:
      case OP_REMOVE_FIELD: {
        const length = source.varint();
        const start = source.skip(length);
        const tag = op === OP_REMOVE_MEMBER ? SET : HASH;
        applier.removeCell(place, tag, bytes, start, start + length);
        return;
      }
      case OP_REMOVE_OLDER: {
        const length = source.varint();
        const start = source.skip(length);
        applier.removeOlder(place, bytes, start, start + length);
        return;
      }
      case OP_SET_FIELD: {
        const nameLength = source.varint();
        const name = source.skip(nameLength);
        const length = source.varint();
        const start = source.skip(length);
        applier.putField(place, bytes, name, name + nameLength, bytes, start, start + length);
        return;
      }
      case OP_EXPIRE_FIELD: {
        const deadline = source.u48();
        const [ms, tick] = [source.u48(), source.u16()];
        const length = source.varint();
        const name = source.skip(length);
        const value = Buffer.from(source.view());
        applier.expireField(place, deadline, bytes, name, name + length, ms, tick, value);
        return;
      }
      case OP_PUT_CELL: {
        const tag = readCollection(source);
        const nameLength = source.varint();
        const name = source.skip(nameLength);
        const length = source.varint();
        const start = source.skip(length);
        applier.putCell(place, tag, bytes, name, name + nameLength, bytes, start, start + length);
        return;
      }
      case OP_REMOVE_CELL: {
        const tag = readCollection(source);
        const length = source.varint();
        const start = source.skip(length);
        applier.removeCell(place, tag, bytes, start, start + length);
        return;
      }
      case OP_COUNT_CELL: {
        const tag = readCollection(source);
        const length = source.varint();
        const start = source.skip(length);
        this.#readEra(source, tag, bytes, start, start + length);
        return;
      }
      case OP_JOIN: {
        const kind = readKind(source, applier.keyspace.kinds);
        const origin = lineage.numbers[source.varint()];
        if (origin === undefined) throw new Malformed("a join names an origin nobody introduced");
        const seq = lineage.deps.get(origin) - source.varint();
        applier.join(place, kind, origin, seq, source.view());
        return;
      }
      case OP_REMOVE_KIND:
        applier.removeKind(place, source.u8());
        return;
      case OP_RESET: {
        const tag = readCounting(source);
        const name = source.view();
        applier.reset(place, tag, name, readResets(source, lineage));
        return;
      }
      case OP_REMOVE:
        applier.remove(place, readMask(source), Infinity);
        return;
      case OP_REMOVE_BORN: {
        const mask = readMask(source);
        applier.remove(place, mask, source.u48());
        return;
      }
      case OP_REMOVE_TYPES: {
        const mask = readTypes(source);
        const horizonMs = source.u48();
        applier.remove(place, mask, horizonMs === NEVER_MS ? Infinity : horizonMs);
        return;
      }
      case OP_PUT_CHUNK: {
        const chunk = source.varint();
        const length = source.varint();
        const start = source.skip(length);
        applier.putChunk(place, chunk, bytes, start, start + length);
        return;
      }
      case OP_RESOLVE: {
        const tag = readRegisterTag(source);
        const name = source.view();
        const dots = readDots(source, lineage);
        applier.resolve(place, tag, name, dots, Buffer.from(source.view()));
        return;
      }
      case OP_LEARN:
        applier.learn(place, readValue(source));
        return;
      case OP_EXPIRE:
        applier.expire(place, source.u48());
        return;
      case OP_REMOVE_EXPIRED: {
        const born = source.u48();
        const written = source.u48();
        applier.removeExpired(place, born, written, source.u16());
        return;
      }
      default:
        throw new Malformed(`${op} is no effect this version knows`);
    }
  }

  #readEra(
    source: Source,
    tag: typeof STRING | Collection,
    name: Buffer,
    start: number,
    end: number,
  ): void {
    const { seq, ms, tick } = this.#applier.context;
    const sum = readAmount(source);
    const steps = readSteps(source);
    const eraStart = readEraSeq(source, seq);
    let startMs = ms;
    let startTick = tick;
    if (Math.floor(eraStart) !== seq) {
      startMs = ms - source.varint();
      startTick = source.u16();
    }
    const at = seq + steps * ERA_STEP;
    if (tag === STRING) this.#applier.count(this.#place, at, sum, eraStart, startMs, startTick);
    else
      this.#applier.countCell(
        this.#place,
        tag,
        name,
        start,
        end,
        at,
        sum,
        eraStart,
        startMs,
        startTick,
      );
  }
}

/** A type whose values are registers. */
export function readRegisterTag(source: Source): typeof STRING | typeof HASH {
  const tag = source.u8();
  if (tag !== STRING && tag !== HASH) throw new Malformed(`type ${tag} has no concurrent values`);
  return tag;
}

function readDots(source: Source, lineage: Lineage): Dot[] {
  const dots: Dot[] = [];
  for (let count = source.varint(); count > 0; count--) {
    const origin = lineage.numbers[source.varint()];
    if (origin === undefined) throw new Malformed("a dot names an origin nobody introduced");
    dots.push({ origin, seq: lineage.deps.get(origin) - source.varint() });
  }
  return dots;
}

function readResets(source: Source, lineage: Lineage): Reset[] {
  const resets: Reset[] = [];
  for (let count = source.varint(); count > 0; count--) {
    const origin = lineage.numbers[source.varint()];
    if (origin === undefined) throw new Malformed("a reset names an origin nobody introduced");
    const seq = readEraSeq(source, lineage.deps.get(origin));
    resets.push({ origin, seq, sum: readAmount(source) });
  }
  return resets;
}
