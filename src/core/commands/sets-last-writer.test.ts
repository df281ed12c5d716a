import assert from "node:assert/strict";
import { test } from "node:test";
import { exchange, Region } from "./regions.suite.ts";
import { int, OK } from "./replies.suite.ts";

/** Two regions that keep sets under `w:` by the last writer and share one of `x`. */
function regions(): [Region, Region] {
  const [a, b] = [new Region("a"), new Region("b")];
  for (const region of [a, b])
    assert.equal(region.raw("AA.KEYSPACE", "SET", "w:", "FORMAT", "lww-set"), OK);
  a.raw("SADD", "w:s", "x", "y");
  exchange(a, b);
  return [a, b];
}

/** What both regions say of a member of `w:s`, which must be the same. */
function isThere(a: Region, b: Region, member: string): boolean {
  exchange(a, b);
  const reply = a.raw("SISMEMBER", "w:s", member);
  assert.equal(b.raw("SISMEMBER", "w:s", member), reply);
  return reply === int(1);
}

test("of an addition and a removal at once the later one wins, in whatever order they arrive", () => {
  for (const [addAt, removeAt] of [
    [1, 2],
    [2, 1],
  ] as const) {
    const [a, b] = regions();
    a.nowMs += addAt;
    b.nowMs += removeAt;
    a.raw("SADD", "w:s", "x");
    b.raw("SREM", "w:s", "x");
    assert.equal(isThere(a, b, "x"), addAt > removeAt);
    assert.equal(isThere(a, b, "y"), true);
  }
});

test("of an addition and a removal with one stamp the addition wins", () => {
  const [a, b] = regions();
  a.nowMs += 5;
  b.nowMs += 5;
  a.raw("SADD", "w:s", "x");
  b.raw("SREM", "w:s", "x");
  assert.equal(isThere(a, b, "x"), true);
});

test("an addition that arrives behind a later removal is dead on arrival, one behind that is not", () => {
  const [a, b] = regions();
  a.raw("SADD", "w:s", "x");
  const late = a.take();
  b.nowMs += 10;
  b.raw("SREM", "w:s", "x");
  const removal = b.take();
  a.receive(removal);
  assert.equal(a.raw("SISMEMBER", "w:s", "x"), int(0));
  b.receive(late);
  assert.equal(b.raw("SISMEMBER", "w:s", "x"), int(0));
  b.raw("SADD", "w:s", "x");
  assert.equal(isThere(a, b, "x"), true, "whoever adds it knowing of the removal does");
});

test("what a later removal took unseen is in the feed and can be brought back", () => {
  const [a, b] = regions();
  a.raw("SADD", "w:s", "z");
  exchange(a, b);
  a.raw("SADD", "w:s", "z");
  b.nowMs += 10;
  b.raw("SREM", "w:s", "z");
  assert.equal(isThere(a, b, "z"), false);
  const feed = b.raw("AA.CONFLICTS", "w:s");
  assert.match(feed, /member[^]*lww-set/);
  const id = /a\/1@\w+:\d+:\w+/.exec(feed)?.[0] as string;
  assert.equal(b.raw("AA.RESTORE", id), OK);
  assert.equal(isThere(a, b, "z"), true);
});

test("in one transaction a member is what was done to it last", () => {
  const [a, b] = regions();
  for (const words of [["MULTI"], ["SREM", "w:s", "x"], ["SADD", "w:s", "x"], ["EXEC"]])
    a.raw(...words);
  for (const words of [["MULTI"], ["SADD", "w:s", "y"], ["SREM", "w:s", "y"], ["EXEC"]])
    a.raw(...words);
  assert.equal(isThere(a, b, "x"), true);
  assert.equal(isThere(a, b, "y"), false);
});

test("SPOP and SMOVE remove by the last writer, DEL what it has seen", () => {
  const [a, b] = regions();
  a.raw("SADD", "w:s", "x");
  b.nowMs += 10;
  assert.equal(b.raw("SMOVE", "w:s", "w:t", "x"), int(1));
  assert.equal(isThere(a, b, "x"), false);
  a.raw("SADD", "w:s", "y");
  b.nowMs += 10;
  b.raw("DEL", "w:s");
  assert.equal(isThere(a, b, "y"), true);
  a.raw("SADD", "w:s", "y");
  b.nowMs += 10;
  b.raw("SPOP", "w:s");
  assert.equal(isThere(a, b, "y"), false);
});

test("regions of which one was not told of the format agree all the same", () => {
  const [a, b] = [new Region("a"), new Region("b")];
  b.raw("AA.KEYSPACE", "SET", "w:", "FORMAT", "lww-set");
  a.raw("SADD", "w:s", "x", "y");
  exchange(a, b);
  a.raw("SADD", "w:s", "x", "y");
  a.nowMs += 20;
  b.nowMs += 10;
  b.raw("SREM", "w:s", "x");
  a.raw("SREM", "w:s", "y");
  b.raw("SADD", "w:s", "y");
  assert.equal(isThere(a, b, "x"), false, "the one that knows removes by the last writer");
  assert.equal(isThere(a, b, "y"), true, "the other what it has seen");
});
