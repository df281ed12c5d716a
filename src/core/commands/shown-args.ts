/**
 * Shown arguments: a command as SLOWLOG and MONITOR show it.
 *
 * Invariant: what the row of a command hides (a password) is never shown, in no form.
 */
import type { Args } from "../wire/args.ts";
import type { CommandEntry } from "./command-table.ts";

const REDACTED = Buffer.from("(redacted)");

/** Argument `i`, or what stands in its place; valid until the turn ends. */
export function shownArg(entry: CommandEntry, args: Args, i: number): Buffer {
  return entry.command.hides?.(args, i) === true ? REDACTED : args.view(i);
}
