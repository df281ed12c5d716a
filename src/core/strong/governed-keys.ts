/**
 * GovernedKeys: whether there are keys that one keyspace governs: for changes that they would stand against.
 *
 * Invariant: while the keyspace takes no writes and everything that was written to it is here, what is found to be so stays so.
 */
import { NONE } from "../crdt/key.ts";
import type { Keyspace } from "../keyspace/keyspace.ts";
import { Place } from "../keyspace/place.ts";
import { Entry } from "../keyspace/table.ts";
import { REGISTER_DB } from "./configuration.ts";
import type { Learned } from "./learned.ts";

/** Keys looked at in a step. */
const STEP = 16 * 1024;

/** "remains": of keys that were removed, which are collected soon. */
export type Governed = "keys" | "remains" | "nothing";

/** Looks through all keys, some at a step. */
export function* governedKeys(
  keyspace: Keyspace,
  learned: Learned | null,
  prefix: string,
  nowMs: number,
): Generator<void, Governed> {
  const { policies } = keyspace;
  const bytes = Buffer.from(prefix, "latin1");
  const isGoverned = (key: Buffer, start: number, end: number): boolean =>
    bytes.compare(key, start, Math.min(end, start + bytes.length)) === 0 &&
    (policies.find(key, start, end)?.name ?? prefix) === prefix;
  for (const { key, value, db } of learned?.all() ?? [])
    if (value !== null && db !== REGISTER_DB && isGoverned(key, 0, key.length)) return "keys";
  const entry = new Entry();
  const place = new Place();
  let found = "nothing" as Governed;
  let cursor = 0;
  do {
    if (cursor !== 0) yield;
    cursor = keyspace.walk(cursor, STEP, (table, at) => {
      if (found === "keys" || !keyspace.isOfClients(table)) return;
      table.load(at, entry);
      const { db, bytes: name, nameStart, nameEnd } = entry;
      if (!isGoverned(name, nameStart, nameEnd)) return;
      keyspace.locate(place, db, name, nameStart, nameEnd);
      place.look(keyspace, nowMs);
      found = place.type === NONE ? "remains" : "keys";
    });
  } while (cursor !== 0 && found !== "keys");
  return found;
}
