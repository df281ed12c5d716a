/**
 * Values: what a Lua variable may hold.
 *
 *   nil       undefined            boolean   boolean          number    number, always a double
 *   string    string whose chars are bytes, 0 to 255: byte order is code unit order, its length is in bytes
 *   others    LuaObject: tables, functions, coroutines, light userdata; equal when they are the same object
 *
 * Invariant: a JavaScript array is never a Lua value. That is how several results, or none, are told from a single one.
 */
export type LuaValue = undefined | boolean | number | string | LuaObject;

/** What a function returns: one value as itself, none or several as an array that the receiver must not keep. */
export type Results = LuaValue | readonly LuaValue[];

export type TypeName =
  "nil" | "boolean" | "number" | "string" | "table" | "function" | "thread" | "userdata";

export abstract class LuaObject {
  abstract readonly type: TypeName;

  /** Where it stands among the objects that were used as keys; -1 until it is one. Real Lua takes the address. */
  keyHash = -1;

  /** What `tostring` prints as its address; 0 until it is asked for. */
  address = 0;
}

/** A pointer of the host, such as `cjson.null`. Without a name it prints as the null pointer. */
export class LightUserdata extends LuaObject {
  readonly type = "userdata";
}

export const NO_VALUES: readonly LuaValue[] = [];

/** What `return nil` returns inside of a function, where undefined means that nothing was returned yet. */
export const ONE_NIL: readonly LuaValue[] = [undefined];

export function first(results: Results): LuaValue {
  return Array.isArray(results) ? (results as readonly LuaValue[])[0] : (results as LuaValue);
}

export function listOf(results: Results): readonly LuaValue[] {
  return Array.isArray(results) ? (results as readonly LuaValue[]) : [results as LuaValue];
}

export function typeName(value: LuaValue): TypeName {
  switch (typeof value) {
    case "number":
      return "number";
    case "string":
      return "string";
    case "boolean":
      return "boolean";
    case "undefined":
      return "nil";
    default:
      return value.type;
  }
}
