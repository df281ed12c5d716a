import assert from "node:assert/strict";
import { test } from "node:test";
import { exchange, Region } from "../commands/regions.suite.ts";
import { Standalone } from "../commands/standalone.suite.ts";
import { REST_BYTES } from "./eviction.ts";
import { EVICTION_POLICIES, type EvictionPolicy } from "./eviction-policy.ts";

const OOM = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
const ROOM_BYTES = 100_000;

function bounded(policy: EvictionPolicy, bytes = ROOM_BYTES): Standalone {
  return new Standalone({ maxMemoryPolicy: policy, maxMemoryBytes: REST_BYTES + bytes });
}

const count = (store: Standalone): number => Number(store.raw("dbsize").slice(1));

for (const policy of EVICTION_POLICIES.filter((name) => name !== "noeviction"))
  test(`${policy} keeps the data within its bound`, () => {
    const store = bounded(policy);
    const { eviction, settings } = store.run;
    for (let i = 0; i < 3_000; i++)
      assert.equal(store.raw("setex", `key:${i}`, "1000", "x".repeat(100)), "+OK\r\n");
    // One command may go beyond it; the next finds room first.
    assert.ok(eviction.usedBytes < settings.maxMemoryBytes + 2_000, String(eviction.usedBytes));
    assert.ok(eviction.evicted > 1_000);
    assert.equal(count(store) + eviction.evicted, 3_000);
  });

for (const policy of ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"] as const)
  test(`${policy} leaves keys without a deadline, and then refuses what needs memory`, () => {
    const store = bounded(policy);
    for (let i = 0; i < 300; i++) store.raw("setex", `volatile:${i}`, "1000", "x".repeat(50));
    let refused = 0;
    for (let i = 0; i < 2_000; i++)
      if (store.raw("set", `lasting:${i}`, "x".repeat(50)) === OOM) refused++;
    assert.equal(store.run.eviction.evicted, 300);
    assert.ok(refused > 0);
    assert.equal(count(store), 2_000 - refused);
    assert.equal(store.raw("get", "lasting:0").length, 57);
    assert.equal(store.raw("del", "lasting:0"), ":1\r\n");
  });

test("HyperLogLogs count as what they take, and are given back", () => {
  const store = new Standalone();
  const { eviction } = store.run;
  const before = eviction.usedBytes;
  for (let k = 0; k < 10; k++)
    for (let i = 0; i < 3_000; i += 100)
      store.raw("pfadd", `h:${k}`, ...Array.from({ length: 100 }, (_, j) => `m${i + j}`));
  // Dense they take 12 KiB each.
  assert.ok(eviction.usedBytes - before > 10 * 12_000, `${eviction.usedBytes - before}`);
  for (let k = 0; k < 9; k++) store.raw("del", `h:${k}`);
  store.raw("flushall");
  assert.ok(eviction.usedBytes - before < 1_000, `${eviction.usedBytes - before}`);
});

test("HyperLogLogs are evicted like other keys", () => {
  const store = bounded("allkeys-random", 200_000);
  for (let k = 0; k < 40; k++)
    for (let i = 0; i < 3_000; i += 100)
      store.raw("pfadd", `h:${k}`, ...Array.from({ length: 100 }, (_, j) => `m${i + j}`));
  const { eviction, settings } = store.run;
  assert.ok(eviction.usedBytes < settings.maxMemoryBytes + 13_000, String(eviction.usedBytes));
  assert.ok(eviction.evicted >= 20, `${eviction.evicted}`);
});

test("without eviction what needs memory is refused, and what does not is served", () => {
  const store = new Standalone();
  store.raw("set", "k", "v");
  store.raw("config", "set", "maxmemory", "1");
  assert.equal(store.raw("set", "k", "w"), OOM);
  assert.equal(store.raw("get", "k"), "$1\r\nv\r\n");
  assert.equal(store.raw("multi"), "+OK\r\n");
  assert.equal(store.raw("get", "k"), OOM);
  assert.match(store.raw("exec"), /^-EXECABORT/);
  assert.equal(store.raw("del", "k"), ":1\r\n");
  store.raw("config", "set", "maxmemory", "0");
  assert.equal(store.raw("set", "k", "w"), "+OK\r\n");
});

test("when everything that may go has gone and the data is still too large, memory is refused", () => {
  const store = new Standalone({ maxMemoryPolicy: "allkeys-lru" });
  for (let i = 0; i < 10; i++) store.raw("set", `k:${i}`, "v");
  store.raw("config", "set", "maxmemory", "1");
  assert.equal(store.raw("set", "k", "w"), OOM);
  assert.equal(count(store), 0);
});

test("a transaction that would take memory is refused as a whole", () => {
  const store = new Standalone();
  store.raw("multi");
  store.raw("set", "k", "v");
  const other = store.session;
  store.session = store.connect();
  store.raw("config", "set", "maxmemory", "1");
  store.session = other;
  assert.equal(
    store.raw("exec"),
    "-EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.\r\n",
  );
  assert.equal(store.raw("exists", "k"), ":0\r\n");
});

test("LRU keeps what was used lately", () => {
  const store = bounded("allkeys-lru");
  store.raw("config", "set", "maxmemory-samples", "20");
  for (let i = 0; i < 300; i++) {
    store.raw("set", `old:${i}`, "x".repeat(100));
    store.nowMs += 1_000;
  }
  for (let i = 0; i < 50; i++) store.raw("get", `old:${i}`);
  for (let i = 0; i < 500; i++) {
    store.raw("set", `new:${i}`, "x".repeat(100));
    store.nowMs += 1_000;
    // Used all the time.
    for (let k = 0; k < 50; k++) store.raw("get", `old:${k}`);
  }
  let kept = 0;
  for (let i = 0; i < 50; i++) if (store.raw("exists", `old:${i}`) === ":1\r\n") kept++;
  assert.ok(kept >= 45, `${kept} of 50`);
});

test("LFU keeps what is used often, and OBJECT FREQ tells how often", () => {
  const store = bounded("allkeys-lfu");
  store.raw("config", "set", "maxmemory-samples", "20");
  for (let i = 0; i < 20; i++) {
    store.raw("set", `hot:${i}`, "x".repeat(100));
    for (let k = 0; k < 200; k++) store.raw("get", `hot:${i}`);
  }
  const frequency = Number(store.raw("object", "freq", "hot:0").slice(1));
  assert.ok(frequency > 10, String(frequency));
  assert.match(
    store.raw("object", "idletime", "hot:0"),
    /^-ERR An LFU maxmemory policy is selected/,
  );
  for (let i = 0; i < 2_000; i++) store.raw("set", `cold:${i}`, "x".repeat(100));
  let kept = 0;
  for (let i = 0; i < 20; i++) if (store.raw("exists", `hot:${i}`) === ":1\r\n") kept++;
  assert.ok(kept >= 18, `${kept} of 20`);
  store.nowMs += 3 * 60_000;
  assert.equal(store.raw("object", "freq", "hot:0"), `:${frequency - 3}\r\n`);
});

test("TTL removes first what expires first", () => {
  const store = bounded("volatile-ttl", 60_000);
  store.raw("config", "set", "maxmemory-samples", "1000");
  for (let i = 0; i < 200; i++) store.raw("setex", `k:${i}`, String(10_000 - i), "x".repeat(100));
  for (let i = 0; i < 300; i++) store.raw("setex", `late:${i}`, "99999", "x".repeat(100));
  // The longest deadlines among the first keys are the lowest numbers.
  let gone = false;
  for (let i = 0; i < 200; i++) {
    const there = store.raw("exists", `k:${i}`) === ":1\r\n";
    if (gone) assert.ok(!there, `k:${i} would have expired before one that went`);
    gone ||= !there;
  }
  assert.ok(gone);
});

test("sets and hashes give their memory back when they are evicted", () => {
  const store = bounded("allkeys-random", 400_000);
  const members = Array.from({ length: 100 }, (_, i) => `member:${i}`);
  for (let i = 0; i < 300; i++) store.raw("sadd", `set:${i}`, ...members);
  assert.ok(store.run.eviction.evicted > 100);
  assert.ok(store.run.eviction.usedBytes < REST_BYTES + 420_000);
  store.raw("flushall");
  assert.equal(store.run.keyspace.heap.usedBytes, 0);
});

test("an eviction is an observed removal: what another region writes meanwhile stays", () => {
  const [full, other] = [new Region("a", { maxMemoryPolicy: "allkeys-random" }), new Region("b")];
  full.raw("sadd", "s", "seen");
  exchange(full, other);
  other.raw("sadd", "s", "unseen");
  full.raw("config", "set", "maxmemory", String(REST_BYTES));
  full.raw("ping");
  assert.equal(full.raw("exists", "s"), ":0\r\n");
  exchange(full, other);
  assert.equal(other.raw("smembers", "s"), "*1\r\n$6\r\nunseen\r\n");
});

test("counters whose removal waits for a region that is away do not empty the store", () => {
  const store = bounded("allkeys-random", 40_000);
  for (let i = 0; i < 2_000; i++) store.raw("incr", `counter:${i}`);
  assert.ok(count(store) > 50, String(count(store)));
});
