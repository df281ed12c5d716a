/** Memory files: a directory that lives in memory, for the adapter that keeps its files in one. */
import { basename } from "node:path";
import type { FileFacts, Files, OpenFile } from "../src/adapters/storage-files/files.ts";

export class MemoryFiles implements Files {
  readonly files = new Map<string, Buffer>();

  makeDirectory = async (): Promise<void> => {};
  syncDirectory = async (): Promise<void> => {};
  list = async (): Promise<string[]> => [...this.files.keys()];
  stat = async (): Promise<FileFacts> => ({ size: 0, inode: 1n, device: 1n, born: 1n });

  unlink = async (path: string): Promise<void> => {
    this.files.delete(basename(path));
  };

  rename = async (from: string, to: string): Promise<void> => {
    this.files.set(basename(to), this.#bytes(from));
    this.files.delete(basename(from));
  };

  open = async (path: string, create: boolean): Promise<OpenFile> => {
    const name = basename(path);
    if (create) this.files.set(name, Buffer.alloc(0));
    this.#bytes(name);
    return {
      write: (bytes, start, end, position, _durable, done) => {
        const old = this.#bytes(name);
        const file = Buffer.alloc(Math.max(old.length, position + end - start));
        old.copy(file);
        bytes.copy(file, position, start, end);
        this.files.set(name, file);
        done(null);
      },
      datasync: (done) => done(null),
      read: async (bytes, start, end, position) =>
        position >= this.#bytes(name).length
          ? 0
          : this.#bytes(name).copy(bytes, start, position, position + end - start),
      stat: async () => ({ size: this.#bytes(name).length, inode: 1n, device: 1n, born: 1n }),
      close: async () => {},
    };
  };

  #bytes(path: string): Buffer {
    const bytes = this.files.get(basename(path));
    if (bytes === undefined) throw Object.assign(new Error(`no file ${path}`), { code: "ENOENT" });
    return bytes;
  }
}
