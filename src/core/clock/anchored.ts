/**
 * AnchoredClock: physical time that a wrong wall clock cannot drag along.
 *
 *   wall and monotonic clock agree within 2 ms      nothing to do
 *   they differ by up to 250 ms                     follow at 500 ppm: nobody notices
 *   the wall clock jumped forward                   do not follow, unless a majority of peers says the same time
 *   the wall clock jumped backward                  run at half speed until it has caught up; time never goes back
 *
 * Invariant: successive readings never decrease, and between two readings the time moves on by at most what the monotonic
 * clock measured plus its correction. A stamp from the far future could not be undone at its receivers, so it is
 * prevented here, where it would be made.
 */

const AGREE_MS = 2;
const SLEW_MAX_MS = 250;
const SLEW_RATE = 500e-6;
/** Catching up with a clock that was set back. */
const BACKWARD_RATE = 0.5;
/** Beyond this a difference is worth an alarm. */
const SUSPECT_BACKWARD_MS = 5_000;

export class AnchoredClock {
  #nowMs: number;
  #monoMs: number;
  /** The wall clock minus this one, as last seen. */
  offsetMs = 0;
  /** What is wrong with the wall clock, in words; null while nothing is. */
  suspect: string | null = null;

  constructor(wallMs: number, monoMs: number) {
    this.#nowMs = wallMs;
    this.#monoMs = monoMs;
  }

  /**
   * The time now, in milliseconds since 1970, whole. `peerOffsetsMs` are the peers' clocks minus ours as links measure them,
   * `peers` how many peers there are.
   */
  read(wallMs: number, monoMs: number, peerOffsetsMs: readonly number[], peers: number): number {
    const elapsedMs = Math.max(0, monoMs - this.#monoMs);
    this.#monoMs = monoMs;
    const expectedMs = this.#nowMs + elapsedMs;
    const differenceMs = wallMs - expectedMs;
    this.offsetMs = differenceMs;
    this.#nowMs = Math.max(
      this.#nowMs,
      expectedMs + this.#correction(differenceMs, elapsedMs, peerOffsetsMs, peers),
    );
    return Math.floor(this.#nowMs);
  }

  /** It is told what time it is. Time does not go back for it. */
  set(nowMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, nowMs);
  }

  #correction(
    differenceMs: number,
    elapsedMs: number,
    peerOffsetsMs: readonly number[],
    peers: number,
  ): number {
    const sizeMs = Math.abs(differenceMs);
    if (sizeMs <= AGREE_MS) {
      this.suspect = null;
      return 0;
    }
    if (sizeMs <= SLEW_MAX_MS) {
      this.suspect = null;
      return Math.sign(differenceMs) * Math.min(sizeMs, elapsedMs * SLEW_RATE);
    }
    if (differenceMs < 0) {
      this.suspect =
        sizeMs > SUSPECT_BACKWARD_MS ? `the wall clock is ${Math.round(sizeMs)} ms behind` : null;
      return -Math.min(sizeMs, elapsedMs * BACKWARD_RATE);
    }
    // Alone there is nobody to ask: the jump may be a corrected clock as well as a broken one, and nobody to disagree with.
    const agreeing = peerOffsetsMs.filter(
      (offsetMs) => Math.abs(offsetMs - differenceMs) <= SLEW_MAX_MS,
    );
    if (agreeing.length * 2 > peers || peers === 0) {
      this.suspect = null;
      return differenceMs;
    }
    this.suspect = `the wall clock jumped ${Math.round(differenceMs)} ms ahead and the other members do not confirm it`;
    return 0;
  }
}
