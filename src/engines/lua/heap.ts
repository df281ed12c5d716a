/**
 * Heap: how much memory the values of an interpreter take, as an estimate, and the most they may take.
 *
 *   charge ─► allocated since the last look ─► too much? ─► look at what is still reachable ─► still too much? ─► refuse
 *
 * Invariant: what is reachable never exceeds the limit by more than was charged since the last look, and each look comes
 * before the limit could be passed. Garbage costs nothing but the look.
 */
import { LuaError } from "./errors.ts";

/** Whatever handles more bytes than this at once is work, and how many bytes of it are a step. */
const BYTES_AT_ONCE = 1 << 10;
const BYTES_PER_STEP = 1 << 6;

/** Between two looks at least this much is allocated, so that small programs are never looked at. */
const BYTES_BETWEEN_LOOKS = 4 << 20;

export const TABLE_BYTES = 64;
export const ARRAY_SLOT_BYTES = 16;
export const NODE_BYTES = 40;
export const STRING_BYTES = 24;
export const CLOSURE_BYTES = 64;

export class Heap {
  readonly #limitBytes: number;
  readonly #measure: () => number;
  readonly #work: (steps: number) => void;
  #reachableBytes = 0;
  #sinceBytes = 0;
  #nextLook: number;

  /** `measure` counts the bytes of all that can be reached; `work` is told of what takes long. */
  constructor(limitBytes: number, measure: () => number, work: (steps: number) => void) {
    this.#limitBytes = limitBytes;
    this.#measure = measure;
    this.#work = work;
    this.#nextLook = Math.min(BYTES_BETWEEN_LOOKS, limitBytes);
  }

  /** What is allocated, garbage since the last look included. */
  get bytes(): number {
    return this.#reachableBytes + this.#sinceBytes;
  }

  /** Throws Lua's own "not enough memory" when what is reachable and these bytes are more than the limit. */
  charge(bytes: number): void {
    this.handle(bytes);
    this.#sinceBytes += bytes;
    if (this.#sinceBytes > this.#nextLook) this.#look(bytes);
  }

  /** That many bytes are gone through, which is work when they are many. */
  handle(bytes: number): void {
    if (bytes > BYTES_AT_ONCE) this.#work(bytes / BYTES_PER_STEP);
  }

  /** Looks at what is reachable now. */
  collect(): void {
    this.#reachableBytes = this.#measure();
    this.handle(this.#reachableBytes);
    this.#sinceBytes = 0;
    this.#nextLook = Math.min(
      Math.max(BYTES_BETWEEN_LOOKS, this.#reachableBytes),
      Math.max(0, this.#limitBytes - this.#reachableBytes),
    );
  }

  #look(bytes: number): void {
    this.collect();
    if (this.#reachableBytes + bytes > this.#limitBytes) throw new LuaError("not enough memory");
    this.#sinceBytes = bytes;
  }
}
