/**
 * Score: the number by which a sorted set orders a member: what was set last, plus what was added since.
 *
 * A register of a sorted set holds 8 bytes, the IEEE 754 double, big-endian.
 *
 * Invariant: the score is a function of the cell's state. Siblings are compared as last writer wins, whatever the keyspace's lens:
 * the order must not change when nothing was written.
 */
import type { Origins } from "../clock/origins.ts";
import type { Entry, Table } from "../keyspace/table.ts";
import { OBJECT } from "../keyspace/table.ts";
import { type Amount, format } from "./amount.ts";
import type { Cell, Sibling } from "./cell.ts";

/** The nearest double to an amount. */
function toDouble(amount: Amount): number {
  return typeof amount === "number" ? amount : Number(format(amount));
}

/** The score of what lies in an entry. Entries born up to `horizonMs` do not count. */
export function scoreOf(
  origins: Origins,
  table: Table<Cell>,
  entry: Entry,
  horizonMs: number,
): number {
  if (entry.kind === OBJECT) return scoreOfCell(origins, table.object(entry), horizonMs);
  return entry.bytes.readDoubleBE(entry.valueStart);
}

function scoreOfCell(origins: Origins, cell: Cell, horizonMs: number): number {
  let winner: Sibling | null = null;
  for (const sibling of cell.siblings) {
    if (sibling.ms <= horizonMs) continue;
    if (
      winner === null ||
      origins.after(sibling.ms, sibling.tick, sibling.origin, winner.ms, winner.tick, winner.origin)
    )
      winner = sibling;
  }
  const base = winner === null ? 0 : winner.value.readDoubleBE(0);
  return base + (cell.counting(horizonMs) ? toDouble(cell.sum(horizonMs)) : 0);
}
