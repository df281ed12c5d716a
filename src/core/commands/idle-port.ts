/**
 * IdlePort: the node's side of a replica that nobody serves by: one into which a backup is read, one under test.
 *
 * Invariant: it does nothing and knows nothing; only secrets come from whoever makes it.
 */
import type { NodePort } from "./run.ts";

/** `secret` gives so many bytes that nobody can guess. */
export function idlePort(secret: NodePort["secret"]): NodePort {
  return {
    info: () => "",
    closeClient: () => {},
    memory: () => ({ rssBytes: 0, heapBytes: 0 }),
    checkpoint: () => {},
    checkpointMs: () => 0,
    shutdown: () => {},
    log: () => {},
    micros: () => 0,
    push: () => {},
    changes: () => {},
    clock: () => null,
    acceptClock: () => null,
    secret,
    aclFile: null,
  };
}
