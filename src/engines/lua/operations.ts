/**
 * Operations: what operators do when the quick way, on numbers and on fields that are there, is not open.
 *
 * Invariant: an error names the place, and what the code calls the wrong value, as Lua 5.1 does.
 */
import {
  ARITHMETIC,
  CONCAT,
  EQUAL,
  handlerIn,
  INDEX,
  LESS,
  LESS_EQUAL,
  NEGATE,
  NEW_INDEX,
} from "./events.ts";
import { LuaError } from "./errors.ts";
import { Closure, Native, type Site } from "./functions.ts";
import { STRING_BYTES } from "./heap.ts";
import { compute, formatNumber, parseNumber } from "./numbers.ts";
import type { Runtime } from "./runtime.ts";
import { nameOf } from "./names.ts";
import type { Arithmetic, Expression } from "./syntax.ts";
import { LuaTable } from "./table.ts";
import { first, typeName, type LuaValue, type Results } from "./values.ts";

/** How many `__index` or `__newindex` may refer to one another in a row. */
const MOST_HOPS = 100;

/** A number, also when a string says it; undefined otherwise. */
export function toNumber(value: LuaValue): number | undefined {
  if (typeof value === "number") return value;
  return typeof value === "string" ? parseNumber(value) : undefined;
}

/** A string, also of a number; undefined otherwise. */
export function toText(value: LuaValue): string | undefined {
  if (typeof value === "string") return value;
  return typeof value === "number" ? formatNumber(value) : undefined;
}

/**
 * What follows is asked from a site, or with null from within a native, whose errors have no position.
 *
 * `named` is the expression whose value the object is, for the message. */
export function index(
  runtime: Runtime,
  object: LuaValue,
  key: LuaValue,
  site: Site | null,
  named?: Expression,
): LuaValue {
  let at = object;
  for (let hop = 0; hop < MOST_HOPS; hop++) {
    let handler: LuaValue;
    if (at instanceof LuaTable) {
      const value = at.get(key);
      if (value !== undefined) return value;
      handler = handlerIn(at.metatable, INDEX);
      if (handler === undefined) return undefined;
    } else {
      handler = handlerIn(runtime.metatableOf(at), INDEX);
      if (handler === undefined)
        throw wrongType(runtime, site, at, "index", hop === 0 ? named : undefined);
    }
    if (handler instanceof Closure || handler instanceof Native) {
      return first(callHandler(runtime, handler, [at, key], site));
    }
    at = handler;
  }
  throw errorAt(runtime, site, "loop in gettable");
}

export function setIndex(
  runtime: Runtime,
  object: LuaValue,
  key: LuaValue,
  value: LuaValue,
  site: Site | null,
  named?: Expression,
): void {
  let at = object;
  for (let hop = 0; hop < MOST_HOPS; hop++) {
    let handler: LuaValue;
    if (at instanceof LuaTable) {
      const refusal = refusalToSet(at, key);
      if (refusal !== undefined) throw errorAt(runtime, site, refusal);
      handler = handlerIn(at.metatable, NEW_INDEX);
      if (handler === undefined || at.get(key) !== undefined) {
        at.set(key, value);
        return;
      }
    } else {
      handler = handlerIn(runtime.metatableOf(at), NEW_INDEX);
      if (handler === undefined)
        throw wrongType(runtime, site, at, "index", hop === 0 ? named : undefined);
    }
    if (handler instanceof Closure || handler instanceof Native) {
      callHandler(runtime, handler, [at, key, value], site);
      return;
    }
    at = handler;
  }
  throw errorAt(runtime, site, "loop in settable");
}

/** Why a table does not take the key. */
export function refusalToSet(table: LuaTable, key: LuaValue): string | undefined {
  if (table.readonly) return "Attempt to modify a readonly table";
  if (key === undefined) return "table index is nil";
  return typeof key === "number" && Number.isNaN(key) ? "table index is NaN" : undefined;
}

/** The two operands are not both numbers. */
export function arithmetic(
  runtime: Runtime,
  operator: Arithmetic,
  left: LuaValue,
  right: LuaValue,
  site: Site & { left: Expression; right: Expression },
): LuaValue {
  const a = toNumber(left);
  const b = toNumber(right);
  if (a !== undefined && b !== undefined) return compute(operator, a, b);
  const event = ARITHMETIC[operator];
  const handler =
    handlerIn(runtime.metatableOf(left), event) ?? handlerIn(runtime.metatableOf(right), event);
  if (handler !== undefined) return first(runtime.callHandler(handler, [left, right], site));
  throw a === undefined
    ? wrongType(runtime, site, left, "perform arithmetic on", site.left)
    : wrongType(runtime, site, right, "perform arithmetic on", site.right);
}

export function negate(
  runtime: Runtime,
  value: LuaValue,
  site: Site & { operand: Expression },
): LuaValue {
  const number = toNumber(value);
  if (number !== undefined) return -number;
  const handler = handlerIn(runtime.metatableOf(value), NEGATE);
  if (handler !== undefined) return first(runtime.callHandler(handler, [value, value], site));
  throw wrongType(runtime, site, value, "perform arithmetic on", site.operand);
}

export function length(
  runtime: Runtime,
  value: LuaValue,
  site: Site & { operand: Expression },
): number {
  if (value instanceof LuaTable) return value.length;
  if (typeof value === "string") return value.length;
  throw wrongType(runtime, site, value, "get length of", site.operand);
}

export function equals(runtime: Runtime, a: LuaValue, b: LuaValue, site: Site | null): boolean {
  if (a === b) return true;
  if (!(a instanceof LuaTable) || !(b instanceof LuaTable)) return false;
  const handler = sharedHandler(a.metatable, b.metatable, EQUAL);
  return handler !== undefined && truth(first(callHandler(runtime, handler, [a, b], site)));
}

export function lessThan(runtime: Runtime, a: LuaValue, b: LuaValue, site: Site | null): boolean {
  if (typeof a === "number" && typeof b === "number") return a < b;
  if (typeof a === "string" && typeof b === "string") return a < b;
  if (typeName(a) === typeName(b)) {
    const handler = sharedHandler(runtime.metatableOf(a), runtime.metatableOf(b), LESS);
    if (handler !== undefined) return truth(first(callHandler(runtime, handler, [a, b], site)));
  }
  throw notComparable(runtime, a, b, site);
}

export function lessOrEqual(
  runtime: Runtime,
  a: LuaValue,
  b: LuaValue,
  site: Site | null,
): boolean {
  if (typeof a === "number" && typeof b === "number") return a <= b;
  if (typeof a === "string" && typeof b === "string") return a <= b;
  if (typeName(a) === typeName(b)) {
    const [one, other] = [runtime.metatableOf(a), runtime.metatableOf(b)];
    const handler = sharedHandler(one, other, LESS_EQUAL);
    if (handler !== undefined) return truth(first(callHandler(runtime, handler, [a, b], site)));
    const reverse = sharedHandler(other, one, LESS);
    if (reverse !== undefined) return !truth(first(callHandler(runtime, reverse, [b, a], site)));
  }
  throw notComparable(runtime, a, b, site);
}

/** From the right, as the operator associates; the operands are all evaluated by then. */
export function concat(
  runtime: Runtime,
  operands: readonly LuaValue[],
  site: Site & { operands: Expression[] },
): LuaValue {
  const last = operands.length - 1;
  let result = operands[last];
  for (let at = last - 1; at >= 0; at--) {
    const left = operands[at];
    const [a, b] = [toText(left), toText(result)];
    if (a !== undefined && b !== undefined) {
      runtime.heap.charge(STRING_BYTES + a.length + b.length);
      result = a + b;
      continue;
    }
    const handler =
      handlerIn(runtime.metatableOf(left), CONCAT) ??
      handlerIn(runtime.metatableOf(result), CONCAT);
    if (handler === undefined) {
      const wrong = a === undefined ? at : at + 1;
      const value = a === undefined ? left : result;
      throw wrongType(runtime, site, value, "concatenate", site.operands[wrong]);
    }
    result = first(runtime.callHandler(handler, [left, result], site));
  }
  return result;
}

export function truth(value: LuaValue): boolean {
  return value !== undefined && value !== false;
}

function sharedHandler(
  a: LuaTable | undefined,
  b: LuaTable | undefined,
  event: typeof EQUAL,
): LuaValue {
  const handler = handlerIn(a, event);
  return handler !== undefined && handler === handlerIn(b, event) ? handler : undefined;
}

/** Lua compares the third letters of the types' names, and so takes a string and a thread for the same. */
function notComparable(runtime: Runtime, a: LuaValue, b: LuaValue, site: Site | null): Error {
  const [one, other] = [typeName(a), typeName(b)];
  const what = one[2] === other[2] ? `two ${one} values` : `${one} with ${other}`;
  return errorAt(runtime, site, `attempt to compare ${what}`);
}

function wrongType(
  runtime: Runtime,
  site: Site | null,
  value: LuaValue,
  operation: string,
  named: Expression | undefined,
): Error {
  const name = named === undefined ? undefined : nameOf(named);
  const what = `a ${typeName(value)} value`;
  const message = name === undefined ? what : `${name.kind} '${name.name}' (${what})`;
  return errorAt(runtime, site, `attempt to ${operation} ${message}`);
}

/** Errors within a native have no position. */
function errorAt(runtime: Runtime, site: Site | null, message: string): LuaError {
  if (site === null) return new LuaError(message);
  runtime.sites[runtime.depth] = site;
  return runtime.error(message);
}

function callHandler(
  runtime: Runtime,
  handler: LuaValue,
  args: LuaValue[],
  site: Site | null,
): Results {
  return site === null ? runtime.call(handler, args) : runtime.callHandler(handler, args, site);
}
