/**
 * Timeouts: how long a client is willing to wait, as blocking commands take it.
 *
 * Invariant: 0 is for ever; what is longer than 0 is never shortened to it.
 */
import { format } from "../crdt/amount.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { roughlyAt } from "./numbers.ts";
import { parseFloatText } from "./numbers-float.ts";

const NOT_A_FLOAT = "ERR timeout is not a float or out of range";
const NEGATIVE = "ERR timeout is negative";

/** Seconds in argument `i` as whole milliseconds; NaN after the refusal was answered. */
export function secondsAt(args: Args, i: number, reply: Reply): number {
  const seconds = parseFloatText(args.bytes, args.start[i] as number, args.end[i] as number);
  if (seconds === null) {
    reply.error(NOT_A_FLOAT);
    return Number.NaN;
  }
  let ms = Infinity;
  if (typeof seconds === "number") ms = seconds * 1000;
  else if (seconds !== "infinite") ms = Math.ceil(Number(format(seconds)) * 1000);
  // What 64 bits of milliseconds cannot hold wraps around in Redis, infinity included.
  if (ms >= 0 && ms < 2 ** 63) return ms;
  reply.error(NEGATIVE);
  return Number.NaN;
}

/** Milliseconds in argument `i`; NaN after the refusal was answered. */
export function millisecondsAt(args: Args, i: number, reply: Reply): number {
  const ms = roughlyAt(args, i);
  if (Number.isNaN(ms)) reply.error("ERR timeout is not an integer or out of range");
  else if (ms < 0) reply.error(NEGATIVE);
  else return ms;
  return Number.NaN;
}
