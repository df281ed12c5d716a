/**
 * Assert: how a bug stops the process.
 *
 * Invariant: only what must be true whatever the world does is asserted. What a client, a peer or a disk can cause is a
 * refusal or a failure, never an assertion.
 */

/** Throws when `condition` does not hold; `message` says what was broken. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`bug: ${message}`);
}
