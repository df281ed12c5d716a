/**
 * LogCut: takes blocks of a log in their order and leaves of them what lies before a cut: the log as it would be had nothing behind the
 * cut been written.
 *
 *   block │ run a 5-7 │ run b 3 │  ── cut: a up to 6 ──►  block │ run a 5-6 │ run b 3 │
 *
 * Invariant: of each origin a beginning is left, and what a record depends on lies before the record. A stamp is later than those of all
 * that its record has seen, so a moment cuts causally; a vector may not, and is refused where it does not.
 */
import { Sink } from "../bytes/sink.ts";
import { Malformed, Source } from "../bytes/source.ts";
import type { Origins } from "../clock/origins.ts";
import { writeOrigin } from "../clock/origins.ts";
import type { Vector } from "../clock/vector.ts";
import { Lineage } from "./lineage.ts";
import { BLOCK_RUNS, BLOCK_STRONG, RecordReader, RunReader } from "./record.ts";

/** Whether a record lies before the cut. */
export type Keeps = (origin: number, seq: number, ms: number) => boolean;

export class LogCut {
  readonly #origins: Origins;
  readonly #keeps: Keeps;
  readonly #lineages = new Map<number, Lineage>();
  readonly #runs: RunReader;
  readonly #record: RecordReader;
  readonly #sink = new Sink(64 * 1024);
  readonly #source = new Source(Buffer.alloc(0));
  /** Of these everything that follows lies behind the cut. */
  readonly #ended = new Set<number>();
  /** What is left so far. */
  readonly #left: Vector;
  /** Records that were left out. */
  dropped = 0;

  /** Begins behind a state that includes `applied`; `lineages`, which it uses up, say how the log goes on there. */
  constructor(origins: Origins, applied: Vector, lineages: readonly Lineage[], keeps: Keeps) {
    this.#origins = origins;
    this.#keeps = keeps;
    this.#left = applied.copy();
    this.#runs = new RunReader(origins);
    this.#record = new RecordReader(origins);
    for (const lineage of lineages) this.#lineages.set(lineage.number, lineage);
  }

  /** What is left of a block, or null for nothing. Valid until the next call. Throws `Malformed`. */
  take(block: Buffer): Buffer | null {
    // What was promised and accepted has no stamp: of strong keys the cut has what was decided, as records say it.
    if (block[0] === BLOCK_STRONG) return null;
    if (block[0] !== BLOCK_RUNS) return block;
    const before = this.dropped;
    const sink = this.#sink;
    sink.clear();
    sink.u8(BLOCK_RUNS);
    const runs = new Source(block, 1, block.length);
    while (this.#runs.next(runs)) this.#takeRun(block);
    if (this.dropped === before) return block;
    return sink.length > 1 ? sink.view() : null;
  }

  #takeRun(block: Buffer): void {
    const { origin, firstSeq, start, end } = this.#runs;
    let count = 0;
    let at = start;
    for (; at < end; count++) {
      const next = this.#takeRecord(block, at, end, origin, firstSeq + count);
      if (next === null) break;
      at = next;
    }
    this.dropped += this.#runs.lastSeq - firstSeq + 1 - count;
    if (count === 0) return;
    const sink = this.#sink;
    writeOrigin(sink, this.#origins.get(origin));
    sink.varint(firstSeq);
    sink.varint(count);
    sink.bytes(block, start, at);
  }

  /** Returns where the next record begins, or null if this one lies behind the cut. */
  #takeRecord(
    block: Buffer,
    from: number,
    end: number,
    origin: number,
    seq: number,
  ): number | null {
    if (this.#ended.has(origin)) return null;
    const source = this.#source;
    source.reset(block, from, end);
    const length = source.varint();
    const body = source.skip(length);
    const next = source.at;
    // The state has it already.
    if (seq <= this.#left.get(origin)) return next;
    if (seq !== this.#left.get(origin) + 1)
      throw new Malformed(`the log continues an origin at ${seq} instead of where it stopped`);
    const lineage = this.#lineages.get(origin) ?? new Lineage(origin);
    this.#lineages.set(origin, lineage);
    const record = this.#record;
    source.reset(block, body, next);
    record.read(source, lineage);
    if (!this.#keeps(origin, seq, record.ms)) {
      this.#ended.add(origin);
      return null;
    }
    if (!record.deliverable(this.#left))
      throw new Malformed("the cut leaves a record and not what that had seen");
    record.advance(lineage, seq);
    this.#left.raise(origin, seq);
    return next;
  }
}
