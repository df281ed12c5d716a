/**
 * Options: when a key expires and under which conditions it is written, as SET, GETEX and the EXPIRE family take it.
 *
 * Invariant: a deadline is whole milliseconds since 1970 and below `NEVER_MS`. Redis takes more, some 280 million years ahead;
 * whatever lies beyond the year 10889 is moved to its end, where nobody will tell the difference.
 */
import { type Amount, whole } from "../crdt/amount.ts";
import { NEVER_MS } from "../crdt/key.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { NOT_AN_INTEGER } from "./errors.ts";
import { INT64_MAX, integerAt } from "./numbers.ts";

/** The latest deadline there is. */
const DEADLINE_MAX_MS = NEVER_MS - 1;

/**
 * `value` units after `baseMs` in milliseconds since 1970 (negative ones included), or NaN when 64 bits cannot hold it.
 */
export function deadlineAfter(value: Amount, unitMs: 1 | 1000, baseMs: number): number {
  // A safe integer, even of seconds, cannot leave 64 bits.
  if (typeof value === "number") return Math.min(value * unitMs + baseMs, DEADLINE_MAX_MS);
  const ms = (whole(value) as bigint) * BigInt(unitMs);
  if (ms > INT64_MAX - BigInt(baseMs) || ms < -INT64_MAX - 1n) return Number.NaN;
  return Math.min(Number(ms) + baseMs, DEADLINE_MAX_MS);
}

/** The refusal of a time out of range, by the name of the command. */
export function invalidExpireTime(name: string): string {
  return `ERR invalid expire time in '${name}' command`;
}

/** The deadline from argument `i`, which must be positive; NaN after the refusal was answered. */
export function deadlineAt(
  args: Args,
  i: number,
  unitMs: 1 | 1000,
  baseMs: number,
  name: string,
  reply: Reply,
): number {
  const value = integerAt(args, i);
  if (value === null) {
    reply.error(NOT_AN_INTEGER);
    return Number.NaN;
  }
  const positive = typeof value === "number" ? value > 0 : (whole(value) as bigint) > 0n;
  const deadline = positive ? deadlineAfter(value, unitMs, baseMs) : Number.NaN;
  if (Number.isNaN(deadline)) reply.error(invalidExpireTime(name));
  return deadline;
}

/** The words behind the value of SET, or behind the key of GETEX. One instance serves every call. */
export class ValueOptions {
  notExists = false;
  exists = false;
  get = false;
  keepTtl = false;
  persist = false;
  /** The argument that holds the time; 0 for none. */
  time = 0;
  unitMs: 1 | 1000 = 1;
  /** EXAT and PXAT: the time counts from 1970. */
  absolute = false;

  /** Reads the words from argument `from` on; false when they make no sense together. */
  read(args: Args, from: number, command: "set" | "getex"): boolean {
    this.notExists = this.exists = this.get = this.keepTtl = this.persist = false;
    this.time = 0;
    this.absolute = false;
    const set = command === "set";
    for (let i = from; i < args.count; i++) {
      if (set && args.is(i, "NX") && !this.exists) this.notExists = true;
      else if (set && args.is(i, "XX") && !this.notExists) this.exists = true;
      else if (set && args.is(i, "GET")) this.get = true;
      else if (set && args.is(i, "KEEPTTL") && this.time === 0) this.keepTtl = true;
      else if (!set && args.is(i, "PERSIST") && this.time === 0) this.persist = true;
      else if (this.keepTtl || this.persist || i + 1 === args.count) return false;
      else if (args.is(i, "EX")) {
        if (!this.#takes(++i, 1000, false)) return false;
      } else if (args.is(i, "PX")) {
        if (!this.#takes(++i, 1, false)) return false;
      } else if (args.is(i, "EXAT")) {
        if (!this.#takes(++i, 1000, true)) return false;
      } else if (args.is(i, "PXAT")) {
        if (!this.#takes(++i, 1, true)) return false;
      } else return false;
    }
    return true;
  }

  /** The same kind of time may come again, and the last one counts; another kind may not. */
  #takes(i: number, unitMs: 1 | 1000, absolute: boolean): boolean {
    if (this.time !== 0 && (unitMs !== this.unitMs || absolute !== this.absolute)) return false;
    this.time = i;
    this.unitMs = unitMs;
    this.absolute = absolute;
    return true;
  }

  /** The deadline that was asked for; NaN after the refusal was answered. Only when `time` is not 0. */
  deadline(args: Args, nowMs: number, name: string, reply: Reply): number {
    return deadlineAt(args, this.time, this.unitMs, this.absolute ? 0 : nowMs, name, reply);
  }
}
