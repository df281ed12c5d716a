/**
 * Compiler: a tree as JavaScript closures, one per node, that take the frame of the call.
 *
 *   a.b + 1  ─►  (frame) => add(field(local(frame), "b"), 1)
 *
 * Invariant: one compiler per chunk. The parts of it are the `compile-*` files; this one leads from one to another.
 */
import type { Compilation } from "./compilation.ts";
import { compileCall, compileMethodCall } from "./compile-calls.ts";
import { compileExpression } from "./compile-expressions.ts";
import { compileComparison } from "./compile-operators.ts";
import { compileBlock } from "./compile-statements.ts";
import { chunkTitle, TITLE_BYTES } from "./errors.ts";
import {
  Cell,
  type Evaluate,
  type EvaluateAll,
  type Execute,
  type Frame,
  type Prototype,
} from "./functions.ts";
import { nestingOf } from "./nesting.ts";
import { truth } from "./operations.ts";
import { Walker } from "./walker.ts";
import type { Runtime } from "./runtime.ts";
import {
  isMultiple,
  type Block,
  type Expression,
  type FunctionDefinition,
  type Variable,
} from "./syntax.ts";
import { listOf, type LuaValue, type Results } from "./values.ts";

export class Compiler implements Compilation {
  readonly runtime: Runtime;
  readonly #chunkName: string;
  readonly #title: string;
  #zero: number | undefined = undefined;

  constructor(runtime: Runtime, chunkName: string) {
    this.runtime = runtime;
    this.#chunkName = chunkName;
    this.#title = chunkTitle(chunkName, TITLE_BYTES);
  }

  prototype(definition: FunctionDefinition): Prototype {
    const outerZero = this.#zero;
    this.#zero = undefined;
    const body = this.block(definition.body);
    this.#zero = outerZero;
    const { parameters, varargs, arg, frameSize } = definition;
    let walker: Walker | undefined;
    return {
      definition,
      chunkName: this.#chunkName,
      title: this.#title,
      blank: Array.from({ length: frameSize }, () => undefined),
      parameters: parameters.length,
      simple: !varargs && !parameters.some(({ captured }) => captured),
      nesting: nestingOf(definition),
      body: arg === null ? body : withArg(this.runtime, arg, body),
      walk: (frame) => {
        if (arg !== null) makeArg(this.runtime, arg, frame);
        walker ??= new Walker(this, definition.frameSize);
        return walker.block(definition.body, frame);
      },
    };
  }

  zero(value: number): number {
    this.#zero ??= value;
    return this.#zero;
  }

  value(node: Expression): Evaluate {
    return compileExpression(this, node);
  }

  all(node: Expression): EvaluateAll {
    switch (node.kind) {
      case "call":
        return compileCall(this, node, false);
      case "method":
        return compileMethodCall(this, node, false);
      case "varargs":
        return (frame) => frame[1] as LuaValue[];
      case "temporary": {
        const { slot } = node;
        return (frame) => frame[slot] as Results;
      }
      default:
        return this.value(node);
    }
  }

  list(nodes: readonly Expression[]): (frame: Frame) => LuaValue[] {
    const last = nodes.at(-1);
    if (last !== undefined && isMultiple(last)) {
      const values = nodes.slice(0, -1).map((node) => this.value(node));
      const all = this.all(last);
      return (frame) => {
        const list = values.map((value) => value(frame));
        for (const value of listOf(all(frame))) list.push(value);
        return list;
      };
    }
    const values = nodes.map((node) => this.value(node));
    const blank: LuaValue[] = values.map(() => undefined);
    return (frame) => {
      const list = blank.slice();
      for (let i = 0; i < values.length; i++) list[i] = (values[i] as Evaluate)(frame);
      return list;
    };
  }

  test(node: Expression): (frame: Frame) => boolean {
    switch (node.kind) {
      // Known to be true: it does not become a constant of the function, which matters to -0.
      case "number":
        return () => true;
      case "comparison":
        return compileComparison(this, node);
      case "not": {
        const test = this.test(node.operand);
        return (frame) => !test(frame);
      }
      case "and": {
        const [left, right] = [this.test(node.left), this.test(node.right)];
        return (frame) => left(frame) && right(frame);
      }
      case "or": {
        // On the left of `or` it does become one.
        if (node.left.kind === "number") this.value(node.left);
        const [left, right] = [this.test(node.left), this.test(node.right)];
        return (frame) => left(frame) || right(frame);
      }
      default: {
        const value = this.value(node);
        return (frame) => truth(value(frame));
      }
    }
  }

  block(block: Block): Execute {
    return compileBlock(this, block);
  }
}

/** Functions with variable arguments that never say `...` have them in a table, with their number as `n`. */
function withArg(runtime: Runtime, arg: Variable, body: Execute): Execute {
  return (frame) => {
    makeArg(runtime, arg, frame);
    return body(frame);
  };
}

function makeArg(runtime: Runtime, arg: Variable, frame: Frame): void {
  const values = frame[1] as LuaValue[];
  const table = runtime.newTable(values.length, 1);
  for (const [at, value] of values.entries()) table.set(at + 1, value);
  table.set("n", values.length);
  frame[arg.slot] = arg.captured ? new Cell(table) : table;
}
