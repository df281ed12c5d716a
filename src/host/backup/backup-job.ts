/**
 * BackupJob: hands a copy of everything to whoever keeps it, while the node serves.
 *
 *   full:         log from what any member lacks ─► checkpoint ─► log behind it ─┐
 *   incremental:  log behind the last backup ────────────────────────────────────┴► digests of all slots ─► log up to the cut
 *
 * Invariant: what is handed on is durable here. The cut is an end of the log, so all that a record in it had seen is in it too. Each
 * digest is of a slot as it is at a place in the log which it names: whoever replays the log to there must find the same.
 */
import { sha256 } from "../../core/bytes/sha256.ts";
import { ALL_SHARDS, ALL_SLOTS, SHARD_SLOTS } from "../../core/keyspace/changes.ts";
import { CheckpointWriter } from "../../core/replica/checkpoint.ts";
import type { Replica } from "../../core/replica/replica.ts";
import { DIGEST_WORDS } from "../../core/verify/digest.ts";
import { ShardPass, SLICE_CELLS } from "../../core/verify/shard-pass.ts";
import type { Log } from "../ports/storage.ts";
import type { Chain } from "./chain.ts";
import {
  BACKUP_FORMAT,
  blockFrame,
  blockOf,
  frame,
  jsonFrame,
  KIND,
  type LastBlock,
  sectionFrame,
  sumOfTold,
  type Sums,
  sumsFrame,
} from "./frames.ts";

export interface BackupHost {
  readonly replica: Replica;
  readonly log: Log;
  readonly chain: Chain;
  readonly version: string;
  /** Appends everything applied so far to the log. */
  flush(): void;
  /** Resolves when everyone else has had a turn. */
  turn(): Promise<void>;
  /** Resolves when everything before `position` is durable. */
  durable(position: number): Promise<void>;
  /** Keeps the log from `position` on; null lets go of it. */
  hold(position: number | null): void;
  /** Why nothing can be handed on now; null when it can. */
  refusal(): string | null;
  random(): number;
}

/** What whoever asks has already. */
export interface Since {
  readonly chain: string;
  readonly last: LastBlock;
}

const READ_BYTES = 1024 * 1024;
/** How often a shard is looked at: slots that were written to each time are not told. */
const PASSES_MAX = 3;

/** By it a block is known again. */
function sumOf(block: Uint8Array): string {
  return sha256(block).subarray(0, 8).toString("hex");
}

export class BackupJob {
  readonly #host: BackupHost;
  running = false;
  #last: LastBlock | null = null;

  constructor(host: BackupHost) {
    this.#host = host;
  }

  /** The frames of a backup, of what came behind `since` if that is possible. One at a time: `running`. */
  async *take(since: Since | null): AsyncGenerator<Buffer> {
    if (this.running) return yield failed(new Error("a backup is being taken already"));
    this.running = true;
    try {
      yield* this.#frames(since);
    } catch (error) {
      yield failed(error);
    } finally {
      this.#host.hold(null);
      this.running = false;
    }
  }

  async *#frames(since: Since | null): AsyncGenerator<Buffer> {
    const { replica, chain, version } = this.#host;
    const id = await chain.id();
    const { changes } = replica.keyspace;
    const { unlogged } = changes;
    // What was lost and is not recorded yet would be found again by nobody who begins behind it.
    while (replica.writer.conflicts.pending.size > 0) await this.#turn();
    this.#last = null;
    const follows = since !== null && since.chain === id && (await this.#holds(since.last));
    this.#refuse();
    this.#host.flush();
    const { index, keyspace } = replica;
    const writer = follows ? null : new CheckpointWriter(replica);
    // What some member may still need of it must be there in whoever takes our place.
    const base = index.marks()[0]?.position ?? 0;
    const from = follows
      ? since.last.to
      : (replica.truncation(writer?.position ?? 0, false) ?? base);
    this.#host.hold(from);
    yield jsonFrame(KIND.begin, {
      format: BACKUP_FORMAT,
      member: replica.member,
      version,
      chain: id,
      full: !follows,
      from,
      keys: keyspace.entries,
      logBytes: index.end - from,
    });
    let at = from;
    let earliestMs: number | null = null;
    if (follows) this.#last = since.last;
    if (writer !== null) {
      yield sectionFrame(writer.next() as Buffer, 0);
      yield* this.#blocks(at, writer.position);
      at = writer.position;
      for (let section = writer.next(); section !== null; section = writer.next()) {
        yield sectionFrame(section, writer.entries);
        await this.#turn();
      }
      this.#host.flush();
      // A section may show what came while it was written, and nothing later.
      earliestMs = replica.clock.ms;
    }
    const sums = await this.#sums();
    this.#host.flush();
    const cut = {
      position: index.end,
      vector: replica.describe(replica.applied),
      keys: keyspace.entries,
      latestMs: Math.max(replica.clock.ms, replica.nowMs),
    };
    for (const told of sums) {
      yield* this.#blocks(at, told.position);
      at = told.position;
      yield sumsFrame(told);
    }
    yield* this.#blocks(at, cut.position);
    if (changes.unlogged !== unlogged || (await chain.id()) !== id)
      throw new Error("keys were mended, or a snapshot came, while it was taken: take it again");
    const slots = sums.reduce((sum, { told }) => sum + told.filter((is) => is).length, 0);
    yield jsonFrame(KIND.end, {
      ...cut,
      earliestMs,
      slots,
      ofSlots: ALL_SLOTS,
      last: this.#last,
    });
  }

  async #turn(): Promise<void> {
    await this.#host.turn();
    this.#refuse();
  }

  #refuse(): void {
    const refusal = this.#host.refusal();
    if (refusal !== null) throw new Error(refusal);
  }

  /** Whether the log still has the block that was the last one then. */
  async #holds({ from, to, sum }: LastBlock): Promise<boolean> {
    const { log } = this.#host;
    if (from < log.begin || to > log.end) return false;
    let holds = false;
    try {
      await log.read(from, 1, (block, _, end) => (holds ||= end === to && sumOf(block) === sum));
    } catch {
      // Damaged, cut meanwhile, or another log altogether: a full one needs nothing of it.
      return false;
    }
    return holds;
  }

  /** The blocks from `at` to `to`, once they are durable. */
  async *#blocks(at: number, to: number): AsyncGenerator<Buffer> {
    const { log } = this.#host;
    await this.#host.durable(to);
    while (at < to) {
      const ready: Buffer[] = [];
      const begin = at;
      let from = at;
      await log.read(at, READ_BYTES, (block, blockFrom, end) => {
        if (end > to) return;
        ready.push(blockFrame(block, blockFrom, end));
        from = blockFrom;
        at = end;
      });
      const last = ready.at(-1);
      if (last !== undefined) this.#last = { from, to: at, sum: sumOf(blockOf(last)) };
      yield* ready;
      this.#refuse();
      // A gap at the end of a segment names the same place as the block behind it.
      if (at === begin) return;
    }
  }

  /** Digests of all slots, but of those that were written to whenever they were looked at. */
  async #sums(): Promise<Sums[]> {
    const { replica } = this.#host;
    const key = Int32Array.from({ length: DIGEST_WORDS }, () => this.#host.random());
    const sums: Sums[] = [];
    for (let shard = 0; shard < ALL_SHARDS; shard++) {
      const missing = new Set(Array.from({ length: SHARD_SLOTS }, (_, slot) => slot));
      for (let pass = 0; pass < PASSES_MAX && missing.size > 0; pass++) {
        const walk = new ShardPass(replica, shard, 1, key, null);
        while (!walk.done) {
          walk.slice(SLICE_CELLS);
          await this.#turn();
        }
        // What the flush itself writes counts as changed.
        this.#host.flush();
        const changed = walk.changes();
        const told = changed.map((is, slot) => !is && missing.has(slot));
        told.forEach((is, slot) => is && missing.delete(slot));
        if (told.includes(true)) {
          const sum = sumOfTold(walk.sums, told);
          sums.push({ position: replica.index.end, shard, key, told, sum });
        }
      }
    }
    return sums;
  }
}

function failed(error: unknown): Buffer {
  return frame(KIND.failed, Buffer.from(error instanceof Error ? error.message : String(error)));
}
