/**
 * Storage suite: every promise of the storage port, as a test that every adapter passes.
 *
 * An adapter hands in a `place`: somewhere a storage can be opened, closed, opened again, and crashed.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Position, Storage } from "./storage.ts";

/** Somewhere to open a storage. */
export interface StoragePlace {
  /** Opens what is there. The storage before must have been disposed or crashed. */
  open(): Promise<Storage>;
  /** Ends the open storage as a crash of the machine does: what was durable stays, of the rest anything may. */
  crash(): Promise<void>;
  /** From now on the disk takes nothing more, until called with false. */
  fill(full: boolean): void;
  /** The next sync fails, once; what it should have made durable is lost in a crash. */
  failSync(): void;
  /** Removes everything. */
  clear(): Promise<void>;
}

export interface StorageSuiteLimits {
  /** Payload bytes that certainly fill several segments, in blocks of a hundredth of it. */
  severalSegmentsBytes: number;
}

/** Declares the tests. `makePlace` makes an empty place. */
export function storageSuite(
  name: string,
  makePlace: () => Promise<StoragePlace>,
  limits: StorageSuiteLimits,
): void {
  const inPlace = (sentence: string, body: (place: StoragePlace) => Promise<void>): void => {
    void test(sentence, async () => {
      const place = await makePlace();
      try {
        await body(place);
      } finally {
        await place.clear();
      }
    });
  };

  suite(`${name}: the log`, () => {
    inPlace("an empty log begins, ends and is durable at one place", async (place) => {
      await using storage = await place.open();
      const { log } = storage;
      assert.equal(log.begin, log.end);
      assert.equal(log.durable, log.end);
      assert.deepEqual(await blocksOf(storage), []);
    });

    inPlace("a synced block is reported durable and survives a crash", async (place) => {
      const before = await place.open();
      const heard = listen(before);
      const end = before.log.append(Buffer.from("milk"), true);
      assert.equal(before.log.end, end);
      assert.equal(heard.length, 0, "nothing is durable within the call that appends it");
      await durableAt(before, end);
      await place.crash();
      await using after = await place.open();
      assert.deepEqual(await textsOf(after), ["milk"]);
      assert.equal(after.log.end, end);
      assert.equal(after.log.durable, end);
    });

    inPlace("blocks become durable in order, many with one report", async (place) => {
      await using storage = await place.open();
      const heard = listen(storage);
      const ends = Array.from({ length: 200 }, (_, i) =>
        storage.log.append(Buffer.from(`block ${i}`), true),
      );
      await durableAt(storage, ends.at(-1) as Position);
      assert.deepEqual(
        heard,
        heard.toSorted((a, b) => a - b),
      );
      assert.equal(new Set(heard).size, heard.length, "no report comes twice");
      assert.ok(
        heard.every((position) => ends.includes(position)),
        "durable ends where a block ends",
      );
      assert.ok(heard.length < ends.length, "appends of one turn share their syncs");
    });

    inPlace(
      "a block that nobody asked to sync becomes durable with the next sync",
      async (place) => {
        const before = await place.open();
        before.log.append(Buffer.from("relaxed"), false);
        const end = before.log.append(Buffer.from("also relaxed"), false);
        before.log.sync();
        await durableAt(before, end);
        await place.crash();
        await using after = await place.open();
        assert.deepEqual(await textsOf(after), ["relaxed", "also relaxed"]);
      },
    );

    inPlace("a synced block takes the relaxed ones before it along", async (place) => {
      const before = await place.open();
      before.log.append(Buffer.from("relaxed"), false);
      await durableAt(before, before.log.append(Buffer.from("synced"), true));
      await place.crash();
      await using after = await place.open();
      assert.deepEqual(await textsOf(after), ["relaxed", "synced"]);
    });

    inPlace(
      "after a crash there is a beginning of what was appended, never a hole",
      async (place) => {
        const before = await place.open();
        await durableAt(before, before.log.append(Buffer.from("0"), true));
        for (let i = 1; i < 50; i++) before.log.append(Buffer.from(String(i)), i % 2 === 0);
        await place.crash();
        await using after = await place.open();
        const found = await textsOf(after);
        assert.ok(found.length >= 1);
        assert.deepEqual(
          found,
          found.map((_, i) => String(i)),
        );
      },
    );

    inPlace("the caller may use its buffer again at once", async (place) => {
      await using storage = await place.open();
      const buffer = Buffer.from("first");
      storage.log.append(buffer, true);
      buffer.fill("x");
      await durableAt(storage, storage.log.append(Buffer.from("second"), true));
      assert.deepEqual(await textsOf(storage), ["first", "second"]);
    });

    inPlace("blocks are read before they are durable", async (place) => {
      await using storage = await place.open();
      storage.log.append(Buffer.from("fresh"), false);
      assert.deepEqual(await textsOf(storage), ["fresh"]);
    });

    inPlace("an empty block is a block", async (place) => {
      const before = await place.open();
      const begin = before.log.end;
      const end = before.log.append(Buffer.alloc(0), true);
      assert.ok(end > begin);
      await before[Symbol.asyncDispose]();
      await using after = await place.open();
      assert.deepEqual(await textsOf(after), [""]);
    });

    inPlace(
      "positions lead from block to block and mean the same after a restart",
      async (place) => {
        const before = await place.open();
        const payloads = manyPayloads(limits);
        for (const payload of payloads) before.log.append(payload, true);
        const seen = await visitsOf(before);
        assert.deepEqual(
          seen.map(({ bytes }) => bytes),
          payloads,
        );
        for (const [i, { from, to }] of seen.entries()) {
          assert.ok(from < to);
          if (i > 0) assert.ok(from >= (seen[i - 1]?.to ?? 0), "positions grow");
        }
        await before[Symbol.asyncDispose]();
        await using after = await place.open();
        assert.deepEqual(await visitsOf(after), seen);
        const middle = seen[50] as Visit;
        assert.deepEqual(await visitsOf(after, middle.from), seen.slice(50), "from a beginning");
        assert.deepEqual(await visitsOf(after, middle.to), seen.slice(51), "from an end");
      },
    );

    inPlace("a read stops after the bytes it was asked for, and always gets on", async (place) => {
      await using storage = await place.open();
      for (let i = 0; i < 10; i++) storage.log.append(Buffer.alloc(1000, i), false);
      const sizes: number[] = [];
      let at = storage.log.begin;
      while (at < storage.log.end) {
        let count = 0;
        at = await storage.log.read(at, 2500, () => count++);
        sizes.push(count);
      }
      assert.deepEqual(sizes, [3, 3, 3, 1]);
      let single = 0;
      await storage.log.read(storage.log.begin, 1, () => single++);
      assert.equal(single, 1);
    });

    inPlace("a read outside the log is refused", async (place) => {
      await using storage = await place.open();
      const end = storage.log.append(Buffer.from("x"), true);
      await assert.rejects(
        storage.log.read(end + 1, 1, () => {}),
        RangeError,
      );
      await assert.rejects(
        storage.log.read(storage.log.begin - 1, 1, () => {}),
        RangeError,
      );
    });

    inPlace("a block larger than anything before it comes back whole", async (place) => {
      const large = Buffer.alloc(limits.severalSegmentsBytes, "large");
      const before = await place.open();
      before.log.append(Buffer.from("small"), true);
      before.log.append(large, true);
      before.log.append(Buffer.from("small again"), true);
      await before[Symbol.asyncDispose]();
      await using after = await place.open();
      const found = await visitsOf(after);
      assert.equal(found.length, 3);
      assert.ok(large.equals(found[1]?.bytes as Buffer));
      assert.equal(String(found[2]?.bytes), "small again");
    });

    inPlace("what is truncated is at most what was allowed, and the rest stays", async (place) => {
      const before = await place.open();
      for (const payload of manyPayloads(limits)) before.log.append(payload, true);
      await durableAt(before, before.log.end);
      const seen = await visitsOf(before);
      const cut = seen[60] as Visit;
      const oldBegin = before.log.begin;
      before.log.truncate(cut.from);
      assert.ok(before.log.begin > oldBegin, "something was forgotten");
      assert.ok(before.log.begin <= cut.from);
      assert.deepEqual(await visitsOf(before, cut.from), seen.slice(60));
      await assert.rejects(
        before.log.read(oldBegin, 1, () => {}),
        RangeError,
      );
      const begin = before.log.begin;
      before.log.append(Buffer.from("later"), true);
      await before[Symbol.asyncDispose]();
      await using after = await place.open();
      assert.equal(after.log.begin, begin);
      assert.deepEqual((await visitsOf(after, cut.from)).slice(0, -1), seen.slice(60));
    });

    inPlace(
      "the end of a block can be read from although everything before it was truncated",
      async (place) => {
        await using storage = await place.open();
        for (const payload of manyPayloads(limits)) storage.log.append(payload, true);
        await durableAt(storage, storage.log.end);
        const seen = await visitsOf(storage);
        for (const [i, { to }] of seen.entries()) {
          storage.log.truncate(to);
          assert.equal((await visitsOf(storage, to)).length, seen.length - i - 1);
        }
      },
    );

    inPlace("a new opening goes on where the last one ended", async (place) => {
      const all: string[] = [];
      for (let opening = 0; opening < 4; opening++) {
        const storage = await place.open();
        assert.deepEqual(await textsOf(storage), all);
        const text = `opening ${opening}`;
        all.push(text);
        await durableAt(storage, storage.log.append(Buffer.from(text), true));
        if (opening % 2 === 0) await place.crash();
        else await storage[Symbol.asyncDispose]();
      }
    });

    inPlace("closing stores what nobody had asked to sync", async (place) => {
      const before = await place.open();
      before.log.append(Buffer.from("relaxed"), false);
      await before[Symbol.asyncDispose]();
      await using after = await place.open();
      assert.deepEqual(await textsOf(after), ["relaxed"]);
    });

    inPlace("after a failed sync nothing is ever called durable again", async (place) => {
      const storage = await place.open();
      const stored = storage.log.append(Buffer.from("stored"), true);
      await durableAt(storage, stored);
      const heard = listen(storage);
      const failures: string[] = [];
      const failed = new Promise<void>((resolve) => {
        storage.log.onFailure = ({ kind, error }) => {
          assert.ok(error.cause instanceof Error, "the failure names its cause");
          failures.push(kind);
          resolve();
        };
      });
      place.failSync();
      storage.log.append(Buffer.from("lost"), true);
      await failed;
      storage.log.append(Buffer.from("after"), true);
      storage.log.sync();
      await assert.rejects(storage.log.close());
      assert.deepEqual(failures, ["failed"]);
      assert.deepEqual(heard, []);
      assert.equal(storage.log.durable, stored);
      await place.crash();
      await using after = await place.open();
      assert.equal((await textsOf(after))[0], "stored");
    });

    inPlace(
      "a full disk keeps what was durable and takes what waited when space is back",
      async (place) => {
        const storage = await place.open();
        await durableAt(storage, storage.log.append(Buffer.from("before"), true));
        const heard = listen(storage);
        const told: string[] = [];
        let wake = () => {};
        storage.log.onFailure = ({ kind }) => {
          told.push(kind);
          wake();
        };
        storage.log.onRecovered = () => told.push("recovered");
        place.fill(true);
        const full = new Promise<void>((resolve) => (wake = resolve));
        storage.log.append(Buffer.from("waits"), true);
        await full;
        const end = storage.log.append(Buffer.from("waits too"), true);
        storage.log.sync();
        assert.deepEqual(heard, []);
        assert.deepEqual(await textsOf(storage), ["before", "waits", "waits too"]);
        place.fill(false);
        storage.log.sync();
        await retried(storage, end);
        assert.deepEqual(told, ["full", "recovered"], "one episode, one report");
        await place.crash();
        await using after = await place.open();
        assert.deepEqual(await textsOf(after), ["before", "waits", "waits too"]);
      },
    );

    inPlace("a crash while the disk is full loses only what was never durable", async (place) => {
      const storage = await place.open();
      await durableAt(storage, storage.log.append(Buffer.from("before"), true));
      const full = new Promise<void>((resolve) => (storage.log.onFailure = () => resolve()));
      place.fill(true);
      storage.log.append(Buffer.from("waits"), true);
      await full;
      await place.crash();
      place.fill(false);
      await using after = await place.open();
      assert.equal((await textsOf(after))[0], "before");
    });
  });

  suite(`${name}: checkpoints`, () => {
    inPlace("there is none at first", async (place) => {
      await using storage = await place.open();
      assert.equal(await storage.checkpoints.load(() => {}), null);
      assert.deepEqual(await storage.checkpoints.list(), []);
    });

    inPlace(
      "an installed checkpoint comes back section by section after a crash",
      async (place) => {
        const sections = [1, 0, 300_000, 5, 1 << 20].map((length, i) =>
          Buffer.alloc(length, i + 1),
        );
        const before = await place.open();
        await install(before, sections);
        await place.crash();
        await using after = await place.open();
        assert.deepEqual(await sectionsOf(after), sections);
      },
    );

    inPlace("a newer checkpoint takes the place of the older one", async (place) => {
      await using storage = await place.open();
      await install(storage, [Buffer.from("old")]);
      const [old] = await storage.checkpoints.list();
      await install(storage, [Buffer.from("new"), Buffer.from("er")]);
      const numbers = await storage.checkpoints.list();
      assert.equal(numbers.length, 1);
      assert.ok((numbers[0] ?? 0) > (old ?? 0));
      assert.deepEqual(await sectionsOf(storage), [Buffer.from("new"), Buffer.from("er")]);
      assert.equal(await storage.checkpoints.load(() => {}, old), null);
    });

    inPlace(
      "a checkpoint that was abandoned or interrupted leaves the older one",
      async (place) => {
        const before = await place.open();
        await install(before, [Buffer.from("old")]);
        const abandoned = before.checkpoints.begin();
        await abandoned.section(Buffer.from("abandoned"));
        await abandoned.abandon();
        assert.deepEqual(await sectionsOf(before), [Buffer.from("old")]);
        const interrupted = before.checkpoints.begin();
        await interrupted.section(Buffer.alloc(1 << 20, "interrupted"));
        await place.crash();
        await using after = await place.open();
        assert.deepEqual(await sectionsOf(after), [Buffer.from("old")]);
        assert.equal((await after.checkpoints.list()).length, 1);
      },
    );

    inPlace("a section's buffer may be used again at once", async (place) => {
      await using storage = await place.open();
      const writer = storage.checkpoints.begin();
      const buffer = Buffer.from("first");
      const written = writer.section(buffer);
      buffer.fill("x");
      await written;
      await writer.install();
      assert.deepEqual(await sectionsOf(storage), [Buffer.from("first")]);
    });
  });

  suite(`${name}: identity`, () => {
    inPlace("what was never saved is null", async (place) => {
      await using storage = await place.open();
      assert.equal(await storage.identity.load("origin"), null);
    });

    inPlace("what was saved last survives a crash", async (place) => {
      const before = await place.open();
      await before.identity.save("origin", Buffer.from("a longer first one"));
      await before.identity.save("origin", Buffer.from("second"));
      await before.identity.save("member", Buffer.alloc(0));
      await place.crash();
      await using after = await place.open();
      assert.deepEqual(await after.identity.load("origin"), Buffer.from("second"));
      assert.deepEqual(await after.identity.load("member"), Buffer.alloc(0));
    });

    inPlace("two savings at once end with the later one", async (place) => {
      await using storage = await place.open();
      const first = storage.identity.save("origin", Buffer.from("first"));
      const second = storage.identity.save("origin", Buffer.from("second"));
      await Promise.all([first, second]);
      assert.deepEqual(await storage.identity.load("origin"), Buffer.from("second"));
    });

    inPlace("the fingerprint stays while the place does", async (place) => {
      const before = await place.open();
      const fingerprint = await before.identity.fingerprint();
      for (const payload of manyPayloads(limits)) before.log.append(payload, true);
      await durableAt(before, before.log.end);
      assert.equal(await before.identity.fingerprint(), fingerprint, "whatever was written");
      await before[Symbol.asyncDispose]();
      await using after = await place.open();
      assert.equal(await after.identity.fingerprint(), fingerprint);
    });

    inPlace("another place has another fingerprint", async (place) => {
      const other = await makePlace();
      try {
        await using here = await place.open();
        await using there = await other.open();
        assert.notEqual(await here.identity.fingerprint(), await there.identity.fingerprint());
      } finally {
        await other.clear();
      }
    });
  });
}

export interface Visit {
  bytes: Buffer;
  from: Position;
  to: Position;
}

/** Every block from `from` on, in reads of a size that does not divide anything. */
export async function visitsOf(storage: Storage, from = storage.log.begin): Promise<Visit[]> {
  const visits: Visit[] = [];
  let at = from;
  while (at < storage.log.end) {
    const to = await storage.log.read(at, 10_007, (bytes, blockFrom, blockTo) =>
      visits.push({ bytes: Buffer.from(bytes), from: blockFrom, to: blockTo }),
    );
    assert.ok(to > at, "a read gets on");
    at = to;
  }
  return visits;
}

async function blocksOf(storage: Storage): Promise<Buffer[]> {
  return (await visitsOf(storage)).map(({ bytes }) => bytes);
}

async function textsOf(storage: Storage): Promise<string[]> {
  return (await blocksOf(storage)).map(String);
}

/** Resolves when the log has reported `position` durable. Listeners that were there hear it too. */
export function durableAt(storage: Storage, position: Position): Promise<void> {
  const { log } = storage;
  if (log.durable >= position) return Promise.resolve();
  return new Promise((resolve) => {
    const before = log.onDurable;
    log.onDurable = (durable) => {
      before(durable);
      if (durable < position) return;
      log.onDurable = before;
      resolve();
    };
  });
}

/** As `durableAt`, asking for another try now and then as a host does while the disk is full. */
async function retried(storage: Storage, position: Position): Promise<void> {
  while (storage.log.durable < position) {
    storage.log.sync();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function listen(storage: Storage): Position[] {
  const heard: Position[] = [];
  storage.log.onDurable = (durable) => heard.push(durable);
  return heard;
}

function manyPayloads(limits: StorageSuiteLimits): Buffer[] {
  const each = Math.ceil(limits.severalSegmentsBytes / 100);
  return Array.from({ length: 100 }, (_, i) => Buffer.alloc(each - (i % 7), `payload ${i} `));
}

async function install(storage: Storage, sections: Buffer[]): Promise<void> {
  const writer = storage.checkpoints.begin();
  for (const section of sections) await writer.section(section);
  await writer.install();
}

/** The sections of the newest checkpoint. */
export async function sectionsOf(storage: Storage): Promise<Buffer[] | null> {
  const sections: Buffer[] = [];
  const loaded = await storage.checkpoints.load((section, index) => {
    assert.equal(index, sections.length);
    sections.push(Buffer.from(section));
  });
  if (loaded !== null) assert.equal(loaded.sections, sections.length);
  return loaded && sections;
}
