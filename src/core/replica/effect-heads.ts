/**
 * EffectHeads: what each effect of a record begins with: its op, and the key unless the effect before it has the same.
 *
 * Invariant: `forget` is called whenever what was written last is no longer in front of what comes next.
 */
import type { Sink } from "../bytes/sink.ts";
import type { Place } from "../keyspace/place.ts";
import { OTHER_DB, SAME_KEY } from "./effect.ts";

const nothing = Buffer.alloc(0);

export class EffectHeads {
  #db = -1;
  #key: Buffer = nothing;
  #start = -1;
  #end = -1;

  forget(): void {
    this.#start = -1;
  }

  /** Writes the head of an effect on the key of a place. */
  write(effects: Sink, op: number, { db, bytes, start, end }: Place): void {
    if (start === this.#start && bytes === this.#key && end === this.#end && db === this.#db)
      return effects.u8(op | SAME_KEY);
    this.#start = start;
    this.#end = end;
    this.#key = bytes;
    this.#db = db;
    if (db === 0) effects.u8(op);
    else {
      effects.u8(op | OTHER_DB);
      effects.varint(db);
    }
    effects.bytes(bytes, start, end);
  }
}
