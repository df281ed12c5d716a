/** Consumer groups: on one replica, and read in several regions at once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { exchange, Region } from "./regions.suite.ts";
import { Standalone } from "./standalone.suite.ts";

/** The ids in a reply, in order. */
function idsIn(reply: string): string[] {
  return [...reply.matchAll(/\r\n(\d+-\d+)(?=\r\n)/g)].map(([, id]) => id as string);
}

/** The words of a reply, without lengths. */
function wordsIn(reply: string): string[] {
  return reply.split("\r\n").filter((line) => line !== "" && !/^[*$%]/.test(line));
}

type Store = Pick<Standalone, "raw">;

/** What a consumer of group `g` on stream `s` is given, `count` at most. */
function given(store: Store, consumer: string, count = "10"): string[] {
  const words = ["GROUP", "g", consumer, "COUNT", count, "STREAMS", "s", ">"];
  return idsIn(store.raw("XREADGROUP", ...words));
}

/** The ids and consumers of what is pending. */
function pending(store: Store): string[] {
  const reply = store.raw("XPENDING", "s", "g", "-", "+", "100");
  return [...reply.matchAll(/\r\n(\d+-\d+)\r\n\$\d+\r\n(\w*)\r\n/g)].map(
    ([, id, to]) => `${id} ${to}`,
  );
}

test("an entry is given to one consumer of a group, and is pending until it is acknowledged", () => {
  const store = new Standalone();
  for (const id of ["1-1", "2-1", "3-1"]) store.raw("XADD", "s", id, "field", "value");
  assert.equal(store.raw("XGROUP", "CREATE", "s", "g", "1-1"), "+OK\r\n");
  assert.deepEqual(given(store, "ann", "1"), ["2-1"]);
  assert.deepEqual(given(store, "bob"), ["3-1"]);
  assert.deepEqual(given(store, "bob"), []);
  assert.deepEqual(pending(store), ["2-1 ann", "3-1 bob"]);
  assert.equal(store.raw("XACK", "s", "g", "2-1", "2-1", "9-9"), ":1\r\n");
  assert.deepEqual(pending(store), ["3-1 bob"]);
});

test("a consumer that asks for its history is given again what is pending for it, and told what is gone", () => {
  const store = new Standalone();
  for (const id of ["1-1", "2-1"]) store.raw("XADD", "s", id, "field", "value");
  store.raw("XGROUP", "CREATE", "s", "g", "0");
  given(store, "ann");
  store.raw("XDEL", "s", "1-1");
  const again = store.raw("XREADGROUP", "GROUP", "g", "ann", "STREAMS", "s", "0");
  assert.deepEqual(idsIn(again), ["1-1", "2-1"]);
  assert.match(again, /1-1\r\n\*-1\r\n/);
  assert.match(store.raw("XPENDING", "s", "g", "2-1", "+", "1"), /:2\r\n$/);
  assert.match(
    store.raw("XAUTOCLAIM", "s", "g", "bob", "0", "0", "JUSTID"),
    /^\*3\r\n\$3\r\n0-0\r\n\*1\r\n\$3\r\n2-1\r\n\*1\r\n\$3\r\n1-1\r\n$/,
  );
  assert.deepEqual(pending(store), ["2-1 bob"]);
});

test("whoever waits for entries of a group is served in order of arrival, each entry once", () => {
  const store = new Standalone();
  store.raw("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM");
  const wait = (consumer: string): void => {
    store.session = store.connect();
    store.raw(
      "XREADGROUP",
      "GROUP",
      "g",
      consumer,
      "BLOCK",
      "0",
      "COUNT",
      "1",
      "STREAMS",
      "s",
      ">",
    );
  };
  for (const consumer of ["ann", "bob"]) wait(consumer);
  store.session = store.connect();
  store.raw("XADD", "s", "1-1", "field", "value");
  store.raw("XADD", "s", "2-1", "field", "value");
  const answers = store.run.blocking.answers.splice(0);
  assert.deepEqual(
    answers.map(({ bytes }) => idsIn(bytes.latin1Slice())),
    [["1-1"], ["2-1"]],
  );
  assert.deepEqual(pending(store), ["1-1 ann", "2-1 bob"]);
});

test("whoever waits is told that the group or the stream is gone", () => {
  for (const [removal, reason] of [
    [["XGROUP", "DESTROY", "s", "g"], /^-NOGROUP the consumer group/],
    [["DEL", "s"], /^-UNBLOCKED the stream key no longer exists/],
    [["SET", "s", "string"], /^-UNBLOCKED the stream key no longer exists/],
  ] as const) {
    const store = new Standalone();
    store.raw("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM");
    store.raw("XREADGROUP", "GROUP", "g", "ann", "BLOCK", "0", "STREAMS", "s", ">");
    store.session = store.connect();
    store.raw(...removal);
    assert.match(store.run.blocking.answers[0]?.bytes.latin1Slice() ?? "", reason);
  }
});

test("a payload's times and counts are cut to what is stored", () => {
  const store = new Standalone();
  store.raw("XADD", "s", "1-1", "field", "value");
  store.raw("XGROUP", "CREATE", "s", "g", "0", "ENTRIESREAD", "9223372036854775807");
  const claim = ["XCLAIM", "s", "g", "ann", "0", "1-1", "FORCE", "RETRYCOUNT"];
  store.raw(...claim, "9223372036854775807");
  assert.deepEqual(pending(store), ["1-1 ann"]);
});

test("what another region added with lower ids is new to a group that has read on", () => {
  const [a, b] = [new Region("a"), new Region("b")];
  a.raw("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM");
  exchange(a, b);
  b.raw("XADD", "s", "1-1", "from", "b");
  b.raw("XADD", "s", "4-1", "from", "b");
  a.raw("XADD", "s", "5-1", "from", "a");
  assert.deepEqual(given(a, "ann"), ["5-1"]);
  exchange(a, b);
  assert.deepEqual(given(a, "ann", "1"), ["1-1"]);
  assert.deepEqual(given(a, "bob"), ["4-1"]);
  assert.deepEqual(given(a, "bob"), []);
  exchange(a, b);
  assert.deepEqual(given(b, "cid"), []);
});

test("two regions may give the same entry at the same time: it is pending for the later", () => {
  const [a, b] = [new Region("a"), new Region("b")];
  a.raw("XADD", "s", "1-1", "field", "value");
  a.raw("XGROUP", "CREATE", "s", "g", "0");
  exchange(a, b);
  b.nowMs += 5;
  assert.deepEqual(given(a, "ann"), ["1-1"]);
  assert.deepEqual(given(b, "bob"), ["1-1"]);
  exchange(a, b);
  for (const region of [a, b]) {
    assert.deepEqual(pending(region), ["1-1 bob"]);
    assert.deepEqual(given(region, "cid"), []);
  }
});

test("XACK removes the deliveries it has seen: one made elsewhere at the same time stays pending", () => {
  const [a, b] = [new Region("a"), new Region("b")];
  a.raw("XADD", "s", "1-1", "field", "value");
  a.raw("XGROUP", "CREATE", "s", "g", "0");
  assert.deepEqual(given(a, "ann"), ["1-1"]);
  exchange(a, b);
  a.raw("XACK", "s", "g", "1-1");
  b.raw("XCLAIM", "s", "g", "bob", "0", "1-1");
  exchange(a, b);
  for (const region of [a, b]) assert.deepEqual(pending(region), ["1-1 bob"]);
  assert.equal(b.raw("XACK", "s", "g", "1-1"), ":1\r\n");
  exchange(a, b);
  assert.deepEqual(pending(a), []);
});

test("a group that is read elsewhere while it is destroyed stays, with what was read", () => {
  const [a, b] = [new Region("a"), new Region("b")];
  a.raw("XADD", "s", "1-1", "field", "value");
  a.raw("XADD", "s", "2-1", "field", "value");
  a.raw("XGROUP", "CREATE", "s", "g", "0");
  exchange(a, b);
  a.raw("XGROUP", "DESTROY", "s", "g");
  assert.deepEqual(given(b, "bob", "1"), ["1-1"]);
  exchange(a, b);
  for (const region of [a, b]) assert.deepEqual(pending(region), ["1-1 bob"]);
  assert.deepEqual(given(a, "ann"), ["2-1"]);
});

test("XADD elsewhere survives DEL, and XINFO tells the same everywhere", () => {
  const [a, b] = [new Region("a"), new Region("b")];
  a.raw("XADD", "s", "1-1", "field", "value");
  exchange(a, b);
  a.raw("DEL", "s");
  b.raw("XADD", "s", "2-1", "field", "value");
  exchange(a, b);
  const told = a.raw("XINFO", "STREAM", "s");
  assert.equal(b.raw("XINFO", "STREAM", "s"), told);
  const words = wordsIn(told);
  assert.equal(words[words.indexOf("length") + 1], ":1");
  assert.equal(words[words.indexOf("last-generated-id") + 1], "2-1");
});

test("two regions acknowledge the same entry, and a group that is moved back has read what was read elsewhere", () => {
  const [a, b] = [new Region("a"), new Region("b")];
  a.raw("XADD", "s", "1-1", "field", "value");
  a.raw("XADD", "s", "2-1", "field", "value");
  a.raw("XGROUP", "CREATE", "s", "g", "0");
  assert.deepEqual(given(a, "ann", "1"), ["1-1"]);
  exchange(a, b);
  for (const region of [a, b]) assert.equal(region.raw("XACK", "s", "g", "1-1"), ":1\r\n");
  a.raw("XGROUP", "SETID", "s", "g", "0");
  assert.deepEqual(given(b, "bob"), ["2-1"]);
  exchange(a, b);
  for (const region of [a, b]) {
    assert.deepEqual(pending(region), ["2-1 bob"]);
    assert.deepEqual(given(region, "cid"), []);
  }
});

test("a flush takes what was added elsewhere before it, seen or not", () => {
  const [a, b] = [new Region("a"), new Region("b")];
  a.raw("XADD", "s", "1-1", "field", "value");
  exchange(a, b);
  b.raw("XADD", "s", "2-1", "field", "value");
  a.nowMs += 10;
  a.raw("FLUSHALL");
  exchange(a, b);
  for (const region of [a, b]) assert.equal(region.raw("EXISTS", "s"), ":0\r\n");
});
