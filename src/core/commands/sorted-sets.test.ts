import assert from "node:assert/strict";
import { test } from "node:test";
import { array, bulk, bulksOf, error, int, NIL, OK, WRONG } from "./replies.suite.ts";
import { Standalone } from "./standalone.suite.ts";

const binary = Buffer.from([0, 255, 13, 10, 128, 0]);

function bulks(...texts: string[]): string {
  return array(...texts.map(bulk));
}

function resp3(): Standalone {
  const store = new Standalone();
  store.raw("HELLO", "3");
  return store;
}

test("members come back byte for byte, lowest score first, equal scores by their bytes", () => {
  const store = new Standalone();
  assert.equal(store.raw("ZADD", "z", "2", binary, "1", "", "2", "a", "-inf", "low"), int(4));
  assert.equal(
    store.raw("ZRANGE", "z", "0", "-1", "WITHSCORES"),
    bulks("low", "-inf", "", "1", binary.latin1Slice(), "2", "a", "2"),
  );
  assert.equal(store.raw("ZSCORE", "z", binary), bulk("2"));
  assert.equal(store.raw("ZSCORE", "z", "none"), NIL);
  assert.equal(store.raw("ZMSCORE", "z", "a", "none"), array(bulk("2"), NIL));
  assert.equal(store.raw("ZCARD", "z"), int(4));
  assert.equal(store.raw("TYPE", "z"), "+zset\r\n");
});

test("ZADD counts new members, with CH changed ones too", () => {
  const store = new Standalone();
  assert.equal(store.raw("ZADD", "z", "1", "a", "2", "b", "3", "a"), int(2));
  assert.equal(store.raw("ZADD", "z", "3", "a", "5", "b", "1", "c"), int(1));
  assert.equal(store.raw("ZADD", "z", "CH", "3", "a", "6", "b", "1", "d"), int(2));
  assert.equal(store.raw("ZRANGE", "z", "0", "-1"), bulks("c", "d", "a", "b"));
});

test("NX adds and XX changes, GT raises and LT lowers", () => {
  const store = new Standalone();
  assert.equal(store.raw("ZADD", "z", "XX", "1", "a"), int(0));
  assert.equal(store.raw("EXISTS", "z"), int(0));
  store.raw("ZADD", "z", "5", "a");
  assert.equal(store.raw("ZADD", "z", "NX", "9", "a", "1", "b"), int(1));
  assert.equal(store.raw("ZADD", "z", "XX", "CH", "6", "a", "1", "c"), int(1));
  assert.equal(store.raw("ZADD", "z", "GT", "CH", "5", "a", "9", "b", "7", "d"), int(2));
  assert.equal(store.raw("ZADD", "z", "LT", "CH", "5", "a", "9", "b", "8", "d"), int(1));
  assert.equal(
    store.raw("ZRANGE", "z", "0", "-1", "WITHSCORES"),
    bulks("a", "5", "d", "7", "b", "9"),
  );
  assert.equal(store.raw("ZADD", "z", "GT", "XX", "1", "e"), int(0));
});

test("options that contradict each other are refused, in Redis' words", () => {
  const store = new Standalone();
  const syntax = error("ERR syntax error");
  for (const [words, reply] of [
    ["NX XX 1 a", error("ERR XX and NX options at the same time are not compatible")],
    ["GT LT 1 a", error("ERR GT, LT, and/or NX options at the same time are not compatible")],
    ["NX GT 1 a", error("ERR GT, LT, and/or NX options at the same time are not compatible")],
    ["INCR 1 a 2 b", error("ERR INCR option supports a single increment-element pair")],
    ["NX CH", syntax],
    ["1 a 2", syntax],
    ["nan a", error("ERR value is not a valid float")],
    ["1 a x b", error("ERR value is not a valid float")],
  ] as const)
    assert.equal(store.raw("ZADD", "z", ...words.split(" ")), reply, words);
  assert.equal(store.raw("EXISTS", "z"), int(0));
});

test("ZINCRBY and ZADD INCR add in doubles, to the last digit", () => {
  const store = new Standalone();
  assert.equal(store.raw("ZINCRBY", "z", "0.1", "a"), bulk("0.10000000000000001"));
  assert.equal(store.raw("ZINCRBY", "z", "0.2", "a"), bulk("0.30000000000000004"));
  assert.equal(store.raw("ZADD", "z", "INCR", "0.3", "a"), bulk("0.60000000000000009"));
  assert.equal(store.raw("ZSCORE", "z", "a"), bulk("0.60000000000000009"));
  store.raw("ZADD", "z", "10000000000000000", "b");
  for (let i = 0; i < 3; i++)
    assert.equal(store.raw("ZINCRBY", "z", "1", "b"), bulk("10000000000000000"));
  assert.equal(store.raw("ZADD", "z", "NX", "INCR", "1", "a"), NIL);
  assert.equal(store.raw("ZADD", "z", "XX", "INCR", "1", "none"), NIL);
  assert.equal(store.raw("ZADD", "z", "GT", "INCR", "-1", "a"), NIL);
  assert.equal(store.raw("ZADD", "z", "LT", "INCR", "-1", "a"), bulk("-0.39999999999999991"));
});

test("any sum of doubles is the one that a machine adds up", () => {
  const store = new Standalone();
  let sum = 0;
  let seed = 1;
  const draw = (): number => (seed = (seed * 48271) % 2147483647) / 2147483647;
  const read = (): number => Number(store.raw("ZSCORE", "z", "m").split("\r\n")[1]);
  for (let i = 0; i < 2_000; i++) {
    const value = (draw() - 0.5) * 10 ** Math.floor(draw() * (i % 2 === 0 ? 40 : 4) - 2);
    if (draw() < 0.05) {
      sum = value;
      store.raw("ZADD", "z", String(value), "m");
    } else {
      sum += value;
      store.raw("ZINCRBY", "z", String(value), "m");
    }
    assert.equal(read(), sum, `step ${i}`);
  }
});

test("infinities are scores, and no number of them is not", () => {
  const store = new Standalone();
  assert.equal(store.raw("ZADD", "z", "inf", "a", "-inf", "b"), int(2));
  assert.equal(store.raw("ZINCRBY", "z", "-5", "a"), bulk("inf"));
  const nan = error("ERR resulting score is not a number (NaN)");
  assert.equal(store.raw("ZINCRBY", "z", "-inf", "a"), nan);
  assert.equal(store.raw("ZADD", "z", "INCR", "+inf", "b"), nan);
  assert.equal(store.raw("ZINCRBY", "z", "inf", "c"), bulk("inf"));
  store.raw("ZADD", "z", "1e308", "d");
  assert.equal(store.raw("ZINCRBY", "z", "1e308", "d"), bulk("inf"));
  assert.equal(store.raw("ZINCRBY", "z", "-1e308", "d"), bulk("inf"));
  store.raw("ZADD", "z", "-0", "e");
  assert.equal(store.raw("ZSCORE", "z", "e"), bulk("0"));
  assert.equal(store.raw("ZRANGE", "z", "0", "-1"), bulks("b", "e", "a", "c", "d"));
});

test("with its last member a sorted set is gone, and its deadline with it", () => {
  const store = new Standalone();
  store.raw("ZADD", "z", "1", "a", "2", "b");
  store.raw("EXPIRE", "z", "100");
  assert.equal(store.raw("ZREM", "z", "a", "none", "a"), int(1));
  assert.equal(store.raw("ZREM", "z", "b"), int(1));
  assert.equal(store.raw("DBSIZE"), int(0));
  store.raw("ZADD", "z", "1", "a");
  assert.equal(store.raw("TTL", "z"), int(-1));
});

test("what expired has no score, no rank and is not counted on", () => {
  const store = new Standalone();
  store.raw("ZADD", "z", "1", "a", "2", "b");
  store.raw("ZINCRBY", "z", "5", "a");
  store.raw("PEXPIRE", "z", "100");
  store.nowMs += 100;
  assert.equal(store.raw("ZCARD", "z"), int(0));
  assert.equal(store.raw("ZRANGE", "z", "0", "-1"), array());
  assert.equal(store.raw("ZRANK", "z", "a"), NIL);
  assert.equal(store.raw("ZINCRBY", "z", "1", "a"), bulk("1"));
  assert.equal(store.raw("ZRANGE", "z", "0", "-1", "WITHSCORES"), bulks("a", "1"));
});

test("ranks count from either end", () => {
  const store = new Standalone();
  store.raw("ZADD", "z", "1", "a", "2", "b", "3", "c");
  assert.equal(store.raw("ZRANK", "z", "c"), int(2));
  assert.equal(store.raw("ZREVRANK", "z", "c"), int(0));
  assert.equal(store.raw("ZRANK", "z", "none"), NIL);
  assert.equal(store.raw("ZRANK", "none", "c"), NIL);
});

test("ranges of ranks, scores and names, from either end, with a limit", () => {
  const store = new Standalone();
  store.raw("ZADD", "z", "1", "a", "2", "b", "3", "c", "4", "d");
  const range = (...words: string[]): string => bulksInOrder(store.raw(...words));
  assert.equal(range("ZRANGE", "z", "1", "2"), "b c");
  assert.equal(range("ZRANGE", "z", "-2", "100"), "c d");
  assert.equal(range("ZRANGE", "z", "3", "1"), "");
  assert.equal(range("ZREVRANGE", "z", "0", "1"), "d c");
  assert.equal(range("ZRANGE", "z", "0", "0", "REV"), "d");
  assert.equal(range("ZRANGEBYSCORE", "z", "(1", "3"), "b c");
  assert.equal(range("ZRANGEBYSCORE", "z", "-inf", "+inf", "LIMIT", "1", "2"), "b c");
  assert.equal(range("ZRANGEBYSCORE", "z", "-inf", "+inf", "LIMIT", "2", "-1"), "c d");
  assert.equal(range("ZRANGEBYSCORE", "z", "-inf", "+inf", "LIMIT", "-1", "2"), "");
  assert.equal(range("ZRANGEBYSCORE", "z", "0", "10", "LIMIT", "9", "2"), "");
  assert.equal(range("ZREVRANGEBYSCORE", "z", "3", "(1", "LIMIT", "1", "5"), "b");
  assert.equal(range("ZRANGE", "z", "(4", "2", "BYSCORE", "REV", "WITHSCORES"), "c 3 b 2");
  store.raw("ZADD", "n", "0", "a", "0", "b", "0", "ba", "0", "c");
  assert.equal(range("ZRANGEBYLEX", "n", "[b", "(c"), "b ba");
  assert.equal(range("ZRANGEBYLEX", "n", "-", "+", "LIMIT", "1", "2"), "b ba");
  assert.equal(range("ZREVRANGEBYLEX", "n", "+", "(b"), "c ba");
  assert.equal(range("ZRANGE", "n", "(b", "-", "BYLEX", "REV"), "a");
  assert.equal(range("ZRANGEBYLEX", "n", "+", "-"), "");
  // Names that do not follow each other, since scores differ: from the first in the range to the last before one that is not.
  assert.equal(range("ZRANGE", "z", "[b", "[c", "BYLEX"), "b c");
  assert.equal(range("ZRANGE", "z", "+", "(b", "BYLEX", "REV"), "d c");
  assert.equal(range("ZRANGE", "z", "(d", "+", "BYLEX"), "");
  assert.equal(store.raw("ZLEXCOUNT", "z", "-", "[c"), int(3));
  assert.equal(store.raw("ZCOUNT", "z", "(1", "+inf"), int(3));
  assert.equal(store.raw("ZLEXCOUNT", "n", "[b", "+"), int(3));
});

test("ranges that make no sense are refused, in Redis' words", () => {
  const store = new Standalone();
  for (const [command, reply] of [
    ["ZRANGE z a 1", "ERR value is not an integer or out of range"],
    ["ZRANGEBYSCORE z a 1", "ERR min or max is not a float"],
    ["ZCOUNT z nan 1", "ERR min or max is not a float"],
    ["ZRANGEBYLEX z a +", "ERR min or max not valid string range item"],
    ["ZLEXCOUNT z +x -", "ERR min or max not valid string range item"],
    ["ZRANGE z 0 1 BYSCORE BYLEX", "ERR syntax error"],
    ["ZRANGEBYSCORE z 0 1 REV", "ERR syntax error"],
    [
      "ZRANGE z 0 1 LIMIT 0 1",
      "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
    ],
    [
      "ZRANGE z - + BYLEX WITHSCORES",
      "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
    ],
    ["ZRANGESTORE d z 0 1 WITHSCORES", "ERR syntax error"],
    ["ZRANGEBYSCORE z 0 1 LIMIT a 1", "ERR value is not an integer or out of range"],
  ] as const)
    assert.equal(store.raw(...command.split(" ")), error(reply), command);
});

test("ZRANGESTORE replaces what was there, and stores nothing as nothing", () => {
  const store = new Standalone();
  store.raw("ZADD", "z", "1", "a", "2", "b", "3", "c");
  store.raw("SET", "d", "text");
  assert.equal(store.raw("ZRANGESTORE", "d", "z", "(1", "3", "BYSCORE"), int(2));
  assert.equal(store.raw("ZRANGE", "d", "0", "-1", "WITHSCORES"), bulks("b", "2", "c", "3"));
  assert.equal(store.raw("ZRANGESTORE", "z", "z", "0", "0", "REV"), int(1));
  assert.equal(store.raw("ZRANGE", "z", "0", "-1"), bulks("c"));
  assert.equal(store.raw("ZRANGESTORE", "d", "none", "0", "-1"), int(0));
  assert.equal(store.raw("EXISTS", "d"), int(0));
});

test("a range is removed whole, and the key with the last member", () => {
  const store = new Standalone();
  const fill = (): string => store.raw("ZADD", "z", "1", "a", "2", "b", "3", "c", "4", "d");
  fill();
  assert.equal(store.raw("ZREMRANGEBYRANK", "z", "1", "-2"), int(2));
  assert.equal(store.raw("ZRANGE", "z", "0", "-1"), bulks("a", "d"));
  fill();
  assert.equal(store.raw("ZREMRANGEBYSCORE", "z", "(1", "(4"), int(2));
  assert.equal(store.raw("ZREMRANGEBYSCORE", "z", "9", "1"), int(0));
  assert.equal(store.raw("ZREMRANGEBYSCORE", "z", "-inf", "inf"), int(2));
  assert.equal(store.raw("EXISTS", "z"), int(0));
  store.raw("ZADD", "n", "0", "a", "0", "b", "0", "c");
  assert.equal(store.raw("ZREMRANGEBYLEX", "n", "(a", "+"), int(2));
  assert.equal(store.raw("ZREMRANGEBYLEX", "none", "-", "+"), int(0));
});

test("popping answers with what it removes", () => {
  const store = new Standalone();
  store.raw("ZADD", "z", "1", "a", "2", "b", "3", "c", "4", "d", "5", "e");
  assert.equal(store.raw("ZPOPMIN", "z"), bulks("a", "1"));
  assert.equal(store.raw("ZPOPMAX", "z", "2"), bulks("e", "5", "d", "4"));
  assert.equal(store.raw("ZPOPMIN", "z", "0"), array());
  assert.equal(
    store.raw("ZMPOP", "2", "none", "z", "MAX", "COUNT", "9"),
    array(bulk("z"), array(bulks("c", "3"), bulks("b", "2"))),
  );
  assert.equal(store.raw("EXISTS", "z"), int(0));
  assert.equal(store.raw("ZPOPMIN", "z"), array());
  assert.equal(store.raw("ZMPOP", "1", "z", "MIN"), "*-1\r\n");
  const positive = error("ERR value is out of range, must be positive");
  assert.equal(store.raw("ZPOPMAX", "z", "-1"), positive);
  assert.equal(store.raw("ZMPOP", "0", "z", "MIN"), error("ERR numkeys should be greater than 0"));
  assert.equal(
    store.raw("ZMPOP", "1", "z", "MIN", "COUNT", "0"),
    error("ERR count should be greater than 0"),
  );
  for (const words of ["1 z", "1 z MID", "2 z MIN", "1 z MIN COUNT 1 COUNT 1", "1 z MIN x"])
    assert.notEqual(store.raw("ZMPOP", ...words.split(" ")), "*-1\r\n", words);
});

test("union, intersection and difference take sets of both kinds, weights and aggregates", () => {
  const store = new Standalone();
  store.raw("ZADD", "a", "1", "x", "2", "y", "3", "z");
  store.raw("ZADD", "b", "10", "y", "20", "w");
  store.raw("SADD", "s", "y", "z");
  assert.equal(
    store.raw("ZUNION", "2", "a", "b", "WITHSCORES"),
    bulks("x", "1", "z", "3", "y", "12", "w", "20"),
  );
  assert.equal(
    store.raw("ZUNION", "2", "a", "s", "WEIGHTS", "2", "-1", "WITHSCORES"),
    bulks("x", "2", "y", "3", "z", "5"),
  );
  assert.equal(
    store.raw("ZINTER", "3", "a", "b", "s", "AGGREGATE", "MAX", "WITHSCORES"),
    bulks("y", "10"),
  );
  assert.equal(store.raw("ZINTER", "2", "a", "s", "AGGREGATE", "MIN"), bulks("y", "z"));
  assert.equal(store.raw("ZDIFF", "2", "a", "s", "WITHSCORES"), bulks("x", "1"));
  assert.equal(store.raw("ZDIFF", "2", "a", "none"), bulks("x", "y", "z"));
  assert.equal(store.raw("ZINTERCARD", "2", "a", "s"), int(2));
  assert.equal(store.raw("ZINTERCARD", "2", "a", "s", "LIMIT", "1"), int(1));
  assert.equal(store.raw("ZUNIONSTORE", "a", "2", "a", "b"), int(4));
  assert.equal(store.raw("ZSCORE", "a", "y"), bulk("12"));
  assert.equal(store.raw("ZINTERSTORE", "d", "2", "a", "none"), int(0));
  assert.equal(store.raw("ZDIFFSTORE", "b", "1", "b"), int(2));
});

test("infinities that cancel each other out, and weights without an end, make zero", () => {
  const store = new Standalone();
  store.raw("ZADD", "a", "inf", "x", "0", "y");
  store.raw("ZADD", "b", "-inf", "x");
  assert.equal(store.raw("ZUNION", "2", "a", "b", "WITHSCORES"), bulks("x", "0", "y", "0"));
  assert.equal(
    store.raw("ZUNION", "1", "a", "WEIGHTS", "inf", "WITHSCORES"),
    bulks("y", "0", "x", "inf"),
  );
});

test("algebra that makes no sense is refused, in Redis' words", () => {
  const store = new Standalone();
  store.raw("SET", "text", "x");
  for (const [command, reply] of [
    ["ZUNION 0 a", "ERR at least 1 input key is needed for 'zunion' command"],
    ["ZDIFFSTORE d 0 a", "ERR at least 1 input key is needed for 'zdiffstore' command"],
    ["ZUNION x a", "ERR value is not an integer or out of range"],
    ["ZUNION 2 a", "ERR syntax error"],
    ["ZUNION 1 a WEIGHTS", "ERR syntax error"],
    ["ZUNION 1 a WEIGHTS x", "ERR weight value is not a float"],
    ["ZUNION 1 a AGGREGATE AVG", "ERR syntax error"],
    ["ZUNIONSTORE d 1 a WITHSCORES", "ERR syntax error"],
    ["ZDIFF 1 a WEIGHTS 1", "ERR syntax error"],
    ["ZINTERCARD 1 a LIMIT -1", "ERR LIMIT can't be negative"],
    ["ZINTERCARD 1 a LIMIT x", "ERR LIMIT can't be negative"],
  ] as const)
    assert.equal(store.raw(...command.split(" ")), error(reply), command);
  assert.equal(store.raw("ZUNION", "2", "a", "text"), WRONG);
});

test("members are drawn by chance, with repetition if the count is negative", () => {
  const store = new Standalone();
  store.raw("ZADD", "z", "1", "a", "2", "b", "3", "c");
  assert.match(store.raw("ZRANDMEMBER", "z"), /^\$1\r\n[abc]\r\n$/);
  assert.deepEqual(bulksOf(store.raw("ZRANDMEMBER", "z", "9")), ["a", "b", "c"]);
  assert.equal(bulksOf(store.raw("ZRANDMEMBER", "z", "-9")).length, 9);
  const pairs = bulksOf(store.raw("ZRANDMEMBER", "z", "9", "WITHSCORES"));
  assert.deepEqual(pairs, ["1", "2", "3", "a", "b", "c"]);
  assert.equal(store.raw("ZRANDMEMBER", "none"), NIL);
  assert.equal(store.raw("ZRANDMEMBER", "none", "2"), array());
  assert.equal(store.raw("ZRANDMEMBER", "z", "2", "WITHVALUES"), error("ERR syntax error"));
});

test("ZSCAN walks over members with their scores", () => {
  const store = new Standalone();
  store.raw("ZADD", "z", "1", "a", "0.1", "b");
  const raw = store.raw("ZSCAN", "z", "0").slice("*2\r\n$1\r\n0\r\n*4\r\n".length);
  assert.deepEqual(bulksOf(raw), ["0.10000000000000001", "1", "a", "b"]);
});

test("RESP3 has doubles, and an array for each member with its score", () => {
  const store = resp3();
  store.raw("ZADD", "z", "1.5", "a", "2", "b");
  assert.equal(store.raw("ZSCORE", "z", "a"), ",1.5\r\n");
  assert.equal(store.raw("ZSCORE", "z", "none"), "_\r\n");
  const pair = `*2\r\n${bulk("a")},1.5\r\n`;
  assert.equal(store.raw("ZRANGE", "z", "0", "0", "WITHSCORES"), array(pair));
  assert.equal(store.raw("ZINTER", "1", "z", "WITHSCORES").slice(0, 4), "*2\r\n");
  assert.equal(store.raw("ZPOPMIN", "z"), `*2\r\n${bulk("a")},1.5\r\n`);
  assert.equal(store.raw("ZPOPMIN", "z", "1"), `*1\r\n*2\r\n${bulk("b")},2\r\n`);
});

test("copies, renames and dumps keep members and scores", () => {
  const store = new Standalone();
  store.raw("ZADD", "z", "1.5", "a", "-inf", "b");
  store.raw("ZINCRBY", "z", "0.1", "c");
  const all = store.raw("ZRANGE", "z", "0", "-1", "WITHSCORES");
  store.raw("COPY", "z", "copy");
  store.raw("RENAME", "z", "renamed");
  for (const name of ["copy", "renamed"])
    assert.equal(store.raw("ZRANGE", name, "0", "-1", "WITHSCORES"), all);
  const payload = store.raw("DUMP", "copy");
  const bytes = Buffer.from(payload.slice(payload.indexOf("\n") + 1, -2), "latin1");
  assert.equal(store.raw("RESTORE", "restored", "0", bytes), OK);
  assert.equal(store.raw("ZRANGE", "restored", "0", "-1", "WITHSCORES"), all);
});

test("every command refuses another type", () => {
  const store = new Standalone();
  store.raw("SET", "k", "x");
  for (const command of [
    ...["ZADD k 1 a", "ZINCRBY k 1 a", "ZREM k a", "ZCARD k", "ZSCORE k a", "ZMSCORE k a"],
    ...["ZRANK k a", "ZREVRANK k a", "ZCOUNT k 0 1", "ZLEXCOUNT k - +", "ZRANGE k 0 1"],
    ...["ZREVRANGE k 0 1", "ZRANGEBYSCORE k 0 1", "ZRANGEBYLEX k - +", "ZRANGESTORE d k 0 1"],
    ...["ZREMRANGEBYRANK k 0 1", "ZREMRANGEBYSCORE k 0 1", "ZREMRANGEBYLEX k - +", "ZPOPMIN k"],
    ...["ZPOPMAX k 2", "ZMPOP 1 k MIN", "ZUNION 1 k", "ZINTERCARD 1 k", "ZDIFFSTORE d 1 k"],
    ...["ZRANDMEMBER k", "ZRANDMEMBER k 2", "ZSCAN k 0"],
  ])
    assert.equal(store.raw(...command.split(" ")), WRONG, command);
});

test("a score that is set again disturbs no transaction, a new one does", () => {
  for (const [score, reply] of [
    ["1", array(OK)],
    ["2", "*-1\r\n"],
  ] as const) {
    const store = new Standalone();
    store.raw("ZADD", "z", "1", "a");
    store.raw("WATCH", "z");
    const other = store.connect();
    const mine = store.session;
    store.session = other;
    store.raw("ZADD", "z", score, "a");
    store.session = mine;
    store.raw("MULTI");
    store.raw("SET", "k", "v");
    assert.equal(store.raw("EXEC"), reply);
  }
});

/** The bulks of a flat reply, in order, as words. */
function bulksInOrder(raw: string): string {
  return raw
    .split("\r\n")
    .filter((line, i) => i > 0 && i % 2 === 0 && line !== "")
    .join(" ");
}
