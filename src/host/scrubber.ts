/**
 * Scrubber: reads again, slowly, what was stored long ago: the log and the checkpoints, so that bytes which went bad are found while
 * others still have what they held.
 *
 *   every so often: log, a few megabytes a step ─► checkpoints ─► done            damage: reported, and a new checkpoint is taken
 *
 * Invariant: it only reads. What it finds damaged is of no more use to a restart once a checkpoint behind it is installed, and peers are
 * never sent it: every block is checked when it is read for them.
 */
import { Damaged, type Storage } from "./ports/storage.ts";

export interface ScrubHost {
  readonly storage: Storage;
  /** Hears of every place that is damaged. */
  onDamage(error: Damaged): void;
}

export interface ScrubStatus {
  running: boolean;
  /** Since everything was last read to its end; null before the first time. */
  ageMs: number | null;
  /** Damaged places found since the start. */
  damaged: number;
}

/** Read between two calls of `step`: with one call a second, what a disk hardly notices. */
const STEP_BYTES = 4 * 1024 * 1024;

export class Scrubber {
  readonly #host: ScrubHost;
  readonly #everyMs: number;
  #dueMs: number;
  #position: number | null = null;
  #reading = false;
  #finishedMs: number | null = null;
  #damaged = 0;

  /** Reads everything each `everyMs`, 0 for never; `chance` in [0, 1) is how much of that passes before the first time. */
  constructor(host: ScrubHost, everyMs: number, chance: number, nowMs: number) {
    this.#host = host;
    this.#everyMs = everyMs;
    // Members that started together do not all read at once.
    this.#dueMs = everyMs === 0 ? Infinity : nowMs + everyMs * chance;
  }

  status(nowMs: number): ScrubStatus {
    return {
      running: this.#position !== null,
      ageMs: this.#finishedMs === null ? null : Math.round(nowMs - this.#finishedMs),
      damaged: this.#damaged,
    };
  }

  /** Reads some more if it is time; call it now and then. Resolves when that is done. */
  async step(nowMs: number): Promise<void> {
    if (this.#reading || nowMs < this.#dueMs) return;
    this.#reading = true;
    try {
      const { log } = this.#host.storage;
      const from = Math.max(this.#position ?? log.begin, log.begin);
      this.#position = await this.#readLog(from);
      if (this.#position < log.durable) return;
      await this.#readCheckpoints();
      this.#position = null;
      this.#finishedMs = nowMs;
      this.#dueMs = nowMs + this.#everyMs;
    } finally {
      this.#reading = false;
    }
  }

  /** Returns where to go on; the end, if what follows cannot be read. */
  async #readLog(from: number): Promise<number> {
    const { log } = this.#host.storage;
    try {
      return from >= log.end ? from : await log.read(from, STEP_BYTES, () => {});
    } catch (error) {
      // What is behind a damaged block cannot be told apart from it.
      if (error instanceof Damaged) this.#found(error);
      // Otherwise it was cut meanwhile.
      else if (!(error instanceof RangeError)) throw error;
      return log.end;
    }
  }

  async #readCheckpoints(): Promise<void> {
    const { checkpoints } = this.#host.storage;
    for (const number of await checkpoints.list())
      try {
        await checkpoints.load(() => {}, number);
      } catch (error) {
        if (error instanceof Damaged) this.#found(error);
        // Otherwise another one has taken its place.
        else if (!(error instanceof Error) || !("code" in error)) throw error;
      }
  }

  #found(error: Damaged): void {
    this.#damaged++;
    this.#host.onDamage(error);
  }
}
