/**
 * LibraryLoading: `redis.register_function`, by which the code of a library says what can be called.
 *
 * Invariant: a function is registered once or refused, and only while its library is loaded.
 */
import { SCRIPT_FLAGS } from "../../../core/commands/script-flags.ts";
import { toText } from "../operations.ts";
import type { Runtime } from "../runtime.ts";
import { LuaTable } from "../table.ts";
import { type LuaValue, NO_VALUES, type Results, typeName } from "../values.ts";
import { raise } from "./redis-table.ts";

/** What a library has registered. */
export interface Registered {
  readonly name: string;
  readonly description: string | null;
  readonly flags: readonly string[];
  readonly callback: LuaValue;
}

export class LibraryLoading {
  readonly #runtime: Runtime;
  /** By name; null while no library is loaded. */
  registered: Map<string, Registered> | null = null;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  readonly register = (args: LuaValue[]): Results => {
    const { registered } = this;
    if (registered === null)
      throw this.#wrong("redis.register_function can only be called on FUNCTION LOAD command");
    if (args.length < 1 || args.length > 2)
      throw this.#wrong("wrong number of arguments to redis.register_function");
    const read = args.length === 1 ? this.#named(args[0]) : this.#positional(args);
    if (!/^\w+$/.test(read.name))
      throw this.#wrong(
        "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long",
      );
    if (registered.has(read.name)) throw this.#wrong("Function already exists in the library");
    registered.set(read.name, read);
    return NO_VALUES;
  };

  #wrong(text: string): Error {
    return raise(this.#runtime, text);
  }

  #positional([given, callback]: readonly LuaValue[]): Registered {
    const name = toText(given);
    if (name === undefined)
      throw this.#wrong("first argument to redis.register_function must be a string");
    if (typeName(callback) !== "function")
      throw this.#wrong("second argument to redis.register_function must be a function");
    return { name, description: null, flags: [], callback };
  }

  #named(table: LuaValue): Registered {
    if (!(table instanceof LuaTable))
      throw this.#wrong(
        "calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).",
      );
    let name: string | undefined;
    let description: string | undefined;
    let callback: LuaValue = undefined;
    let flags: readonly string[] = [];
    for (let at = table.occupied(0); at >= 0; at = table.occupied(at + 1)) {
      const key = toText(table.keyAt(at))?.toLowerCase();
      const value = table.valueAt(at);
      switch (key) {
        case undefined:
          throw this.#wrong("named argument key given to redis.register_function is not a string");
        case "function_name":
          name = toText(value);
          if (name === undefined)
            throw this.#wrong(
              "function_name argument given to redis.register_function must be a string",
            );
          break;
        case "description":
          description = toText(value);
          if (description === undefined)
            throw this.#wrong(
              "description argument given to redis.register_function must be a string",
            );
          break;
        case "callback":
          if (typeName(value) !== "function")
            throw this.#wrong(
              "callback argument given to redis.register_function must be a function",
            );
          callback = value;
          break;
        case "flags":
          flags = this.#flags(value);
          break;
        default:
          throw this.#wrong("unknown argument given to redis.register_function");
      }
    }
    if (name === undefined)
      throw this.#wrong("redis.register_function must get a function name argument");
    if (callback === undefined)
      throw this.#wrong("redis.register_function must get a callback argument");
    return { name, description: description ?? null, flags, callback };
  }

  #flags(value: LuaValue): string[] {
    if (!(value instanceof LuaTable))
      throw this.#wrong(
        "flags argument to redis.register_function must be a table representing function flags",
      );
    const flags: string[] = [];
    for (let i = 1, flag = value.get(1); flag !== undefined; flag = value.get(++i)) {
      const name = toText(flag)?.toLowerCase();
      if (!SCRIPT_FLAGS.some((known) => known === name)) throw this.#wrong("unknown flag given");
      flags.push(name as string);
    }
    return flags;
  }
}
