/**
 * Joining: what an operator and its two operands become.
 *
 * Invariant: operations on constants are computed here, as Lua 5.1 computes them when it writes its code; a concatenation of
 * several has them all side by side.
 */
import type { Token } from "./lexer.ts";
import { compute } from "./numbers.ts";
import type { Arithmetic, Comparison, Expression } from "./syntax.ts";

export function joined(
  operator: Token,
  left: Expression,
  right: Expression,
  line: number,
): Expression {
  switch (operator) {
    case "and":
    case "or":
      return { kind: operator, left, right };
    case "..": {
      // a .. (b .. c) is one concatenation of three to Lua, with or without the parentheses.
      const inner = right.kind === "parentheses" ? right.inner : right;
      return inner.kind === "concat"
        ? { kind: "concat", operands: [left, ...inner.operands], line: inner.line }
        : { kind: "concat", operands: [left, right], line };
    }
    case "+":
    case "-":
    case "*":
    case "/":
    case "%":
    case "^": {
      const folded = fold(operator, left, right);
      return folded === undefined
        ? { kind: "arithmetic", operator, left, right, line }
        : { kind: "number", value: folded };
    }
    default:
      return { kind: "comparison", operator: operator as Comparison, left, right, line };
  }
}

/** Constants are computed once, except where the result has no place among constants. */
function fold(operator: Arithmetic, left: Expression, right: Expression): number | undefined {
  if (left.kind !== "number" || right.kind !== "number") return undefined;
  if ((operator === "/" || operator === "%") && right.value === 0) return undefined;
  const value = compute(operator, left.value, right.value);
  return Number.isNaN(value) ? undefined : value;
}
