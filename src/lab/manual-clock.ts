/** A clock that tests move by hand, so that a WAN can be tested without waiting for it. */
import type { Clock } from "./wan-direction.ts";

export interface ManualClock extends Clock {
  /** What `random` answers. */
  chance: number;
  /** Lets `ms` pass; what becomes due runs in order. */
  advance(ms: number): void;
}

export function manualClock(): ManualClock {
  let nowMs = 0;
  const timers = new Set<{ dueMs: number; run: () => void }>();
  return {
    chance: 0,
    nowMs: () => nowMs,
    random() {
      return this.chance;
    },
    later: (ms, run) => {
      const timer = { dueMs: nowMs + ms, run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance(ms) {
      const endMs = nowMs + ms;
      for (;;) {
        const [next] = [...timers].sort((a, b) => a.dueMs - b.dueMs);
        if (next === undefined || next.dueMs > endMs) break;
        timers.delete(next);
        nowMs = Math.max(nowMs, next.dueMs);
        next.run();
      }
      nowMs = endMs;
    },
  };
}
