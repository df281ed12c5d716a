/**
 * Storage: what a node keeps on disk, as three ports that one adapter opens together.
 *
 *   log          blocks in the order they were applied; a block is one turn's records, whole or not there at all
 *   checkpoints  the state at some position of the log, so that a restart need not replay everything
 *   identity     a few small files written whole: who this replica is
 *
 * Invariant: nothing is reported stored that a crash of process, kernel or machine could still lose. A failure to sync is
 * final: the adapter reports it once and never again claims anything stored (a second fsync would lie about the pages the
 * first one lost).
 */

/**
 * A place in the log: grows with every block, never reused, meaningful across restarts. The adapter defines what it counts
 * (`storage-files`: bytes, headers and the unused ends of segments included); the host only compares and keeps it. There
 * may be a gap between the end of one block and the beginning of the next, and either names the same place to `read`.
 */
export type Position = number;

/** One block as read back. `bytes` is valid only inside the call that gave it. */
export type BlockVisitor = (bytes: Buffer, from: Position, to: Position) => void;

export interface Log {
  /** Where the oldest retained block begins. */
  readonly begin: Position;
  /** Whether nothing was ever forgotten: the log begins with the first block there was. */
  readonly isWhole: boolean;
  /** Behind the newest appended block, durable or not. */
  readonly end: Position;
  /** Everything before it survives any crash. */
  readonly durable: Position;

  /**
   * Appends one block and returns the position behind it. Copies what it needs before it returns, so the caller may reuse
   * `block` at once. `sync` asks that the block become durable as soon as possible: `onDurable` follows, in order, once for
   * many blocks where they were synced together (group commit, pipelined). Without `sync` the block is written soon and
   * becomes durable with the next sync.
   */
  append(block: Uint8Array, sync: boolean): Position;

  /** Makes everything appended so far durable; `onDurable` follows. */
  sync(): void;

  /** Called when `durable` has grown. */
  onDurable: (durable: Position) => void;

  /**
   * Called when the disk did not take what was appended.
   *
   * `full`: no space, once per episode. What was durable stays so. What was appended and is not yet durable waits in memory in
   * its order and stays readable; a crash would lose it, as it would have a moment before. The host stops making records
   * (`append` still takes what it must, without a bound) and calls `sync` now and then: each such call tries again.
   *
   * `failed`: once, and final. The process must stop; `durable` never grows again.
   */
  onFailure: (failure: { kind: "full" | "failed"; error: Error }) => void;

  /** Called when space has come back after `full`; `onDurable` follows for what waited. */
  onRecovered: () => void;

  /**
   * Visits blocks from `from` (the beginning or the end of a block, at or after `begin`) in order until `maxBytes` were visited
   * or the end of what was appended is reached, and at least one if there is one; returns the position behind the last
   * visited block. Serves recent blocks from memory. Rejects with `Damaged`, and with a `RangeError` for a `from` outside the
   * log.
   */
  read(from: Position, maxBytes: number, visit: BlockVisitor): Promise<Position>;

  /** Allows everything before `position` to be forgotten (whole segments only, in the background). */
  truncate(position: Position): void;

  /** Syncs and closes. Rejects when something appended could not be made durable; it is closed all the same. */
  close(): Promise<void>;
}

export interface CheckpointWriter {
  /** Adds one section; resolves when more is welcome (backpressure). Copies what it needs before it returns. */
  section(bytes: Uint8Array): Promise<void>;
  /** Syncs, then replaces the previous checkpoint in one step (rename, directory sync). */
  install(): Promise<void>;
  /** Leaves nothing behind. */
  abandon(): Promise<void>;
}

export interface Checkpoints {
  /**
   * The installed checkpoints by number, newest first. Usually one; two when a crash came between the installation of one and
   * the removal of its predecessor, so that a caller who finds the newest damaged may try the other.
   */
  list(): Promise<number[]>;
  /**
   * The sections of a checkpoint in order (the newest unless `number` says which), or null when there is none. A section's bytes
   * are valid only inside the call that gave them. Rejects with `Damaged`; what was visited before then counts for nothing.
   */
  load(
    visit: (section: Buffer, index: number) => void,
    number?: number,
  ): Promise<{ sections: number; number: number } | null>;
  /** Only one writer at a time. */
  begin(): CheckpointWriter;
}

export interface Identity {
  /** The bytes last saved under `name` (small letters, digits, dashes), or null. Rejects with `Damaged`. */
  load(name: string): Promise<Buffer | null>;
  /** Durable when it resolves; all or nothing. */
  save(name: string, bytes: Uint8Array): Promise<void>;
  /**
   * What ties the directory to this machine: the same at every start of an intact directory, another one when the directory
   * was copied, restored or moved to another machine, or its log was emptied.
   */
  fingerprint(): Promise<string>;
}

/** Disposing it closes the log and lets the next process in. */
export interface Storage extends AsyncDisposable {
  readonly log: Log;
  readonly checkpoints: Checkpoints;
  readonly identity: Identity;
}

/** Whether an error, or what caused it, says that there is no space: that passes, other failures of a disk do not. */
export function isFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOSPC" || code === "EDQUOT" || isFull(error.cause);
}

/** Stored bytes that are not what was stored; `message` names the file, the offset and what to do. */
export class Damaged extends Error {
  override name = "Damaged";
}
