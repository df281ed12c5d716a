/**
 * Access: when an entry was last used and how often lately, in 32 bits, as eviction needs it.
 *
 *   seconds (24 bits, modulo) | counter (8 bits)
 *
 * Invariant: the counter is logarithmic: each use raises it with a chance that falls as it grows, and so many minutes without use
 * lower it by one. So 8 bits tell a key used a million times from one used a hundred times.
 */
const SECONDS = 2 ** 24;
/** A new key must not be the first to go. */
const COUNTER_NEW = 5;
const COUNTER_MAX = 255;

/** How the counter moves: `lfu-log-factor` and `lfu-decay-time`. */
export interface CounterRules {
  readonly lfuLogFactor: number;
  readonly lfuDecayMinutes: number;
}

/** The access of an entry made at `seconds`. */
export function newAccess(seconds: number): number {
  return accessOf(seconds, 0, COUNTER_NEW);
}

/** The access of an entry last used `idle` seconds before `seconds`, with that counter or that of a new one. */
export function accessOf(seconds: number, idle: number, counter: number = COUNTER_NEW): number {
  const used = seconds - Math.min(idle, SECONDS - 1) + SECONDS;
  return (((used % SECONDS) << 8) | counter) >>> 0;
}

/** The access after one more use; `chance` is in [0, 1). */
export function usedAccess(
  access: number,
  seconds: number,
  rules: CounterRules,
  chance: number,
): number {
  let counter = frequency(access, seconds, rules);
  const over = Math.max(0, counter - COUNTER_NEW);
  if (counter < COUNTER_MAX && chance < 1 / (over * rules.lfuLogFactor + 1)) counter++;
  return (((seconds % SECONDS) << 8) | counter) >>> 0;
}

/** Seconds since the last use. */
export function idleSeconds(access: number, seconds: number): number {
  return ((seconds % SECONDS) - (access >>> 8) + SECONDS) % SECONDS;
}

/** The counter as it stands now, 0 to 255. */
export function frequency(access: number, seconds: number, rules: CounterRules): number {
  const counter = access & 0xff;
  if (rules.lfuDecayMinutes === 0) return counter;
  const periods = Math.floor(idleSeconds(access, seconds) / 60 / rules.lfuDecayMinutes);
  return Math.max(0, counter - periods);
}
