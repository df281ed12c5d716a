import assert from "node:assert/strict";
import { test } from "node:test";
import { Damaged, type Storage } from "./ports/storage.ts";
import { Scrubber } from "./scrubber.ts";

/** A storage of which `bad` names what cannot be read any more: a position of the log, or a checkpoint as −number. */
function storageOf(end: number, bad: ReadonlySet<number>): { storage: Storage; read: number[] } {
  const read: number[] = [];
  const log = {
    begin: 100,
    end,
    durable: end,
    read: async (from: number, maxBytes: number) => {
      const to = Math.min(end, from + maxBytes);
      for (const place of bad) if (place >= from && place < to) throw new Damaged(`at ${place}`);
      read.push(to);
      return to;
    },
  };
  const checkpoints = {
    list: async () => [2, 1],
    load: async (_visit: unknown, number = 0) => {
      if (bad.has(-number)) throw new Damaged(`checkpoint.${number}`);
      read.push(-number);
      return { sections: 1, number };
    },
  };
  return { storage: { log, checkpoints } as unknown as Storage, read };
}

function scrubber(storage: Storage, everyMs = 1_000): { scrub: Scrubber; found: string[] } {
  const found: string[] = [];
  const onDamage = (error: Damaged): void => void found.push(error.message);
  return { scrub: new Scrubber({ storage, onDamage }, everyMs, 0.5, 0), found };
}

test("log and checkpoints are read to their end, a step at a time, each time it is due", async () => {
  const end = 100 + 10 * 1024 * 1024;
  const { storage, read } = storageOf(end, new Set());
  const { scrub, found } = scrubber(storage);
  await scrub.step(499);
  assert.deepEqual(read, [], "it is not due yet");
  for (let i = 0; i < 3; i++) {
    assert.equal(scrub.status(600).ageMs, null);
    await scrub.step(600);
  }
  assert.deepEqual(read.slice(-3), [end, -2, -1]);
  assert.equal(read.length, 5);
  assert.deepEqual(scrub.status(700), { running: false, ageMs: 100, damaged: 0 });
  await scrub.step(1_599);
  assert.equal(read.length, 5);
  await scrub.step(1_600);
  assert.equal(read.length, 6);
  assert.deepEqual(found, []);
});

test("damage in the log and in a checkpoint is reported, each place once a round", async () => {
  const { storage, read } = storageOf(100_000, new Set([5_000, -2]));
  const { scrub, found } = scrubber(storage);
  await scrub.step(500);
  assert.deepEqual(found, ["at 5000", "checkpoint.2"]);
  assert.deepEqual(read, [-1], "the other checkpoint is read all the same");
  assert.equal(scrub.status(500).damaged, 2);
});

test("what is never due is never read", async () => {
  const { storage, read } = storageOf(1_000, new Set());
  const { scrub } = scrubber(storage, 0);
  await scrub.step(1e12);
  assert.deepEqual(read, []);
});
