import assert from "node:assert/strict";
import { test } from "node:test";
import { array, bulk, bulksOf, error, int } from "./replies.suite.ts";
import { Standalone } from "./standalone.suite.ts";

/** Everything a walk shows, page by page, and how many pages there were. */
function walked(
  store: Standalone,
  command: string[],
  options: string[],
  between: () => void = () => {},
): { items: string[]; pages: number } {
  const items: string[] = [];
  let cursor = "0";
  for (let pages = 1; ; pages++) {
    const reply = store.raw(...command, cursor, ...options);
    const [, length = ""] = /^\*2\r\n\$(\d+)\r\n/.exec(reply) ?? [];
    const at = `*2\r\n$${length}\r\n`.length;
    cursor = reply.slice(at, at + Number(length));
    items.push(...bulksOf(reply.slice(at + Number(length) + 2)));
    if (cursor === "0") return { items: items.sort(), pages };
    between();
  }
}

const names = Array.from({ length: 1000 }, (_, i) => `key:${i}`);

test("KEYS shows the living keys of its database that match", () => {
  const store = new Standalone();
  store.raw("MSET", "a", "1", "ab", "1", "b", "1", "", "1");
  store.raw("SET", "gone", "1", "PX", "1");
  store.raw("SELECT", "1");
  store.raw("SET", "elsewhere", "1");
  store.raw("SELECT", "0");
  store.nowMs += 10;
  assert.deepEqual(bulksOf(store.raw("KEYS", "*")), ["", "a", "ab", "b"]);
  assert.deepEqual(bulksOf(store.raw("KEYS", "a*")), ["a", "ab"]);
  assert.equal(store.raw("KEYS", "x*"), array());
});

test("a walk over keys shows each once, in pages", () => {
  const store = new Standalone();
  for (const name of names) store.raw("SET", name, "v");
  const { items, pages } = walked(store, ["SCAN"], ["COUNT", "50"]);
  assert.deepEqual(items, names.toSorted());
  assert.ok(pages > 5);
  const matching = names.filter((name) => name.startsWith("key:99")).sort();
  assert.deepEqual(walked(store, ["SCAN"], ["MATCH", "key:99*"]).items, matching);
  assert.equal(walked(store, ["SCAN"], ["COUNT", "9223372036854775807"]).pages, 1);
});

test("what is there during a whole walk is shown once, whatever comes and goes", () => {
  const store = new Standalone();
  const start = [["SCAN"], ["SSCAN", "s"], ["HSCAN", "h"]];
  for (const name of names) {
    store.raw("SET", name, "v");
    store.raw("SADD", "s", name);
    store.raw("HSET", "h", name, "value");
  }
  let step = 0;
  const disturb = (): void => {
    for (let i = 0; i < 40; i++) {
      const other = `other:${step++}`;
      store.raw("SET", other, "v");
      store.raw("SADD", "s", other);
      store.raw("HSET", "h", other, "value");
      const gone = `other:${step - 30}`;
      store.raw("DEL", gone);
      store.raw("SREM", "s", gone);
      store.raw("HDEL", "h", gone);
    }
  };
  for (const command of start) {
    const { items } = walked(store, command, ["COUNT", "20"], disturb);
    const shown = items.filter((item) => item.startsWith("key:"));
    assert.deepEqual(shown, names.toSorted(), command[0]);
  }
});

test("SCAN shows one type if it is asked to", () => {
  const store = new Standalone();
  store.raw("SET", "string", "v");
  store.raw("SADD", "set", "a");
  store.raw("HSET", "hash", "f", "v");
  for (const type of ["string", "set", "hash"])
    assert.deepEqual(walked(store, ["SCAN"], ["TYPE", type]).items, [type]);
  assert.deepEqual(walked(store, ["SCAN"], ["type", "SET"]).items, ["set"]);
  assert.deepEqual(walked(store, ["SCAN"], ["TYPE", "zset"]).items, []);
  assert.deepEqual(walked(store, ["SCAN"], ["TYPE", "none"]).items, []);
});

test("small collections come in one page, values behind their fields", () => {
  const store = new Standalone();
  store.raw("SADD", "s", "b", "c");
  store.raw("HSET", "h", "f", "v");
  const { items, pages } = walked(store, ["SSCAN", "s"], ["COUNT", "1"]);
  assert.deepEqual(items, ["b", "c"]);
  assert.equal(pages, 1);
  assert.equal(store.raw("HSCAN", "h", "0"), array(bulk("0"), array(bulk("f"), bulk("v"))));
  assert.equal(store.raw("HSCAN", "h", "0", "MATCH", "x*"), array(bulk("0"), array()));
  assert.equal(store.raw("SSCAN", "none", "0"), array(bulk("0"), array()));
});

test("expired keys, members and fields are not shown", () => {
  const store = new Standalone();
  store.raw("SET", "string", "v", "PX", "5");
  store.raw("SADD", "set", "a");
  store.raw("PEXPIRE", "set", "5");
  store.nowMs += 5;
  assert.deepEqual(walked(store, ["SCAN"], []).items, []);
  assert.deepEqual(walked(store, ["SSCAN", "set"], []).items, []);
});

test("cursors and options that are none are refused, invented cursors do no harm", () => {
  const store = new Standalone();
  store.raw("SADD", "s", ...names);
  const invalid = error("ERR invalid cursor");
  for (const cursor of ["abc", "-1x", " 1", "1.5", "18446744073709551616", "-"])
    assert.equal(store.raw("SCAN", cursor), invalid, cursor);
  for (const cursor of ["", "+0", "000"])
    assert.ok(store.raw("SSCAN", "s", cursor).startsWith("*2\r\n"), JSON.stringify(cursor));
  for (const cursor of ["18446744073709551615", "-1", "123456789", "4294967296"]) {
    assert.ok(store.raw("SSCAN", "s", cursor).startsWith("*2\r\n"), cursor);
    assert.ok(store.raw("SCAN", cursor).startsWith("*2\r\n"), cursor);
  }
  const syntax = error("ERR syntax error");
  assert.equal(store.raw("SCAN", "0", "COUNT", "0"), syntax);
  assert.equal(store.raw("SCAN", "0", "COUNT"), syntax);
  assert.equal(store.raw("SSCAN", "s", "0", "TYPE", "set"), syntax);
  assert.equal(
    store.raw("SCAN", "0", "COUNT", "x"),
    error("ERR value is not an integer or out of range"),
  );
  assert.equal(store.raw("SCARD", "s"), int(1000));
});
