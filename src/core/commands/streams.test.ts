/** Streams: what commands answer on one replica, and what several regions make of the same stream. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { exchange, Region } from "./regions.suite.ts";
import { Standalone } from "./standalone.suite.ts";

/** The ids in a reply, in order. */
function idsIn(reply: string): string[] {
  return [...reply.matchAll(/\r\n(\d+-\d+)(?=\r\n)/g)].map(([, id]) => id as string);
}

test("ids that XADD generates ascend, within a millisecond and when the clock steps back", () => {
  const store = new Standalone();
  const ids = [1, 2, 3].map((value) => store.raw("XADD", "s", "*", "field", String(value)));
  store.nowMs -= 1000;
  ids.push(store.raw("XADD", "s", "*", "field", "4"));
  store.nowMs += 5000;
  ids.push(store.raw("XADD", "s", "*", "field", "5"));
  const base = 1_700_000_000_000;
  const wanted = [`${base}-0`, `${base}-1`, `${base}-2`, `${base}-3`, `${base + 4000}-0`];
  assert.deepEqual(idsIn(ids.map((id) => `\r\n${id}`).join("")), wanted);
});

test("a stream stays when its last entry goes, and so does its last id", () => {
  const store = new Standalone();
  store.raw("XADD", "s", "5-5", "field", "value");
  assert.equal(store.raw("XDEL", "s", "5-5", "5-6"), ":1\r\n");
  assert.equal(store.raw("XLEN", "s"), ":0\r\n");
  assert.equal(store.raw("TYPE", "s"), "+stream\r\n");
  assert.match(store.raw("XADD", "s", "5-5", "field", "value"), /equal or smaller/);
  assert.equal(store.raw("XADD", "s", "5-*", "field", "value"), "$3\r\n5-6\r\n");
  store.raw("DEL", "s");
  assert.equal(store.raw("XADD", "s", "1-1", "field", "value"), "$3\r\n1-1\r\n");
});

test("approximate trimming removes whole nodes, and no more entries than LIMIT says", () => {
  const store = new Standalone();
  store.raw("CONFIG", "SET", "stream-node-max-entries", "10");
  for (let i = 0; i < 100; i++) store.raw("XADD", "s", "*", "field", "value");
  const add = (): string =>
    store.raw("XADD", "s", "MAXLEN", "~", "55", "LIMIT", "30", "*", "field", "value");
  add();
  assert.equal(store.raw("XLEN", "s"), ":71\r\n");
  add();
  assert.equal(store.raw("XLEN", "s"), ":62\r\n");
  assert.equal(store.raw("XTRIM", "s", "MAXLEN", "~", "60"), ":0\r\n");
  assert.equal(store.raw("XTRIM", "s", "MAXLEN", "60"), ":2\r\n");
});

test("a stream is copied, renamed, dumped and restored with all that belongs to it", () => {
  const store = new Standalone();
  store.raw("XADD", "s", "1-1", "a", "1", "b", "2");
  store.raw("XADD", "s", "2-1", "c", "");
  store.raw("XADD", "s", "3-1", "a", "3", "b", "4");
  store.raw("XDEL", "s", "2-1");
  const dump = /^\$\d+\r\n(.*)\r\n$/s.exec(store.raw("DUMP", "s"))?.[1] as string;
  assert.equal(store.raw("COPY", "s", "copy"), ":1\r\n");
  assert.equal(store.raw("RENAME", "s", "renamed"), "+OK\r\n");
  assert.equal(store.raw("RESTORE", "restored", "0", Buffer.from(dump, "latin1")), "+OK\r\n");
  for (const key of ["copy", "renamed", "restored"]) {
    assert.deepEqual(idsIn(store.raw("XRANGE", key, "-", "+")), ["1-1", "3-1"], key);
    assert.equal(store.raw("DUMP", key), store.raw("DUMP", "copy"), key);
  }
});

test("XREAD waits for what comes behind the last id, and everyone who waits is told", () => {
  const store = new Standalone();
  const [first, second] = [store.session, store.connect()];
  store.raw("XADD", "s", "1-1", "field", "old");
  assert.equal(store.raw("XREAD", "BLOCK", "0", "STREAMS", "s", "other", "$", "$"), "");
  store.session = second;
  assert.equal(store.raw("XREAD", "BLOCK", "0", "STREAMS", "s", "1-1"), "");
  store.session = store.connect();
  store.raw("XADD", "s", "2-1", "field", "new");
  const answers = store.run.blocking.answers.splice(0);
  assert.deepEqual(
    answers.map(({ session }) => session),
    [first, second],
  );
  for (const { bytes } of answers) assert.deepEqual(idsIn(bytes.latin1Slice()), ["2-1"]);
});

test("entries of several regions come together in the order of their ids", () => {
  const [a, b] = [new Region("a"), new Region("b")];
  a.raw("XADD", "s", "1-1", "from", "a");
  b.raw("XADD", "s", "2-1", "from", "b");
  a.raw("XADD", "s", "3-1", "from", "a");
  exchange(a, b);
  for (const region of [a, b]) {
    assert.deepEqual(idsIn(region.raw("XRANGE", "s", "-", "+")), ["1-1", "2-1", "3-1"]);
    assert.match(region.raw("XADD", "s", "3-1", "late", "1"), /equal or smaller/);
  }
});

test("two entries that two regions gave one id are both kept, and are on one page", () => {
  const [a, b] = [new Region("a"), new Region("b")];
  a.raw("XADD", "s", "1-1", "from", "a");
  b.raw("XADD", "s", "1-1", "from", "b");
  exchange(a, b);
  const whole = a.raw("XRANGE", "s", "-", "+");
  assert.deepEqual(idsIn(whole), ["1-1", "1-1"]);
  assert.equal(a.raw("XRANGE", "s", "-", "+", "COUNT", "1"), whole);
  assert.equal(a.raw("XREVRANGE", "s", "+", "-", "COUNT", "1").length, whole.length);
  assert.equal(b.raw("XRANGE", "s", "-", "+"), whole);
  assert.equal(a.raw("AA.CONFLICTS"), b.raw("AA.CONFLICTS"));
  assert.equal(a.raw("XDEL", "s", "1-1"), ":2\r\n");
  exchange(a, b);
  assert.equal(b.raw("XLEN", "s"), ":0\r\n");
});

test("XDEL and XTRIM remove what they have seen, and an entry added elsewhere at the same time stays", () => {
  for (const removal of [
    ["XDEL", "s", "1-1"],
    ["XTRIM", "s", "MAXLEN", "0"],
    ["DEL", "s"],
  ]) {
    const [a, b] = [new Region("a"), new Region("b")];
    a.raw("XADD", "s", "1-1", "from", "a");
    exchange(a, b);
    a.raw(...removal);
    b.raw("XADD", "s", "2-1", "from", "b");
    exchange(a, b);
    for (const region of [a, b])
      assert.deepEqual(idsIn(region.raw("XRANGE", "s", "-", "+")), ["2-1"], removal[0]);
  }
});
