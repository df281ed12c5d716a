/**
 * Memory storage: a disk that exists only in this process, for tests and the simulator, crashes included.
 *
 *   append ─► pending ─► sync: scheduled ─► durable
 *                │
 *                └─ crash: each pending block stays whole, or not, as the caller decides
 *
 * Invariant: nothing happens on its own. Whoever owns the storage is handed each completion through `schedule` and decides when
 * it comes, so one seed gives one history. There is no clock, no timer and no chance in here.
 *
 * A log recovers as `storage-files` does: up to the first block that is not whole; what lies behind a hole was never promised.
 */
import { assert } from "../../core/assert.ts";
import type {
  BlockVisitor,
  Checkpoints,
  CheckpointWriter,
  Identity,
  Log,
  Position,
  Storage,
} from "../../host/ports/storage.ts";

/** Positions between blocks, so that an empty block has a place of its own. */
const BLOCK_OVERHEAD = 8;

interface StoredBlock {
  from: Position;
  to: Position;
  bytes: Buffer;
}

/** What is done later, when the owner says so. Whatever is dropped never happens. */
export type Schedule = (complete: () => void) => void;

/** Whether a pending block from `from` to `to` reached the disk whole before the crash. */
export type Keep = (from: Position, to: Position) => boolean;

/** What outlives a crash, and the switches that spoil it. */
export class MemoryDisk {
  readonly name: string;
  /** While true nothing more fits. */
  full = false;
  /** The next sync of the log fails and what it should have stored is lost. */
  failNextSync = false;
  blocks: StoredBlock[] = [];
  begin: Position = 0;
  end: Position = 0;
  checkpoint: { number: number; sections: Buffer[] } | null = null;
  identity = new Map<string, Buffer>();
  /** The storage that has it open. */
  user: MemoryStorage | null = null;

  /** `name` is its fingerprint. */
  constructor(name: string) {
    this.name = name;
  }

  /** Ends the open storage at once: none of its completions will be heard. By default nothing pending survives. */
  crash(keep: Keep = () => false): void {
    this.user?.log.crash(keep);
    this.user = null;
  }
}

export interface MemoryStorageOptions {
  disk: MemoryDisk;
  schedule: Schedule;
}

/** Opens the storage on `disk`, which no other storage may have open. */
export function createMemoryStorage(options: MemoryStorageOptions): MemoryStorage {
  if (options.disk.user !== null)
    throw new Error(`the disk ${options.disk.name} is in use by another storage`);
  return new MemoryStorage(options);
}

export class MemoryStorage implements Storage {
  readonly log: MemoryLog;
  readonly checkpoints: Checkpoints;
  readonly identity: Identity;
  #disk: MemoryDisk;

  constructor({ disk, schedule }: MemoryStorageOptions) {
    this.#disk = disk;
    disk.user = this;
    const live = (complete: () => void) =>
      schedule(() => {
        if (disk.user === this) complete();
      });
    this.log = new MemoryLog(disk, live);
    this.checkpoints = memoryCheckpoints(disk, live);
    this.identity = memoryIdentity(disk, live);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disk.user !== this) return;
    try {
      await this.log.close();
    } finally {
      this.#disk.user = null;
    }
  }
}

export class MemoryLog implements Log {
  durable: Position;
  end: Position;
  onDurable: (durable: Position) => void = () => {};
  onFailure: Log["onFailure"] = () => {};
  onRecovered: () => void = () => {};

  #disk: MemoryDisk;
  #schedule: Schedule;
  #pending: StoredBlock[] = [];
  #state: "open" | "full" | "failed" | "closed" = "open";
  #failure: Error | null = null;
  #syncTo: Position;
  #inFlight = false;
  #idle: (() => void) | null = null;

  constructor(disk: MemoryDisk, schedule: Schedule) {
    this.#disk = disk;
    this.#schedule = schedule;
    this.end = disk.end;
    this.durable = disk.end;
    this.#syncTo = disk.end;
  }

  get begin(): Position {
    return this.#disk.begin;
  }

  append(block: Uint8Array, sync: boolean): Position {
    assert(this.#state !== "closed", "an append to a closed log");
    const from = this.end;
    this.end = from + block.length + BLOCK_OVERHEAD;
    this.#pending.push({ from, to: this.end, bytes: Buffer.from(block) });
    if (sync) this.sync();
    return this.end;
  }

  sync(): void {
    this.#syncTo = this.end;
    this.#start();
  }

  #start(): void {
    if (this.#inFlight || this.#state === "failed" || this.#state === "closed") return;
    if (this.#syncTo === this.durable) {
      this.#rest();
      return;
    }
    // What is appended from now on goes with the next sync.
    const target = this.end;
    this.#inFlight = true;
    this.#schedule(() => this.#complete(target));
  }

  #complete(target: Position): void {
    this.#inFlight = false;
    if (this.#disk.failNextSync) {
      this.#disk.failNextSync = false;
      this.#fail(new Error("EIO: the sync failed"));
    } else if (this.#disk.full) this.#suspend(new Error("ENOSPC: the disk is full"));
    else {
      while (this.#pending[0] !== undefined && this.#pending[0].to <= target)
        this.#disk.blocks.push(this.#pending.shift() as StoredBlock);
      this.durable = target;
      this.#disk.end = target;
      if (this.#state === "full") {
        this.#state = "open";
        this.onRecovered();
      }
      this.#start();
      this.onDurable(target);
    }
  }

  #fail(cause: Error): void {
    this.#state = "failed";
    this.#failure = cause;
    this.#rest();
    this.onFailure({ kind: "failed", error: new Error("the log failed", { cause }) });
  }

  #suspend(cause: Error): void {
    const first = this.#state === "open";
    this.#state = "full";
    this.#failure = cause;
    this.#rest();
    if (first)
      this.onFailure({ kind: "full", error: new Error("the log is out of space", { cause }) });
  }

  #rest(): void {
    this.#idle?.();
    this.#idle = null;
  }

  async read(from: Position, maxBytes: number, visit: BlockVisitor): Promise<Position> {
    if (this.#state === "closed") throw new Error("the log is closed");
    if (from < this.begin || from > this.end)
      throw new RangeError(
        `position ${from} is outside the log, which has ${this.begin} to ${this.end}`,
      );
    let at = from;
    let left = maxBytes;
    for (const blocks of [this.#disk.blocks, this.#pending]) {
      for (let i = firstFrom(blocks, at); i < blocks.length; i++) {
        if (left <= 0 && at > from) return at;
        const block = blocks[i] as StoredBlock;
        visit(block.bytes, block.from, block.to);
        at = block.to;
        left -= block.to - block.from;
      }
    }
    return at;
  }

  truncate(position: Position): void {
    const kept = firstFrom(this.#disk.blocks, position);
    this.#disk.begin = this.#disk.blocks[kept]?.from ?? this.durable;
    this.#disk.blocks.splice(0, kept);
  }

  async close(): Promise<void> {
    if (this.#state === "closed") return;
    if (this.#state !== "failed")
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
        this.sync();
      });
    this.#state = "closed";
    if (this.durable < this.end)
      throw new Error(
        `the log was closed with ${this.end - this.durable} bytes that could not be stored`,
        { cause: this.#failure },
      );
  }

  /** Keeps of the pending blocks a beginning: those before the first that `keep` refuses. A failed disk keeps none. */
  crash(keep: Keep): void {
    const failed = this.#state === "failed";
    this.#state = "closed";
    for (const block of this.#pending) {
      if (failed || this.#disk.full || !keep(block.from, block.to)) break;
      this.#disk.blocks.push(block);
      this.#disk.end = block.to;
    }
  }
}

/** The index of the first block that begins at or behind `position`. */
function firstFrom(blocks: StoredBlock[], position: Position): number {
  let low = 0;
  let high = blocks.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((blocks[middle] as StoredBlock).from < position) low = middle + 1;
    else high = middle;
  }
  return low;
}

function memoryCheckpoints(disk: MemoryDisk, schedule: Schedule): Checkpoints {
  let writing = false;
  return {
    list: async () => (disk.checkpoint === null ? [] : [disk.checkpoint.number]),
    async load(visit, number) {
      const { checkpoint } = disk;
      if (checkpoint === null || (number !== undefined && number !== checkpoint.number))
        return null;
      for (const [index, section] of checkpoint.sections.entries())
        visit(Buffer.from(section), index);
      return { sections: checkpoint.sections.length, number: checkpoint.number };
    },
    begin(): CheckpointWriter {
      assert(!writing, "one checkpoint is written at a time");
      writing = true;
      const sections: Buffer[] = [];
      return {
        async section(bytes) {
          sections.push(Buffer.from(bytes));
        },
        install: () =>
          new Promise((resolve, reject) =>
            schedule(() => {
              writing = false;
              if (disk.full) return reject(new Error("ENOSPC: the disk is full"));
              disk.checkpoint = { number: (disk.checkpoint?.number ?? 0) + 1, sections };
              resolve();
            }),
          ),
        async abandon() {
          writing = false;
        },
      };
    },
  };
}

function memoryIdentity(disk: MemoryDisk, schedule: Schedule): Identity {
  return {
    async load(name) {
      const bytes = disk.identity.get(name);
      return bytes === undefined ? null : Buffer.from(bytes);
    },
    save(name, bytes) {
      const copy = Buffer.from(bytes);
      return new Promise((resolve, reject) =>
        schedule(() => {
          if (disk.full) return reject(new Error("ENOSPC: the disk is full"));
          disk.identity.set(name, copy);
          resolve();
        }),
      );
    },
    fingerprint: async () => disk.name,
  };
}
