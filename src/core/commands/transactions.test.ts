import assert from "node:assert/strict";
import { test } from "node:test";
import { argsOf } from "../wire/args.ts";
import { Reply } from "../wire/reply.ts";
import { execute } from "./dispatch.ts";
import type { Session } from "./session.ts";
import { Standalone } from "./standalone.suite.ts";
import { leaveTransaction } from "./transactions.ts";

/** Runs a command as another client. */
function as(store: Standalone, session: Session, ...words: string[]): string {
  const mine = store.session;
  store.session = session;
  const text = store.raw(...words);
  store.session = mine;
  return text;
}

const NIL = "*-1\r\n";
const ABORTED = "-EXECABORT Transaction discarded because of previous errors.\r\n";

test("a transaction is one record, whatever it holds", () => {
  const store = new Standalone();
  assert.equal(store.raw("multi"), "+OK\r\n");
  assert.equal(store.raw("set", "a", "1"), "+QUEUED\r\n");
  assert.equal(store.raw("incr", "a"), "+QUEUED\r\n");
  assert.equal(store.raw("get", "a"), "+QUEUED\r\n");
  assert.equal(store.records.count, 0);
  assert.equal(store.raw("exec"), "*3\r\n+OK\r\n:2\r\n$1\r\n2\r\n");
  assert.equal(store.records.count, 1);
  assert.equal(store.raw("exec"), "-ERR EXEC without MULTI\r\n");
});

test("a transaction that reads leaves no record", () => {
  const store = new Standalone();
  store.raw("multi");
  store.raw("get", "a");
  assert.equal(store.raw("exec"), "*1\r\n$-1\r\n");
  store.raw("multi");
  assert.equal(store.raw("exec"), "*0\r\n");
  assert.equal(store.records.count, 0);
});

test("a queued command keeps its words although the socket's buffer is used again", () => {
  const store = new Standalone();
  store.raw("multi");
  const args = argsOf("set", "k", "first");
  execute(store.run, store.session, args, new Reply());
  args.bytes.fill("x");
  args.begin(args.bytes);
  store.raw("exec");
  assert.equal(store.raw("get", "k"), "$5\r\nfirst\r\n");
});

test("a command that fails inside of EXEC does not keep the others from running", () => {
  const store = new Standalone();
  store.raw("multi");
  store.raw("set", "a", "text");
  store.raw("incr", "a");
  store.raw("set", "b", "2");
  assert.equal(
    store.raw("exec"),
    "*3\r\n+OK\r\n-ERR value is not an integer or out of range\r\n+OK\r\n",
  );
  assert.equal(store.raw("get", "b"), "$1\r\n2\r\n");
});

test("what could not be queued makes EXEC refuse everything", () => {
  const store = new Standalone();
  for (const wrong of [["nonsense"], ["get"], ["client", "nonsense"], ["shutdown"]]) {
    store.raw("multi");
    store.raw("set", "k", "v");
    assert.match(store.raw(...wrong), /^-ERR/);
    assert.equal(store.raw("exec"), ABORTED, wrong.join(" "));
    assert.equal(store.raw("exec"), "-ERR EXEC without MULTI\r\n");
  }
  assert.equal(store.raw("get", "k"), "$-1\r\n");
});

test("an EXEC that is itself wrong ends the transaction", () => {
  const store = new Standalone();
  store.raw("multi");
  store.raw("set", "k", "v");
  assert.equal(
    store.raw("exec", "x"),
    "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command\r\n",
  );
  assert.equal(store.raw("exec"), "-ERR EXEC without MULTI\r\n");
});

test("MULTI and WATCH are refused inside of MULTI without harm to it", () => {
  const store = new Standalone();
  store.raw("multi");
  assert.equal(store.raw("multi"), "-ERR MULTI calls can not be nested\r\n");
  assert.equal(store.raw("watch", "k"), "-ERR WATCH inside MULTI is not allowed\r\n");
  store.raw("ping");
  assert.equal(store.raw("exec"), "*1\r\n+PONG\r\n");
});

test("DISCARD forgets the queue and what was watched", () => {
  const store = new Standalone();
  assert.equal(store.raw("discard"), "-ERR DISCARD without MULTI\r\n");
  store.raw("watch", "k");
  store.raw("multi");
  store.raw("set", "k", "v");
  assert.equal(store.raw("discard"), "+OK\r\n");
  assert.equal(store.run.watchers.size, 0);
  assert.equal(store.raw("get", "k"), "$-1\r\n");
});

test("writes that were refused only after they were queued abort the transaction with the reason", () => {
  const store = new Standalone();
  store.raw("multi");
  store.raw("set", "k", "v");
  store.run.refuseWrites = "READONLY this node is joining";
  assert.equal(
    store.raw("exec"),
    "-EXECABORT Transaction discarded because of: READONLY this node is joining\r\n",
  );
  store.raw("multi");
  store.raw("get", "k");
  assert.equal(store.raw("exec"), "*1\r\n$-1\r\n");
});

test("a transaction that grows beyond its limit is refused as a whole", () => {
  const store = new Standalone();
  store.raw("multi");
  store.raw("set", "k", "v");
  const before = store.session.queuedBytes;
  assert.ok(before > 0);
  store.session.queuedBytes = 2 ** 30 - before + 1;
  assert.match(store.raw("set", "k", "w"), /^-ERR Transaction is larger than 1073741824 bytes/);
  assert.equal(store.raw("exec"), ABORTED);
  assert.equal(store.session.queuedBytes, 0);
});

test("SELECT inside of a transaction counts for the commands after it", () => {
  const store = new Standalone();
  store.raw("multi");
  store.raw("select", "3");
  store.raw("set", "k", "v");
  store.raw("exec");
  assert.equal(store.raw("get", "k"), "$1\r\nv\r\n");
  store.raw("select", "0");
  assert.equal(store.raw("get", "k"), "$-1\r\n");
});

test("a watched key that another client changes makes EXEC answer nil", () => {
  const store = new Standalone();
  const other = store.connect();
  const changes: string[][] = [
    ["set", "k", "new"],
    ["incr", "k"],
    ["getdel", "k"],
  ];
  for (const change of changes) {
    store.raw("set", "k", "1");
    store.raw("watch", "other", "k");
    as(store, other, ...change);
    store.raw("multi");
    store.raw("set", "k", "mine");
    store.run.holdSeq = 0;
    assert.equal(store.raw("exec"), NIL, change.join(" "));
    assert.equal(store.run.holdSeq, Infinity, "nil shows a change that may not be stored yet");
    assert.notEqual(store.raw("get", "k"), "$4\r\nmine\r\n");
  }
});

test("a watched key that stays as it is lets EXEC run", () => {
  const store = new Standalone();
  const other = store.connect();
  store.raw("set", "k", "1");
  store.raw("watch", "k");
  as(store, other, "get", "k");
  as(store, other, "set", "elsewhere", "1");
  as(store, other, "select", "1");
  as(store, other, "set", "k", "in another database");
  as(store, other, "set", "k", "refused", "nx");
  store.raw("multi");
  assert.equal(store.raw("exec"), "*0\r\n");
});

test("a client's own write after WATCH counts as a change", () => {
  const store = new Standalone();
  store.raw("watch", "k");
  store.raw("set", "k", "v");
  store.raw("multi");
  assert.equal(store.raw("exec"), NIL);
  store.raw("multi");
  assert.equal(store.raw("exec"), "*0\r\n", "EXEC has forgotten the watch");
});

test("UNWATCH forgets the watch and the change", () => {
  const store = new Standalone();
  store.raw("watch", "k");
  store.raw("set", "k", "v");
  assert.equal(store.raw("unwatch"), "+OK\r\n");
  store.raw("multi");
  assert.equal(store.raw("exec"), "*0\r\n");
});

test("a key that expires between WATCH and EXEC aborts; one that had expired before does not", () => {
  const store = new Standalone();
  store.raw("set", "k", "v", "px", "100");
  store.raw("watch", "k");
  store.nowMs += 99;
  store.raw("multi");
  assert.equal(store.raw("exec"), "*0\r\n");
  store.raw("watch", "k");
  store.nowMs += 1;
  store.raw("multi");
  assert.equal(store.raw("exec"), NIL);
  store.raw("watch", "k");
  store.nowMs += 1000;
  store.raw("multi");
  assert.equal(store.raw("exec"), "*0\r\n");
});

test("clearing away an expired key changes nothing for who watched it expired", () => {
  const store = new Standalone();
  store.raw("set", "k", "v", "px", "100");
  store.nowMs += 100;
  store.raw("watch", "k");
  const place = store.run.lookAt(0, Buffer.from("k"), 0, 1);
  assert.ok(place.at >= 0, "the expired key still lies in the table");
  store.run.write.removeExpired(place);
  store.run.write.commit();
  store.raw("multi");
  assert.equal(store.raw("exec"), "*0\r\n");
});

test("emptying the keyspace changes the watched keys that exist", () => {
  const store = new Standalone();
  store.raw("set", "k", "v");
  const watch = (key: string): void => {
    store.raw("watch", key);
    store.run.write.flush(store.run.place(0), -1);
    store.run.write.commit();
    store.raw("multi");
  };
  watch("absent");
  assert.equal(store.raw("exec"), "*0\r\n");
  store.raw("set", "k", "v");
  watch("k");
  assert.equal(store.raw("exec"), NIL);
});

test("writes are watched only while somebody watches", () => {
  const store = new Standalone();
  const other = store.connect();
  assert.equal(store.run.keyspace.onTouch, null);
  store.raw("watch", "a", "b", "a");
  as(store, other, "watch", "b");
  assert.equal(store.run.watchers.size, 2);
  store.raw("unwatch");
  assert.notEqual(store.run.keyspace.onTouch, null);
  assert.deepEqual([...store.run.watchers.keys()], ["0:b"]);
  leaveTransaction(store.run, other);
  assert.equal(store.run.keyspace.onTouch, null);
  assert.equal(store.run.watchers.size, 0);
});
