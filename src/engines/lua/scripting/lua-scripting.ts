/**
 * LuaScripting: the engine of EVAL and FCALL: Lua as Redis offers it, behind the port that commands know.
 *
 *   one interpreter for scripts      globals: the libraries, `redis`, KEYS, ARGV
 *   one for functions of libraries   while one is loaded: `redis.register_function` and little else; later what scripts have
 *
 * Invariant: nothing that a script can reach outlives it: globals and all that hangs on them cannot be changed by it. Whatever a
 * script does, it ends when its host says that its time is over.
 */
import type {
  LibraryFunction,
  Outcome,
  Script,
  ScriptEngine,
  ScriptHost,
} from "../../../core/commands/script-engine.ts";
import type { Reply } from "../../../core/wire/reply.ts";
import { Interpreter, type Position } from "../engine.ts";
import { LuaError } from "../errors.ts";
import { Closure, Native } from "../functions.ts";
import { openBit } from "../libraries/bit.ts";
import { openCjson } from "../libraries/cjson.ts";
import { openCmsgpack } from "../libraries/cmsgpack.ts";
import { openStruct } from "../libraries/struct.ts";
import { toText } from "../operations.ts";
import { LuaTable } from "../table.ts";
import { first, LightUserdata, type LuaValue, typeName } from "../values.ts";
import { LibraryLoading } from "./library-loading.ts";
import { COUNTED_MARK } from "./from-reply.ts";
import { fill, fillCommon, openRedis, type Stage } from "./redis-table.ts";
import { lineOf, writeValue } from "./to-reply.ts";

/** What all values of one interpreter may take. */
const MEMORY_MAX_BYTES = 256 * 1024 * 1024;
/** Steps between two looks at the clock: some tenths of a millisecond. */
const STEPS_BETWEEN_CHECKS = 10_000;
const NO_MEMORY = "not enough memory";

/** Ends a run whose time is over; no `pcall` catches it. */
class TimeOver extends Error {}

/** An engine; `memoryBytes` bounds what scripts hold, and functions as much again. */
export function luaScripting(memoryBytes = MEMORY_MAX_BYTES): ScriptEngine {
  return new LuaScripting(memoryBytes);
}

class LuaScripting implements ScriptEngine {
  readonly name = "LUA";
  readonly #scripts: World;
  readonly #functions: World;
  readonly #loading: LibraryLoading;
  /** What functions find as globals, and what a library that is loaded does. */
  readonly #whole: LuaTable;
  readonly #loadable: LuaTable;
  readonly #around: LuaTable;

  constructor(memoryBytes: number) {
    this.#scripts = new World(memoryBytes);
    const { redis } = this.#scripts;
    fill(redis, {
      breakpoint: () => false,
      debug: () => [],
      replicate_commands: () => true,
    });
    this.#scripts.protect();
    this.#functions = new World(memoryBytes);
    const { runtime } = this.#functions;
    this.#loading = new LibraryLoading(runtime);
    this.#whole = this.#functions.moveGlobals();
    this.#loadable = this.#libraryGlobals();
    this.#around = runtime.newTable(0, 1);
    this.#around.set("__index", this.#whole);
    runtime.globals.metatable = this.#around;
    this.#around.readonly = true;
    runtime.globals.readonly = true;
  }

  #libraryGlobals(): LuaTable {
    const { runtime, stage } = this.#functions;
    const redis = runtime.newTable(0, 8);
    fill(redis, { register_function: this.#loading.register });
    fillCommon(redis, runtime, stage);
    const globals = runtime.newTable(0, 1);
    globals.set("redis", redis);
    this.#functions.refuseUnknown(redis);
    this.#functions.refuseUnknown(globals);
    protect(globals);
    return globals;
  }

  get bytes(): number {
    return this.#scripts.runtime.heap.bytes + this.#functions.runtime.heap.bytes;
  }

  compile(body: string): Script | string {
    const world = this.#scripts;
    const compiled = world.interpreter.compile(body, "@user_script");
    if (compiled instanceof LuaError) return toText(compiled.value) ?? "";
    return {
      run: (host, keys, args, reply) => {
        const { globals } = world.runtime;
        globals.set("KEYS", world.list(keys));
        globals.set("ARGV", world.list(args));
        return world.run(host, compiled, [], reply);
      },
    };
  }

  load(code: string, host: ScriptHost): readonly LibraryFunction[] | string {
    const world = this.#functions;
    const compiled = world.interpreter.compile(code, "@user_function");
    if (compiled instanceof LuaError)
      return `Error compiling function: ${toText(compiled.value) ?? ""}`;
    this.#loading.registered = new Map();
    this.#around.set("__index", this.#loadable);
    const wrong = world.tryToLoad(host, compiled);
    this.#around.set("__index", this.#whole);
    const { registered } = this.#loading;
    this.#loading.registered = null;
    if (wrong !== null) return `Error registering functions: ${wrong}`;
    return [...registered.values()].map(({ name, description, flags, callback }) => ({
      name,
      description,
      flags,
      script: {
        run: (caller, keys, args, reply) =>
          world.run(caller, callback, [world.list(keys), world.list(args)], reply),
      },
    }));
  }
}

/** An interpreter with the libraries of Redis, and who uses it now. */
class World {
  readonly interpreter: Interpreter;
  readonly redis: LuaTable;
  readonly stage: Stage = { host: null };
  readonly #unknown: Native;
  #deadline: ScriptHost | null = null;

  constructor(memoryBytes: number) {
    this.interpreter = new Interpreter({
      memoryBytes,
      stepsBetweenChecks: STEPS_BETWEEN_CHECKS,
      onSteps: () => {
        if (this.#deadline?.isOver() === true) throw new TimeOver();
      },
    });
    const { runtime, globals } = this.interpreter;
    const nothing = new LightUserdata();
    globals.set("cjson", openCjson(runtime, nothing));
    globals.set("cmsgpack", openCmsgpack(runtime));
    globals.set("struct", openStruct(runtime));
    globals.set("bit", openBit(runtime));
    globals.set("pcall", textOnly(globals.get("pcall") as Native));
    this.redis = openRedis(runtime, this.stage);
    globals.set("redis", this.redis);
    this.#unknown = new Native("__index", ([, name]) => {
      throw runtime.error(
        `Script attempted to access nonexistent global variable '${toText(name) ?? ""}'`,
      );
    });
  }

  get runtime(): Interpreter["runtime"] {
    return this.interpreter.runtime;
  }

  list(texts: readonly string[]): LuaTable {
    const table = this.runtime.newTable(texts.length);
    for (let i = 0; i < texts.length; i++) table.set(i + 1, texts[i]);
    return table;
  }

  /** Makes reading what is not in a table an error. */
  refuseUnknown(table: LuaTable): void {
    const around = this.runtime.newTable(0, 1);
    around.set("__index", this.#unknown);
    table.metatable = around;
  }

  /** Nothing that scripts can reach changes any more. */
  protect(): void {
    this.refuseUnknown(this.runtime.globals);
    protect(this.runtime.globals);
  }

  /** Moves what the globals hold into a table of its own, which nothing changes any more. */
  moveGlobals(): LuaTable {
    const { globals } = this.runtime;
    const moved = this.runtime.newTable();
    const names: LuaValue[] = [];
    for (let at = globals.occupied(0); at >= 0; at = globals.occupied(at + 1)) {
      names.push(globals.keyAt(at));
      moved.set(globals.keyAt(at), globals.valueAt(at));
    }
    for (const name of names) globals.set(name, undefined);
    moved.set("_G", moved);
    this.refuseUnknown(moved);
    protect(moved);
    return moved;
  }

  run(host: ScriptHost, callee: LuaValue, args: LuaValue[], reply: Reply): Outcome {
    this.stage.host = host;
    try {
      const value = first(this.#call(host, callee, args));
      host.errorCounted = isCounted(value);
      writeValue(value, host.resp, reply);
    } catch (error) {
      if (error instanceof TimeOver) return "out of time";
      const { value } = asLuaError(error);
      if (value === NO_MEMORY) return "out of memory";
      host.errorCounted = isCounted(value);
      reply.error(lineOf(failure(value, host.name)));
    } finally {
      this.stage.host = null;
    }
    return "replied";
  }

  /** Runs the code of a library; returns what went wrong, or null. */
  tryToLoad(host: ScriptHost, code: Closure): string | null {
    try {
      this.#deadline = host;
      this.interpreter.call(code, []);
      return null;
    } catch (error) {
      if (error instanceof TimeOver) return "ERR FUNCTION LOAD timeout";
      const { value } = asLuaError(error);
      return value instanceof LuaTable
        ? (toText(value.get("err")) ?? "")
        : `ERR ${toText(value) ?? typeName(value)}`;
    } finally {
      this.#deadline = null;
    }
  }

  #call(host: ScriptHost, callee: LuaValue, args: LuaValue[]): readonly LuaValue[] {
    this.#deadline = host;
    try {
      return this.interpreter.call(callee, args, (error, at) => this.#placed(error, at));
    } finally {
      this.#deadline = null;
    }
  }

  /** An error as a table that says where it was raised. */
  #placed(error: LuaError, at: Position | undefined): LuaError {
    const { value } = error;
    if (value === NO_MEMORY) return error;
    const table = value instanceof LuaTable ? value : this.runtime.newTable(0, 4);
    if (table !== value) table.set("err", `ERR ${describe(value)}`);
    if (at !== undefined) {
      table.set("source", at.chunkName);
      table.set("line", at.line);
    }
    return new LuaError(table);
  }
}

/** Whether a value is the error of a command. */
function isCounted(value: LuaValue): boolean {
  return (
    value instanceof LuaTable &&
    typeof value.get("err") === "string" &&
    value.get(COUNTED_MARK) === true
  );
}

/** As `tostring` shows a value that has no way of its own to be shown. */
function describe(value: LuaValue): string {
  if (value === undefined) return "nil";
  return typeof value === "boolean" ? String(value) : (toText(value) ?? typeName(value));
}

/** What the client reads of an error that nobody caught. */
function failure(value: LuaValue, name: string): string {
  if (!(value instanceof LuaTable)) return `ERR ${describe(value)}`;
  const text = toText(value.get("err")) ?? "ERR unknown error";
  const source = toText(value.get("source"));
  const line = toText(value.get("line"));
  if (source === undefined || line === undefined) return text;
  return `${text} script: ${name}, on ${source}:${line}.`;
}

/** JavaScript's own limit of nesting is met where natives call themselves. */
function asLuaError(error: unknown): LuaError {
  if (error instanceof LuaError) return error;
  if (error instanceof RangeError) return new LuaError("stack overflow");
  throw error;
}

/** `pcall` as scripts from before Redis 7 know it: an error that is a table is handed out as its text. */
function textOnly(pcall: Native): Native {
  return new Native("pcall", (args) => {
    const results = pcall.run(args);
    if (!Array.isArray(results) || results[0] !== false) return results;
    const [, error] = results as LuaValue[];
    const text = error instanceof LuaTable ? toText(error.get("err")) : undefined;
    return text === undefined ? results : [false, text];
  });
}

/** Makes a table, and all that can be reached from it, one that scripts cannot change. */
function protect(table: LuaTable): void {
  if (table.readonly) return;
  table.readonly = true;
  for (let at = table.occupied(0); at >= 0; at = table.occupied(at + 1)) {
    const value = table.valueAt(at);
    if (value instanceof LuaTable) protect(value);
  }
  if (table.metatable !== undefined) protect(table.metatable);
}
