/**
 * Syntax: a chunk as a tree, names resolved to slots of a frame.
 *
 * Invariant: `line` is the line that Lua 5.1 reports for what the node does; it is not always the one it begins on.
 */

/** A local variable. Each takes a slot of its function's frame while it is in scope. */
export interface Variable {
  readonly name: string;
  readonly slot: number;
  /** A function within the scope uses it, so it lives in a cell. */
  captured: boolean;
}

export type Arithmetic = "+" | "-" | "*" | "/" | "%" | "^";
export type Comparison = "==" | "~=" | "<" | "<=" | ">" | ">=";

export interface GlobalName {
  kind: "global";
  name: string;
  line: number;
}

export interface Index {
  kind: "index";
  object: Expression;
  key: Expression;
  line: number;
}

export interface Call {
  kind: "call";
  callee: Expression;
  args: Expression[];
  line: number;
}

export interface MethodCall {
  kind: "method";
  object: Expression;
  name: string;
  args: Expression[];
  /** Where the method is looked up; `line` is where it is called. */
  nameLine: number;
  line: number;
}

export interface LocalName {
  kind: "local";
  variable: Variable;
}

export interface UpvalueName {
  kind: "upvalue";
  index: number;
  name: string;
}

export interface TableConstructor {
  kind: "table";
  /** In the order in which they are evaluated; without a key it is the next element. */
  items: { key: Expression | null; value: Expression; line: number }[];
  elements: number;
  fields: number;
}

export interface FunctionExpression {
  kind: "function";
  definition: FunctionDefinition;
}

/** What an expression has yielded already, kept in a slot: a value, or all results when it is `multiple`. */
export interface Temporary {
  kind: "temporary";
  slot: number;
  multiple: boolean;
  of: Expression;
}

export type Expression =
  | { kind: "nil" | "true" | "false" | "varargs" }
  | { kind: "number"; value: number }
  | { kind: "string"; value: string }
  | LocalName
  | UpvalueName
  | GlobalName
  | Index
  | Call
  | MethodCall
  | TableConstructor
  | FunctionExpression
  | Temporary
  | { kind: "parentheses"; inner: Expression }
  | { kind: "not"; operand: Expression }
  | { kind: "negate" | "length"; operand: Expression; line: number }
  | { kind: "arithmetic"; operator: Arithmetic; left: Expression; right: Expression; line: number }
  | { kind: "comparison"; operator: Comparison; left: Expression; right: Expression; line: number }
  | { kind: "and" | "or"; left: Expression; right: Expression }
  | { kind: "concat"; operands: Expression[]; line: number };

export type Target = LocalName | UpvalueName | GlobalName | Index;

export interface NumericFor {
  kind: "numeric for";
  variable: Variable;
  start: Expression;
  limit: Expression;
  step: Expression | null;
  body: Block;
  line: number;
}

export interface GenericFor {
  kind: "generic for";
  variables: Variable[];
  /** Where the state lies, so that it can be reached. */
  stateSlot: number;
  values: Expression[];
  body: Block;
  line: number;
}

export interface If {
  kind: "if";
  clauses: { condition: Expression; body: Block }[];
  otherwise: Block | null;
}

export type Statement =
  | { kind: "local"; variables: Variable[]; values: Expression[] }
  | { kind: "local function"; variable: Variable; value: FunctionExpression }
  | { kind: "assign"; targets: Target[]; values: Expression[] }
  | { kind: "call statement"; call: Call | MethodCall }
  | { kind: "do"; body: Block }
  | { kind: "while"; condition: Expression; body: Block }
  | { kind: "repeat"; body: Block; condition: Expression }
  | If
  | NumericFor
  | GenericFor
  | { kind: "return"; values: Expression[] }
  | { kind: "break" };

export type Block = Statement[];

/** Where a closure finds one of its upvalues when it is made: in the frame of the maker, or among the maker's own. */
export type Capture = { from: "frame"; variable: Variable } | { from: "closure"; index: number };

export interface FunctionDefinition {
  parameters: Variable[];
  varargs: boolean;
  /** The old-style table of the variable arguments, in functions that do not say `...`. */
  arg: Variable | null;
  captures: Capture[];
  body: Block;
  /** Slots of a frame, the two that every frame has included. */
  frameSize: number;
  /** Of the word `function`; 0 of a chunk. */
  line: number;
}

/** The slots before those of variables: the closure and its variable arguments. */
export const FIRST_SLOT = 2;

/** Whether it may yield any number of values where it stands last in a list. */
export function isMultiple(expression: Expression | undefined): boolean {
  switch (expression?.kind) {
    case "call":
    case "method":
    case "varargs":
      return true;
    case "temporary":
      return expression.multiple;
    default:
      return false;
  }
}
