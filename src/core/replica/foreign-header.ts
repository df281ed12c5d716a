/**
 * ForeignHeader: the first section of another replica's checkpoint, made into one of ours.
 *
 *   version │ origins │ position │ vector │ lineages │ clock │ marks │ flushes, garbage
 *                       ▲ ours                          ▲ ours   ▲ ours: one, of that position
 *
 * Invariant: everything that says what the state is stays as it was written, in the writer's numbers of origins, so that the sections
 * behind it can be kept as they came. What says where things lie in a log is replaced: it was about the other's log.
 */
import { Sink } from "../bytes/sink.ts";
import { Malformed, Source } from "../bytes/source.ts";
import { Origins, readOrigin } from "../clock/origins.ts";
import { readStampMs } from "../clock/stamp.ts";
import { readDotSeq, Vector } from "../clock/vector.ts";
import { CHECKPOINT_VERSION } from "./checkpoint.ts";
import { readLineage } from "./lineage.ts";

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
  /** Everything the state includes for certain, by our numbers. */
  readonly vector = new Vector();

  /** Throws `Malformed` for what this version does not write itself. `bytes` stay the caller's, who does not change them. */
  constructor(bytes: Buffer, origins: Origins) {
    this.#bytes = bytes;
    const source = new Source(bytes);
    const version = source.u8();
    if (version !== CHECKPOINT_VERSION)
      throw new Malformed(
        `a snapshot has format ${version}, this version takes ${CHECKPOINT_VERSION}`,
      );
    const numbers: number[] = [];
    for (let left = source.varint(); left > 0; left--)
      numbers.push(origins.introduce(readOrigin(source)));
    this.#originsEnd = source.at;
    source.varint();
    this.#vectorAt = source.at;
    for (const number of numbers) {
      const seq = readDotSeq(source);
      this.#seqs.push(seq);
      this.vector.raise(number, seq);
    }
    for (let left = source.varint(); left > 0; left--) readLineage(source, origins);
    this.#clockAt = source.at;
    this.#boundMs = readStampMs(source);
    this.#boundTick = source.u16();
    for (let left = source.varint(); left > 0; left--) {
      source.varint();
      for (let i = 0; i < numbers.length; i++) readDotSeq(source);
    }
    this.#flushesAt = source.at;
  }

  /**
   * The section as our log has it: replayed from `position` on, before which lies nothing that it does not include. Our own clock
   * had gone as far as `boundMs`.
   */
  rewritten(position: number, boundMs: number): Buffer {
    const bytes = this.#bytes;
    const sink = new Sink(bytes.length);
    sink.raw(bytes, 0, this.#originsEnd);
    sink.varint(position);
    sink.raw(bytes, this.#vectorAt, this.#clockAt);
    sink.u48(Math.max(boundMs, this.#boundMs));
    sink.u16(boundMs > this.#boundMs ? 0 : this.#boundTick);
    sink.varint(1);
    sink.varint(position);
    for (const seq of this.#seqs) sink.varint(seq);
    sink.raw(bytes, this.#flushesAt, bytes.length);
    return sink.copy();
  }
}
