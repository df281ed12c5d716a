/**
 * The coroutine library.
 *
 *   suspended ─ resume ─► running ─ resumes another ─► normal
 *       ▲                    │  │
 *       └────── yield ───────┘  └─ ends, fails ─► dead
 *
 * Invariant: each coroutine has frames of its own, which the runtime works on while it runs; those of whoever resumed it are
 * kept meanwhile.
 */
import { Apart, cannotYield } from "../apart.ts";
import { LuaError } from "../errors.ts";
import { Closure, frameOf, Native, YieldRequest, type Frame, type Site } from "../functions.ts";
import { NATIVE, type Runtime } from "../runtime.ts";
import { CLOSURE_BYTES } from "../heap.ts";
import { listOf, LuaObject, type LuaValue, type Results } from "../values.ts";
import { toText } from "../operations.ts";
import { register } from "./register.ts";

const MOST_NATIVE_CALLS = 200;

type Status = "suspended" | "running" | "normal" | "dead";

class Coroutine extends LuaObject {
  readonly type = "thread";
  status: Status = "suspended";
  readonly body: Closure;
  apart: Apart | undefined = undefined;
  /** Its own while it does not run, and those of whoever resumed it while it does. */
  frames: Frame[] = [NATIVE];
  sites: Site[] = [{ line: 0 }];
  depth = 0;
  resumer: LuaObject | undefined = undefined;

  constructor(body: Closure) {
    super();
    this.body = body;
  }

  held(): unknown[] {
    return [this.body, this.resumer, ...this.frames.slice(0, this.depth + 1)];
  }
}

export function openCoroutine(runtime: Runtime): void {
  const library = register(runtime, "coroutine", {
    create: (args) => create(runtime, args),
    resume: (args) => {
      const coroutine = coroutineArgument(runtime, args);
      const results = resume(runtime, coroutine, args.slice(1));
      return results instanceof LuaError ? [false, results.value] : [true, ...listOf(results)];
    },
    running: () => runtime.coroutine,
    status: (args) => coroutineArgument(runtime, args).status,
    wrap: (args) => {
      const coroutine = create(runtime, args);
      return new Native("wrap", (inner) => {
        const results = resume(runtime, coroutine, inner);
        if (!(results instanceof LuaError)) return results;
        const text = toText(results.value);
        throw text === undefined ? results : runtime.error(text);
      });
    },
    yield: () => {
      throw cannotYield();
    },
  });
  runtime.yield = library.get("yield");
}

function create(runtime: Runtime, args: readonly LuaValue[]): Coroutine {
  const body = args[0];
  if (!(body instanceof Closure)) throw runtime.argumentError(1, "Lua function expected");
  runtime.heap.charge(CLOSURE_BYTES);
  return new Coroutine(body);
}

function coroutineArgument(runtime: Runtime, args: readonly LuaValue[]): Coroutine {
  const value = args[0];
  if (!(value instanceof Coroutine)) throw runtime.argumentError(1, "coroutine expected");
  return value;
}

/** What it yields or returns; or the error it died of, or which says that it cannot be resumed. */
function resume(runtime: Runtime, coroutine: Coroutine, args: LuaValue[]): Results | LuaError {
  if (coroutine.status !== "suspended") {
    return new LuaError(`cannot resume ${coroutine.status} coroutine`);
  }
  if (runtime.nativeCalls >= MOST_NATIVE_CALLS) return new LuaError("C stack overflow");
  const resumer = runtime.coroutine;
  const { room, nativeCalls } = runtime;
  if (resumer instanceof Coroutine) resumer.status = "normal";
  coroutine.status = "running";
  coroutine.resumer = resumer;
  runtime.coroutine = coroutine;
  runtime.nativeCalls++;
  swap(runtime, coroutine);
  let next: Status = "dead";
  try {
    let results: Results | YieldRequest;
    if (coroutine.apart === undefined) {
      coroutine.apart = new Apart(runtime, frameOf(coroutine.body, args));
      results = coroutine.apart.resume([]);
    } else {
      results = coroutine.apart.resume(args);
    }
    if (!(results instanceof YieldRequest)) return results;
    next = "suspended";
    return results.values;
  } catch (error) {
    if (error instanceof LuaError) return error;
    throw error;
  } finally {
    swap(runtime, coroutine);
    coroutine.status = next;
    coroutine.resumer = undefined;
    runtime.coroutine = resumer;
    runtime.room = room;
    runtime.nativeCalls = nativeCalls;
    if (resumer instanceof Coroutine) resumer.status = "running";
  }
}

function swap(runtime: Runtime, coroutine: Coroutine): void {
  const { frames, sites, depth } = runtime;
  runtime.frames = coroutine.frames;
  runtime.sites = coroutine.sites;
  runtime.depth = coroutine.depth;
  coroutine.frames = frames;
  coroutine.sites = sites;
  coroutine.depth = depth;
}
