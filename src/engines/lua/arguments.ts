/**
 * Arguments of natives, checked as Lua's auxiliary library checks them.
 *
 * Invariant: what is wrong is said about the first wrong argument that is asked for; indices count from 1.
 */
import type { LuaError } from "./errors.ts";
import { toNumber, toText } from "./operations.ts";
import type { Runtime } from "./runtime.ts";
import { LuaTable } from "./table.ts";
import { typeName, type LuaValue } from "./values.ts";

type Args = readonly LuaValue[];

export function wrongArgument(
  runtime: Runtime,
  args: Args,
  index: number,
  expected: string,
): LuaError {
  const got = index > args.length ? "no value" : typeName(args[index - 1]);
  return runtime.argumentError(index, `${expected} expected, got ${got}`);
}

/** There is such an argument, if only nil. */
export function anyArgument(runtime: Runtime, args: Args, index: number): LuaValue {
  if (index > args.length) throw runtime.argumentError(index, "value expected");
  return args[index - 1];
}

export function textArgument(runtime: Runtime, args: Args, index: number): string {
  const text = toText(args[index - 1]);
  if (text === undefined) throw wrongArgument(runtime, args, index, "string");
  runtime.heap.handle(text.length);
  return text;
}

export function numberArgument(runtime: Runtime, args: Args, index: number): number {
  const number = toNumber(args[index - 1]);
  if (number === undefined) throw wrongArgument(runtime, args, index, "number");
  return number;
}

/** As C makes a 64-bit integer of a double: cut off, the least when it does not fit. */
export function longArgument(
  runtime: Runtime,
  args: Args,
  index: number,
  otherwise?: number,
): number {
  if (otherwise !== undefined && args[index - 1] === undefined) return otherwise;
  return toLong(numberArgument(runtime, args, index));
}

/** The lower 32 bits of a 64-bit integer. */
export function intArgument(
  runtime: Runtime,
  args: Args,
  index: number,
  otherwise?: number,
): number {
  return longArgument(runtime, args, index, otherwise) | 0;
}

export function tableArgument(runtime: Runtime, args: Args, index: number): LuaTable {
  const value = args[index - 1];
  if (!(value instanceof LuaTable)) throw wrongArgument(runtime, args, index, "table");
  return value;
}

export function functionArgument(runtime: Runtime, args: Args, index: number): LuaValue {
  const value = args[index - 1];
  if (typeName(value) !== "function") throw wrongArgument(runtime, args, index, "function");
  return value;
}

export function toLong(value: number): number {
  return Math.abs(value) < 2 ** 63 ? Math.trunc(value) : -(2 ** 63);
}
