import assert from "node:assert/strict";
import { test } from "node:test";
import { bulk, int, OK } from "./replies.suite.ts";
import { Standalone } from "./standalone.suite.ts";

/** A store whose commands each take as long as the test says. */
function timed(slowerThanMicros: number) {
  let micros = 0;
  const took = { micros: 0 };
  const store = new Standalone(
    { slowlogSlowerThanMicros: slowerThanMicros, slowlogMaxLen: 3 },
    { micros: () => (micros += took.micros) },
  );
  return { store, took };
}

const commands = (store: Standalone): string[] =>
  store.run.slowLog.entries.map(({ args }) => args.map((arg) => arg.latin1Slice()).join(" "));

test("only commands that took as long as asked for are logged, the newest first", () => {
  const { store, took } = timed(100);
  took.micros = 99;
  store.raw("set", "quick", "1");
  took.micros = 100;
  store.raw("set", "slow", "1");
  store.raw("get", "slow");
  took.micros = 0;
  assert.deepEqual(commands(store), ["get slow", "set slow 1"]);
  assert.equal(store.raw("slowlog", "len"), int(2));
  store.raw("client", "setname", "worker");
  const reply = store.raw("slowlog", "get", "1");
  const [words, where] = [`*2\r\n${bulk("get")}${bulk("slow")}`, bulk("127.0.0.1:50000")];
  assert.equal(
    reply,
    `*1\r\n*6\r\n${int(1)}${int(1_700_000_000)}${int(100)}${words}${where}${bulk("")}`,
  );
  assert.equal(store.raw("slowlog", "reset"), OK);
  assert.equal(store.raw("slowlog", "get"), "*0\r\n");
});

test("the log keeps as many commands as asked for, and of each no more than a part", () => {
  const { store } = timed(0);
  store.raw("sadd", "s", ...Array.from({ length: 40 }, (_, i) => String(i)));
  const [words] = store.run.slowLog.entries.map(({ args }) => args.map(String));
  assert.equal(words?.length, 32);
  assert.equal(words.at(-1), "... (11 more arguments)");
  store.raw("set", "k", "v".repeat(200));
  assert.equal(commands(store)[0], `set k ${"v".repeat(128)}... (72 more bytes)`);
  for (let i = 0; i < 10; i++) store.raw("ping");
  assert.equal(store.run.slowLog.entries.length, 3);
  store.raw("config", "set", "slowlog-log-slower-than", "-1");
  store.raw("slowlog", "reset");
  store.raw("ping");
  assert.equal(store.raw("slowlog", "len"), int(0));
});

test("a transaction is logged as the commands it ran, and sleep counts as time", () => {
  const { store } = timed(1000);
  store.raw("multi");
  store.raw("debug", "sleep", "0.2");
  store.raw("exec");
  assert.deepEqual(commands(store), ["debug sleep 0.2"]);
  assert.equal(store.run.slowLog.entries[0]?.micros, 200_000);
});

test("a command that waits is logged once it is served, with the time that it ran", () => {
  const { store, took } = timed(100);
  took.micros = 100;
  store.raw("blpop", "k", "0");
  const waiting = store.session;
  assert.deepEqual(commands(store), []);
  store.session = store.connect();
  store.raw("rpush", "k", "a");
  store.run.blocking.serve();
  assert.equal(waiting.waiter, null);
  assert.deepEqual(commands(store), ["blpop k 0", "rpush k a"]);
  assert.equal(store.run.slowLog.entries[0]?.address, waiting.address);
});

test("no password is logged", () => {
  const { store } = timed(0);
  store.raw("auth", "default", "secret");
  store.raw("hello", "3", "auth", "default", "secret", "setname", "me");
  store.raw("config", "set", "requirepass", "secret");
  assert.deepEqual(commands(store), [
    "config set requirepass (redacted)",
    "hello 3 auth (redacted) (redacted) setname me",
    "auth (redacted) (redacted)",
  ]);
});

test("SLOWLOG GET refuses a count that is none", () => {
  const { store } = timed(0);
  for (const count of ["-2", "x", "1.5"])
    assert.equal(
      store.raw("slowlog", "get", count),
      "-ERR count should be greater than or equal to -1\r\n",
    );
});
