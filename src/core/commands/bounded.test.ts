import assert from "node:assert/strict";
import { test } from "node:test";
import { exchange, Region } from "./regions.suite.ts";
import { Standalone } from "./standalone.suite.ts";

const GUARDED = /^-WRONGTYPE the key holds a bounded counter/;

test("a counter never goes below its minimum, and what would take it there changes nothing", () => {
  const client = new Standalone();
  assert.equal(client.raw("AA.BOUND", "CREATE", "n", "MIN", "-5", "VALUE", "10"), "+OK\r\n");
  assert.equal(client.raw("AA.BOUND", "DECR", "n", "12"), ":-2\r\n");
  assert.match(client.raw("AA.BOUND", "DECR", "n", "4"), /^-AABOUND -6 is below the bound, -5;/);
  assert.equal(client.raw("AA.BOUND", "GET", "n"), ":-2\r\n");
  assert.equal(client.raw("AA.BOUND", "INCR", "n", "1"), ":-1\r\n");
  assert.equal(client.raw("AA.BOUND", "DECR", "n", "4"), ":-5\r\n");
  assert.equal(client.raw("TYPE", "n"), "+bounded\r\n");
});

test("one with a maximum never goes above it", () => {
  const client = new Standalone();
  client.raw("AA.BOUND", "CREATE", "n", "MAX", "10", "VALUE", "7");
  assert.match(client.raw("AA.BOUND", "INCR", "n", "4"), /^-AABOUND 11 is above the bound, 10;/);
  assert.equal(client.raw("AA.BOUND", "INCR", "n", "3"), ":10\r\n");
  assert.equal(client.raw("AA.BOUND", "DECR", "n", "100"), ":-90\r\n");
});

test("a transfer takes from one and adds to the other, or does neither", () => {
  const client = new Standalone();
  client.raw("AA.BOUND", "CREATE", "from", "MIN", "0", "VALUE", "10");
  client.raw("AA.BOUND", "CREATE", "to", "MAX", "5", "VALUE", "0");
  assert.equal(client.raw("AA.BOUND", "TRANSFER", "from", "to", "4"), "*2\r\n:6\r\n:4\r\n");
  assert.match(client.raw("AA.BOUND", "TRANSFER", "from", "to", "2"), /^-AABOUND 6 is above/);
  assert.match(client.raw("AA.BOUND", "TRANSFER", "from", "to", "7"), /^-AABOUND -1 is below/);
  assert.match(client.raw("AA.BOUND", "TRANSFER", "from", "none", "1"), /^-ERR no such key/);
  assert.match(client.raw("AA.BOUND", "TRANSFER", "from", "from", "1"), /^-ERR .* the same/);
  assert.equal(client.raw("AA.BOUND", "GET", "from"), ":6\r\n");
  assert.equal(client.raw("AA.BOUND", "GET", "to"), ":4\r\n");
});

test("whatever is no counter, no amount or no bound is refused", () => {
  const client = new Standalone();
  client.raw("SET", "s", "1");
  client.raw("AA.BOUND", "CREATE", "n", "MIN", "0", "VALUE", "10");
  for (const [words, error] of [
    ["CREATE n MIN 0 VALUE 1", /^-BUSYKEY/],
    ["CREATE s MIN 0 VALUE 1", /^-BUSYKEY/],
    ["CREATE m MIN 0 VALUE -1", /^-AABOUND/],
    ["CREATE m MIN 0.5 VALUE 1", /^-ERR bound and value/],
    ["CREATE m BETWEEN 0 VALUE 1", /^-ERR syntax/],
    ["DECR s 1", /^-WRONGTYPE/],
    ["DECR none 1", /^-ERR no such key/],
    ["DECR n 0", /^-ERR the amount/],
    ["DECR n -1", /^-ERR the amount/],
    ["INCR n 281474976710656", /^-ERR increment or decrement would overflow/],
    ["INCR n 9007199254740993", /^-ERR the amount/],
    ["GET s", /^-WRONGTYPE/],
  ] as const)
    assert.match(client.raw("AA.BOUND", ...words.split(" ")), error, words);
  assert.equal(client.raw("AA.BOUND", "GET", "none"), "$-1\r\n");
});

test("no other command writes to a counter, copies its rights or empties its database", () => {
  const client = new Standalone();
  client.raw("AA.BOUND", "CREATE", "n", "MIN", "0", "VALUE", "10");
  client.raw("SET", "s", "1");
  for (const words of [
    ...[
      "SET n 1",
      "INCR n",
      "DEL n",
      "UNLINK n",
      "GETDEL n",
      "RENAME n m",
      "RENAME s n",
      "COPY n m",
    ],
    ...[
      "COPY s n REPLACE",
      "MOVE n 1",
      "PEXPIRE n 100",
      "EXPIREAT n 1",
      "PERSIST n",
      "GETEX n EX 5",
    ],
    ...["SADD n x", "HSET n f v", "LPUSH n x", "ZADD n 1 x", "SUNIONSTORE n s", "RESTORE n 0 x"],
  ])
    assert.match(client.raw(...words.split(" ")), GUARDED, words);
  for (const words of ["FLUSHDB", "FLUSHALL", "SWAPDB 0 1"])
    assert.match(client.raw(...words.split(" ")), /^-ERR the database holds bounded/, words);
  assert.match(client.raw("DUMP", "n"), GUARDED);
  assert.match(client.raw("GET", "n"), /^-WRONGTYPE/);
  client.raw("SELECT", "1");
  assert.equal(client.raw("SET", "s", "1"), "+OK\r\n");
  assert.match(client.raw("COPY", "s", "n", "DB", "0", "REPLACE"), GUARDED);
  assert.equal(client.raw("FLUSHDB"), "+OK\r\n", "another database may be emptied");
  client.raw("SELECT", "0");
  assert.equal(client.raw("AA.BOUND", "GET", "n"), ":10\r\n");
  assert.equal(client.raw("AA.BOUND", "DELETE", "n"), ":1\r\n");
  assert.equal(client.raw("SET", "n", "1"), "+OK\r\n");
  assert.equal(client.raw("FLUSHALL"), "+OK\r\n");
});

test("a counter is met by commands that look at keys of any type", () => {
  const client = new Standalone();
  client.raw("AA.BOUND", "CREATE", "n", "MIN", "0", "VALUE", "10");
  assert.equal(client.raw("EXISTS", "n"), ":1\r\n");
  assert.equal(client.raw("PTTL", "n"), ":-1\r\n");
  assert.equal(client.raw("OBJECT", "ENCODING", "n"), "$3\r\nraw\r\n");
  assert.match(client.raw("MEMORY", "USAGE", "n"), /^:[1-9]\d\d/);
  assert.equal(client.raw("SCAN", "0", "TYPE", "bounded"), "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nn\r\n");
  assert.match(client.raw("DEBUG", "DIGEST-VALUE", "n"), /^\*1\r\n/);
  assert.equal(client.raw("DBSIZE"), ":1\r\n");
});

test("a transaction that is refused a part keeps the rest, as any does", () => {
  const client = new Standalone();
  client.raw("AA.BOUND", "CREATE", "n", "MIN", "0", "VALUE", "10");
  client.raw("MULTI");
  client.raw("AA.BOUND", "DECR", "n", "6");
  client.raw("AA.BOUND", "DECR", "n", "6");
  client.raw("AA.BOUND", "DECR", "n", "4");
  assert.match(client.raw("EXEC"), /^\*3\r\n:4\r\n-AABOUND .*\r\n:0\r\n$/);
});

test("eviction leaves counters alone", () => {
  const client = new Standalone({ maxMemoryPolicy: "allkeys-random" });
  client.raw("AA.BOUND", "CREATE", "n", "MIN", "0", "VALUE", "10");
  for (let i = 0; i < 200; i++) client.raw("SET", `k${i}`, "x".repeat(4_000));
  client.run.settings.maxMemoryBytes = 1_200_000;
  for (let i = 0; i < 40; i++) client.raw("SET", "more", "x");
  assert.equal(client.raw("AA.BOUND", "GET", "n"), ":10\r\n");
  assert.ok(client.run.eviction.evicted > 50);
});

test("what regions do at once adds up, and who sees one record of a transfer sees all of it", () => {
  const [a, b] = [new Region("a"), new Region("b")];
  a.raw("AA.BOUND", "CREATE", "n", "MIN", "0", "VALUE", "10");
  a.raw("AA.BOUND", "CREATE", "m", "MIN", "0", "VALUE", "0");
  exchange(a, b);
  a.raw("AA.BOUND", "DECR", "n", "3");
  b.raw("AA.BOUND", "INCR", "n", "5");
  a.raw("AA.BOUND", "TRANSFER", "n", "m", "2");
  exchange(a, b);
  for (const region of [a, b]) {
    assert.equal(region.raw("AA.BOUND", "GET", "n"), ":10\r\n");
    assert.equal(region.raw("AA.BOUND", "GET", "m"), ":2\r\n");
  }
  assert.match(b.raw("AA.BOUND", "DECR", "n", "6"), /^-AANORIGHTS 6 needed, 5 held here/);
  assert.equal(b.raw("AA.BOUND", "DECR", "n", "5"), ":5\r\n");
});

test("counters that were created at once become one, whose room is that of both", () => {
  const [a, b] = [new Region("a"), new Region("b")];
  b.nowMs++;
  a.raw("AA.BOUND", "CREATE", "n", "MIN", "0", "VALUE", "10");
  b.raw("AA.BOUND", "CREATE", "n", "MIN", "2", "VALUE", "22");
  b.raw("AA.BOUND", "DECR", "n", "15");
  exchange(a, b);
  for (const region of [a, b]) assert.equal(region.raw("AA.BOUND", "GET", "n"), ":15\r\n");
  assert.equal(b.raw("AA.BOUND", "DECR", "n", "5"), ":10\r\n");
  assert.match(b.raw("AA.BOUND", "DECR", "n", "1"), /^-AANORIGHTS/);
  assert.equal(a.raw("AA.BOUND", "DECR", "n", "10"), ":5\r\n");
  exchange(a, b);
  for (const region of [a, b]) assert.equal(region.raw("AA.BOUND", "GET", "n"), ":0\r\n");
});

test("of a counter and something else that were created at once the newer is seen, everywhere", () => {
  for (const [later, seen] of [
    [1, "+string\r\n"],
    [-1, "+bounded\r\n"],
  ] as const) {
    const [a, b] = [new Region("a"), new Region("b")];
    b.nowMs += later;
    a.raw("AA.BOUND", "CREATE", "n", "MIN", "0", "VALUE", "10");
    b.raw("SET", "n", "x");
    exchange(a, b);
    for (const region of [a, b]) assert.equal(region.raw("TYPE", "n"), seen);
  }
});

test("what a region does to a counter that another deletes is gone with it", () => {
  const [a, b] = [new Region("a"), new Region("b")];
  a.raw("AA.BOUND", "CREATE", "n", "MIN", "0", "VALUE", "10");
  exchange(a, b);
  a.raw("AA.BOUND", "DELETE", "n");
  b.raw("AA.BOUND", "INCR", "n", "5");
  exchange(a, b);
  for (const region of [a, b]) assert.equal(region.raw("TYPE", "n"), "+none\r\n");
});
