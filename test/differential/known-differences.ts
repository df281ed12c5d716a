/**
 * Known differences: where Atoll deliberately answers otherwise than Redis 7.0.15, and why.
 *
 * Invariant: an entry excuses exactly what it describes. A difference that no entry excuses is a bug of one of the two, and
 * an entry that no run meets any more is to be removed.
 */
import type { Difference } from "./difference.ts";

export interface KnownDifference {
  /** Short and stable, in kebab-case; the report and the documentation refer to it. */
  id: string;
  /** What is called, in Redis's words. */
  command: string;
  redis: string;
  atoll: string;
  reason: string;
  excuses(difference: Difference): boolean;
}

export const knownDifferences: readonly KnownDifference[] = [];
