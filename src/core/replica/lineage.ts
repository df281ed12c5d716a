/**
 * Lineage: what one must know of an origin to read, or write, its next record.
 *
 * Invariant: a record has one encoding everywhere. It is written relative to its origin's previous record (stamp, dependencies)
 * and names other origins by its origin's own numbering, so its bytes travel unchanged from the origin's log through links and
 * relays into every other log. Records of an origin are read in order and without gaps, so whoever has read up to
 * `seq` has exactly the lineage its origin had there.
 */
import type { Sink } from "../bytes/sink.ts";
import type { Source } from "../bytes/source.ts";
import { type Origin, type Origins, readOrigin, writeOrigin } from "../clock/origins.ts";
import { readStampMs } from "../clock/stamp.ts";
import { readDotSeq, Vector } from "../clock/vector.ts";

export class Lineage {
  /** The origin's local number here. */
  readonly number: number;
  /** The origin's own numbering: its reference → our local number. An origin introduces itself first, as 0. */
  readonly numbers: number[] = [];
  /** The reverse, for writing. */
  readonly #references = new Map<number, number>();
  /** The dependencies of the last record read, its own dot included. */
  readonly deps = new Vector();
  /** The stamp of the last record read. */
  ms = 0;
  tick = 0;

  constructor(number: number) {
    this.number = number;
  }

  /** Appends an introduction to the numbering. */
  introduce(number: number): void {
    this.#references.set(number, this.numbers.length);
    this.numbers.push(number);
  }

  /** Takes the last introduction back. */
  forget(): void {
    const number = this.numbers.pop();
    if (number !== undefined) this.#references.delete(number);
  }

  /** The origin's reference to a local number, or −1 if it has not introduced it. */
  reference(number: number): number {
    return this.#references.get(number) ?? -1;
  }

  write(sink: Sink, origins: Origins): void {
    writeOrigin(sink, origins.get(this.number));
    sink.varint(this.numbers.length);
    for (const number of this.numbers) writeOrigin(sink, origins.get(number));
    for (const number of this.numbers) sink.varint(this.deps.get(number));
    sink.u48(this.ms);
    sink.u16(this.tick);
  }
}

export function readLineage(source: Source, origins: Origins): Lineage {
  const lineage = new Lineage(origins.introduce(readOrigin(source)));
  const introduced: Origin[] = [];
  for (let count = source.varint(); count > 0; count--) introduced.push(readOrigin(source));
  for (const origin of introduced) lineage.introduce(origins.introduce(origin));
  for (const number of lineage.numbers) lineage.deps.raise(number, readDotSeq(source));
  lineage.ms = readStampMs(source);
  lineage.tick = source.u16();
  return lineage;
}
