import assert from "node:assert/strict";
import { test } from "node:test";
import { Chance } from "../replica/chance.suite.ts";
import { exchange, Region } from "./regions.suite.ts";
import { bulk, error, int, NIL, OK, WRONG } from "./replies.suite.ts";
import { Standalone } from "./standalone.suite.ts";

const FORMAT = ["AA.KEYSPACE", "SET", "b:", "FORMAT", "bitmap"] as const;

/** Two regions in which keys under `b:` are bitmaps, and that share a bitmap of 2,000 bits of which bit 1 is set. */
function regions(): [Region, Region] {
  const [a, b] = [new Region("a"), new Region("b")];
  for (const region of [a, b]) assert.equal(region.raw(...FORMAT), OK);
  a.raw("SETBIT", "b:k", "1", "1");
  a.raw("SETBIT", "b:k", "1999", "0");
  exchange(a, b);
  return [a, b];
}

/** What both regions answer, which must be the same. */
function both(a: Region, b: Region, ...words: string[]): string {
  exchange(a, b);
  const reply = a.raw(...words);
  assert.equal(b.raw(...words), reply);
  return reply;
}

test("a bitmap in chunks answers every command as a plain string does", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const chance = new Chance(seed);
    const store = new Standalone();
    store.raw(...FORMAT);
    const offset = (): string =>
      `${chance.next() < 0.5 ? chance.below(40) : chance.next() < 0.8 ? chance.below(3_000) : chance.below(20_000)}`;
    const bit = (): string => `${chance.below(2)}`;
    const name = (): string => chance.pick(["x", "y", "z"]);
    const told: string[] = [];
    for (let i = 0; i < 120; i++) {
      const key = name();
      const command = chance.pick<() => string[]>([
        () => ["SETBIT", key, offset(), bit()],
        () => ["SETBIT", key, offset(), bit()],
        () => ["SETBIT", key, offset(), "1"],
        () => ["GETBIT", key, offset()],
        () => ["BITCOUNT", key],
        () => ["BITCOUNT", key, "3", "-2"],
        () => ["BITPOS", key, bit()],
        () => ["BITPOS", key, bit(), `${chance.below(200)}`],
        () => ["BITFIELD", key, "SET", "u17", offset(), "70000", "GET", "i5", offset()],
        () => ["BITFIELD", key, "INCRBY", "i40", offset(), "-3", "SET", "u8", offset(), "0"],
        () => ["BITOP", chance.pick(["AND", "OR", "XOR"]), name(), key, name()],
        () => ["BITOP", "NOT", name(), key],
        () => ["GET", key],
        () => ["STRLEN", key],
        () => ["GETRANGE", key, "60", "70"],
        () => ["SETRANGE", key, offset(), "word"],
        () => ["APPEND", key, "tail"],
        () => ["SET", key, chance.pick(["1", "foobar", "\0"])],
        () => ["SET", key, "v", "EX", "100"],
        () => ["INCR", key],
        () => ["EXPIRE", key, "50"],
        () => ["PERSIST", key],
        () => ["TTL", key],
        () => ["TYPE", key],
        () => ["RENAME", key, name()],
        () => ["COPY", key, name(), "REPLACE"],
        () => ["DEL", key],
        () => ["PFADD", key, "element"],
        () => ["DUMP", key],
        () => ["OBJECT", "ENCODING", key],
      ])();
      told.push(command.join(" "));
      const plain = store.raw(...command);
      const chunked = store.raw(
        ...command.map((word) => (["x", "y", "z"].includes(word) ? `b:${word}` : word)),
      );
      assert.equal(chunked, plain, `seed ${seed}:\n${told.slice(-20).join("\n")}`);
    }
  }
});

test("the log carries the chunk that a bit lies in, not the bitmap", () => {
  const region = new Region("a");
  region.raw(...FORMAT);
  region.raw("SET", "b:k", "x".repeat(100_000));
  region.raw("SETBIT", "b:k", "5", "1");
  region.take();
  region.raw("SETBIT", "b:k", "400000", "1");
  assert.ok((region.take()?.length ?? 0) < 150);
  region.raw("BITFIELD", "b:k", "SET", "u8", "511", "255");
  assert.ok((region.take()?.length ?? 0) < 250, "two chunks");
});

test("bits that two regions set at once are both set", () => {
  const [a, b] = regions();
  a.raw("SETBIT", "b:k", "2", "1");
  b.raw("SETBIT", "b:k", "3", "1");
  b.raw("SETBIT", "b:k", "1500", "1");
  assert.equal(both(a, b, "BITCOUNT", "b:k"), int(4));
  assert.deepEqual(a.raw("AA.CONFLICTS", "b:k").includes("value"), false, "and nothing is lost");
  a.raw("SETBIT", "b:k", "4", "0");
  a.raw("SETBIT", "b:k", "2", "0");
  assert.equal(both(a, b, "BITCOUNT", "b:k"), int(3), "what both have seen is cleared");
});

test("a bit that is set wins against a write of its chunk that had not seen it", () => {
  const [a, b] = regions();
  a.raw("SETBIT", "b:k", "1", "0");
  b.raw("SETBIT", "b:k", "9", "1");
  assert.equal(both(a, b, "GETBIT", "b:k", "1"), int(1), "the other region's chunk has it still");
  a.raw("SETBIT", "b:k", "1", "0");
  b.raw("SETBIT", "b:k", "900", "1");
  assert.equal(both(a, b, "GETBIT", "b:k", "1"), int(0), "not so of another chunk");
});

test("a bitmap that grew in two regions is as long as the longer one", () => {
  const [a, b] = regions();
  a.raw("SETBIT", "b:k", "2007", "1");
  b.raw("SETBIT", "b:k", "2100", "0");
  assert.equal(both(a, b, "STRLEN", "b:k"), int(263));
  assert.equal(both(a, b, "GETBIT", "b:k", "2007"), int(1));
});

test("a removal takes the chunks it had seen, a bit that is set meanwhile stays", () => {
  const [a, b] = regions();
  a.raw("SETBIT", "b:k", "6", "1");
  b.raw("DEL", "b:k");
  assert.equal(both(a, b, "GET", "b:k"), bulk("\x42"));
});

test("a plain value and a bit at once: the one written later is shown, the other is in the feed", () => {
  const [a, b] = regions();
  a.nowMs += 10;
  a.raw("SETBIT", "b:k", "700", "1");
  b.nowMs += 20;
  b.raw("SET", "b:k", "v");
  assert.equal(both(a, b, "GET", "b:k"), bulk("v"));
  assert.match(both(a, b, "AA.CONFLICTS", "b:k"), /bitmap[^]*\$2\r\n64\r\n/);
  b.raw("SETBIT", "b:k", "0", "1");
  assert.equal(both(a, b, "GET", "b:k"), bulk("\xf6"), "the next write settles it");
  assert.equal(both(a, b, "STRLEN", "b:k"), int(1));
});

test("what lost against another type comes back chunk by chunk", () => {
  const [a, b] = regions();
  a.raw("SETBIT", "b:k", "700", "1");
  b.nowMs += 10;
  b.raw("DEL", "b:k");
  b.raw("SADD", "b:k", "m");
  assert.equal(both(a, b, "TYPE", "b:k"), "+set\r\n");
  const id = /a\/1@\w+:\d+:\w+/.exec(a.raw("AA.CONFLICTS", "b:k"))?.[0] as string;
  assert.equal(a.raw("AA.RESTORE", id), WRONG);
  assert.equal(a.raw("AA.RESTORE", id, "AS", "b:other"), OK);
  assert.equal(both(a, b, "GETBIT", "b:other", "700"), int(1));
});

test("BITOP into one bitmap from two regions gives both results, bit by bit", () => {
  const [a, b] = regions();
  a.raw("SET", "one", "\x01");
  b.raw("SET", "two", "\x02");
  a.raw("BITOP", "OR", "b:k", "one");
  b.raw("BITOP", "OR", "b:k", "two");
  assert.equal(both(a, b, "GET", "b:k"), bulk("\x03"));
});

test("an expired bitmap is gone, and what is set afterwards begins anew", () => {
  const [a, b] = regions();
  a.raw("PEXPIRE", "b:k", "10");
  exchange(a, b);
  for (const region of [a, b]) region.nowMs += 10;
  assert.equal(both(a, b, "GET", "b:k"), NIL);
  a.raw("SETBIT", "b:k", "8", "0");
  assert.equal(both(a, b, "GET", "b:k"), bulk("\0\0"));
  assert.equal(both(a, b, "TTL", "b:k"), int(-1));
});

test("a plain value becomes a bitmap with its next changed bit and keeps its deadline", () => {
  const [a, b] = regions();
  for (const expire of [[], ["EX", "100"]]) {
    a.raw("SET", "b:p", "abc", ...expire);
    exchange(a, b);
    a.raw("SETBIT", "b:p", "6", "0");
    b.raw("SETBIT", "b:p", "700", "1");
    assert.equal(both(a, b, "BITCOUNT", "b:p"), int(11), "both changes count");
    assert.equal(both(a, b, "TTL", "b:p"), int(expire.length === 0 ? -1 : 100));
  }
});

test("a format is chosen before there are keys, and a region without it merges bits all the same", () => {
  const [a, b] = [new Region("a"), new Region("b")];
  const refused = /^-ERR there are keys with the prefix, [^]* chosen before there are any/;
  assert.equal(a.raw(...FORMAT), OK);
  assert.equal(a.raw("AA.KEYSPACE", "SET", "b:", "CONFLICT", "fww"), OK);
  assert.match(a.raw("AA.KEYSPACE", "EXPLAIN", "b:1"), /fww[^]*bitmap/);
  a.raw("SETBIT", "b:k", "1", "1");
  assert.match(a.raw("AA.KEYSPACE", "SET", "b:", "FORMAT", "plain"), refused);
  assert.match(a.raw("AA.KEYSPACE", "DEL", "b:"), refused);
  assert.equal(a.raw("AA.KEYSPACE", "SET", "b:", "CONFLICT", "max"), OK, "a policy is a lens");
  assert.match(
    a.raw("AA.KEYSPACE", "SET", "b:", "FORMAT", "best"),
    /^-ERR a format is one of plain, bitmap, lww-set, lww-strict/,
  );
  assert.equal(
    a.raw("AA.KEYSPACE", "SET", "b:", "FORMAT", "plain", "CONFLICT"),
    error("ERR syntax error"),
  );
  exchange(a, b);
  b.raw("SETBIT", "b:k", "2", "1");
  a.raw("SETBIT", "b:k", "3", "1");
  assert.equal(both(a, b, "BITCOUNT", "b:k"), int(3));
});
