/**
 * File log: appends gather in memory, one writer puts them on disk, and says so when they are durable.
 *
 *   append ─► recent ─► write ─┬─► durable            a synced write (O_DSYNC), while nothing unsynced lies before it
 *             (memory)         └─► fdatasync ─► durable     after writes that nobody had asked to sync
 *   full segment: fdatasync ─► create the next, sync its name ─► write on
 *
 * Invariant: at most one of these is in flight, and what is appended meanwhile goes with the next: the group commit. `durable`
 * moves only when a sync that was issued after the write has come back without an error, and never again after one has failed.
 */
import { join } from "node:path";
import { assert } from "../../core/assert.ts";
import { type BlockVisitor, isFull, type Log, type Position } from "../../host/ports/storage.ts";
import { blockBytes, BLOCK_BYTES_MAX, type BlockKind } from "./block.ts";
import type { Computer } from "./computer.ts";
import type { Files, OpenFile } from "./files.ts";
import { LogReader } from "./log-reader.ts";
import { leaveDoubt, type RecoveredLog } from "./log-recovery.ts";
import { Recent, type Chunk } from "./recent.ts";
import {
  createSegment,
  SEGMENT_HEADER_BYTES,
  segmentName,
  SPARE_NAME,
  type Segment,
} from "./segment.ts";

/** Appends that nobody waits for are written when `lazyBytes` have gathered, or after this time: a process crash loses no more. */
const LAZY_MS = 50;
/** Zeros are written ahead of the log in steps, so that its own writes change no metadata (−30 to −50 % of their time). */
const FILL_STEP_BYTES = 4 << 20;
const FILL_AHEAD_BYTES = 2 << 20;
const ZEROS = Buffer.alloc(1 << 20);

export interface FileLogOptions {
  files: Files;
  directory: string;
  segmentBytes: number;
  recentBytes: number;
  lazyBytes: number;
  /** Whether a spare segment lies in the directory. */
  spare: boolean;
  computer: Computer;
}

type State = "open" | "full" | "failed" | "closed";

export class FileLog implements Log {
  begin: Position;
  end: Position;
  durable: Position;
  onDurable: (durable: Position) => void = () => {};
  onFailure: Log["onFailure"] = () => {};
  onRecovered: () => void = () => {};

  #options: FileLogOptions;
  /** Oldest first; those at the end may be planned only, their blocks wait in memory. */
  #segments: Segment[];
  #recent: Recent;
  #reader: LogReader;
  #opening: number;
  /** Whether nothing follows the last mark. */
  #marked: boolean;
  #state: State = "open";
  #failure: Error | null = null;

  /** Everything before it is in the file, durable or not. */
  #written: Position;
  #writeTo: Position;
  #syncTo: Position;
  /** Whether something written awaits an fdatasync. */
  #dirty = false;
  #busy = false;
  /** While full, whether a `sync` has asked for another try. */
  #retry = false;
  #flight: { segment: Segment; chunk: Chunk; end: number; durable: boolean } | null = null;
  #filling = false;
  #fillable = true;
  /** `busy` while it is being made, or turned into a segment: only one file can have the name. */
  #spare: "none" | "ready" | "busy";
  #trimming: Promise<void> = Promise.resolve();
  #lazy: (() => void) | null = null;
  #idle: (() => void) | null = null;

  /** A log as recovered, or a new one whose first segment is already created. */
  constructor(options: FileLogOptions, recovered: RecoveredLog) {
    this.#options = options;
    this.#segments = recovered.segments;
    this.#opening = recovered.opening;
    this.#marked = recovered.marked;
    this.#spare = options.spare ? "ready" : "none";
    this.#recent = new Recent(options.recentBytes, options.segmentBytes);
    this.#reader = new LogReader(this.#segments, this.#recent);
    this.begin = (this.#segments[0] as Segment).start + SEGMENT_HEADER_BYTES;
    this.end = recovered.end;
    this.durable = recovered.end;
    this.#written = recovered.end;
    this.#writeTo = recovered.end;
    this.#syncTo = recovered.end;
  }

  get isWhole(): boolean {
    return (this.#segments[0] as Segment).start === 0;
  }

  append(block: Uint8Array, sync: boolean): Position {
    assert(this.#state !== "closed", "an append to a closed log");
    this.#add("data", block);
    if (sync) this.sync();
    else if (this.end - this.#written >= this.#options.lazyBytes) {
      this.#writeTo = this.end;
      this.#pump();
    } else this.#lazy ??= this.#options.computer.later(LAZY_MS, this.#writeLazily);
    return this.end;
  }

  sync(): void {
    this.#writeTo = this.end;
    this.#syncTo = this.end;
    this.#retry = true;
    this.#pump();
  }

  read(from: Position, maxBytes: number, visit: BlockVisitor): Promise<Position> {
    if (this.#state === "closed") return Promise.reject(new Error("the log is closed"));
    if (from < this.begin || from > this.end)
      return Promise.reject(
        new RangeError(
          `position ${from} is outside the log, which has ${this.begin} to ${this.end}`,
        ),
      );
    return this.#reader.read(from, maxBytes, visit, () => this.end);
  }

  truncate(position: Position): void {
    const gone: Segment[] = [];
    for (;;) {
      const [segment, next] = this.#segments;
      // A segment that `position` is the very end of stays, so that `position` can still be read from.
      if (segment === undefined || next === undefined) break;
      if (next.file === null || next.start >= position) break;
      gone.push(segment);
      this.#segments.shift();
      this.begin = next.start + SEGMENT_HEADER_BYTES;
    }
    if (gone.length === 0) return;
    this.#trimming = this.#trimming.then(() => this.#remove(gone)).catch(this.#fail);
  }

  async close(): Promise<void> {
    if (this.#state === "closed") return;
    this.#lazy?.();
    await this.#settle();
    if (!this.#marked && this.#state === "open") {
      this.#add("mark", new Uint8Array(0));
      await this.#settle();
    }
    this.#state = "closed";
    await this.#trimming;
    for (const segment of this.#segments) await this.#reader.retire(segment);
    if (this.durable < this.end)
      throw new Error(
        `the log was closed with ${this.end - this.durable} bytes that could not be stored`,
        { cause: this.#failure },
      );
  }

  /** What a copy of the log does not share with it: the log's id, and whether its newest segment lies where it was made. */
  fingerprint(): string {
    const segment = this.#segments.findLast((candidate) => candidate.file !== null) as Segment;
    return `${segment.logId.toString("hex")}:${segment.native ? "native" : "copied"}`;
  }

  #add(kind: BlockKind, block: Uint8Array): void {
    assert(block.length <= BLOCK_BYTES_MAX, "a block is shorter than 2 GiB");
    const bytes = blockBytes(block.length);
    let tail = this.#segments.at(-1) as Segment;
    if (this.end - tail.start + bytes > tail.capacity) tail = this.#plan(tail, bytes);
    this.#recent.append(tail.start, this.end, this.#opening, this.durable, kind, block);
    this.end += bytes;
    tail.dataEnd = this.end;
    this.#marked = kind === "mark";
  }

  /** The next segment, made larger for a block that is larger than a segment. */
  #plan(tail: Segment, bytes: number): Segment {
    const { segmentBytes, directory } = this.#options;
    const start = tail.start + tail.capacity;
    const capacity = Math.ceil((SEGMENT_HEADER_BYTES + bytes) / segmentBytes) * segmentBytes;
    const segment: Segment = {
      start,
      capacity,
      previousEnd: this.end,
      opening: this.#opening,
      logId: tail.logId,
      path: join(directory, segmentName(start)),
      file: null,
      dataEnd: start + SEGMENT_HEADER_BYTES,
      prepared: 0,
      readers: 0,
      native: true,
    };
    this.#segments.push(segment);
    this.end = segment.dataEnd;
    return segment;
  }

  #writeLazily = (): void => {
    this.#lazy = null;
    this.#writeTo = this.end;
    this.#pump();
  };

  /** Starts the next operation, if none is in flight and one is wanted. Every completion comes back here. */
  #pump(): void {
    if (this.#busy || this.#state === "closed") return;
    if (this.#state === "failed" || (this.#state === "full" && !this.#retry)) return this.#rest();
    const chunk = this.#recent.unwritten();
    if (chunk !== null && chunk.from + chunk.written < this.#writeTo) {
      const segment = this.#segments.find(
        (candidate) => candidate.start === chunk.segmentStart,
      ) as Segment;
      if (segment.file !== null) this.#write(segment, segment.file, chunk);
      else if (this.#dirty) this.#datasync();
      else this.#create(segment);
    } else if (this.#dirty && this.#syncTo > this.durable) this.#datasync();
    else this.#rest();
  }

  #rest(): void {
    if (this.#busy || this.#filling) return;
    this.#idle?.();
    this.#idle = null;
  }

  #write(segment: Segment, file: OpenFile, chunk: Chunk): void {
    const offset = chunk.from + chunk.written - segment.start;
    const end = chunk.length;
    // The zeros in flight must not land on top of what is written; `#fill` comes back here.
    if (this.#filling && offset + end - chunk.written > segment.prepared) return;
    const durable = !this.#dirty && this.#syncTo > this.#written;
    this.#busy = true;
    this.#flight = { segment, chunk, end, durable };
    file.write(chunk.bytes, chunk.written, end, offset, durable, this.#onWritten);
  }

  #onWritten = (error: Error | null): void => {
    const flight = this.#flight;
    if (flight === null) throw new Error("bug: a write ended that had not begun");
    this.#flight = null;
    this.#busy = false;
    // It was on its way when something else failed: even if it has arrived, nobody is told any more.
    if (this.#state === "failed") return this.#rest();
    // The bytes are still here, so a write that found no space can simply be made again.
    if (error !== null) return isFull(error) ? this.#suspend(error) : this.#fail(error);
    const { segment, chunk, end, durable } = flight;
    chunk.written = end;
    this.#written = chunk.from + end;
    segment.prepared = Math.max(segment.prepared, this.#written - segment.start);
    this.#recent.release();
    this.#resume();
    if (!durable) this.#dirty = true;
    if (!this.#filling) this.#fill(segment, fileOf(segment));
    if (durable) this.#advance();
    else this.#pump();
  };

  #datasync(): void {
    const segment = this.#segments.findLast((candidate) => candidate.file !== null) as Segment;
    this.#busy = true;
    fileOf(segment).datasync((error) => {
      this.#busy = false;
      // Whatever the error: the kernel may have dropped the pages, and the next fdatasync would not say so.
      if (error !== null) return this.#fail(error);
      if (this.#state === "failed") return this.#rest();
      this.#dirty = false;
      this.#advance();
    });
  }

  /** Everything written is durable. The next operation starts before anybody is told, so that the disk does not wait. */
  #advance(): void {
    const durable = this.#written;
    this.durable = durable;
    this.#pump();
    this.onDurable(durable);
  }

  #create(segment: Segment): void {
    const { files, directory } = this.#options;
    const spare = this.#spare === "ready";
    if (spare) this.#spare = "busy";
    this.#busy = true;
    createSegment(files, directory, segment, spare).then(
      () => {
        if (spare) this.#spare = "none";
        this.#busy = false;
        this.#fillable = true;
        this.#pump();
      },
      (error: Error) => {
        if (spare) this.#spare = "none";
        this.#busy = false;
        if (isFull(error)) this.#suspend(error);
        else this.#fail(error);
      },
    );
  }

  /** Writes the next zeros when the log comes near the end of what is prepared. */
  #fill(segment: Segment, target: OpenFile): void {
    const from = segment.prepared;
    const to = Math.min(from + FILL_STEP_BYTES, segment.capacity);
    if (!this.#fillable || from >= to) return;
    if (from - (this.#written - segment.start) > FILL_AHEAD_BYTES) return;
    this.#filling = true;
    const ended = (error: Error | null): void => {
      this.#filling = false;
      if (error === null) segment.prepared = Math.max(segment.prepared, to);
      // Without space for zeros there may still be some for the log; if not, its own write will find out.
      else if (isFull(error)) this.#fillable = false;
      else return this.#fail(error);
      this.#pump();
    };
    const step = (at: number): void => {
      if (at === to) return target.datasync(ended);
      const end = Math.min(at + ZEROS.length, to);
      target.write(ZEROS, 0, end - at, at, false, (error) =>
        error === null ? step(end) : ended(error),
      );
    };
    step(from);
  }

  async #remove(gone: Segment[]): Promise<void> {
    const { files, directory, segmentBytes } = this.#options;
    // One by one, oldest first, each made durable: a crash must not leave a gap.
    for (const segment of gone) {
      const recycle =
        this.#spare === "none" && segment.readers === 0 && segment.capacity === segmentBytes;
      if (recycle) this.#spare = "busy";
      if (recycle) await files.rename(segment.path, join(directory, SPARE_NAME));
      else await files.unlink(segment.path);
      await files.syncDirectory(directory);
      await this.#reader.retire(segment);
      if (recycle) this.#spare = "ready";
    }
  }

  #settle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idle = resolve;
      // A failed log is not written to, but files are closed only when nothing is in flight in them.
      if (this.#state === "failed") this.#rest();
      else this.sync();
    });
  }

  #suspend(error: Error): void {
    this.#retry = false;
    this.#failure = error;
    const first = this.#state === "open";
    if (first) this.#state = "full";
    this.#rest();
    if (first) this.onFailure({ kind: "full", error: this.#explain("is out of space", error) });
  }

  #resume(): void {
    if (this.#state !== "full") return;
    this.#state = "open";
    this.onRecovered();
  }

  #fail = (error: Error): void => {
    if (this.#state === "closed") return;
    if (this.#state === "failed") return this.#rest();
    this.#state = "failed";
    this.#failure = error;
    this.#rest();
    const { files, directory } = this.#options;
    void leaveDoubt(files, directory).finally(() =>
      this.onFailure({ kind: "failed", error: this.#explain("failed", error) }),
    );
  };

  #explain(what: string, cause: Error): Error {
    return new Error(`the log in ${this.#options.directory} ${what}: ${cause.message}`, { cause });
  }
}

function fileOf(segment: Segment): OpenFile {
  if (segment.file === null) throw new Error("bug: the segment is planned only");
  return segment.file;
}
