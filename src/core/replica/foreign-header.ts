/**
 * ForeignHeader: the first section of another replica's checkpoint, made into one of ours.
 *
 *   version │ origins │ position │ vector │ lineages │ clock │ marks │ flushes, garbage
 *                       ▲ ours                          ▲ ours   ▲ ours: one, of that position
 *
 * Invariant: everything that says what the state is stays as it was written, in the writer's numbers of origins, so that the sections
 * behind it can be kept as they came. What says where things lie in a log is replaced: it was about the other's log. Of a log that
 * was copied with it (a backup), the marks are kept, where they lie in the copy.
 */
import { Sink } from "../bytes/sink.ts";
import { Malformed, Source } from "../bytes/source.ts";
import { Origins, readOrigin } from "../clock/origins.ts";
import { readStampMs } from "../clock/stamp.ts";
import { readDotSeq, Vector } from "../clock/vector.ts";
import { CHECKPOINT_VERSION } from "./checkpoint-format.ts";
import { type Lineage, readLineage } from "./lineage.ts";

export class ForeignHeader {
  readonly #bytes: Buffer;
  readonly #seqs: number[] = [];
  readonly #boundMs: number;
  readonly #boundTick: number;
  /** Where what is kept begins and ends. */
  readonly #originsEnd: number;
  readonly #vectorAt: number;
  readonly #clockAt: number;
  readonly #flushesAt: number;
  readonly #marks: { readonly position: number; readonly seqs: readonly number[] }[] = [];
  /** Where the other's log goes on behind the state. */
  readonly position: number;
  /** What one must know to read that, by our numbers. */
  readonly lineages: Lineage[] = [];
  /** Everything the state includes for certain, by our numbers. */
  readonly vector = new Vector();

  /** Throws `Malformed` for what this version does not write itself. `bytes` stay the caller's, who does not change them. */
  constructor(bytes: Buffer, origins: Origins) {
    this.#bytes = bytes;
    const source = new Source(bytes);
    const version = source.u8();
    // Without strong keys the writer says the format before.
    if (version !== CHECKPOINT_VERSION && version !== CHECKPOINT_VERSION - 1)
      throw new Malformed(
        `a snapshot has format ${version}, this version takes ${CHECKPOINT_VERSION - 1} and ${CHECKPOINT_VERSION}`,
      );
    const numbers: number[] = [];
    for (let left = source.varint(); left > 0; left--)
      numbers.push(origins.introduce(readOrigin(source)));
    this.#originsEnd = source.at;
    this.position = source.varint();
    this.#vectorAt = source.at;
    for (const number of numbers) {
      const seq = readDotSeq(source);
      this.#seqs.push(seq);
      this.vector.raise(number, seq);
    }
    for (let left = source.varint(); left > 0; left--)
      this.lineages.push(readLineage(source, origins));
    this.#clockAt = source.at;
    this.#boundMs = readStampMs(source);
    this.#boundTick = source.u16();
    for (let left = source.varint(); left > 0; left--) {
      const position = source.varint();
      this.#marks.push({ position, seqs: numbers.map(() => readDotSeq(source)) });
    }
    this.#flushesAt = source.at;
  }

  /**
   * The section as our log has it: replayed from `position` on, before which lies nothing that it does not include. Our own clock
   * had gone as far as `boundMs`.
   */
  rewritten(position: number, boundMs: number): Buffer {
    return this.#written(position, boundMs, [{ position, seqs: this.#seqs }]);
  }

  /** Where the other's log has marks. */
  get markedAt(): number[] {
    return this.#marks.map(({ position }) => position);
  }

  /** The section as a copy of its log has it: `placeOf` says where in the copy a position lies, null for none. */
  relocated(placeOf: (position: number) => number | null): Buffer {
    const marks = this.#marks.flatMap(({ position, seqs }) => {
      const place = placeOf(position);
      return place === null ? [] : [{ position: place, seqs }];
    });
    const place = placeOf(this.position);
    if (place === null) throw new Malformed("the log that was copied does not reach the state");
    return this.#written(place, 0, marks);
  }

  #written(
    position: number,
    boundMs: number,
    marks: readonly { readonly position: number; readonly seqs: readonly number[] }[],
  ): Buffer {
    const bytes = this.#bytes;
    const sink = new Sink(bytes.length);
    sink.raw(bytes, 0, this.#originsEnd);
    sink.varint(position);
    sink.raw(bytes, this.#vectorAt, this.#clockAt);
    sink.u48(Math.max(boundMs, this.#boundMs));
    sink.u16(boundMs > this.#boundMs ? 0 : this.#boundTick);
    sink.varint(marks.length);
    for (const mark of marks) {
      sink.varint(mark.position);
      for (const seq of mark.seqs) sink.varint(seq);
    }
    sink.raw(bytes, this.#flushesAt, bytes.length);
    return sink.copy();
  }
}
