/**
 * Sort order: in which order SORT brings elements.
 *
 * Invariant: total and stable. Numbers that are equal leave it to the bytes of the elements; elements whose other keys compare
 * as equal stay in the order they came in. Bytes are compared as bytes, as Redis does in the locale `C`.
 */
import { Strings } from "../bytes/strings.ts";
import { doubleOf } from "../rdb/rdb-source.ts";
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
    const weight = numberOf(bytes.latin1Slice(start, end));
    if (Number.isNaN(weight)) return null;
    weights[i] = weight;
  }
  return (a, b) => {
    const first = weights[a] as number;
    const second = weights[b] as number;
    return first < second ? -1 : first > second ? 1 : elements.compare(a, b);
  };
}

const HEXADECIMAL = /^([+-]?)0x([\da-f]*)(?:\.([\da-f]*))?(?:p([+-]?\d{1,5}))?$/i;
/** Below lie the numbers for which `strtod` says that they are out of range. */
const NORMAL_MIN = 2 ** -1022;

/** The number that `strtod` reads from all of a text, up to its first zero byte; NaN when it is none or out of range. */
function numberOf(all: string): number {
  const [text = ""] = all.replace(/^[ \t-\r]+/, "").split("\0", 1);
  if (text === "") return all === "" || all.startsWith("\0") ? 0 : Number.NaN;
  const value = HEXADECIMAL.test(text) ? hexadecimal(text) : doubleOf(Buffer.from(text, "latin1"));
  const infinite = /inf/i.test(text);
  if (Math.abs(value) === Infinity && !infinite) return Number.NaN;
  return value !== 0 && Math.abs(value) < NORMAL_MIN ? Number.NaN : value;
}

function hexadecimal(text: string): number {
  const [, sign, before = "", behind = "", power = "0"] = HEXADECIMAL.exec(text) ?? [];
  if (before + behind === "") return Number.NaN;
  const value = Number(`0x${before}${behind}`) * 2 ** (Number(power) - 4 * behind.length);
  return sign === "-" ? -value : value;
}
