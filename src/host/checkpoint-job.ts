/**
 * CheckpointJob: takes checkpoints while the node serves, and lets the log forget what it no longer needs.
 *
 * Invariant: a checkpoint is installed only once the log is durable up to where its last slice was taken: a slice may show
 * records that a crash would otherwise take back. The log is cut only below an installed checkpoint, below what every member
 * has, and not before `minRetainMs` have passed; beyond its limits below what most members have.
 */
import { CheckpointWriter } from "../core/replica/checkpoint.ts";
import type { Replica } from "../core/replica/replica.ts";
import type { Storage } from "./ports/storage.ts";

export interface CheckpointHost {
  readonly replica: Replica;
  readonly storage: Storage;
  /** Appends everything applied so far to the log. */
  flush(): void;
  /** Resolves when everyone else has had a turn. */
  turn(): Promise<void>;
  /** Resolves when everything before `position` is durable. */
  durable(position: number): Promise<void>;
  /** Resolves when it is on disk that what a checkpoint shows past the log begins another chain of backups. */
  settleChain(): Promise<void>;
}

export interface CheckpointOptions {
  readonly everyBytes: number;
  readonly everyMs: number;
  readonly minRetainMs: number;
  /** Beyond these it is cut although members who are away need it, if most members have it. */
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  /** It was cut below what these members need. */
  readonly onCutShort: (members: string[]) => void;
}

export class CheckpointJob {
  readonly #host: CheckpointHost;
  readonly #options: CheckpointOptions;
  #running: Promise<void> | null = null;
  /** Another one was asked for while one was being taken: what it did not see must be in the next. */
  #again = false;
  /** Of the installed checkpoint; null before the first. */
  position: number | null;
  installedAtMs: number;
  /** Somebody still reads the log from here: only its limits cut that. Null: nobody does. */
  held: number | null = null;
  /** Earlier checkpoints, for the minimum age of what is cut. */
  #history: { readonly position: number; readonly atMs: number }[] = [];

  constructor(
    host: CheckpointHost,
    options: CheckpointOptions,
    position: number | null,
    nowMs: number,
  ) {
    this.#host = host;
    this.#options = options;
    this.position = position;
    this.installedAtMs = nowMs;
    if (position !== null) this.#history.push({ position, atMs: nowMs });
  }

  /** Takes a checkpoint if it is time; call it now and then. `onError` hears of a failure, and the next one is tried later. */
  maybe(nowMs: number, onError: (error: unknown) => void): void {
    if (this.#running !== null) return;
    const { end } = this.#host.replica.index;
    const grown = end - (this.position ?? 0);
    const due =
      grown >= this.#options.everyBytes ||
      (grown > 64 * 1024 && nowMs - this.installedAtMs >= this.#options.everyMs);
    if (due || this.#again) this.begin(nowMs, onError);
    else this.#truncate(nowMs);
  }

  /** Takes a checkpoint now, or once the one that is being taken is done. */
  begin(nowMs: number, onError: (error: unknown) => void): void {
    if (this.#running !== null) {
      this.#again = true;
      return;
    }
    this.#again = false;
    this.#running = this.#take(nowMs)
      .catch((error: unknown) => {
        this.installedAtMs = nowMs;
        onError(error);
      })
      .finally(() => (this.#running = null));
  }

  /** Whether a checkpoint is being taken, or was asked for. */
  get running(): boolean {
    return this.#running !== null || this.#again;
  }

  /** Waits for a checkpoint that is being taken. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #take(nowMs: number): Promise<void> {
    const { replica, storage } = this.#host;
    this.#host.flush();
    const source = new CheckpointWriter(replica);
    const target = storage.checkpoints.begin();
    try {
      for (let section = source.next(); section !== null; section = source.next()) {
        await target.section(section);
        // Between two slices everyone else gets a turn.
        await this.#host.turn();
      }
      this.#host.flush();
      await this.#host.durable(replica.index.end);
      await this.#host.settleChain();
      await target.install();
    } catch (error) {
      await target.abandon();
      throw error;
    }
    this.position = source.position;
    this.installedAtMs = nowMs;
    this.#history.push({ position: source.position, atMs: nowMs });
    this.#truncate(nowMs);
  }

  #truncate(nowMs: number): void {
    const { minRetainMs } = this.#options;
    const old = this.#history.findLast(({ atMs }) => nowMs - atMs >= minRetainMs);
    if (old !== undefined) this.#cut(old.position, false);
    const limit = this.#limit(nowMs);
    if (limit !== null) this.#cut(limit, true);
  }

  /** Up to where the log is longer or older than it may be; null while it is not. */
  #limit(nowMs: number): number | null {
    const { maxBytes, maxAgeMs } = this.#options;
    const { begin, end } = this.#host.storage.log;
    if (end - begin > maxBytes) return this.position;
    return this.#history.findLast(({ atMs }) => nowMs - atMs >= maxAgeMs)?.position ?? null;
  }

  #cut(position: number, isAtLimit: boolean): void {
    const { replica, storage } = this.#host;
    if (this.position === null) return;
    const held = isAtLimit ? null : this.held;
    const cut = replica.truncation(Math.min(position, this.position, held ?? Infinity), isAtLimit);
    if (cut === null || cut <= storage.log.begin) return;
    const needing = isAtLimit ? replica.needing(cut) : [];
    const before = replica.index.baseVector;
    storage.log.truncate(cut);
    replica.index.truncated(cut);
    if (replica.index.baseVector === before) return;
    replica.exchange.standingChanged();
    if (needing.length > 0) this.#options.onCutShort(needing);
    this.#history = this.#history.filter((one) => one.position >= cut);
  }
}
