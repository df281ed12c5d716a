import assert from "node:assert/strict";
import { test } from "node:test";
import { array, bulk, bulksOf, error, int, NIL, OK, WRONG } from "./replies.suite.ts";
import { Standalone } from "./standalone.suite.ts";

const binary = Buffer.from([0, 255, 13, 10, 128, 0]);

test("fields come back byte for byte", () => {
  const store = new Standalone();
  assert.equal(store.raw("HSET", "h", binary, binary, "", ""), int(2));
  assert.equal(store.raw("HGET", "h", binary), bulk(binary.latin1Slice()));
  assert.equal(store.raw("HGET", "h", ""), bulk(""));
  assert.equal(store.raw("HGET", "h", "none"), NIL);
  assert.equal(store.raw("HSTRLEN", "h", binary), int(6));
  assert.equal(store.raw("HSTRLEN", "h", "none"), int(0));
});

test("HSET counts new fields alone, however often they are named", () => {
  const store = new Standalone();
  assert.equal(store.raw("HSET", "h", "a", "1", "b", "2", "a", "3"), int(2));
  assert.equal(store.raw("HSET", "h", "a", "4", "c", "5"), int(1));
  assert.equal(store.raw("HMSET", "h", "b", "6"), OK);
  assert.equal(
    store.raw("HMGET", "h", "a", "none", "b", "c"),
    array(bulk("4"), NIL, bulk("6"), bulk("5")),
  );
  assert.equal(store.raw("HLEN", "h"), int(3));
  const arity = (name: string): string =>
    error(`ERR wrong number of arguments for '${name}' command`);
  assert.equal(store.raw("HSET", "h", "a", "1", "b"), arity("hset"));
  assert.equal(store.raw("HMSET", "h", "a", "1", "b"), arity("hmset"));
});

test("a field that HINCRBY made is not new to HSET", () => {
  const client = new Standalone();
  client.raw("HINCRBY", "h", "f", "1");
  assert.equal(client.raw("HSET", "h", "f", "x"), ":0\r\n");
  assert.equal(client.raw("HGET", "h", "f"), "$1\r\nx\r\n");
});

test("with its last field a hash is gone, and its deadline with it", () => {
  const store = new Standalone();
  store.raw("HSET", "h", "a", "1", "b", "2");
  store.raw("EXPIRE", "h", "100");
  assert.equal(store.raw("HDEL", "h", "a", "none", "a"), int(1));
  assert.equal(store.raw("HDEL", "h", "b"), int(1));
  assert.equal(store.raw("EXISTS", "h"), int(0));
  assert.equal(store.raw("DBSIZE"), int(0));
  store.raw("HSET", "h", "a", "1");
  assert.equal(store.raw("TTL", "h"), int(-1));
});

test("what expired is not counted, not shown and not there for HSETNX", () => {
  const store = new Standalone();
  store.raw("HSET", "h", "a", "1", "b", "2");
  store.raw("PEXPIRE", "h", "100");
  store.nowMs += 100;
  assert.equal(store.raw("HLEN", "h"), int(0));
  assert.equal(store.raw("HGETALL", "h"), array());
  assert.equal(store.raw("HSETNX", "h", "a", "new"), int(1));
  assert.equal(store.raw("HGETALL", "h"), array(bulk("a"), bulk("new")));
  assert.equal(store.raw("TTL", "h"), int(-1));
});

test("HSETNX keeps what is there", () => {
  const store = new Standalone();
  assert.equal(store.raw("HSETNX", "h", "a", "1"), int(1));
  assert.equal(store.raw("HSETNX", "h", "a", "2"), int(0));
  assert.equal(store.raw("HEXISTS", "h", "a"), int(1));
  assert.equal(store.raw("HEXISTS", "h", "b"), int(0));
  assert.equal(store.raw("HGET", "h", "a"), bulk("1"));
});

test("every command on hashes refuses another type", () => {
  const store = new Standalone();
  store.raw("SET", "s", "v");
  for (const [name = "", ...rest] of [
    ["HSET", "a", "1"],
    ["HMSET", "a", "1"],
    ["HSETNX", "a", "1"],
    ["HGET", "a"],
    ["HMGET", "a"],
    ["HEXISTS", "a"],
    ["HSTRLEN", "a"],
    ["HLEN"],
    ["HDEL", "a"],
    ["HINCRBY", "a", "1"],
    ["HINCRBYFLOAT", "a", "1"],
    ["HGETALL"],
    ["HKEYS"],
    ["HVALS"],
    ["HRANDFIELD"],
    ["HRANDFIELD", "1"],
    ["HSCAN", "0"],
  ])
    assert.equal(store.raw(name, "s", ...rest), WRONG, name);
  assert.equal(store.raw("GET", "s"), bulk("v"));
});

test("fields count as strings do, and say so in their own words", () => {
  const store = new Standalone();
  assert.equal(store.raw("HINCRBY", "h", "n", "5"), int(5));
  assert.equal(store.raw("HINCRBYFLOAT", "h", "n", "0.5"), bulk("5.5"));
  assert.equal(store.raw("HINCRBY", "h", "n", "1"), error("ERR hash value is not an integer"));
  store.raw("HSET", "h", "n", "9223372036854775807", "text", "abc", "inf", "inf");
  assert.equal(
    store.raw("HINCRBY", "h", "n", "1"),
    error("ERR increment or decrement would overflow"),
  );
  assert.equal(
    store.raw("HINCRBY", "h", "n", "x"),
    error("ERR value is not an integer or out of range"),
  );
  assert.equal(store.raw("HINCRBYFLOAT", "h", "text", "1"), error("ERR hash value is not a float"));
  assert.equal(store.raw("HINCRBYFLOAT", "h", "n", "x"), error("ERR value is not a valid float"));
  assert.equal(store.raw("HINCRBYFLOAT", "h", "n", "inf"), error("ERR value is NaN or Infinity"));
  assert.equal(
    store.raw("HINCRBYFLOAT", "h", "inf", "1"),
    error("ERR increment would produce NaN or Infinity"),
  );
  store.raw("HSET", "h", "hex", "0x10");
  assert.equal(store.raw("HINCRBYFLOAT", "h", "hex", "1"), bulk("17"));
  assert.equal(store.raw("HGET", "h", "hex"), bulk("17"));
});

test("a field removed and counted again begins at 0", () => {
  const store = new Standalone();
  store.raw("HINCRBY", "h", "n", "5");
  store.raw("HDEL", "h", "n");
  assert.equal(store.raw("HINCRBY", "h", "n", "1"), int(1));
});

test("listings show every field once", () => {
  const store = new Standalone();
  store.raw("HSET", "h", "a", "1", "b", "2");
  store.raw("HINCRBY", "h", "n", "3");
  assert.deepEqual(bulksOf(store.raw("HGETALL", "h")), ["1", "2", "3", "a", "b", "n"]);
  assert.deepEqual(bulksOf(store.raw("HKEYS", "h")), ["a", "b", "n"]);
  assert.deepEqual(bulksOf(store.raw("HVALS", "h")), ["1", "2", "3"]);
  assert.equal(store.raw("HGETALL", "none"), array());
  store.session.resp = 3;
  assert.equal(store.raw("HGETALL", "none"), "%0\r\n");
  assert.ok(store.raw("HGETALL", "h").startsWith("%3\r\n"));
  assert.ok(store.raw("HKEYS", "h").startsWith("*3\r\n"));
});

test("HRANDFIELD draws what is there, each once unless told otherwise", () => {
  const store = new Standalone();
  const fields = Array.from({ length: 20 }, (_, i) => `f${i}`);
  store.raw("HSET", "h", ...fields.flatMap((field) => [field, `v${field}`]));
  const five = bulksOf(store.raw("HRANDFIELD", "h", "5"));
  assert.equal(new Set(five).size, 5);
  assert.ok(five.every((field) => fields.includes(field)));
  assert.deepEqual(bulksOf(store.raw("HRANDFIELD", "h", "100")), fields.toSorted());
  assert.equal(bulksOf(store.raw("HRANDFIELD", "h", "-50")).length, 50);
  const seen = new Set<string>();
  for (let i = 0; i < 500; i++) seen.add(store.raw("HRANDFIELD", "h"));
  assert.equal(seen.size, 20, "every field comes up");
  store.raw("HSET", "one", "f", "v");
  assert.equal(store.raw("HRANDFIELD", "one", "1", "WITHVALUES"), array(bulk("f"), bulk("v")));
  store.session.resp = 3;
  assert.equal(
    store.raw("HRANDFIELD", "one", "-2", "WITHVALUES"),
    array(array(bulk("f"), bulk("v")), array(bulk("f"), bulk("v"))),
  );
});

test("HRANDFIELD refuses counts that are none, and answers for keys that are none", () => {
  const store = new Standalone();
  const lowest = "-9223372036854775808";
  assert.equal(store.raw("HRANDFIELD", "none"), NIL);
  assert.equal(store.raw("HRANDFIELD", "none", "3"), array());
  assert.equal(
    store.raw("HRANDFIELD", "none", lowest),
    error(
      "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
    ),
  );
  assert.equal(
    store.raw("HRANDFIELD", "none", "-9223372036854775807", "WITHVALUES"),
    error("ERR value is out of range"),
  );
  assert.equal(store.raw("HRANDFIELD", "none", "1", "VALUES"), error("ERR syntax error"));
  store.raw("HSET", "h", "f", "x".repeat(1 << 20));
  assert.equal(
    store.raw("HRANDFIELD", "h", "-1000", "WITHVALUES"),
    error("ERR the reply would exceed 64 MiB, draw fewer at once"),
  );
});
