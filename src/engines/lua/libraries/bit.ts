/**
 * bit: operations on the lower 32 bits of numbers, as Redis offers them.
 *
 * Invariant: a number is rounded to the nearest integer, ties to the even one, and taken modulo 2^32; results are signed.
 */
import { wrongArgument } from "../arguments.ts";
import { Native } from "../functions.ts";
import { toNumber } from "../operations.ts";
import type { Runtime } from "../runtime.ts";
import type { LuaTable } from "../table.ts";
import type { LuaValue, Results } from "../values.ts";

/** Added to a double it leaves the integer in the lower half of the sum. */
const SHIFT = 2 ** 52 + 2 ** 51;

const sum = new Float64Array(1);
const halves = new Int32Array(sum.buffer);

function bits(runtime: Runtime, args: readonly LuaValue[], index: number): number {
  const number = toNumber(args[index - 1]);
  if (number === undefined) throw wrongArgument(runtime, args, index, "number");
  sum[0] = number + SHIFT;
  return halves[0] as number;
}

export function openBit(runtime: Runtime): LuaTable {
  type Operation = (a: number, b: number) => number;
  const of = (args: LuaValue[], index: number): number => bits(runtime, args, index);
  const several =
    (operation: Operation) =>
    (args: LuaValue[]): Results => {
      let result = of(args, 1);
      for (let index = args.length; index > 1; index--) result = operation(result, of(args, index));
      return result;
    };
  const shift =
    (operation: Operation) =>
    (args: LuaValue[]): Results => {
      const value = of(args, 1);
      return operation(value, of(args, 2) & 31);
    };
  const functions: Record<string, (args: LuaValue[]) => Results> = {
    tobit: (args) => of(args, 1),
    bnot: (args) => ~of(args, 1),
    band: several((a, b) => a & b),
    bor: several((a, b) => a | b),
    bxor: several((a, b) => a ^ b),
    lshift: shift((value, by) => value << by),
    rshift: shift((value, by) => (value >>> by) | 0),
    arshift: shift((value, by) => value >> by),
    rol: shift((value, by) => (value << by) | (value >>> (32 - by))),
    ror: shift((value, by) => (value << (32 - by)) | (value >>> by)),
    bswap: (args) => {
      const value = of(args, 1);
      return (value >>> 24) | ((value >>> 8) & 0xff00) | ((value & 0xff00) << 8) | (value << 24);
    },
    tohex: (args) => {
      const value = of(args, 1);
      const wanted = args.length < 2 ? 8 : of(args, 2);
      const digits = Math.min(8, Math.abs(wanted));
      const text = (value >>> 0)
        .toString(16)
        .padStart(8, "0")
        .slice(8 - digits);
      return wanted < 0 ? text.toUpperCase() : text;
    },
  };
  const table = runtime.newTable(0, 12);
  for (const [name, run] of Object.entries(functions)) table.set(name, new Native(name, run));
  return table;
}
