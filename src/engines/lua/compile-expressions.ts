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
import { compileTable } from "./compile-tables.ts";
import { Cell, Closure, type Evaluate } from "./functions.ts";
import { hashString } from "./hashes.ts";
import { CLOSURE_BYTES } from "./heap.ts";
import { index, length, negate } from "./operations.ts";
import type { Expression, FunctionDefinition, GlobalName, Index } from "./syntax.ts";
import { LuaTable } from "./table.ts";
import { first, type LuaValue, type Results } from "./values.ts";

export function compileExpression(c: Compilation, node: Expression): Evaluate {
  switch (node.kind) {
    case "nil":
      return () => undefined;
    case "true":
      return () => true;
    case "false":
      return () => false;
    case "number": {
      // Kept in the tree, so that it is the same one when the node is compiled again.
      if (node.value === 0) node.value = c.zero(node.value);
      const { value } = node;
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
    case "temporary": {
      const { slot, multiple } = node;
      return multiple
        ? (frame) => first(frame[slot] as Results)
        : (frame) => frame[slot] as LuaValue;
    }
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
