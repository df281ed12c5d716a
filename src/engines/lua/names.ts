/**
 * Names: how an error message calls the value that was wrong.
 *
 * Lua 5.1 has no names of values; it looks at its code for what loaded the register, taking every jump on the way. So the
 * value of `f() or t.x` has no name, and that of `a and b or c` is always called c.
 *
 * Invariant: the same name as Lua's, or none where it finds none.
 */
import type { Expression } from "./syntax.ts";

export interface ValueName {
  /** "global", "local", "upvalue", "field" or "method". */
  kind: string;
  name: string;
}

type Continue = () => ValueName | undefined;

const nowhere: Continue = () => undefined;

/** Such as "global 'x'"; undefined when the value has no useful name. */
export function nameOf(expression: Expression): ValueName | undefined {
  switch (expression.kind) {
    case "local":
      return { kind: "local", name: expression.variable.name };
    case "upvalue":
    case "global":
      return { kind: expression.kind, name: expression.name };
    case "index":
      return {
        kind: "field",
        name: expression.key.kind === "string" ? expression.key.value : "?",
      };
    case "parentheses":
      return nameOf(expression.inner);
    case "temporary":
      return nameOf(expression.of);
    case "and":
    case "or":
      return nameOfLast(expression, null, nowhere, nowhere);
    default:
      return undefined;
  }
}

/** `jumpsIf` an operand is so, Lua goes on elsewhere; the last operand, which is null, is the value. */
function nameOfLast(
  node: Expression,
  jumpsIf: boolean | null,
  ifTrue: Continue,
  ifFalse: Continue,
): ValueName | undefined {
  switch (node.kind) {
    case "and":
      return nameOfLast(
        node.left,
        false,
        () => nameOfLast(node.right, jumpsIf, ifTrue, ifFalse),
        ifFalse,
      );
    case "or":
      return nameOfLast(node.left, true, ifTrue, () =>
        nameOfLast(node.right, jumpsIf, ifTrue, ifFalse),
      );
    case "parentheses":
      return nameOfLast(node.inner, jumpsIf, ifTrue, ifFalse);
    default:
  }
  if (jumpsIf === null) return nameOf(node);
  const constant = constantTruth(node);
  const jumps = constant === undefined || constant === jumpsIf ? jumpsIf : !jumpsIf;
  return jumps ? ifTrue() : ifFalse();
}

function constantTruth(node: Expression): boolean | undefined {
  switch (node.kind) {
    case "true":
    case "number":
    case "string":
      return true;
    case "false":
    case "nil":
      return false;
    default:
      return undefined;
  }
}
