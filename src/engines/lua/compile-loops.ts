/**
 * Loops as closures.
 *
 * Invariant: each turn is a step, so a loop can be stopped. A variable that is captured has a new cell in each turn.
 */
import type { Compilation } from "./compilation.ts";
import { LuaError } from "./errors.ts";
import { BREAK, Cell, type Execute, type Frame, type Site } from "./functions.ts";
import { toNumber } from "./operations.ts";
import type { Runtime } from "./runtime.ts";
import type { Block, Expression, GenericFor, NumericFor, Variable } from "./syntax.ts";
import { LuaTable } from "./table.ts";
import { listOf, type LuaValue, type Results } from "./values.ts";

export function compileWhile(c: Compilation, condition: Expression, block: Block): Execute {
  const { runtime } = c;
  const test = c.test(condition);
  const body = c.block(block);
  return (frame) => {
    while (test(frame)) {
      if (--runtime.steps < 0) runtime.check();
      const result = body(frame);
      if (result !== undefined) {
        if (result === BREAK) break;
        return result;
      }
    }
    return undefined;
  };
}

export function compileRepeat(c: Compilation, block: Block, condition: Expression): Execute {
  const { runtime } = c;
  const body = c.block(block);
  const test = c.test(condition);
  return (frame) => {
    do {
      if (--runtime.steps < 0) runtime.check();
      const result = body(frame);
      if (result !== undefined) {
        if (result === BREAK) break;
        return result;
      }
    } while (!test(frame));
    return undefined;
  };
}

/** Lua takes the step off the start and adds it again, which is not the same for fractions. */
export function compileNumericFor(c: Compilation, node: NumericFor): Execute {
  const { runtime } = c;
  const start = c.value(node.start);
  const limit = c.value(node.limit);
  const step = node.step === null ? () => 1 : c.value(node.step);
  const body = c.block(node.body);
  const { slot, captured } = node.variable;
  return (frame) => {
    const [from, to, by] = loopNumbers(runtime, node, start(frame), limit(frame), step(frame));
    for (let at = from - by + by; by > 0 ? at <= to : to <= at; at += by) {
      if (--runtime.steps < 0) runtime.check();
      frame[slot] = captured ? new Cell(at) : at;
      const result = body(frame);
      if (result !== undefined) {
        if (result === BREAK) break;
        return result;
      }
    }
    return undefined;
  };
}

export function loopNumbers(
  runtime: Runtime,
  node: NumericFor,
  start: LuaValue,
  limit: LuaValue,
  step: LuaValue,
): [number, number, number] {
  const numbers = [toNumber(start), toNumber(limit), toNumber(step)] as const;
  const [from, to, by] = numbers;
  if (from === undefined || to === undefined || by === undefined) {
    const wrong = ["initial value", "limit", "step"][numbers.indexOf(undefined)] as string;
    runtime.sites[runtime.depth] = node;
    throw runtime.error(`'for' ${wrong} must be a number`);
  }
  return [from, to, by];
}

export function compileGenericFor(c: Compilation, node: GenericFor): Execute {
  const { runtime } = c;
  const list = c.list(node.values);
  const body = c.block(node.body);
  const iteration = new Iteration(runtime, node);
  return (frame) => {
    const [generator, state, control] = list(frame);
    frame[node.stateSlot] = state;
    const turns = iteration.start(generator, state, control);
    while (turns.next(frame)) {
      if (--runtime.steps < 0) runtime.check();
      const result = body(frame);
      if (result !== undefined) {
        if (result === BREAK) break;
        return result;
      }
    }
    return undefined;
  };
}

/** Sets the variables for the next turn; false when there is none. */
interface Turns {
  next(frame: Frame): boolean;
}

/** How a generic `for` goes through what it is given. */
export class Iteration {
  readonly runtime: Runtime;
  readonly site: Site;
  readonly #variables: readonly Variable[];

  constructor(runtime: Runtime, node: GenericFor) {
    this.runtime = runtime;
    this.#variables = node.variables;
    const variable: Variable = { name: "(for generator)", slot: 0, captured: false };
    this.site = { line: node.line, callee: { kind: "local", variable } };
  }

  start(generator: LuaValue, state: LuaValue, control: LuaValue): Turns {
    if (generator === this.runtime.next && state instanceof LuaTable) {
      return new TableTurns(this, state, control);
    }
    return new CallTurns(this, generator, state, control);
  }

  set(frame: Frame, first: LuaValue, second: LuaValue, all?: readonly LuaValue[]): void {
    const variables = this.#variables;
    for (let at = 0; at < variables.length; at++) {
      const { slot, captured } = variables[at] as Variable;
      const value = at === 0 ? first : at === 1 ? second : all?.[at];
      frame[slot] = captured ? new Cell(value) : value;
    }
  }
}

/** `pairs`, without a call for each turn. The key is looked up again only when the table was laid out anew meanwhile. */
class TableTurns implements Turns {
  readonly #iteration: Iteration;
  readonly #table: LuaTable;
  #key: LuaValue;
  #position = -1;

  constructor(iteration: Iteration, table: LuaTable, key: LuaValue) {
    this.#iteration = iteration;
    this.#table = table;
    this.#key = key;
  }

  next(frame: Frame): boolean {
    const table = this.#table;
    const { runtime, site } = this.#iteration;
    const position =
      this.#position >= 0 && table.keyAt(this.#position) === this.#key
        ? table.occupied(this.#position + 1)
        : table.positionAfter(this.#key);
    if (position < 0) {
      if (position === -1) return false;
      runtime.sites[runtime.depth] = site;
      throw new LuaError("invalid key to 'next'");
    }
    this.#position = position;
    this.#key = table.keyAt(position);
    this.#iteration.set(frame, this.#key, table.valueAt(position));
    return true;
  }
}

class CallTurns implements Turns {
  readonly #iteration: Iteration;
  readonly #generator: LuaValue;
  readonly #state: LuaValue;
  #control: LuaValue;

  constructor(iteration: Iteration, generator: LuaValue, state: LuaValue, control: LuaValue) {
    this.#iteration = iteration;
    this.#generator = generator;
    this.#state = state;
    this.#control = control;
  }

  next(frame: Frame): boolean {
    const { runtime, site } = this.#iteration;
    const results: Results = runtime.callHandler(
      this.#generator,
      [this.#state, this.#control],
      site,
    );
    if (Array.isArray(results)) {
      const all = listOf(results);
      this.#control = all[0];
      if (this.#control === undefined) return false;
      this.#iteration.set(frame, all[0], all[1], all);
      return true;
    }
    const value = results as LuaValue;
    this.#control = value;
    if (value === undefined) return false;
    this.#iteration.set(frame, value, undefined);
    return true;
  }
}
