/**
 * Engine: Lua 5.1 for scripts of clients, as Redis offers it.
 *
 *   source ─► Lexer ─► Parser ─► tree ─► Compiler ─► closures ─► run in frames
 *
 * It is an engine of its own: synchronous, without a clock, chance or a way to the world but the natives it is given. A script
 * can neither stop the process nor take more steps, memory or stack than it is allowed.
 *
 * Invariant: whatever a call ends with, a value, a LuaError or what a native or `onSteps` threw, the interpreter can be used
 * again.
 */
import { Compiler } from "./compiler.ts";
import { LuaError } from "./errors.ts";
import { Closure, Native } from "./functions.ts";
import { openBase } from "./libraries/base.ts";
import { openCoroutine } from "./libraries/coroutine.ts";
import { openMath, Random } from "./libraries/math.ts";
import { openString } from "./libraries/string.ts";
import { openTable } from "./libraries/table.ts";
import { runApart } from "./apart.ts";
import { parse } from "./parser.ts";
import { Runtime, type Limits } from "./runtime.ts";
import { LuaTable } from "./table.ts";
import { listOf, type LuaValue } from "./values.ts";

/** Where an error was raised. */
export interface Position {
  /** The name of the chunk as it was compiled. */
  chunkName: string;
  line: number;
}

export class Interpreter {
  /** What natives ask for: arguments, errors with positions, calls back, tables. */
  readonly runtime: Runtime;
  /** What `math.random` draws from; seed it before each script. */
  readonly random = new Random();

  constructor(limits: Limits) {
    this.runtime = new Runtime(limits);
    openBase(this.runtime, (source, chunkName) => this.compile(source, chunkName));
    openCoroutine(this.runtime);
    openTable(this.runtime);
    openString(this.runtime);
    openMath(this.runtime, this.random);
    this.runtime.runApart = (frame) => runApart(this.runtime, frame);
  }

  get globals(): LuaTable {
    return this.runtime.globals;
  }

  /**
   * The chunk as a function, or what is wrong with it. A name that begins with @ is a file's; one that begins with = is
   * shown as it is; any other is shown as the text of the chunk.
   */
  compile(source: string, chunkName: string): Closure | LuaError {
    try {
      if (source.startsWith("\x1b")) throw new LuaError("bytecode is not loaded");
      const definition = parse(source, chunkName, this.runtime.nativeCalls);
      return new Closure(new Compiler(this.runtime, chunkName).prototype(definition), []);
    } catch (error) {
      if (error instanceof LuaError) return error;
      throw error;
    }
  }

  /**
   * Calls a function from outside; from within a native it is `runtime.call`. Throws a LuaError; `onError` sees it where it
   * was raised, before the calls are released, and what it returns is thrown in its place.
   */
  call(
    callee: LuaValue,
    args: LuaValue[],
    onError?: (error: LuaError, position: Position | undefined) => LuaError,
  ): readonly LuaValue[] {
    const { runtime } = this;
    const mark = runtime.mark();
    try {
      return listOf(runtime.call(callee, args));
    } catch (error) {
      if (onError === undefined || !(error instanceof LuaError)) throw error;
      throw onError(error, this.#position());
    } finally {
      runtime.release(mark);
      // What the calls left behind them could be reached no more, but would be kept.
      runtime.frames.length = runtime.depth + 1;
    }
  }

  /** Makes a function of the host. */
  native(name: string, run: Native["run"]): Native {
    return new Native(name, run);
  }

  #position(): Position | undefined {
    const { runtime } = this;
    const chunkName = runtime.chunkAt(1);
    return chunkName === undefined ? undefined : { chunkName, line: runtime.lineAt(1) };
  }
}
