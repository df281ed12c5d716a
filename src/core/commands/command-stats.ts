/**
 * CommandStats: how often each command was called, failed or was refused before it ran.
 *
 * Invariant: indexes are those of the command table, and a count costs one addition: the hot path makes no other note.
 */
import { assert } from "../assert.ts";

/** More than there are commands and subcommands. */
const CAPACITY = 512;

export class CommandStats {
  /** Commands that ran, inside of transactions too. */
  readonly calls = new Float64Array(CAPACITY);
  /** Those of them whose reply was an error. */
  readonly failures = new Float64Array(CAPACITY);
  /** Commands that did not get to run: wrong arity, no password given, writes refused. */
  readonly rejections = new Float64Array(CAPACITY);

  /** Forgets everything (CONFIG RESETSTAT). */
  reset(): void {
    this.calls.fill(0);
    this.failures.fill(0);
    this.rejections.fill(0);
  }
}

/** Asserts that a table of this many commands can be counted. */
export function assertCountable(commands: number): void {
  assert(commands <= CAPACITY, "the statistics have room for every command");
}
