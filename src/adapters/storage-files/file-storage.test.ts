import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, open, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Damaged, type Storage } from "../../host/ports/storage.ts";
import { durableAt, sectionsOf, storageSuite, visitsOf } from "../../host/ports/storage.suite.ts";
import { openFileStorage } from "./file-storage.ts";
import { nodeFiles, type Files, type OpenFile } from "./files.ts";

const SEGMENT_BYTES = 4096;

storageSuite(
  "storage-files",
  async () => {
    const root = await mkdtemp(join(tmpdir(), "atoll-storage-"));
    const faults = new FaultyFiles();
    let crashes = 0;
    let storage: Storage | null = null;
    const directory = () => join(root, String(crashes));
    const close = async () => {
      try {
        await storage?.[Symbol.asyncDispose]();
      } catch {
        // A test may have broken the disk under it.
      }
    };
    return {
      async open() {
        // Little is kept in memory, so that reads come from files.
        const options = { segmentBytes: SEGMENT_BYTES, recentBytes: 0, files: faults };
        return (storage = await openFileStorage(directory(), options));
      },
      /** What the files hold at this moment; `test/storage/crash-states.test.ts` takes from them what was not synced. */
      async crash() {
        const from = directory();
        crashes++;
        await cp(from, directory(), { recursive: true });
        await close();
      },
      fill: (full) => (faults.full = full),
      failSync: () => (faults.failNextSync = true),
      async clear() {
        await close();
        await rm(root, { recursive: true });
      },
    };
  },
  { severalSegmentsBytes: 20_000 },
);

/** Node's files, with a disk that fills up and a sync that fails. */
class FaultyFiles implements Files {
  full = false;
  failNextSync = false;
  makeDirectory = nodeFiles.makeDirectory;
  rename = nodeFiles.rename;
  unlink = nodeFiles.unlink;
  list = nodeFiles.list;
  syncDirectory = nodeFiles.syncDirectory;
  stat = nodeFiles.stat;

  async open(path: string, create: boolean): Promise<OpenFile> {
    const file = await nodeFiles.open(path, create);
    return {
      ...file,
      write: (bytes, start, end, position, durable, done) => {
        if (this.full) {
          // Half of it arrives, as on a disk that fills up in the middle of a write.
          const half = start + Math.floor((end - start) / 2);
          const error = Object.assign(new Error("no space"), { code: "ENOSPC" });
          file.write(bytes, start, half, position, false, () => done(error));
        } else if (durable && this.#fails()) setImmediate(done, eio());
        else file.write(bytes, start, end, position, durable, done);
      },
      datasync: (done) => (this.#fails() ? setImmediate(done, eio()) : file.datasync(done)),
    };
  }

  #fails(): boolean {
    const fails = this.failNextSync;
    this.failNextSync = false;
    return fails;
  }
}

function eio(): Error {
  return Object.assign(new Error("the disk did not answer"), { code: "EIO" });
}

/** A directory with 100 blocks over several segments, some of them never synced by their own. Closed cleanly or cut short. */
async function withLog(closed: boolean, body: (directory: string) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "atoll-damage-"));
  const directory = join(root, "made");
  const used = join(root, "used");
  try {
    const storage = await openFileStorage(directory, { segmentBytes: SEGMENT_BYTES });
    try {
      for (let i = 0; i < 100; i++)
        await durableAt(storage, storage.log.append(Buffer.alloc(150, `block ${i} `), true));
      await storage.identity.save("origin", Buffer.from("us-east/1"));
      const writer = storage.checkpoints.begin();
      for (let i = 0; i < 5; i++) await writer.section(Buffer.alloc(1000, i));
      await writer.install();
      if (!closed) await cp(directory, used, { recursive: true });
    } finally {
      await storage[Symbol.asyncDispose]();
    }
    await body(closed ? directory : used);
  } finally {
    await rm(root, { recursive: true });
  }
}

async function flip(path: string, at: number): Promise<void> {
  await using file = await open(path, "r+");
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  await file.write(Buffer.of((byte[0] as number) ^ 0x10), 0, 1, at);
}

async function segmentsIn(directory: string): Promise<string[]> {
  const names = (await readdir(directory)).filter((name) => name.startsWith("log.")).toSorted();
  return names.map((name) => join(directory, name));
}

/** The damage found by opening the directory and reading all of it. */
async function damageOf(directory: string): Promise<Damaged | null> {
  try {
    await using storage = await openFileStorage(directory, { segmentBytes: SEGMENT_BYTES });
    await visitsOf(storage);
    return null;
  } catch (error) {
    assert.ok(error instanceof Damaged, String(error));
    return error;
  }
}

void test("a bit that flips in any synced block is found and named, never cut", async () => {
  await withLog(true, async (directory) => {
    const segments = await segmentsIn(directory);
    assert.ok(segments.length >= 4);
    for (const path of segments) {
      const { length } = await readFile(path);
      for (let at = 512; at < Math.min(length, SEGMENT_BYTES); at += 61) {
        const before = await readFile(path);
        await flip(path, at);
        const damage = await damageOf(directory);
        const place =
          damage === null ? null : /at byte (\d+) \(log position \d+\)/.exec(damage.message);
        if (damage === null) {
          // Padding and what lies behind the last block belong to nobody. All blocks must be there.
          await using storage = await openFileStorage(directory, { segmentBytes: SEGMENT_BYTES });
          assert.equal((await visitsOf(storage)).length, 100, `${path} at ${at}`);
        } else {
          assert.ok(damage.message.startsWith(path));
          assert.ok(Number(place?.[1]) <= at && at < Number(place?.[1]) + 176, damage.message);
          assert.match(damage.message, /backup.*peers/);
        }
        await writeFile(path, before);
      }
    }
  });
});

void test("after a crash a flipped bit is found up to the last block that others witness", async () => {
  await withLog(false, async (directory) => {
    const last = (await segmentsIn(directory)).at(-1) as string;
    const start = Number(last.slice(-16));
    const clean = join(directory, "..", "clean");
    await cp(directory, clean, { recursive: true });
    const blocks = await (async () => {
      await using storage = await openFileStorage(clean, { segmentBytes: SEGMENT_BYTES });
      return (await visitsOf(storage)).filter(({ from }) => from >= start);
    })();
    assert.ok(blocks.length > 3);
    for (const [i, { from }] of blocks.entries()) {
      const before = await readFile(last);
      await flip(last, from - start + 30);
      // Nothing behind the last block witnesses it; the one before it is witnessed by the last.
      if (i < blocks.length - 1) assert.match(String(await damageOf(directory)), /damaged/);
      await writeFile(last, before);
    }
  });
});

void test("a segment that is missing, cut off or foreign is refused with its place", async () => {
  await withLog(true, async (directory) => {
    const [first, second, third] = (await segmentsIn(directory)) as [string, string, string];
    const whole = await readFile(second);

    await rm(second);
    assert.match(String(await damageOf(directory)), /between them is missing/);

    await writeFile(second, whole.subarray(0, 2000));
    assert.match(String(await damageOf(directory)), /at byte 2000 \(log position 6096\).*cut off/);

    await writeFile(second, whole.subarray(0, 20));
    assert.match(String(await damageOf(directory)), /header is cut off/);

    await writeFile(second, await readFile(third));
    assert.match(String(await damageOf(directory)), /header says position 8192/);

    const foreign = Buffer.from(whole);
    foreign.write("NOPE", 0);
    await writeFile(second, foreign);
    assert.match(String(await damageOf(directory)), /not AALG/);

    await writeFile(second, whole);
    assert.equal(await damageOf(directory), null);
    await flip(first, 20);
    assert.match(String(await damageOf(directory)), /header does not match its checksum/);
  });
});

void test("a segment of another log among ours is refused", async () => {
  await withLog(true, async (directory) => {
    await withLog(true, async (other) => {
      const [, ours] = await segmentsIn(directory);
      const [, theirs] = await segmentsIn(other);
      await writeFile(ours as string, await readFile(theirs as string));
      assert.match(String(await damageOf(directory)), /belongs to another log/);
    });
  });
});

void test("a format from the future is named as such, not as damage", async () => {
  await withLog(true, async (directory) => {
    const [first] = (await segmentsIn(directory)) as [string];
    const whole = await readFile(first);
    const future = Buffer.from(whole);
    future.writeUInt16BE(9, 4);
    await writeFile(first, future);
    await assert.rejects(
      openFileStorage(directory),
      (error: Error) =>
        !(error instanceof Damaged) && /log format 9, this one reads 1/.test(error.message),
    );
    await writeFile(first, whole);
    const checkpoint = join(directory, "checkpoint.1");
    const bytes = await readFile(checkpoint);
    bytes.writeUInt16BE(9, 4);
    await writeFile(checkpoint, bytes);
    await using storage = await openFileStorage(directory);
    await assert.rejects(sectionsOf(storage), /checkpoint format 9, this one reads 1/);
  });
});

void test("a checkpoint with any byte changed or cut off is refused with its place", async () => {
  await withLog(true, async (directory) => {
    const path = join(directory, "checkpoint.1");
    const whole = await readFile(path);
    await using storage = await openFileStorage(directory);
    for (let at = 0; at < whole.length; at += at < 40 ? 1 : 97) {
      await flip(path, at);
      // A version that flips into the future is no damage, but no checkpoint either.
      if (at === 4 || at === 5) await assert.rejects(sectionsOf(storage));
      else if (at === 6 || at === 7) await assert.rejects(sectionsOf(storage), Damaged);
      else await assert.rejects(sectionsOf(storage), /Damaged: .*checkpoint\.1 at byte \d+/);
      await writeFile(path, whole);
    }
    for (const length of [0, 10, 16, 20, 1500, whole.length - 1]) {
      await truncate(path, length);
      await assert.rejects(sectionsOf(storage), Damaged);
      await writeFile(path, whole);
    }
    assert.equal((await sectionsOf(storage))?.length, 5);
  });
});

void test("an older checkpoint that is still there can be loaded when the newest is damaged", async () => {
  await withLog(true, async (directory) => {
    const old = await readFile(join(directory, "checkpoint.1"));
    {
      await using storage = await openFileStorage(directory);
      const writer = storage.checkpoints.begin();
      await writer.section(Buffer.from("newer"));
      await writer.install();
    }
    await writeFile(join(directory, "checkpoint.1"), old);
    await flip(join(directory, "checkpoint.2"), 24);
    await using storage = await openFileStorage(directory);
    assert.deepEqual(await storage.checkpoints.list(), [2, 1]);
    await assert.rejects(
      storage.checkpoints.load(() => {}),
      Damaged,
    );
    assert.deepEqual(await storage.checkpoints.load(() => {}, 1), { sections: 5, number: 1 });
  });
});

void test("an identity file that changed on disk is refused", async () => {
  await withLog(true, async (directory) => {
    const path = join(directory, "identity.origin");
    const whole = await readFile(path);
    await using storage = await openFileStorage(directory);
    for (const at of [0, 8, 12, 16, whole.length - 1]) {
      await flip(path, at);
      await assert.rejects(storage.identity.load("origin"), /Damaged: .*identity\.origin/);
      await writeFile(path, whole);
    }
    await writeFile(join(directory, "identity.other"), whole);
    await assert.rejects(storage.identity.load("other"), Damaged, "one name's bytes under another");
  });
});

void test("a copied directory, a copied log and an emptied log have other fingerprints", async () => {
  await withLog(true, async (directory) => {
    const fingerprint = async (at: string) => {
      await using storage = await openFileStorage(at, { segmentBytes: SEGMENT_BYTES });
      return await storage.identity.fingerprint();
    };
    const original = await fingerprint(directory);
    assert.equal(await fingerprint(directory), original);
    const copy = join(directory, "..", "copy");
    await cp(directory, copy, { recursive: true });
    assert.notEqual(await fingerprint(copy), original);

    // Copied back into the very same directory, as a restore does.
    for (const path of await segmentsIn(directory)) {
      await rm(path);
      await cp(join(copy, path.slice(directory.length + 1)), path);
    }
    const restored = await fingerprint(directory);
    assert.notEqual(restored, original);
    for (const path of await segmentsIn(directory)) await rm(path);
    const emptied = await fingerprint(directory);
    assert.notEqual(emptied, original);
    assert.notEqual(emptied, restored);
  });
});

void test("a directory is open once: a second opening names the process that has it", async () => {
  await withLog(true, async (directory) => {
    const script = `
      import { openFileStorage } from ${JSON.stringify(import.meta.resolve("./file-storage.ts"))};
      await openFileStorage(process.argv[1]);
      console.log("open");
      setInterval(() => {}, 1000);
    `;
    const flags = ["--input-type=module", "--eval", script, directory];
    const child = spawn(process.execPath, flags, { stdio: ["ignore", "pipe", "inherit"] });
    try {
      await once(child.stdout, "data");
      await assert.rejects(
        openFileStorage(directory),
        new RegExp(`in use by process ${child.pid}; stop it`),
      );
    } finally {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    // A killed process leaves nothing that would keep the next one out.
    {
      await using storage = await openFileStorage(directory);
      assert.equal((await visitsOf(storage)).length, 100);
      await assert.rejects(openFileStorage(directory), /in use/, "nor twice in one process");
    }
    await using again = await openFileStorage(directory);
    assert.equal((await visitsOf(again)).length, 100);
  });
});

void test("segments that were truncated are used again, and their old blocks stay dead", async () => {
  await withLog(true, async (directory) => {
    let storage = await openFileStorage(directory, { segmentBytes: SEGMENT_BYTES });
    storage.log.truncate(storage.log.end);
    await storage[Symbol.asyncDispose]();
    assert.ok((await readdir(directory)).includes("segment.spare"));
    storage = await openFileStorage(directory, { segmentBytes: SEGMENT_BYTES });
    const kept = (await visitsOf(storage)).length;
    assert.ok(kept < 30);
    for (let i = 0; i < 30; i++) storage.log.append(Buffer.alloc(150, "new"), true);
    await durableAt(storage, storage.log.end);
    assert.ok(!(await readdir(directory)).includes("segment.spare"));
    await storage[Symbol.asyncDispose]();
    storage = await openFileStorage(directory, { segmentBytes: SEGMENT_BYTES });
    assert.equal((await visitsOf(storage)).length, kept + 30);
    await storage[Symbol.asyncDispose]();
  });
});

/** What the directory would hold if the machine stopped now, with the given byte ranges of its only segment never written. */
async function crashedCopy(
  directory: string,
  lost: { from: number; to: number }[],
): Promise<string> {
  const copy = `${directory}-crashed`;
  await cp(directory, copy, { recursive: true });
  await using file = await open(join(copy, "log.0000000000000000"), "r+");
  for (const { from, to } of lost) await file.write(Buffer.alloc(to - from), 0, to - from, from);
  return copy;
}

void test("what a crash left behind a hole does not come back when the hole is filled exactly", async () => {
  const root = await mkdtemp(join(tmpdir(), "atoll-hole-"));
  /** Opens, appends the blocks with one sync for all, and crashes with some of them lost. */
  const life = async (directory: string, names: string[], lose: string[]) => {
    await using storage = await openFileStorage(directory);
    const found = (await visitsOf(storage)).map(({ bytes }) => String(bytes));
    const places = new Map<string, { from: number; to: number }>();
    for (const name of names) {
      const from = storage.log.end;
      places.set(name, { from, to: storage.log.append(Buffer.from(name), false) });
    }
    storage.log.sync();
    await durableAt(storage, storage.log.end);
    const lost = lose.map((name) => places.get(name) as { from: number; to: number });
    return { found, next: await crashedCopy(directory, lost) };
  };
  try {
    const first = await life(join(root, "d"), ["a1", "b1", "c1"], ["b1"]);
    // Exactly as long as what was lost, so that c1 would follow on.
    const second = await life(first.next, ["b2"], []);
    assert.deepEqual(second.found, ["a1"]);
    const third = await life(second.next, ["c3", "d3", "e3"], ["c3", "d3"]);
    assert.deepEqual(third.found, ["a1", "b2"]);
    // e3 is all that is left of its opening. The next opening must not take its number.
    const fourth = await life(third.next, ["c4", "d4"], []);
    assert.deepEqual(fourth.found, ["a1", "b2"]);
    const fifth = await life(fourth.next, [], []);
    assert.deepEqual(fifth.found, ["a1", "b2", "c4", "d4"]);
  } finally {
    await rm(root, { recursive: true });
  }
});

void test("zeros that are written ahead never land on the log", async () => {
  const directory = await mkdtemp(join(tmpdir(), "atoll-fill-"));
  // Zeros arrive late, so that the log catches up with them.
  const late: Files = {
    ...nodeFiles,
    async open(path, create) {
      const file = await nodeFiles.open(path, create);
      return {
        ...file,
        write: (bytes, start, end, position, durable, done) => {
          let turns = position > 0 && bytes.length === 1 << 20 && bytes[0] === 0 ? 20_000 : 0;
          const wait = () => {
            if (turns-- > 0) setImmediate(wait);
            else file.write(bytes, start, end, position, durable, done);
          };
          wait();
        },
      };
    },
  };
  const options = { segmentBytes: 16 << 20, files: late };
  try {
    {
      await using storage = await openFileStorage(directory, options);
      for (let i = 0; i < 180; i++)
        await durableAt(storage, storage.log.append(Buffer.alloc(50_000, i + 1), true));
    }
    await using storage = await openFileStorage(directory, options);
    const found = await visitsOf(storage);
    assert.equal(found.length, 180);
    assert.ok(found.every(({ bytes }, i) => bytes.equals(Buffer.alloc(50_000, i + 1))));
  } finally {
    await rm(directory, { recursive: true });
  }
});

void test("a disk without room for the next segment is full, and the log goes on there when room is back", async () => {
  const directory = await mkdtemp(join(tmpdir(), "atoll-full-"));
  const files = new FaultyFiles();
  const options = { segmentBytes: SEGMENT_BYTES, files };
  try {
    {
      await using storage = await openFileStorage(directory, options);
      const { log } = storage;
      await durableAt(storage, log.append(Buffer.alloc(3000, "a"), true));
      const told: string[] = [];
      log.onRecovered = () => told.push("recovered");
      const full = new Promise<void>((resolve) => {
        log.onFailure = ({ kind, error }) => {
          told.push(kind);
          assert.match(error.message, /out of space/);
          resolve();
        };
      });
      files.full = true;
      log.append(Buffer.alloc(3000, "b"), true);
      await full;
      files.full = false;
      log.sync();
      await durableAt(storage, log.end);
      assert.deepEqual(told, ["full", "recovered"]);
    }
    await using storage = await openFileStorage(directory, options);
    assert.deepEqual(
      (await visitsOf(storage)).map(({ bytes }) => bytes),
      [Buffer.alloc(3000, "a"), Buffer.alloc(3000, "b")],
    );
  } finally {
    await rm(directory, { recursive: true });
  }
});

void test("once the log has failed, a write that was on its way is not reported durable, and closing waits for it", async () => {
  const directory = await mkdtemp(join(tmpdir(), "atoll-failed-"));
  let failZeros: (() => void) | null = null;
  let release: (() => void) | null = null;
  let holding = false;
  const seen: string[] = [];
  const files: Files = {
    ...nodeFiles,
    async open(path, create) {
      const file = await nodeFiles.open(path, create);
      return {
        ...file,
        close: () => {
          if (!path.endsWith("sync-failed")) seen.push("closed");
          return file.close();
        },
        write: (bytes, start, end, position, durable, done) => {
          const go = () =>
            file.write(bytes, start, end, position, durable, (error) => {
              if (holding) seen.push("written");
              done(error);
            });
          if (position > 0 && bytes.length === 1 << 20 && bytes[0] === 0)
            failZeros = () => done(Object.assign(new Error("EIO"), { code: "EIO" }));
          else if (holding) release = go;
          else go();
        },
      };
    },
  };
  try {
    const storage = await openFileStorage(directory, { segmentBytes: 16 << 20, files });
    const { log } = storage;
    await durableAt(storage, log.append(Buffer.alloc(100, "a"), true));
    const before = log.durable;
    holding = true;
    log.append(Buffer.alloc(100, "b"), true);
    const told: string[] = [];
    log.onFailure = ({ kind }) => told.push(kind);
    log.onDurable = () => told.push("durable");
    assert.ok(failZeros !== null && release !== null, "zeros and a write are on their way");
    (failZeros as () => void)();
    // Word of it is left in the directory first.
    while (told.length === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(told, ["failed"]);
    const closing = storage[Symbol.asyncDispose]().then(
      () => assert.fail("what is not stored is not passed over"),
      (error: Error) => error.message,
    );
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(seen, [], "no file is closed under a write");
    (release as () => void)();
    assert.match(await closing, /could not be stored/);
    assert.deepEqual(seen, ["written", "closed"]);
    assert.deepEqual(told, ["failed"]);
    assert.equal(log.durable, before);
  } finally {
    await rm(directory, { recursive: true });
  }
});
