/** AA.ONCE: what is sent twice under one id is done once, and answered the same. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Member, Network } from "../replica/network.suite.ts";
import { Standalone } from "./standalone.suite.ts";

test("a repetition is answered what the first was answered, and changes nothing", () => {
  const alone = new Standalone();
  for (let i = 0; i < 3; i++) assert.equal(alone.raw("AA.ONCE", "r1", "INCR", "n"), ":1\r\n");
  assert.equal(alone.raw("AA.ONCE", "r2", "INCR", "n"), ":2\r\n");
  assert.equal(alone.raw("GET", "n"), "$1\r\n2\r\n");
});

test("what was done and its id are one record, and so are a transaction or a script and theirs", () => {
  const alone = new Standalone();
  alone.raw("AA.ONCE", "a", "SADD", "s", "milk");
  assert.equal(alone.records.count, 1);
  for (let i = 0; i < 2; i++) {
    alone.raw("MULTI");
    alone.raw("INCR", "n");
    alone.raw("RPUSH", "l", "x");
    assert.equal(alone.raw("AA.ONCE", "b", "EXEC"), "*2\r\n:1\r\n:1\r\n");
    assert.equal(alone.session.queue, null);
  }
  assert.equal(alone.records.count, 2);
});

test("a command that changed nothing is not done by a repetition either", () => {
  const alone = new Standalone();
  alone.raw("SET", "k", "taken");
  assert.equal(alone.raw("AA.ONCE", "a", "SET", "k", "mine", "NX"), "$-1\r\n");
  alone.raw("DEL", "k");
  assert.equal(alone.raw("AA.ONCE", "a", "SET", "k", "mine", "NX"), "$-1\r\n");
  assert.equal(alone.raw("EXISTS", "k"), ":0\r\n");
});

test("who was refused, or overtaken in a transaction, may try again under the same id", () => {
  const alone = new Standalone();
  alone.raw("SET", "k", "text");
  assert.match(alone.raw("AA.ONCE", "a", "INCR", "k"), /^-ERR value is not an integer/);
  alone.raw("SET", "k", "1");
  assert.equal(alone.raw("AA.ONCE", "a", "INCR", "k"), ":2\r\n");
  alone.raw("WATCH", "k");
  const first = alone.session;
  alone.session = alone.connect();
  alone.raw("SET", "k", "5");
  alone.session = first;
  alone.raw("MULTI");
  alone.raw("INCR", "k");
  assert.equal(alone.raw("AA.ONCE", "b", "EXEC"), "*-1\r\n");
  alone.raw("MULTI");
  alone.raw("INCR", "k");
  assert.equal(alone.raw("AA.ONCE", "b", "EXEC"), "*1\r\n:6\r\n");
});

test("an id is one command's and one user's", () => {
  const alone = new Standalone();
  alone.raw("AA.ONCE", "a", "INCR", "n");
  assert.match(alone.raw("AA.ONCE", "a", "INCR", "m"), /^-AAONCE the id was used for another/);
  alone.raw("SELECT", "1");
  assert.match(alone.raw("AA.ONCE", "a", "INCR", "n"), /^-AAONCE the id was used for another/);
  alone.raw("SELECT", "0");
  alone.raw("ACL", "SETUSER", "ann", "on", ">pw", "~*", "+@all");
  alone.raw("AUTH", "ann", "pw");
  assert.equal(alone.raw("AA.ONCE", "a", "INCR", "n"), ":2\r\n");
});

test("a repetition after the window is a command of its own", () => {
  const alone = new Standalone();
  alone.raw("AA.ONCE", "a", "WINDOW", "1000", "INCR", "n");
  alone.nowMs += 999;
  assert.equal(alone.raw("AA.ONCE", "a", "WINDOW", "1000", "INCR", "n"), ":1\r\n");
  alone.nowMs += 2;
  assert.equal(alone.raw("AA.ONCE", "a", "WINDOW", "1000", "INCR", "n"), ":2\r\n");
});

test("no command of a client meets what is remembered, and FLUSHALL does not forget it", () => {
  const alone = new Standalone();
  alone.raw("AA.ONCE", "a", "INCR", "n");
  assert.equal(alone.raw("DBSIZE"), ":1\r\n");
  assert.equal(alone.raw("KEYS", "*"), "*1\r\n$1\r\nn\r\n");
  alone.raw("FLUSHALL");
  assert.equal(alone.raw("AA.ONCE", "a", "INCR", "n"), ":1\r\n");
  assert.equal(alone.raw("EXISTS", "n"), ":0\r\n");
});

test("a long answer is not kept, only that there was one; nor is one of RESP3 told in RESP2", () => {
  const alone = new Standalone();
  alone.raw("SET", "k", Buffer.alloc(70_000, "x"));
  assert.match(alone.raw("AA.ONCE", "a", "GETDEL", "k").slice(0, 8), /^\$70000/);
  assert.match(
    alone.raw("AA.ONCE", "a", "GETDEL", "k"),
    /^-AAONCE it was done; its answer was long/,
  );
  alone.raw("HELLO", "3");
  alone.raw("AA.ONCE", "b", "ZADD", "z", "INCR", "1.5", "m");
  alone.raw("HELLO", "2");
  assert.match(alone.raw("AA.ONCE", "b", "ZADD", "z", "INCR", "1.5", "m"), /^-AAONCE .*RESP3/);
});

test("what reads, what waits and what makes no sense is refused", () => {
  const alone = new Standalone();
  for (const words of [["GET", "k"], ["BLPOP", "l", "1"], ["PING"], ["MULTI"], ["WATCH", "k"]])
    assert.match(alone.raw("AA.ONCE", "a", ...words), /^-ERR AA.ONCE takes a command/, words[0]);
  assert.match(alone.raw("AA.ONCE", "", "INCR", "n"), /^-ERR AA.ONCE takes an id/);
  assert.match(alone.raw("AA.ONCE", "x".repeat(257), "INCR", "n"), /^-ERR AA.ONCE takes an id/);
  assert.match(alone.raw("AA.DO", "WINDOW", "5", "INCR", "n"), /^-ERR AA.DO takes/);
  assert.equal(alone.raw("AA.DO", "ONCE", "a", "WINDOW", "5", "INCR", "n"), ":1\r\n");
});

function two(): { network: Network; a: Member; b: Member } {
  const network = new Network(["a/1", "b/1"]);
  const [a, b] = network.members as [Member, Member];
  network.connect(a, b);
  network.pass(200);
  return { network, a, b };
}

test("a repetition in another region is recognized there once the first has come", () => {
  const { network, a, b } = two();
  assert.equal(a.command("AA.ONCE", "r", "INCR", "n").reply, ":1\r\n");
  a.turn();
  network.pass(200);
  assert.equal(b.command("AA.ONCE", "r", "INCR", "n").reply, ":1\r\n");
  assert.equal(b.get("n"), "$1\r\n1\r\n");
});

test("a request that two regions ran without having heard of one another is told of as a conflict", () => {
  const { network, a, b } = two();
  network.pass(400);
  for (const id of [...a.wires.keys()]) network.close(a, id);
  for (const member of [a, b]) {
    assert.equal(member.command("AA.ONCE", "r", "INCR", "n").reply, ":1\r\n");
    member.turn();
  }
  network.connect(a, b);
  network.pass(400);
  for (const member of [a, b]) {
    member.replica.settleConflicts();
    member.turn();
  }
  network.pass(400);
  for (const member of [a, b]) {
    assert.equal(member.get("n"), "$1\r\n2\r\n");
    assert.match(member.command("AA.CONFLICTS").reply, /default\0r/);
  }
});

test("what is remembered goes by a record when its window is over", () => {
  const { network, a, b } = two();
  a.command("AA.ONCE", "r", "WINDOW", "500", "INCR", "n");
  a.turn();
  network.pass(200);
  const remembered = (): number[] =>
    [a, b].map(({ replica }) => replica.keyspace.shards.reduce((sum, { size }) => sum + size, 0));
  assert.deepEqual(remembered(), [2, 2]);
  network.pass(3_000);
  assert.deepEqual(remembered(), [1, 1]);
});
