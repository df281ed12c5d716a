/**
 * EvictionPolicy: which keys may go when memory is short, and which of them goes first.
 *
 * Invariant: the names are those of Redis, in the order in which its errors list them.
 */
export const EVICTION_POLICIES = [
  "volatile-lru",
  "volatile-lfu",
  "volatile-random",
  "volatile-ttl",
  "allkeys-lru",
  "allkeys-lfu",
  "allkeys-random",
  "noeviction",
] as const;

export type EvictionPolicy = (typeof EVICTION_POLICIES)[number];
