import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Standalone } from "../commands/standalone.suite.ts";
import { Entry } from "./table.ts";

/** How many keys rest now. */
function resting(store: Standalone): number {
  const { keyspace } = store.run;
  const entry = new Entry();
  let count = 0;
  for (let cursor = 0, more = true; more; more = cursor !== 0)
    cursor = keyspace.walk(cursor, 1000, (table, at) => {
      table.load(at, entry);
      if (entry.rests) count++;
    });
  return count;
}

function storeThatRests(awake = 0): Standalone {
  const store = new Standalone();
  store.run.keyspace.awake = awake;
  return store;
}

const key = fc.constantFrom("a", "b", "c");
const name = fc.constantFrom("x", "y", "a longer name", "");
const number = fc.integer({ min: -5, max: 300 }).map(String);
/** Commands on every type, more that write than that read. */
const command = fc.oneof(
  ...[
    fc.tuple(fc.constant("hset"), key, name, number, name, number),
    fc.tuple(fc.constant("hincrby"), key, name, number),
    fc.tuple(fc.constant("hdel"), key, name),
    fc.tuple(
      fc.constant("hpexpire"),
      key,
      fc.constant("5000"),
      fc.constant("fields"),
      fc.constant("1"),
      name,
    ),
    fc.tuple(fc.constant("sadd"), key, name, number),
    fc.tuple(fc.constant("srem"), key, name),
    fc.tuple(fc.constant("zadd"), key, number, name, number, number),
    fc.tuple(fc.constant("zincrby"), key, number, name),
    fc.tuple(fc.constant("zrem"), key, name),
    fc.tuple(fc.constant("rpush"), key, name, number),
    fc.tuple(fc.constant("lpop"), key),
    fc.tuple(fc.constant("linsert"), key, fc.constant("before"), name, number),
    fc.tuple(fc.constant("set"), key, name),
    fc.tuple(fc.constant("pexpire"), key, fc.constant("5000")),
    fc.tuple(fc.constant("persist"), key),
    fc.tuple(fc.constant("copy"), key, key),
    fc.tuple(fc.constant("rename"), key, key),
    fc.tuple(fc.constant("del"), key),
    fc.tuple(fc.constant("flushdb")),
  ],
);
const reads = ["a", "b", "c"].flatMap((k) => [
  ["type", k],
  ["hgetall", k],
  ["smembers", k],
  ["zrange", k, "0", "-1", "withscores"],
  ["lrange", k, "0", "-1"],
  ["pttl", k],
  ["object", "encoding", k],
]);

/** The order of what has none may change while it rests. */
const answer = (store: Standalone, [word = "", ...words]: readonly string[]): string => {
  const text = store.raw(word, ...words);
  return ["hgetall", "smembers"].includes(word) ? text.split("\r\n").toSorted().join() : text;
};

test("a store whose keys rest whenever they may answers as one whose keys never do, and takes back what it gave them", () => {
  let packed = 0;
  fc.assert(
    fc.property(
      fc.array(fc.record({ command, rests: fc.boolean(), reads: fc.boolean() }), { maxLength: 60 }),
      (steps) => {
        const [store, twin] = [storeThatRests(), new Standalone()];
        for (const { command: words, rests, reads: looks } of steps) {
          assert.equal(store.raw(...words), twin.raw(...words), words.join(" "));
          if (rests) store.run.keyspace.rest();
          if (!looks) continue;
          for (const read of reads) assert.equal(answer(store, read), answer(twin, read));
          if (rests) store.run.keyspace.rest();
        }
        for (const read of [["dbsize"], ["info", "keyspace"], ...reads])
          assert.equal(answer(store, read), answer(twin, read), read.join(" "));
        packed += store.run.keyspace.rested;
        for (const one of [store, twin]) one.raw("del", "a", "b", "c");
        const { heap } = store.run.keyspace;
        assert.equal(heap.usedBytes, twin.run.keyspace.heap.usedBytes);
        assert.equal(heap.objectBytes, twin.run.keyspace.heap.objectBytes);
      },
    ),
    { numRuns: 300 },
  );
  assert.ok(packed > 100, `${packed} keys rested`);
});

test("small collections rest; what waits, expires, is large or holds several types does not", () => {
  const store = storeThatRests();
  const rests = (...words: string[]): boolean => {
    store.raw("flushall");
    store.raw(...words);
    // The first look finds it used.
    for (let i = 0; i < 3; i++) {
      store.raw("sadd", "{k}other", "1");
      store.run.keyspace.rest();
    }
    store.raw("del", "{k}other");
    return resting(store) === 1;
  };
  const fields = (count: number): string[] =>
    Array.from({ length: count }, (_, i) => [`f${i}`, "v"]).flat();
  assert.ok(rests("hset", "k", "f", "v"));
  assert.ok(rests("sadd", "k", "m"));
  assert.ok(rests("zadd", "k", "1", "m"));
  assert.ok(rests("rpush", "k", "e"));
  assert.ok(rests("hset", "k", ...fields(64)));
  assert.ok(!rests("hset", "k", ...fields(65)), "too many");
  assert.ok(!rests("hset", "k", "f", "v".repeat(1100)), "too long");
  assert.ok(!rests("hincrby", "k", "f", "1"), "a counter");
  assert.ok(!rests("eval", "redis.call('hset', 'k', 'f', 'v'); redis.call('expire', 'k', 9)", "0"));
  assert.ok(!rests("xadd", "k", "1-1", "f", "v"), "a stream");
});

test("what is in use stays awake, what is not rests, and so many of each table stay", () => {
  const store = storeThatRests(4);
  for (let i = 0; i < 20; i++) {
    store.raw("hset", `{t}${i}`, "f", `${i}`);
    store.raw("hget", "{t}0", "f");
    store.run.keyspace.rest();
  }
  assert.equal(resting(store), 16);
  const at = (i: number): string => store.raw("debug", "object", `{t}${i}`);
  assert.match(at(0), /kept:object/);
  for (let i = 0; i < 20; i++)
    assert.equal(store.raw("hget", `{t}${i}`, "f"), `$${`${i}`.length}\r\n${i}\r\n`);
});

test("when many keys are new at once, as behind a start, they rest a part at a time", () => {
  const store = storeThatRests();
  for (let i = 0; i < 3_000; i++) store.raw("hset", `{t}${i}`, "f", `${i}`, "g", "w");
  const { keyspace } = store.run;
  let calls = 0;
  for (let had = -1; resting(store) > had; calls++) {
    had = resting(store);
    const before = keyspace.heap.steps;
    keyspace.rest();
    assert.ok(keyspace.heap.steps - before < 2_000, "a part is little");
    if (calls === 0) assert.ok(resting(store) < 1_000);
  }
  assert.equal(resting(store), 3_000);
});

test("a script that is stopped leaves a key that rested as it was", () => {
  const store = storeThatRests();
  store.raw("hset", "k", "f", "v", "g", "w");
  for (let i = 0; i < 3; i++) store.run.keyspace.rest();
  const { keyspace } = store.run;
  store.run.write.protect();
  store.raw("hset", "k", "f", "other", "h", "new");
  store.run.write.takeBack();
  assert.equal(keyspace.heap.undo, null);
  assert.equal(store.raw("hmget", "k", "f", "g"), "*2\r\n$1\r\nv\r\n$1\r\nw\r\n");
  assert.equal(store.raw("hlen", "k"), ":2\r\n");
});
