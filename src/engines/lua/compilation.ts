/**
 * Compilation: what the parts of the compiler ask of one another.
 *
 * Invariant: what a closure needs of its node is looked at once, when it is made; when it runs there is no tree any more.
 * Operands are evaluated in the order in which Lua 5.1 fills its registers.
 */
import type { Evaluate, EvaluateAll, Execute, Frame, Prototype } from "./functions.ts";
import type { Runtime } from "./runtime.ts";
import type { Block, Expression, FunctionDefinition } from "./syntax.ts";
import type { LuaValue } from "./values.ts";

export interface Compilation {
  readonly runtime: Runtime;
  /** One value. */
  value(node: Expression): Evaluate;
  /** All values; of a call or of `...`. */
  all(node: Expression): EvaluateAll;
  /** A new array of the values of all of them, as many as the last yields. */
  list(nodes: readonly Expression[]): (frame: Frame) => LuaValue[];
  /** Whether the value is neither nil nor false. */
  test(node: Expression): (frame: Frame) => boolean;
  block(block: Block): Execute;
  prototype(definition: FunctionDefinition): Prototype;
  /** 0 or -0, whichever the function said first: Lua keeps them as one constant. */
  zero(value: number): number;
}

/**
 * Whether the node is a variable that a call may change before an operator reads it. Lua's operators read variables in place,
 * after all operands are evaluated.
 */
export function isReadLate(node: Expression): boolean {
  return node.kind === "local" && node.variable.captured;
}
