/**
 * Score: the number by which a sorted set orders a member: what was set last, plus what was added since.
 *
 *   register   f64 score (big-endian) │ [u8 1: GT, 2: LT]
 *
 * Concurrent registers are taken in the order of their stamps, as one server would have taken them: each sets the score, but one
 * written with GT (LT) only if it is greater (less) than what is there. So of two concurrent GT the greater is kept.
 *
 * A score is shown as a double and added up in decimals: a double counts as the shortest decimal that reads back as it. So sums are
 * exact and do not depend on their order, and whoever adds chooses the addition in a way that what its readers see is the sum of
 * two doubles, to the last digit.
 *
 * Invariant: the score is a function of the cell's state and never NaN, whatever the keyspace's lens: the order must not change
 * when nothing was written.
 */
import type { Origins } from "../clock/origins.ts";
import type { Entry, Table } from "../keyspace/table.ts";
import { OBJECT } from "../keyspace/table.ts";
import { add, type Amount, ofDouble, subtract, toDouble } from "./amount.ts";
import type { Cell, Sibling } from "./cell.ts";

/** How a register was written. */
export const PLAIN = 0;
export const GREATER = 1;
export const LESS = 2;
export type Mode = typeof PLAIN | typeof GREATER | typeof LESS;

const SCORE_BYTES = 8;

/** Writes a register into a buffer of nine bytes; returns how many it takes. */
export function writeScore(buffer: Buffer, score: number, mode: Mode): number {
  buffer.writeDoubleBE(score, 0);
  if (mode === PLAIN) return SCORE_BYTES;
  buffer[SCORE_BYTES] = mode;
  return SCORE_BYTES + 1;
}

/** Whether bytes are a register: of no other length, of no other mode and not NaN. */
export function isScore(bytes: Buffer, start: number, end: number): boolean {
  const length = end - start;
  if (length !== SCORE_BYTES && length !== SCORE_BYTES + 1) return false;
  const mode = bytes[end - 1];
  if (length > SCORE_BYTES && mode !== GREATER && mode !== LESS) return false;
  return !Number.isNaN(bytes.readDoubleBE(start));
}

/** The score in a register. */
export function scoreOfValue(value: Buffer): number {
  return value.readDoubleBE(0);
}

/** Whether both registers were written with GT, or both with LT. */
export function haveSameCondition(a: Buffer, b: Buffer): boolean {
  return a.length > SCORE_BYTES && a[SCORE_BYTES] === b[SCORE_BYTES];
}

/** The score of what lies in an entry. Entries born up to `horizonMs` do not count. */
export function scoreOf(
  origins: Origins,
  table: Table<Cell>,
  entry: Entry,
  horizonMs: number,
): number {
  const base = baseOf(origins, table, entry, horizonMs);
  if (entry.kind !== OBJECT || !table.object(entry).counting(horizonMs)) return base;
  return scoreWith(base, sumOf(table, entry, horizonMs));
}

/** What was set last, 0 if nothing was. */
export function baseOf(
  origins: Origins,
  table: Table<Cell>,
  entry: Entry,
  horizonMs: number,
): number {
  if (entry.kind !== OBJECT) return entry.bytes.readDoubleBE(entry.valueStart);
  const shown = shownOf(origins, table.object(entry).siblings, horizonMs);
  return shown === null ? 0 : scoreOfValue(shown.value);
}

/** What was added since. */
export function sumOf(table: Table<Cell>, entry: Entry, horizonMs: number): Amount {
  return entry.kind === OBJECT ? table.object(entry).sum(horizonMs) : 0;
}

/** Of concurrent registers the one whose score counts; null when all were born up to `horizonMs`. */
export function shownOf(
  origins: Origins,
  siblings: readonly Sibling[],
  horizonMs = -1,
): Sibling | null {
  let shown: Sibling | null = null;
  for (const sibling of inOrder(origins, siblings))
    if (sibling.ms > horizonMs && (shown === null || overrules(sibling.value, shown.value)))
      shown = sibling;
  return shown;
}

function inOrder(origins: Origins, siblings: readonly Sibling[]): readonly Sibling[] {
  if (siblings.length < 2) return siblings;
  return siblings.toSorted((a, b) =>
    origins.after(a.ms, a.tick, a.origin, b.ms, b.tick, b.origin) ? 1 : -1,
  );
}

function overrules(later: Buffer, earlier: Buffer): boolean {
  if (later.length === SCORE_BYTES) return true;
  const [score, other] = [scoreOfValue(later), scoreOfValue(earlier)];
  return later[SCORE_BYTES] === GREATER ? score > other : score < other;
}

/** The score of a register (0 for none) to which a counter was added. */
function scoreWith(base: number, sum: Amount): number {
  if (typeof sum === "number" && Number.isSafeInteger(base)) return base + sum;
  return Number.isFinite(base) ? toDouble(add(ofDouble(base), sum)) : base;
}

/**
 * What must be added to a counter for a score to become `target`, which is what a reader gets by adding `increment` to what it sees;
 * null when no addition does that and the score must be set.
 */
export function additionFor(
  base: number,
  sum: Amount,
  increment: number,
  target: number,
): Amount | null {
  if (!Number.isFinite(increment)) return null;
  // Nearly always what was asked for does it, and then it is what concurrent additions are added to.
  const plain = ofDouble(increment);
  if (scoreWith(base, add(sum, plain)) === target) return plain;
  if (!Number.isFinite(base) || !Number.isFinite(target)) return null;
  return subtract(subtract(ofDouble(target), ofDouble(base)), sum);
}
