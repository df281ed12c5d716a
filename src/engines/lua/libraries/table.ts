/**
 * The table library.
 *
 * Invariant: elements are read and written raw, in the order of Lua 5.1, which comparison functions and holes make visible.
 */
import { functionArgument, intArgument, tableArgument, textArgument } from "../arguments.ts";
import { STRING_BYTES } from "../heap.ts";
import { lessThan, toText, truth } from "../operations.ts";
import type { Runtime } from "../runtime.ts";
import type { LuaTable } from "../table.ts";
import { first, NO_VALUES, typeName, type LuaValue, type Results } from "../values.ts";
import { setRaw } from "./base.ts";
import { register } from "./register.ts";

export function openTable(runtime: Runtime): void {
  const table = (args: LuaValue[]) => tableArgument(runtime, args, 1);
  register(runtime, "table", {
    concat: (args) => concat(runtime, args),
    foreach: (args) => {
      const each = table(args);
      const call = functionArgument(runtime, args, 2);
      let key: LuaValue;
      for (;;) {
        const position = each.positionAfter(key);
        if (position < 0) return NO_VALUES;
        key = each.keyAt(position);
        const result = first(runtime.call(call, [key, each.valueAt(position)]));
        if (result !== undefined) return result;
      }
    },
    foreachi: (args) => {
      const each = table(args);
      const length = each.length;
      const call = functionArgument(runtime, args, 2);
      for (let at = 1; at <= length; at++) {
        const result = first(runtime.call(call, [at, each.get(at)]));
        if (result !== undefined) return result;
      }
      return NO_VALUES;
    },
    getn: (args) => table(args).length,
    maxn: (args) => {
      runtime.heap.handle(table(args).bytes);
      return maxn(table(args));
    },
    insert: (args) => insert(runtime, args),
    remove: (args) => remove(runtime, args),
    setn: (args) => {
      table(args);
      throw runtime.error("'setn' is obsolete");
    },
    sort: (args) => {
      const sorted = table(args);
      const length = sorted.length;
      if (args[1] !== undefined) functionArgument(runtime, args, 2);
      new Sort(runtime, sorted, args[1]).range(1, length);
      return NO_VALUES;
    },
  });
}

function concat(runtime: Runtime, args: LuaValue[]): Results {
  const separator = args[1] === undefined ? "" : textArgument(runtime, args, 2);
  const table = tableArgument(runtime, args, 1);
  const from = intArgument(runtime, args, 3, 1);
  const to = args[3] === undefined ? table.length : intArgument(runtime, args, 4);
  const parts: string[] = [];
  for (let at = from; at <= to; at++) {
    const value = table.get(at);
    const text = toText(value);
    if (text === undefined) {
      throw runtime.error(
        `invalid value (${typeName(value)}) at index ${at} in table for 'concat'`,
      );
    }
    runtime.work(1);
    runtime.heap.charge(STRING_BYTES + text.length + separator.length);
    parts.push(text);
  }
  return parts.join(separator);
}

function maxn(table: LuaTable): number {
  let most = 0;
  for (let at = table.occupied(0); at >= 0; at = table.occupied(at + 1)) {
    const key = table.keyAt(at);
    if (typeof key === "number" && key > most) most = key;
  }
  return most;
}

function insert(runtime: Runtime, args: LuaValue[]): Results {
  const table = tableArgument(runtime, args, 1);
  let end = table.length + 1;
  if (args.length === 2) {
    setRaw(table, end, args[1]);
    return NO_VALUES;
  }
  if (args.length !== 3) throw runtime.error("wrong number of arguments to 'insert'");
  const position = intArgument(runtime, args, 2);
  if (position > end) end = position;
  runtime.work(end - position);
  for (let at = end; at > position; at--) setRaw(table, at, table.get(at - 1));
  setRaw(table, position, args[2]);
  return NO_VALUES;
}

function remove(runtime: Runtime, args: LuaValue[]): Results {
  const table = tableArgument(runtime, args, 1);
  const end = table.length;
  const position = intArgument(runtime, args, 2, end);
  if (position < 1 || position > end) return NO_VALUES;
  const removed = table.get(position);
  runtime.work(end - position);
  for (let at = position; at < end; at++) setRaw(table, at, table.get(at + 1));
  setRaw(table, end, undefined);
  return removed;
}

/** Quicksort, comparison for comparison as in Lua 5.1: an order function that contradicts itself shows which are made. */
class Sort {
  readonly #runtime: Runtime;
  readonly #table: LuaTable;
  readonly #order: LuaValue;

  constructor(runtime: Runtime, table: LuaTable, order: LuaValue) {
    this.#runtime = runtime;
    this.#table = table;
    this.#order = order;
  }

  range(from: number, to: number): void {
    const table = this.#table;
    let [low, high] = [from, to];
    while (low < high) {
      this.#runtime.work(1);
      this.#order2(low, high);
      if (high - low === 1) break;
      let i = Math.floor((low + high) / 2);
      if (this.#less(table.get(i), table.get(low))) this.#swap(i, low);
      else this.#order2(i, high);
      if (high - low === 2) break;
      const pivot = table.get(i);
      this.#swap(i, high - 1);
      i = this.#partition(low, high, pivot);
      this.#swap(high - 1, i);
      if (i - low < high - i) {
        this.range(low, i - 1);
        low = i + 1;
      } else {
        this.range(i + 1, high);
        high = i - 1;
      }
    }
  }

  #partition(low: number, high: number, pivot: LuaValue): number {
    const table = this.#table;
    let i = low;
    let j = high - 1;
    for (;;) {
      while (this.#less(table.get(++i), pivot)) {
        if (i > high) throw this.#runtime.error("invalid order function for sorting");
      }
      while (this.#less(pivot, table.get(--j))) {
        if (j < low) throw this.#runtime.error("invalid order function for sorting");
      }
      if (j < i) return i;
      this.#swap(i, j);
    }
  }

  /** Swaps two elements when the second is less. */
  #order2(a: number, b: number): void {
    if (this.#less(this.#table.get(b), this.#table.get(a))) this.#swap(a, b);
  }

  #swap(a: number, b: number): void {
    const table = this.#table;
    const [one, other] = [table.get(a), table.get(b)];
    setRaw(table, a, other);
    setRaw(table, b, one);
  }

  #less(a: LuaValue, b: LuaValue): boolean {
    this.#runtime.work(1);
    return this.#order === undefined
      ? lessThan(this.#runtime, a, b, null)
      : truth(first(this.#runtime.call(this.#order, [a, b])));
  }
}
