/**
 * Numbers: 64-bit integers as commands read and print them.
 *
 * Invariant: an integer is exact. A safe one is a plain number and costs nothing; only the rest are big digits.
 */
import { type Amount, parseInteger, whole } from "../crdt/amount.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { NOT_AN_INTEGER } from "./errors.ts";
import type { Settings } from "./settings.ts";

export const INT64_MAX: bigint = 2n ** 63n - 1n;

/** The 64-bit integer in argument `i`, or null when it is none. */
export function integerAt(args: Args, i: number): Amount | null {
  return parseInteger(args.bytes, args.start[i] as number, args.end[i] as number);
}

/**
 * The 64-bit integer in argument `i` as the nearest double, for positions and counts, which are held against lengths; NaN
 * when it is none.
 */
export function roughlyAt(args: Args, i: number): number {
  const integer = integerAt(args, i);
  if (integer === null) return Number.NaN;
  return typeof integer === "number" ? integer : Number(integer.digits);
}

const BAD_BIT_OFFSET = "ERR bit offset is not an integer or out of range";

/**
 * The position of a bit in argument `i`, within the longest string there may be; NaN after the refusal was answered. With
 * `bits` above 0, `#n` is the start of the n-th field of that width.
 */
export function bitOffsetAt(
  args: Args,
  i: number,
  bits: number,
  settings: Settings,
  reply: Reply,
): number {
  const start = args.start[i] as number;
  const end = args.end[i] as number;
  const counted = bits > 0 && end > start && args.bytes[start] === 35;
  const integer = parseInteger(args.bytes, counted ? start + 1 : start, end);
  let offset = -1;
  if (typeof integer === "number") offset = counted ? integer * bits : integer;
  // As in Redis the product is taken in 64 bits, and what wraps around may be a position again.
  if (counted && integer !== null && (typeof integer !== "number" || !Number.isSafeInteger(offset)))
    offset = Number(BigInt.asIntN(64, (whole(integer) as bigint) * BigInt(bits)));
  if (offset >= 0 && offset < settings.protoMaxBulkLen * 8) return offset;
  reply.error(BAD_BIT_OFFSET);
  return Number.NaN;
}

/** Whether an amount is a 64-bit integer. */
export function isInt64(amount: Amount): boolean {
  if (typeof amount === "number") return true;
  return amount.scale === 0 && BigInt.asIntN(64, amount.digits) === amount.digits;
}

/** Answers with an amount that is a 64-bit integer. */
export function replyInteger(reply: Reply, amount: Amount): void {
  reply.int(typeof amount === "number" ? amount : amount.digits);
}

/** The database whose number stands in argument `i`, or −1 after the refusal was answered. */
export function databaseAt(args: Args, i: number, databases: number, reply: Reply): number {
  const db = roughlyAt(args, i);
  if (Number.isNaN(db)) reply.error(NOT_AN_INTEGER);
  else if (db < -(2 ** 31) || db >= 2 ** 31)
    reply.error("ERR value is out of range, value must between -2147483648 and 2147483647");
  else if (db < 0 || db >= databases) reply.error("ERR DB index is out of range");
  else return db;
  return -1;
}

/**
 * How many to draw by chance, from argument `i`: negative when one may be drawn again. NaN after the refusal was answered. The
 * lowest integer of all has no positive counterpart and is refused.
 */
export function drawsAt(args: Args, i: number, reply: Reply): number {
  const integer = integerAt(args, i);
  if (integer === null) {
    reply.error(NOT_AN_INTEGER);
    return Number.NaN;
  }
  if (typeof integer === "number") return integer;
  if ((whole(integer) as bigint) >= -INT64_MAX) return Number(integer.digits);
  reply.error(`ERR value is out of range, value must between -${INT64_MAX} and ${INT64_MAX}`);
  return Number.NaN;
}
