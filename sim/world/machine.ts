/**
 * Machine: one computer of the simulation: its clock, its disk and the process on it, which is the production node.
 *
 *   off ─start─► starting ─recovered─► up ─kill, disk failure, assertion─► off
 *                   └─ refused: the directory is not one to start from
 *
 * Invariant: the process hears of the world through its `NodeWorld` and its connections alone, and whatever belongs to an earlier
 * life of it never happens.
 */
import { assert } from "../../src/core/assert.ts";
import { openFileStorage } from "../../src/adapters/storage-files/file-storage.ts";
import { ALONE_MAX_MS } from "../../src/core/clock/boot-time.ts";
import type { Config } from "../../src/host/config.ts";
import { Node } from "../../src/host/node.ts";
import type { NodeWorld } from "../../src/host/node-world.ts";
import { defaultSettings } from "../../src/core/commands/settings.ts";
import { DOCUMENTS } from "../../src/engines/documents/documents.ts";
import { luaScripting } from "../../src/engines/lua/scripting/lua-scripting.ts";
import type { Storage } from "../../src/host/ports/storage.ts";
import type { Chance } from "./chance.ts";
import { Disk, type Loss } from "./disk.ts";
import { Harms } from "./harm.ts";
import type { Network } from "./network.ts";
import type { Served } from "./served.ts";
import type { Event, Owner, Timeline } from "./timeline.ts";
import type { Trace } from "./trace.ts";

/** What a machine's wall clock shows beyond the true time. */
export interface ClockModel {
  /** What it is off by when nothing is wrong. */
  skewMs: number;
  offsetMs: number;
  /** Parts per million by which it runs fast, and since when. */
  driftPpm: number;
  driftSinceMs: number;
  /** While set, the clock stands still there. */
  frozenMs: number | null;
}

export interface DiskModel {
  syncUs: number;
  jitterUs: number;
  segmentBytes: number;
}

/** What the judge wants to hear of a machine. */
export interface MachineEvents {
  started(machine: Machine): void;
  ended(machine: Machine, why: "killed" | "failed" | "refused", error: unknown): void;
  /** A bug: an assertion, or any error that was not caught. */
  broke(machine: Machine, error: unknown): void;
  appended(machine: Machine, block: Uint8Array, to: number): void;
  /** A snapshot has taken the place of what a machine had. */
  superseded(): void;
}

/** The beginning of virtual time, in milliseconds since 1970. */
const EPOCH_MS = 1_750_000_000_000;

const BOOT_AHEAD_MAX_MS = 3_000;
const DIRECTORY = "/data";
/** A clock that is off by less changes no decision. */
const CLOCK_FELT_MS = 3;
const COMES_FROM_OUTSIDE = new Set(["frame", "client bytes", "disk", "end"]);
/** What scripts may hold: little, so that those which are stopped are stopped soon. */
const SCRIPTS_MAX_BYTES = 1 << 20;
/** Little, so that readers have to go to the disk. */
const RECENT_BYTES = 64 << 10;
/** What a write or a read takes that need not wait for the device. */
const CACHE_US = 30;

export class Machine implements Owner {
  readonly name: string;
  readonly config: Config;
  readonly timeline: Timeline;
  readonly network: Network;
  readonly chance: Chance;
  readonly clock: ClockModel = {
    skewMs: 0,
    offsetMs: 0,
    driftPpm: 0,
    driftSinceMs: 0,
    frozenMs: null,
  };
  readonly diskModel: DiskModel = { syncUs: 500, jitterUs: 500, segmentBytes: 64 << 10 };
  /** How fast its monotonic clock runs: 1 is right. */
  monoRate = 1;
  /** How much a turn of its process holds. */
  turnSteps = 0;
  /** How long its log may be before others are filled by a copy. */
  copyBeyondBytes = 0;
  /** From how much garbage on its process thins it. */
  thinnedFrom = 0;
  /** Whether its keys rest as soon as they may: there are too few of them for any to rest otherwise. */
  restsKeys = false;
  readonly missed: Event[] = [];
  readonly served = new Set<Served>();
  readonly #trace: Trace;
  readonly #events: MachineEvents;
  disk: Disk;
  /** What makes its disk, its processor and its clock worse than they are. */
  readonly diskHarms = new Harms();
  readonly processorHarms = new Harms();
  readonly clockHarms = new Harms();
  readonly pauses = new Harms();
  /** What was done to bytes that lie on its disk: felt when the process says that they are damaged. */
  readonly damages = new Harms();
  /** Called when the process says so and goes on. */
  onDamage: (message: string) => void = () => {};
  /** Its disk is not the first: what the cluster has, others have. */
  waitsForPeers = false;
  life = 0;
  /** All of the world. */
  machines: () => readonly Machine[] = () => [this];
  /** It was taken away, and is not started again. */
  isGone = false;
  paused = false;
  state: "off" | "starting" | "up" = "off";
  node: Node | null = null;
  storage: Storage | null = null;
  /** How long the process takes before it carries out a turn: a busy computer. */
  slowUs = 0;
  /** Faults that make its disk slow now. */
  slowDisks = 0;
  /** Since when it is started, not paused and its disk takes what it is given; Infinity while it is not. */
  healthySinceUs = Infinity;

  constructor(
    config: Config,
    timeline: Timeline,
    network: Network,
    trace: Trace,
    chance: Chance,
    events: MachineEvents,
    disk: number,
  ) {
    this.name = config.member;
    this.config = config;
    this.timeline = timeline;
    this.network = network;
    this.chance = chance;
    this.#trace = trace;
    this.#events = events;
    this.disk = new Disk(disk);
  }

  wallMs(): number {
    const { offsetMs, driftPpm, driftSinceMs, frozenMs } = this.clock;
    if (frozenMs !== null) return frozenMs;
    const ms = this.timeline.nowMs;
    return Math.floor(EPOCH_MS + ms + ((ms - driftSinceMs) * driftPpm) / 1e6 + offsetMs);
  }

  /** As the process reads it. */
  #readWallMs(): number {
    const wallMs = this.wallMs();
    const rightMs = EPOCH_MS + this.timeline.nowMs + this.clock.skewMs;
    if (Math.abs(wallMs - rightMs) >= CLOCK_FELT_MS) this.clockHarms.felt();
    return wallMs;
  }

  /** The true time, in milliseconds since 1970. */
  get trueMs(): number {
    return EPOCH_MS + this.timeline.nowMs;
  }

  monoMs(): number {
    return this.timeline.nowMs * this.monoRate;
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

  /** A timer of the process has come to its end. */
  #turn(callback: () => void): void {
    const { timeline } = this;
    const before = timeline.deeds;
    this.act(callback);
    if (timeline.deeds > before) timeline.events++;
  }

  /**
   * Whether a clock that is ahead when the process starts is noticed whatever happens. Not simulated: one that is ahead by less than a
   * process believes that hears nobody, or while another one is wrong, which may confirm it.
   */
  #isContained(aheadMs: number): boolean {
    if (aheadMs < 2 * ALONE_MAX_MS) return false;
    return this.machines().every(
      (one) => one === this || Math.abs(one.wallMs() - one.trueMs) < BOOT_AHEAD_MAX_MS,
    );
  }

  start(): void {
    if (this.state !== "off" || this.isGone) return;
    const aheadMs = this.wallMs() - this.trueMs;
    if (aheadMs > BOOT_AHEAD_MAX_MS && !this.#isContained(aheadMs)) {
      this.clock.offsetMs = this.clock.skewMs;
      this.clock.frozenMs = null;
    }
    this.state = "starting";
    const life = ++this.life;
    const settled = this.#stir();
    this.#recover()
      .then(
        (node) => {
          if (this.life !== life) return;
          this.node = node;
          node.replica.garbage.thinnedFrom = this.thinnedFrom;
          if (this.restsKeys) node.replica.keyspace.awake = 0;
          this.state = "up";
          this.recovered(0);
          void node.superseded.then(() => {
            if (this.life !== life) return;
            this.say("starts anew on a snapshot");
            this.#events.superseded();
            this.end("killed", null);
            this.start();
          });
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

  async #recover(): Promise<Node> {
    const { disk, timeline, chance, life } = this;
    disk.world = {
      schedule: (complete, isSync) => this.#disk(complete, isSync),
      stir: () => (timeline.stirred = true),
    };
    const storage = this.#tapped(
      await openFileStorage(DIRECTORY, {
        segmentBytes: this.diskModel.segmentBytes,
        recentBytes: RECENT_BYTES,
        files: disk,
        computer: {
          lock: () => {
            // What a process had begun when it ended goes no further.
            if (this.life !== life) throw new Error("the process has ended");
            return disk.lock();
          },
          id: async () => this.name,
          randomBytes: (count) =>
            Buffer.from(Array.from({ length: count }, () => chance.below(256))),
          later: (ms, callback) => this.#later(ms, callback),
        },
      }),
    );
    // It ended while the disk was read.
    if (this.life !== life) return new Promise(() => {});
    this.storage = storage;
    const { durability, member, region } = this.config;
    const settings = { ...defaultSettings, durability, member, region, protectedMode: false };
    const config = this.waitsForPeers
      ? { ...this.config, join: { waitMs: Infinity } }
      : this.config;
    return Node.start(config, settings, this.#world(storage));
  }

  #hear(facts: object, message: string): void {
    this.say(`says: ${message}${errorIn(facts)}`);
    if (!/cannot be (read|used)/.test(message)) return;
    this.damages.felt();
    this.onDamage(message);
  }

  #later(ms: number, callback: () => void): () => void {
    let on = true;
    this.timeline.after(ms * 1000, "later", this, () => {
      if (on) this.#turn(callback);
    });
    return () => (on = false);
  }

  /** Ends the process; `losesPower` says whether the machine goes with it. Returns what the disk lost. */
  kill(losesPower = this.chance.is(0.7)): Loss {
    if (this.state === "off") return { sectors: 0, names: 0 };
    return this.end("killed", null, losesPower);
  }

  /** The process ends at once. If the power is lost too, it is chance what of the unsynced sectors reached the disk. */
  end(why: "killed" | "failed" | "refused", error: unknown, losesPower = false): Loss {
    if (this.paused) this.paused = false;
    this.missed.length = 0;
    const keeps = this.chance.unit();
    const loss = this.disk.crash(losesPower ? () => this.chance.is(keeps) : null);
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
    return loss;
  }

  pause(): void {
    if (this.state !== "up") return;
    this.paused = true;
    this.healthySinceUs = Infinity;
  }

  resume(): void {
    if (!this.paused) return;
    if (this.missed.some(({ kind }) => COMES_FROM_OUTSIDE.has(kind))) this.pauses.felt();
    this.timeline.resume(this);
    this.recovered(0);
  }

  /** Something that kept it from answering is over; `afterUs` from now it is as if that had never been. */
  recovered(afterUs: number): void {
    if (this.state === "up" && !this.paused && this.slowDisks === 0)
      this.healthySinceUs = this.timeline.now + afterUs;
  }

  #disk(complete: () => void, isSync: boolean): void {
    const { syncUs, jitterUs } = this.diskModel;
    if (isSync) this.diskHarms.felt();
    const afterUs = isSync ? syncUs + this.chance.unit() * jitterUs : CACHE_US;
    this.timeline.deeds++;
    this.timeline.after(afterUs, "disk", this, () => {
      this.timeline.events++;
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
      timeline.deeds++;
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
    const waiting = new Set<() => void>();
    return {
      storage,
      log: {
        info: () => {},
        warn: (facts, message) => this.#hear(facts, message),
        error: (facts, message) => this.#hear(facts, message),
      },
      version: "0.0.0",
      pid: 1,
      turnSteps: this.turnSteps,
      copyBeyondBytes: this.copyBeyondBytes,
      wallMs: () => this.#readWallMs(),
      monoMs: () => this.monoMs(),
      random: () => chance.u32(),
      memory: () => ({ rssBytes: 0, heapBytes: 0 }),
      engines: [DOCUMENTS],
      scripting: () => luaScripting(SCRIPTS_MAX_BYTES),
      resolver: (name) => {
        throw new Error(`${name}: nothing is loaded here`);
      },
      soon: (callback) => {
        if (this.slowUs > 1_000) this.processorHarms.felt();
        // Whoever waits twice has two turns where others have one.
        assert(!waiting.has(callback), "nobody waits twice for what is done soon");
        waiting.add(callback);
        timeline.after(this.slowUs + chance.below(100), "soon", this, () => {
          waiting.delete(callback);
          this.#turn(callback);
        });
      },
      every: (ms, callback) => {
        let on = true;
        const again = (): void =>
          timeline.after(ms * 1000, "timer", this, () => {
            if (!on) return;
            again();
            this.#turn(callback);
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
