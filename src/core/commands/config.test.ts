import assert from "node:assert/strict";
import { test } from "node:test";
import { parameters } from "./parameters.ts";
import { Standalone } from "./standalone.suite.ts";

const failed = (name: string, why: string): string =>
  `-ERR CONFIG SET failed (possibly related to argument '${name}') - ${why}\r\n`;

test("CONFIG GET answers each parameter that a pattern matches once", () => {
  const store = new Standalone({ maxClients: 77 });
  assert.equal(
    store.raw("config", "get", "MAXCLIENTS", "max*clients"),
    "*4\r\n$10\r\nMAXCLIENTS\r\n$2\r\n77\r\n$17\r\nmaxmemory-clients\r\n$1\r\n0\r\n",
  );
  assert.equal(store.raw("config", "get", "nope", "[x"), "*0\r\n");
  store.raw("hello", "3");
  assert.equal(store.raw("config", "get", "save"), "%1\r\n$4\r\nsave\r\n$0\r\n\r\n");
  const shown = parameters.filter(({ hidden }) => hidden !== true);
  const names = shown.length + shown.filter(({ alias }) => alias !== undefined).length;
  assert.match(store.raw("config", "get", "*"), new RegExp(`^%${names}\r\n`));
  assert.match(store.raw("config", "get", "key-load-delay"), /^%1\r\n/);
});

test("CONFIG GET shows the settings as they are", () => {
  const store = new Standalone({ durability: "relaxed", databases: 4, dir: "/data/é" });
  const get = (name: string): string =>
    Buffer.from(store.raw("config", "get", name), "latin1")
      .toString()
      .split("\r\n")[4] as string;
  assert.equal(get("appendfsync"), "everysec");
  assert.equal(get("databases"), "4");
  assert.equal(get("dir"), "/data/é");
  store.run.settings.durability = "local";
  assert.equal(get("appendfsync"), "always");
});

test("CONFIG SET changes what may change while running", () => {
  const store = new Standalone();
  const { settings } = store.run;
  assert.equal(
    store.raw("config", "set", "maxclients", "100", "Proto-Max-Bulk-Len", "20mb"),
    "+OK\r\n",
  );
  assert.equal(settings.maxClients, 100);
  assert.equal(settings.protoMaxBulkLen, 20 * 1024 * 1024);
  assert.equal(store.raw("config", "set", "protected-mode", "NO"), "+OK\r\n");
  assert.equal(settings.protectedMode, false);
});

test("a password set is asked of those who connect later, not of those who are there", () => {
  const store = new Standalone();
  assert.equal(store.raw("config", "set", "requirepass", "pässword"), "+OK\r\n");
  assert.equal(store.raw("ping"), "+PONG\r\n");
  store.session = store.connect();
  assert.equal(store.raw("ping"), "-NOAUTH Authentication required.\r\n");
  assert.equal(store.raw("auth", "pässword"), "+OK\r\n");
  assert.equal(
    store.raw("config", "set", "requirepass", Buffer.from([0xff])),
    failed("requirepass", "argument must be UTF-8"),
  );
});

test("CONFIG SET refuses what is wrong, in the words of Redis", () => {
  const store = new Standalone();
  for (const [reply, ...words] of [
    ["-ERR Unknown option or number of arguments for CONFIG SET - 'foo'\r\n", "foo", "1"],
    ["-ERR syntax error\r\n", "maxclients", "1", "x"],
    [failed("maxclients", "argument couldn't be parsed into an integer"), "maxclients", "x"],
    [
      failed("maxclients", "argument must be between 1 and 4294967295 inclusive"),
      ...["maxclients", "0"],
    ],
    [failed("maxclients", "duplicate parameter"), "maxclients", "1", "maxclients", "2"],
    [failed("proto-max-bulk-len", "argument must be a memory value"), "proto-max-bulk-len", "x"],
    [failed("protected-mode", "argument must be 'yes' or 'no'"), "protected-mode", "maybe"],
    [failed("databases", "can't set immutable config"), "databases", "17"],
    [failed("dir", "can't set protected config"), "dir", "/elsewhere"],
  ] as const)
    assert.equal(store.raw("config", "set", ...words), reply);
});

test("CONFIG SET changes all or nothing", () => {
  const store = new Standalone();
  const before = { ...store.run.settings };
  assert.equal(
    store.raw("config", "set", "maxclients", "5", "requirepass", "x", "databases", "17"),
    failed("databases", "can't set immutable config"),
  );
  assert.deepEqual(store.run.settings, before);
});

test("what is already so may be set", () => {
  const store = new Standalone();
  assert.equal(store.raw("config", "set", "save", "", "appendonly", "YES"), "+OK\r\n");
  assert.equal(store.raw("config", "set", "databases", "16"), "+OK\r\n");
});

test("a parameter without meaning here is remembered, under both of its names", () => {
  const store = new Standalone();
  const get = (name: string): string => store.raw("config", "get", name).split("\r\n")[4] as string;
  assert.equal(store.raw("config", "set", "hash-max-ziplist-entries", "7"), "+OK\r\n");
  assert.equal(get("hash-max-listpack-entries"), "7");
  assert.equal(
    store.raw("config", "set", "client-output-buffer-limit", "pubsub 1mb 2mb 60"),
    "+OK\r\n",
  );
  assert.equal(
    get("client-output-buffer-limit"),
    "normal 0 0 0 slave 268435456 67108864 60 pubsub 1048576 2097152 60",
  );
  for (const [name, value, why] of [
    ["maxmemory-clients", "200%", "percentage argument must be less or equal to 100"],
    ["hz", "-1", "argument must be between 0 and 2147483647 inclusive"],
    ["save", "60", "Invalid save parameters"],
    [
      "loglevel",
      "loud",
      "argument(s) must be one of the following: debug, verbose, notice, warning",
    ],
  ] as const)
    assert.equal(store.raw("config", "set", name, value), failed(name, why));
  assert.equal(
    store.raw("config", "set", "slave-priority", "1", "replica-priority", "2"),
    failed("replica-priority", "duplicate parameter"),
  );
  assert.equal(get("replica-priority"), "100");
});
