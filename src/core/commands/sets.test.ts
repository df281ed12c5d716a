import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { array, bulk, bulksOf, error, int, NIL, OK, WRONG } from "./replies.suite.ts";
import { Standalone } from "./standalone.suite.ts";

const binary = Buffer.from([0, 255, 13, 10, 128, 0]);

test("members are told apart byte by byte", () => {
  const store = new Standalone();
  assert.equal(store.raw("SADD", "s", binary, "", "a", "a"), int(3));
  assert.equal(store.raw("SISMEMBER", "s", binary), int(1));
  assert.equal(store.raw("SISMEMBER", "s", binary.subarray(1)), int(0));
  assert.equal(store.raw("SMISMEMBER", "s", "a", "b", ""), array(int(1), int(0), int(1)));
  assert.deepEqual(bulksOf(store.raw("SMEMBERS", "s")), ["", binary.latin1Slice(), "a"].sort());
});

test("a member added again is replicated again, or a removal elsewhere would win", () => {
  const store = new Standalone();
  store.raw("SADD", "s", "a");
  const before = store.records.count;
  assert.equal(store.raw("SADD", "s", "a"), int(0));
  assert.equal(store.records.count, before + 1);
  assert.equal(store.raw("SREM", "s", "none"), int(0));
  assert.equal(store.records.count, before + 1, "what is not there is not removed");
});

test("a member added again disturbs no transaction", () => {
  const store = new Standalone();
  store.raw("SADD", "s", "a");
  store.raw("SADD", "t", "a");
  store.raw("WATCH", "s");
  store.raw("SADD", "s", "a");
  store.raw("SMOVE", "t", "s", "a");
  store.raw("MULTI");
  assert.equal(store.raw("EXEC"), array());
  store.raw("WATCH", "s");
  store.raw("SADD", "s", "a", "b");
  store.raw("MULTI");
  assert.equal(store.raw("EXEC"), "*-1\r\n");
});

test("with its last member a set is gone, and its deadline with it", () => {
  const store = new Standalone();
  store.raw("SADD", "s", "a", "b");
  store.raw("EXPIRE", "s", "100");
  assert.equal(store.raw("SREM", "s", "a", "a", "b", "c"), int(2));
  assert.equal(store.raw("EXISTS", "s"), int(0));
  store.raw("SADD", "s", "a");
  assert.equal(store.raw("TTL", "s"), int(-1));
});

test("what expired is in no set", () => {
  const store = new Standalone();
  store.raw("SADD", "s", "a", "b");
  store.raw("PEXPIRE", "s", "10");
  store.nowMs += 10;
  assert.equal(store.raw("SCARD", "s"), int(0));
  assert.equal(store.raw("SPOP", "s"), NIL);
  assert.equal(store.raw("SADD", "s", "a", "c"), int(2));
  assert.deepEqual(bulksOf(store.raw("SMEMBERS", "s")), ["a", "c"]);
});

test("every command on sets refuses another type", () => {
  const store = new Standalone();
  store.raw("SET", "k", "v");
  store.raw("SADD", "s", "a");
  for (const words of [
    ["SADD", "k", "a"],
    ["SREM", "k", "a"],
    ["SCARD", "k"],
    ["SISMEMBER", "k", "a"],
    ["SMISMEMBER", "k", "a"],
    ["SMEMBERS", "k"],
    ["SMOVE", "k", "s", "a"],
    ["SMOVE", "s", "k", "none"],
    ["SPOP", "k"],
    ["SPOP", "k", "1"],
    ["SRANDMEMBER", "k"],
    ["SRANDMEMBER", "k", "1"],
    ["SSCAN", "k", "0"],
    ["SINTER", "none", "k"],
    ["SUNION", "s", "k"],
    ["SDIFF", "none", "k"],
    ["SINTERSTORE", "d", "none", "k"],
    ["SUNIONSTORE", "d", "k"],
    ["SDIFFSTORE", "d", "s", "k"],
    ["SINTERCARD", "2", "s", "k"],
  ])
    assert.equal(store.raw(...words), WRONG, words.join(" "));
  assert.equal(store.raw("EXISTS", "d"), int(0));
});

test("SMOVE moves what is there and nothing else", () => {
  const store = new Standalone();
  store.raw("SADD", "a", "x", "y");
  assert.equal(store.raw("SMOVE", "a", "b", "x"), int(1));
  assert.equal(store.raw("SMOVE", "a", "b", "x"), int(0));
  assert.equal(store.raw("SMOVE", "a", "a", "y"), int(1));
  assert.equal(store.raw("SMOVE", "a", "a", "z"), int(0));
  assert.equal(store.raw("SMOVE", "none", "b", "y"), int(0));
  assert.equal(store.raw("SMEMBERS", "a"), array(bulk("y")));
  assert.equal(store.raw("SMEMBERS", "b"), array(bulk("x")));
});

test("SPOP takes away exactly what it shows", () => {
  const store = new Standalone();
  const all = Array.from({ length: 30 }, (_, i) => `m${i}`);
  store.raw("SADD", "s", ...all);
  const one = bulksOf(store.raw("SPOP", "s"));
  const ten = bulksOf(store.raw("SPOP", "s", "10"));
  const left = bulksOf(store.raw("SMEMBERS", "s"));
  assert.deepEqual([one.length, ten.length, left.length], [1, 10, 19]);
  assert.deepEqual([...one, ...ten, ...left].sort(), all.toSorted());
  assert.deepEqual(bulksOf(store.raw("SPOP", "s", "100")), left);
  assert.equal(store.raw("EXISTS", "s"), int(0));
  assert.equal(store.raw("SPOP", "s", "2"), array());
  assert.equal(store.raw("SPOP", "s", "-1"), error("ERR value is out of range, must be positive"));
  assert.equal(store.raw("SPOP", "s", "1", "2"), error("ERR syntax error"));
});

test("large sets are drawn from without listing them, and without repetition", () => {
  const store = new Standalone();
  const all = Array.from({ length: 3000 }, (_, i) => `member:${i}`);
  store.raw("SADD", "s", ...all);
  const drawn = bulksOf(store.raw("SRANDMEMBER", "s", "100"));
  assert.equal(new Set(drawn).size, 100);
  assert.ok(drawn.every((member) => all.includes(member)));
  const popped = bulksOf(store.raw("SPOP", "s", "2500"));
  assert.equal(new Set(popped).size, 2500);
  assert.equal(store.raw("SCARD", "s"), int(500));
});

test("SRANDMEMBER draws and leaves everything as it is", () => {
  const store = new Standalone();
  store.raw("SADD", "s", "a", "b", "c");
  assert.deepEqual(bulksOf(store.raw("SRANDMEMBER", "s", "5")), ["a", "b", "c"]);
  assert.equal(bulksOf(store.raw("SRANDMEMBER", "s", "-7")).length, 7);
  assert.equal(store.raw("SRANDMEMBER", "s", "0"), array());
  assert.equal(store.raw("SRANDMEMBER", "none"), NIL);
  assert.equal(store.raw("SRANDMEMBER", "none", "1"), array());
  assert.equal(store.raw("SCARD", "s"), int(3));
  assert.equal(
    store.raw("SRANDMEMBER", "s", "-4611686018427387905"),
    error("ERR more than 1048576 draws with repetition, draw fewer at once"),
  );
});

test("a stored result replaces whatever lay there, even one of its sources", () => {
  const store = new Standalone();
  store.raw("SADD", "a", "1", "2", "3");
  store.raw("SADD", "b", "2", "3", "4");
  store.raw("EXPIRE", "a", "100");
  assert.equal(store.raw("SINTERSTORE", "a", "a", "b"), int(2));
  assert.deepEqual(bulksOf(store.raw("SMEMBERS", "a")), ["2", "3"]);
  assert.equal(store.raw("TTL", "a"), int(-1));
  store.raw("SET", "k", "v");
  assert.equal(store.raw("SUNIONSTORE", "k", "a", "b"), int(3));
  assert.deepEqual(bulksOf(store.raw("SMEMBERS", "k")), ["2", "3", "4"]);
  assert.equal(store.raw("SDIFFSTORE", "k", "a", "b"), int(0));
  assert.equal(store.raw("EXISTS", "k"), int(0), "an empty result leaves no key");
});

test("SINTERCARD counts up to its limit and checks its words", () => {
  const store = new Standalone();
  store.raw("SADD", "a", "1", "2", "3");
  store.raw("SADD", "b", "2", "3", "4");
  assert.equal(store.raw("SINTERCARD", "2", "a", "b"), int(2));
  assert.equal(store.raw("SINTERCARD", "2", "a", "b", "LIMIT", "1"), int(1));
  assert.equal(store.raw("SINTERCARD", "2", "a", "b", "LIMIT", "0"), int(2));
  assert.equal(store.raw("SINTERCARD", "2", "a", "none"), int(0));
  for (const [words, problem] of [
    [["0", "a"], "ERR numkeys should be greater than 0"],
    [["x", "a"], "ERR numkeys should be greater than 0"],
    [["3", "a", "b"], "ERR Number of keys can't be greater than number of args"],
    [["1", "a", "b"], "ERR syntax error"],
    [["1", "a", "LIMIT"], "ERR syntax error"],
    [["1", "a", "LIMIT", "-1"], "ERR LIMIT can't be negative"],
  ] as const)
    assert.equal(store.raw("SINTERCARD", ...words), error(problem), words.join(" "));
});

test("sets are sets in RESP3, drawn members an array", () => {
  const store = new Standalone();
  store.session.resp = 3;
  store.raw("SADD", "a", "1");
  assert.equal(store.raw("SMEMBERS", "a"), "~1\r\n$1\r\n1\r\n");
  assert.equal(store.raw("SINTER", "a", "none"), "~0\r\n");
  assert.equal(store.raw("SUNION", "a", "none"), "~1\r\n$1\r\n1\r\n");
  assert.equal(store.raw("SRANDMEMBER", "a", "1"), "*1\r\n$1\r\n1\r\n");
  assert.equal(store.raw("SPOP", "a", "1"), "~1\r\n$1\r\n1\r\n");
  assert.equal(store.raw("SPOP", "a"), "_\r\n");
});

test("algebra on any sets agrees with the sets of the language", () => {
  const names = ["a", "b", "c", "d"];
  const member = fc.integer({ min: 0, max: 30 }).map(String);
  const contents = fc.tuple(...names.map(() => fc.uniqueArray(member, { maxLength: 20 })));
  const chosen = fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(contents, chosen, (lists, keys) => {
      const store = new Standalone();
      const model = new Map<string, Set<string>>();
      for (const [i, name] of names.entries()) {
        const list = lists[i] ?? [];
        if (list.length > 0) store.raw("SADD", name, ...list);
        model.set(name, new Set(list));
      }
      const sets = keys.map((key) => model.get(key) as Set<string>);
      const [first, ...rest] = sets as [Set<string>, ...Set<string>[]];
      const results = {
        SINTER: [...first].filter((m) => rest.every((set) => set.has(m))),
        SUNION: [...new Set(sets.flatMap((set) => [...set]))],
        SDIFF: [...first].filter((m) => !rest.some((set) => set.has(m))),
      };
      for (const [name, result] of Object.entries(results)) {
        assert.deepEqual(bulksOf(store.raw(name, ...keys)), result.toSorted());
        assert.equal(store.raw(`${name}STORE`, "out", ...keys), int(result.length));
        assert.deepEqual(bulksOf(store.raw("SMEMBERS", "out")), result.toSorted());
      }
      const card = store.raw("SINTERCARD", String(keys.length), ...keys);
      assert.equal(card, int(results.SINTER.length));
      assert.equal(store.raw("SET", "out", "v"), OK);
    }),
    { numRuns: 100 },
  );
});
