/**
 * Register: a library as a global table of natives.
 *
 * Invariant: the functions come in the order in which they are given, which scripts can see.
 */
import { Native } from "../functions.ts";
import type { Runtime } from "../runtime.ts";
import type { LuaTable } from "../table.ts";

export function register(
  runtime: Runtime,
  name: string,
  functions: Record<string, Native["run"]>,
): LuaTable {
  const entries = Object.entries(functions);
  const library = runtime.newTable(0, entries.length);
  for (const [key, run] of entries) library.set(key, new Native(key, run));
  runtime.globals.set(name, library);
  return library;
}
