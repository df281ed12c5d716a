/**
 * EffectCheck: reads a record's effects to their end and applies nothing.
 *
 * Invariant: what passes here, `EffectReader` applies without a complaint. So a record from a peer is applied whole or not at all,
 * and what a checkpoint will have to write is within its bounds.
 *
 * Checking costs some 30 ns of the 500 ns that receiving a record of one SET takes: less than two runs of the benchmark differ by.
 */
import { Malformed, type Source } from "../bytes/source.ts";
import { compareStamps } from "../clock/stamp.ts";
import { readAmount } from "../crdt/amount.ts";
import { checkChunk } from "../crdt/bitmap.ts";
import type { GenerationKind } from "../crdt/generation.ts";
import { type Collection, LIST, STREAM, ZSET } from "../crdt/key.ts";
import { checkPosition } from "../crdt/position.ts";
import { isScore } from "../crdt/score.ts";
import { checkStreamName, checkStreamValue } from "../crdt/stream-cell.ts";
import * as effect from "./effect.ts";
import type { Lineage } from "./lineage.ts";
import type { RecordReader } from "./record.ts";

/** Throws `Malformed` unless the bytes from `source.at` to its end are effects of the record at `seq` whose header was just read. */
export function checkEffects(
  source: Source,
  record: RecordReader,
  lineage: Lineage,
  seq: number,
  kinds: ReadonlyMap<number, GenerationKind>,
): void {
  let located = false;
  while (source.at < source.end) {
    const head = source.u8();
    const op = head & 0x3f;
    if (op === effect.OP_FLUSH) {
      source.varint();
      located = false;
    } else if (op !== effect.OP_NONE) {
      if ((head & effect.SAME_KEY) === 0) {
        if ((head & effect.OTHER_DB) !== 0) effect.readDb(source);
        skipBytes(source);
        located = true;
      } else if (!located) throw new Malformed("the first effect of a record names no key");
      checkPayload(op, source, record, lineage, seq, kinds);
    }
  }
}

function checkPayload(
  op: number,
  source: Source,
  record: RecordReader,
  lineage: Lineage,
  seq: number,
  kinds: ReadonlyMap<number, GenerationKind>,
): void {
  switch (op) {
    case effect.OP_SET_FIELD:
      skipBytes(source);
      skipBytes(source);
      return;
    case effect.OP_EXPIRE_FIELD: {
      source.skip(6);
      const ms = source.u48();
      const tick = source.u16();
      if (compareStamps(ms, tick, record.ms, record.tick) > 0)
        throw new Malformed("a field's value was written after its deadline was set");
      skipBytes(source);
      skipBytes(source);
      return;
    }
    case effect.OP_SET:
    case effect.OP_ADD_MEMBER:
    case effect.OP_REMOVE_MEMBER:
    case effect.OP_REMOVE_OLDER:
    case effect.OP_REMOVE_FIELD:
      skipBytes(source);
      return;
    case effect.OP_REMOVE_STRICT:
      return;
    case effect.OP_SET_EXPIRING:
    case effect.OP_SET_STRICT:
      source.skip(6);
      skipBytes(source);
      return;
    case effect.OP_COUNT_FIELD:
      skipBytes(source);
      return checkEra(source, record.ms, seq);
    case effect.OP_PUT_CELL: {
      const tag = effect.readCollection(source);
      const name = skipName(source, tag);
      const length = source.varint();
      const start = source.skip(length);
      if (tag === ZSET && !isScore(source.bytes, start, start + length))
        throw new Malformed("a member's score is none");
      if (tag === STREAM)
        checkStreamValue(source.bytes[name] as number, source.bytes, start, start + length);
      return;
    }
    case effect.OP_REMOVE_CELL:
      effect.readCollection(source);
      skipBytes(source);
      return;
    case effect.OP_COUNT_CELL:
      effect.readCounting(source);
      skipBytes(source);
      return checkEra(source, record.ms, seq);
    case effect.OP_JOIN:
      return checkJoin(source, record, lineage, seq, kinds);
    case effect.OP_REMOVE_KIND:
      effect.readKind(source, kinds);
      return;
    case effect.OP_COUNT:
      return checkEra(source, record.ms, seq);
    case effect.OP_RESET:
      return checkResets(source, record, lineage, seq);
    case effect.OP_RESOLVE:
      return checkResolve(source, record, lineage, seq);
    case effect.OP_REMOVE:
      source.skip(1);
      return;
    case effect.OP_REMOVE_BORN:
      source.skip(7);
      return;
    case effect.OP_REMOVE_TYPES:
      effect.readTypes(source);
      source.skip(6);
      return;
    case effect.OP_PUT_CHUNK: {
      const chunk = source.varint();
      const length = source.varint();
      source.skip(length);
      return checkChunk(chunk, length);
    }
    case effect.OP_LEARN:
      source.varint();
      source.skip(6);
      if (source.u8() !== 0) skipBytes(source);
      return;
    case effect.OP_EXPIRE:
      source.skip(6);
      return;
    case effect.OP_REMOVE_EXPIRED:
      source.skip(14);
      return;
    default:
      throw new Malformed(`${op} is no effect this version knows`);
  }
}

function skipBytes(source: Source): void {
  source.skip(source.varint());
}

/** The name of a cell, which of a list is a position; returns where it begins. */
function skipName(source: Source, tag: Collection): number {
  const length = source.varint();
  const start = source.skip(length);
  if (tag === LIST) checkPosition(source.bytes, start, start + length);
  if (tag === STREAM) checkStreamName(source.bytes, start, start + length);
  return start;
}

function checkJoin(
  source: Source,
  record: RecordReader,
  lineage: Lineage,
  seq: number,
  kinds: ReadonlyMap<number, GenerationKind>,
): void {
  const kind = effect.readKind(source, kinds);
  const number = record.origin(lineage, source.varint());
  if (number < 0) throw new Malformed("a join names an origin nobody introduced");
  if (source.varint() >= record.dependency(lineage, number, seq))
    throw new Malformed("a join names a record before its origin's first");
  kind.check(source.view());
}

function checkEra(source: Source, ms: number, seq: number): void {
  readAmount(source);
  effect.readSteps(source);
  const start = effect.readEraSeq(source, seq);
  if (Math.floor(start) === seq) return;
  if (source.varint() > ms) throw new Malformed("a counter's era began before time did");
  source.skip(2);
}

function checkResets(source: Source, record: RecordReader, lineage: Lineage, seq: number): void {
  effect.readCounting(source);
  skipBytes(source);
  for (let left = source.varint(); left > 0; left--) {
    const number = record.origin(lineage, source.varint());
    if (number < 0) throw new Malformed("a reset names an origin nobody introduced");
    effect.readEraSeq(source, record.dependency(lineage, number, seq));
    readAmount(source);
  }
}

function checkResolve(source: Source, record: RecordReader, lineage: Lineage, seq: number): void {
  effect.readRegisterTag(source);
  skipBytes(source);
  for (let left = source.varint(); left > 0; left--) {
    const number = record.origin(lineage, source.varint());
    if (number < 0) throw new Malformed("a dot names an origin nobody introduced");
    if (source.varint() >= record.dependency(lineage, number, seq))
      throw new Malformed("a dot lies before its origin's first record");
  }
  skipBytes(source);
}
