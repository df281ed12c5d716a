/**
 * Steps: what is done to both servers, and what must then be true of the two answers.
 *
 * Invariant: a step is plain data plus pure checks. It does not depend on what was answered before, so any part of a
 * script can be run again alone; that is what shrinking needs.
 */
import type { Reply } from "../support/resp.ts";

/** What must be true of two replies whose first bytes are not an error. Errors are always compared byte for byte. */
export type Expectation =
  | { kind: "exact" }
  /** Aggregates hold the same items in any order; `stride` 2 keeps neighbours (field and value) together in RESP2. */
  | { kind: "unordered"; stride: 1 | 2 }
  /** Integers of the same sign are at most `by` apart. */
  | { kind: "within"; by: number }
  | { kind: "property"; check: PropertyCheck };

/**
 * Says what is wrong with the two replies, or null. `before` are the replies to the step just before on this connection.
 * Called with errors and nulls too.
 */
export type PropertyCheck = (
  reference: Reply,
  subject: Reply,
  before: { reference: Reply; subject: Reply } | null,
) => string | null;

export interface CommandStep {
  kind: "command";
  connection: number;
  args: Buffer[];
  /** Sent as a line instead of an array. */
  inline: boolean;
  expect: Expectation;
  /** Asked again for a while when the replies disagree; then they disagree as `AGREED_LATER`, or still. */
  settles?: boolean;
  /** Commands that bring the subject to the state of the reference after a choice by chance. Sent to the subject alone. */
  repair?: (reference: Reply, subject: Reply) => Buffer[][];
}

export type Step =
  | CommandStep
  /** Calls a SCAN until its cursor is 0 on each server; both must have given the same set. `stride` 2 for HSCAN. */
  | { kind: "scan"; connection: number; args: Buffer[]; cursorAt: number; stride: 1 | 2 }
  /** Time passes. What was sent before is answered before. */
  | { kind: "sleep"; ms: number }
  /** A connection of its own that the server must close; everything it said is compared. */
  | { kind: "session"; bytes: Buffer };

/** Steps that belong together, such as MULTI … EXEC. */
export interface Op {
  steps: Step[];
}

export const exact: Expectation = { kind: "exact" };
export const unordered: Expectation = { kind: "unordered", stride: 1 };
export const unorderedPairs: Expectation = { kind: "unordered", stride: 2 };
export const seconds: Expectation = { kind: "within", by: 5 };
export const milliseconds: Expectation = { kind: "within", by: 5_000 };

/** Both are of the same type, and nothing more is asked. */
export const sameType: Expectation = {
  kind: "property",
  check: (reference, subject) =>
    reference.type === subject.type ? null : "the replies are of different types",
};

/** Connections 0 and 1 begin with RESP2, 2 and 3 with RESP3; each begins in a database of its own choice. */
export const connections = 4;
