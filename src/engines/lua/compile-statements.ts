/**
 * Statements as closures.
 *
 * Invariant: a statement says by what it returns how to go on: undefined with the next one, BREAK after the loop, anything
 * else out of the function with these results. A single nil is therefore returned as ONE_NIL.
 */
import { compileAssignment, compileLocal } from "./compile-assignments.ts";
import { compileCall, compileMethodCall } from "./compile-calls.ts";
import {
  compileGenericFor,
  compileNumericFor,
  compileRepeat,
  compileWhile,
} from "./compile-loops.ts";
import type { Compilation } from "./compilation.ts";
import { BREAK, Cell, type Execute } from "./functions.ts";
import { isMultiple, type Block, type Expression, type If, type Statement } from "./syntax.ts";
import { NO_VALUES, ONE_NIL } from "./values.ts";

export function compileBlock(c: Compilation, block: Block): Execute {
  const statements = block.map((statement) => compileStatement(c, statement));
  const [a, b, d] = statements;
  if (a === undefined) return () => undefined;
  if (b === undefined) return a;
  if (d === undefined) {
    return (frame) => {
      const result = a(frame);
      return result === undefined ? b(frame) : result;
    };
  }
  if (statements.length === 3) {
    return (frame) => {
      let result = a(frame);
      if (result !== undefined) return result;
      result = b(frame);
      return result === undefined ? d(frame) : result;
    };
  }
  return (frame) => {
    for (let at = 0; at < statements.length; at++) {
      const result = (statements[at] as Execute)(frame);
      if (result !== undefined) return result;
    }
    return undefined;
  };
}

function compileStatement(c: Compilation, node: Statement): Execute {
  switch (node.kind) {
    case "local":
      return compileLocal(c, node.variables, node.values);
    case "local function": {
      const { slot, captured } = node.variable;
      const value = c.value(node.value);
      if (!captured) {
        return (frame) => {
          frame[slot] = value(frame);
          return undefined;
        };
      }
      return (frame) => {
        const cell = new Cell(undefined);
        frame[slot] = cell;
        cell.value = value(frame);
        return undefined;
      };
    }
    case "assign":
      return compileAssignment(c, node.targets, node.values);
    case "call statement": {
      const { call } = node;
      const run =
        call.kind === "call" ? compileCall(c, call, false) : compileMethodCall(c, call, false);
      return (frame) => {
        run(frame);
        return undefined;
      };
    }
    case "do":
      return c.block(node.body);
    case "while":
      return compileWhile(c, node.condition, node.body);
    case "repeat":
      return compileRepeat(c, node.body, node.condition);
    case "if":
      return compileIf(c, node);
    case "numeric for":
      return compileNumericFor(c, node);
    case "generic for":
      return compileGenericFor(c, node);
    case "return":
      return compileReturn(c, node.values);
    case "break":
      return () => BREAK;
    default:
      return node satisfies never;
  }
}

function compileIf(c: Compilation, node: If): Execute {
  const clauses = node.clauses.map(
    ({ condition, body }) => [c.test(condition), c.block(body)] as const,
  );
  const otherwise: Execute = node.otherwise === null ? () => undefined : c.block(node.otherwise);
  return clauses.reduceRight<Execute>(
    (rest, [test, body]) =>
      (frame) =>
        test(frame) ? body(frame) : rest(frame),
    otherwise,
  );
}

function compileReturn(c: Compilation, values: readonly Expression[]): Execute {
  const [only] = values;
  if (only === undefined) return () => NO_VALUES;
  if (values.length > 1) return c.list(values);
  if (isMultiple(only)) {
    const all =
      only.kind === "call"
        ? compileCall(c, only, true)
        : only.kind === "method"
          ? compileMethodCall(c, only, true)
          : c.all(only);
    return (frame) => {
      const results = all(frame);
      return results === undefined ? ONE_NIL : results;
    };
  }
  const value = c.value(only);
  return (frame) => {
    const result = value(frame);
    return result === undefined ? ONE_NIL : result;
  };
}
