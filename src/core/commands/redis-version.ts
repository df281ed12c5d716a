/**
 * RedisVersion: which Redis this server passes for.
 *
 * Invariant: HELLO, INFO and LOLWUT name the same one, and its commands and texts are the reference of ours.
 */
export const REDIS_VERSION = "7.0.15";
