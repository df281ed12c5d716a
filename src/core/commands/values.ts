/**
 * Values: what a place holds, read whole and written whole: the one way in which COPY, RENAME, MOVE, DUMP and RESTORE carry
 * values of every type.
 *
 * Invariant: what is read is what a reader sees, in memory of its own. What is written is written anew, as by a client, and
 * whatever the place held is gone, as far as this replica has seen it.
 */
import { Strings } from "../bytes/strings.ts";
import type { GenerationKind } from "../crdt/generation.ts";
import { BOUNDED, DOCUMENT, HASH, LIST, NONE, SET, STREAM, STRING, ZSET } from "../crdt/key.ts";
import type { Place } from "../keyspace/place.ts";
import type { Value } from "../rdb/value.ts";
import { push } from "./list-elements.ts";
import type { Run } from "./run.ts";
import { writeSorted } from "./sorted-sets-scores.ts";
import { readStreamValue, writeStreamValue } from "./streams-values.ts";

/** A document: it is carried as what it was joined from, so that texts of clients of its engine's own are carried with it. */
export interface DocumentValue {
  readonly type: "document";
  readonly kind: GenerationKind;
  readonly payloads: readonly Buffer[];
}

/** The value at a place, which must not be NONE. */
export function readWhole(run: Run, place: Place): Value | DocumentValue {
  switch (place.type) {
    case STRING:
      return {
        type: "string",
        value: Buffer.from(place.value.subarray(place.valueStart, place.valueEnd)),
      };
    case SET: {
      const members = new Strings();
      place.cells?.each(place.horizonMs, (at) => {
        const { bytes, nameStart, nameEnd } = place.name(at);
        members.push(bytes, nameStart, nameEnd);
      });
      return { type: "set", members };
    }
    case HASH: {
      const fields = new Strings();
      const values = new Strings();
      const deadlines: number[] = [];
      const expires = place.cells !== null && place.cells.expiring !== null;
      place.cells?.each(place.horizonMs, (at) => {
        const { bytes, nameStart, nameEnd } = place.name(at);
        fields.push(bytes, nameStart, nameEnd);
        if (expires) deadlines.push(place.fieldDeadline(bytes, nameStart, nameEnd));
        place.lookCell(run.keyspace, at);
        values.push(place.value, place.valueStart, place.valueEnd);
      });
      return expires
        ? { type: "hash", fields, values, deadlines }
        : { type: "hash", fields, values };
    }
    case ZSET: {
      const members = new Strings();
      const scores: number[] = [];
      place.order?.each(0, place.order.size, false, (ref, score) => {
        const { bytes, nameStart, nameEnd } = place.nameOf(ref);
        members.push(bytes, nameStart, nameEnd);
        scores.push(score);
      });
      return { type: "zset", members, scores };
    }
    case LIST: {
      const items = new Strings();
      const { order } = place;
      order?.each(0, order.size, false, (ref) => {
        place.lookRef(run.keyspace, ref);
        items.push(place.value, place.valueStart, place.valueEnd);
      });
      return { type: "list", items };
    }
    case STREAM:
      return readStreamValue(run, place);
    case DOCUMENT:
    // What is read is told; whoever would write it elsewhere has been refused.
    case BOUNDED:
      return {
        type: "document",
        kind: place.kind as GenerationKind,
        payloads: place.generations
          .map(({ state }) => Buffer.from(state.encode()))
          .toSorted((a, b) => a.compare(b)),
      };
    case NONE:
      throw new Error("bug: nothing is there to read");
  }
}

/** Writes a value to a place; a `deadline` of Infinity is none. */
export function writeWhole(
  run: Run,
  place: Place,
  value: Value | DocumentValue,
  deadline: number,
): void {
  if (value.type === "string")
    return run.write.set(place, deadline, value.value, 0, value.value.length);
  if (place.type !== NONE) {
    run.write.remove(place);
    run.lookAgain(place);
  }
  writeParts(run, place, value);
  if (deadline === Infinity) return;
  run.lookAgain(place);
  // Every field of a hash may have expired already.
  if (place.type !== NONE) run.write.expire(place, deadline);
}

function writeParts(run: Run, place: Place, value: Value | DocumentValue): void {
  switch (value.type) {
    case "set": {
      const { members } = value;
      const { count } = members;
      const step = evenStep(count);
      for (let n = 0, i = 0; n < count; n++, i = (i + step) % count)
        run.write.addMember(place, members.bytes, members.start(i), members.end(i));
      return;
    }
    case "hash": {
      const { fields, values, deadlines } = value;
      const { count } = fields;
      const step = evenStep(count);
      for (let n = 0, i = 0; n < count; n++, i = (i + step) % count) {
        const deadline = deadlines?.[i] ?? Infinity;
        if (deadline <= run.nowMs) continue;
        run.write.setField(
          place,
          fields.bytes,
          fields.start(i),
          fields.end(i),
          values.bytes,
          values.start(i),
          values.end(i),
        );
        if (deadline === Infinity) continue;
        run.lookAgain(place);
        run.write.expireField(place, fields.bytes, fields.start(i), fields.end(i), deadline);
      }
      return;
    }
    case "zset":
      return writeSorted(run, place, value.members, value.scores);
    case "list": {
      const { items } = value;
      for (let i = 0; i < items.count; i++)
        push(run, place, "right", items.bytes, items.start(i), items.end(i));
      return;
    }
    case "stream":
      return writeStreamValue(run, place, value);
    case "string":
      throw new Error("bug: a string has no parts");
    case "document":
      for (const payload of value.payloads) {
        run.lookAgain(place);
        run.write.join(place, value.kind, payload);
      }
  }
}

/**
 * The step by which all of `count` positions are visited, ever evenly spread. What was read from one table lies in the order of
 * hashes, and written to another in that order it would pile up at the front: 200,000 fields took 850 ms, and so 310.
 */
function evenStep(count: number): number {
  let step = Math.max(1, Math.floor(count * 0.618));
  while (divisor(step, count) > 1) step++;
  return step;
}

/** The greatest common divisor. */
function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}
