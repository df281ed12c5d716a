/**
 * Disk: a file system that loses power: what a write leaves in the cache, what of it lies on the disk, and what a crash makes of it.
 *
 *   write ─► cache ─┬─ synced ─► disk
 *                   ├─ power lost ─► each sector of 512 bytes arrived or did not
 *                   └─ a failed sync ─► still read from the cache, and never written by any later sync
 *   create, rename, unlink ─► cache ─┬─ directory synced ─► disk
 *                                    └─ power lost ─► the first of them happened, the last of them did not
 *
 * Invariant: nothing happens on its own. Each completion is handed to `schedule`, whose owner decides when it comes, so one seed gives
 * one history.
 */
import { basename } from "node:path";
import type { Done, FileFacts, Files, OpenFile } from "../../src/adapters/storage-files/files.ts";
import type { Chance } from "./chance.ts";
import { Harms } from "./harm.ts";

const SECTOR_BYTES = 512;
/** Sectors remembered as they were before they were last written. */
const STALE_KEPT = 64;
/** Syncs after which a later block says that an earlier one had been stored. */
const SYNCS_WITNESS = 3;

interface Inode {
  readonly number: number;
  /** As read, and as it lies on the disk; both longer than their sizes. */
  cache: Buffer;
  size: number;
  disk: Buffer;
  diskSize: number;
  /** Sectors that no sync has written yet. */
  readonly unsynced: Set<number>;
  /** Sectors that no sync will ever write, because one failed. */
  readonly dropped: Set<number>;
  /** What lay where something else was written, the oldest first. */
  readonly stale: { readonly sector: number; readonly bytes: Buffer }[];
  /** Syncs so far, and which of them last wrote a sector. */
  syncs: number;
  readonly synced: Map<number, number>;
}

type Names = Map<string, Inode>;

/** What a crash took. */
export interface Loss {
  readonly sectors: number;
  readonly names: number;
}

export interface DiskWorld {
  /** Completes later. `isSync`: whether it has to wait for the device. */
  schedule(complete: () => void, isSync: boolean): void;
  /** A promise has been kept: whoever waits for it goes on before anything else happens. */
  stir(): void;
}

export class Disk implements Files {
  /** Tells it from every other disk there is, copies included. */
  readonly number: number;
  world: DiskWorld = { schedule: (complete) => complete(), stir: () => {} };
  /** While true nothing more fits. */
  full = false;
  /** The next sync fails, and what it should have stored is never stored. */
  failNextSync = false;
  /** Whether one has failed that a process cannot go on from: any but a checkpoint's. */
  hasFailed = false;
  /** Something on it is not what was written, or it is another member's. */
  isSpoilt = false;
  isForeign = false;
  /** What fills it up, and what fails its sync. */
  readonly fills = new Harms();
  readonly fails = new Harms();
  /** Called whenever something waits to be synced: the moment for a power failure to tear it. */
  onUnsynced: (() => void) | null = null;
  onUnsyncedName: (() => void) | null = null;
  #names: Names = new Map();
  #diskNames: Names = new Map();
  /** Changes of names that are not synced, in order. */
  #changes: ((names: Names) => void)[] = [];
  #inodes = 0;
  #user: object | null = null;

  constructor(number: number) {
    this.number = number;
  }

  /**
   * What an image of the disk taken now holds, on another disk. A copy of the files would hold unsynced bytes too; a power failure may
   * take those from the original, which then uses their dots again.
   */
  copy(number: number): Disk {
    const copy = new Disk(number);
    copy.isSpoilt = this.isSpoilt;
    copy.isForeign = this.isForeign;
    for (const [name, { disk, diskSize }] of this.#diskNames) {
      const inode = copy.#inode(Buffer.from(disk.subarray(0, diskSize)));
      copy.#names.set(name, inode);
      copy.#diskNames.set(name, inode);
    }
    return copy;
  }

  /** The names of the files that begin so. */
  namesOf(prefix: string): string[] {
    return [...this.#names.keys()].filter((name) => name.startsWith(prefix)).toSorted();
  }

  get unsyncedSectors(): number {
    let count = 0;
    for (const { unsynced } of this.#names.values()) count += unsynced.size;
    return count;
  }

  /** Whether another disk holds the same files. */
  equals(other: Disk): boolean {
    return (
      this.#names.size === other.#names.size &&
      [...this.#names].every(([name, { cache, size }]) => {
        const theirs = other.#names.get(name);
        return (
          theirs !== undefined &&
          theirs.size === size &&
          theirs.cache.subarray(0, size).equals(cache.subarray(0, size))
        );
      })
    );
  }

  // ── what goes wrong ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The process has ended; with `keeps`, the power was lost too: it decides of each sector that was not synced. */
  crash(keeps: (() => boolean) | null): Loss {
    this.#user = null;
    this.onUnsynced = null;
    this.onUnsyncedName = null;
    if (keeps === null) return { sectors: 0, names: 0 };
    let count = 0;
    while (count < this.#changes.length && keeps()) count++;
    const names = this.#changes.length - count;
    for (const change of this.#changes.slice(0, count)) change(this.#diskNames);
    this.#changes = [];
    let sectors = 0;
    const inodes = new Set([...this.#names.values(), ...this.#diskNames.values()]);
    for (const inode of inodes) sectors += tear(inode, keeps);
    this.#names = new Map(this.#diskNames);
    return { sectors, names };
  }

  /** Something that was stored long ago is found to be something else. Null when there is nothing of the kind. */
  spoil(how: "flip" | "stale" | "misdirect", prefix: string, chance: Chance): string | null {
    const names = this.namesOf(prefix).filter((name) => !name.endsWith(".tmp"));
    if (names.length === 0) return null;
    const name = chance.pick(names);
    const inode = this.#names.get(name) as Inode;
    const sector = how === "flip" ? flip(inode, chance) : misplace(inode, how, chance);
    return sector === null ? null : `${name} at byte ${sector * SECTOR_BYTES}`;
  }

  // ── as the process sees it ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** One process at a time. */
  lock(): { release(): void } {
    if (this.#user !== null) throw new Error("the data directory is in use");
    const user = {};
    this.#user = user;
    return {
      release: () => {
        if (this.#user === user) this.#user = null;
      },
    };
  }

  async makeDirectory(): Promise<void> {
    this.world.stir();
  }

  async open(path: string, create: boolean): Promise<OpenFile> {
    this.world.stir();
    const name = basename(path);
    let inode = this.#names.get(name);
    if (create) {
      if (this.full) {
        this.fills.felt();
        throw this.#noSpace();
      }
      const made = this.#inode(Buffer.alloc(0));
      this.#change((names) => names.set(name, made));
      inode = made;
    }
    if (inode === undefined) throw missing(path);
    return this.#opened(inode);
  }

  async rename(from: string, to: string): Promise<void> {
    this.world.stir();
    const inode = this.#names.get(basename(from));
    if (inode === undefined) throw missing(from);
    this.#change((names) => {
      names.delete(basename(from));
      names.set(basename(to), inode);
    });
  }

  async unlink(path: string): Promise<void> {
    this.world.stir();
    if (!this.#names.has(basename(path))) throw missing(path);
    this.#change((names) => names.delete(basename(path)));
  }

  async list(): Promise<string[]> {
    this.world.stir();
    return [...this.#names.keys()].toSorted();
  }

  syncDirectory(): Promise<void> {
    const changes = [...this.#changes];
    return new Promise((resolve) =>
      this.world.schedule(() => {
        for (const change of changes) change(this.#diskNames);
        this.#changes.splice(0, changes.length);
        resolve();
      }, true),
    );
  }

  async stat(path: string): Promise<FileFacts> {
    this.world.stir();
    const inode = this.#names.get(basename(path));
    return inode === undefined ? this.#facts(0, 0) : this.#facts(inode.number, inode.size);
  }

  #facts(inode: number, size: number): FileFacts {
    const number = BigInt(this.number);
    return { size, inode: number * 1_000_000n + BigInt(inode), device: 1n, born: number };
  }

  #inode(bytes: Buffer): Inode {
    return {
      number: ++this.#inodes,
      cache: bytes,
      size: bytes.length,
      disk: Buffer.from(bytes),
      diskSize: bytes.length,
      unsynced: new Set(),
      dropped: new Set(),
      stale: [],
      syncs: 0,
      synced: new Map(),
    };
  }

  #change(change: (names: Names) => void): void {
    change(this.#names);
    this.#changes.push(change);
    this.onUnsyncedName?.();
  }

  #opened(inode: Inode): OpenFile {
    const { world } = this;
    return {
      write: (bytes, start, end, position, durable, done) =>
        this.#write(inode, bytes.subarray(start, end), position, durable, done),
      datasync: (done) => {
        const sectors = [...inode.unsynced];
        world.schedule(() => this.#sync(inode, sectors, done), true);
      },
      read: (bytes, start, end, position) => {
        const to = Math.min(inode.size, position + end - start);
        return new Promise((resolve) =>
          world.schedule(() => {
            resolve(to <= position ? 0 : inode.cache.copy(bytes, start, position, to));
          }, false),
        );
      },
      stat: async () => {
        world.stir();
        return this.#facts(inode.number, inode.size);
      },
      close: async () => world.stir(),
    };
  }

  #write(inode: Inode, bytes: Buffer, position: number, durable: boolean, done: Done): void {
    const { world } = this;
    if (this.full)
      return world.schedule(() => {
        this.fills.felt();
        done(this.#noSpace());
      }, false);
    const sectors = put(inode, bytes, position);
    this.onUnsynced?.();
    world.schedule(() => (durable ? this.#sync(inode, sectors, done) : done(null)), durable);
  }

  #sync(inode: Inode, sectors: readonly number[], done: Done): void {
    if (this.failNextSync) {
      this.failNextSync = false;
      const isCheckpoint = this.namesOf("checkpoint.").some((n) => this.#names.get(n) === inode);
      this.hasFailed ||= !isCheckpoint;
      for (const sector of sectors) if (inode.unsynced.delete(sector)) inode.dropped.add(sector);
      this.fails.felt();
      return done(Object.assign(new Error("EIO: the sync failed"), { code: "EIO" }));
    }
    grow(inode, inode.cache.length);
    // One that was written again since is synced with its newer bytes. A sync that stores nothing bears no witness of what lies before.
    const stored = sectors.filter((sector) => inode.unsynced.delete(sector));
    if (stored.length > 0) inode.syncs++;
    for (const sector of stored) {
      keep(inode, sector);
      inode.synced.set(sector, inode.syncs);
    }
    inode.diskSize = inode.size;
    done(null);
  }

  #noSpace(): Error {
    return Object.assign(new Error("ENOSPC: the disk is full"), { code: "ENOSPC" });
  }
}

function missing(path: string): Error {
  return Object.assign(new Error(`${path} is not there`), { code: "ENOENT" });
}

/** Writes into the cache; returns the sectors it touched. */
function put(inode: Inode, bytes: Buffer, position: number): number[] {
  const end = position + bytes.length;
  if (end > inode.cache.length) {
    const larger = Buffer.alloc(Math.max(end, inode.cache.length * 2, SECTOR_BYTES));
    inode.cache.copy(larger, 0, 0, inode.size);
    inode.cache = larger;
  }
  const sectors: number[] = [];
  for (let sector = Math.floor(position / SECTOR_BYTES); sector * SECTOR_BYTES < end; sector++) {
    sectors.push(sector);
    if (!inode.unsynced.has(sector) && sector * SECTOR_BYTES < inode.diskSize) {
      const bytesBefore = Buffer.from(sectorOf(inode.disk, sector));
      if (inode.stale.push({ sector, bytes: bytesBefore }) > STALE_KEPT) inode.stale.shift();
    }
    inode.unsynced.add(sector);
    inode.dropped.delete(sector);
  }
  inode.cache.set(bytes, position);
  inode.size = Math.max(inode.size, end);
  return sectors;
}

function sectorOf(bytes: Buffer, sector: number): Buffer {
  return bytes.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
}

function grow(inode: Inode, length: number): void {
  if (inode.disk.length >= length) return;
  const larger = Buffer.alloc(length);
  inode.disk.copy(larger);
  inode.disk = larger;
}

function keep(inode: Inode, sector: number): void {
  const from = sector * SECTOR_BYTES;
  inode.cache.copy(inode.disk, from, from, from + SECTOR_BYTES);
}

/** The cache is gone: what was not synced arrived sector by sector, or not. Returns how many did not. */
function tear(inode: Inode, keeps: () => boolean): number {
  let lost = 0;
  grow(inode, inode.cache.length);
  for (const sector of inode.unsynced)
    if (keeps()) {
      keep(inode, sector);
      inode.diskSize = Math.min(inode.size, Math.max(inode.diskSize, (sector + 1) * SECTOR_BYTES));
    } else lost++;
  lost += inode.dropped.size;
  inode.unsynced.clear();
  inode.dropped.clear();
  inode.disk.fill(0, inode.diskSize);
  inode.cache = Buffer.from(inode.disk);
  inode.size = inode.diskSize;
  return lost;
}

/**
 * Whether later syncs have gone by since a sector was last written. The newest end of a log is left alone: nothing behind it could
 * witness that it had been stored, so a log that lost it has ended earlier, as far as anybody can tell.
 */
function isOld(inode: Inode, sector: number): boolean {
  return (
    !inode.unsynced.has(sector) &&
    (sector + 1) * SECTOR_BYTES <= inode.diskSize &&
    inode.syncs - (inode.synced.get(sector) ?? 0) >= SYNCS_WITNESS
  );
}

function flip(inode: Inode, chance: Chance): number | null {
  const written = [...inode.synced.keys()].filter((sector) => isOld(inode, sector));
  // A file that was written once and never again.
  const sectors = written.length > 0 ? written : [...inode.synced.keys()];
  if (sectors.length === 0 || (written.length === 0 && inode.syncs > 1)) return null;
  const sector = chance.pick(sectors);
  const from = sector * SECTOR_BYTES;
  const at = from + chance.below(Math.min(SECTOR_BYTES, inode.size - from));
  const bit = 1 << chance.below(8);
  for (const bytes of [inode.cache, inode.disk]) (bytes[at] as number) ^= bit;
  return sector;
}

/** A sector is what it was before its last write, or what was meant for its neighbour. */
function misplace(inode: Inode, how: "stale" | "misdirect", chance: Chance): number | null {
  const able = inode.stale.filter(({ sector }) => isOld(inode, sector));
  if (able.length === 0) return null;
  const { sector, bytes: before } = chance.pick(able);
  const other = Buffer.from(sectorOf(inode.disk, sector === 0 ? 1 : sector - 1));
  const bytes = how === "stale" ? before : other;
  if (bytes.length !== SECTOR_BYTES || bytes.equals(sectorOf(inode.disk, sector))) return null;
  for (const target of [inode.cache, inode.disk]) target.set(bytes, sector * SECTOR_BYTES);
  return sector;
}
