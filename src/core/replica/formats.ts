/**
 * Formats: which formats of records and checkpoints every member reads, so that a new one is written only once all can.
 *
 *   each build: reads up to READS ─► told in every report, relayed ─► the least of all members: the cluster's version
 *   ─► stored here, before anything of it is written ─► usable
 *
 * Invariant: what is usable was read by every member when it became so, and stays stored: an older build that can read the directory's
 * note refuses to start on it. A member that has gone back to an older build nevertheless makes nothing new usable for as long as it
 * says so; what was written before, it refuses by itself.
 *
 *   1   everything that the first builds read
 *   2   bounded counters; what was done once under an id, and where homes were moved to, in databases of the store's own;
 *       keyspaces that the cluster has agreed on
 */
import type { Members } from "./members.ts";

/** The version that brought bounded counters. */
export const BOUNDED_COUNTERS = 2;
/** The version that brought ids of what is done once; homes that are moved; and keyspaces that the cluster agrees on. */
export const ONCE = 2;
export const MOVED_HOMES = 2;
export const AGREED_KEYSPACES = 2;
/** The newest that this build reads, and writes once it may. */
export const READS = 2;
/** What members read that say nothing of it. */
export const READS_FIRST = 1;

export class Formats {
  readonly #members: () => Members;
  /** What the directory's note says. */
  #stored: number;
  #asked: number;

  /** `stored` is what the directory says; 1 for one that says nothing. */
  constructor(members: () => Members, stored: number) {
    this.#members = members;
    this.#stored = stored;
    this.#asked = stored;
  }

  /** What every member reads, by what they have said; who has said nothing since the start reads what was usable before. */
  get common(): number {
    const members = this.#members();
    let least = READS;
    for (const name of members.names)
      if (name !== members.name)
        least = Math.min(least, members.latest(name)?.reads ?? this.#stored);
    return least;
  }

  /** The newest that may be written. */
  get usable(): number {
    return Math.min(this.common, this.#stored);
  }

  /** Members that do not read all that this build does, or have not said so. */
  get awaited(): string[] {
    const members = this.#members();
    return members.names.filter(
      (name) => name !== members.name && (members.latest(name)?.reads ?? this.#stored) < READS,
    );
  }

  /** What is to be stored, now that all read it; null for nothing. */
  look(): number | null {
    const { common } = this;
    if (common <= this.#asked) return null;
    return (this.#asked = common);
  }

  stored(version: number): void {
    this.#stored = Math.max(this.#stored, version);
  }

  /** It could not be stored: it is asked for again. */
  notStored(): void {
    this.#asked = this.#stored;
  }
}
