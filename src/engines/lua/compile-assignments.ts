/**
 * Assignments as closures.
 *
 *   a[i], b = x, f()      objects and keys ─► values ─► stores, from the right
 *
 * Invariant: nothing is stored before everything is evaluated.
 */
import { isReadLate, type Compilation } from "./compilation.ts";
import { Cell, Closure, type Evaluate, type Execute, type Frame } from "./functions.ts";
import { hashString } from "./hashes.ts";
import { setIndex } from "./operations.ts";
import type { Expression, GlobalName, Index, Target, Variable } from "./syntax.ts";
import { LuaTable } from "./table.ts";
import type { LuaValue } from "./values.ts";

type Store = (frame: Frame, value: LuaValue) => void;

export function compileLocal(
  c: Compilation,
  variables: readonly Variable[],
  values: readonly Expression[],
): Execute {
  const [variable] = variables;
  const [value] = values;
  if (variable !== undefined && variables.length === 1 && values.length <= 1) {
    const evaluate: Evaluate = value === undefined ? () => undefined : c.value(value);
    const { slot, captured } = variable;
    return captured
      ? (frame) => {
          frame[slot] = new Cell(evaluate(frame));
          return undefined;
        }
      : (frame) => {
          frame[slot] = evaluate(frame);
          return undefined;
        };
  }
  const list = c.list(values);
  return (frame) => {
    const evaluated = list(frame);
    for (let at = 0; at < variables.length; at++) {
      const { slot, captured } = variables[at] as Variable;
      frame[slot] = captured ? new Cell(evaluated[at]) : evaluated[at];
    }
    return undefined;
  };
}

export function compileAssignment(
  c: Compilation,
  targets: readonly Target[],
  values: readonly Expression[],
): Execute {
  const [target] = targets;
  const [value] = values;
  if (target !== undefined && value !== undefined && targets.length === 1 && values.length === 1) {
    return target.kind === "index"
      ? compileFieldAssignment(c, target, value)
      : compileVariableAssignment(c, target, value);
  }
  const places = targets.map((one) => compilePlace(c, one));
  const list = c.list(values);
  return (frame) => {
    const prepared = places.map(({ prepare }) => prepare(frame));
    const evaluated = list(frame);
    const stores = places.map(({ ready }, at) => ready(frame, prepared[at] as Operands));
    for (let at = stores.length - 1; at >= 0; at--) (stores[at] as Store)(frame, evaluated[at]);
    return undefined;
  };
}

function compileVariableAssignment(
  c: Compilation,
  target: Exclude<Target, Index>,
  node: Expression,
): Execute {
  const value = c.value(node);
  if (target.kind === "local" && !target.variable.captured) {
    const { slot } = target.variable;
    return (frame) => {
      frame[slot] = value(frame);
      return undefined;
    };
  }
  const store = compileStore(c, target);
  return (frame) => {
    store(frame, value(frame));
    return undefined;
  };
}

function compileFieldAssignment(c: Compilation, target: Index, node: Expression): Execute {
  const { runtime } = c;
  const object = c.value(target.object);
  const key = c.value(target.key);
  const value = c.value(node);
  const late = isReadLate(target.object) || isReadLate(target.key);
  if (target.key.kind === "string" && !late) {
    const name = target.key.value;
    const hash = hashString(name);
    return (frame) => {
      const table = object(frame);
      const set = value(frame);
      if (table instanceof LuaTable && table.metatable === undefined && !table.readonly) {
        table.setField(name, hash, set);
      } else {
        setIndex(runtime, table, name, set, target, target.object);
      }
      return undefined;
    };
  }
  return (frame) => {
    let table = object(frame);
    let at = key(frame);
    const set = value(frame);
    if (late) {
      if (isReadLate(target.object)) table = object(frame);
      if (isReadLate(target.key)) at = key(frame);
    }
    if (
      table instanceof LuaTable &&
      table.metatable === undefined &&
      !table.readonly &&
      (typeof at === "number" ? !Number.isNaN(at) : at !== undefined)
    ) {
      table.set(at, set);
    } else {
      setIndex(runtime, table, at, set, target, target.object);
    }
    return undefined;
  };
}

function compileStore(c: Compilation, target: Exclude<Target, Index>): Store {
  switch (target.kind) {
    case "local": {
      const { slot, captured } = target.variable;
      return captured
        ? (frame, value) => {
            (frame[slot] as Cell).value = value;
          }
        : (frame, value) => {
            frame[slot] = value;
          };
    }
    case "upvalue": {
      const at = target.index;
      return (frame, value) => {
        ((frame[0] as Closure).upvalues[at] as Cell).value = value;
      };
    }
    case "global":
      return compileGlobalStore(c, target);
    default:
      return target satisfies never;
  }
}

function compileGlobalStore({ runtime }: Compilation, target: GlobalName): Store {
  const { globals } = runtime;
  const { name } = target;
  const hash = hashString(name);
  return (_, value) => {
    if (globals.metatable === undefined && !globals.readonly) globals.setField(name, hash, value);
    else setIndex(runtime, globals, name, value, target);
  };
}

interface Operands {
  object: LuaValue;
  key: LuaValue;
}

/** One of several targets: what it needs is evaluated before the values, and read once more after them where Lua does. */
interface Place {
  readonly prepare: (frame: Frame) => Operands;
  readonly ready: (frame: Frame, operands: Operands) => Store;
}

function compilePlace(c: Compilation, target: Target): Place {
  if (target.kind !== "index") {
    const store = compileStore(c, target);
    return { prepare: () => NOTHING, ready: () => store };
  }
  const { runtime } = c;
  const object = c.value(target.object);
  const key = c.value(target.key);
  return {
    prepare: (frame) => ({ object: object(frame), key: key(frame) }),
    ready: (frame, operands) => {
      const table = isReadLate(target.object) ? object(frame) : operands.object;
      const at = isReadLate(target.key) ? key(frame) : operands.key;
      return (_, value) => setIndex(runtime, table, at, value, target, target.object);
    },
  };
}

const NOTHING: Operands = { object: undefined, key: undefined };
