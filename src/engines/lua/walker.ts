/**
 * Walker: runs the tree of a function as a generator where closures cannot: in coroutines, which stop in the middle, and
 * where calls are nested deeper than JavaScript's stack.
 *
 *   a.b + f(c)    a.b ─► temporary    f(c) ─► asked for ─► temporary    then the closure of: temporary + temporary
 *
 * Only what contains a call is walked; everything else runs as closures, also the operators around a call, on temporaries.
 *
 * Invariant: operands are evaluated in the same order as by the closures alone, and errors name the same values.
 */
import { isReadLate, type Compilation } from "./compilation.ts";
import { Iteration, loopNumbers } from "./compile-loops.ts";
import {
  BREAK,
  CallRequest,
  Cell,
  Closure,
  Native,
  YieldRequest,
  type Evaluate,
  type Execute,
  type Frame,
  type Site,
  type Steps,
} from "./functions.ts";
import { callsIn, callsInStatement, operandsOf } from "./nesting.ts";
import { index, truth } from "./operations.ts";
import { withOperands } from "./rewriting.ts";
import {
  isMultiple,
  type Block,
  type Call,
  type Expression,
  type GenericFor,
  type If,
  type Index,
  type MethodCall,
  type NumericFor,
  type Statement,
  type Target,
} from "./syntax.ts";
import { first, listOf, ONE_NIL, type LuaValue, type Results } from "./values.ts";

/** Operands to evaluate into slots, one after the other, and the closure that takes them from there. */
interface Spilled<T> {
  operands: { slot: number; node: Expression; multiple: boolean }[];
  run: T;
}

/** Operators that read a variable in place, after their other operand is evaluated. */
const READ_LATE = new Set<Expression["kind"]>(["index", "arithmetic", "comparison"]);

export class Walker {
  readonly #c: Compilation;
  /** Temporaries lie behind the slots of variables. */
  #slots: number;
  readonly #calls = new Map<object, boolean>();
  readonly #values = new Map<Expression, Evaluate>();
  readonly #statements = new Map<Statement, Execute>();
  readonly #spilledValues = new Map<Expression, Spilled<Evaluate>>();
  readonly #spilledStatements = new Map<Statement, Spilled<Execute>>();

  constructor(compilation: Compilation, slots: number) {
    this.#c = compilation;
    this.#slots = slots;
  }

  *block(block: Block, frame: Frame): Steps<Results | undefined> {
    for (const statement of block) {
      const result = this.#statementCalls(statement)
        ? yield* this.#statement(statement, frame)
        : this.#closure(statement)(frame);
      if (result !== undefined) return result;
    }
    return undefined;
  }

  *#statement(node: Statement, frame: Frame): Steps<Results | undefined> {
    switch (node.kind) {
      case "local":
      case "assign":
      case "local function":
      case "break": {
        const spilled = this.#spilledStatement(node);
        yield* this.#evaluate(spilled.operands, frame);
        return spilled.run(frame);
      }
      case "call statement":
        yield* this.#call(node.call, frame, false);
        return undefined;
      case "do":
        return yield* this.block(node.body, frame);
      case "while":
        while (truth(yield* this.#value(node.condition, frame))) {
          const result = yield* this.#turn(node.body, frame);
          if (result !== undefined) return result === BREAK ? undefined : result;
        }
        return undefined;
      case "repeat":
        do {
          const result = yield* this.#turn(node.body, frame);
          if (result !== undefined) return result === BREAK ? undefined : result;
        } while (!truth(yield* this.#value(node.condition, frame)));
        return undefined;
      case "if":
        return yield* this.#if(node, frame);
      case "numeric for":
        return yield* this.#numericFor(node, frame);
      case "generic for":
        return yield* this.#genericFor(node, frame);
      case "return":
        return yield* this.#return(node.values, frame);
      default:
        return node satisfies never;
    }
  }

  *#turn(body: Block, frame: Frame): Steps<Results | undefined> {
    this.#c.runtime.work(1);
    return yield* this.block(body, frame);
  }

  *#if(node: If, frame: Frame): Steps<Results | undefined> {
    for (const { condition, body } of node.clauses) {
      if (truth(yield* this.#value(condition, frame))) return yield* this.block(body, frame);
    }
    return node.otherwise === null ? undefined : yield* this.block(node.otherwise, frame);
  }

  *#numericFor(node: NumericFor, frame: Frame): Steps<Results | undefined> {
    const start = yield* this.#value(node.start, frame);
    const limit = yield* this.#value(node.limit, frame);
    const step = node.step === null ? 1 : yield* this.#value(node.step, frame);
    const { slot, captured } = node.variable;
    const [from, to, by] = loopNumbers(this.#c.runtime, node, start, limit, step);
    for (let at = from - by + by; by > 0 ? at <= to : to <= at; at += by) {
      frame[slot] = captured ? new Cell(at) : at;
      const result = yield* this.#turn(node.body, frame);
      if (result !== undefined) return result === BREAK ? undefined : result;
    }
    return undefined;
  }

  *#genericFor(node: GenericFor, frame: Frame): Steps<Results | undefined> {
    const [generator, state, control] = yield* this.#list(node.values, frame);
    frame[node.stateSlot] = state;
    const turns = new Iteration(this.#c.runtime, node).start(generator, state, control);
    while (turns.next(frame)) {
      const result = yield* this.#turn(node.body, frame);
      if (result !== undefined) return result === BREAK ? undefined : result;
    }
    return undefined;
  }

  *#return(values: readonly Expression[], frame: Frame): Steps<Results> {
    const [only] = values;
    if (values.length !== 1 || only === undefined) return yield* this.#list(values, frame);
    const results =
      only.kind === "call" || only.kind === "method"
        ? yield* this.#call(only, frame, true)
        : yield* this.#value(only, frame);
    return results === undefined ? ONE_NIL : results;
  }

  *#value(node: Expression, frame: Frame): Steps<LuaValue> {
    if (!this.#expressionCalls(node)) return this.#plain(node)(frame);
    switch (node.kind) {
      case "call":
      case "method":
        return first(yield* this.#call(node, frame, false));
      case "parentheses":
        return yield* this.#value(node.inner, frame);
      case "and": {
        const left = yield* this.#value(node.left, frame);
        return truth(left) ? yield* this.#value(node.right, frame) : left;
      }
      case "or": {
        const left = yield* this.#value(node.left, frame);
        return truth(left) ? left : yield* this.#value(node.right, frame);
      }
      default: {
        const spilled = this.#spilledValue(node);
        yield* this.#evaluate(spilled.operands, frame);
        return spilled.run(frame);
      }
    }
  }

  *#all(node: Expression, frame: Frame): Steps<Results> {
    return node.kind === "call" || node.kind === "method"
      ? yield* this.#call(node, frame, false)
      : this.#c.all(node)(frame);
  }

  *#list(nodes: readonly Expression[], frame: Frame): Steps<LuaValue[]> {
    const list: LuaValue[] = [];
    const last = nodes.at(-1);
    for (const node of nodes) {
      if (node === last && isMultiple(node)) list.push(...listOf(yield* this.#all(node, frame)));
      else list.push(yield* this.#value(node, frame));
    }
    return list;
  }

  *#call(node: Call | MethodCall, frame: Frame, tail: boolean): Steps<Results> {
    const { runtime } = this.#c;
    let callee: LuaValue;
    let args: LuaValue[];
    let site: Site;
    if (node.kind === "call") {
      site = { line: node.line, callee: node.callee, tail };
      callee = yield* this.#value(node.callee, frame);
      args = yield* this.#list(node.args, frame);
    } else {
      site = { line: node.line, method: node.name, tail };
      const self = yield* this.#value(node.object, frame);
      callee = index(runtime, self, node.name, { line: node.nameLine }, node.object);
      args = yield* this.#list(node.args, frame);
      args.unshift(self);
    }
    runtime.sites[runtime.depth] = site;
    while (!(callee instanceof Closure || callee instanceof Native)) {
      args.unshift(callee);
      callee = runtime.callHandlerOf(callee, site);
    }
    if (callee instanceof Closure) return yield new CallRequest(callee, args, tail);
    if (callee === runtime.yield) return yield new YieldRequest(args);
    return runtime.runNative(callee, args);
  }

  *#evaluate(operands: Spilled<unknown>["operands"], frame: Frame): Steps<void> {
    for (const { slot, node, multiple } of operands) {
      frame[slot] = multiple ? yield* this.#all(node, frame) : yield* this.#value(node, frame);
    }
  }

  #spilledValue(node: Expression): Spilled<Evaluate> {
    let spilled = this.#spilledValues.get(node);
    if (spilled === undefined) {
      const nodes = operandsOf(node);
      const operands: Spilled<Evaluate>["operands"] = [];
      const readsLate = READ_LATE.has(node.kind);
      const open = node.kind === "table" && node.items.at(-1)?.key === null;
      const replaced = nodes.map((operand, at) =>
        this.#temporary(operand, operands, open && at === nodes.length - 1, readsLate),
      );
      spilled = { operands, run: this.#c.value(withOperands(node, replaced)) };
      this.#spilledValues.set(node, spilled);
    }
    return spilled;
  }

  #spilledStatement(node: Statement): Spilled<Execute> {
    let spilled = this.#spilledStatements.get(node);
    if (spilled === undefined) {
      const operands: Spilled<Execute>["operands"] = [];
      spilled = { operands, run: this.#c.block([this.#rewritten(node, operands)]) };
      this.#spilledStatements.set(node, spilled);
    }
    return spilled;
  }

  #rewritten(node: Statement, operands: Spilled<Execute>["operands"]): Statement {
    if (node.kind === "local") return { ...node, values: this.#temporaries(node.values, operands) };
    if (node.kind !== "assign") return node;
    const targets = node.targets.map((target): Target => {
      if (target.kind !== "index") return target;
      const object = this.#temporary(target.object, operands, false, true);
      return {
        ...target,
        object,
        key: this.#temporary(target.key, operands, false, true),
      } satisfies Index;
    });
    return { ...node, targets, values: this.#temporaries(node.values, operands) };
  }

  #temporaries(values: Expression[], operands: Spilled<Execute>["operands"]): Expression[] {
    return values.map((value, at) =>
      this.#temporary(value, operands, at === values.length - 1, false),
    );
  }

  /** A temporary in place of what a call could change before it is used. */
  #temporary(
    node: Expression,
    operands: Spilled<unknown>["operands"],
    last: boolean,
    readsLate: boolean,
  ): Expression {
    switch (node.kind) {
      case "nil":
      case "true":
      case "false":
      case "number":
      case "string":
      case "function":
        return node;
      case "local":
        if (!isReadLate(node) || readsLate) return node;
        break;
      default:
    }
    const multiple = last && isMultiple(node);
    const slot = this.#slots++;
    operands.push({ slot, node, multiple });
    return { kind: "temporary", slot, multiple, of: node };
  }

  #plain(node: Expression): Evaluate {
    return remembered(this.#values, node, () => this.#c.value(node));
  }

  #closure(node: Statement): Execute {
    return remembered(this.#statements, node, () => this.#c.block([node]));
  }

  #expressionCalls(node: Expression): boolean {
    return remembered(this.#calls, node, () => callsIn(node));
  }

  #statementCalls(node: Statement): boolean {
    return remembered(this.#calls, node, () => callsInStatement(node));
  }
}

function remembered<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
