/**
 * KeyPositions: which arguments of a command are keys.
 *
 * Invariant: what the row says, and never an argument that is not there.
 */
import type { Args } from "../wire/args.ts";
import type { Command } from "./command.ts";
import { roughlyAt } from "./numbers.ts";

/** Whether a command can have keys at all. */
export function hasKeys(command: Command): boolean {
  return command.keyCount !== undefined || command.keys[0] !== 0 || command.findKeys !== undefined;
}

/** The positions of the keys in a command whose arity is right; none when its arguments do not say them. */
export function keyPositions(command: Command, args: Args): number[] {
  if (command.findKeys !== undefined) return command.findKeys(args);
  const [first, last, step] = command.keys;
  const { keyCount } = command;
  const positions: number[] = [];
  const end = last < 0 ? args.count + last : Math.min(last, args.count - 1);
  for (let at = first; first !== 0 && at <= end; at += step) positions.push(at);
  if (keyCount === undefined) return positions;
  const count = keyCount < args.count ? roughlyAt(args, keyCount) : NaN;
  // A count that cannot be right says of no argument that it is a key.
  if (!(count > 0 && keyCount + count < args.count)) return [];
  for (let i = 1; i <= count; i++) positions.push(keyCount + i);
  return positions;
}

/** How a command uses its keys, or from `index` 1 on those behind the first, in the words of COMMAND INFO. */
export function keyFlagsOf(command: Command, index = 0): readonly string[] {
  const later = command.laterKeyFlags ?? command.looseKeys?.at(-1)?.keyFlags;
  if (index > 0 && later !== undefined) return later;
  if (command.keyFlags !== undefined) return command.keyFlags;
  return command.flags.includes("write") ? ["RW", "update"] : ["RO", "access"];
}

/** Whether one of the arguments from `first` on is `word` (in capitals). */
export function hasWord(args: Args, first: number, word: string): boolean {
  for (let i = first; i < args.count; i++) if (args.is(i, word)) return true;
  return false;
}
