/**
 * Call: runs a command that nothing stands against any more, and counts it.
 *
 * Invariant: what a handler throws is a bug and stops the process; a refusal is a reply that begins with `-`.
 */
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { type CommandEntry, READS } from "./command-table.ts";
import type { Run } from "./run.ts";

const ERROR = 45;

/** Runs one command; what it wrote is committed by the caller, so that a transaction becomes one record. */
export function call(run: Run, entry: CommandEntry, args: Args, reply: Reply): void {
  const mark = reply.mark;
  run.counting = (entry.bits & READS) !== 0;
  entry.run(run, args, reply);
  run.counting = false;
  const { calls, failures } = run.stats;
  calls[entry.index] = (calls[entry.index] as number) + 1;
  if (reply.mark > mark && reply.sink.buffer[mark] === ERROR)
    failures[entry.index] = (failures[entry.index] as number) + 1;
}
