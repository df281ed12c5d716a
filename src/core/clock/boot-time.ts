/**
 * BootTime: which time a process begins with, when its wall clock is ahead of the last time it knew.
 *
 *   somebody is heard ─► most of them are about as far as our clock ─► our clock
 *                     └► they are not, and all are heard or enough has been waited ─► what most of them have reached
 *   nobody, for long  ─► our clock has moved on by no more than a short outage takes ─► our clock
 *                     └► it has moved on further ─► not told: until somebody is heard, or an operator says that it is right
 *
 * Invariant: a wrong clock is never taken over while others are there to contradict it, and one that has moved on by hours never without
 * anybody's word. What was stamped years ahead could not be taken back; until the time is told, nothing is stamped and nothing expires.
 */

/** A wall clock no further than this beyond the last known time needs nobody's word. */
export const KNOWN_MAX_MS = 5_000;
/** As far as a peer's clock may be behind ours and still confirm it: half of what peers tolerate. */
const BEHIND_MAX_MS = 2_500;
/** How long others are waited for. */
const PATIENCE_MS = 3_000;
/** How long a machine may have been off that begins alone. A clock set to the wrong time zone is further off. */
export const ALONE_MAX_MS: number = 20 * 60_000;

/** What is seen of the clocks in one turn, in milliseconds. */
export interface Clocks {
  readonly wallMs: number;
  /** Our own time, which stands at the last known one. */
  readonly nowMs: number;
  readonly monoMs: number;
  /** Of those that are heard: how far their wall clocks are ahead of `nowMs`. */
  readonly offsetsMs: readonly number[];
  /** How many others there are. */
  readonly others: number;
}

export class BootTime {
  /** The last time this directory knew; 0 for a new one. */
  readonly #knownMs: number;
  /** What the wall clock said when the process began, and when that was. */
  readonly #sinceWallMs: number;
  readonly #sinceMonoMs: number;
  #isAccepted = false;

  constructor(knownMs: number, wallMs: number, monoMs: number) {
    this.#knownMs = knownMs;
    this.#sinceWallMs = wallMs;
    this.#sinceMonoMs = monoMs;
  }

  /** An operator says that the wall clock is right. */
  accept(): void {
    this.#isAccepted = true;
  }

  /** The time to begin with; null while it cannot be told. */
  tell({ wallMs, nowMs, monoMs, offsetsMs, others }: Clocks): number | null {
    const aheadMs = wallMs - nowMs;
    if (this.#isAccepted) return wallMs;
    const isLate = monoMs - this.#sinceMonoMs >= PATIENCE_MS;
    const confirming = offsetsMs.filter((offsetMs) => offsetMs >= aheadMs - BEHIND_MAX_MS);
    if (confirming.length * 2 > offsetsMs.length) return wallMs;
    if (offsetsMs.length > 0)
      return isLate || offsetsMs.length >= others ? nowMs + mostReached(offsetsMs) : null;
    // Where nobody confirms it, a jump of the wall clock since is followed back, and never ahead.
    const ownMs = Math.min(wallMs, this.#sinceWallMs + monoMs - this.#sinceMonoMs);
    const isShort = this.#knownMs === 0 || ownMs - this.#knownMs <= ALONE_MAX_MS;
    return isLate && isShort ? ownMs : null;
  }

  /** Why it cannot be told yet, in words. */
  reason(wallMs: number): string {
    const aheadS = Math.round((wallMs - this.#knownMs) / 1000);
    return this.#knownMs === 0
      ? "no other member confirms this node's clock yet"
      : `this node's clock is ${aheadS} s ahead of the last time it knew, and no other member confirms it yet`;
  }
}

/** What most of them have reached; of an even number, more than half. */
function mostReached(offsetsMs: readonly number[]): number {
  const sorted = offsetsMs.toSorted((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1] as number;
}
