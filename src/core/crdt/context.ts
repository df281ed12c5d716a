/**
 * Context: what the writer of a record had seen, which is all that its removals may remove.
 *
 * Invariant: an entry is removed by a record only if the record's origin had applied the entry's dot. Delivery is causal, so
 * whoever applies the record has applied everything in its context too, and "covered and absent" means removed. No
 * tombstones are needed. A record covers its own dot: a later effect of it may remove what an earlier one added.
 */
import { Vector } from "../clock/vector.ts";

export class Context {
  /** The record's dependencies, its own dot included. */
  deps: Vector = new Vector();
  /** The record's dot. */
  origin = 0;
  seq = 0;
  /** The record's stamp. */
  ms = 0;
  tick = 0;

  covers(origin: number, seq: number): boolean {
    return this.deps.covers(origin, seq);
  }
}
