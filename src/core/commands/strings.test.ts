import assert from "node:assert/strict";
import { test } from "node:test";
import { array, bulk, error, int, NIL, OK, WRONG } from "./replies.suite.ts";
import { Standalone } from "./standalone.suite.ts";

const binary = Buffer.from([0, 255, 13, 10, 128, 0]);

test("a value comes back byte for byte, under a key of any bytes", () => {
  const store = new Standalone();
  assert.equal(store.raw("SET", binary, binary), OK);
  assert.equal(store.raw("GET", binary), bulk(binary.latin1Slice()));
  assert.equal(store.raw("GET", binary.subarray(0, 5)), NIL);
  assert.equal(store.raw("SET", "", ""), OK);
  assert.equal(store.raw("GET", ""), bulk(""));
});

test("SET replaces whatever the key held, GET refuses what is no string", () => {
  const store = new Standalone();
  store.raw("SADD", "k", "a");
  assert.equal(store.raw("GET", "k"), WRONG);
  assert.equal(store.raw("GETSET", "k", "v"), WRONG);
  assert.equal(store.raw("GETDEL", "k"), WRONG);
  assert.equal(store.raw("GETEX", "k"), WRONG);
  assert.equal(store.raw("SET", "k", "v", "GET"), WRONG);
  assert.equal(store.raw("SCARD", "k"), int(1), "a refusal changes nothing");
  assert.equal(store.raw("SET", "k", "v"), OK);
  assert.equal(store.raw("GET", "k"), bulk("v"));
});

test("SET NX and XX write only when they may, and GET tells what was there", () => {
  const store = new Standalone();
  assert.equal(store.raw("SET", "k", "1", "XX"), NIL);
  assert.equal(store.raw("SET", "k", "1", "nx"), OK);
  assert.equal(store.raw("SET", "k", "2", "NX"), NIL);
  assert.equal(store.raw("SET", "k", "3", "NX", "GET"), bulk("1"));
  assert.equal(store.raw("SET", "k", "4", "XX", "GET"), bulk("1"));
  assert.equal(store.raw("SET", "new", "5", "GET"), NIL);
  assert.equal(store.raw("MGET", "k", "new"), array(bulk("4"), bulk("5")));
});

test("SET refuses words that make no sense together", () => {
  const store = new Standalone();
  const syntax = error("ERR syntax error");
  for (const words of [
    ["NX", "XX"],
    ["EX"],
    ["EX", "10", "PX", "10"],
    ["EX", "10", "KEEPTTL"],
    ["KEEPTTL", "EXAT", "10"],
    ["PERSIST"],
    ["nonsense"],
  ])
    assert.equal(store.raw("SET", "k", "v", ...words), syntax, words.join(" "));
  assert.equal(store.raw("SET", "k", "v", "EX", "10", "EX", "20"), OK, "the last of a kind counts");
  assert.equal(store.raw("TTL", "k"), int(20));
  for (const words of [["NX"], ["PERSIST", "EX", "1"], ["KEEPTTL"], ["PXAT"]])
    assert.equal(store.raw("GETEX", "k", ...words), syntax, words.join(" "));
});

test("times that are no times are refused in the name of the command", () => {
  const store = new Standalone();
  const notAnInteger = error("ERR value is not an integer or out of range");
  const invalid = (name: string): string => error(`ERR invalid expire time in '${name}' command`);
  assert.equal(store.raw("SET", "k", "v", "EX", "ten"), notAnInteger);
  assert.equal(store.raw("SET", "k", "v", "PX", "9223372036854775808"), notAnInteger);
  for (const [unit, time] of [
    ["EX", "0"],
    ["PX", "-1"],
    ["EX", "9223372036854775807"],
    ["PX", "9223372036854775807"],
    ["EXAT", "9223372036854776"],
  ] as const)
    assert.equal(store.raw("SET", "k", "v", unit, time), invalid("set"), `${unit} ${time}`);
  assert.equal(store.raw("SETEX", "k", "0", "v"), invalid("setex"));
  assert.equal(store.raw("PSETEX", "k", "-5", "v"), invalid("psetex"));
  assert.equal(store.raw("EXISTS", "k"), int(0));
  assert.equal(store.raw("GETEX", "k", "EX", "0"), NIL, "what is not there is said first");
  store.raw("SET", "k", "v");
  assert.equal(store.raw("GETEX", "k", "EX", "0"), invalid("getex"));
});

test("a string is gone once its time has come, and its key is free again", () => {
  const store = new Standalone();
  store.raw("SET", "k", "v", "PX", "100");
  store.nowMs += 99;
  assert.equal(store.raw("GET", "k"), bulk("v"));
  store.nowMs += 1;
  assert.equal(store.raw("GET", "k"), NIL);
  assert.equal(store.raw("SETNX", "k", "new"), int(1));
  assert.equal(store.raw("TTL", "k"), int(-1), "the old deadline does not come back");
});

test("KEEPTTL keeps the deadline, other writes of the whole value end it", () => {
  const store = new Standalone();
  store.raw("SETEX", "k", "100", "v");
  store.raw("SET", "k", "w", "KEEPTTL");
  assert.equal(store.raw("TTL", "k"), int(100));
  store.raw("SADD", "set", "a");
  store.raw("EXPIRE", "set", "50");
  store.raw("SET", "set", "w", "KEEPTTL");
  assert.equal(store.raw("TTL", "set"), int(50), "a set's deadline is kept for the string, too");
  for (const [name, ...rest] of [
    ["SET", "k", "x"],
    ["GETSET", "k", "x"],
    ["MSET", "k", "x"],
  ]) {
    store.raw("SETEX", "k", "100", "v");
    store.raw(name as string, ...rest);
    assert.equal(store.raw("TTL", "k"), int(-1), name);
  }
});

test("SET with a deadline in the past answers OK and leaves nothing", () => {
  const store = new Standalone();
  store.raw("SET", "k", "old");
  assert.equal(store.raw("SET", "k", "v", "EXAT", "1"), OK);
  assert.equal(store.raw("DBSIZE"), int(0));
});

test("GETEX sets, moves and removes a deadline, and one in the past deletes", () => {
  const store = new Standalone();
  store.raw("SET", "k", "v");
  assert.equal(store.raw("GETEX", "k", "PX", "1500"), bulk("v"));
  assert.equal(store.raw("PTTL", "k"), int(1500));
  assert.equal(store.raw("GETEX", "k"), bulk("v"));
  assert.equal(store.raw("PTTL", "k"), int(1500));
  assert.equal(store.raw("GETEX", "k", "PERSIST"), bulk("v"));
  assert.equal(store.raw("PTTL", "k"), int(-1));
  assert.equal(store.raw("GETEX", "k", "PXAT", "1"), bulk("v"));
  assert.equal(store.raw("EXISTS", "k"), int(0));
});

test("a read with GETEX writes nothing unless it changes the deadline", () => {
  const store = new Standalone();
  store.raw("SET", "k", "v");
  const before = store.records.count;
  store.raw("GETEX", "k");
  store.raw("GETEX", "k", "PERSIST");
  assert.equal(store.records.count, before);
});

test("MSET writes all, MSETNX all or nothing, MGET shows strings alone", () => {
  const store = new Standalone();
  assert.equal(store.raw("MSET", "a", "1", "b", "2", "a", "3"), OK);
  assert.equal(store.raw("MSETNX", "c", "1", "b", "9"), int(0));
  assert.equal(store.raw("EXISTS", "c"), int(0));
  assert.equal(store.raw("MSETNX", "c", "1", "d", "2"), int(1));
  store.raw("SADD", "s", "x");
  assert.equal(store.raw("MGET", "a", "none", "s", "a"), array(bulk("3"), NIL, NIL, bulk("3")));
  const arity = (name: string): string =>
    error(`ERR wrong number of arguments for '${name}' command`);
  assert.equal(store.raw("MSET", "a", "1", "b"), arity("mset"));
  assert.equal(store.raw("MSETNX", "a", "1", "b"), arity("msetnx"));
});

test("GETDEL reads for the last time", () => {
  const store = new Standalone();
  store.raw("SET", "k", "v");
  assert.equal(store.raw("GETDEL", "k"), bulk("v"));
  assert.equal(store.raw("GETDEL", "k"), NIL);
});

test("APPEND and SETRANGE keep the deadline and every other byte", () => {
  const store = new Standalone();
  store.raw("SETEX", "k", "100", "Hello World");
  assert.equal(store.raw("APPEND", "k", binary), int(17));
  assert.equal(store.raw("SETRANGE", "k", "6", "Redis"), int(17));
  assert.equal(store.raw("GET", "k"), bulk(`Hello Redis${binary.latin1Slice()}`));
  assert.equal(store.raw("TTL", "k"), int(100));
  assert.equal(store.raw("SETRANGE", "pad", "3", "x"), int(4));
  assert.equal(store.raw("GET", "pad"), bulk("\0\0\0x"));
  assert.equal(store.raw("SETRANGE", "none", "3", ""), int(0));
  assert.equal(store.raw("EXISTS", "none"), int(0));
  assert.equal(store.raw("APPEND", "empty", ""), int(0));
  assert.equal(store.raw("EXISTS", "empty"), int(1));
});

test("APPEND of nothing is not replicated", () => {
  const store = new Standalone();
  store.raw("SET", "k", "v");
  const before = store.records.count;
  assert.equal(store.raw("APPEND", "k", ""), int(1));
  assert.equal(store.records.count, before);
});

test("no string grows beyond the longest that a client may send", () => {
  const store = new Standalone({ protoMaxBulkLen: 100 });
  const tooLong = error("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
  store.raw("SET", "k", "x".repeat(99));
  assert.equal(store.raw("APPEND", "k", "y"), int(100));
  assert.equal(store.raw("APPEND", "k", "z"), tooLong);
  assert.equal(store.raw("SETRANGE", "k", "100", "z"), tooLong);
  assert.equal(store.raw("SETRANGE", "new", "9223372036854775807", "z"), tooLong);
  assert.equal(store.raw("SETRANGE", "new", "-1", "z"), error("ERR offset is out of range"));
  assert.equal(store.raw("STRLEN", "k"), int(100));
});

test("GETRANGE counts from both ends and never leaves the string", () => {
  const store = new Standalone();
  store.raw("SET", "k", "This is a string");
  for (const [from, to, part] of [
    ["0", "3", "This"],
    ["-3", "-1", "ing"],
    ["0", "-1", "This is a string"],
    ["10", "100", "string"],
    ["5", "3", ""],
    ["-1", "-3", ""],
    ["-100", "-50", "T"],
    ["-9223372036854775808", "9223372036854775807", "This is a string"],
    ["16", "16", ""],
  ] as const) {
    assert.equal(store.raw("GETRANGE", "k", from, to), bulk(part), `${from} ${to}`);
    assert.equal(store.raw("SUBSTR", "k", from, to), bulk(part), `${from} ${to}`);
  }
  assert.equal(store.raw("GETRANGE", "none", "0", "-1"), bulk(""));
  assert.equal(
    store.raw("GETRANGE", "none", "0", "x"),
    error("ERR value is not an integer or out of range"),
  );
});

test("LCS finds the longest common subsequence, its length and where it lies", () => {
  const store = new Standalone();
  store.raw("MSET", "a", "ohmytext", "b", "mynewtext");
  assert.equal(store.raw("LCS", "a", "b"), bulk("mytext"));
  assert.equal(store.raw("LCS", "a", "b", "LEN"), int(6));
  const range = (from: number, to: number): string => array(int(from), int(to));
  const text = array(range(4, 7), range(5, 8));
  const my = array(range(2, 3), range(0, 1));
  assert.equal(
    store.raw("LCS", "a", "b", "IDX"),
    array(bulk("matches"), array(text, my), bulk("len"), int(6)),
  );
  assert.equal(
    store.raw("LCS", "a", "b", "IDX", "MINMATCHLEN", "4", "WITHMATCHLEN"),
    array(bulk("matches"), array(array(range(4, 7), range(5, 8), int(4))), bulk("len"), int(6)),
  );
  assert.equal(store.raw("LCS", "a", "none"), bulk(""));
  assert.equal(store.raw("LCS", "a", "none", "IDX").startsWith("*4"), true);
  assert.equal(
    store.raw("LCS", "a", "b", "LEN", "IDX"),
    error("ERR If you want both the length and indexes, please just use IDX."),
  );
  store.raw("SADD", "s", "x");
  assert.equal(
    store.raw("LCS", "a", "s"),
    error("ERR The specified keys must contain string values"),
  );
});

test("LCS refuses strings whose table would be larger than a value may be", () => {
  const store = new Standalone({ protoMaxBulkLen: 4 * 11 * 11 });
  store.raw("MSET", "ten", "0123456789", "eleven", "0123456789a");
  assert.equal(store.raw("LCS", "ten", "ten", "LEN"), int(10));
  assert.equal(
    store.raw("LCS", "ten", "eleven"),
    error("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"),
  );
});
