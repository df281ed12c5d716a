/**
 * File identity: a few small files saved whole, and what ties the directory to this machine.
 *
 *   identity.<name>   AAID │ u16 version │ u16 0 │ u32 length │ u32 crc │ bytes
 *
 * The fingerprint has four parts. Machine id, and device and inode of the directory, differ after a move or a copy to another
 * place. The log's id differs when the log was emptied while the rest stayed. A segment's header names the inode it was
 * made in and when that was born (an inode's number alone may be given out again at once), so a log that was copied back over an
 * intact directory shows too. This last part is a yes or no: the newest segment's inode itself changes whenever one fills. A snapshot of the whole disk that is rolled back
 * escapes all four; only peers can see that.
 */
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { Damaged, type Identity } from "../../host/ports/storage.ts";
import { type Computer, nodeComputer } from "./computer.ts";
import { writeAll, type Files } from "./files.ts";
import { dropFile, installFile } from "./whole-file.ts";

const MAGIC = Buffer.from("AAID");
const VERSION = 1;
const HEADER_BYTES = 16;
const NAME = /^[a-z0-9-]+$/;

export class FileIdentity implements Identity {
  #files: Files;
  #computer: Computer;
  #directory: string;
  #log: { fingerprint(): string };
  #saving: Promise<unknown> = Promise.resolve();

  constructor(
    files: Files,
    directory: string,
    log: { fingerprint(): string },
    computer: Computer = nodeComputer,
  ) {
    this.#files = files;
    this.#computer = computer;
    this.#directory = directory;
    this.#log = log;
  }

  async load(name: string): Promise<Buffer | null> {
    const path = join(this.#directory, fileName(name));
    const file = await openIfThere(this.#files, path);
    if (file === null) return null;
    try {
      const { size } = await file.stat();
      const bytes = Buffer.alloc(size);
      await file.read(bytes, 0, size, 0);
      if (size < HEADER_BYTES || !bytes.subarray(0, 4).equals(MAGIC))
        throw new Damaged(`${path} at byte 0: this is no identity file. ${MEND}`);
      if (bytes.readUInt16BE(4) > VERSION)
        throw new Error(
          `${path} was written by a newer Atoll: it has format ${bytes.readUInt16BE(4)}, this one reads ${VERSION}`,
        );
      if (
        bytes.readUInt32BE(8) !== size - HEADER_BYTES ||
        bytes.readUInt32BE(12) !== sum(name, bytes)
      )
        throw new Damaged(
          `${path} at byte ${HEADER_BYTES}: it does not match its checksum. ${MEND}`,
        );
      return bytes.subarray(HEADER_BYTES);
    } finally {
      await file.close();
    }
  }

  save(name: string, bytes: Uint8Array): Promise<void> {
    const file = fileName(name);
    const whole = Buffer.alloc(HEADER_BYTES + bytes.length);
    MAGIC.copy(whole);
    whole.writeUInt16BE(VERSION, 4);
    whole.writeUInt32BE(bytes.length, 8);
    whole.set(bytes, HEADER_BYTES);
    whole.writeUInt32BE(sum(name, whole), 12);
    // One at a time: two savings of one name share its temporary file.
    const saved = this.#saving.then(() => this.#replace(file, whole));
    this.#saving = saved.catch(() => {});
    return saved;
  }

  async #replace(name: string, whole: Buffer): Promise<void> {
    const path = join(this.#directory, name);
    try {
      const file = await this.#files.open(`${path}.tmp`, true);
      try {
        await writeAll(file, whole, 0);
      } catch (error) {
        await dropFile(this.#files, this.#directory, name, file);
        throw error;
      }
      await installFile(this.#files, this.#directory, name, file);
    } catch (error) {
      throw new Error(`${path} could not be saved`, { cause: error });
    }
  }

  async fingerprint(): Promise<string> {
    const { inode, device } = await this.#files.stat(this.#directory);
    return `${await this.#computer.id()}:${device}:${inode}:${this.#log.fingerprint()}`;
  }

  /** Waits for what is being saved. */
  async close(): Promise<void> {
    await this.#saving;
  }
}

function fileName(name: string): string {
  if (!NAME.test(name)) throw new Error(`bug: ${name} cannot name an identity file`);
  return `identity.${name}`;
}

/** Over everything behind it and the name, so that one file renamed to another does not pass. */
function sum(name: string, whole: Buffer): number {
  return crc32(whole.subarray(HEADER_BYTES), crc32(name));
}

async function openIfThere(files: Files, path: string) {
  try {
    return await files.open(path, false);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

const MEND =
  "Restore it from a backup, or move the directory away and start the node empty, as a new member";
