import assert from "node:assert/strict";
import { test } from "node:test";
import { exchange, Region } from "./regions.suite.ts";
import { array, bulk, error, int, NIL, WRONG } from "./replies.suite.ts";
import { Standalone } from "./standalone.suite.ts";

const ints = (...values: number[]): string => array(...values.map((value) => int(value)));

function hash(...pairs: string[]): Standalone {
  const store = new Standalone();
  store.raw("HSET", "h", ...pairs);
  return store;
}

test("a field is gone at its deadline for every reader, and the others are not", () => {
  const store = hash("a", "1", "b", "2");
  assert.equal(store.raw("HPEXPIRE", "h", "100", "FIELDS", "2", "a", "none"), ints(1, -2));
  store.nowMs += 99;
  assert.equal(store.raw("HGET", "h", "a"), bulk("1"));
  store.nowMs += 1;
  assert.equal(store.raw("HGET", "h", "a"), NIL);
  assert.equal(store.raw("HMGET", "h", "a", "b"), array(NIL, bulk("2")));
  assert.equal(store.raw("HGETALL", "h"), array(bulk("b"), bulk("2")));
  assert.equal(store.raw("HKEYS", "h"), array(bulk("b")));
  assert.equal(store.raw("HVALS", "h"), array(bulk("2")));
  assert.equal(store.raw("HLEN", "h"), int(1));
  assert.equal(store.raw("HEXISTS", "h", "a"), int(0));
  assert.equal(store.raw("HSTRLEN", "h", "a"), int(0));
  assert.equal(store.raw("HSCAN", "h", "0"), array(bulk("0"), array(bulk("b"), bulk("2"))));
  assert.equal(store.raw("HRANDFIELD", "h", "5"), array(bulk("b")));
  assert.equal(store.raw("HDEL", "h", "a"), int(0));
  assert.equal(store.raw("HTTL", "h", "FIELDS", "2", "a", "b"), ints(-2, -1));
  store.raw("RPUSH", "list", "h");
  assert.equal(store.raw("SORT", "list", "BY", "nosort", "GET", "*->a"), array(NIL));
  store.raw("COPY", "h", "copy");
  assert.equal(store.raw("HLEN", "copy"), int(1));
});

test("with its last field the key is gone", () => {
  const store = hash("a", "1", "b", "2");
  store.raw("HPEXPIRE", "h", "100", "FIELDS", "2", "a", "b");
  store.nowMs += 100;
  assert.equal(store.raw("EXISTS", "h"), int(0));
  assert.equal(store.raw("TYPE", "h"), "+none\r\n");
  assert.equal(store.raw("SADD", "h", "m"), int(1));
  assert.equal(store.raw("TYPE", "h"), "+set\r\n");
});

test("a field that has expired is new to whoever writes it", () => {
  const store = hash("a", "1", "n", "5", "b", "2");
  store.raw("HINCRBY", "h", "n", "2");
  store.raw("HPEXPIRE", "h", "100", "FIELDS", "2", "a", "n");
  store.nowMs += 100;
  assert.equal(store.raw("HSETNX", "h", "a", "x"), int(1));
  assert.equal(store.raw("HINCRBY", "h", "n", "1"), int(1));
  assert.equal(store.raw("HTTL", "h", "FIELDS", "2", "a", "n"), ints(-1, -1));
  assert.equal(store.raw("HLEN", "h"), int(3));
});

test("HSET clears a field's deadline, HINCRBY and HINCRBYFLOAT keep it", () => {
  const store = hash("a", "1", "b", "2", "c", "3");
  store.raw("HEXPIRE", "h", "100", "FIELDS", "3", "a", "b", "c");
  assert.equal(store.raw("HSET", "h", "a", "1"), int(0));
  assert.equal(store.raw("HINCRBY", "h", "b", "2"), int(4));
  store.raw("HINCRBYFLOAT", "h", "c", "0.5");
  assert.equal(store.raw("HTTL", "h", "FIELDS", "3", "a", "b", "c"), ints(-1, 100, 100));
  store.nowMs += 100_000;
  assert.equal(store.raw("HGETALL", "h"), array(bulk("a"), bulk("1")));
});

test("a counter without a value expires whole, and keeps its sum when it is told when", () => {
  const store = new Standalone();
  store.raw("HINCRBY", "h", "n", "7");
  assert.equal(store.raw("HPEXPIRE", "h", "100", "FIELDS", "1", "n"), ints(1));
  assert.equal(store.raw("HINCRBY", "h", "n", "3"), int(10));
  assert.equal(store.raw("HPERSIST", "h", "FIELDS", "1", "n"), ints(1));
  assert.equal(store.raw("HPEXPIRE", "h", "50", "FIELDS", "1", "n"), ints(1));
  assert.equal(store.raw("HGET", "h", "n"), bulk("10"));
  store.nowMs += 50;
  assert.equal(store.raw("EXISTS", "h"), int(0));
});

test("deadlines are told from now and from 1970, in seconds that are begun", () => {
  const store = hash("a", "1", "b", "2");
  store.raw("HPEXPIRE", "h", "1500", "FIELDS", "1", "a");
  const [fields, many] = ["FIELDS", "3"];
  assert.equal(store.raw("HTTL", "h", fields, many, "a", "b", "c"), ints(2, -1, -2));
  assert.equal(store.raw("HPTTL", "h", fields, many, "a", "b", "c"), ints(1500, -1, -2));
  assert.equal(store.raw("HEXPIRETIME", "h", fields, "1", "a"), ints(1_700_000_002));
  assert.equal(store.raw("HPEXPIRETIME", "h", fields, "1", "a"), ints(1_700_000_001_500));
  store.raw("HEXPIREAT", "h", "1700000009", "FIELDS", "1", "a");
  assert.equal(store.raw("HTTL", "h", fields, "1", "a"), ints(9));
  store.raw("HPEXPIREAT", "h", "1700000009001", "FIELDS", "1", "a");
  assert.equal(store.raw("HTTL", "h", fields, "1", "a"), ints(10));
  assert.equal(store.raw("HTTL", "none", fields, "2", "a", "b"), ints(-2, -2));
  assert.equal(store.raw("HEXPIRE", "none", "5", fields, "1", "a"), ints(-2));
  assert.equal(store.raw("HPERSIST", "none", fields, "1", "a"), ints(-2));
});

test("conditions judge each field by its own deadline; none is later than any", () => {
  const store = hash("a", "1", "b", "2");
  store.raw("HEXPIRE", "h", "100", "FIELDS", "1", "a");
  const expire = (seconds: string, word: string): string =>
    store.raw("HEXPIRE", "h", seconds, word, "FIELDS", "2", "a", "b");
  assert.equal(expire("200", "GT"), ints(1, 0));
  assert.equal(expire("150", "gt"), ints(0, 0));
  assert.equal(expire("120", "XX"), ints(1, 0));
  assert.equal(expire("120", "LT"), ints(0, 1));
  assert.equal(expire("300", "NX"), ints(0, 0));
  assert.equal(store.raw("HPERSIST", "h", "FIELDS", "3", "a", "b", "c"), ints(1, 1, -2));
  assert.equal(store.raw("HPERSIST", "h", "FIELDS", "1", "a"), ints(-1));
  assert.equal(expire("300", "NX"), ints(1, 1));
});

test("a deadline that has passed removes the field", () => {
  const store = hash("a", "1", "b", "2");
  assert.equal(store.raw("HEXPIRE", "h", "0", "FIELDS", "1", "a"), ints(2));
  assert.equal(store.raw("HEXPIREAT", "h", "1", "FIELDS", "2", "b", "b"), ints(2, -2));
  assert.equal(store.raw("DBSIZE"), int(0));
});

test("what makes no sense is refused in Redis' words, and changes nothing", () => {
  const store = hash("a", "1");
  store.raw("SET", "s", "v");
  assert.equal(store.raw("HEXPIRE", "s", "none", "FIELDS", "1", "f"), WRONG);
  assert.equal(store.raw("HTTL", "s", "FIELDS", "1", "f"), WRONG);
  const refuses = (why: string, ...words: string[]): void =>
    assert.equal(store.raw(...words), error(`ERR ${why}`), words.join(" "));
  const missing = "Mandatory argument FIELDS is missing or not at the right position";
  refuses("value is not an integer or out of range", "HEXPIRE", "h", "x", "FIELDS", "1", "a");
  refuses("invalid expire time, must be >= 0", "HEXPIRE", "h", "-1", "FIELDS", "1", "a");
  const late = ["HPEXPIREAT", "h", `${2 ** 46}`, "FIELDS", "1", "a"];
  refuses("invalid expire time in 'hpexpireat' command", ...late);
  refuses(missing, "HEXPIRE", "h", "1", "BOTH", "FIELDS", "1", "a");
  refuses(missing, "HTTL", "h", "FIELD", "1", "a");
  const few = "Parameter `numFields` should be greater than 0";
  refuses(few, "HEXPIRE", "h", "1", "FIELDS", "0", "a");
  refuses("Number of fields must be a positive integer", "HPERSIST", "h", "FIELDS", "x", "a");
  const unequal = "The `numfields` parameter must match the number of arguments";
  refuses(unequal, "HEXPIRE", "h", "1", "FIELDS", "2", "a");
  refuses(unequal, "HTTL", "h", "FIELDS", "1", "a", "b");
  refuses(unequal, "HSETEX", "h", "FIELDS", "1", "a", "b", "c", "d");
  refuses("wrong number of arguments for 'hexpire' command", "HEXPIRE", "h", "1", "FIELDS", "1");
  assert.equal(store.raw("HTTL", "h", "FIELDS", "1", "a"), ints(-1));
});

test("HGETDEL reads fields and removes them, HGETEX reads them and sets their deadlines", () => {
  const store = hash("a", "1", "b", "2", "c", "3");
  const got = store.raw("HGETDEL", "h", "FIELDS", "3", "a", "none", "a");
  assert.equal(got, array(bulk("1"), NIL, NIL));
  assert.equal(
    store.raw("HGETEX", "h", "EX", "10", "FIELDS", "2", "b", "a"),
    array(bulk("2"), NIL),
  );
  assert.equal(store.raw("HTTL", "h", "FIELDS", "2", "b", "c"), ints(10, -1));
  assert.equal(store.raw("HGETEX", "h", "FIELDS", "1", "b"), array(bulk("2")));
  assert.equal(store.raw("HGETEX", "h", "PERSIST", "FIELDS", "1", "b"), array(bulk("2")));
  assert.equal(store.raw("HTTL", "h", "FIELDS", "1", "b"), ints(-1));
  assert.equal(store.raw("HGETEX", "h", "PXAT", "1", "FIELDS", "1", "b"), array(bulk("2")));
  assert.equal(store.raw("HKEYS", "h"), array(bulk("c")));
  assert.equal(store.raw("HGETEX", "none", "FIELDS", "1", "b"), array(NIL));
  assert.equal(store.raw("HGETDEL", "h", "FIELDS", "1", "c"), array(bulk("3")));
  assert.equal(store.raw("EXISTS", "h"), int(0));
});

test("HSETEX writes fields and their deadline, all or none", () => {
  const store = new Standalone();
  const set = (...words: string[]): string => store.raw("HSETEX", "h", ...words);
  assert.equal(set("EX", "10", "FIELDS", "2", "a", "1", "b", "2"), int(1));
  assert.equal(store.raw("HTTL", "h", "FIELDS", "2", "a", "b"), ints(10, 10));
  assert.equal(set("FNX", "FIELDS", "2", "b", "x", "c", "x"), int(0));
  assert.equal(set("FXX", "FIELDS", "2", "b", "x", "c", "x"), int(0));
  assert.equal(set("KEEPTTL", "FXX", "FIELDS", "1", "b", "3"), int(1));
  assert.equal(set("FIELDS", "1", "a", "4"), int(1));
  assert.equal(store.raw("HTTL", "h", "FIELDS", "2", "a", "b"), ints(-1, 10));
  assert.equal(store.raw("HMGET", "h", "a", "b", "c"), array(bulk("4"), bulk("3"), NIL));
});

test("a key of its own name or another's keeps the deadlines of its fields", () => {
  const store = hash("a", "1", "b", "2");
  store.raw("HEXPIRE", "h", "100", "FIELDS", "1", "a");
  store.raw("RENAME", "h", "g");
  store.raw("COPY", "g", "k");
  for (const key of ["g", "k"])
    assert.equal(store.raw("HTTL", key, "FIELDS", "2", "a", "b"), ints(100, -1));
});

test("a key and its field end at the earlier of two deadlines", () => {
  const store = hash("a", "1", "b", "2");
  store.raw("PEXPIRE", "h", "200");
  store.raw("HPEXPIRE", "h", "100", "FIELDS", "1", "a");
  store.raw("HPEXPIRE", "h", "300", "FIELDS", "1", "b");
  store.nowMs += 100;
  assert.equal(store.raw("HKEYS", "h"), array(bulk("b")));
  store.nowMs += 100;
  assert.equal(store.raw("EXISTS", "h"), int(0));
});

test("EXEC fails when a watched field was given a deadline", () => {
  const store = hash("a", "1");
  store.raw("WATCH", "h");
  store.raw("HEXPIRE", "h", "10", "FIELDS", "1", "a");
  store.raw("MULTI");
  assert.equal(store.raw("HGET", "h", "a"), "+QUEUED\r\n");
  assert.equal(store.raw("EXEC"), "*-1\r\n");
});

// ── two regions at once ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Two regions that know a hash, and what becomes of what each does without the other. */
function meet(
  before: readonly string[],
  a: readonly (readonly string[])[],
  b: readonly (readonly string[])[],
): { show: (...words: string[]) => string; pass: (ms: number) => void } {
  const [east, west] = [new Region("e"), new Region("w")];
  east.raw(...before);
  exchange(east, west);
  const pass = (ms: number): void => {
    for (const region of [east, west]) region.nowMs += ms;
  };
  pass(1);
  for (const words of a) east.raw(...words);
  pass(1);
  for (const words of b) west.raw(...words);
  exchange(east, west);
  const show = (...words: string[]): string => {
    const reply = east.raw(...words);
    assert.equal(west.raw(...words), reply, "both regions show the same");
    return reply;
  };
  return { show, pass };
}

const expire = (ms: string): string[] => ["HPEXPIRE", "h", ms, "FIELDS", "1", "f"];
const ttl = ["HPTTL", "h", "FIELDS", "1", "f"];

test("of deadlines set for a field at once the longest holds", () => {
  const { show, pass } = meet(["HSET", "h", "f", "v"], [expire("1000")], [expire("100")]);
  assert.equal(show(...ttl), ints(999));
  pass(500);
  assert.equal(show("HGET", "h", "f"), bulk("v"));
  pass(500);
  assert.equal(show("EXISTS", "h"), int(0));
});

test("HPERSIST at the same time as HEXPIRE leaves no deadline", () => {
  const { show } = meet(
    ["HSETEX", "h", "PX", "50", "FIELDS", "1", "f", "v"],
    [expire("100")],
    [["HPERSIST", "h", "FIELDS", "1", "f"]],
  );
  assert.equal(show(...ttl), ints(-1));
});

test("a value is neither hidden nor expired by a HEXPIRE that had not seen it, whichever came first", () => {
  for (const isFirst of [true, false]) {
    const set = [["HSET", "h", "f", "new"]];
    const { show, pass } = isFirst
      ? meet(["HSET", "h", "f", "old"], set, [expire("100")])
      : meet(["HSET", "h", "f", "old"], [expire("100")], set);
    assert.equal(show("HGET", "h", "f"), bulk("new"));
    assert.equal(show(...ttl), ints(-1));
    pass(200);
    assert.equal(show("HGET", "h", "f"), bulk("new"));
  }
});

test("a field whose removal had not seen its new deadline stays until then", () => {
  const { show, pass } = meet(["HSET", "h", "f", "v"], [expire("100")], [["HDEL", "h", "f"]]);
  assert.equal(show("HGET", "h", "f"), bulk("v"));
  pass(100);
  assert.equal(show("EXISTS", "h"), int(0));
});

test("increments made at the same time as HEXPIRE are added, and share the deadline", () => {
  for (const before of [
    ["HSET", "h", "f", "5"],
    ["HINCRBY", "h", "f", "5"],
  ]) {
    const { show, pass } = meet(before, [expire("100")], [["HINCRBY", "h", "f", "2"]]);
    assert.equal(show("HGET", "h", "f"), bulk("7"));
    pass(100);
    assert.equal(show("EXISTS", "h"), int(0));
  }
});

test("a field written anew after its deadline does not go with the old one", () => {
  const { show } = meet(
    ["HSETEX", "h", "PX", "1", "FIELDS", "1", "f", "5"],
    [["HINCRBY", "h", "f", "1"]],
    [["HINCRBY", "h", "f", "2"]],
  );
  assert.equal(show("HGET", "h", "f"), bulk("3"));
  assert.equal(show(...ttl), ints(-1));
});

test("HEXPIRE does not bring back what a FLUSHALL took that it had not seen", () => {
  const { show } = meet(["HSET", "h", "f", "v"], [["FLUSHALL"]], [expire("100")]);
  assert.equal(show("EXISTS", "h"), int(0));
});

test("what was written behind a FLUSHALL can be given a deadline", () => {
  const { show } = meet(
    ["SET", "k", "v"],
    [["MULTI"], ["FLUSHALL"], ["HSET", "h", "f", "v"], ["EXEC"], expire("100")],
    [],
  );
  assert.equal(show("HGET", "h", "f"), bulk("v"));
  assert.equal(show(...ttl), ints(99));
});
