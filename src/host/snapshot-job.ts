/**
 * SnapshotJob: keeps a peer's snapshot on disk as it comes, and has the node start anew on it once it is whole.
 *
 *   begin ─► section … ─► end ─► what is to be caught up with, saved ─► log durable ─► installed ─► the node restarts
 *      └─────── abandon: nothing is left of it
 *
 * Invariant: until it is installed the replica goes on as it was, crash or no crash. It takes the place of our own checkpoint, of a
 * position of our own log, so recovery is the same as ever: what only we have lies in the log behind that position.
 */
import { promisesOf } from "../core/replica/checkpoint.ts";
import type { SnapshotStep } from "../core/replica/joining.ts";
import type { Replica } from "../core/replica/replica.ts";
import { markUntil, saveMark } from "./joining-mark.ts";
import { type CheckpointWriter, isFull, type Storage } from "./ports/storage.ts";

export interface SnapshotHost {
  readonly replica: Replica;
  readonly storage: Storage;
  /** Resolves when no checkpoint of our own is being taken. */
  readonly idle: () => Promise<void>;
  /** Resolves when everyone else has had a turn. */
  readonly turn: () => Promise<void>;
  /** Resolves when everything before `position` is durable. */
  readonly durable: (position: number) => Promise<void>;
  /** Resolves when it is on disk that another chain of backups begins. */
  readonly renewChain: () => Promise<void>;
  readonly beginTurn: () => void;
  readonly turnEnded: () => void;
  /** It is installed: nothing of this life may be written over it. */
  readonly installed: () => void;
  readonly failed: (error: unknown) => void;
  /** The disk could not store what is not the snapshot's own, and is not full. */
  readonly diskFailed: (error: Error) => void;
}

export class SnapshotJob {
  readonly #host: SnapshotHost;
  #writer: CheckpointWriter | null = null;
  #steps: Promise<void> = Promise.resolve();
  /** Whether one is being kept: our own checkpoints wait. */
  active = false;

  constructor(host: SnapshotHost) {
    this.#host = host;
  }

  take(step: SnapshotStep): void {
    if (step.step === "begin") this.active = true;
    this.#steps = this.#steps.then(() => this.#take(step)).catch((error) => this.#failed(error));
  }

  /** Leaves nothing behind of one that is not whole. */
  async stop(): Promise<void> {
    this.take({ step: "abandon", reason: "the node stops" });
    await this.#steps;
  }

  async #take(step: SnapshotStep): Promise<void> {
    const { storage, idle } = this.#host;
    switch (step.step) {
      case "begin":
        await idle();
        this.#writer = storage.checkpoints.begin();
        return this.#section(step.header);
      case "section":
        return this.#section(step.bytes);
      case "abandon":
        return this.#abandon();
      case "end":
        return this.#install(step);
    }
  }

  async #section(bytes: Buffer): Promise<void> {
    // One that was given up meanwhile: the steps behind that are of no use.
    if (this.#writer === null) return;
    await this.#writer.section(bytes);
    const { replica, beginTurn, turnEnded } = this.#host;
    beginTurn();
    replica.exchange.joining.stored();
    turnEnded();
  }

  async #install({ until }: Extract<SnapshotStep, { step: "end" }>): Promise<void> {
    const writer = this.#writer;
    if (writer === null) return;
    const { replica, storage, turn, durable, renewChain, installed } = this.#host;
    const { conflicts } = replica.writer;
    // What was lost and is not recorded yet would be found again by nobody.
    while (replica.exchange.joining.whole && conflicts.pending.size > 0) await turn();
    await this.#kept(saveMark(storage.identity, markUntil(until, replica.origins)));
    // It takes the place of ours, which had what we have promised.
    for (const section of promisesOf(replica)) await writer.section(section);
    await durable(replica.index.end);
    await this.#kept(renewChain());
    this.#writer = null;
    await writer.install();
    installed();
  }

  /** A disk that cannot store what the next start relies on is not one to go on with. */
  async #kept(saving: Promise<void>): Promise<void> {
    try {
      await saving;
    } catch (error) {
      if (error instanceof Error && !isFull(error)) this.#host.diskFailed(error);
      throw error;
    }
  }

  async #abandon(): Promise<void> {
    const writer = this.#writer;
    this.#writer = null;
    await writer?.abandon();
    this.active = false;
  }

  async #failed(error: unknown): Promise<void> {
    this.#host.failed(error);
    await this.#abandon().catch(() => {});
    const { replica, beginTurn, turnEnded } = this.#host;
    beginTurn();
    replica.exchange.joining.failed();
    turnEnded();
  }
}
