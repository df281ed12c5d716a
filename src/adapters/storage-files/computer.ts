/**
 * Computer: what this adapter takes from the machine beside its files.
 *
 * Invariant: with another `Computer` and other `Files` nothing in `storage-files` knows of the machine it runs on, so a simulator can
 * give it one that loses power.
 */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { lockDirectory } from "./directory-lock.ts";

export interface Computer {
  /** Takes the directory until `release`; throws when another process has it. */
  lock(directory: string): { release(): void };
  /** What tells this machine from others; empty when it has no such thing. */
  id(): Promise<string>;
  randomBytes(count: number): Buffer;
  /** Calls back once, after `ms`, unless the returned function is called before. */
  later(ms: number, callback: () => void): () => void;
}

export const nodeComputer: Computer = {
  lock: lockDirectory,
  async id() {
    try {
      return (await readFile("/etc/machine-id", "latin1")).trim();
    } catch {
      // Not every system has one; the other parts of a fingerprint still tie the directory to its place.
      return "";
    }
  },
  randomBytes,
  later(ms, callback) {
    const timer = setTimeout(callback, ms).unref();
    return () => clearTimeout(timer);
  },
};
