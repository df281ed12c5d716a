import assert from "node:assert/strict";
import { test } from "node:test";
import { array, bulk, bulksOf, error, int, NIL, OK } from "./replies.suite.ts";
import { Standalone } from "./standalone.suite.ts";

const binary = Buffer.from([0, 255, 13, 10, 128, 0]);

/** One key of each type, with a counter among them. */
function furnished(): Standalone {
  const store = new Standalone();
  store.raw("SET", "string", binary);
  store.raw("INCRBY", "counter", "7");
  store.raw("SADD", "set", "a", binary);
  store.raw("HSET", "hash", "f", "v", binary, binary);
  store.raw("HINCRBY", "hash", "n", "3");
  return store;
}

/** Everything a key holds, as text. */
function contents(store: Standalone, key: string | Buffer): string {
  const type = store.raw("TYPE", key);
  if (type === "+string\r\n") return store.raw("GET", key);
  if (type === "+set\r\n") return JSON.stringify(bulksOf(store.raw("SMEMBERS", key)));
  if (type === "+hash\r\n") return JSON.stringify(bulksOf(store.raw("HGETALL", key)));
  return type;
}

const types = ["string", "counter", "set", "hash"];

test("DEL and UNLINK count what they removed, EXISTS and TOUCH what is there", () => {
  for (const name of ["DEL", "UNLINK"]) {
    const store = furnished();
    assert.equal(store.raw("EXISTS", "string", "set", "none", "set"), int(3));
    assert.equal(store.raw("TOUCH", "string", "none"), int(1));
    assert.equal(store.raw(name, "string", "set", "none", "set"), int(2));
    assert.equal(store.raw("DBSIZE"), int(2));
  }
});

test("a renamed key is the same under its new name, deadline included", () => {
  for (const key of types)
    for (const target of ["new", "string", "set", "hash"]) {
      if (key === target) continue;
      const store = furnished();
      store.raw("EXPIRE", target, "5");
      store.raw("EXPIRE", key, "100");
      const before = contents(store, key);
      assert.equal(store.raw("RENAME", key, target), OK);
      assert.equal(contents(store, target), before, `${key} → ${target}`);
      assert.equal(store.raw("TTL", target), int(100), `${key} → ${target}`);
      assert.equal(store.raw("EXISTS", key), int(0));
      assert.equal(store.raw("DBSIZE"), int(target === "new" ? 4 : 3));
    }
});

test("a rename without a deadline ends the one its target had", () => {
  const store = furnished();
  store.raw("EXPIRE", "hash", "5");
  store.raw("RENAME", "set", "hash");
  assert.equal(store.raw("TTL", "hash"), int(-1));
  assert.equal(store.raw("TYPE", "hash"), "+set\r\n");
});

test("a rename is one record", () => {
  const store = furnished();
  const before = store.records.count;
  store.raw("RENAME", "hash", "set");
  assert.equal(store.records.count, before + 1);
});

test("RENAMENX stops at a key that exists, and both want one to begin with", () => {
  const store = furnished();
  assert.equal(store.raw("RENAMENX", "set", "hash"), int(0));
  assert.equal(store.raw("RENAMENX", "set", "set"), int(0));
  assert.equal(store.raw("RENAME", "set", "set"), OK);
  assert.equal(store.raw("RENAMENX", "set", binary), int(1));
  assert.equal(store.raw("SCARD", binary), int(2));
  for (const name of ["RENAME", "RENAMENX"])
    assert.equal(store.raw(name, "none", "none"), error("ERR no such key"));
});

test("COPY copies values and deadlines, also into another database", () => {
  for (const key of types) {
    const store = furnished();
    store.raw("EXPIRE", key, "100");
    const before = contents(store, key);
    assert.equal(store.raw("COPY", key, "new"), int(1));
    assert.equal(store.raw("COPY", key, "new"), int(0));
    assert.equal(store.raw("COPY", key, key, "DB", "3"), int(1));
    assert.equal(store.raw("COPY", key, "set2", "replace", "db", "3"), int(1));
    assert.equal(contents(store, "new"), before);
    assert.equal(contents(store, key), before);
    store.raw("SELECT", "3");
    for (const copy of [key, "set2"]) {
      assert.equal(contents(store, copy), before);
      assert.equal(store.raw("TTL", copy), int(100));
    }
  }
});

test("a copy goes its own way", () => {
  const store = furnished();
  store.raw("COPY", "counter", "other");
  assert.equal(store.raw("INCR", "other"), int(8));
  assert.equal(store.raw("GET", "counter"), bulk("7"));
  store.raw("COPY", "set", "hash", "REPLACE");
  store.raw("SADD", "hash", "b");
  assert.equal(store.raw("SCARD", "set"), int(2));
});

test("MOVE takes a key to a database where it is not", () => {
  for (const key of types) {
    const store = furnished();
    const before = contents(store, key);
    assert.equal(store.raw("MOVE", key, "5"), int(1));
    assert.equal(store.raw("EXISTS", key), int(0));
    assert.equal(store.raw("MOVE", key, "5"), int(0));
    store.raw("SET", key, "x");
    assert.equal(store.raw("MOVE", key, "5"), int(0));
    store.raw("SELECT", "5");
    assert.equal(contents(store, key), before);
  }
});

test("databases that are none and copies onto themselves are refused", () => {
  const store = furnished();
  const same = error("ERR source and destination objects are the same");
  const range = "-2147483648 and 2147483647";
  assert.equal(store.raw("COPY", "set", "set"), same);
  assert.equal(store.raw("MOVE", "set", "0"), same);
  for (const [db, problem] of [
    ["16", "ERR DB index is out of range"],
    ["-1", "ERR DB index is out of range"],
    ["x", "ERR value is not an integer or out of range"],
    ["4294967296", `ERR value is out of range, value must between ${range}`],
  ] as const) {
    assert.equal(store.raw("MOVE", "set", db), error(problem));
    assert.equal(store.raw("COPY", "set", "t", "DB", db), error(problem));
  }
  assert.equal(store.raw("COPY", "set", "t", "DB"), error("ERR syntax error"));
});

test("FLUSHDB empties its database, FLUSHALL all", () => {
  const store = furnished();
  store.raw("SELECT", "1");
  store.raw("SET", "k", "v");
  assert.equal(store.raw("FLUSHDB", "sync"), OK);
  assert.equal(store.raw("DBSIZE"), int(0));
  store.raw("SELECT", "0");
  assert.equal(store.raw("DBSIZE"), int(4));
  assert.equal(store.raw("FLUSHALL", "NOW"), error("ERR syntax error"));
  assert.equal(store.raw("FLUSHALL", "ASYNC", "SYNC"), error("ERR syntax error"));
  assert.equal(store.raw("FLUSHALL", "ASYNC"), OK);
  assert.equal(store.raw("DBSIZE"), int(0));
  store.raw("SET", "k", "v");
  assert.equal(store.raw("DBSIZE"), int(1));
});

test("RANDOMKEY finds a living key of its database, however few there are", () => {
  const store = new Standalone();
  assert.equal(store.raw("RANDOMKEY"), NIL);
  for (let i = 0; i < 500; i++) store.raw("SET", `gone${i}`, "v", "PX", "1");
  store.raw("SELECT", "1");
  for (let i = 0; i < 500; i++) store.raw("SET", `elsewhere${i}`, "v");
  store.raw("SELECT", "0");
  store.nowMs += 10;
  assert.equal(store.raw("RANDOMKEY"), NIL);
  store.raw("SET", "here", "v");
  assert.equal(store.raw("RANDOMKEY"), bulk("here"));
});

test("OBJECT names the encoding that Redis would begin with", () => {
  const store = new Standalone();
  const encoding = (key: string): string => store.raw("OBJECT", "ENCODING", key);
  for (const [value, name] of [
    ["-12", "int"],
    ["9223372036854775808", "embstr"],
    ["x".repeat(44), "embstr"],
    ["x".repeat(45), "raw"],
  ] as const) {
    store.raw("SET", "k", value);
    assert.equal(encoding("k"), bulk(name), value);
  }
  store.raw("SADD", "s", ...Array.from({ length: 512 }, (_, i) => String(i)));
  assert.equal(encoding("s"), bulk("intset"));
  store.raw("SADD", "s", "512");
  assert.equal(encoding("s"), bulk("hashtable"));
  store.raw("SADD", "t", "a");
  assert.equal(encoding("t"), bulk("hashtable"));
  store.raw("HSET", "h", "f", "x".repeat(64));
  assert.equal(encoding("h"), bulk("listpack"));
  store.raw("HSET", "h", "f", "x".repeat(65));
  assert.equal(encoding("h"), bulk("hashtable"));
  assert.equal(encoding("none"), NIL);
});

test("OBJECT tells how long ago a key was written, and of no frequencies without an LFU policy", () => {
  const store = furnished();
  store.nowMs += 2_500;
  for (const key of types) {
    assert.equal(store.raw("OBJECT", "IDLETIME", key), int(2));
    assert.ok(store.raw("OBJECT", "FREQ", key).startsWith("-ERR An LFU maxmemory policy"));
  }
  for (const name of ["IDLETIME", "REFCOUNT", "FREQ"])
    assert.equal(store.raw("OBJECT", name, "none"), NIL);
});

test("OBJECT REFCOUNT tells of small integers that they are shared", () => {
  const store = new Standalone();
  for (const [value, count] of [
    ["0", 2_147_483_647],
    ["9999", 2_147_483_647],
    ["10000", 1],
    ["-1", 1],
    ["01", 1],
    ["x", 1],
  ] as const) {
    store.raw("SET", "k", value);
    assert.equal(store.raw("OBJECT", "REFCOUNT", "k"), int(count), value);
  }
  store.raw("SADD", "s", "1");
  assert.equal(store.raw("OBJECT", "REFCOUNT", "s"), int(1));
});

test("MEMORY USAGE grows with what a key holds", () => {
  const store = new Standalone();
  const usage = (key: string, ...words: string[]): number => {
    const reply = store.raw("MEMORY", "USAGE", key, ...words);
    assert.match(reply, /^:\d+\r\n$/);
    return Number(reply.slice(1));
  };
  store.raw("SET", "small", "x");
  store.raw("SET", "large", "x".repeat(10_000));
  assert.ok(usage("large") - usage("small") > 9_900);
  store.raw("SADD", "s", ...Array.from({ length: 1000 }, (_, i) => `member:${i}`));
  const all = usage("s", "SAMPLES", "0");
  assert.ok(all > 1000 * 32);
  assert.ok(Math.abs(usage("s") - all) < all / 2, "a few samples are near enough");
  assert.equal(store.raw("MEMORY", "USAGE", "none"), NIL);
  assert.equal(store.raw("MEMORY", "USAGE", "s", "SAMPLES"), error("ERR syntax error"));
  assert.equal(store.raw("MEMORY", "USAGE", "s", "SAMPLES", "-1"), error("ERR syntax error"));
});

test("SWAPDB exchanges what two databases hold, deadlines included", () => {
  const store = new Standalone();
  store.raw("SET", "a", "1", "PX", "5000");
  store.raw("SADD", "both", "zero");
  store.raw("SELECT", "1");
  store.raw("HSET", "both", "f", "one");
  assert.equal(store.raw("SWAPDB", "0", "1"), OK);
  assert.equal(store.raw("GET", "a"), bulk("1"));
  assert.equal(store.raw("PTTL", "a"), int(5000));
  assert.equal(store.raw("SMEMBERS", "both"), array(bulk("zero")));
  assert.equal(store.raw("DBSIZE"), int(2));
  store.raw("SELECT", "0");
  assert.equal(store.raw("HGET", "both", "f"), bulk("one"));
  assert.equal(store.raw("DBSIZE"), int(1));
  assert.equal(store.raw("SWAPDB", "0", "16"), error("ERR DB index is out of range"));
  assert.equal(store.raw("SWAPDB", "x", "1"), error("ERR invalid first DB index"));
});

test("a transaction of writes is one record, one of reads none", () => {
  const store = furnished();
  const before = store.records.count;
  store.raw("MULTI");
  store.raw("RENAME", "set", "t");
  store.raw("SUNIONSTORE", "u", "t");
  assert.equal(store.raw("EXEC"), array(OK, int(2)));
  store.raw("MULTI");
  store.raw("SCARD", "u");
  assert.equal(store.raw("EXEC"), array(int(2)));
  assert.equal(store.records.count, before + 1);
});
