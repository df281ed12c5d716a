import assert from "node:assert/strict";
import { test } from "node:test";
import { array, bulk, OK } from "./replies.suite.ts";
import { Standalone } from "./standalone.suite.ts";

const digest = (store: Standalone, ...words: string[]): string =>
  store
    .raw("debug", ...words)
    .split("\r\n")
    .at(-2) as string;

test("DEBUG DIGEST-VALUE is of the value alone: neither its history nor its name", () => {
  const store = new Standalone();
  const members = Array.from({ length: 300 }, (_, i) => `m${i}`);
  store.raw("sadd", "s", ...members);
  store.raw("sadd", "t", ...members.toReversed(), "x");
  assert.notEqual(digest(store, "digest-value", "s"), digest(store, "digest-value", "t"));
  store.raw("srem", "t", "x");
  assert.equal(digest(store, "digest-value", "s"), digest(store, "digest-value", "t"));
  store.raw("hset", "h", "a", "1", "b", "2");
  store.raw("hset", "i", "a", "2", "b", "1");
  assert.notEqual(digest(store, "digest-value", "h"), digest(store, "digest-value", "i"));
  assert.equal(digest(store, "digest-value", "none"), `+${"0".repeat(40)}`);
});

test("DEBUG DIGEST is of every key in every database", () => {
  const store = new Standalone();
  const empty = digest(store, "digest");
  store.raw("set", "k", "v");
  const one = digest(store, "digest");
  assert.notEqual(one, empty);
  store.raw("move", "k", "1");
  assert.notEqual(digest(store, "digest"), one);
  store.raw("flushall");
  assert.equal(digest(store, "digest"), empty);
});

test("DEBUG POPULATE makes keys that are not there", () => {
  const store = new Standalone();
  store.raw("set", "p:1", "mine");
  assert.equal(store.raw("debug", "populate", "3", "p", "10"), OK);
  assert.equal(store.raw("mget", "p:0", "p:1"), array(bulk("value:0\0\0\0"), bulk("mine")));
  assert.equal(store.raw("dbsize"), ":3\r\n");
  assert.match(store.raw("debug", "populate", "100001"), /^-ERR at most 100000/);
});

test("DEBUG PROTOCOL answers each type, in either protocol", () => {
  const store = new Standalone();
  const ask = (type: string): string => store.raw("debug", "protocol", type);
  assert.equal(ask("bignum"), bulk("1234567999999999999999999999999999999"));
  assert.equal(ask("true"), ":1\r\n");
  assert.match(ask("push"), /^-ERR RESP2/);
  assert.match(ask("nope"), /^-ERR Wrong protocol type name 'nope'/);
  store.raw("hello", "3");
  assert.equal(ask("bignum"), "(1234567999999999999999999999999999999\r\n");
  assert.equal(ask("map"), "%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n");
  assert.equal(ask("push"), `>2\r\n${bulk("server-cpu-usage")}:42\r\n`);
  assert.match(ask("attrib"), /^\|1\r\n/);
});

test("DEBUG OBJECT tells how a value would be dumped, and changes no access", () => {
  const store = new Standalone();
  store.raw("set", "k", "x".repeat(50));
  assert.match(
    store.raw("debug", "object", "k"),
    /^\+Value at:slot-\d+ refcount:1 encoding:raw serializedlength:\d+ lru_seconds_idle:0 type:string kept:register entries:1\r\n$/,
  );
  assert.equal(store.raw("debug", "object", "none"), "-ERR no such key\r\n");
});
