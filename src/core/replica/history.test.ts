import assert from "node:assert/strict";
import { test } from "node:test";
import { History } from "./history.suite.ts";
import { everything, type Weights } from "./operations.suite.ts";

const nothing: Weights = {
  string: 0,
  count: 0,
  set: 0,
  hash: 0,
  zset: 0,
  list: 0,
  stream: 0,
  hyperloglog: 0,
  bitmap: 0,
  lwwSet: 0,
  document: 0,
  strict: 0,
  expire: 0,
  del: 0,
  flush: 0,
};

/** Runs a history for each seed; a failure names its seed. */
function run(from: number, count: number, steps: number, weights: Weights): void {
  for (let seed = from; seed < from + count; seed++) {
    const history = new History(seed, weights);
    try {
      history.run(steps);
    } catch (error) {
      const last = history.trace.slice(-40).join("\n");
      throw new Error(`seed ${seed}, ${steps} steps; the last of them:\n${last}`, { cause: error });
    }
  }
}

test("replicas that applied the same records are the same, and show what the records mean", () => {
  run(1, 700, 120, everything);
});

test("long histories agree as well", () => {
  run(10_000, 60, 400, everything);
});

test("strings: a concurrent write survives, the last writer is shown, nothing expired comes back", () => {
  run(20_000, 100, 120, { ...nothing, string: 4, expire: 2, del: 1 });
});

test("strict strings: no value is shown that is older than any write or removal", () => {
  run(24_000, 100, 120, { ...nothing, string: 4, strict: 1, expire: 2, del: 1 });
  run(25_000, 100, 120, {
    ...nothing,
    string: 4,
    strict: 0.5,
    count: 1,
    set: 1,
    expire: 2,
    del: 1,
    flush: 0.3,
  });
});

test("counters: every increment that no removal had seen counts exactly once", () => {
  run(30_000, 100, 120, { ...nothing, string: 1, count: 6, expire: 1, del: 1.5 });
});

test("sets: an addition that no removal had seen is there", () => {
  run(40_000, 100, 120, { ...nothing, set: 6, expire: 1, del: 1 });
});

test("sets in which the last writer wins: a member is there whose addition is no older than any removal of it", () => {
  run(42_000, 100, 120, { ...nothing, set: 6, lwwSet: 1, expire: 1, del: 1 });
  run(43_000, 100, 120, {
    ...nothing,
    set: 6,
    lwwSet: 0.5,
    string: 1,
    expire: 1,
    del: 1,
    flush: 0.3,
  });
});

test("hashes: every field is a register and a counter of its own", () => {
  run(50_000, 100, 120, { ...nothing, hash: 6, expire: 1, del: 1 });
});

test("sorted sets: the score is what was set last and everything that was added to it", () => {
  run(55_000, 150, 120, { ...nothing, zset: 6, expire: 1, del: 1 });
});

test("lists: every element that no removal had seen is there, in one order everywhere", () => {
  run(57_000, 150, 120, { ...nothing, list: 6, expire: 1, del: 1 });
});

test("streams: every entry and every group that no removal had seen is there, the last written of one", () => {
  run(58_000, 100, 120, { ...nothing, stream: 6, expire: 1, del: 1 });
});

test("HyperLogLogs: every addition is counted that was not made to one whose removal had seen it", () => {
  run(80_000, 40, 120, { ...nothing, hyperloglog: 6, expire: 1, del: 1 });
  run(81_000, 30, 120, { ...everything, hyperloglog: 4 });
});

test("bitmaps: every chunk shows each bit that no later write of it had seen and cleared", () => {
  run(82_000, 100, 120, { ...nothing, bitmap: 6, expire: 1, del: 1 });
  run(83_000, 60, 120, {
    ...nothing,
    bitmap: 4,
    string: 1,
    set: 1,
    hyperloglog: 1,
    expire: 1,
    del: 1,
    flush: 0.3,
  });
});

test("keys whose type is in dispute show the newest, and a write settles it", () => {
  run(60_000, 100, 120, {
    ...nothing,
    string: 2,
    count: 1,
    set: 2,
    hash: 2,
    zset: 2,
    list: 2,
    del: 1,
  });
});

test("a flush takes everything older, wherever it was on its way", () => {
  run(70_000, 100, 120, { ...everything, flush: 3 });
});

test("histories collect garbage, expire keys and disagree about values, or they would prove nothing", () => {
  let collected = 0;
  let expired = 0;
  let lost = 0;
  for (let seed = 1; seed <= 40; seed++) {
    const history = new History(seed, everything);
    history.run(120);
    collected += history.collected;
    expired += history.expired;
    lost += history.lost;
  }
  const met = `collected ${collected}, expired ${expired}, lost ${lost}`;
  assert.ok(collected > 500 && expired > 40 && lost > 50, met);
});

// What a seed found once stays found, with the weights it was found with: others would make another history of it.
for (const [seed, steps, weights, what] of [
  [
    101_224,
    140,
    { ...nothing, string: 3, count: 4, set: 4, hash: 4, expire: 4, del: 2, flush: 0.3 },
    "a counter that is reset, flushed and counted on within one transaction keeps counting",
  ],
] as const)
  test(what, () => {
    run(seed, 1, steps, weights);
  });
