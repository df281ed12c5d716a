/**
 * File checkpoints: the state at some position of the log, one file each.
 *
 *   checkpoint.<n>   AACP │ u16 version │ u16 0 │ u32 n │ u32 crc of these
 *                    u32 length │ u32 crc │ bytes      for each section
 *                    u32 0xffffffff │ u32 crc │ u32 sections
 *
 * Invariant: a file without its last line is no checkpoint. A predecessor is removed only when the new one's name is durable.
 */
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { assert } from "../../core/assert.ts";
import { Damaged, type Checkpoints, type CheckpointWriter } from "../../host/ports/storage.ts";
import { datasync, writeAll, type Files, type OpenFile } from "./files.ts";
import { dropFile, installFile } from "./whole-file.ts";

const MAGIC = Buffer.from("AACP");
const VERSION = 1;
const HEADER_BYTES = 16;
const SECTION_HEADER_BYTES = 8;
const FOOTER_BYTES = 12;
const FOOTER = 0xffff_ffff;
/** Sections gather to writes of this size; a larger section is one write. */
const WRITE_BYTES = 256 << 10;
/** Synced every so often, so that the log's syncs never queue behind one great heap. */
const SYNC_BYTES = 8 << 20;
const NAME = /^checkpoint\.(\d+)$/;

export class FileCheckpoints implements Checkpoints {
  #files: Files;
  #directory: string;
  /** Whether a checkpoint is being written. */
  #writing = false;

  constructor(files: Files, directory: string) {
    this.#files = files;
    this.#directory = directory;
  }

  async list(): Promise<number[]> {
    const names = await this.#files.list(this.#directory);
    return names
      .flatMap((name) => NAME.exec(name)?.[1] ?? [])
      .map(Number)
      .toSorted((a, b) => b - a);
  }

  async load(
    visit: (section: Buffer, index: number) => void,
    number?: number,
  ): Promise<{ sections: number; number: number } | null> {
    const numbers = await this.list();
    const wanted = number ?? numbers[0];
    if (wanted === undefined || !numbers.includes(wanted)) return null;
    const path = join(this.#directory, `checkpoint.${wanted}`);
    const file = await this.#files.open(path, false);
    try {
      return { sections: await readSections(file, path, wanted, visit), number: wanted };
    } finally {
      await file.close();
    }
  }

  begin(): CheckpointWriter {
    assert(!this.#writing, "one checkpoint is written at a time");
    this.#writing = true;
    return new FileCheckpointWriter(this.#files, this.#directory, this.list(), () => {
      this.#writing = false;
    });
  }
}

class FileCheckpointWriter implements CheckpointWriter {
  #files: Files;
  #directory: string;
  #ended: () => void;
  #older: number[] = [];
  #number = 0;
  #file: OpenFile | null = null;
  #position = HEADER_BYTES;
  #synced = 0;
  #sections = 0;
  #gathering: Buffer = Buffer.allocUnsafe(WRITE_BYTES);
  #gathered = 0;
  #free: Buffer[] = [Buffer.allocUnsafe(WRITE_BYTES)];
  /** The opening and every write so far, in order. One failure fails the installation. */
  #written: Promise<void>;

  constructor(files: Files, directory: string, older: Promise<number[]>, ended: () => void) {
    this.#files = files;
    this.#directory = directory;
    this.#ended = ended;
    this.#written = this.#open(older);
    // It is reported by the section or the installation that follows.
    this.#written.catch(() => {});
  }

  section(bytes: Uint8Array): Promise<void> {
    const whole = SECTION_HEADER_BYTES + bytes.length;
    const flushed = this.#gathered + whole > this.#gathering.length;
    if (flushed) this.#flush();
    if (whole > WRITE_BYTES) {
      const own = Buffer.allocUnsafe(whole);
      frame(own, 0, this.#sections++, bytes);
      this.#queue(own, whole);
      return this.#written;
    }
    frame(this.#gathering, this.#gathered, this.#sections++, bytes);
    this.#gathered += whole;
    return flushed ? this.#written : Promise.resolve();
  }

  async install(): Promise<void> {
    this.#flush();
    try {
      await this.#written;
      const footer = Buffer.alloc(FOOTER_BYTES);
      footer.writeUInt32BE(FOOTER, 0);
      footer.writeUInt32BE(this.#sections, 8);
      footer.writeUInt32BE(crc32(footer.subarray(8), this.#number), 4);
      this.#queue(footer, FOOTER_BYTES);
      await this.#written;
      await installFile(this.#files, this.#directory, this.#name(), this.#file as OpenFile);
      this.#file = null;
      for (const number of this.#older)
        await this.#files.unlink(join(this.#directory, `checkpoint.${number}`));
      this.#ended();
    } catch (error) {
      await this.abandon().catch(() => {});
      throw new Error(`the checkpoint in ${this.#directory} could not be written`, {
        cause: error,
      });
    }
  }

  async abandon(): Promise<void> {
    try {
      await this.#written.catch(() => {});
      const file = this.#file;
      this.#file = null;
      if (file !== null) await dropFile(this.#files, this.#directory, this.#name(), file);
    } finally {
      this.#ended();
    }
  }

  async #open(older: Promise<number[]>): Promise<void> {
    this.#older = await older;
    this.#number = (this.#older[0] ?? 0) + 1;
    this.#file = await this.#files.open(join(this.#directory, `${this.#name()}.tmp`), true);
    const header = Buffer.alloc(HEADER_BYTES);
    MAGIC.copy(header);
    header.writeUInt16BE(VERSION, 4);
    header.writeUInt32BE(this.#number, 8);
    header.writeUInt32BE(crc32(header.subarray(0, 12)), 12);
    await writeAll(this.#file, header, 0);
  }

  #name(): string {
    return `checkpoint.${this.#number}`;
  }

  #flush(): void {
    if (this.#gathered === 0) return;
    this.#queue(this.#gathering, this.#gathered);
    this.#gathering = this.#free.pop() ?? Buffer.allocUnsafe(WRITE_BYTES);
    this.#gathered = 0;
  }

  #queue(bytes: Buffer, length: number): void {
    const position = this.#position;
    this.#position += length;
    this.#written = this.#written.then(async () => {
      const file = this.#file as OpenFile;
      await writeAll(file, bytes.subarray(0, length), position);
      if (bytes.length === WRITE_BYTES && this.#free.length < 2) this.#free.push(bytes);
      if (position + length - this.#synced < SYNC_BYTES) return;
      await datasync(file);
      this.#synced = position + length;
    });
    this.#written.catch(() => {});
  }
}

/** The checksum is seeded with the section's number, so that one section in another's place does not pass. */
function frame(target: Buffer, at: number, index: number, bytes: Uint8Array): void {
  target.writeUInt32BE(bytes.length, at);
  target.writeUInt32BE(crc32(bytes, index), at + 4);
  target.set(bytes, at + SECTION_HEADER_BYTES);
}

/** Reads the file in order, holding one section at a time, and checks all of it. Returns the number of sections. */
async function readSections(
  file: OpenFile,
  path: string,
  number: number,
  visit: (section: Buffer, index: number) => void,
): Promise<number> {
  const damaged = (at: number, what: string) =>
    new Damaged(`${path} at byte ${at}: ${what}. ${MEND}`);
  const { size } = await file.stat();
  let buffer = Buffer.allocUnsafe(Math.min(WRITE_BYTES * 4, size));
  let bufferFrom = 0;
  let bufferEnd = 0;
  /** The file's bytes [at, at + count), which stay valid until the next call. */
  const bytesAt = async (at: number, count: number): Promise<Buffer> => {
    if (at + count > size) throw damaged(at, "the file is cut off");
    if (at + count > bufferEnd) {
      if (count > buffer.length) buffer = Buffer.allocUnsafe(count);
      const got = await file.read(buffer, 0, Math.min(buffer.length, size - at), at);
      bufferFrom = at;
      bufferEnd = at + got;
      if (got < count) throw damaged(at, "the file is cut off");
    }
    return buffer.subarray(at - bufferFrom, at - bufferFrom + count);
  };

  const header = await bytesAt(0, HEADER_BYTES);
  if (!header.subarray(0, 4).equals(MAGIC))
    throw damaged(0, "this is no checkpoint, its first bytes are not AACP");
  if (header.readUInt16BE(4) > VERSION)
    throw new Error(
      `${path} was written by a newer Atoll: it has checkpoint format ${header.readUInt16BE(4)}, ` +
        `this one reads ${VERSION}. Start the newer version on this directory`,
    );
  if (
    header.readUInt32BE(12) !== crc32(header.subarray(0, 12)) ||
    header.readUInt32BE(8) !== number
  )
    throw damaged(0, "the header does not match its checksum or its name");
  let at = HEADER_BYTES;
  for (let index = 0; ; index++) {
    const start = await bytesAt(at, SECTION_HEADER_BYTES);
    const length = start.readUInt32BE(0);
    const sum = start.readUInt32BE(4);
    if (length === FOOTER) {
      const footer = await bytesAt(at, FOOTER_BYTES);
      const whole = crc32(footer.subarray(8), number) === sum && footer.readUInt32BE(8) === index;
      if (!whole || at + FOOTER_BYTES !== size) throw damaged(at, "the last line is damaged");
      return index;
    }
    const section = await bytesAt(at + SECTION_HEADER_BYTES, length);
    if (crc32(section, index) !== sum)
      throw damaged(at, `section ${index} does not match its checksum`);
    visit(section, index);
    at += SECTION_HEADER_BYTES + length;
  }
}

const MEND =
  "If an older checkpoint is there and the log reaches back to it, use that; else restore the directory from a backup, " +
  "or move it away and start the node empty";
