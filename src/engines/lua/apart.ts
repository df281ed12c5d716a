/**
 * Apart: functions as generators on a stack of their own, which is an array.
 *
 *   [ g, g, g ] ─ top runs ─► asks for a call ─► push      ends ─► pop, its results go to the one below
 *                             asks to yield   ─► the stack is left as it is until it is resumed
 *
 * Invariant: one function's JavaScript calls are open at a time, however many functions are. `room` is what is left beside
 * them.
 */
import { LuaError } from "./errors.ts";
import {
  Closure,
  frameOf,
  YieldRequest,
  type CallRequest,
  type Frame,
  type Steps,
} from "./functions.ts";
import type { Runtime } from "./runtime.ts";
import { NO_VALUES, type Results } from "./values.ts";

/** JavaScript calls of the loop below and of what leads to it. */
const OWN_NESTING = 10;

/** Room that only functions that run apart may use: natives and operators that call back use it up. */
const RESERVE = -4_500;

export class Apart {
  readonly #runtime: Runtime;
  readonly #stack: Steps<Results | undefined>[] = [];
  readonly #nestings: number[] = [];
  #room = 0;

  constructor(runtime: Runtime, frame: Frame) {
    this.#runtime = runtime;
    this.#room = runtime.room;
    this.#push(frame);
  }

  /** Goes on until the first function ends, or yields: then what it yields is returned. */
  resume(input: Results): Results | YieldRequest {
    const runtime = this.#runtime;
    const room = runtime.room;
    this.#room = room;
    this.#giveRoom();
    let given = input;
    for (;;) {
      const top = this.#stack.at(-1) as Steps<Results | undefined>;
      const { done, value } = top.next(given);
      if (done === true) {
        this.#pop();
        given = value ?? NO_VALUES;
        if (this.#stack.length > 0) {
          this.#giveRoom();
          continue;
        }
        runtime.room = room;
        return given;
      }
      if (value instanceof YieldRequest) {
        runtime.room = room;
        return value;
      }
      this.#call(value);
      given = NO_VALUES;
    }
  }

  #call({ callee, args, tail }: CallRequest): void {
    if (tail) this.#pop();
    this.#push(frameOf(callee, args));
    this.#giveRoom();
  }

  #push(frame: Frame): void {
    const { prototype } = frame[0] as Closure;
    if (this.#room - OWN_NESTING - prototype.nesting < RESERVE) {
      throw this.#runtime.error("C stack overflow");
    }
    this.#runtime.push(frame);
    this.#stack.push(prototype.walk(frame));
    this.#nestings.push(prototype.nesting);
  }

  #pop(): void {
    this.#stack.pop();
    this.#nestings.pop();
    this.#runtime.depth--;
  }

  #giveRoom(): void {
    this.#runtime.room = this.#room - OWN_NESTING - (this.#nestings.at(-1) as number);
  }
}

/** Runs a function for which there is no room otherwise. It is no coroutine, so it cannot yield. */
export function runApart(runtime: Runtime, frame: Frame): Results {
  const results = new Apart(runtime, frame).resume(NO_VALUES);
  if (results instanceof YieldRequest) throw cannotYield();
  return results;
}

export function cannotYield(): LuaError {
  return new LuaError("attempt to yield across metamethod/C-call boundary");
}
