import assert from "node:assert/strict";
import { test } from "node:test";
import { cumulated, CommandStats, percentile } from "./command-stats.ts";
import { commandTable } from "./table.ts";
import { bulk, int } from "./replies.suite.ts";
import { Standalone } from "./standalone.suite.ts";

function timed() {
  let micros = 0;
  const took = { ms: 0 };
  const store = new Standalone(
    { latencyThresholdMs: 50 },
    { micros: () => (micros += took.ms * 1000) },
  );
  return { store, took };
}

test("what takes longer than the threshold is kept by event, the longest of each second", () => {
  const { store, took } = timed();
  const run = (ms: number, ...words: string[]): void => {
    took.ms = ms;
    store.raw(...words);
    took.ms = 0;
  };
  run(49, "debug", "object", "k");
  assert.equal(store.raw("latency", "latest"), "*0\r\n");
  run(60, "keys", "*");
  run(80, "keys", "*");
  run(70, "keys", "*");
  run(90, "ping");
  store.nowMs += 2_000;
  run(55, "keys", "*");
  const at = 1_700_000_000;
  assert.equal(
    store.raw("latency", "history", "command"),
    `*2\r\n*2\r\n${int(at)}${int(80)}*2\r\n${int(at + 2)}${int(55)}`,
  );
  const fast = `*4\r\n${bulk("fast-command")}${int(at)}${int(90)}${int(90)}`;
  const command = `*4\r\n${bulk("command")}${int(at + 2)}${int(55)}${int(80)}`;
  assert.equal(store.raw("latency", "latest"), `*2\r\n${command}${fast}`);
  assert.match(store.raw("latency", "graph", "command"), /command - high 80 ms, low 55 ms/);
  assert.match(store.raw("latency", "doctor"), /command: 2 times, 68 ms on average, 80 ms at most/);
  assert.equal(store.raw("latency", "reset", "command", "none"), int(1));
  assert.equal(store.raw("latency", "reset"), int(1));
  assert.match(store.raw("latency", "graph", "command"), /^-ERR No samples available/);
});

test("LATENCY HISTOGRAM tells how many calls took up to how long", () => {
  let micros = 0;
  const store = new Standalone({ slowlogSlowerThanMicros: 500 }, { micros: () => (micros += 3) });
  for (let i = 0; i < 5; i++) store.raw("set", "k", "v");
  store.raw("client", "id");
  const set = `${bulk("set")}*4\r\n${bulk("calls")}${int(5)}${bulk("histogram_usec")}*2\r\n${int(4)}${int(5)}`;
  assert.equal(store.raw("latency", "histogram", "set", "get", "nope"), `*2\r\n${set}`);
  assert.match(store.raw("latency", "histogram", "client"), /client\|id/);
});

test("a percentile is at most a quarter above the truth", () => {
  const stats = new CommandStats();
  const times = Array.from({ length: 1000 }, (_, i) => 1 + i * 7);
  for (const micros of times) stats.took(3, micros);
  const kept = stats.times[3] as Float64Array;
  for (const percent of [1, 50, 99, 99.9, 100]) {
    const exact = times[Math.ceil(percent * 10) - 1] as number;
    const told = percentile(kept, percent);
    assert.ok(
      told >= exact - 0.001 && told <= exact * 1.25 + 0.001,
      `${percent}: ${told}, ${exact}`,
    );
  }
  assert.equal(cumulated(kept).at(-1)?.calls, 1000);
});

test("small commands share a reading of the stopwatch, a large one has its own", () => {
  let micros = 0;
  let readings = 0;
  const store = new Standalone({}, { micros: () => ((readings += 1), (micros += 160)) });
  const took = (name: string): number => {
    const stats = store.run.stats.micros;
    return stats[
      [...commandTable.entries].find((entry) => entry.name === name)?.index ?? -1
    ] as number;
  };
  for (let i = 0; i < 32; i++) store.raw("get", "k");
  assert.equal(readings, 2);
  assert.equal(took("get"), 320);
  store.raw("set", "k", "x".repeat(20_000));
  store.raw("get", "k");
  assert.equal(readings, 4);
  assert.equal(took("set"), 160);
  store.raw("get", "none");
  store.raw("keys", "*");
  assert.equal(readings, 6);
  assert.equal(took("keys"), 160);
  assert.equal(took("get"), 640);
});
