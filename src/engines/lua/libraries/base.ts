/**
 * The basic functions, without those that Redis keeps from scripts (files, output, environments, proxies).
 *
 * Invariant: `pcall` gives back what the caller had: depth and room of the calls that failed are released.
 */
import {
  anyArgument,
  functionArgument,
  intArgument,
  longArgument,
  tableArgument,
  textArgument,
} from "../arguments.ts";
import { LuaError } from "../errors.ts";
import { handlerIn, METATABLE, TO_STRING } from "../events.ts";
import { Native, type Closure } from "../functions.ts";
import { refusalToSet, toNumber, toText, truth } from "../operations.ts";
import type { Runtime } from "../runtime.ts";
import { LuaTable } from "../table.ts";
import { first, listOf, NO_VALUES, typeName, type LuaValue, type Results } from "../values.ts";

/** What Lua's stack of C holds for one function. */
export const MOST_RESULTS = 8000;

export type Load = (source: string, chunkName: string) => Closure | LuaError;

/** Puts the functions into the globals. `load` compiles a chunk or says what is wrong with it. */
export function openBase(runtime: Runtime, load: Load): void {
  const { globals } = runtime;
  const next = new Native("next", (args) => nextOf(runtime, args));
  const ipairsStep = new Native("ipairs", (args) => ipairsNext(runtime, args));
  runtime.next = next;
  const functions: Record<string, (args: LuaValue[]) => Results> = {
    assert: (args) => {
      if (truth(anyArgument(runtime, args, 1))) return args;
      throw runtime.error(
        args[1] === undefined ? "assertion failed!" : cString(textArgument(runtime, args, 2)),
      );
    },
    collectgarbage: (args) => collectGarbage(runtime, args),
    error: (args) => {
      const level = intArgument(runtime, args, 2, 1);
      const text = toText(args[0]);
      throw new LuaError(text !== undefined && level > 0 ? runtime.where(level) + text : args[0]);
    },
    gcinfo: () => Math.floor(runtime.heap.bytes / 1024),
    getmetatable: (args) => {
      const metatable = runtime.metatableOf(anyArgument(runtime, args, 1));
      return handlerIn(metatable, METATABLE) ?? metatable;
    },
    ipairs: (args) => [ipairsStep, tableArgument(runtime, args, 1), 0],
    load: (args) => {
      const name = args[1] === undefined ? "=(load)" : textArgument(runtime, args, 2);
      const reader = functionArgument(runtime, args, 1);
      return loaded(load(readAll(runtime, reader), name));
    },
    loadstring: (args) => {
      const source = textArgument(runtime, args, 1);
      const name = args[1] === undefined ? source : textArgument(runtime, args, 2);
      return loaded(load(source, name));
    },
    pairs: (args) => [next, tableArgument(runtime, args, 1), undefined],
    pcall: (args) => {
      const callee = anyArgument(runtime, args, 1);
      return protectedCall(runtime, callee, args.slice(1), errorOfTable);
    },
    rawequal: (args) => anyArgument(runtime, args, 1) === anyArgument(runtime, args, 2),
    rawget: (args) => {
      const table = tableArgument(runtime, args, 1);
      return table.get(anyArgument(runtime, args, 2));
    },
    rawset: (args) => {
      const table = tableArgument(runtime, args, 1);
      const key = anyArgument(runtime, args, 2);
      setRaw(table, key, anyArgument(runtime, args, 3));
      return table;
    },
    select: (args) => {
      const [from] = args;
      if (typeof from === "string" && from.startsWith("#")) return args.length - 1;
      let at = intArgument(runtime, args, 1);
      if (at < 0) at = args.length + at;
      else if (at > args.length) at = args.length;
      if (at < 1) throw runtime.argumentError(1, "index out of range");
      return args.slice(at);
    },
    setmetatable: (args) => setMetatable(runtime, args),
    tonumber: (args) => convertNumber(runtime, args),
    tostring: (args) => toStringOf(runtime, anyArgument(runtime, args, 1)),
    type: (args) => typeName(anyArgument(runtime, args, 1)),
    unpack: (args) => unpack(runtime, args),
    xpcall: (args) => {
      anyArgument(runtime, args, 2);
      const [callee, handler] = args;
      return protectedCall(runtime, callee, [], (value) => [first(runtime.call(handler, [value]))]);
    },
  };
  globals.set("_G", globals);
  for (const [name, run] of Object.entries(functions)) globals.set(name, new Native(name, run));
  globals.set("_VERSION", "Lua 5.1");
  globals.set("next", next);
}

/** A field of a table, set by a native. */
export function setRaw(table: LuaTable, key: LuaValue, value: LuaValue): void {
  const refusal = refusalToSet(table, key);
  if (refusal !== undefined) throw new LuaError(refusal);
  table.set(key, value);
}

function toStringOf(runtime: Runtime, value: LuaValue): LuaValue {
  const handler = handlerIn(runtime.metatableOf(value), TO_STRING);
  if (handler !== undefined) return first(runtime.call(handler, [value]));
  switch (typeof value) {
    case "string":
      return value;
    case "undefined":
      return "nil";
    case "number":
      return toText(value);
    case "boolean":
      return value ? "true" : "false";
    default:
      return `${value.type}: ${runtime.addressOf(value)}`;
  }
}

/** True and the results; or false and what `handle` makes of the error, before the calls that failed are released. */
function protectedCall(
  runtime: Runtime,
  callee: LuaValue,
  args: LuaValue[],
  handle: (value: LuaValue) => readonly LuaValue[],
): Results {
  const mark = runtime.mark();
  try {
    return [true, ...listOf(runtime.call(callee, args))];
  } catch (error) {
    if (!(error instanceof LuaError)) throw error;
    try {
      const values = handle(error.value);
      runtime.release(mark);
      return [false, ...values];
    } catch (second) {
      if (!(second instanceof LuaError)) throw second;
      runtime.release(mark);
      return [false, "error in error handling"];
    }
  }
}

/** Redis' errors are tables with the message as `err`, of which its `pcall` gives the message; or both, when it is none. */
function errorOfTable(value: LuaValue): readonly LuaValue[] {
  if (!(value instanceof LuaTable)) return [value];
  const message = value.get("err");
  return toText(message) === undefined ? [value, message] : [message];
}

function nextOf(runtime: Runtime, args: readonly LuaValue[]): Results {
  const table = tableArgument(runtime, args, 1);
  const position = table.positionAfter(args[1]);
  if (position === -1) return undefined;
  if (position < 0) throw new LuaError("invalid key to 'next'");
  return [table.keyAt(position), table.valueAt(position)];
}

function ipairsNext(runtime: Runtime, args: readonly LuaValue[]): Results {
  const at = intArgument(runtime, args, 2) + 1;
  const value = tableArgument(runtime, args, 1).get(at);
  return value === undefined ? NO_VALUES : [at, value];
}

function loaded(result: Closure | LuaError): Results {
  return result instanceof LuaError ? [undefined, result.value] : result;
}

function readAll(runtime: Runtime, reader: LuaValue): string {
  const pieces: string[] = [];
  for (;;) {
    const value = first(runtime.call(reader, []));
    const piece = value === undefined ? "" : toText(value);
    if (piece === undefined) throw runtime.error("reader function must return a string");
    if (piece === "") return pieces.join("");
    runtime.heap.charge(piece.length);
    pieces.push(piece);
  }
}

function setMetatable(runtime: Runtime, args: readonly LuaValue[]): Results {
  const table = tableArgument(runtime, args, 1);
  const metatable = args[1];
  if (args.length < 2 || !(metatable === undefined || metatable instanceof LuaTable)) {
    throw runtime.argumentError(2, "nil or table expected");
  }
  if (handlerIn(table.metatable, METATABLE) !== undefined) {
    throw runtime.error("cannot change a protected metatable");
  }
  if (table.readonly) throw new LuaError("Attempt to modify a readonly table");
  table.metatable = metatable;
  return table;
}

function convertNumber(runtime: Runtime, args: readonly LuaValue[]): LuaValue {
  const base = intArgument(runtime, args, 2, 10);
  if (base === 10) return toNumber(anyArgument(runtime, args, 1));
  const text = textArgument(runtime, args, 1);
  if (base < 2 || base > 36) throw runtime.argumentError(2, "base out of range");
  return parseUnsigned(cString(text), base);
}

const DIGITS = /^[ \t\n\v\f\r]*([+-]?)(0[xX](?=[\da-fA-F]))?([\da-zA-Z]+)[ \t\n\v\f\r]*$/;

/** C's strtoul: 64 bits without sign, the most there is when it is more, and the complement of what has a minus. */
function parseUnsigned(text: string, base: number): number | undefined {
  const match = DIGITS.exec(text);
  if (match === null) return undefined;
  const [, sign, prefix, rest] = match as unknown as [string, string, string?, string?];
  const digits = base === 16 ? (rest as string) : `${prefix ?? ""}${rest as string}`;
  let value = 0n;
  for (const digit of digits) {
    const number = Number.parseInt(digit, 36);
    if (number >= base) return undefined;
    value = value * BigInt(base) + BigInt(number);
  }
  if (value >= 1n << 64n) return Number((1n << 64n) - 1n);
  return Number(sign === "-" ? BigInt.asUintN(64, -value) : value);
}

function unpack(runtime: Runtime, args: readonly LuaValue[]): Results {
  const table = tableArgument(runtime, args, 1);
  const from = intArgument(runtime, args, 2, 1);
  const to = args[2] === undefined ? table.length : intArgument(runtime, args, 3);
  if (from > to) return NO_VALUES;
  const count = to - from + 1;
  if (count >= MOST_RESULTS) throw runtime.error("too many results to unpack");
  return Array.from({ length: count }, (_, at) => table.get(from + at));
}

function collectGarbage(runtime: Runtime, args: readonly LuaValue[]): LuaValue {
  const option = args[0] === undefined ? "collect" : cString(textArgument(runtime, args, 1));
  longArgument(runtime, args, 2, 0);
  switch (option) {
    case "count":
      return runtime.heap.bytes / 1024;
    case "step":
      return true;
    case "collect":
      runtime.heap.collect();
      return 0;
    case "stop":
    case "restart":
      return 0;
    case "setpause":
    case "setstepmul":
      return 200;
    default:
      throw runtime.argumentError(1, `invalid option '${option}'`);
  }
}

/** Lua's messages and conversions are C's: a string ends at its first zero. */
export function cString(text: string): string {
  const zero = text.indexOf("\0");
  return zero < 0 ? text : text.slice(0, zero);
}
