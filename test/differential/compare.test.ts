/** What counts as agreement between two replies. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { disagreement } from "./compare.ts";
import { drawnFrom, membersOf } from "./drawn.ts";
import { exact, milliseconds, unordered, unorderedPairs } from "./step.ts";

const frame = (text: string): Buffer => Buffer.from(text, "latin1");
const list = (...items: string[]): Buffer =>
  frame(`*${items.length}\r\n${items.map((item) => `$${item.length}\r\n${item}\r\n`).join("")}`);

test("one byte makes replies differ", () => {
  assert.equal(disagreement(exact, frame("+OK\r\n"), frame("+OK\r\n"), null), null);
  assert.notEqual(disagreement(exact, frame("+OK\r\n"), frame("+Ok\r\n"), null), null);
  assert.notEqual(disagreement(exact, frame("$-1\r\n"), frame("*-1\r\n"), null), null);
});

test("items may come in any order, but none may be missing, changed or there twice", () => {
  assert.equal(disagreement(unordered, list("a", "b"), list("b", "a"), null), null);
  assert.notEqual(disagreement(unordered, list("a", "b"), list("b", "c"), null), null);
  assert.notEqual(disagreement(unordered, list("a", "b"), list("a", "b", "b"), null), null);
  assert.notEqual(
    disagreement(unordered, list("a", "b"), frame("~2\r\n$1\r\na\r\n$1\r\nb\r\n"), null),
    null,
  );
});

test("a field keeps its value whatever the order", () => {
  assert.equal(
    disagreement(unorderedPairs, list("a", "1", "b", "2"), list("b", "2", "a", "1"), null),
    null,
  );
  assert.notEqual(
    disagreement(unorderedPairs, list("a", "1", "b", "2"), list("b", "1", "a", "2"), null),
    null,
  );
  assert.notEqual(
    disagreement(unordered, frame("%1\r\n+a\r\n:1\r\n"), frame("%1\r\n:1\r\n+a\r\n"), null),
    null,
  );
});

test("deadlines may be a little apart, but no deadline is not a short one", () => {
  assert.equal(
    disagreement(milliseconds, frame(":5000000\r\n"), frame(":4999000\r\n"), null),
    null,
  );
  assert.notEqual(
    disagreement(milliseconds, frame(":5000000\r\n"), frame(":4990000\r\n"), null),
    null,
  );
  assert.notEqual(disagreement(milliseconds, frame(":-1\r\n"), frame(":-2\r\n"), null), null);
  assert.notEqual(disagreement(milliseconds, frame(":-1\r\n"), frame(":1\r\n"), null), null);
  assert.notEqual(disagreement(milliseconds, frame("-ERR a\r\n"), frame("-ERR b\r\n"), null), null);
});

test("what is drawn was there, is as many as asked for, and is distinct where it must be", () => {
  const held = { reference: list("a", "b", "c"), subject: list("c", "b", "a") };
  const two = drawnFrom(membersOf, 2);
  assert.equal(disagreement(two, list("a", "b"), list("b", "c"), held), null);
  assert.match(disagreement(two, list("a", "b"), list("b", "d"), held) ?? "", /not there/);
  assert.match(disagreement(two, list("a", "b"), list("b", "b"), held) ?? "", /twice/);
  assert.match(disagreement(two, list("a", "b"), list("b"), held) ?? "", /shapes/);
  assert.match(disagreement(two, list("a"), list("b"), held) ?? "", /1 instead of 2/);
  const repeated = drawnFrom(membersOf, -4);
  assert.equal(
    disagreement(repeated, list("a", "a", "b", "c"), list("c", "c", "c", "c"), held),
    null,
  );
});
