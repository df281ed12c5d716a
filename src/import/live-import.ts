/**
 * Live import: a running Redis is copied into a node, and followed until clients can be sent there.
 *
 *   connect ─► is the target empty? ─► PSYNC ─► load ─► follow ─► caught up ─► [pause writes ─► caught up again] ─► compare
 *                                        └─ refused ─► SCAN and DUMP ─► passes over what differs ──────────────────┘
 *
 * Invariant: nothing is left behind at the source (a pause ends with whoever asked for it, unless the import succeeded), and at any end
 * the import can be begun again: it overwrites what an earlier one wrote. A stream that broke is gone on from where it broke; where the
 * source cannot, everything is loaded anew.
 */
import { setTimeout as after } from "node:timers/promises";
import { type Address, nameOf as nameOfAddress } from "../adapters/redis-client/address.ts";
import { RedisClient } from "../adapters/redis-client/redis-client.ts";
import {
  PsyncRefused,
  RedisReplica,
  type StreamPosition,
} from "../adapters/redis-client/redis-replica.ts";
import { Lost, Unwilling } from "../adapters/redis-client/redis-socket.ts";
import { compare, type Comparison } from "./compare.ts";
import { databases, infoOf, scan } from "./keys.ts";
import { load } from "./load.ts";
import type { Progress } from "./progress.ts";
import { copyKeys, copyLibraries, type CopySides, removeOthers } from "./scan-copy.ts";
import { nameOf, type Selection, verdictOn } from "./selection.ts";
import { Target } from "./target.ts";

export interface ImportOptions {
  readonly source: Address;
  readonly target: Address;
  /** By PSYNC if the source lets us. */
  readonly method: "auto" | "psync" | "scan";
  readonly selection: Selection;
  /** Whether the target may have selected keys already. */
  readonly replace: boolean;
  /** Whether those that the source does not have are removed. */
  readonly mirror: boolean;
  /** Whether to end when the target has caught up, and not only when told. */
  readonly untilCaughtUp: boolean;
  /** For how long to pause writes at the source in the end; null for not at all. */
  readonly pauseMs: number | null;
  /** The part of all keys that is compared in the end, 0 to 1. */
  readonly compareShare: number;
  /** For how long a source that is lost is tried again. */
  readonly retryMs: number;
}

export interface ImportResult {
  readonly method: "psync" | "scan";
  readonly caughtUp: boolean;
  readonly comparison: Comparison | null;
  /** Until when writes at the source are paused, by our clock; null when they are not. */
  readonly pausedUntilMs: number | null;
}

const RETRY_EVERY_MS = 500;
const LOOK_EVERY_MS = 200;
const CLOCK_TOLERANCE_MS = 1_000;
/** A pass by SCAN that wrote no more is the last one. */
const FEW_KEYS = 100;
const PASSES_MAX = 20;

export class LiveImport implements Disposable {
  readonly #options: ImportOptions;
  readonly #progress: Progress;
  readonly #stop: AbortSignal;
  #source: RedisClient | null = null;
  #target: Target | null = null;
  #reader: RedisClient | null = null;
  #replica: RedisReplica | null = null;
  #pausedUntilMs: number | null = null;
  #comparison: Comparison | null = null;
  #loads = 0;
  /** The database in which the source's stream is. */
  #streamDb = 0;
  #inTransaction = false;

  constructor(options: ImportOptions, progress: Progress, stop: AbortSignal) {
    this.#options = options;
    this.#progress = progress;
    this.#stop = stop;
    stop.addEventListener("abort", () => this.#close());
  }

  /** Runs to its end, or until stopped. Throws `Unwilling`, `Lost` and `Malformed`. */
  async run(): Promise<ImportResult> {
    const { method } = this.#options;
    await this.#connect();
    try {
      if (method !== "scan")
        try {
          return await this.#persist("psync", (first) => this.#byPsync(first));
        } catch (error) {
          if (!(error instanceof PsyncRefused) || method === "psync") throw error;
          this.#progress.note(`${error.message}; copying by SCAN and DUMP`);
        }
      return await this.#persist("scan", (first) => this.#byScan(first));
    } catch (error) {
      await this.#unpause();
      throw error;
    }
  }

  /** Runs `attempt` until it succeeds, or what stands in its way is not the loss of the source. */
  async #persist(
    method: "psync" | "scan",
    attempt: (first: boolean) => Promise<void>,
  ): Promise<ImportResult> {
    let lostAtMs: number | null = null;
    for (let first = true; ; first = false)
      try {
        this.#stop.throwIfAborted();
        if (this.#source?.ended !== false)
          this.#source = await RedisClient.open(this.#options.source);
        lostAtMs = null;
        await attempt(first);
        return this.#result(method, true);
      } catch (error) {
        // Who only follows ends when told to; who waits for more has not got it.
        const { untilCaughtUp } = this.#options;
        if (this.#stop.aborted && this.#progress.phase === "following" && !untilCaughtUp) {
          await this.#unpause();
          return this.#result(method, false);
        }
        if (this.#stop.aborted || !(error instanceof Lost) || this.#target?.client.ended !== false)
          throw error;
        this.#source?.[Symbol.dispose]();
        this.#replica?.[Symbol.dispose]();
        if (lostAtMs === null) this.#progress.note(`${error.message}; trying again`);
        lostAtMs ??= performance.now();
        if (performance.now() - lostAtMs > this.#options.retryMs) throw error;
        await after(RETRY_EVERY_MS);
      }
  }

  #result(method: "psync" | "scan", caughtUp: boolean): ImportResult {
    this.#progress.phase = "done";
    return {
      method,
      caughtUp,
      comparison: this.#comparison,
      pausedUntilMs: this.#pausedUntilMs,
    };
  }

  async #connect(): Promise<void> {
    const { source, target, selection, replace } = this.#options;
    this.#source = await RedisClient.open(source);
    this.#reader = await RedisClient.open(target);
    this.#target = await Target.open(await RedisClient.open(target), this.#progress);
    if (!replace) await refuseFull(this.#reader, target, selection);
    const [there, here] = await Promise.all([clockOf(this.#source), clockOf(this.#reader)]);
    if (Math.abs(there - here) > CLOCK_TOLERANCE_MS)
      this.#progress.note(
        `the clocks of source and target are ${Math.round(Math.abs(there - here) / 1000)} s apart: keys expire by the target's`,
      );
    const counts = await databases(this.#source, selection);
    this.#progress.keysTotal =
      selection.prefix.length > 0 ? null : [...counts.values()].reduce((sum, n) => sum + n, 0);
  }

  #sides(): CopySides {
    if (this.#source === null || this.#target === null || this.#reader === null)
      throw new Error("bug: nothing is connected");
    return { source: this.#source, target: this.#target, reader: this.#reader };
  }

  #position: StreamPosition | null = null;

  async #byPsync(first: boolean): Promise<void> {
    const { target } = this.#sides();
    const replica = await RedisReplica.open(this.#options.source, this.#position);
    this.#replica = replica;
    if (replica.full) {
      this.#position = null;
      if (!first) this.#progress.note("the source cannot go on where it was; loading everything");
      if (this.#inTransaction) await target.apply(this.#streamDb, [Buffer.from("DISCARD")]);
      this.#inTransaction = false;
      this.#progress.restart();
      this.#loads++;
      await load(
        replica.items(target.valueBytesMax),
        this.#options.selection,
        target,
        this.#progress,
      );
      await target.settled();
      if (this.#removes()) await removeOthers(this.#sides(), this.#options.selection);
      this.#position = { id: replica.id, offset: replica.offset };
    }
    this.#progress.phase = "following";
    const reading = this.#follow(replica);
    const watching = this.#watch(() => this.#reach(replica));
    reading.catch(() => {});
    watching.catch(() => {});
    await Promise.race([reading, watching]);
  }

  /** What an earlier load of this import left, nobody else can have written unless the target was not empty. */
  #removes(): boolean {
    const { mirror, replace } = this.#options;
    return mirror || (this.#loads > 1 && !replace);
  }

  /** Applies the source's commands for ever. */
  async #follow(replica: RedisReplica): Promise<never> {
    const { target } = this.#sides();
    const { selection } = this.#options;
    for await (const words of replica.commands()) {
      const name = nameOf(words);
      if (name === "SELECT") this.#streamDb = Number(words[1]?.latin1Slice());
      else {
        if (name === "MULTI") this.#inTransaction = true;
        if (name === "EXEC") this.#inTransaction = false;
        const db = this.#streamDb;
        const verdict = verdictOn(words, db, selection);
        if (verdict.type === "apply") await target.apply(db, words);
        else if (verdict.type === "flush")
          for (const one of verdict.dbs) await target.apply(one, [Buffer.from("FLUSHDB")]);
        else if (verdict.type === "report")
          this.#progress.problem(db, words[1] ?? null, `${name}: ${verdict.why}`);
      }
      const { offset } = replica;
      this.#position = { id: replica.id, offset };
      target.behind(() => (replica.acknowledged = offset));
      if (name === "REPLCONF") target.behind(() => replica.acknowledge());
    }
    throw new Error("bug: a stream of commands has ended");
  }

  /** Waits until everything that the source has now is at the target. */
  async #reach(replica: RedisReplica): Promise<void> {
    const { source, target } = this.#sides();
    const goal = await offsetOf(source);
    for (;;) {
      if (this.#replica !== replica) throw new Lost("another connection has taken over");
      this.#progress.lagBytes = Math.max(0, goal - replica.acknowledged);
      if (replica.acknowledged >= goal) return await target.settled();
      await after(LOOK_EVERY_MS);
      if (target.client.ended) await target.settled();
    }
  }

  /** Looks how far the target is; when asked to, ends once it has caught up, and everything was compared. */
  async #watch(reach: () => Promise<void>): Promise<void> {
    const { untilCaughtUp, pauseMs, compareShare, selection } = this.#options;
    for (;;) {
      await reach();
      if (untilCaughtUp) break;
      await after(LOOK_EVERY_MS);
    }
    const { source, reader } = this.#sides();
    if (pauseMs !== null) {
      await this.#pause(pauseMs);
      await reach();
    }
    if (compareShare > 0)
      this.#comparison = await compare(
        { source, target: reader },
        selection,
        compareShare,
        this.#progress,
      );
  }

  async #byScan(first: boolean): Promise<void> {
    const { selection, untilCaughtUp, pauseMs, compareShare } = this.#options;
    const sides = this.#sides();
    const progress = this.#progress;
    const pass = async (compares: boolean): Promise<number> => {
      progress.problemCount = 0;
      progress.problems.length = 0;
      const written = await copyKeys(sides, selection, compares, progress);
      if (this.#options.mirror || (compares && !this.#options.replace))
        await removeOthers(sides, selection);
      return written;
    };
    progress.phase = "copying";
    await copyLibraries(sides, progress);
    let written = await pass(!first);
    for (let i = 1; untilCaughtUp && written > FEW_KEYS && i < PASSES_MAX; i++)
      written = await pass(true);
    if (pauseMs !== null) await this.#pause(pauseMs);
    if (untilCaughtUp) await pass(true);
    if (compareShare > 0 && untilCaughtUp)
      this.#comparison = await compare(
        { source: sides.source, target: sides.reader },
        selection,
        compareShare,
        progress,
      );
  }

  async #pause(ms: number): Promise<void> {
    const { source } = this.#sides();
    this.#pausedUntilMs = Date.now() + ms;
    await source.demand("CLIENT", "PAUSE", String(ms), "WRITE");
    this.#progress.note(`writes at the source are paused for ${Math.round(ms / 1000)} s`);
  }

  async #unpause(): Promise<void> {
    if (this.#pausedUntilMs === null) return;
    this.#pausedUntilMs = null;
    try {
      // Ours may be what was lost, and when we were stopped it is closed.
      using client = await RedisClient.open(this.#options.source);
      await client.ask("CLIENT", "UNPAUSE");
    } catch (error) {
      if (!(error instanceof Lost || error instanceof Unwilling)) throw error;
      this.#progress.note("the source could not be told to go on; its pause ends by itself");
    }
  }

  #close(): void {
    for (const one of [this.#source, this.#reader, this.#target?.client, this.#replica])
      one?.[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#close();
  }
}

async function refuseFull(
  reader: RedisClient,
  target: Address,
  selection: Selection,
): Promise<void> {
  for (const [db, count] of await databases(reader, selection))
    for await (const [key] of scan(reader, db, selection))
      if (key !== undefined)
        throw new Unwilling(
          `database ${db} of ${nameOfAddress(target)} has keys already${selection.prefix.length > 0 ? "" : ` (${count})`}: ` +
            "write over them with --replace, or choose others with --db or --prefix",
        );
}

async function clockOf(client: RedisClient): Promise<number> {
  const answer = await client.demand("TIME");
  const [seconds, micros] = Array.isArray(answer) ? (answer as readonly unknown[]).map(String) : [];
  return Number(seconds) * 1000 + Number(micros) / 1000;
}

async function offsetOf(source: RedisClient): Promise<number> {
  const offset = /^master_repl_offset:(\d+)/m.exec(await infoOf(source, "replication"))?.[1];
  if (offset === undefined) throw new Unwilling("the source does not tell how far its stream is");
  return Number(offset);
}
