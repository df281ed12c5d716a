/**
 * Stopwatch: how long commands take.
 *
 *   SMALL  SMALL  SMALL  end of the turn        LARGE
 *   └──────────┬──────────┘ one reading, shared └──┬──┘ a reading before, if others wait for one, and one behind
 *
 * Invariant: a command that may take long has its time to itself. Those that cannot, because what they do, what they were given
 * and what they answered is small, share a reading: reading costs 30 to 60 ns, as much as a twentieth of a pipelined SET.
 */
import type { CommandStats } from "./command-stats.ts";

/** Commands that share one reading at most. */
const SHARING_MAX = 16;

export class Stopwatch {
  readonly #stats: CommandStats;
  readonly #read: () => number;
  /** The commands that wait for a reading, by index. */
  readonly #sharing = new Int32Array(SHARING_MAX);
  #count = 0;
  #tracks = true;
  /** Until when all time has been accounted for, in microseconds. */
  lapMicros = 0;

  constructor(stats: CommandStats, read: () => number) {
    this.#stats = stats;
    this.#read = read;
  }

  /** A turn begins: what was before belongs to no command. `tracks`: whether the distribution of times is kept. */
  begin(tracks: boolean): void {
    this.settle();
    this.#tracks = tracks;
    this.lapMicros = this.#read();
  }

  /** A small command ran. */
  small(index: number): void {
    this.#sharing[this.#count++] = index;
    if (this.#count === SHARING_MAX) this.settle();
  }

  /** Accounts for small commands that wait for a reading. */
  settle(): void {
    if (this.#count > 0) this.#share(this.#read());
  }

  #share(nowMicros: number): void {
    const each = (nowMicros - this.lapMicros) / this.#count;
    for (let i = 0; i < this.#count; i++) this.#add(this.#sharing[i] as number, each);
    this.#count = 0;
    this.lapMicros = nowMicros;
  }

  /**
   * A command ran from `beganMicros` on, and made its client wait `waitedMicros` beside; returns what it took. Those that still
   * wait for a reading were part of it (a transaction), or else ran before it, and their moment is lost in its time. One that does
   * not end here runs again, and counts as one call with all its time.
   */
  large(
    index: number,
    beganMicros: number,
    waitedMicros: number,
    parts: boolean,
    ends: boolean,
  ): number {
    const nowMicros = this.#read();
    if (this.#count > 0) this.#share(parts ? nowMicros : this.lapMicros);
    const took = nowMicros - beganMicros + waitedMicros;
    this.lapMicros = nowMicros;
    this.#add(index, took, ends);
    return took;
  }

  #add(index: number, micros: number, ends = true): void {
    const { micros: sums } = this.#stats;
    sums[index] = (sums[index] as number) + micros;
    if (this.#tracks && ends) this.#stats.took(index, micros);
  }
}
