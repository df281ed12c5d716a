/**
 * LatencyMonitor: what took longer than `latency-monitor-threshold`, by the name of the event (LATENCY).
 *
 * Invariant: of each event the last `SAMPLES_MAX` seconds in which it happened, each with the longest time of that second.
 */
const SAMPLES_MAX = 160;

export interface LatencySample {
  /** Seconds since 1970. */
  readonly seconds: number;
  readonly ms: number;
}

export interface LatencyEvent {
  /** The oldest first, never empty. */
  readonly samples: LatencySample[];
  maxMs: number;
}

export class LatencyMonitor {
  readonly events = new Map<string, LatencyEvent>();

  /** Something took `micros`; kept when that is at least `thresholdMs` (0: never). */
  note(event: string, wallMs: number, micros: number, thresholdMs: number): void {
    if (thresholdMs === 0 || micros < thresholdMs * 1000) return;
    const ms = Math.floor(micros / 1000);
    const seconds = Math.floor(wallMs / 1000);
    let kept = this.events.get(event);
    if (kept === undefined) this.events.set(event, (kept = { samples: [], maxMs: 0 }));
    const { samples } = kept;
    kept.maxMs = Math.max(kept.maxMs, ms);
    const last = samples.at(-1);
    if (last?.seconds === seconds)
      samples[samples.length - 1] = { seconds, ms: Math.max(ms, last.ms) };
    else samples.push({ seconds, ms });
    if (samples.length > SAMPLES_MAX) samples.shift();
  }
}
