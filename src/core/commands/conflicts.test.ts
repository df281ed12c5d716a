import assert from "node:assert/strict";
import { test } from "node:test";
import { exchange, Region } from "./regions.suite.ts";

/** Two regions, the second a little later than the first. */
function regions(policy = "lww"): [Region, Region] {
  const [a, b] = [new Region("a"), new Region("b")];
  b.nowMs += 5;
  for (const region of [a, b]) region.raw("AA.KEYSPACE", "SET", "", "CONFLICT", policy);
  return [a, b];
}

/** A RESP2 reply as values. */
function parsed(raw: string): unknown {
  let at = 0;
  const one = (): unknown => {
    const end = raw.indexOf("\r\n", at);
    const [kind, rest] = [raw[at], raw.slice(at + 1, end)];
    at = end + 2;
    if (kind === ":") return Number(rest);
    if (kind === "$") {
      const bulk = raw.slice(at, at + Number(rest));
      at += Number(rest) + 2;
      return bulk;
    }
    if (kind === "*") return Array.from({ length: Number(rest) }, one);
    return kind === "+" ? rest : new Error(rest);
  };
  return one();
}

function text(value: unknown): string {
  assert.ok(typeof value === "string" || typeof value === "number");
  return `${value}`;
}

function fields(flat: unknown): Record<string, unknown> {
  const list = flat as unknown[];
  const record: Record<string, unknown> = {};
  for (let i = 0; i < list.length; i += 2) record[text(list[i])] = list[i + 1];
  return record;
}

/** The values of siblings. */
function sorted(siblings: unknown[]): string[] {
  return siblings.map((flat) => text(fields(flat)["value"])).toSorted();
}

interface Listed {
  readonly id: string;
  readonly line: string;
}

/** The feed as lines: what was lost, of what, whose, against whom. */
function feed(region: Region, ...words: string[]): { cursor: string; entries: Listed[] } {
  const [cursor, list] = parsed(region.raw("AA.CONFLICTS", ...words)) as [string, unknown[]];
  const entries = list.map((flat) => {
    const entry = fields(flat);
    const loser = fields(entry["lost-by"]);
    const against = fields(entry["against"]);
    const winner = fields(against["write"]);
    const where = [entry["type"], entry["key"], entry["path"]].filter((word) => word !== "");
    const line = `${where.map(text).join(" ")} ${text(entry["what"])}=${text(entry["value"])} of ${text(loser["region"])} by ${text(entry["won-by"])} against ${text(against["type"])} of ${text(winner["region"])}`;
    return { id: text(entry["id"]), line };
  });
  return { cursor, entries };
}

function lines(region: Region, ...words: string[]): string[] {
  return feed(region, ...words).entries.map(({ line }) => line);
}

function agreed(a: Region, b: Region): string[] {
  const [inA, inB] = [feed(a), feed(b)];
  assert.deepEqual(inA.entries, inB.entries, "every region tells the same conflicts");
  return inA.entries.map(({ line }) => line);
}

test("of two concurrent SETs the loser is in the feed of every region, once", () => {
  const [a, b] = regions();
  a.raw("SET", "k", "from a");
  b.raw("SET", "k", "from b");
  exchange(a, b);
  exchange(a, b);
  assert.deepEqual(agreed(a, b), ["string k value=from a of a by lww against string of b"]);
});

test("the policy says who lost", () => {
  for (const [policy, first, second, lost] of [
    ["fww", "x", "y", "y of b"],
    ["max", "10", "9", "9 of b"],
    ["min", "10", "9", "10 of a"],
  ] as const) {
    const [a, b] = regions(policy);
    a.raw("SET", "k", first);
    b.raw("SET", "k", second);
    exchange(a, b);
    const against = lost.endsWith("a") ? "b" : "a";
    assert.deepEqual(agreed(a, b), [
      `string k value=${lost} by ${policy} against string of ${against}`,
    ]);
  }
});

test("siblings lose nothing: all of them are shown, and the feed stays empty", () => {
  const [a, b] = regions("siblings");
  a.raw("SET", "k", "1");
  b.raw("SET", "k", "2");
  exchange(a, b);
  assert.deepEqual(agreed(a, b), []);
  const [, policy, values] = parsed(a.raw("AA.SIBLINGS", "k")) as [string, string, unknown[]];
  assert.equal(policy, "siblings");
  assert.deepEqual(sorted(values), ["1", "2"]);
});

test("what a later write has seen is no conflict", () => {
  const [a, b] = regions();
  a.raw("SET", "k", "1");
  a.raw("HSET", "h", "f", "1");
  exchange(a, b);
  b.raw("SET", "k", "2");
  b.raw("HSET", "h", "f", "2");
  exchange(a, b);
  a.raw("DEL", "k");
  b.raw("SADD", "s", "m");
  a.raw("SADD", "s", "m");
  exchange(a, b);
  assert.deepEqual(agreed(a, b), []);
});

test("of two concurrent HSETs of one field the loser is in the feed with its field", () => {
  const [a, b] = regions();
  a.raw("HSET", "h", "f", "a", "only", "here");
  b.raw("HSET", "h", "f", "b");
  exchange(a, b);
  assert.deepEqual(agreed(a, b), ["hash h f value=a of a by lww against hash of b"]);
});

test("of two types at once the hidden one's entries are in the feed", () => {
  const [a, b] = regions();
  a.raw("SADD", "k", "m1", "m2");
  a.raw("HSET", "l", "f", "v");
  a.raw("SET", "n", "text");
  b.raw("SET", "k", "v");
  b.raw("SADD", "l", "m");
  b.raw("HSET", "n", "f", "v");
  exchange(a, b);
  assert.deepEqual(agreed(a, b).toSorted(), [
    "hash l f value=v of a by type against set of b",
    "set k m1 member= of a by type against string of b",
    "set k m2 member= of a by type against string of b",
    "string n value=text of a by type against hash of b",
  ]);
});

test("increments that a concurrent text hides are in the feed with their sum", () => {
  const [a, b] = regions();
  a.raw("INCRBY", "k", "2");
  a.raw("INCRBY", "k", "3");
  a.raw("HINCRBY", "h", "f", "7");
  b.raw("SET", "k", "text");
  b.raw("HSET", "h", "f", "text");
  exchange(a, b);
  assert.deepEqual(agreed(a, b).toSorted(), [
    "hash h f increments=7 of a by lww against hash of b",
    "string k increments=5 of a by lww against string of b",
  ]);
});

test("numbers and increments go together, so nothing is lost", () => {
  const [a, b] = regions();
  a.raw("INCR", "k");
  b.raw("SET", "k", "10");
  exchange(a, b);
  assert.deepEqual(agreed(a, b), []);
  assert.equal(a.raw("GET", "k"), "$2\r\n11\r\n");
});

test("a third value that wins against the winner sends that one to the feed too", () => {
  const [a, b] = regions();
  const c = new Region("c");
  c.nowMs += 10;
  for (const [region, value] of [
    [a, "1"],
    [b, "2"],
    [c, "3"],
  ] as const)
    region.raw("SET", "k", value);
  const [fromA, fromB, fromC] = [a.take(), b.take(), c.take()];
  b.receive(fromA);
  c.receive(fromB);
  a.receive(fromC);
  const [again, more, last] = [a.take(), b.take(), c.take()];
  for (const block of [fromA, fromB, fromC, again, more, last])
    for (const region of [a, b, c]) region.receive(block);
  for (const region of [a, b, c]) region.receive(null);
  const rest = [a.take(), b.take(), c.take()];
  for (const block of rest) for (const region of [a, b, c]) region.receive(block);
  const values = (region: Region): string[] =>
    lines(region).map((line) => line.replace(/ by .*/, ""));
  assert.deepEqual(values(a).toSorted(), ["string k value=1 of a", "string k value=2 of b"]);
  assert.deepEqual(values(b).toSorted(), values(a).toSorted());
  assert.deepEqual(values(c).toSorted(), values(a).toSorted());
});

test("a lost value comes back by its name, and wins everywhere", () => {
  const [a, b] = regions();
  a.raw("SET", "k", "from a");
  b.raw("SET", "k", "from b");
  a.raw("HSET", "h", "f", "a");
  b.raw("HSET", "h", "f", "b");
  exchange(a, b);
  for (const { id } of feed(b).entries) assert.equal(b.raw("AA.RESTORE", id), "+OK\r\n");
  exchange(a, b);
  for (const region of [a, b]) {
    assert.equal(region.raw("GET", "k"), "$6\r\nfrom a\r\n");
    assert.equal(region.raw("HGET", "h", "f"), "$1\r\na\r\n");
  }
});

test("lost increments and members come back too, or under another name where the type forbids it", () => {
  const [a, b] = regions();
  a.raw("INCRBY", "n", "5");
  b.raw("SET", "n", "text");
  a.raw("SADD", "s", "m");
  b.raw("SET", "s", "v");
  exchange(a, b);
  const [increments, member] = feed(b).entries.toSorted((x, y) => (x.line > y.line ? -1 : 1)) as [
    Listed,
    Listed,
  ];
  assert.match(b.raw("AA.RESTORE", increments.id), /^-ERR the increments cannot be added/);
  assert.match(b.raw("AA.RESTORE", member.id), /^-WRONGTYPE/);
  assert.equal(b.raw("AA.RESTORE", increments.id, "AS", "n2"), "+OK\r\n");
  assert.equal(b.raw("AA.RESTORE", member.id, "AS", "s2"), "+OK\r\n");
  assert.equal(b.raw("GET", "n2"), "$1\r\n5\r\n");
  assert.equal(b.raw("SMEMBERS", "s2"), "*1\r\n$1\r\nm\r\n");
  assert.match(b.raw("AA.RESTORE", "nobody:1"), /^-ERR no such conflict/);
});

test("a HyperLogLog and a score come back as well", () => {
  const [a, b] = regions();
  a.raw("PFADD", "p", "x", "y");
  b.raw("SADD", "p", "m");
  a.raw("ZADD", "z", "1.5", "m");
  b.raw("ZADD", "z", "2", "m");
  exchange(a, b);
  const [score, joined] = feed(a).entries.toSorted((x, y) => (x.line > y.line ? -1 : 1)) as [
    Listed,
    Listed,
  ];
  assert.equal(score.line, "zset z m value=1.5 of a by lww against zset of b");
  assert.match(joined.line, /^generation p hyperloglog generation=/i);
  assert.equal(b.raw("AA.RESTORE", score.id), "+OK\r\n");
  assert.equal(b.raw("ZSCORE", "z", "m"), "$3\r\n1.5\r\n");
  assert.equal(b.raw("AA.RESTORE", joined.id, "AS", "p2"), "+OK\r\n");
  assert.equal(b.raw("PFCOUNT", "p2"), ":2\r\n");
});

test("a resolution replaces exactly the values it was shown", () => {
  const [a, b] = regions("siblings");
  a.raw("SET", "k", "1");
  b.raw("SET", "k", "2");
  exchange(a, b);
  const [token] = parsed(a.raw("AA.SIBLINGS", "k")) as [string];
  // Made without having seen the others, known here before the resolution, not shown to whoever resolved.
  const late = new Region("c");
  late.raw("SET", "k", "3");
  a.receive(late.take());
  assert.equal(a.raw("AA.RESOLVE", "k", "CTX", token, "both"), "+OK\r\n");
  b.receive(a.take());
  for (const region of [a, b]) {
    const [, , values] = parsed(region.raw("AA.SIBLINGS", "k")) as [string, string, unknown[]];
    assert.deepEqual(sorted(values), ["3", "both"]);
  }
});

test("a resolution of what has not arrived is refused, and so is a token that is none", () => {
  const [a, b] = regions("siblings");
  a.raw("SET", "k", "1");
  const [token] = parsed(a.raw("AA.SIBLINGS", "k")) as [string];
  assert.match(b.raw("AA.RESOLVE", "k", "CTX", token, "v"), /^-AASTALE /);
  assert.match(b.raw("AA.RESOLVE", "k", "CTX", "!", "v"), /^-ERR CTX takes/);
  exchange(a, b);
  assert.equal(b.raw("AA.RESOLVE", "k", "CTX", token, "v"), "+OK\r\n");
  a.raw("HSET", "h", "f", "1");
  const [ofField] = parsed(a.raw("AA.SIBLINGS", "h", "f")) as [string];
  assert.match(a.raw("AA.RESOLVE", "h", "CTX", ofField, "v"), /^-WRONGTYPE/);
  assert.equal(a.raw("AA.RESOLVE", "h", "f", "CTX", ofField, "2"), "+OK\r\n");
  assert.equal(a.raw("HGET", "h", "f"), "$1\r\n2\r\n");
});

test("the winner that a resolution had not seen goes to the feed if it loses", () => {
  const [a, b] = regions();
  a.raw("SET", "k", "1");
  const [token] = parsed(a.raw("AA.SIBLINGS", "k")) as [string];
  b.raw("SET", "k", "2");
  a.receive(b.take());
  a.raw("AA.RESOLVE", "k", "CTX", token, "3");
  exchange(a, b);
  exchange(a, b);
  assert.ok(
    agreed(a, b).some((line) => line.startsWith("string k value=2 of b")),
    "the value that nobody saw go is in the feed",
  );
});

test("the feed is read in pages from where the last one ended, in any region", () => {
  const [a, b] = regions();
  const seen: string[] = [];
  let cursor = "0";
  for (let round = 0; round < 3; round++) {
    for (const key of ["x", "y"]) {
      a.raw("SET", key, `a${round}`);
      b.raw("SET", key, `b${round}`);
    }
    exchange(a, b);
    for (;;) {
      const page = feed(round === 1 ? b : a, "SINCE", cursor, "COUNT", "1");
      cursor = page.cursor;
      if (page.entries.length === 0) break;
      seen.push(...page.entries.map(({ id }) => id));
    }
  }
  assert.equal(seen.length, 6);
  assert.deepEqual(
    seen,
    feed(b).entries.map(({ id }) => id),
  );
  assert.equal(new Set(seen).size, 6);
});

test("the feed can be asked for a key or a prefix", () => {
  const [a, b] = regions();
  for (const key of ["cart:1", "cart:2", "other"]) {
    a.raw("SET", key, "a");
    b.raw("SET", key, "b");
  }
  exchange(a, b);
  assert.equal(lines(a).length, 3);
  assert.equal(lines(a, "cart:1").length, 1);
  assert.equal(lines(a, "PREFIX", "cart:").length, 2);
  assert.match(a.raw("AA.CONFLICTS", "SINCE", "nonsense!"), /^-ERR SINCE/);
  assert.match(a.raw("AA.CONFLICTS", "COUNT"), /^-ERR syntax/);
});

test("nobody meets the feed among keys, and FLUSHALL leaves it", () => {
  const [a, b] = regions();
  a.raw("SET", "k", "a");
  b.raw("SET", "k", "b");
  exchange(a, b);
  a.raw("FLUSHALL");
  exchange(a, b);
  for (const region of [a, b]) {
    assert.equal(lines(region).length, 1);
    assert.equal(region.raw("DBSIZE"), ":0\r\n");
    assert.equal(region.raw("KEYS", "*"), "*0\r\n");
    assert.equal(region.raw("SCAN", "0"), "*2\r\n$1\r\n0\r\n*0\r\n");
    assert.equal(region.raw("RANDOMKEY"), "$-1\r\n");
  }
});

test("the feed is bounded: the oldest of a member's own entries go", () => {
  const [a, b] = regions();
  a.bounds = { entries: 2, bytes: 10_000, ageMs: 1000 };
  for (const key of ["1", "2", "3"]) {
    a.raw("SET", key, "a");
    b.raw("SET", key, "b");
    exchange(a, b);
  }
  assert.deepEqual(
    agreed(a, b).map((line) => line.split(" ")[1]),
    ["2", "3"],
  );
  for (const region of [a, b]) region.nowMs += 2000;
  exchange(a, b);
  assert.deepEqual(agreed(a, b), []);
});

test("the history of a key tells who wrote what, and what was lost", () => {
  const [a, b] = regions();
  a.raw("SET", "k", "from a");
  b.raw("SET", "k", "from b");
  exchange(a, b);
  const story = (region: Region): string[] =>
    (parsed(region.raw("AA.HISTORY", "k")) as unknown[]).map((flat) => {
      const item = fields(flat);
      return [item["value"], item["state"], fields(item["write"])["region"]].map(text).join(" ");
    });
  assert.deepEqual(story(a), ["from b kept b", "from a hidden a"]);
  b.raw("SET", "k", "later");
  exchange(a, b);
  assert.deepEqual(story(a), ["later kept b", "from a lost a"]);
});

test("a policy changes what is read, not what is stored, and tells whoever watches", () => {
  const [a, b] = regions();
  a.raw("SET", "k", "first");
  b.raw("SET", "k", "second");
  exchange(a, b);
  assert.equal(a.raw("GET", "k"), "$6\r\nsecond\r\n");
  a.raw("WATCH", "k");
  assert.equal(a.raw("AA.KEYSPACE", "SET", "k", "CONFLICT", "fww"), "+OK\r\n");
  assert.equal(a.raw("GET", "k"), "$5\r\nfirst\r\n");
  a.raw("MULTI");
  a.raw("GET", "k");
  assert.equal(a.raw("EXEC"), "*-1\r\n");
  assert.deepEqual(fields(parsed(a.raw("AA.KEYSPACE", "EXPLAIN", "k"))), {
    key: "k",
    prefix: "k",
    conflict: "fww",
    format: "plain",
    xread: "local",
    pubsub: "local",
    readlevel: "LOCAL_ONE",
    writelevel: "LOCAL_ONE",
    writes: "local",
    pop: "local",
    forward: "yes",
    failover: "manual",
    home: "",
    since: 2,
    why: "the longest prefix of the key, by the cluster, which agreed on it in epoch 2",
    owner: "",
  });
  assert.equal(a.raw("AA.KEYSPACE", "DEL", "k"), ":1\r\n");
  assert.equal(a.raw("GET", "k"), "$6\r\nsecond\r\n");
  assert.match(a.raw("AA.KEYSPACE", "SET", "k", "CONFLICT", "best"), /^-ERR a conflict policy/);
});
