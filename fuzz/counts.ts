/** Counts: whether a replica's counts are those of what it holds, whatever was done to it. */
import { Entry, OBJECT } from "../src/core/keyspace/table.ts";
import type { Replica } from "../src/core/replica/replica.ts";
import { must } from "./must.ts";

export function checkCounts({ keyspace }: Replica): void {
  const keys: number[] = [];
  const entry = new Entry();
  keyspace.walk(0, Infinity, (table, at) => {
    table.load(at, entry);
    const live = entry.kind !== OBJECT || table.object(entry).tags !== 0;
    if (live) keys[entry.db] = (keys[entry.db] ?? 0) + 1;
  });
  for (let db = 0; db < Math.max(keyspace.databases, keys.length); db++)
    must(keyspace.keys(db) === (keys[db] ?? 0), "a database counts other keys than it holds");
}
