/**
 * NextEra: what a counter of ours comes to with one more addition.
 *
 * Invariant: an era goes on until it is reset. The one behind it begins with this record or, when the record itself has reset it, a
 * step further within the record.
 */
import type { Sink } from "../bytes/sink.ts";
import { add, type Amount, writeAmount } from "../crdt/amount.ts";
import { type Cell, ERA_STEP } from "../crdt/cell.ts";
import type { Context } from "../crdt/context.ts";
import type { Place } from "../keyspace/place.ts";
import { COUNTER, Entry } from "../keyspace/table.ts";
import { writeEraSeq } from "./effect.ts";

export interface NextEra {
  readonly seq: number;
  readonly sum: Amount;
  readonly start: number;
  readonly startMs: number;
  readonly startTick: number;
}

const packed = new Entry();

/** The era of the record's origin after an addition of the record, or null when the record has no eras left for the cell. */
export function nextEra(
  cell: Cell | null,
  { origin, seq, ms, tick }: Context,
  delta: Amount,
): NextEra | null {
  const era = cell?.era(origin);
  if (era === undefined) return { seq, sum: delta, start: seq, startMs: ms, startTick: tick };
  if (era.seq > era.resetSeq) {
    const sum = add(era.sum, delta);
    const { start, startMs, startTick } = era;
    return { seq: Math.max(seq, era.seq), sum, start, startMs, startTick };
  }
  const start = era.seq < seq ? seq : era.seq + ERA_STEP;
  if (start >= seq + 1) return null;
  return { seq: start, sum: delta, start, startMs: ms, startTick: tick };
}

/** As `nextEra`, of the string at a place; a packed counter is not unpacked for it. */
export function nextEraAt(place: Place, context: Context, delta: Amount): NextEra | null {
  if (place.at < 0) return nextEra(null, context, delta);
  if (place.table.kindAt(place.at) !== COUNTER)
    return nextEra(place.table.objectAt(place.at)?.cell ?? null, context, delta);
  place.table.load(place.at, packed);
  // Another origin's counter leaves ours to begin; a packed one was never reset, so ours goes on.
  if (packed.origin !== context.origin) return nextEra(null, context, delta);
  const { seq, sum, start, ms, tick } = packed;
  const next = add(sum, delta);
  return { seq: Math.max(seq, context.seq), sum: next, start, startMs: ms, startTick: tick };
}

/** Writes an era as an effect of the record has it. */
export function writeEra(effects: Sink, era: NextEra, context: Context): void {
  const { seq, sum, start, startMs, startTick } = era;
  writeAmount(effects, sum);
  effects.varint((seq - context.seq) / ERA_STEP);
  writeEraSeq(effects, start, context.seq);
  if (Math.floor(start) === context.seq) return;
  effects.varint(context.ms - startMs);
  effects.u16(startTick);
}
