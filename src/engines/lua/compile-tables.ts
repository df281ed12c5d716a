/**
 * Table constructors as closures.
 *
 * Invariant: fields are stored as they come, elements in batches, and the table is made with the sizes that Lua 5.1 gives it:
 * the order of its keys depends on them.
 */
import type { Compilation } from "./compilation.ts";
import type { Evaluate, Frame } from "./functions.ts";
import { hashString } from "./hashes.ts";
import { refusalToSet } from "./operations.ts";
import { isMultiple, type TableConstructor } from "./syntax.ts";
import { LuaTable } from "./table.ts";
import { listOf, type LuaValue } from "./values.ts";

/** Elements of a constructor are stored in batches of that many. */
const ELEMENTS_PER_BATCH = 50;

type Item = (frame: Frame, table: LuaTable, pending: LuaValue[]) => void;

export function compileTable(c: Compilation, node: TableConstructor): Evaluate {
  const { runtime } = c;
  const { heap } = runtime;
  if (node.items.length === 0) return () => new LuaTable(heap);
  const last = node.items.at(-1);
  const open = last?.key === null && isMultiple(last.value);
  const elements = sizeHint(open ? node.elements - 1 : node.elements);
  const fields = sizeHint(node.fields);
  if (node.fields === 0 && !open) {
    // Nothing stands between the elements, so they need not wait for one another.
    const values = node.items.map(({ value }) => c.value(value));
    return (frame) => {
      const table = new LuaTable(heap, elements);
      for (let i = 0; i < values.length; i++) table.set(i + 1, (values[i] as Evaluate)(frame));
      return table;
    };
  }
  const items = node.items.map((item) => compileItem(c, item, open && item === last));
  return (frame) => {
    const table = new LuaTable(heap, elements, fields);
    const pending: LuaValue[] = [];
    let stored = 0;
    for (const item of items) {
      if (pending.length === ELEMENTS_PER_BATCH) {
        store(table, stored, pending);
        stored += ELEMENTS_PER_BATCH;
        pending.length = 0;
      }
      item(frame, table, pending);
    }
    if (pending.length > 0) store(table, stored, pending);
    return table;
  };
}

function compileItem(c: Compilation, item: TableConstructor["items"][number], open: boolean): Item {
  const { runtime } = c;
  if (item.key === null) {
    if (open) {
      const all = c.all(item.value);
      return (frame, _, pending) => {
        for (const value of listOf(all(frame))) pending.push(value);
      };
    }
    const value = c.value(item.value);
    return (frame, _, pending) => void pending.push(value(frame));
  }
  const key = c.value(item.key);
  const value = c.value(item.value);
  if (item.key.kind === "string") {
    const name = item.key.value;
    const hash = hashString(name);
    return (frame, table) => table.setField(name, hash, value(frame));
  }
  return (frame, table) => {
    const at = key(frame);
    const set = value(frame);
    const refusal = refusalToSet(table, at);
    if (refusal !== undefined) {
      runtime.sites[runtime.depth] = item;
      throw runtime.error(refusal);
    }
    table.set(at, set);
  };
}

function store(table: LuaTable, stored: number, pending: readonly LuaValue[]): void {
  table.reserve(stored + pending.length);
  for (let at = pending.length; at > 0; at--) table.set(stored + at, pending[at - 1]);
}

/** Lua's instruction has a byte for a size: above 15 it is rounded up to three significant bits. */
function sizeHint(size: number): number {
  let [mantissa, exponent] = [size, 0];
  while (mantissa >= 16) {
    mantissa = (mantissa + 1) >> 1;
    exponent++;
  }
  return mantissa * 2 ** exponent;
}
