/**
 * Machine: one computer of the simulation: its clock, its disk and the process on it, which is the production node.
 *
 *   off ─start─► starting ─recovered─► up ─kill, disk failure, assertion─► off
 *                   └─ refused: the directory is not one to start from
 *
 * Invariant: the process hears of the world through its `NodeWorld` and its connections alone, and whatever belongs to an earlier
 * life of it never happens.
 */
import {
  createMemoryStorage,
  MemoryDisk,
} from "../../src/adapters/storage-memory/memory-storage.ts";
import type { Config } from "../../src/host/config.ts";
import { Node, type NodeWorld } from "../../src/host/node.ts";
import { defaultSettings } from "../../src/core/commands/settings.ts";
import type { Storage } from "../../src/host/ports/storage.ts";
import type { Chance } from "./chance.ts";
import type { Network } from "./network.ts";
import type { Served } from "./served.ts";
import type { Event, Owner, Timeline } from "./timeline.ts";
import type { Trace } from "./trace.ts";

/** What a machine's wall clock shows beyond the true time. */
export interface ClockModel {
  /** What it is off by when nothing is wrong. */
  skewMs: number;
  offsetMs: number;
  /** Parts per million by which it runs fast. */
  driftPpm: number;
  /** While set, the clock stands still there. */
  frozenMs: number | null;
}

export interface DiskModel {
  syncUs: number;
  jitterUs: number;
}

/** What the judge wants to hear of a machine. */
export interface MachineEvents {
  started(machine: Machine): void;
  ended(machine: Machine, why: "killed" | "failed" | "refused", error: unknown): void;
  /** A bug: an assertion, or any error that was not caught. */
  broke(machine: Machine, error: unknown): void;
  appended(machine: Machine, block: Uint8Array, to: number): void;
}

/** The beginning of virtual time, in milliseconds since 1970. */
const EPOCH_MS = 1_750_000_000_000;

const BOOT_AHEAD_MAX_MS = 3_000;

export class Machine implements Owner {
  readonly name: string;
  readonly config: Config;
  readonly timeline: Timeline;
  readonly network: Network;
  readonly chance: Chance;
  readonly clock: ClockModel = { skewMs: 0, offsetMs: 0, driftPpm: 0, frozenMs: null };
  readonly diskModel: DiskModel = { syncUs: 500, jitterUs: 500 };
  readonly missed: Event[] = [];
  readonly served = new Set<Served>();
  readonly #trace: Trace;
  readonly #events: MachineEvents;
  disk: MemoryDisk;
  life = 0;
  paused = false;
  state: "off" | "starting" | "up" = "off";
  node: Node | null = null;
  storage: Storage | null = null;
  /** How long the process takes before it carries out a turn: a busy computer. */
  slowUs = 0;
  /** Since when it is started, not paused and its disk takes what it is given; Infinity while it is not. */
  healthySinceUs = Infinity;

  constructor(
    config: Config,
    timeline: Timeline,
    network: Network,
    trace: Trace,
    chance: Chance,
    events: MachineEvents,
  ) {
    this.name = config.member;
    this.config = config;
    this.timeline = timeline;
    this.network = network;
    this.chance = chance;
    this.#trace = trace;
    this.#events = events;
    this.disk = new MemoryDisk(`${this.name} disk 0`);
  }

  wallMs(): number {
    const { offsetMs, driftPpm, frozenMs } = this.clock;
    if (frozenMs !== null) return frozenMs;
    const ms = this.timeline.nowMs;
    return Math.floor(EPOCH_MS + ms + (ms * driftPpm) / 1e6 + offsetMs);
  }

  monoMs(): number {
    return this.timeline.nowMs;
  }

  say(what: string): void {
    this.#trace.say(this.timeline.now, this.name, what);
  }

  /** Runs product code; what it throws is a bug. */
  act(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#events.broke(this, error);
    }
  }

  start(): void {
    if (this.state !== "off") return;
    // Not simulated: a clock that is ahead when the process starts. What is stamped by it waits for that time to come.
    if (this.wallMs() - EPOCH_MS - this.timeline.nowMs > BOOT_AHEAD_MAX_MS) {
      this.clock.offsetMs = this.clock.skewMs;
      this.clock.frozenMs = null;
    }
    this.state = "starting";
    const life = ++this.life;
    const settled = this.#stir();
    const { disk } = this;
    const storage = this.#tapped(
      createMemoryStorage({ disk, schedule: (complete) => this.#disk(complete) }),
    );
    this.storage = storage;
    const { durability, member, region } = this.config;
    const settings = { ...defaultSettings, durability, member, region, protectedMode: false };
    Node.start(this.config, settings, this.#world(storage))
      .then(
        (node) => {
          if (this.life !== life) return;
          this.node = node;
          this.state = "up";
          this.healthySinceUs = this.timeline.now;
          node.failed.catch((error: unknown) => {
            if (this.life === life) this.end("failed", error);
          });
          this.#events.started(this);
          this.network.started(this);
        },
        (error: unknown) => {
          if (this.life === life) this.end("refused", error);
        },
      )
      .catch((error: unknown) => this.#events.broke(this, error))
      .finally(settled);
  }

  kill(): void {
    if (this.state !== "off") this.end("killed", null);
  }

  /** The process ends at once. What of the unsynced blocks reached the disk is chance. */
  end(why: "killed" | "failed" | "refused", error: unknown): void {
    if (this.paused) this.paused = false;
    this.missed.length = 0;
    const keeps = this.chance.unit();
    this.disk.crash(() => this.chance.is(keeps));
    this.timeline.stirring -= this.#stirs.size;
    this.#stirs.clear();
    this.state = "off";
    this.healthySinceUs = Infinity;
    this.life++;
    this.#events.ended(this, why, error);
    this.node = null;
    this.storage = null;
    for (const served of this.served) served.died();
    this.served.clear();
    this.network.killed(this);
  }

  pause(): void {
    if (this.state !== "up") return;
    this.paused = true;
    this.healthySinceUs = Infinity;
  }

  resume(): void {
    if (!this.paused) return;
    this.timeline.resume(this);
    this.healthySinceUs = this.timeline.now;
  }

  #disk(complete: () => void): void {
    const { syncUs, jitterUs } = this.diskModel;
    this.timeline.after(syncUs + this.chance.unit() * jitterUs, "disk", this, () => {
      this.act(complete);
      this.timeline.stirred = true;
    });
  }

  /** Promises are drained while somebody waits for one, and the judge hears of what is appended. */
  #tapped(storage: Storage): Storage {
    const { timeline } = this;
    const { log, checkpoints, identity } = storage;
    const stir = <T>(promise: Promise<T>): Promise<T> => promise.finally(this.#stir());
    const append = log.append.bind(log);
    log.append = (block, sync) => {
      const to = append(block, sync);
      this.#events.appended(this, block, to);
      return to;
    };
    const read = log.read.bind(log);
    log.read = (from, maxBytes, visit) => {
      timeline.stirred = true;
      return read(from, maxBytes, visit);
    };
    return {
      log,
      identity: {
        load: (name) => stir(identity.load(name)),
        save: (name, bytes) => stir(identity.save(name, bytes)),
        fingerprint: () => stir(identity.fingerprint()),
      },
      checkpoints: {
        list: () => checkpoints.list(),
        load: (visit, number) => checkpoints.load(visit, number),
        begin: () => {
          const writer = checkpoints.begin();
          const done = this.#stir();
          return {
            section: (bytes) => writer.section(bytes),
            install: () => writer.install().finally(done),
            abandon: () => writer.abandon().finally(done),
          };
        },
      },
      [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
    };
  }

  /** Somebody waits for a promise until the returned function is called, or this life ends. */
  #stir(): () => void {
    const stirs = this.#stirs;
    const wait = {};
    stirs.add(wait);
    this.timeline.stirring++;
    return () => {
      if (stirs.delete(wait)) this.timeline.stirring--;
    };
  }

  readonly #stirs = new Set<object>();

  #world(storage: Storage): NodeWorld {
    const { timeline, chance } = this;
    return {
      storage,
      log: {
        info: () => {},
        warn: (facts, message) => this.say(`says: ${message}${errorIn(facts)}`),
        error: (facts, message) => this.say(`says: ${message}${errorIn(facts)}`),
      },
      version: "0.0.0",
      pid: 1,
      wallMs: () => this.wallMs(),
      monoMs: () => this.monoMs(),
      random: () => chance.u32(),
      memory: () => ({ rssBytes: 0, heapBytes: 0 }),
      soon: (callback) =>
        timeline.after(this.slowUs + chance.below(100), "soon", this, () => this.act(callback)),
      every: (ms, callback) => {
        let on = true;
        const again = (): void =>
          timeline.after(ms * 1000, "timer", this, () => {
            if (!on) return;
            again();
            this.act(callback);
          });
        again();
        return () => (on = false);
      },
    };
  }
}

function errorIn(facts: object): string {
  const { error } = facts as { error?: unknown };
  return error instanceof Error ? ` (${error.message})` : "";
}
