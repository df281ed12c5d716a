/**
 * Progress: how far an import is, and what could not be imported.
 *
 * Invariant: every key that was met and not imported is counted, and the first of them are named with why.
 */

export type Phase = "connecting" | "copying" | "following" | "comparing" | "done";

export interface Problem {
  readonly db: number;
  /** Null where it concerns no key. */
  readonly key: Buffer | null;
  readonly why: string;
}

const PROBLEMS_KEPT = 100;

export class Progress {
  phase: Phase = "connecting";
  /** Keys written, and about how many there are; null when nobody knows. */
  keys = 0;
  keysTotal: number | null = null;
  /** How long the file is; null where there is none. */
  bytesTotal: number | null = null;
  /** Bytes of values and commands written. */
  bytes = 0;
  /** Commands applied behind the copy. */
  commands = 0;
  libraries = 0;
  /** Keys of the target that the source does not have, removed. */
  removed = 0;
  /** How far the target is behind the source, in bytes of its stream; null while it does not follow. */
  lagBytes: number | null = null;
  /** Keys compared, and those that differ. */
  compared = 0;
  different = 0;
  problemCount = 0;
  readonly problems: Problem[] = [];
  /** Told, in words, of what an operator should know at once. */
  readonly note: (text: string) => void;

  constructor(note: (text: string) => void) {
    this.note = note;
  }

  problem(db: number, key: Buffer | null, why: string): void {
    this.problemCount++;
    if (this.problems.length < PROBLEMS_KEPT)
      this.problems.push({ db, key: key === null ? null : Buffer.from(key), why });
  }

  /** Begins anew, with nothing copied. */
  restart(): void {
    this.phase = "copying";
    this.keys = 0;
    this.libraries = 0;
    this.lagBytes = null;
    this.problemCount = 0;
    this.problems.length = 0;
  }
}
