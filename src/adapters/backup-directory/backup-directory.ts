/**
 * BackupDirectory: backups in a directory.
 *
 *   write name.tmp ─► sync it ─► rename to name ─► sync the directory
 *
 * Invariant: what is called `.tmp` was never promised to anybody: it is not listed, and the next `put` of the name replaces it.
 */
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { BackupPlace } from "../../host/ports/backup-place.ts";

const TEMPORARY = ".tmp";

/** `path` is made when the first file is put. */
export function backupDirectory(path: string): BackupPlace {
  const root = resolve(path);
  return {
    name: root,
    async list(prefix) {
      const entries = await readdir(join(root, prefix), { recursive: true, withFileTypes: true })
        // Nothing was put there yet.
        .catch((error: unknown) => (isMissing(error) ? [] : Promise.reject(error as Error)));
      return entries
        .filter((entry) => entry.isFile() && !entry.name.endsWith(TEMPORARY))
        .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
        .toSorted();
    },
    async get(name) {
      try {
        return await readFile(join(root, name));
      } catch (error) {
        if (isMissing(error)) return null;
        throw error;
      }
    },
    async put(name, bytes) {
      const file = join(root, name);
      const first = await mkdir(dirname(file), { recursive: true });
      try {
        const handle = await open(file + TEMPORARY, "w", 0o600);
        try {
          await handle.writeFile(bytes);
          await handle.sync();
        } finally {
          await handle.close();
        }
        await rename(file + TEMPORARY, file);
      } catch (cause) {
        await rm(file + TEMPORARY, { force: true }).catch(() => {});
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new Error(`${file} could not be written: ${why}`, { cause });
      }
      for (let at = dirname(file); ; at = dirname(at)) {
        await syncDirectory(at);
        // Directories that were made must be found again too.
        if (first === undefined || at.length < first.length) return;
      }
    },
    remove: (name) => rm(join(root, name), { force: true }),
  };
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
