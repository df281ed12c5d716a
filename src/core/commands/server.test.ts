import assert from "node:assert/strict";
import { test } from "node:test";
import { Standalone } from "./standalone.suite.ts";

test("INFO passes the sections on in lower case", () => {
  const asked: (readonly string[])[] = [];
  const store = new Standalone(
    {},
    {
      info: (sections) => {
        asked.push(sections);
        return "text";
      },
    },
  );
  assert.equal(store.raw("info"), "$4\r\ntext\r\n");
  store.raw("hello", "3");
  assert.equal(store.raw("INFO", "Server", "CLIENTS"), "=8\r\ntxt:text\r\n");
  assert.deepEqual(asked, [["default"], ["server", "clients"]]);
});

test("TIME tells the physical time in seconds and microseconds", () => {
  const store = new Standalone();
  store.nowMs = 1_700_000_000_042;
  assert.equal(store.raw("time"), "*2\r\n$10\r\n1700000000\r\n$5\r\n42000\r\n");
});

test("SHUTDOWN stops the node without a reply, unless its words make no sense", () => {
  let stops = 0;
  const store = new Standalone({}, { shutdown: () => void stops++ });
  assert.equal(store.raw("shutdown", "foo"), "-ERR syntax error\r\n");
  assert.equal(store.raw("shutdown", "save", "nosave"), "-ERR syntax error\r\n");
  assert.equal(store.raw("shutdown", "abort"), "-ERR No shutdown in progress.\r\n");
  assert.equal(stops, 0);
  assert.equal(store.raw("shutdown", "nosave", "now"), "");
  assert.equal(stops, 1);
});

test("what the node does on its own, or not at all, is refused with the reason", () => {
  const store = new Standalone();
  for (const words of [
    ["sync"],
    ["psync", "?", "-1"],
    ["replconf", "capa", "eof"],
    ["replicaof", "127.0.0.1", "6379"],
    ["slaveof", "127.0.0.1", "6379"],
  ])
    assert.match(store.raw(...words), /^-ERR [A-Z]+ is not supported: /, words.join(" "));
  assert.equal(store.raw("replicaof", "no", "one"), "+OK\r\n");
  assert.equal(store.raw("role"), "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n");
  assert.equal(store.raw("lastsave"), ":1600000000\r\n");
});

test("SAVE and its like each have a checkpoint written", () => {
  let asked = 0;
  const store = new Standalone({}, { checkpoint: () => void asked++ });
  assert.equal(store.raw("save"), "+OK\r\n");
  assert.equal(store.raw("bgsave"), "+Background saving started\r\n");
  assert.equal(store.raw("bgrewriteaof"), "+Background append only file rewriting started\r\n");
  assert.equal(store.raw("bgsave", "schedule"), "+Background saving scheduled\r\n");
  assert.equal(asked, 4);
  assert.equal(store.raw("bgsave", "now"), "-ERR syntax error\r\n");
  assert.equal(asked, 4);
});

test("outside of cluster mode a key still has its slot", () => {
  const store = new Standalone();
  assert.equal(store.raw("cluster", "keyslot", "a"), ":15495\r\n");
  for (const words of [["cluster", "info"], ["readonly"], ["readwrite"]])
    assert.equal(store.raw(...words), "-ERR This instance has cluster support disabled\r\n");
});

test("LOLWUT draws another atoll every time and names the version", () => {
  const store = new Standalone({ version: "1.2.3" });
  const first = store.raw("lolwut");
  assert.match(first, /Atoll ver\. 1\.2\.3, speaking as Redis ver\. 7\.0\.15\n\r\n$/);
  assert.notEqual(store.raw("lolwut", "version", "5", "1"), first);
});

test("ACL CAT names the categories, and the commands in one", () => {
  const store = new Standalone();
  assert.match(store.raw("acl", "cat"), /^\*21\r\n\$8\r\nkeyspace\r\n/);
  assert.match(store.raw("acl", "cat", "transaction"), /^\*5\r\n\$5\r\nmulti\r\n\$4\r\nexec\r\n/);
  assert.equal(store.raw("acl", "cat", "nope"), "-ERR Unknown category 'nope'\r\n");
});
