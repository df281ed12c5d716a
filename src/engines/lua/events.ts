/**
 * Events: what a metatable is asked for.
 *
 * Invariant: an event is looked up raw, by the hash of its name, which is computed once.
 */
import { hashString } from "./hashes.ts";
import type { LuaTable } from "./table.ts";
import type { LuaValue } from "./values.ts";

export interface Event {
  readonly name: string;
  readonly hash: number;
}

export const INDEX = event("__index");
export const NEW_INDEX = event("__newindex");
export const CALL = event("__call");
export const CONCAT = event("__concat");
export const NEGATE = event("__unm");
export const EQUAL = event("__eq");
export const LESS = event("__lt");
export const LESS_EQUAL = event("__le");
export const METATABLE = event("__metatable");
export const TO_STRING = event("__tostring");
export const ARITHMETIC = {
  "+": event("__add"),
  "-": event("__sub"),
  "*": event("__mul"),
  "/": event("__div"),
  "%": event("__mod"),
  "^": event("__pow"),
} as const;

export function handlerIn(metatable: LuaTable | undefined, { name, hash }: Event): LuaValue {
  return metatable === undefined ? undefined : metatable.getField(name, hash);
}

function event(name: string): Event {
  return { name, hash: hashString(name) };
}
