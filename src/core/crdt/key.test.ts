import assert from "node:assert/strict";
import { test } from "node:test";
import { Cell } from "./cell.ts";
import { Key, NEVER_MS } from "./key.ts";

const value = Buffer.from("v");

test("a key is not removed while a deadline that was set for it is still to come", () => {
  const key = new Key();
  key.cell = new Cell();
  // The newer write brought a deadline of its own; what an older EXPIRE meant may be on its way still.
  key.cell.siblings.push({ origin: 1, seq: 1, ms: 200, tick: 0, deadline: 1_000, value });
  key.deadlines = [{ origin: 2, seq: 1, ms: 100, tick: 0, deadline: 1_500 }];
  assert.equal(key.survives(1, 1_200), false, "its value is expired");
  assert.equal(key.lastDeadline(), 1_500);
});

test("a PERSIST keeps no expired key", () => {
  const key = new Key();
  key.cell = new Cell();
  key.cell.siblings.push({ origin: 1, seq: 1, ms: 200, tick: 0, deadline: 1_000, value });
  key.deadlines = [{ origin: 2, seq: 1, ms: 100, tick: 0, deadline: NEVER_MS }];
  assert.equal(key.lastDeadline(), 1_000);
});
