/**
 * Expressions as closures: constants, variables, fields, tables and functions. Operators and calls have files of their own.
 */
import type { Compilation } from "./compilation.ts";
import { compileCall, compileMethodCall } from "./compile-calls.ts";
import {
  compileAnd,
  compileArithmetic,
  compileComparison,
  compileConcat,
  compileOr,
} from "./compile-operators.ts";
import { Cell, Closure, type Evaluate, type Frame } from "./functions.ts";
import { hashString } from "./hashes.ts";
import { CLOSURE_BYTES } from "./heap.ts";
import { index, length, negate, refusalToSet } from "./operations.ts";
import type { FunctionDefinition, GlobalName, Index, TableConstructor } from "./syntax.ts";
import { isMultiple, type Expression } from "./syntax.ts";
import { LuaTable } from "./table.ts";
import { first, listOf, type LuaValue } from "./values.ts";

/** Elements of a constructor are stored in batches of that many. */
const ELEMENTS_PER_BATCH = 50;

export function compileExpression(c: Compilation, node: Expression): Evaluate {
  switch (node.kind) {
    case "nil":
      return () => undefined;
    case "true":
      return () => true;
    case "false":
      return () => false;
    case "number": {
      const value = node.value === 0 ? c.zero(node.value) : node.value;
      return () => value;
    }
    case "string": {
      const { value } = node;
      return () => value;
    }
    case "varargs":
      return (frame) => (frame[1] as LuaValue[])[0];
    case "local": {
      const { slot, captured } = node.variable;
      return captured ? (frame) => (frame[slot] as Cell).value : (frame) => frame[slot] as LuaValue;
    }
    case "upvalue": {
      const at = node.index;
      return (frame) => ((frame[0] as Closure).upvalues[at] as Cell).value;
    }
    case "global":
      return compileGlobal(c, node);
    case "index":
      return compileIndex(c, node);
    case "call": {
      const call = compileCall(c, node, false);
      return (frame) => first(call(frame));
    }
    case "method": {
      const call = compileMethodCall(c, node, false);
      return (frame) => first(call(frame));
    }
    case "table":
      return compileTable(c, node);
    case "function":
      return compileFunction(c, node.definition);
    case "parentheses":
      return c.value(node.inner);
    case "not": {
      const test = c.test(node.operand);
      return (frame) => !test(frame);
    }
    case "negate": {
      const operand = c.value(node.operand);
      const { runtime } = c;
      return (frame) => {
        const value = operand(frame);
        return typeof value === "number" ? -value : negate(runtime, value, node);
      };
    }
    case "length": {
      const operand = c.value(node.operand);
      const { runtime } = c;
      return (frame) => {
        const value = operand(frame);
        return value instanceof LuaTable ? value.length : length(runtime, value, node);
      };
    }
    case "arithmetic":
      return compileArithmetic(c, node);
    case "comparison":
      return compileComparison(c, node);
    case "and":
      return compileAnd(c, node.left, node.right);
    case "or":
      return compileOr(c, node.left, node.right);
    case "concat":
      return compileConcat(c, node);
    default:
      return node satisfies never;
  }
}

function compileGlobal({ runtime }: Compilation, node: GlobalName): Evaluate {
  const { globals } = runtime;
  const { name } = node;
  const hash = hashString(name);
  return () => {
    const value = globals.getField(name, hash);
    return value === undefined && globals.metatable !== undefined
      ? index(runtime, globals, name, node)
      : value;
  };
}

function compileIndex(c: Compilation, node: Index): Evaluate {
  const { runtime } = c;
  const object = c.value(node.object);
  if (node.key.kind === "string") {
    const name = node.key.value;
    const hash = hashString(name);
    return (frame) => {
      const table = object(frame);
      if (table instanceof LuaTable) {
        const value = table.getField(name, hash);
        if (value !== undefined || table.metatable === undefined) return value;
      }
      return index(runtime, table, name, node, node.object);
    };
  }
  const key = c.value(node.key);
  return (frame) => {
    const early = object(frame);
    const at = key(frame);
    // A variable is read in place: the key may have changed it.
    const table = node.object.kind === "local" ? object(frame) : early;
    if (table instanceof LuaTable) {
      const value = table.get(at);
      if (value !== undefined || table.metatable === undefined) return value;
    }
    return index(runtime, table, at, node, node.object);
  };
}

function compileFunction(c: Compilation, definition: FunctionDefinition): Evaluate {
  const prototype = c.prototype(definition);
  const { heap } = c.runtime;
  const { captures } = definition;
  const bytes = CLOSURE_BYTES + 8 * captures.length;
  return (frame) => {
    heap.charge(bytes);
    return new Closure(
      prototype,
      captures.map((capture) =>
        capture.from === "frame"
          ? (frame[capture.variable.slot] as Cell)
          : ((frame[0] as Closure).upvalues[capture.index] as Cell),
      ),
    );
  };
}

type Item = (frame: Frame, table: LuaTable, pending: LuaValue[]) => void;

function compileTable(c: Compilation, node: TableConstructor): Evaluate {
  const { runtime } = c;
  const { heap } = runtime;
  if (node.items.length === 0) return () => new LuaTable(heap);
  const last = node.items.at(-1);
  const open = last?.key === null && isMultiple(last.value);
  const elements = sizeHint(open ? node.elements - 1 : node.elements);
  const fields = sizeHint(node.fields);
  const items = node.items.map((item) => compileItem(c, item, open && item === last));
  return (frame) => {
    const table = new LuaTable(heap, elements, fields);
    const pending: LuaValue[] = [];
    let stored = 0;
    for (const item of items) {
      if (pending.length === ELEMENTS_PER_BATCH) {
        store(table, stored, pending);
        stored += ELEMENTS_PER_BATCH;
        pending.length = 0;
      }
      item(frame, table, pending);
    }
    if (pending.length > 0) store(table, stored, pending);
    return table;
  };
}

function compileItem(c: Compilation, item: TableConstructor["items"][number], open: boolean): Item {
  const { runtime } = c;
  if (item.key === null) {
    if (open) {
      const all = c.all(item.value);
      return (frame, _, pending) => {
        for (const value of listOf(all(frame))) pending.push(value);
      };
    }
    const value = c.value(item.value);
    return (frame, _, pending) => void pending.push(value(frame));
  }
  const value = c.value(item.value);
  if (item.key.kind === "string") {
    const name = item.key.value;
    const hash = hashString(name);
    return (frame, table) => table.setField(name, hash, value(frame));
  }
  const key = c.value(item.key);
  return (frame, table) => {
    const at = key(frame);
    const set = value(frame);
    const refusal = refusalToSet(table, at);
    if (refusal !== undefined) {
      runtime.sites[runtime.depth] = item;
      throw runtime.error(refusal);
    }
    table.set(at, set);
  };
}

function store(table: LuaTable, stored: number, pending: readonly LuaValue[]): void {
  table.reserve(stored + pending.length);
  for (let at = pending.length; at > 0; at--) table.set(stored + at, pending[at - 1]);
}

/** Lua's instruction has a byte for a size: above 15 it is rounded up to three significant bits. */
function sizeHint(size: number): number {
  let [mantissa, exponent] = [size, 0];
  while (mantissa >= 16) {
    mantissa = (mantissa + 1) >> 1;
    exponent++;
  }
  return mantissa * 2 ** exponent;
}
