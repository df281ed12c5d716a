import assert from "node:assert/strict";
import { test } from "node:test";
import { durableAt, storageSuite, visitsOf } from "../../host/ports/storage.suite.ts";
import { createMemoryStorage, MemoryDisk } from "./memory-storage.ts";

let places = 0;

storageSuite(
  "storage-memory",
  async () => {
    const disk = new MemoryDisk(`disk ${places++}`);
    return {
      open: async () =>
        createMemoryStorage({ disk, schedule: (complete) => setImmediate(complete) }),
      crash: async () => disk.crash((from) => from % 3 !== 0),
      fill: (full) => (disk.full = full),
      failSync: () => (disk.failNextSync = true),
      clear: async () => disk.crash(),
    };
  },
  { severalSegmentsBytes: 10_000 },
);

test("nothing becomes durable before the owner lets it", async () => {
  const disk = new MemoryDisk("driven");
  const waiting: (() => void)[] = [];
  const storage = createMemoryStorage({ disk, schedule: (complete) => waiting.push(complete) });
  const heard: number[] = [];
  storage.log.onDurable = (durable) => heard.push(durable);
  const first = storage.log.append(Buffer.from("a"), true);
  const second = storage.log.append(Buffer.from("b"), true);
  assert.deepEqual(heard, []);
  waiting.shift()?.();
  assert.deepEqual(heard, [first]);
  waiting.shift()?.();
  assert.deepEqual(heard, [first, second]);
  assert.equal(waiting.length, 0);
  disk.crash();
});

test("a crash keeps of the pending blocks those before the first lost one", async () => {
  const disk = new MemoryDisk("torn");
  const late: (() => void)[] = [];
  const storage = createMemoryStorage({ disk, schedule: (complete) => late.push(complete) });
  const ends = ["a", "b", "c", "d"].map((text) => storage.log.append(Buffer.from(text), true));
  disk.crash((_, to) => to !== ends[2]);
  const after = createMemoryStorage({ disk, schedule: (complete) => setImmediate(complete) });
  for (const complete of late) complete();
  assert.deepEqual(
    (await visitsOf(after)).map(({ bytes }) => String(bytes)),
    ["a", "b"],
  );
  assert.equal(storage.log.durable, 0, "a completion after the crash goes unheard");
  await durableAt(after, after.log.append(Buffer.from("e"), true));
  await after[Symbol.asyncDispose]();
});

test("two storages never have one disk", async () => {
  const disk = new MemoryDisk("shared");
  const options = { disk, schedule: (complete: () => void) => setImmediate(complete) };
  await using storage = createMemoryStorage(options);
  assert.equal(storage.log.end, 0);
  assert.throws(() => createMemoryStorage(options), /in use/);
});
