/** Leftovers: what must be gone once every member has everything. */
import assert from "node:assert/strict";
import type { Cells } from "../crdt/cells.ts";
import { locate, names } from "./canonical.suite.ts";
import type { Replica } from "./replica.ts";

/** What was reset and is stable leaves no trace. */
export function checkNoLeftovers(replica: Replica): void {
  const { keyspace } = replica;
  for (const { db, name } of names(keyspace)) {
    const key = keyspace.open(locate(keyspace, db, name));
    assert.deepEqual(key.floors, [], "no floor is left");
    assert.equal(key.memberFloors, null, "no floor of a member is left");
    for (const era of key.cell?.eras ?? [])
      assert.ok(era.seq > era.resetSeq, `${db}:${name.toString()} keeps a reset for nothing`);
    for (const body of key.bodies) checkCells(body);
  }
}

function checkCells(cells: Cells): void {
  cells.table.each((at) => {
    for (const era of cells.table.objectAt(at)?.eras ?? [])
      assert.ok(era.seq > era.resetSeq, "a field keeps a reset for nothing");
  });
}
