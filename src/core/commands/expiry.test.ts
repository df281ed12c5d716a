import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bulk, error, int } from "./replies.suite.ts";
import { Standalone } from "./standalone.suite.ts";

test("a deadline is told in seconds and milliseconds, from now and from 1970", () => {
  const store = new Standalone();
  assert.equal(store.raw("TTL", "k"), int(-2));
  assert.equal(store.raw("EXPIRE", "k", "10"), int(0));
  store.raw("SET", "k", "v");
  assert.equal(store.raw("TTL", "k"), int(-1));
  assert.equal(store.raw("PEXPIRE", "k", "10499"), int(1));
  assert.equal(store.raw("TTL", "k"), int(10), "rounded to the nearest second");
  assert.equal(store.raw("PTTL", "k"), int(10_499));
  assert.equal(store.raw("PEXPIRETIME", "k"), int(store.nowMs + 10_499));
  assert.equal(store.raw("EXPIRETIME", "k"), int(Math.floor((store.nowMs + 10_999) / 1000)));
  assert.equal(store.raw("EXPIREAT", "k", "1700000100"), int(1));
  assert.equal(store.raw("TTL", "k"), int(100));
  assert.equal(store.raw("PEXPIREAT", "k", "1700000200000"), int(1));
  assert.equal(store.raw("TTL", "k"), int(200));
});

test("keys of every type end at their deadline", () => {
  const store = new Standalone();
  store.raw("SET", "string", "v");
  store.raw("INCR", "counter");
  store.raw("SADD", "set", "a");
  store.raw("HSET", "hash", "f", "v");
  store.raw("HINCRBY", "counters", "f", "1");
  const keys = ["string", "counter", "set", "hash", "counters"];
  for (const key of keys) assert.equal(store.raw("PEXPIRE", key, "50"), int(1));
  store.nowMs += 49;
  assert.equal(store.raw("EXISTS", ...keys), int(5));
  store.nowMs += 1;
  assert.equal(store.raw("EXISTS", ...keys), int(0));
  for (const key of keys) assert.equal(store.raw("TTL", key), int(-2));
  for (const key of keys) assert.equal(store.raw("PERSIST", key), int(0));
});

test("PERSIST lets a key live, whether EXPIRE or SET had limited it", () => {
  const store = new Standalone();
  store.raw("SETEX", "k", "10", "v");
  assert.equal(store.raw("PERSIST", "k"), int(1));
  assert.equal(store.raw("PERSIST", "k"), int(0));
  store.raw("EXPIRE", "k", "10");
  assert.equal(store.raw("PERSIST", "k"), int(1));
  store.nowMs += 60_000;
  assert.equal(store.raw("GET", "k"), bulk("v"));
  assert.equal(store.raw("TTL", "k"), int(-1));
});

test("a deadline in the past deletes", () => {
  const store = new Standalone();
  for (const words of [
    ["EXPIRE", "k", "0"],
    ["EXPIRE", "k", "-1"],
    ["PEXPIRE", "k", "-9223372036854775808"],
    ["EXPIREAT", "k", "1"],
    ["PEXPIREAT", "k", "0"],
  ]) {
    store.raw("SADD", "k", "a");
    assert.equal(store.raw(...words), int(1), words.join(" "));
    assert.equal(store.raw("DBSIZE"), int(0), words.join(" "));
  }
});

test("NX, XX, GT and LT decide by the deadline that is there", () => {
  const store = new Standalone();
  const expire = (seconds: string, ...words: string[]): string =>
    store.raw("EXPIRE", "k", seconds, ...words);
  store.raw("SET", "k", "v");
  assert.equal(expire("100", "XX"), int(0));
  assert.equal(expire("100", "GT"), int(0), "no deadline is the longest of all");
  assert.equal(expire("100", "LT"), int(1));
  assert.equal(expire("200", "NX"), int(0));
  assert.equal(expire("100", "GT"), int(0));
  assert.equal(expire("100", "LT"), int(0));
  assert.equal(expire("200", "GT"), int(1));
  assert.equal(expire("150", "xx", "lt"), int(1));
  assert.equal(store.raw("TTL", "k"), int(150));
});

test("options that make no sense are named", () => {
  const store = new Standalone();
  const expire = (...words: (string | Buffer)[]): string => store.raw("EXPIRE", "k", ...words);
  assert.equal(expire("10", "EX"), error("ERR Unsupported option EX"));
  assert.equal(expire("x", "a\r\nb \r\n"), error("ERR Unsupported option a  b "));
  assert.equal(expire("10", "a\0b"), error("ERR Unsupported option a"));
  assert.equal(
    expire("10", "NX", "GT"),
    error("ERR NX and XX, GT or LT options at the same time are not compatible"),
  );
  assert.equal(
    expire("10", "GT", "LT"),
    error("ERR GT and LT options at the same time are not compatible"),
  );
  assert.equal(expire("ten"), error("ERR value is not an integer or out of range"));
});

test("times beyond 64 bits are refused, those beyond the last deadline moved to it", () => {
  const store = new Standalone();
  store.raw("SET", "k", "v");
  for (const [name, time] of [
    ["expire", "9223372036854775807"],
    ["expire", "-9223372036854775807"],
    ["expire", "9223372036854775"],
    ["pexpire", "9223372036854775807"],
    ["expireat", "9223372036854776"],
  ] as const)
    assert.equal(
      store.raw(name, "k", time),
      error(`ERR invalid expire time in '${name}' command`),
      `${name} ${time}`,
    );
  const last = 2 ** 48 - 2;
  assert.equal(store.raw("PEXPIREAT", "k", "9223372036854775807"), int(1));
  assert.equal(store.raw("PEXPIRETIME", "k"), int(last));
  assert.equal(store.raw("EXPIRE", "k", "9007199254740991"), int(1));
  assert.equal(store.raw("PEXPIRETIME", "k"), int(last));
});

test("a new life does not inherit a deadline", () => {
  const store = new Standalone();
  const births = [
    ["SET", "k", "1"],
    ["INCR", "k"],
    ["APPEND", "k", "x"],
    ["SADD", "k", "m"],
    ["HSET", "k", "f", "v"],
    ["HINCRBY", "k", "f", "1"],
  ];
  fc.assert(
    fc.property(fc.constantFrom(...births), fc.constantFrom(...births), (first, second) => {
      store.raw("DEL", "k");
      store.raw(...first);
      store.raw("PEXPIRE", "k", "100");
      store.nowMs += 100;
      store.raw(...second);
      assert.equal(store.raw("TTL", "k"), int(-1));
      assert.equal(store.raw("EXISTS", "k"), int(1));
      store.nowMs += 1_000;
      assert.equal(store.raw("EXISTS", "k"), int(1));
    }),
    { numRuns: 100 },
  );
});
