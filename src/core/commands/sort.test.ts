import assert from "node:assert/strict";
import { test } from "node:test";
import { Standalone } from "./standalone.suite.ts";

/** The items of an array reply of bulk strings; null for nil. */
function items(reply: string): (string | null)[] {
  assert.match(reply, /^\*\d+\r\n/, reply);
  return [...reply.matchAll(/\$(?:-1\r\n|\d+\r\n([^\r\n]*)\r\n)/g)].map(([, text]) => text ?? null);
}

function withSet(...members: string[]): Standalone {
  const client = new Standalone();
  client.raw("SADD", "k", ...members);
  return client;
}

test("numbers are sorted as numbers, and of equal ones the lower bytes come first", () => {
  const client = withSet("10", "9", "-1.5", "1e1", "0x0A", " 10", "inf", "-inf", "");
  assert.deepEqual(items(client.raw("SORT", "k")), [
    ...["-inf", "-1.5", "", "9", " 10", "0x0A", "10", "1e1", "inf"],
  ]);
  const descending = items(client.raw("SORT", "k", "desc", "limit", "1", "3"));
  assert.deepEqual(descending, ["1e1", "10", "0x0A"]);
});

test("what is no number cannot be sorted without ALPHA", () => {
  for (const odd of ["x", "1x", " ", "nan", "1e400", "1e-310", "0x", "+"]) {
    const client = withSet("1", odd);
    assert.match(client.raw("SORT", "k"), /^-ERR One or more scores can't be converted/, odd);
    assert.equal(items(client.raw("SORT", "k", "ALPHA")).length, 2);
  }
});

test("elements are sorted by what lies under the names that BY makes of them", () => {
  const client = withSet("a", "b", "c", "d");
  client.raw("MSET", "w_a", "3", "w_b", "1", "w_c", "2");
  client.raw("HSET", "h_a", "f", "x");
  client.raw("HSET", "h_b", "f", "z");
  assert.deepEqual(items(client.raw("SORT", "k", "BY", "w_*")), ["d", "b", "c", "a"]);
  assert.deepEqual(
    items(client.raw("SORT", "k", "BY", "h_*->f", "ALPHA", "DESC", "LIMIT", "0", "2")),
    [...["b", "a"]],
  );
  client.raw("SET", "w_d", "many");
  assert.match(client.raw("SORT", "k", "BY", "w_*"), /^-ERR One or more/);
  // A key of another type counts as absent.
  client.raw("DEL", "w_d");
  client.raw("SADD", "w_d", "1");
  assert.deepEqual(items(client.raw("SORT_RO", "k", "BY", "w_*")), ["d", "b", "c", "a"]);
});

test("GET answers with the element, with strings and with fields, and with nil for what is absent", () => {
  const client = withSet("1", "2");
  client.raw("SET", "name_1", "one");
  client.raw("SET", "x:2->", "arrow");
  client.raw("HSET", "h2", "f", "two");
  const reply = client.raw(
    "SORT",
    "k",
    "GET",
    "#",
    "GET",
    "name_*",
    "GET",
    "h*->f",
    "GET",
    "x:*->",
    "GET",
    "name_1",
  );
  assert.deepEqual(items(reply), ["1", "one", null, null, null, "2", null, "two", "arrow", null]);
});

test("LIMIT takes what is there", () => {
  const client = withSet("1", "2", "3");
  const limited = (skip: string, take: string): unknown =>
    items(client.raw("SORT", "k", "LIMIT", skip, take));
  assert.deepEqual(limited("1", "1"), ["2"]);
  assert.deepEqual(limited("-5", "2"), ["1", "2"]);
  assert.deepEqual(limited("2", "-1"), ["3"]);
  assert.deepEqual(limited("3", "1"), []);
  assert.deepEqual(limited("0", "0"), []);
  assert.deepEqual(limited("1", "9223372036854775807"), ["2", "3"]);
  assert.match(client.raw("SORT", "k", "LIMIT", "1", "x"), /^-ERR value is not an integer/);
});

test("a key that is absent is empty, one of another type is refused, and so is what makes no sense", () => {
  const client = new Standalone();
  client.raw("SET", "s", "1");
  assert.equal(client.raw("SORT", "none"), "*0\r\n");
  assert.match(client.raw("SORT", "s"), /^-WRONGTYPE/);
  for (const words of [["LIMIT", "1"], ["BY"], ["GET"], ["STORE"], ["more"]])
    assert.equal(client.raw("SORT", "none", ...words), "-ERR syntax error\r\n");
  assert.equal(client.raw("SORT_RO", "none", "STORE", "to"), "-ERR syntax error\r\n");
});

test("STORE makes a list of what would be answered, and of nothing no list", () => {
  const client = withSet("3", "1", "2");
  client.raw("SET", "name_2", "two");
  const stored = (): unknown => items(client.raw("LRANGE", "to", "0", "-1"));
  client.raw("SET", "to", "whatever was there", "EX", "100");
  assert.equal(client.raw("SORT", "k", "DESC", "STORE", "x", "STORE", "to"), ":3\r\n");
  assert.deepEqual(stored(), ["3", "2", "1"]);
  assert.equal(client.raw("TTL", "to"), ":-1\r\n");
  assert.equal(client.raw("EXISTS", "x"), ":0\r\n");
  assert.equal(client.raw("SORT", "k", "GET", "#", "GET", "name_*", "STORE", "to"), ":6\r\n");
  assert.deepEqual(stored(), ["1", "", "2", "two", "3", ""]);
  assert.equal(client.raw("SORT", "k", "STORE", "k"), ":3\r\n");
  assert.equal(client.raw("TYPE", "k"), "+list\r\n");
  assert.equal(client.raw("SORT", "k", "LIMIT", "5", "1", "STORE", "to"), ":0\r\n");
  assert.equal(client.raw("EXISTS", "to"), ":0\r\n");
});

test("BY a name that is no pattern leaves lists and sorted sets in their order", () => {
  const client = new Standalone();
  client.raw("RPUSH", "l", "c", "a", "b");
  client.raw("ZADD", "z", "3", "a", "1", "b", "2", "c");
  const sorted = (...words: string[]): unknown => items(client.raw("SORT", ...words));
  assert.deepEqual(sorted("l", "BY", "no"), ["c", "a", "b"]);
  assert.deepEqual(sorted("l", "BY", "no", "DESC", "LIMIT", "0", "2"), ["b", "a"]);
  assert.deepEqual(sorted("z", "BY", "no"), ["b", "c", "a"]);
  assert.deepEqual(sorted("z", "BY", "no", "DESC", "LIMIT", "1", "5"), ["c", "b"]);
  const set = withSet("c", "a", "b");
  set.raw("SORT", "k", "BY", "no", "STORE", "to");
  assert.deepEqual(items(set.raw("LRANGE", "to", "0", "-1")), ["a", "b", "c"]);
});

test("the keys of SORT are the key that is sorted and the last that follows STORE", () => {
  const client = new Standalone();
  const keys = (...words: string[]): unknown => items(client.raw("COMMAND", "GETKEYS", ...words));
  assert.deepEqual(keys("SORT", "a", "STORE", "b"), ["a", "b"]);
  assert.deepEqual(keys("SORT", "a", "STORE", "x", "STORE", "y", "STORE", "b"), ["a", "b"]);
  assert.deepEqual(keys("SORT", "a", "BY", "STORE", "GET", "STORE"), ["a"]);
  assert.deepEqual(keys("SORT_RO", "a", "GET", "b"), ["a"]);
  assert.deepEqual(keys("MIGRATE", "h", "1", "", "0", "1", "KEYS", "a", "b"), ["a", "b"]);
  assert.deepEqual(keys("MIGRATE", "h", "1", "k", "0", "1", "COPY"), ["k"]);
});
