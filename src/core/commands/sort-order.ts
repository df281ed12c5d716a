/**
 * Sort order: in which order SORT brings elements.
 *
 * Invariant: total and stable. Numbers that are equal leave it to the bytes of the elements; elements whose other keys compare
 * as equal stay in the order they came in. Bytes are compared as bytes, as Redis does in the locale `C`.
 */
import { parseDouble } from "../bytes/double.ts";
import { Strings } from "../bytes/strings.ts";
import type { Run } from "./run.ts";
import { lookByPattern, type Pattern } from "./sort-patterns.ts";

/** The positions of `elements` in order; null when something is no number and `alphabetic` is not asked for. */
export function orderOf(
  run: Run,
  elements: Strings,
  by: Pattern | null,
  alphabetic: boolean,
  descending: boolean,
): Uint32Array | null {
  const order = inPlace(elements.count, false);
  const compare = alphabetic ? alphabetically(run, elements, by) : numerically(run, elements, by);
  if (compare === null) return null;
  return order.sort(descending ? (a, b) => -compare(a, b) : compare);
}

/** The positions of `count` elements as they are, or from the last to the first. */
export function inPlace(count: number, descending: boolean): Uint32Array {
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) order[i] = descending ? count - 1 - i : i;
  return order;
}

type Compare = (a: number, b: number) => number;

function alphabetically(run: Run, elements: Strings, by: Pattern | null): Compare {
  if (by === null) return (a, b) => elements.compare(a, b);
  const weights = new Strings();
  /** Element → its weight, or −1 for none, which comes first. */
  const weightOf = new Int32Array(elements.count).fill(-1);
  for (let i = 0; i < elements.count; i++) {
    const found = lookByPattern(run, by, elements, i);
    if (found === null) continue;
    weightOf[i] = weights.count;
    weights.push(found.bytes, found.start, found.end);
  }
  return (a, b) => {
    const first = weightOf[a] as number;
    const second = weightOf[b] as number;
    if (first >= 0 && second >= 0) return weights.compare(first, second);
    return Math.sign(first + 1) - Math.sign(second + 1);
  };
}

function numerically(run: Run, elements: Strings, by: Pattern | null): Compare | null {
  const weights = new Float64Array(elements.count);
  for (let i = 0; i < elements.count; i++) {
    const found = by === null ? null : lookByPattern(run, by, elements, i);
    if (by !== null && found === null) continue;
    const { bytes, start, end } = found ?? {
      bytes: elements.bytes,
      start: elements.start(i),
      end: elements.end(i),
    };
    const weight = numberOf(bytes, start, end);
    if (Number.isNaN(weight)) return null;
    weights[i] = weight;
  }
  return (a, b) => {
    const first = weights[a] as number;
    const second = weights[b] as number;
    return first < second ? -1 : first > second ? 1 : elements.compare(a, b);
  };
}

/** Below lie the numbers of which `strtod` says that they are out of range. */
const NORMAL_MIN = 2 ** -1022;
/** Longer text is no number: what is written like one would take ever more time to read. */
const NUMBER_MAX_BYTES = 512;

/** The number that `strtod` reads from all of the bytes, up to the first zero; NaN when it is none or out of range. */
function numberOf(bytes: Buffer, start: number, end: number): number {
  const zero = bytes.subarray(start, end).indexOf(0);
  const stop = zero < 0 ? end : start + zero;
  if (stop === start) return 0;
  if (stop - start > NUMBER_MAX_BYTES) return Number.NaN;
  let from = start;
  while (from < stop && isBlank(bytes[from] as number)) from++;
  const value = parseDouble(bytes, from, stop);
  return value !== 0 && Math.abs(value) < NORMAL_MIN ? Number.NaN : value;
}

function isBlank(byte: number): boolean {
  return byte === 32 || (byte >= 9 && byte <= 13);
}
