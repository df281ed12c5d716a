/**
 * RedisTable: `redis`, by which a script calls commands, answers and logs.
 *
 * Invariant: what it offers is what Redis 7.0 offers, under the same names, with the same errors. What only a Redis that sends
 * commands to replicas can do (`set_repl`) is taken and changes nothing: here effects are replicated, always all of them.
 */
import { sha1Hex } from "../../../core/bytes/sha1.ts";
import { REDIS_VERSION } from "../../../core/commands/redis-version.ts";
import type { ScriptHost } from "../../../core/commands/script-engine.ts";
import { LuaError } from "../errors.ts";
import { Native } from "../functions.ts";
import { formatGeneral } from "../numbers.ts";
import { toNumber, toText } from "../operations.ts";
import type { Runtime } from "../runtime.ts";
import { LuaTable } from "../table.ts";
import type { LuaValue, Results } from "../values.ts";
import { NO_VALUES } from "../values.ts";
import { errorTable, FromReply, single } from "./from-reply.ts";

const REDIS_VERSION_NUM = 0x7000f;
const LEVELS = ["LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING"] as const;
const REPLICATION = { REPL_NONE: 0, REPL_AOF: 1, REPL_SLAVE: 2, REPL_REPLICA: 2, REPL_ALL: 3 };

type Run = (args: LuaValue[]) => Results;

/** Who runs a script now; null while none runs. */
export interface Stage {
  host: ScriptHost | null;
}

/** Puts functions into a table. */
export function fill(table: LuaTable, functions: Readonly<Record<string, Run>>): void {
  for (const [name, run] of Object.entries(functions)) table.set(name, new Native(name, run));
}

/** Raises an error with its code, which `pcall` hands out as a table. */
export function raise(runtime: Runtime, text: string): LuaError {
  return new LuaError(errorTable(runtime, text));
}

/** What a library may use while it is loaded, and a script too. */
export function fillCommon(table: LuaTable, runtime: Runtime, stage: Stage): void {
  fill(table, { log: (args) => log(runtime, stage, args) });
  for (const [level, name] of LEVELS.entries()) table.set(name, level);
  table.set("REDIS_VERSION", REDIS_VERSION);
  table.set("REDIS_VERSION_NUM", REDIS_VERSION_NUM);
}

export function openRedis(runtime: Runtime, stage: Stage): LuaTable {
  const table = runtime.newTable(0, 32);
  const from = new FromReply(runtime);
  const running = (name: string): ScriptHost => {
    if (stage.host !== null) return stage.host;
    throw raise(runtime, `${name} can only be called inside a script invocation`);
  };
  const call = (args: LuaValue[]): LuaValue => {
    const host = running("redis.call/pcall");
    const words = wordsOf(args);
    if (typeof words === "string") return errorTable(runtime, words);
    const against = host.call(words);
    return against === null ? from.read(host.reply) : errorTable(runtime, against, true);
  };
  fill(table, {
    call: (args) => {
      const value = call(args);
      // Replies have their fields under a name of their own, so this is an error.
      if (value instanceof LuaTable && value.get("err") !== undefined) throw new LuaError(value);
      return value;
    },
    pcall: call,
    sha1hex: (args) => {
      if (args.length !== 1) throw raise(runtime, "wrong number of arguments");
      return sha1Hex(Buffer.from(toText(args[0]) ?? "", "latin1"));
    },
    status_reply: ([text, ...more]) => {
      if (typeof text !== "string" || more.length > 0)
        return errorTable(runtime, "wrong number or type of arguments");
      return single(runtime, "ok", text);
    },
    error_reply: ([text, ...more]) => {
      if (typeof text !== "string" || more.length > 0)
        return errorTable(runtime, "wrong number or type of arguments");
      return errorTable(runtime, text.startsWith("-") ? text : `-${text}`);
    },
    setresp: (args) => {
      const host = running("redis.setresp");
      if (args.length !== 1) throw raise(runtime, "redis.setresp() requires one argument.");
      const version = Math.trunc(toNumber(args[0]) ?? 0);
      if (version !== 2 && version !== 3) throw raise(runtime, "RESP version must be 2 or 3.");
      host.resp = version;
      return NO_VALUES;
    },
    set_repl: (args) => {
      running("redis.set_repl");
      if (args.length !== 1) throw raise(runtime, "redis.set_repl() requires two arguments.");
      if ((Math.trunc(toNumber(args[0]) ?? 0) & ~3) !== 0)
        throw raise(
          runtime,
          "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
        );
      return NO_VALUES;
    },
    acl_check_cmd: (args) => {
      const host = running("redis.acl_check_cmd");
      const words = wordsOf(args);
      if (typeof words === "string") throw raise(runtime, words);
      const may = host.mayRun(words);
      if (may !== null) return may;
      throw raise(runtime, "Invalid command passed to redis.acl_check_cmd()");
    },
  });
  fillCommon(table, runtime, stage);
  for (const [name, value] of Object.entries(REPLICATION)) table.set(name, value);
  return table;
}

/** The words of a command, which take the place of the arguments; a text says why they are none. */
function wordsOf(args: LuaValue[]): readonly string[] | string {
  if (args.length === 0) return "Please specify at least one argument for this redis lib call";
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    if (typeof arg === "number") args[i] = formatGeneral(arg, 17, false);
    else if (typeof arg !== "string")
      return "Lua redis lib command arguments must be strings or integers";
  }
  return args as string[];
}

function log(runtime: Runtime, { host }: Stage, args: readonly LuaValue[]): Results {
  if (args.length < 2) throw raise(runtime, "redis.log() requires two arguments or more.");
  const level = toNumber(args[0]);
  if (level === undefined) throw raise(runtime, "First argument must be a number (log level).");
  const whole = Math.trunc(level);
  if (!(whole >= 0 && whole < LEVELS.length)) throw raise(runtime, "Invalid debug level.");
  const texts = args.slice(1).map((arg) => toText(arg) ?? "");
  host?.log(whole, texts.join(" "));
  return NO_VALUES;
}
