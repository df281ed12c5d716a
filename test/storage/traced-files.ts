/**
 * Traced files: a directory whose every write, sync and rename is remembered, so that any crash of it can be laid out on disk.
 *
 * What a crash keeps, as seen from one point of the trace:
 *
 *   bytes   what was synced stays. Of every other write each 512-byte sector arrives or not, on its own; a sector that a write
 *           covers from its start may also end as zeros or garbage. (One that also holds older bytes is old or new as a whole.)
 *   names   after the last sync of the directory every creation, rename and removal happens or not, on its own
 *
 * Invariant: this is crueller than a file system, never kinder. Nothing is really synced here, which makes it quick.
 */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { type Files, nodeFiles, type OpenFile } from "../../src/adapters/storage-files/files.ts";

const SECTOR_BYTES = 512;

type Event =
  | { type: "write"; file: number; position: number; bytes: Buffer; durableAt: number }
  | { type: "link"; name: string; file: number; durableAt: number }
  | { type: "unlink"; name: string; durableAt: number }
  | { type: "rename"; from: string; to: string; file: number; durableAt: number };

const NEVER = Number.POSITIVE_INFINITY;

export class TracedFiles implements Files {
  /** Skips a step on purpose, to see a test fail. */
  spoil: "nothing" | "directory sync" = "nothing";
  /** The moment from which on a crash can be laid out. */
  begun = 0;
  #events: Event[] = [];
  #clock = 0;
  #names = new Map<string, number>();
  #files = 0;

  /** Remembers what is in `directory` as durable, or as written by a process that died before it synced. */
  static async of(directory: string, synced = true): Promise<TracedFiles> {
    const traced = new TracedFiles();
    const durableAt = synced ? 0 : NEVER;
    await mkdir(directory, { recursive: true });
    for (const name of await readdir(directory)) {
      if (name.startsWith("lock")) continue;
      const file = traced.#link(name, durableAt);
      const bytes = await readFile(join(directory, name));
      traced.#add({ type: "write", file, position: 0, bytes, durableAt });
    }
    traced.begun = traced.now();
    return traced;
  }

  /** The present moment; later moments are larger. */
  now(): number {
    return ++this.#clock;
  }

  #link(name: string, durableAt: number): number {
    const file = this.#files++;
    this.#names.set(name, file);
    this.#add({ type: "link", name, file, durableAt });
    return file;
  }

  /** The index of an event is its moment, so that the two compare. */
  #add(event: Event): void {
    while (this.#events.length < this.#clock) this.#events.push(NOTHING);
    this.#events.push(event);
    this.#clock = this.#events.length;
  }

  async makeDirectory(path: string): Promise<void> {
    await mkdir(path, { recursive: true });
  }

  list = nodeFiles.list;
  stat = nodeFiles.stat;

  async rename(from: string, to: string): Promise<void> {
    await nodeFiles.rename(from, to);
    const file = this.#names.get(basename(from)) as number;
    this.#names.delete(basename(from));
    this.#names.set(basename(to), file);
    this.#add({ type: "rename", from: basename(from), to: basename(to), file, durableAt: NEVER });
  }

  async unlink(path: string): Promise<void> {
    await nodeFiles.unlink(path);
    this.#names.delete(basename(path));
    this.#add({ type: "unlink", name: basename(path), durableAt: NEVER });
  }

  async syncDirectory(): Promise<void> {
    if (this.spoil === "directory sync") return;
    const begun = this.now();
    await new Promise((resolve) => setImmediate(resolve));
    this.#promote((event) => event.type !== "write", begun);
  }

  async open(path: string, create: boolean): Promise<OpenFile> {
    const real = await nodeFiles.open(path, create);
    const name = basename(path);
    const file = create ? this.#link(name, NEVER) : (this.#names.get(name) as number);
    return {
      ...real,
      write: (bytes, start, end, position, durable, done) => {
        const copy = Buffer.from(bytes.subarray(start, end));
        const event: Event = { type: "write", file, position, bytes: copy, durableAt: NEVER };
        this.#add(event);
        real.write(bytes, start, end, position, false, (error) => {
          if (durable && error === null) event.durableAt = this.now();
          done(error);
        });
      },
      datasync: (done) => {
        const begun = this.now();
        setImmediate(() => {
          this.#promote((event) => event.type === "write" && event.file === file, begun);
          done(null);
        });
      },
    };
  }

  #promote(concerns: (event: Event) => boolean, begun: number): void {
    const now = this.now();
    for (let i = 0; i < begun && i < this.#events.length; i++) {
      const event = this.#events[i] as Event;
      if (event.durableAt === NEVER && concerns(event)) event.durableAt = now;
    }
  }

  /** Lays out in `directory` one state that a crash at `moment` may leave. */
  async layOut(directory: string, moment: number, random: () => number): Promise<void> {
    const names = new Map<string, number>();
    const images: Image[] = Array.from({ length: this.#files }, () => new Image());
    // A crash that keeps nearly all or nearly nothing finds other faults than one that tosses a coin.
    const keep = [0, 0.1, 0.5, 0.9, 1][Math.floor(random() * 5)] as number;
    for (const [at, event] of this.#events.entries()) {
      if (at >= moment) break;
      const durable = event.durableAt <= moment;
      if (event.type === "write")
        (images[event.file] as Image).write(event, durable ? null : { keep, random });
      else if (durable || random() < keep) apply(names, event);
    }
    await mkdir(directory, { recursive: true });
    for (const [name, file] of names)
      await writeFile(join(directory, name), (images[file] as Image).bytes());
  }
}

const NOTHING: Event = { type: "unlink", name: "", durableAt: 0 };

function apply(names: Map<string, number>, event: Exclude<Event, { type: "write" }>): void {
  if (event.type === "link") names.set(event.name, event.file);
  else if (event.type === "unlink") names.delete(event.name);
  else {
    names.delete(event.from);
    names.set(event.to, event.file);
  }
}

/** A file's bytes as they come to lie on the disk. */
class Image {
  #bytes: Buffer = Buffer.alloc(0);

  write(
    { position, bytes }: { position: number; bytes: Buffer },
    chance: { keep: number; random: () => number } | null,
  ): void {
    if (chance === null) return this.#put(position, bytes);
    const end = position + bytes.length;
    for (let at = position; at < end;) {
      const sectorEnd = Math.min((Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES, end);
      const piece = bytes.subarray(at - position, sectorEnd - position);
      if (chance.random() < chance.keep) this.#put(at, piece);
      else if (at % SECTOR_BYTES === 0 && chance.random() < 0.2)
        this.#put(at, spoiled(piece.length, chance.random));
      at = sectorEnd;
    }
  }

  #put(position: number, bytes: Buffer): void {
    const end = position + bytes.length;
    if (end > this.#bytes.length) {
      const larger = Buffer.alloc(end);
      this.#bytes.copy(larger);
      this.#bytes = larger;
    }
    bytes.copy(this.#bytes, position);
  }

  bytes(): Buffer {
    return this.#bytes;
  }
}

function spoiled(length: number, random: () => number): Buffer {
  if (random() < 0.5) return Buffer.alloc(length);
  return Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
}
