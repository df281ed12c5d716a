/**
 * KeyPositions: which arguments of a command are keys.
 *
 * Invariant: what the row says, and never an argument that is not there.
 */
import type { Args } from "../wire/args.ts";
import type { Command } from "./command.ts";

/** Whether a command can have keys at all. */
export function hasKeys(command: Command): boolean {
  return command.keysOf !== undefined || command.keys[0] !== 0;
}

/** The positions of the keys in a command whose arity is right; none when its arguments do not say them. */
export function keyPositions(command: Command, args: Args): number[] {
  if (command.keysOf !== undefined)
    return command.keysOf(args).filter((at) => at > 0 && at < args.count);
  const [first, last, step] = command.keys;
  const positions: number[] = [];
  if (first === 0) return positions;
  const end = last < 0 ? args.count + last : Math.min(last, args.count - 1);
  for (let at = first; at <= end; at += step) positions.push(at);
  return positions;
}

/** How a command uses its keys, in the words of COMMAND INFO. */
export function keyFlagsOf(command: Command): readonly string[] {
  if (command.keyFlags !== undefined) return command.keyFlags;
  return command.flags.includes("write") ? ["RW", "update"] : ["RO", "access"];
}
