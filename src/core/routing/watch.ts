/**
 * Watch: what one vantage holds of one region, out of probes that come back or do not.
 *
 *     unknown ── one success ──► up ── failures reach `down` ──► down ── `up` successes in a row ──► up
 *
 * Invariant: a success now and then does not hide failures: they are forgotten only after `resetAfter` successes in a row. So a region that
 * answers every other probe is down, and one lost packet in twenty changes nothing.
 */
import type { HealthSettings } from "./health-settings.ts";

export type Sight = "unknown" | "up" | "down";

/** How much a new round trip counts in the average. */
const RTT_SHARE = 0.2;

export class Watch {
  readonly #settings: HealthSettings;
  sight: Sight = "unknown";
  rttMs: number | null = null;
  /** Of the last failure, in words. */
  why = "it was not probed yet";
  #failures = 0;
  #successes = 0;

  constructor(settings: HealthSettings) {
    this.#settings = settings;
  }

  /** Whether it may soon be held to be down. */
  get isDoubtful(): boolean {
    return this.sight === "up" && this.#failures > 0;
  }

  succeeded(rttMs: number): void {
    const { up, resetAfter } = this.#settings;
    this.rttMs = this.rttMs === null ? rttMs : this.rttMs + (rttMs - this.rttMs) * RTT_SHARE;
    this.#successes++;
    if (this.#successes >= resetAfter) this.#failures = 0;
    if (this.sight === "unknown" || (this.sight === "down" && this.#successes >= up)) {
      this.sight = "up";
      this.#failures = 0;
    }
  }

  failed(why: string): void {
    this.why = why;
    this.#successes = 0;
    this.#failures++;
    if (this.#failures >= this.#settings.down) this.sight = "down";
  }
}
