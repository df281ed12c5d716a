import assert from "node:assert/strict";
import { test } from "node:test";
import { BITMAP, GENERATION, HASH, LIST, SET, STREAM, STRING, ZSET } from "../crdt/key.ts";
import { type Conflict, writeConflict } from "../replica/conflict.ts";
import { Region } from "./regions.suite.ts";
import { voidWrites } from "./void-writes.ts";

const OK = "+OK\r\n";

function restore(region: Region, entry: Conflict, ...more: string[]): string {
  return region.raw("AA.RESTORE", "ENTRY", writeConflict(entry), ...more);
}

test("what lies behind the end of an origin comes back at another region, of every type, counters without what is there", () => {
  const [a, b, c] = [new Region("a"), new Region("b"), new Region("c")];
  b.raw("INCRBY", "count", "10");
  b.raw("HINCRBY", "hash", "number", "3");
  b.raw("SET", "known", "to both");
  const known = b.take();
  for (const other of [a, c]) other.receive(known);
  a.take();
  b.raw("INCRBY", "count", "5");
  b.raw("HINCRBY", "hash", "number", "4");
  b.raw("SET", "text", "value");
  b.raw("SADD", "set", "one", "two");
  b.raw("ZADD", "ranks", "1.5", "member");
  b.raw("RPUSH", "list", "x", "y");
  b.raw("XADD", "stream", "1-1", "field", "value");
  b.raw("PFADD", "seen", "p", "q");
  b.raw("SET", "gone", "x");
  b.raw("DEL", "gone", "known");
  const entries = [...voidWrites(b.run, ({ member }) => (member === "b/1" ? 3 : Infinity))];
  assert.ok(entries.every(({ loser }) => loser.seq > 3 && loser.origin.member === "b/1"));
  for (const entry of entries) assert.equal(restore(a, entry), OK, entry.key.toString());
  const look = (region: Region): string[] =>
    [
      ["GET", "count"],
      ["HGETALL", "hash"],
      ["GET", "text"],
      ["SMISMEMBER", "set", "one", "two"],
      ["ZRANGE", "ranks", "0", "-1", "WITHSCORES"],
      ["LRANGE", "list", "0", "-1"],
      ["XRANGE", "stream", "-", "+"],
      ["PFCOUNT", "seen"],
      ["EXISTS", "gone"],
    ].map((command) => region.raw(...command));
  assert.deepEqual(look(a), look(b));
  assert.equal(a.raw("GET", "known"), "$7\r\nto both\r\n", "a void removal leaves nothing to tell");
  // What was restored is a record like any other: whoever hears of it has it too.
  c.receive(a.take());
  assert.deepEqual(look(c), look(a));
});

test("an entry that no command could have written is refused, whatever it is wrong in", () => {
  const region = new Region("a");
  const origin = { member: "b/1", incarnation: "\0\0\0\0\0\0\0b" };
  const write = { origin, seq: 1, ms: 1, tick: 0 };
  const sound: Conflict = {
    ...{ db: 0, key: Buffer.from("key"), tag: STRING, what: "value", path: Buffer.alloc(0) },
    ...{ policy: "void", loser: write, winner: write, winnerTag: STRING, cut: false },
    value: Buffer.from("value"),
  };
  const wrong: Partial<Conflict>[] = [
    { db: 20_000 },
    { tag: SET | HASH },
    { tag: 0x8000 },
    { tag: SET },
    { tag: HASH, what: "member" },
    { tag: ZSET, value: Buffer.from("no score") },
    { tag: LIST, path: Buffer.from("no position") },
    { tag: STREAM, path: Buffer.from("no id") },
    { tag: BITMAP, path: Buffer.from("7") },
    { tag: BITMAP, path: Buffer.from("-64") },
    { tag: BITMAP, path: Buffer.from("64"), value: Buffer.alloc(65) },
    { tag: SET, what: "increments", value: Buffer.from("1") },
    { what: "increments" },
    { tag: GENERATION, what: "generation", path: Buffer.from("nothing") },
    { tag: GENERATION, what: "generation", path: Buffer.from("hyperloglog") },
  ];
  for (const part of wrong)
    assert.match(
      restore(region, { ...sound, ...part }),
      /^-ERR this is no entry/,
      JSON.stringify(part),
    );
  assert.match(
    region.raw("AA.RESTORE", "ENTRY", "bytes of something else"),
    /^-ERR this is no entry/,
  );
  assert.equal(region.raw("DBSIZE"), ":0\r\n");
  assert.equal(restore(region, sound), OK);
  assert.equal(restore(region, sound, "AS", "beside"), OK);
  assert.equal(region.raw("MGET", "key", "beside"), "*2\r\n$5\r\nvalue\r\n$5\r\nvalue\r\n");
});
