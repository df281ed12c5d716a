import assert from "node:assert/strict";
import { test } from "node:test";
import { argsOf } from "../wire/args.ts";
import { Reply } from "../wire/reply.ts";
import { commandStats, execute, heldUntilMs } from "./dispatch.ts";
import { Standalone } from "./standalone.suite.ts";

test("an unknown command is named with the beginning of its arguments", () => {
  const store = new Standalone();
  const expect = (text: string, ...words: string[]): void =>
    assert.equal(store.raw(...words), `-ERR unknown command ${text}\r\n`);
  expect("'foo', with args beginning with: 'a' 'b' ", "foo", "a", "b");
  expect("'foo', with args beginning with: ", "foo");
  const q = "q".repeat(200);
  const a = "a".repeat(100);
  expect(
    `'${q.slice(0, 128)}', with args beginning with: '${a}' '${"c".repeat(25)}' `,
    ...[q, a, "c".repeat(100), "d"],
  );
});

test("no word of a client can pose as a line of the protocol", () => {
  const store = new Standalone();
  assert.equal(
    store.raw("get\r\nx\0y", "a\0b", "\r\n+OK"),
    "-ERR unknown command 'get  x', with args beginning with: 'a' '  +OK' \r\n",
  );
  assert.equal(
    store.raw("client", "x\r\n+OK\r\n"),
    "-ERR unknown subcommand 'x  +OK  '. Try CLIENT HELP.\r\n",
  );
});

test("a wrong number of arguments names the command, a subcommand with its container", () => {
  const store = new Standalone();
  const expect = (name: string, ...words: string[]): void =>
    assert.equal(store.raw(...words), `-ERR wrong number of arguments for '${name}' command\r\n`);
  expect("get", "GET");
  expect("get", "get", "a", "b");
  expect("client", "CLIENT");
  expect("client|setname", "client", "SetName");
  expect("client|setname", "client", "setname", "a", "b");
  expect("config|set", "config", "set", "a");
});

test("without the password only what leads to it is answered", () => {
  const store = new Standalone({ requirepass: "secret" });
  const noauth = "-NOAUTH Authentication required.\r\n";
  assert.equal(store.raw("get", "k"), noauth);
  assert.equal(store.raw("client", "id"), noauth);
  assert.equal(store.raw("multi"), noauth);
  assert.equal(
    store.raw("exec"),
    "-EXECABORT Transaction discarded because of: NOAUTH Authentication required.\r\n",
  );
  assert.equal(store.raw("reset"), "+RESET\r\n");
  assert.match(store.raw("foo"), /^-ERR unknown command/);
  assert.equal(store.raw("auth", "secret"), "+OK\r\n");
  assert.equal(store.raw("get", "k"), "$-1\r\n");
});

test("a node that cannot take writes refuses them, says why, and goes on reading", () => {
  const store = new Standalone();
  store.raw("set", "k", "v");
  store.run.refuseWrites = "MISCONF the disk is full";
  assert.equal(store.raw("set", "k", "w"), "-MISCONF the disk is full\r\n");
  assert.equal(store.raw("get", "k"), "$1\r\nv\r\n");
  store.raw("multi");
  assert.equal(store.raw("set", "k", "w"), "-MISCONF the disk is full\r\n");
  assert.match(store.raw("exec"), /^-EXECABORT Transaction discarded because of previous errors/);
  store.run.refuseWrites = null;
  assert.equal(store.raw("set", "k", "w"), "+OK\r\n");
});

test("one command is one record, and one that changes nothing is none", () => {
  const store = new Standalone();
  store.raw("mset", "a", "1", "b", "2");
  assert.equal(store.records.count, 1);
  store.raw("get", "a");
  store.raw("incr", "a", "too many");
  store.raw("set", "a", "x", "nx");
  assert.equal(store.records.count, 1);
});

test("calls, failures and rejections are counted by command", () => {
  const store = new Standalone();
  store.raw("get", "k");
  store.raw("GET", "k");
  store.raw("get");
  store.raw("set", "s", "text");
  store.raw("incr", "s");
  store.raw("client", "id");
  store.raw("unknown");
  const counts = Object.fromEntries(
    commandStats(store.run).map(({ name, calls, failures, rejections }) => [
      name,
      [calls, failures, rejections],
    ]),
  );
  assert.deepEqual(counts, {
    "client|id": [1, 0, 0],
    get: [2, 0, 1],
    set: [1, 0, 0],
    incr: [1, 1, 0],
  });
  store.raw("config", "resetstat");
  assert.deepEqual(
    commandStats(store.run).map(({ name }) => name),
    ["config|resetstat"],
  );
});

test("readers that find a key are hits, those that do not are misses, and writers are neither", () => {
  const store = new Standalone();
  store.raw("set", "k", "v");
  store.raw("incr", "n");
  assert.deepEqual([store.run.hits, store.run.misses], [0, 0]);
  store.raw("get", "k");
  store.raw("mget", "k", "nope", "k");
  assert.deepEqual([store.run.hits, store.run.misses], [3, 1]);
});

test("CLIENT REPLY OFF and SKIP leave replies out and nothing else", () => {
  const store = new Standalone();
  assert.equal(store.raw("client", "reply", "skip"), "");
  assert.equal(store.raw("set", "k", "1"), "");
  assert.equal(store.raw("ping"), "+PONG\r\n");
  assert.equal(store.raw("client", "reply", "off"), "");
  assert.equal(store.raw("incr", "k"), "");
  assert.equal(store.raw("nonsense"), "");
  assert.equal(store.raw("client", "reply", "skip"), "");
  assert.equal(store.raw("ping"), "");
  assert.equal(store.raw("client", "reply", "on"), "+OK\r\n");
  assert.equal(store.raw("get", "k"), "$1\r\n2\r\n");
  store.raw("multi");
  store.raw("client", "reply", "skip");
  store.raw("ping");
  assert.equal(
    store.raw("exec"),
    "*2\r\n-ERR Command not allowed inside a transaction\r\n+PONG\r\n",
  );
});

test("lines of an HTTP request end the connection, and what they seemed to ask for is not answered", () => {
  for (const words of [
    ["POST", "/", "HTTP/1.1"],
    ["host:", "example"],
  ]) {
    const store = new Standalone();
    assert.equal(store.raw(...words), "");
    assert.ok(store.session.closing && store.session.unheard, words[0]);
  }
});

test("a muted reply takes nothing away from the replies before it", () => {
  const store = new Standalone();
  const reply = new Reply();
  execute(store.run, store.session, argsOf("ping"), reply);
  execute(store.run, store.session, argsOf("client", "reply", "off"), reply);
  execute(store.run, store.session, argsOf("ping"), reply);
  assert.equal(reply.sink.view().latin1Slice(), "+PONG\r\n");
});

test("a bug in a handler is not swallowed", () => {
  const store = new Standalone(
    {},
    {
      info: () => {
        throw new Error("bug: planted");
      },
    },
  );
  assert.throws(() => store.raw("info"), /planted/);
});

test("a pause holds those it is meant for, until it ends", () => {
  const store = new Standalone();
  const held = (...words: string[]): number =>
    heldUntilMs(store.run, store.session, argsOf(...words));
  assert.equal(held("set", "k", "v"), 0);
  store.raw("client", "pause", "100", "write");
  const untilMs = store.nowMs + 100;
  assert.equal(held("set", "k", "v"), untilMs);
  assert.equal(held("get", "k"), 0);
  assert.equal(held("nonsense"), 0);
  store.raw("multi");
  assert.equal(held("exec"), 0);
  store.raw("set", "k", "v");
  assert.equal(held("exec"), untilMs);
  store.raw("discard");
  store.raw("client", "pause", "50");
  assert.equal(held("get", "k"), untilMs, "a pause is not shortened by another");
  store.raw("client", "pause", "50", "write");
  assert.equal(held("get", "k"), untilMs, "nor made milder");
  store.run.wallMs = untilMs;
  assert.equal(held("set", "k", "v"), 0);
  store.run.wallMs = untilMs - 1;
  store.raw("client", "unpause");
  assert.equal(held("set", "k", "v"), 0);
});

test("DEBUG SLEEP holds the connection that asked and no other", () => {
  const store = new Standalone();
  const other = store.connect();
  assert.equal(store.raw("debug", "sleep", "1.5"), "+OK\r\n");
  assert.equal(heldUntilMs(store.run, store.session, argsOf("ping")), store.nowMs + 1500);
  assert.equal(heldUntilMs(store.run, other, argsOf("ping")), 0);
  for (const seconds of ["x", "-1", "nan"])
    assert.equal(store.raw("debug", "sleep", seconds), "-ERR value is not a valid float\r\n");
});
