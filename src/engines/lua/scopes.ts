/**
 * Scopes: which variable a name means, function by function, while a chunk is parsed.
 *
 * Invariant: the variables in scope of a function take its slots without gaps, oldest first, as Lua's registers.
 */
import type { LuaError } from "./errors.ts";
import { FIRST_SLOT, type Capture, type Variable } from "./syntax.ts";

const MOST_LOCALS = 200;
const MOST_UPVALUES = 60;

export class FunctionScope {
  readonly outer: FunctionScope | null;
  readonly captures: Capture[] = [];
  /** Whether `...` may be said, and whether it was. */
  varargs = false;
  saysVarargs = false;
  /** How many loops are open. */
  loops = 0;
  frameSize = FIRST_SLOT;

  readonly #line: number;
  readonly #fault: (message: string) => LuaError;
  readonly #visible: Variable[] = [];
  #declared = 0;

  /** `fault` makes an error of a message at the token in hand. */
  constructor(outer: FunctionScope | null, line: number, fault: (message: string) => LuaError) {
    this.outer = outer;
    this.#line = line;
    this.#fault = fault;
  }

  /** Takes a slot; the name is not seen before `show`. */
  declare(name: string): Variable {
    const slot = FIRST_SLOT + this.#visible.length + this.#declared;
    if (slot - FIRST_SLOT >= MOST_LOCALS) throw this.tooMany(MOST_LOCALS, "local variables");
    this.#declared++;
    this.frameSize = Math.max(this.frameSize, slot + 1);
    return { name, slot, captured: false };
  }

  show(...variables: Variable[]): void {
    this.#visible.push(...variables);
    this.#declared -= variables.length;
  }

  /** What a block has to hand to `leave`. */
  enter(): number {
    return this.#visible.length;
  }

  leave(mark: number): void {
    this.#visible.length = mark;
  }

  local(name: string): Variable | undefined {
    return this.#visible.findLast((variable) => variable.name === name);
  }

  /** The index of an upvalue of that name, which is made when an outer function has such a variable; -1 otherwise. */
  upvalue(name: string): number {
    const capture = this.outer?.capture(name) ?? null;
    if (capture === null) return -1;
    const known = this.captures.findIndex((other) => sameCapture(other, capture));
    if (known >= 0) return known;
    if (this.captures.length >= MOST_UPVALUES) throw this.tooMany(MOST_UPVALUES, "upvalues");
    this.captures.push(capture);
    return this.captures.length - 1;
  }

  capture(name: string): Capture | null {
    const variable = this.local(name);
    if (variable !== undefined) {
      variable.captured = true;
      return { from: "frame", variable };
    }
    const index = this.upvalue(name);
    return index < 0 ? null : { from: "closure", index };
  }

  /** The error of a function that has more of something than may be. */
  tooMany(limit: number, what: string): LuaError {
    return this.#fault(
      this.#line === 0
        ? `main function has more than ${limit} ${what}`
        : `function at line ${this.#line} has more than ${limit} ${what}`,
    );
  }
}

function sameCapture(a: Capture | undefined, b: Capture): boolean {
  return a?.from === "frame"
    ? b.from === "frame" && a.variable === b.variable
    : b.from === "closure" && a?.index === b.index;
}
