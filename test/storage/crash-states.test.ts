/**
 * Crash states: whatever a crash leaves of what was not synced, the storage opens, has all that it promised, and nothing else.
 *
 * A history is a chain of runs. Each run opens what the crash of the run before left, works, and is crashed at many points in
 * many ways; every state is opened and compared with what was appended and promised up to that moment. One of the states is
 * the next run's beginning, so recoveries are crashed too, and what one crash left behind a hole meets later runs.
 *
 * ATOLL_SEED repeats one history (as far as the machine completes its writes in the same order); ATOLL_CRASH_HISTORIES sets how many there are.
 */
import assert from "node:assert/strict";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { openFileStorage } from "../../src/adapters/storage-files/file-storage.ts";
import type { Storage } from "../../src/host/ports/storage.ts";
import { durableAt, sectionsOf, type Visit, visitsOf } from "../../src/host/ports/storage.suite.ts";
import { TracedFiles } from "./traced-files.ts";

const HISTORIES = Number(process.env["ATOLL_CRASH_HISTORIES"] ?? 24);
const RUNS = 5;
const STATES_PER_RUN = 10;
const SEGMENT_BYTES = 4096;

/** What happened in a run, with the moment of each. */
type Note =
  | { at: number; type: "appended"; visit: Visit }
  | { at: number; type: "durable"; position: number }
  | { at: number; type: "truncating"; position: number }
  | { at: number; type: "installing" | "installed"; sections: Buffer[] }
  | { at: number; type: "saving" | "saved"; bytes: Buffer };

/** What a state may hold. */
interface Promised {
  blocks: Visit[];
  durable: number;
  /** Blocks before it may be gone. */
  truncated: number;
  /** Any of these; null is none. */
  checkpoints: (Buffer[] | null)[];
  identities: (Buffer | null)[];
}

void test("every crash leaves a storage that opens with all it had promised", async () => {
  const only = process.env["ATOLL_SEED"];
  const seeds =
    only === undefined ? Array.from({ length: HISTORIES }, (_, i) => i + 1) : [Number(only)];
  const seen = { states: 0, torn: 0, promised: 0 };
  for (const seed of seeds) {
    try {
      await history(seed, seen);
    } catch (error) {
      throw new Error(
        `ATOLL_SEED=${seed} node --test test/storage/crash-states.test.ts repeats this`,
        { cause: error },
      );
    }
  }
  assert.equal(seen.states, seeds.length * RUNS * STATES_PER_RUN);
  // A test that never tears anything, or never has anything to lose, shows nothing.
  if (only === undefined) assert.ok(seen.torn > seen.states / 20, `${seen.torn} torn`);
  if (only === undefined) assert.ok(seen.promised > seen.states / 2, `${seen.promised} promised`);
});

void test("a directory that is never synced is caught, so the states are cruel enough", async () => {
  const seen = { states: 0, torn: 0, promised: 0 };
  await assert.rejects(async () => {
    for (let seed = 1; seed <= 5; seed++) await history(seed, seen, "directory sync");
  });
});

void test("what a killed process had written is synced before it counts as durable", async () => {
  const root = await mkdtemp(join(tmpdir(), "atoll-killed-"));
  try {
    const killed = join(root, "killed");
    {
      await using storage = await openFileStorage(join(root, "first"));
      for (let i = 0; i < 20; i++) storage.log.append(Buffer.alloc(300, `block ${i} `), false);
      storage.log.sync();
      await durableAt(storage, storage.log.end);
      await cp(join(root, "first"), killed, { recursive: true });
    }
    const traced = await TracedFiles.of(killed, false);
    {
      await using storage = await openFileStorage(killed, { files: traced });
      assert.equal((await visitsOf(storage)).length, 20);
      const moment = traced.now();
      const random = mulberry32(1);
      for (let i = 0; i < 20; i++) {
        const state = join(root, `state-${i}`);
        await traced.layOut(state, moment, random);
        await using after = await openFileStorage(state);
        assert.equal((await visitsOf(after)).length, 20);
      }
    }
  } finally {
    await rm(root, { recursive: true });
  }
});

async function history(
  seed: number,
  seen: { states: number; torn: number; promised: number },
  spoil: TracedFiles["spoil"] = "nothing",
): Promise<void> {
  const random = mulberry32(seed);
  const root = await mkdtemp(join(tmpdir(), `atoll-crash-${seed}-`));
  try {
    let directory = join(root, "run-0");
    let before: Promised = {
      blocks: [],
      durable: 0,
      truncated: 0,
      checkpoints: [null],
      identities: [null],
    };
    for (let run = 0; run < RUNS; run++) {
      const traced = await TracedFiles.of(directory);
      traced.spoil = spoil;
      const { base, notes } = await work(directory, traced, before, random);
      const end = traced.now();
      for (let i = 0; i < STATES_PER_RUN; i++) {
        const moment = Math.ceil(traced.begun + random() * (end - traced.begun));
        const state = join(root, `run-${run}-state-${i}`);
        await traced.layOut(state, moment, random);
        const promised = promisedAt(base, notes, moment);
        const torn = await check(state, promised, `run ${run}, state ${i}, moment ${moment}`);
        seen.states++;
        if (torn) seen.torn++;
        if (promised.durable > base.durable) seen.promised++;
        await rm(state, { recursive: true });
      }
      const moment = Math.ceil(end - (random() * (end - traced.begun)) / 2);
      directory = join(root, `run-${run + 1}`);
      await traced.layOut(directory, moment, random);
      before = promisedAt(base, notes, moment);
    }
  } finally {
    await rm(root, { recursive: true });
  }
}

/** One run: opens what is there and does what a node does, in an order that chance decides. */
async function work(
  directory: string,
  files: TracedFiles,
  before: Promised,
  random: () => number,
): Promise<{ base: Promised; notes: Note[] }> {
  const notes: Note[] = [];
  const recentBytes = 0;
  const options = { segmentBytes: SEGMENT_BYTES, recentBytes, lazyBytes: 2000, files };
  const storage = await openFileStorage(directory, options);
  const { log, checkpoints, identity } = storage;
  try {
    const blocks = await agree(storage, before);
    const base: Promised = {
      blocks,
      durable: log.durable,
      truncated: before.truncated,
      checkpoints: [await sectionsOf(storage)],
      identities: [await identity.load("origin")],
    };
    // What was found is durable from the moment the opening ended; until then it is what it was.
    notes.push({ at: files.now(), type: "durable", position: log.durable });
    const opened = promisedBefore(before, base);
    log.onDurable = (position) => notes.push({ at: files.now(), type: "durable", position });
    log.onFailure = ({ error }) => {
      throw error;
    };
    const pending: Promise<void>[] = [];
    const known = [...blocks];
    const steps = 20 + Math.floor(random() * 40);
    for (let step = 0; step < steps; step++) {
      const dice = random();
      if (dice < 0.7) {
        const size = random() < 0.03 ? 6000 : Math.floor(random() ** 3 * 1500);
        const bytes = Buffer.alloc(size, `${step} ${random()} `);
        const at = files.now();
        const to = log.append(bytes, random() < 0.4);
        const visit = { bytes, from: Number.NaN, to };
        known.push(visit);
        notes.push({ at, type: "appended", visit });
      } else if (dice < 0.76) log.sync();
      else if (dice < 0.82) {
        const position = known[Math.floor(random() * known.length)]?.to ?? 0;
        notes.push({ at: files.now(), type: "truncating", position });
        if (position <= log.durable) log.truncate(position);
      } else if (dice < 0.9) {
        const bytes = Buffer.alloc(Math.floor(random() * 1200), `identity ${random()}`);
        notes.push({ at: files.now(), type: "saving", bytes });
        pending.push(
          identity.save("origin", bytes).then(() => {
            notes.push({ at: files.now(), type: "saved", bytes });
          }),
        );
      } else if (dice < 0.95) {
        const sections = Array.from({ length: 3 }, () =>
          Buffer.alloc(Math.floor(random() * 3000), `section ${random()}`),
        );
        const writer = checkpoints.begin();
        for (const section of sections) await writer.section(section);
        notes.push({ at: files.now(), type: "installing", sections });
        await writer.install();
        notes.push({ at: files.now(), type: "installed", sections });
      }
      if (random() < 0.5) await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(pending);
    return { base: opened, notes };
  } finally {
    await storage[Symbol.asyncDispose]();
  }
}

/** Before the first note of a run a state may be what the crash had left or what the recovery made of it. */
function promisedBefore(before: Promised, opened: Promised): Promised {
  return {
    blocks: opened.blocks,
    durable: before.durable,
    truncated: before.truncated,
    checkpoints: opened.checkpoints,
    identities: opened.identities,
  };
}

function promisedAt(base: Promised, notes: Note[], moment: number): Promised {
  const promised = structuredPromise(base);
  for (const note of notes) {
    if (note.at >= moment) continue;
    switch (note.type) {
      case "appended":
        promised.blocks.push(note.visit);
        break;
      case "durable":
        promised.durable = Math.max(promised.durable, note.position);
        break;
      case "truncating":
        promised.truncated = Math.max(promised.truncated, note.position);
        break;
      case "installing":
        promised.checkpoints.push(note.sections);
        break;
      case "installed":
        promised.checkpoints = promised.checkpoints.slice(
          promised.checkpoints.indexOf(note.sections),
        );
        break;
      case "saving":
        promised.identities.push(note.bytes);
        break;
      case "saved":
        promised.identities = promised.identities.slice(promised.identities.indexOf(note.bytes));
        break;
    }
  }
  return promised;
}

function structuredPromise(base: Promised): Promised {
  return {
    ...base,
    blocks: [...base.blocks],
    checkpoints: [...base.checkpoints],
    identities: [...base.identities],
  };
}

/** Opens a state, compares it, goes on with it, and opens it again. Returns whether appended blocks were lost. */
async function check(directory: string, promised: Promised, where: string): Promise<boolean> {
  try {
    const options = { segmentBytes: SEGMENT_BYTES };
    let blocks: Visit[];
    {
      await using storage = await openFileStorage(directory, options);
      blocks = await agree(storage, promised);
      const bytes = Buffer.from("after the crash");
      const to = storage.log.append(bytes, true);
      blocks.push({ bytes, from: Number.NaN, to });
    }
    await using storage = await openFileStorage(directory, options);
    await agree(storage, { ...promised, blocks, durable: storage.log.end });
    return (promised.blocks.at(-1)?.to ?? 0) > (blocks.at(-2)?.to ?? storage.log.begin);
  } catch (error) {
    throw new Error(where, { cause: error });
  }
}

/** Asserts that the storage holds what it may and must; returns its blocks. */
async function agree(storage: Storage, promised: Promised): Promise<Visit[]> {
  const { log, checkpoints, identity } = storage;
  assert.equal(log.durable, log.end, "what is found is durable");
  const found = await visitsOf(storage);
  const first = found[0];
  const start =
    first === undefined
      ? promised.blocks.length
      : promised.blocks.findIndex(({ to }) => to === first.to);
  assert.notEqual(start, -1, "the first block was never appended");
  for (const [i, { bytes, to }] of found.entries()) {
    const appended = promised.blocks[start + i];
    assert.ok(appended !== undefined, `a block up to ${to} was invented`);
    assert.equal(to, appended.to, "a block is missing between others, or was invented");
    assert.ok(bytes.equals(appended.bytes), `the block up to ${to} has other bytes`);
  }
  const end = found.at(-1)?.to ?? log.begin;
  for (const [i, { to }] of promised.blocks.entries()) {
    if (to > promised.truncated && i < start && first !== undefined)
      assert.fail(`the block up to ${to} was not truncated and is gone`);
    if (to <= promised.durable && to > promised.truncated)
      assert.ok(to <= end, `the block up to ${to} was durable and is gone`);
  }

  for (const number of await checkpoints.list()) await checkpoints.load(() => {}, number);
  oneOf(await sectionsOf(storage), promised.checkpoints, "checkpoint");
  oneOf(await identity.load("origin"), promised.identities, "identity");
  return found;
}

function oneOf<T>(found: T, allowed: T[], what: string): void {
  assert.ok(
    allowed.some((candidate) => isDeepStrictEqual(found, candidate)),
    `the ${what} is neither the last that was promised nor one on its way`,
  );
}

/** A small generator, so that a seed is a history. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
