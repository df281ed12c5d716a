import assert from "node:assert/strict";
import { test } from "node:test";
import { exchange, Region } from "./regions.suite.ts";
import { array, bulk, error, int, OK, WRONG } from "./replies.suite.ts";
import { Standalone } from "./standalone.suite.ts";

const NO_HLL = error("WRONGTYPE Key is not a valid HyperLogLog string value.");
const CORRUPT = error("INVALIDOBJ Corrupted HLL object detected");
const EMPTY = "HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x7f\xff";

const latin1 = (text: string): Buffer => Buffer.from(text, "latin1");

test("PFADD tells whether anything changed, PFCOUNT how many there are", () => {
  const store = new Standalone();
  assert.equal(store.raw("PFCOUNT", "k"), int(0));
  assert.equal(store.raw("PFADD", "k"), int(1));
  assert.equal(store.raw("PFADD", "k"), int(0));
  assert.equal(store.raw("GET", "k"), bulk(EMPTY));
  assert.equal(store.raw("PFADD", "k", "a", "b", "c"), int(1));
  assert.equal(store.raw("PFADD", "k", "c", "b"), int(0));
  assert.equal(store.raw("PFCOUNT", "k"), int(3));
  store.raw("PFADD", "l", "c", "d", "");
  assert.equal(store.raw("PFCOUNT", "k", "none", "l"), int(5));
  assert.equal(store.raw("TYPE", "k"), "+string\r\n");
  assert.equal(store.raw("OBJECT", "ENCODING", "k"), bulk("raw"));
});

test("a HyperLogLog is the string that redis-server 7.0.15 shows for the same elements", () => {
  const store = new Standalone();
  store.raw("PFADD", "k", "a", "b", "c");
  const registers = "`\xf3\x80P\xb1\x84K\xfb\x80BZ";
  assert.equal(store.raw("GET", "k"), bulk(EMPTY.slice(0, 16) + registers));
  store.raw("PFCOUNT", "k");
  assert.equal(store.raw("GETRANGE", "k", "8", "-1"), bulk(`\x03\0\0\0\0\0\0\0${registers}`));
  assert.equal(
    store.raw("PFDEBUG", "DECODE", "k"),
    bulk("Z:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603"),
  );
});

test("what adds nothing and what only counts is not replicated", () => {
  const store = new Standalone();
  store.raw("PFADD", "k", "a");
  store.raw("PFADD", "l", "a");
  const before = store.records.count;
  store.raw("PFADD", "k", "a");
  store.raw("PFCOUNT", "k");
  store.raw("PFCOUNT", "k", "l");
  assert.equal(store.raw("PFMERGE", "k", "l"), OK);
  assert.equal(store.records.count, before);
});

test("a sparse HyperLogLog becomes dense when it has grown enough, and stays so", () => {
  const store = new Standalone({ hllSparseMaxBytes: 100 });
  for (let i = 0; i < 30; i++) store.raw("PFADD", "k", `element ${i}`);
  assert.equal(store.raw("STRLEN", "k"), int(12_304));
  assert.equal(store.raw("PFDEBUG", "ENCODING", "k"), "+dense\r\n");
  assert.equal(store.raw("PFDEBUG", "DECODE", "k"), error("ERR HLL encoding is not sparse"));
  assert.equal(store.raw("CONFIG", "SET", "hll-sparse-max-bytes", "3000"), OK);
  for (let i = 0; i < 30; i++) store.raw("PFADD", "l", `element ${i}`);
  assert.equal(store.raw("PFDEBUG", "ENCODING", "l"), "+sparse\r\n");
  assert.equal(store.raw("PFCOUNT", "l"), store.raw("PFCOUNT", "k"));
  assert.equal(store.raw("PFDEBUG", "TODENSE", "l"), int(1));
  assert.equal(store.raw("PFDEBUG", "TODENSE", "l"), int(0));
  assert.equal(store.raw("PFMERGE", "m", "l"), OK);
  assert.equal(store.raw("PFDEBUG", "ENCODING", "m"), "+dense\r\n");
});

test("making a HyperLogLog dense leaves the count that its header tells, until something is added", () => {
  const store = new Standalone();
  for (const [told, counted] of [
    ["\x07\0\0\0\0\0\0\0", 7],
    ["\xff\xff\xff\xff\xff\xff\x01\0", 0],
  ] as const) {
    store.raw("SET", "k", latin1(EMPTY.slice(0, 8) + told + EMPTY.slice(16)));
    assert.equal(store.raw("PFDEBUG", "TODENSE", "k"), int(1));
    assert.equal(store.raw("PFCOUNT", "k"), int(counted));
    store.raw("PFADD", "k", "x");
    assert.equal(store.raw("PFCOUNT", "k"), int(1));
  }
});

test("PFMERGE adds to its target what the others have seen", () => {
  const store = new Standalone();
  store.raw("PFADD", "a", "1", "2");
  store.raw("PFADD", "b", "2", "3");
  assert.equal(store.raw("PFMERGE", "a", "b", "none"), OK);
  assert.equal(store.raw("PFCOUNT", "a"), int(3));
  assert.equal(store.raw("PFMERGE", "empty"), OK);
  assert.equal(store.raw("GET", "empty"), bulk(EMPTY));
  const shown = store.raw("PFDEBUG", "GETREG", "a");
  assert.equal(shown.startsWith("*16384\r\n"), true);
  assert.equal(shown.match(/:[1-9]/g)?.length, 3);
});

test("PFMERGE has a string counted that told a count of its own, though it adds nothing", () => {
  const store = new Standalone();
  store.raw("SET", "k", latin1("HYLL\x01\0\0\0\x07\0\0\0\0\0\0\0\x7f\xff"));
  assert.equal(store.raw("PFCOUNT", "k"), int(7));
  assert.equal(store.raw("PFMERGE", "k"), OK);
  assert.equal(store.raw("PFCOUNT", "k"), int(0));
});

test("what is no HyperLogLog is refused, whatever it pretends", () => {
  const store = new Standalone();
  store.raw("SADD", "s", "x");
  const commands = (key: string): string[][] => [
    ["PFADD", key, "x"],
    ["PFCOUNT", key],
    ["PFCOUNT", "none", key],
    ["PFMERGE", key],
    ["PFMERGE", "target", key],
    ["PFDEBUG", "TODENSE", key],
  ];
  for (const words of commands("s")) assert.equal(store.raw(...words), WRONG, words.join(" "));
  for (const text of [
    "",
    "x",
    "HYLL",
    EMPTY.replace("HYLL", "HYLX"),
    EMPTY.replace("\x01", "\x02"),
    EMPTY.replace("\x01", "\0"),
  ]) {
    store.raw("SET", "k", latin1(text));
    for (const words of commands("k")) assert.equal(store.raw(...words), NO_HLL, words.join(" "));
  }
  for (const registers of ["", "\x7f", "\x7f\xff\x80", "\x7f\xfe", "\x80\x7f\xff"]) {
    store.raw("SET", "k", latin1(EMPTY.slice(0, 16) + registers));
    for (const words of commands("k")) assert.equal(store.raw(...words), CORRUPT, words.join(" "));
  }
  assert.equal(store.raw("EXISTS", "target"), int(0));
  assert.equal(
    store.raw("PFDEBUG", "ENCODING", "none"),
    error("ERR The specified key does not exist"),
  );
  store.raw("PFADD", "hll");
  assert.equal(store.raw("PFDEBUG", "what", "hll"), error("ERR Unknown PFDEBUG subcommand 'what'"));
});

test("a string in Redis' format is a HyperLogLog, keeps its deadline and its registers", () => {
  const store = new Standalone();
  store.raw("PFADD", "from", "a", "b");
  for (const dense of [false, true]) {
    if (dense) store.raw("PFDEBUG", "TODENSE", "from");
    store.raw("COPY", "from", "k", "REPLACE");
    store.raw("EXPIRE", "k", "100");
    assert.equal(store.raw("PFCOUNT", "k"), int(2));
    assert.equal(store.raw("PFADD", "k", "a"), int(0));
    assert.equal(store.raw("PFADD", "k", "c"), int(1));
    assert.equal(store.raw("PFCOUNT", "k"), int(3));
    assert.equal(store.raw("TTL", "k"), int(100));
    assert.equal(store.raw("PFDEBUG", "ENCODING", "k"), dense ? "+dense\r\n" : "+sparse\r\n");
  }
  store.raw("SET", "told", latin1("HYLL\x01\0\0\0\x07\0\0\0\0\0\0\0\x7f\xff"));
  assert.equal(store.raw("PFCOUNT", "told"), int(7), "the header is believed, as in Redis");
  assert.equal(store.raw("PFCOUNT", "told", "none"), int(0), "but not for a union");
});

test("a HyperLogLog is read and changed as any string", () => {
  const store = new Standalone();
  store.raw("PFADD", "k", "a");
  assert.equal(store.raw("APPEND", "k", "x"), int(22));
  assert.equal(store.raw("PFCOUNT", "k"), CORRUPT);
  store.raw("PFADD", "l", "a");
  assert.equal(store.raw("SETBIT", "l", "0", "1"), int(0));
  assert.equal(store.raw("PFCOUNT", "l"), NO_HLL);
  assert.equal(store.raw("SET", "l", "v"), OK);
  assert.equal(store.raw("GETDEL", "l"), bulk("v"));
  assert.equal(store.raw("EXISTS", "l"), int(0));
});

test("an expired HyperLogLog is empty when something is added", () => {
  const store = new Standalone();
  store.raw("PFADD", "k", "a", "b");
  store.raw("PEXPIRE", "k", "10");
  store.nowMs += 10;
  assert.equal(store.raw("PFCOUNT", "k"), int(0));
  assert.equal(store.raw("PFADD", "k", "c"), int(1));
  assert.equal(store.raw("PFCOUNT", "k"), int(1));
  assert.equal(store.raw("TTL", "k"), int(-1));
});

/** What both regions show after each ran its commands without the other. */
function concurrent(before: string[], here: string[], there: string[], question: string): string {
  const [a, b] = [new Region("a"), new Region("b")];
  const run = (region: Region, commands: string[]): void => {
    for (const command of commands) region.raw(...command.split(" ").map(latin1));
  };
  run(a, before);
  exchange(a, b);
  a.nowMs += 1;
  run(a, here);
  b.nowMs += 2;
  run(b, there);
  exchange(a, b);
  const answer = a.raw(...question.split(" "));
  assert.equal(b.raw(...question.split(" ")), answer);
  assert.equal(b.raw("GETRANGE", "k", "16", "-1"), a.raw("GETRANGE", "k", "16", "-1"));
  return answer;
}

test("what two regions add at once is all counted", () => {
  const one = ["PFADD k a b"];
  const other = ["PFADD k b c"];
  assert.equal(concurrent(["PFADD k x"], one, other, "PFCOUNT k"), int(4));
  assert.equal(concurrent([], one, other, "PFCOUNT k"), int(3), "created twice");
  const merging = ["PFADD l b c", "PFMERGE k l"];
  assert.equal(concurrent(["PFADD k x"], one, merging, "PFCOUNT k"), int(4));
  const foreign = ["SET k HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x7f\xff"];
  assert.equal(concurrent(foreign, one, other, "PFCOUNT k"), int(3), "from a client's string");
});

test("DEL removes what was added at once to the HyperLogLog it saw, and not a new one", () => {
  const seen = ["PFADD k x"];
  assert.equal(concurrent(seen, ["PFADD k a"], ["DEL k"], "PFCOUNT k"), int(0));
  assert.equal(concurrent(seen, ["PFADD k a"], ["DEL k", "PFADD k b"], "PFCOUNT k"), int(1));
  assert.equal(
    concurrent(seen, ["DEL k", "PFADD k a"], ["DEL k", "PFADD k b"], "PFCOUNT k"),
    int(2),
  );
  assert.equal(concurrent([], ["PFADD k a"], ["DEL k"], "PFCOUNT k"), int(1));
});

test("of a HyperLogLog and a string written at once, the later is shown", () => {
  assert.equal(concurrent([], ["PFADD k a"], ["SET k v"], "GET k"), bulk("v"));
  assert.equal(concurrent([], ["SET k v"], ["PFADD k a"], "PFCOUNT k"), int(1));
  assert.equal(concurrent(["PFADD k x"], ["PFADD k a"], ["SET k v"], "GET k"), bulk("v"));
});

test("once dense in one region, a HyperLogLog is dense in both", () => {
  assert.equal(
    concurrent(["PFADD k x"], ["PFDEBUG TODENSE k"], ["PFADD k b"], "PFDEBUG ENCODING k"),
    "+dense\r\n",
  );
});

test("a deadline holds for what was added at once", () => {
  assert.equal(concurrent(["PFADD k x"], ["EXPIRE k 100"], ["PFADD k b"], "PFCOUNT k"), int(2));
  assert.equal(array(), "*0\r\n");
});
