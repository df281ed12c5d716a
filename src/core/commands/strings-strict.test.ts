import assert from "node:assert/strict";
import { test } from "node:test";
import { exchange, Region } from "./regions.suite.ts";
import { bulk, int, NIL, OK } from "./replies.suite.ts";

/** Two regions that keep strings under `y:` strictly by the last writer and share `y:k`. */
function regions(): [Region, Region] {
  const [a, b] = [new Region("a"), new Region("b")];
  for (const region of [a, b])
    assert.equal(region.raw("AA.KEYSPACE", "SET", "y:", "FORMAT", "lww-strict"), OK);
  a.raw("SET", "y:k", "old");
  exchange(a, b);
  b.nowMs += 10;
  return [a, b];
}

/** What both regions answer, which must be the same. */
function both(a: Region, b: Region, ...words: string[]): string {
  exchange(a, b);
  const reply = a.raw(...words);
  assert.equal(b.raw(...words), reply);
  return reply;
}

test("of two writes at once the later stays alone, the other is in the feed", () => {
  const [a, b] = regions();
  a.raw("SET", "y:k", "one");
  b.raw("SET", "y:k", "two");
  assert.equal(both(a, b, "GET", "y:k"), bulk("two"));
  assert.equal(both(a, b, "AA.SIBLINGS", "y:k").includes("one"), false);
  const feed = a.raw("AA.CONFLICTS", "y:k");
  assert.match(feed, /one[^]*lww-strict/);
  const id = /a\/1@\w+:\d+:\w+/.exec(feed)?.[0] as string;
  a.nowMs += 20;
  assert.equal(a.raw("AA.RESTORE", id), OK);
  assert.equal(both(a, b, "GET", "y:k"), bulk("one"));
});

test("a later removal takes a write that it had not seen", () => {
  const [a, b] = regions();
  a.raw("SET", "y:k", "one");
  b.raw("DEL", "y:k");
  assert.equal(both(a, b, "GET", "y:k"), NIL);
  assert.equal(both(a, b, "DBSIZE"), int(0));
  assert.match(a.raw("AA.CONFLICTS", "y:k"), /one[^]*lww-strict/);
});

test("a removal that is older than a write takes nothing of it", () => {
  const [a, b] = regions();
  a.raw("GETDEL", "y:k");
  b.raw("SET", "y:k", "two");
  assert.equal(both(a, b, "GET", "y:k"), bulk("two"));
});

test("an older write does not come back when the later one has expired", () => {
  const [a, b] = regions();
  a.raw("SET", "y:k", "one");
  b.raw("SET", "y:k", "two", "PX", "50");
  assert.equal(both(a, b, "GET", "y:k"), bulk("two"));
  for (const region of [a, b]) region.nowMs += 100;
  assert.equal(both(a, b, "GET", "y:k"), NIL);
});

test("a write that arrives behind a later removal is dead on arrival", () => {
  const [a, b] = regions();
  a.raw("SET", "y:k", "one");
  const late = a.take();
  b.raw("DEL", "y:k");
  b.receive(late);
  assert.equal(b.raw("GET", "y:k"), NIL);
  b.raw("SET", "y:k", "new");
  assert.equal(both(a, b, "GET", "y:k"), bulk("new"));
});

test("in one transaction a string is what was done to it last", () => {
  const [a, b] = regions();
  for (const words of [["MULTI"], ["DEL", "y:k"], ["SET", "y:k", "v"], ["EXEC"]]) a.raw(...words);
  for (const words of [["MULTI"], ["SET", "y:m", "v"], ["DEL", "y:m"], ["EXEC"]]) a.raw(...words);
  assert.equal(both(a, b, "MGET", "y:k", "y:m"), `*2\r\n${bulk("v")}${NIL}`);
});

test("increments add up as ever, and a write replaces those it has seen", () => {
  const [a, b] = regions();
  a.raw("SET", "y:n", "5");
  exchange(a, b);
  a.raw("INCR", "y:n");
  b.raw("INCRBY", "y:n", "10");
  assert.equal(both(a, b, "GET", "y:n"), bulk("16"));
  b.raw("SET", "y:n", "0");
  a.raw("INCR", "y:n");
  assert.equal(both(a, b, "GET", "y:n"), bulk("1"));
});
