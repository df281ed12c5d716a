import assert from "node:assert/strict";
import { test } from "node:test";
import { openFileStorage } from "../../src/adapters/storage-files/file-storage.ts";
import { durableAt, storageSuite, visitsOf } from "../../src/host/ports/storage.suite.ts";
import type { Storage } from "../../src/host/ports/storage.ts";
import { Chance } from "./chance.ts";
import { Disk } from "./disk.ts";

const chance = new Chance(1, "disk test");
let disks = 0;

/** Opens the production storage on a disk whose completions are heard until the next crash. */
function open(disk: Disk): Promise<Storage> {
  const life = {};
  lives.set(disk, life);
  disk.world = {
    schedule: (complete) =>
      setImmediate(() => {
        if (lives.get(disk) === life) complete();
      }),
    stir: () => {},
  };
  return openFileStorage("/data", {
    segmentBytes: 4096,
    files: disk,
    computer: {
      lock: () => disk.lock(),
      id: async () => "a computer",
      randomBytes: (count) => Buffer.from(Array.from({ length: count }, () => chance.below(256))),
      later(ms, callback) {
        const timer = setTimeout(callback, ms);
        return () => clearTimeout(timer);
      },
    },
  });
}

const lives = new WeakMap<Disk, object>();

function crash(disk: Disk, keeps: (() => boolean) | null): void {
  lives.delete(disk);
  disk.crash(keeps);
}

storageSuite(
  "storage-files on a simulated disk",
  async () => {
    const disk = new Disk(++disks);
    return {
      open: () => open(disk),
      crash: async () => crash(disk, () => chance.is(0.5)),
      fill: (full) => (disk.full = full),
      failSync: () => (disk.failNextSync = true),
      clear: async () => crash(disk, null),
    };
  },
  { severalSegmentsBytes: 20_000 },
);

async function texts(storage: Storage): Promise<string[]> {
  return (await visitsOf(storage)).map(({ bytes }) => String(bytes));
}

test("what a failed sync left in the cache is not taken for stored by the process that comes next", async () => {
  const disk = new Disk(++disks);
  const first = await open(disk);
  await durableAt(first, first.log.append(Buffer.from("kept"), true));
  disk.failNextSync = true;
  const failed = new Promise((resolve) => (first.log.onFailure = resolve));
  first.log.append(Buffer.from("left in the cache"), true);
  await failed;
  crash(disk, null);
  const second = await open(disk);
  const found = await texts(second);
  await durableAt(second, second.log.append(Buffer.from("new"), true));
  crash(disk, () => false);
  const third = await open(disk);
  assert.deepEqual(await texts(third), [...found, "new"]);
  crash(disk, null);
});

test("a sync that fails while a process starts leaves the same word as one that fails later", async () => {
  const disk = new Disk(++disks);
  const first = await open(disk);
  await durableAt(first, first.log.append(Buffer.from("kept"), true));
  const left = "left in the cache ".repeat(100);
  first.log.append(Buffer.from(left), true);
  assert.ok(disk.unsyncedSectors > 0);
  crash(disk, null);
  disk.failNextSync = true;
  await assert.rejects(open(disk), /EIO/);
  crash(disk, null);
  const second = await open(disk);
  const found = await texts(second);
  assert.deepEqual(found, ["kept", left]);
  await durableAt(second, second.log.append(Buffer.from("new"), true));
  crash(disk, () => false);
  const third = await open(disk);
  assert.deepEqual(await texts(third), [...found, "new"]);
  crash(disk, null);
});

test("a power failure takes sectors one by one, and names that were not synced", async () => {
  const disk = new Disk(++disks);
  disk.world = { schedule: (complete) => complete(), stir: () => {} };
  const file = await disk.open("/data/a", true);
  await disk.syncDirectory();
  const bytes = Buffer.alloc(4 * 512, 1);
  file.write(bytes, 0, bytes.length, 0, true, assert.ifError);
  file.write(Buffer.alloc(4 * 512, 2), 0, 4 * 512, 0, false, assert.ifError);
  await disk.rename("/data/a", "/data/b");
  const keeps = [false, true, false, true, false];
  assert.deepEqual(
    disk.crash(() => keeps.shift() as boolean),
    { sectors: 2, names: 1 },
  );
  const after = await disk.open("/data/a", false);
  const found = Buffer.alloc(4 * 512);
  await after.read(found, 0, found.length, 0);
  assert.deepEqual(
    [0, 1, 2, 3].map((sector) => found[sector * 512]),
    [2, 1, 2, 1],
  );
});
