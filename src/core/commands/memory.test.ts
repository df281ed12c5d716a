import assert from "node:assert/strict";
import { test } from "node:test";
import { Standalone } from "./standalone.suite.ts";

test("MEMORY STATS accounts for what keys take, and gives it back with them", () => {
  const store = new Standalone();
  const stat = (name: string): number => {
    const words = store.raw("memory", "stats").split("\r\n");
    return Number(words[words.indexOf(name) + 1]?.slice(1));
  };
  const before = stat("total.allocated");
  for (let i = 0; i < 1000; i++) store.raw("set", `k:${i}`, "x".repeat(100));
  assert.equal(stat("keys.count"), 1000);
  const grown = stat("total.allocated") - before;
  assert.ok(grown > 130_000 && grown < 250_000, String(grown));
  assert.ok(stat("keys.bytes-per-key") >= 130);
  for (let i = 0; i < 1000; i++) store.raw("del", `k:${i}`);
  assert.ok(stat("total.allocated") - before < 10_000);
  assert.equal(stat("dataset.bytes"), 0);
});

test("MEMORY DOCTOR warns before maxmemory is reached", () => {
  const store = new Standalone();
  assert.match(store.raw("memory", "doctor"), /nothing to say/);
  store.run.settings.maxMemoryBytes = store.run.eviction.usedBytes + 1000;
  assert.match(store.raw("memory", "doctor"), /soon writes are refused/);
  store.run.settings.maxMemoryPolicy = "allkeys-lru";
  assert.match(store.raw("memory", "doctor"), /keys are evicted/);
});
