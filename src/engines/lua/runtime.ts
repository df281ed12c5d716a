/**
 * Runtime: the calls that are under way in one interpreter, and what they may use up.
 *
 *   frames   [host, script, function, …, native, function]      one per call; a native that calls back leaves NATIVE
 *   sites    [  –,  line 3,  line 7,  …,   –,    line 9 ]      from where each frame called the next, or what runs in it
 *
 * Invariant: `frames[depth]` is the frame of the Lua function that runs, or NATIVE. Whoever catches an error sets `depth`,
 * `room` and `nativeCalls` back to what they were.
 *
 * A Lua call is a JavaScript call as long as there is room on JavaScript's stack, which is counted in the nesting that the
 * syntax allows. Beyond, and in coroutines, functions run as generators on a stack of their own (`thread.ts`). So the host
 * never runs out of stack, and the limits are Lua's.
 */
import { LuaError } from "./errors.ts";
import { CALL, handlerIn } from "./events.ts";
import { Closure, frameOf, Native, type Frame, type Site } from "./functions.ts";
import { Heap } from "./heap.ts";
import { reachableBytes } from "./reachable.ts";
import { nameOf, type ValueName } from "./names.ts";
import { LuaTable } from "./table.ts";
import { typeName, NO_VALUES, type LuaObject, type LuaValue, type Results } from "./values.ts";

/** Calls that may be open at a time in a coroutine or in the script. */
const MOST_CALLS = 20_000;
/** Calls back from natives and operators that may be open: Lua's limit for the stack of C. */
const MOST_NATIVE_CALLS = 200;
/** JavaScript calls: a fraction of the stack that Node gives, since the host may stand at any depth of its own. */
const ROOM = 1_500;

export const NATIVE: Frame = [];
const NO_SITE: Site = { line: 0 };

export interface Limits {
  /** Bytes that values may take. */
  memoryBytes: number;
  /** `onSteps` is called each time that many calls and turns of loops have been made; what it throws ends the script. */
  stepsBetweenChecks: number;
  onSteps: () => void;
}

/** What `mark` saw, for `release` when an error is caught. */
export interface Mark {
  depth: number;
  room: number;
  nativeCalls: number;
}

export class Runtime {
  readonly heap: Heap;
  readonly globals: LuaTable;
  stringMetatable: LuaTable | undefined = undefined;
  /** The function `next`, by which loops know what they may do without calls. */
  next: LuaValue = undefined;
  /** The function `coroutine.yield`, which a function that runs apart does not call but does. */
  yield: LuaValue = undefined;
  /** What runs in place of the script. */
  coroutine: LuaObject | undefined = undefined;
  frames: Frame[] = [NATIVE];
  sites: Site[] = [NO_SITE];
  depth = 0;
  room = ROOM;
  nativeCalls = 0;
  steps: number;
  /** Runs a function when there is no room. */
  runApart: (frame: Frame) => Results = () => NO_VALUES;

  readonly #limits: Limits;
  #addresses = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.steps = limits.stepsBetweenChecks;
    this.heap = new Heap(
      limits.memoryBytes,
      () => reachableBytes(this.#roots()),
      (steps) => this.work(steps),
    );
    this.globals = new LuaTable(this.heap);
  }

  newTable(elements = 0, fields = 0): LuaTable {
    return new LuaTable(this.heap, elements, fields);
  }

  /** Calls from a native, or from the host. */
  call(callee: LuaValue, args: LuaValue[]): Results {
    const { depth } = this;
    this.#push();
    this.frames[this.depth] = NATIVE;
    this.sites[this.depth] = NO_SITE;
    const results = this.#callBack(callee, args, undefined);
    this.depth = depth;
    return results;
  }

  /** Calls what an operator found in a metatable, on behalf of the function that runs. */
  callHandler(callee: LuaValue, args: LuaValue[], site: Site): Results {
    this.sites[this.depth] = site;
    return this.#callBack(callee, args, undefined);
  }

  /** Calls from the function that runs. */
  callFrom(site: Site, callee: LuaValue, args: LuaValue[]): Results {
    this.sites[this.depth] = site;
    if (callee instanceof Closure) return this.execute(frameOf(callee, args));
    if (callee instanceof Native) return this.runNative(callee, args);
    const handler = this.callHandlerOf(callee, site);
    args.unshift(callee);
    return this.callFrom(site, handler, args);
  }

  /** What is called in place of a value that is no function. */
  callHandlerOf(callee: LuaValue, site: Site | undefined): LuaValue {
    const handler = handlerIn(this.metatableOf(callee), CALL);
    if (handler instanceof Closure || handler instanceof Native) return handler;
    const name = nameOfCallee(site);
    const what = `a ${typeName(callee)} value`;
    throw this.error(
      `attempt to call ${name === undefined ? what : `${name.kind} '${name.name}' (${what})`}`,
    );
  }

  execute(frame: Frame): Results {
    if (--this.steps < 0) this.check();
    const { prototype } = frame[0] as Closure;
    const { room } = this;
    if (room < prototype.nesting) return this.runApart(frame);
    this.room = room - prototype.nesting;
    const depth = ++this.depth;
    if (depth > MOST_CALLS) throw this.#overflow();
    this.frames[depth] = frame;
    const results = prototype.body(frame);
    this.depth = depth - 1;
    this.room = room;
    return results === undefined ? NO_VALUES : results;
  }

  runNative(native: Native, args: LuaValue[]): Results {
    if (this.depth >= MOST_CALLS) throw this.#overflow();
    return native.run(args);
  }

  /** Opens the frame of a function that runs apart. */
  push(frame: Frame): void {
    if (--this.steps < 0) this.check();
    this.#push();
    this.frames[this.depth] = frame;
  }

  mark(): Mark {
    return { depth: this.depth, room: this.room, nativeCalls: this.nativeCalls };
  }

  release(mark: Mark): void {
    this.depth = mark.depth;
    this.room = mark.room;
    this.nativeCalls = mark.nativeCalls;
  }

  /** Called when `steps` is negative. */
  check(): void {
    this.steps = this.#limits.stepsBetweenChecks;
    this.#limits.onSteps();
  }

  /** Counts work that a native does in a loop of its own. */
  work(steps: number): void {
    this.steps -= steps;
    if (this.steps < 0) this.check();
  }

  metatableOf(value: LuaValue): LuaTable | undefined {
    if (value instanceof LuaTable) return value.metatable;
    return typeof value === "string" ? this.stringMetatable : undefined;
  }

  addressOf(value: Exclude<LuaValue, undefined | boolean | number | string>): string {
    if (value.address === 0) value.address = 0x7f0000001000 + 0x40 * this.#addresses++;
    return `0x${value.address.toString(16)}`;
  }

  /** An error of the code that runs, or of a native about the call of it. */
  error(message: string): LuaError {
    return new LuaError(this.where(1) + message);
  }

  /** "chunk:line: " of the caller of the native that runs (1), of that one's caller (2), …; empty when it is not known. */
  where(level: number): string {
    const line = this.lineAt(level);
    return line < 0 ? "" : `${this.#title(this.depth - level + 1)}:${line}: `;
  }

  /** The line a level stands at; -1 where it is not Lua code or its frame was given up. */
  lineAt(level: number): number {
    const at = this.depth - level + 1;
    const frame = this.frames[at];
    if (at < 0 || frame === undefined || frame.length === 0) return -1;
    const { line, tail } = this.sites[at] as Site;
    return level > 1 && tail === true && this.frames[at + 1] !== NATIVE ? -1 : line;
  }

  /** The name of the chunk at a level; undefined where it is not Lua code. */
  chunkAt(level: number): string | undefined {
    const frame = this.frames[this.depth - level + 1];
    if (frame === undefined || frame.length === 0) return undefined;
    return (frame[0] as Closure).prototype.chunkName;
  }

  /** An error about an argument of the native that runs, counted from 1. */
  argumentError(index: number, message: string): LuaError {
    const site = this.sites[this.depth] as Site;
    let place = index;
    if (site.method !== undefined) {
      place--;
      if (place === 0) {
        return this.error(`calling '${site.method}' on bad self (${message})`);
      }
    }
    const name = nameOfCallee(site)?.name ?? "?";
    return this.error(`bad argument #${place} to '${name}' (${message})`);
  }

  #title(at: number): string {
    return ((this.frames[at] as Frame)[0] as Closure).prototype.title;
  }

  #callBack(callee: LuaValue, args: LuaValue[], site: Site | undefined): Results {
    const before = this.nativeCalls++;
    if (before >= MOST_NATIVE_CALLS - 1) throw this.error("C stack overflow");
    let results: Results;
    if (callee instanceof Closure) results = this.execute(frameOf(callee, args));
    else if (callee instanceof Native) results = this.runNative(callee, args);
    else results = this.#callBack(this.callHandlerOf(callee, site), [callee, ...args], site);
    this.nativeCalls = before;
    return results;
  }

  #push(): void {
    this.depth++;
    if (this.depth > MOST_CALLS) throw this.#overflow();
  }

  #overflow(): LuaError {
    this.depth = Math.min(this.depth, MOST_CALLS);
    return this.error("stack overflow");
  }

  #roots(): unknown[] {
    return [
      this.globals,
      this.stringMetatable,
      this.coroutine,
      ...this.frames.slice(0, this.depth + 1),
    ];
  }
}

function nameOfCallee(site: Site | undefined): ValueName | undefined {
  if (site?.method !== undefined) return { kind: "method", name: site.method };
  return site?.callee === undefined ? undefined : nameOf(site.callee);
}
