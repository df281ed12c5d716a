/**
 * Rewriting: the same node with other operands.
 *
 * Invariant: operands come and go in the order of `operandsOf`.
 */
import type { Expression } from "./syntax.ts";

export function withOperands(node: Expression, operands: readonly Expression[]): Expression {
  const [a, b] = operands as readonly [Expression, Expression];
  switch (node.kind) {
    case "index":
      return { ...node, object: a, key: b };
    case "not":
    case "negate":
    case "length":
      return { ...node, operand: a };
    case "arithmetic":
    case "comparison":
      return { ...node, left: a, right: b };
    case "concat":
      return { ...node, operands: [...operands] };
    case "table": {
      const left = [...operands];
      const take = () => left.shift() as Expression;
      const items = node.items.map(({ key, line }) => ({
        key: key === null ? null : take(),
        value: take(),
        line,
      }));
      return { ...node, items };
    }
    default:
      return node;
  }
}
