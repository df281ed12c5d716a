/**
 * Functions: those written in Lua and those of the host, and the frames that calls run in.
 *
 *   frame of a call   [closure, variable arguments, slot, slot, …]     a slot whose variable is captured holds a cell
 *
 * Invariant: a frame belongs to one call. What outlives the call lies in cells, which closures share.
 */
import type { Expression, FunctionDefinition } from "./syntax.ts";
import { LuaObject, type LuaValue, type Results } from "./values.ts";

/** Slots hold Lua values, cells, and the two things before them: whoever reads one knows from the syntax which, and says `as`. */
export type Frame = unknown[];

/** A variable that closures share. */
export class Cell {
  value: LuaValue;

  constructor(value: LuaValue) {
    this.value = value;
  }
}

/** A place in the source from which something is called. */
export interface Site {
  readonly line: number;
  /** What is called, for a message that names it; undefined when an operator calls. */
  readonly callee?: Expression;
  /** Of a method call: the name. */
  readonly method?: string;
  /** Its results are those of the caller, whose frame Lua gives up for it. */
  readonly tail?: boolean;
}

export type Evaluate = (frame: Frame) => LuaValue;
export type EvaluateAll = (frame: Frame) => Results;

/** Undefined: go on with the next statement. BREAK: leave the loop. Anything else: what the function returns. */
export type Execute = (frame: Frame) => Results | undefined;

/** Call it and go on with its results; or, when it is a tail call, leave the results to the caller. */
export class CallRequest {
  readonly callee: Closure;
  readonly args: readonly LuaValue[];
  readonly tail: boolean;

  constructor(callee: Closure, args: readonly LuaValue[], tail: boolean) {
    this.callee = callee;
    this.args = args;
    this.tail = tail;
  }
}

/** Stop until the coroutine is resumed, and go on with what it is resumed with. */
export class YieldRequest {
  readonly values: readonly LuaValue[];

  constructor(values: readonly LuaValue[]) {
    this.values = values;
  }
}

/**
 * A function that runs apart, as a generator. It never calls a Lua function itself but asks whoever runs it, so any number of
 * them may be open without JavaScript's stack.
 */
export type Steps<T> = Generator<CallRequest | YieldRequest, T, Results>;

export const BREAK: readonly LuaValue[] = ["break"];

export interface Prototype {
  readonly definition: FunctionDefinition;
  readonly chunkName: string;
  /** How messages call the chunk. */
  readonly title: string;
  /** A frame with nothing in it. */
  readonly blank: Frame;
  readonly parameters: number;
  /** Nothing but to put arguments into slots has to be done before it runs. */
  readonly simple: boolean;
  /** How many calls of JavaScript functions may be nested while it runs, without those of other Lua functions. */
  readonly nesting: number;
  readonly body: Execute;
  readonly walk: (frame: Frame) => Steps<Results | undefined>;
}

export class Closure extends LuaObject {
  readonly type = "function";
  readonly prototype: Prototype;
  readonly upvalues: readonly Cell[];

  constructor(prototype: Prototype, upvalues: readonly Cell[]) {
    super();
    this.prototype = prototype;
    this.upvalues = upvalues;
  }
}

/** A function of the host. It throws LuaErrors; its arguments are its own. */
export class Native extends LuaObject {
  readonly type = "function";
  readonly name: string;
  readonly run: (args: LuaValue[]) => Results;

  constructor(name: string, run: (args: LuaValue[]) => Results) {
    super();
    this.name = name;
    this.run = run;
  }
}

/** The frame of a call with these arguments. */
export function frameOf(closure: Closure, args: readonly LuaValue[]): Frame {
  const { definition, blank } = closure.prototype;
  const frame = blank.slice();
  frame[0] = closure;
  for (const [at, { slot, captured }] of definition.parameters.entries()) {
    frame[slot] = captured ? new Cell(args[at]) : args[at];
  }
  if (definition.varargs) frame[1] = args.slice(definition.parameters.length);
  return frame;
}
