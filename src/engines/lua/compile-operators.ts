/**
 * Operators as closures. Those on numbers are taken at once; the rest is in `operations.ts`.
 *
 * The forms below with a constant or an uncaptured variable as an operand save a call each; which of them pay is measured by
 * `bench/lua.ts`.
 */
import { isReadLate, type Compilation } from "./compilation.ts";
import type { Evaluate, Frame } from "./functions.ts";
import { modulo, power } from "./numbers.ts";
import { arithmetic, concat, equals, lessOrEqual, lessThan, truth } from "./operations.ts";
import type { Expression } from "./syntax.ts";
import type { LuaValue } from "./values.ts";

type Arithmetic = Expression & { kind: "arithmetic" };
type Comparison = Expression & { kind: "comparison" };
type Concat = Expression & { kind: "concat" };

export function compileArithmetic(c: Compilation, node: Arithmetic): Evaluate {
  const { runtime } = c;
  // A number on the left becomes a constant after those on the right, which matters to -0.
  const late = node.left.kind === "number" ? c.value(node.right) : undefined;
  const left = c.value(node.left);
  const right = late ?? c.value(node.right);
  if (isReadLate(node.left)) {
    return (frame) => {
      const b = right(frame);
      return arithmetic(runtime, node.operator, left(frame), b, node);
    };
  }
  switch (node.operator) {
    case "+":
      if (node.right.kind === "number") {
        const b = node.right.value;
        return (frame) => {
          const a = left(frame);
          return typeof a === "number" ? a + b : arithmetic(runtime, "+", a, b, node);
        };
      }
      return (frame) => {
        const a = left(frame);
        const b = right(frame);
        return typeof a === "number" && typeof b === "number"
          ? a + b
          : arithmetic(runtime, "+", a, b, node);
      };
    case "-":
      if (node.right.kind === "number") {
        const b = node.right.value;
        return (frame) => {
          const a = left(frame);
          return typeof a === "number" ? a - b : arithmetic(runtime, "-", a, b, node);
        };
      }
      return (frame) => {
        const a = left(frame);
        const b = right(frame);
        return typeof a === "number" && typeof b === "number"
          ? a - b
          : arithmetic(runtime, "-", a, b, node);
      };
    case "*":
      return (frame) => {
        const a = left(frame);
        const b = right(frame);
        return typeof a === "number" && typeof b === "number"
          ? a * b
          : arithmetic(runtime, "*", a, b, node);
      };
    case "/":
      return (frame) => {
        const a = left(frame);
        const b = right(frame);
        return typeof a === "number" && typeof b === "number"
          ? a / b
          : arithmetic(runtime, "/", a, b, node);
      };
    case "%":
      return (frame) => {
        const a = left(frame);
        const b = right(frame);
        return typeof a === "number" && typeof b === "number"
          ? modulo(a, b)
          : arithmetic(runtime, "%", a, b, node);
      };
    case "^":
      return (frame) => {
        const a = left(frame);
        const b = right(frame);
        return typeof a === "number" && typeof b === "number"
          ? power(a, b)
          : arithmetic(runtime, "^", a, b, node);
      };
    default:
      return node.operator satisfies never;
  }
}

/** a > b is b < a to Lua, also in its messages. */
export function compileComparison(c: Compilation, node: Comparison): (frame: Frame) => boolean {
  const { runtime } = c;
  const [left, right] = operands(c, node);
  switch (node.operator) {
    case "==":
      return (frame) => {
        const a = left(frame);
        const b = right(frame);
        return a === b || (typeof a === "object" && equals(runtime, a, b, node));
      };
    case "~=":
      return (frame) => {
        const a = left(frame);
        const b = right(frame);
        return a !== b && !(typeof a === "object" && equals(runtime, a, b, node));
      };
    case "<":
      return (frame) => {
        const a = left(frame);
        const b = right(frame);
        return typeof a === "number" && typeof b === "number"
          ? a < b
          : lessThan(runtime, a, b, node);
      };
    case ">":
      return (frame) => {
        const a = left(frame);
        const b = right(frame);
        return typeof a === "number" && typeof b === "number"
          ? a > b
          : lessThan(runtime, b, a, node);
      };
    case "<=":
      return (frame) => {
        const a = left(frame);
        const b = right(frame);
        return typeof a === "number" && typeof b === "number"
          ? a <= b
          : lessOrEqual(runtime, a, b, node);
      };
    case ">=":
      return (frame) => {
        const a = left(frame);
        const b = right(frame);
        return typeof a === "number" && typeof b === "number"
          ? a >= b
          : lessOrEqual(runtime, b, a, node);
      };
    default:
      return node.operator satisfies never;
  }
}

export function compileAnd(c: Compilation, left: Expression, right: Expression): Evaluate {
  if (left.kind === "number") return c.value(right);
  const [a, b] = [c.value(left), c.value(right)];
  return (frame) => {
    const value = a(frame);
    return truth(value) ? b(frame) : value;
  };
}

export function compileOr(c: Compilation, left: Expression, right: Expression): Evaluate {
  const [a, b] = [c.value(left), c.value(right)];
  return (frame) => {
    const value = a(frame);
    return truth(value) ? value : b(frame);
  };
}

export function compileConcat(c: Compilation, node: Concat): Evaluate {
  const { runtime } = c;
  const [one, two] = node.operands.map((operand) => c.value(operand)) as [Evaluate, Evaluate];
  if (node.operands.length === 2) {
    return (frame) => {
      const a = one(frame);
      return concat(runtime, [a, two(frame)], node);
    };
  }
  const list = node.operands.map((operand) => c.value(operand));
  return (frame) =>
    concat(
      runtime,
      list.map((operand) => operand(frame)),
      node,
    );
}

/** Both operands in the order of evaluation: a left variable that the right side may change is read after it. */
function operands(c: Compilation, node: Comparison): [Evaluate, Evaluate] {
  const [left, right] = [c.value(node.left), c.value(node.right)];
  if (!isReadLate(node.left)) return [left, right];
  let b: LuaValue;
  return [
    (frame) => {
      b = right(frame);
      return left(frame);
    },
    () => b,
  ];
}
