/**
 * LogIndex: which records lie where in the log: marks every so often, each the vector of everything before it.
 *
 * Invariant: everything a mark's vector covers lies before the mark or was forgotten, and nothing it does not cover lies before
 * it. So whoever needs the records behind some vector may start at the last mark whose vector that one includes.
 *
 * It also knows which blocks are not durable yet, and so up to where everything is.
 */
import { Vector } from "../clock/vector.ts";

interface Mark {
  readonly position: number;
  readonly vector: Vector;
}

/** Bytes between marks: a reader skips at most this many for nothing. */
const MARK_EVERY_BYTES = 256 * 1024;

export class LogIndex {
  #marks: Mark[] = [];
  /** Blocks that are appended but not durable: the position behind each, and everything applied by then. */
  #pending: { readonly to: number; readonly applied: Vector }[] = [];
  /** Behind the newest block. */
  end = 0;
  /** Everything before is durable. */
  durableTo = 0;

  /** Begins an index at a position before which lies exactly what `vector` covers. */
  begin(position: number, vector: Vector): void {
    this.#marks = [{ position, vector: vector.copy() }];
    this.end = position;
    this.durableTo = position;
  }

  /** A block was appended; `applied` is everything applied with it. */
  appended(to: number, applied: Vector, durable: boolean): void {
    const last = this.#marks.at(-1);
    this.end = to;
    if (last === undefined || to - last.position >= MARK_EVERY_BYTES)
      this.#marks.push({ position: to, vector: applied.copy() });
    if (durable) this.durableTo = to;
    else this.#pending.push({ to, applied: applied.copy() });
  }

  /** Everything before `position` is durable now: joins what that is into `durable`. */
  stored(position: number, durable: Vector): void {
    const count = this.#pending.findLastIndex(({ to }) => to <= position) + 1;
    const last = this.#pending[count - 1];
    if (last !== undefined) durable.join(last.applied);
    this.#pending.splice(0, count);
    this.durableTo = Math.max(this.durableTo, position);
  }

  /** Where to read from: the last mark before which lies nothing that is needed, as `includes` judges its vector. */
  startFor(includes: (vector: Vector) => boolean): number {
    let position = this.#marks[0]?.position ?? 0;
    for (const mark of this.#marks) {
      if (!includes(mark.vector)) break;
      position = mark.position;
    }
    return position;
  }

  /** What lies before the last mark at or before `position`. */
  vectorAt(position: number): Vector {
    return this.#marks.findLast((mark) => mark.position <= position)?.vector ?? this.baseVector;
  }

  /** What lies before the oldest retained position: who lacks some of it cannot be served from this log. */
  get baseVector(): Vector {
    return this.#marks[0]?.vector ?? new Vector();
  }

  /** Bytes that are retained. */
  get length(): number {
    return this.end - (this.#marks[0]?.position ?? this.end);
  }

  /** The last mark at or before `position` whose whole vector satisfies `everywhere`; null if there is none to cut at. */
  cutBefore(position: number, everywhere: (vector: Vector) => boolean): number | null {
    let cut: number | null = null;
    for (const mark of this.#marks) {
      if (mark.position > position || !everywhere(mark.vector)) break;
      cut = mark.position;
    }
    return cut;
  }

  /** The log has forgotten everything before `position`. */
  truncated(position: number): void {
    while (this.#marks.length > 1 && (this.#marks[1] as Mark).position <= position)
      this.#marks.shift();
  }

  /**
   * A checkpoint was taken over, and the log begins at `position`: it may have forgotten more since than the checkpoint knew of.
   * `applied` is what lies before the checkpoint.
   */
  reachesBackTo(position: number, applied: Vector): void {
    this.#marks = this.#marks.filter((mark) => mark.position >= position);
    if (this.#marks.length === 0) this.#marks.push({ position: this.end, vector: applied.copy() });
  }

  /** For a checkpoint. */
  marks(): readonly Mark[] {
    return this.#marks;
  }

  /** Takes over the marks of a checkpoint taken at `position`. */
  restore(marks: readonly Mark[], position: number): void {
    this.#marks = [...marks];
    this.end = position;
    this.durableTo = position;
  }
}

export type { Mark };
