/**
 * Admissions: how much of its traffic each region is given: all of it, none, or ever more on the way back.
 *
 *     serving ── down ──► out ── up, for long enough, and caught up ──► returning 5 % ─► 25 % ─► 50 % ─► serving
 *        ▲                 ▲                                              │
 *        └─────────────────┴──────────────────── down ────────────────────┘
 *
 * Invariant: no region is given traffic again before it has the data; regions are taken out one at a time, with a pause between them,
 * and the last one that serves is never taken out. (Of two that fail at once the second stays in the answers for the pause. That is
 * the price of an automaton that cannot empty the world.)
 */

export interface AdmissionSettings {
  /** After a region was taken out by itself no other is for so long. */
  readonly removalGapMs: number;
  /** For how long it must have been up before it returns. */
  readonly stableMs: number;
  /** A region that is behind by more than this has not caught up. */
  readonly lagMsMax: number;
  /** The shares it is given on the way back, each for `rampStepMs`. */
  readonly ramp: readonly number[];
  readonly rampStepMs: number;
}

export const defaultAdmission: AdmissionSettings = {
  removalGapMs: 60_000,
  stableMs: 300_000,
  lagMsMax: 5_000,
  ramp: [0.05, 0.25, 0.5],
  rampStepMs: 60_000,
};

export type Admission =
  | { readonly state: "serving" }
  | { readonly state: "out"; readonly sinceMs: number }
  | { readonly state: "returning"; readonly step: number; readonly sinceMs: number };

/** What is known of a region; `lagMs` is null when nobody can tell how far it is behind. */
export interface RegionHealth {
  readonly region: string;
  readonly isUp: boolean;
  readonly sinceMs: number;
  readonly lagMs: number | null;
}

const SERVING: Admission = { state: "serving" };

export class Admissions {
  readonly #settings: AdmissionSettings;
  readonly #states = new Map<string, Admission>();
  #removedAtMs = -Infinity;

  /** `out` are the regions that were out when this was last known. */
  constructor(settings: AdmissionSettings, nowMs: number, out: readonly string[] = []) {
    this.#settings = settings;
    for (const region of out) this.#states.set(region, { state: "out", sinceMs: nowMs });
  }

  of(region: string): Admission {
    return this.#states.get(region) ?? SERVING;
  }

  /** From 0 to 1. */
  share(region: string): number {
    const admission = this.of(region);
    switch (admission.state) {
      case "serving":
        return 1;
      case "out":
        return 0;
      case "returning":
        return this.#settings.ramp[admission.step] ?? 1;
    }
  }

  /** Lets time pass. Returns what has changed, in words. */
  tick(healths: readonly RegionHealth[], nowMs: number): string[] {
    const changes: string[] = [];
    for (const health of healths) {
      const before = this.of(health.region);
      const after = this.#next(health, before, healths, nowMs);
      if (after === before) continue;
      this.#states.set(health.region, after);
      changes.push(`${health.region} ${wordsOf(after, this.share(health.region))}`);
    }
    return changes;
  }

  #next(
    health: RegionHealth,
    before: Admission,
    healths: readonly RegionHealth[],
    nowMs: number,
  ): Admission {
    const { removalGapMs, stableMs, lagMsMax, ramp, rampStepMs } = this.#settings;
    const hasCaughtUp = health.lagMs !== null && health.lagMs <= lagMsMax;
    switch (before.state) {
      case "serving": {
        const isNeeded = !healths.some(
          ({ region, isUp }) => region !== health.region && isUp && this.share(region) > 0,
        );
        if (health.isUp || isNeeded || nowMs - this.#removedAtMs < removalGapMs) return before;
        this.#removedAtMs = nowMs;
        return { state: "out", sinceMs: nowMs };
      }
      case "out":
        if (!health.isUp || !hasCaughtUp || nowMs - health.sinceMs < stableMs) return before;
        return ramp.length === 0 ? SERVING : { state: "returning", step: 0, sinceMs: nowMs };
      case "returning":
        if (!health.isUp) return { state: "out", sinceMs: nowMs };
        if (nowMs - before.sinceMs < rampStepMs || !hasCaughtUp) return before;
        return before.step + 1 < ramp.length
          ? { state: "returning", step: before.step + 1, sinceMs: nowMs }
          : SERVING;
    }
  }
}

function wordsOf(admission: Admission, share: number): string {
  switch (admission.state) {
    case "serving":
      return "serves";
    case "out":
      return "is taken out";
    case "returning":
      return `returns with ${Math.round(share * 100)} % of its traffic`;
  }
}
