/**
 * Sorted set bounds: the two ends of a range of members, by rank, by score or by name.
 *
 * Invariant: however it was said, a range is `from … to` in ranks: so it is counted, cut and walked in one way.
 */
import { parseDoubleLoosely } from "../bytes/double.ts";
import type { Order } from "../crdt/order.ts";
import type { Heap, Ref } from "../keyspace/heap.ts";
import { Entry } from "../keyspace/table.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { NOT_AN_INTEGER } from "./errors.ts";
import { roughlyAt } from "./numbers.ts";

export const BY_RANK = 0;
export const BY_SCORE = 1;
export const BY_NAME = 2;
export type By = typeof BY_RANK | typeof BY_SCORE | typeof BY_NAME;

const OPEN = 40; // (
const CLOSED = 91; // [
const LOWEST = 45; // -
const HIGHEST = 43; // +

const entry = new Entry();

/** One end: what it is, and whether it belongs to the range. */
class Bound {
  /** A rank or a score; of names −Infinity and Infinity, and NaN for the one in `bytes`. */
  value = 0;
  isOpen = false;
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;

  /** Reads argument `i`; false when it is none. */
  read(args: Args, i: number, by: By): boolean {
    const start = args.start[i] as number;
    const end = args.end[i] as number;
    this.isOpen = start < end && args.bytes[start] === OPEN;
    if (by === BY_RANK) {
      this.value = roughlyAt(args, i);
      return !Number.isNaN(this.value);
    }
    if (by === BY_SCORE) {
      this.value = parseDoubleLoosely(args.bytes, this.isOpen ? start + 1 : start, end);
      return !Number.isNaN(this.value);
    }
    return this.#readName(args.bytes, start, end);
  }

  /** Whether the range excludes an entry by its name: because it is above its upper end, or below its lower one. */
  excludes(heap: Heap, ref: Ref, isUpper: boolean): boolean {
    if (!Number.isNaN(this.value)) return isUpper ? this.value < 0 : this.value > 0;
    entry.load(heap, ref);
    const { bytes, nameStart, nameEnd } = entry;
    const order = bytes.compare(this.bytes, this.start, this.end, nameStart, nameEnd);
    return order === 0 ? this.isOpen : order > 0 === isUpper;
  }

  #readName(bytes: Buffer, start: number, end: number): boolean {
    const first = start < end ? bytes[start] : 0;
    this.bytes = bytes;
    this.start = start + 1;
    this.end = end;
    this.value = first === LOWEST ? -Infinity : first === HIGHEST ? Infinity : Number.NaN;
    if (Number.isNaN(this.value)) return first === OPEN || first === CLOSED;
    // As in C, a zero byte ends the text.
    return end === start + 1 || bytes[start + 1] === 0;
  }
}

/** The bounds of the command that runs; one instance serves every call. */
export class Bounds {
  #by: By = BY_RANK;
  readonly #lower = new Bound();
  readonly #upper = new Bound();
  /** After `locate`: the ranks from … to, without the latter. */
  from = 0;
  to = 0;

  get count(): number {
    return this.to - this.from;
  }

  /** Reads two arguments; false after the refusal was answered. */
  read(args: Args, by: By, lower: number, upper: number, reply: Reply): boolean {
    this.#by = by;
    if (this.#lower.read(args, lower, by) && this.#upper.read(args, upper, by)) return true;
    if (by === BY_RANK) reply.error(NOT_AN_INTEGER);
    else if (by === BY_SCORE) reply.error("ERR min or max is not a float");
    else reply.error("ERR min or max not valid string range item");
    return false;
  }

  /**
   * Finds the range in an order; seen from its other end when `down`, which makes a difference to ranks alone, and to names that do
   * not follow each other because their scores differ.
   */
  locate(order: Order, down: boolean): void {
    const { size } = order;
    if (this.#by === BY_RANK) {
      const first = Math.max(0, fromEnd(this.#lower.value, size));
      const last = Math.min(size - 1, fromEnd(this.#upper.value, size));
      this.from = down ? size - 1 - last : first;
      this.to = down ? size - first : last + 1;
    } else if (this.#by === BY_NAME && !order.isLevel) this.#locateUneven(order, down);
    else {
      this.from = this.#below(order, this.#lower, this.#lower.isOpen);
      this.to = this.#below(order, this.#upper, !this.#upper.isOpen);
    }
    if (this.to < this.from) this.to = this.from;
  }

  /**
   * As Redis does where names do not follow each other: from the first that is not below the range to the last before one that is
   * above it, or the other way round.
   */
  #locateUneven(order: Order, down: boolean): void {
    const { heap, size } = order;
    this.from = this.to = 0;
    if (this.#lower.excludes(heap, order.at(size - 1), false)) return;
    if (this.#upper.excludes(heap, order.at(0), true)) return;
    const [near, far] = down ? [this.#upper, this.#lower] : [this.#lower, this.#upper];
    let before = 0;
    let count = 0;
    let isOver = false;
    order.each(down ? size - 1 : 0, size, down, (ref) => {
      if (isOver) return;
      if (count === 0 && near.excludes(heap, ref, down)) before++;
      else if (far.excludes(heap, ref, !down)) isOver = true;
      else count++;
    });
    this.from = down ? size - before - count : before;
    this.to = this.from + count;
  }

  /** How many members lie below a bound, or (`through`) up to it. */
  #below(order: Order, bound: Bound, through: boolean): number {
    const { value, bytes, start, end } = bound;
    if (this.#by === BY_SCORE) return order.belowScore(value, through);
    if (Number.isNaN(value)) return order.belowName(bytes, start, end, through);
    return value < 0 ? 0 : order.size;
  }

  /** Cuts the range to `limit` (all if negative) behind an offset, from its upper end when `down`. */
  cut(offset: number, limit: number, down: boolean): void {
    const left = offset < 0 ? 0 : Math.max(0, this.count - offset);
    const count = limit < 0 ? left : Math.min(limit, left);
    if (down) this.from = this.to - Math.min(this.count, Math.max(0, offset)) - count;
    else this.from = Math.min(this.to, this.from + Math.max(0, offset));
    this.to = this.from + count;
  }
}

/** A rank from the end if it is negative. */
function fromEnd(rank: number, size: number): number {
  return rank < 0 ? size + rank : rank;
}
