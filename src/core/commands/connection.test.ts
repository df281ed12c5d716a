import assert from "node:assert/strict";
import { test } from "node:test";
import { Standalone } from "./standalone.suite.ts";

const WRONGPASS = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
const BAD_NAME = "-ERR Client names cannot contain spaces, newlines or special characters.\r\n";

test("AUTH takes the password, alone or for the default user, and nothing near it", () => {
  for (const words of [["sécret"], ["default", "sécret"]]) {
    const store = new Standalone({ requirepass: "sécret" });
    for (const wrong of ["", "s", "sécre", "sécret ", "sécretsécret", "SÉCRET"])
      assert.equal(store.raw("auth", ...words.slice(0, -1), wrong), WRONGPASS, wrong);
    assert.equal(store.raw("auth", "Default", "sécret"), WRONGPASS);
    assert.equal(store.session.authenticated, false);
    assert.equal(store.raw("auth", ...words), "+OK\r\n");
    assert.equal(store.raw("auth", "wrong"), WRONGPASS);
    assert.equal(store.raw("ping"), "+PONG\r\n", "a failed AUTH takes nothing away");
  }
});

test("AUTH without a password to give says so, and with a user is taken", () => {
  const store = new Standalone();
  assert.match(store.raw("auth", "x"), /^-ERR AUTH <password> called without any password/);
  assert.equal(store.raw("auth", "default", "x"), "+OK\r\n");
  assert.equal(store.raw("auth", "nobody", "x"), WRONGPASS);
  assert.equal(store.raw("auth", "a", "b", "c"), "-ERR syntax error\r\n");
});

test("HELLO agrees on a version and answers in it", () => {
  const store = new Standalone();
  const facts = (proto: number): string =>
    "$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n" +
    `$5\r\nproto\r\n:${proto}\r\n$2\r\nid\r\n:1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n` +
    "$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n";
  assert.equal(store.raw("hello"), `*14\r\n${facts(2)}`);
  assert.equal(store.raw("hello", "3"), `%7\r\n${facts(3)}`);
  assert.equal(store.raw("get", "k"), "_\r\n");
  assert.equal(store.raw("hello", "4"), "-NOPROTO unsupported protocol version\r\n");
  assert.equal(
    store.raw("hello", "x"),
    "-ERR Protocol version is not an integer or out of range\r\n",
  );
  assert.equal(store.raw("hello"), `%7\r\n${facts(3)}`, "what was refused changed nothing");
  assert.equal(store.raw("hello", "2"), `*14\r\n${facts(2)}`);
});

test("HELLO authenticates and names, and does neither when an option is wrong", () => {
  const store = new Standalone({ requirepass: "pw" });
  assert.match(store.raw("hello", "3"), /^-NOAUTH HELLO must be called/);
  assert.equal(store.raw("hello", "3", "auth", "default", "x"), WRONGPASS);
  assert.equal(
    store.raw("hello", "3", "auth", "x"),
    "-ERR Syntax error in HELLO option 'auth'\r\n",
  );
  assert.match(store.raw("hello", "3", "setname", "a", "auth", "default", "pw"), /^%7/);
  assert.equal(store.raw("client", "getname"), "$1\r\na\r\n");
  assert.equal(store.raw("hello", "2", "setname", "a b"), BAD_NAME);
  assert.equal(
    store.raw("hello", "2", "setname"),
    "-ERR Syntax error in HELLO option 'setname'\r\n",
  );
  assert.equal(store.session.resp, 3);
});

test("PING, ECHO, SELECT and QUIT answer as Redis does", () => {
  const store = new Standalone();
  assert.equal(store.raw("ping"), "+PONG\r\n");
  assert.equal(store.raw("ping", "a\r\nb"), "$4\r\na\r\nb\r\n");
  assert.equal(
    store.raw("ping", "a", "b"),
    "-ERR wrong number of arguments for 'ping' command\r\n",
  );
  assert.equal(store.raw("echo", Buffer.from([0, 255])), "$2\r\n\0\xff\r\n");
  assert.equal(store.raw("select", "15"), "+OK\r\n");
  assert.equal(store.raw("select", "16"), "-ERR DB index is out of range\r\n");
  assert.equal(store.raw("select", "-1"), "-ERR DB index is out of range\r\n");
  assert.equal(store.raw("select", "x"), "-ERR value is not an integer or out of range\r\n");
  assert.equal(store.session.db, 15);
  store.raw("multi");
  assert.equal(store.raw("quit"), "+OK\r\n");
  assert.equal(store.session.closing, true);
});

test("RESET makes a connection as it was at first", () => {
  const store = new Standalone({ requirepass: "pw" });
  store.raw("hello", "3", "auth", "default", "pw", "setname", "me");
  store.raw("select", "2");
  store.raw("watch", "k");
  store.raw("multi");
  assert.equal(store.raw("reset"), "+RESET\r\n");
  const { db, resp, name, authenticated, queue, watched } = store.session;
  assert.deepEqual(
    { db, resp, name, authenticated, queue, watched },
    { db: 0, resp: 2, name: "", authenticated: false, queue: null, watched: null },
  );
  assert.equal(store.run.watchers.size, 0);
});
