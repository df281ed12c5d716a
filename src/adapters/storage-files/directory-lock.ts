/**
 * Directory lock: two processes never open one data directory.
 *
 * Invariant: the lock is the kernel's and ends with the process that holds it, so a lock that is left behind cannot exist.
 *
 * A file with a pid in it goes stale, and in containers lies: every node there is process 1. Node has no flock, but SQLite, which
 * comes with Node, takes a kernel lock (fcntl) on its database file, and also refuses a second opening within one process. We
 * keep an empty database open in an exclusive transaction for that lock alone. `lock.pid` only tells people who holds it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

const SQLITE_BUSY = 5;

/** Takes the lock of `directory` until `release`; throws an error that names the holder's pid when another has it. */
export function lockDirectory(directory: string): { release(): void } {
  const database = new DatabaseSync(join(directory, "lock"));
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error;
    throw new Error(
      `the data directory ${directory} is in use by process ${holder(directory)}; ` +
        `stop it, or give this node a directory of its own`,
      { cause: error },
    );
  }
  writeFileSync(join(directory, "lock.pid"), `${process.pid}\n`);
  return { release: () => database.close() };
}

function holder(directory: string): string {
  try {
    return readFileSync(join(directory, "lock.pid"), "latin1").trim();
  } catch {
    return "(unknown)";
  }
}
