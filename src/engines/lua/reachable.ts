/**
 * Reachable: how many bytes the values take that can be reached from some roots.
 *
 * Invariant: each object counts once. A string counts wherever it is held, which is more than it takes when it is shared.
 */
import { Cell, Closure } from "./functions.ts";
import { CLOSURE_BYTES, STRING_BYTES } from "./heap.ts";
import { LuaTable } from "./table.ts";
import { LuaObject } from "./values.ts";

/** An object of another kind that holds values. */
export interface Holder {
  held(): Iterable<unknown>;
}

export function reachableBytes(roots: Iterable<unknown>): number {
  const seen = new Set<unknown>();
  const waiting: unknown[] = [...roots];
  let bytes = 0;
  while (waiting.length > 0) {
    const value = waiting.pop();
    if (typeof value === "string") bytes += STRING_BYTES + value.length;
    if (typeof value !== "object" || value === null || seen.has(value)) continue;
    seen.add(value);
    if (Array.isArray(value)) {
      for (const item of value) waiting.push(item);
    } else if (value instanceof Cell) {
      waiting.push(value.value);
    } else if (value instanceof LuaTable) {
      bytes += value.bytes;
      waiting.push(value.metatable);
      for (let at = value.occupied(0); at >= 0; at = value.occupied(at + 1)) {
        waiting.push(value.keyAt(at), value.valueAt(at));
      }
    } else if (value instanceof Closure) {
      bytes += CLOSURE_BYTES;
      for (const cell of value.upvalues) waiting.push(cell);
    } else if (value instanceof LuaObject) {
      bytes += CLOSURE_BYTES;
      if ("held" in value) waiting.push(...(value as LuaObject & Holder).held());
    }
  }
  return bytes;
}
