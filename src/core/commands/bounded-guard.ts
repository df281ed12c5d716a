/**
 * BoundedGuard: keeps from bounded counters what would forget who holds which rights.
 *
 * Invariant: no command but AA.BOUND writes to a key where a reader sees a bounded counter, and none empties a database that holds one.
 */
import { BOUNDED } from "../crdt/key.ts";
import { Place } from "../keyspace/place.ts";
import type { Args } from "../wire/args.ts";
import { type CommandEntry, WRITES } from "./command-table.ts";
import { keyPositions } from "./key-positions.ts";
import type { Run } from "./run.ts";

export const HAS_BOUNDED =
  "ERR the database holds bounded counters, which other regions may be using: AA.BOUND DELETE them first";

const place = new Place();

/** Whether a command would write to a bounded counter and is not made for that. */
export function isAgainstBounded(
  { keyspace, session, nowMs }: Run,
  { bits, command }: CommandEntry,
  args: Args,
): boolean {
  if ((bits & WRITES) === 0 || command.bounded === true) return false;
  const { bytes, start, end } = args;
  for (const i of keyPositions(command, args)) {
    keyspace.locate(place, session.db, bytes, start[i] as number, end[i] as number);
    place.look(keyspace, nowMs);
    if (place.type === BOUNDED) return true;
  }
  return false;
}

/** Whether a database, or with null any, holds a bounded counter. */
export function holdsBounded({ keyspace, nowMs }: Run, db: number | null): boolean {
  for (const one of keyspace.boundedKeys.all()) {
    if (db !== null && one.db !== db) continue;
    keyspace.locate(place, one.db, one.key, 0, one.key.length);
    place.look(keyspace, nowMs);
    if (place.type === BOUNDED) return true;
  }
  return false;
}
