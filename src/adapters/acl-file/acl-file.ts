/**
 * AclFile: the users of a node in a file that belongs to the operator, one line each.
 *
 *   text ─► file.new ─► synced ─► renamed onto the file ─► directory synced
 *
 * Invariant: the file is the old one or the new one, whenever the machine stops; only its owner may read it.
 */
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import type { AclFile } from "../../core/commands/run.ts";

const OWNER_ONLY = 0o600;

/** It is read and written at once, while nothing else is served: that is for ACL LOAD and SAVE, and a start. */
export function aclFileAt(path: string): AclFile {
  return {
    read() {
      try {
        return { text: readFileSync(path, "latin1") };
      } catch (error) {
        return { problem: `opening file '${path}': ${messageOf(error)}` };
      }
    },
    write(text) {
      const next = `${path}.new`;
      try {
        writeSynced(next, text);
        renameSync(next, path);
        syncDirectory(dirname(path));
        return null;
      } catch (error) {
        discard(next);
        return messageOf(error);
      }
    },
  };
}

function writeSynced(path: string, text: string): void {
  const file = openSync(path, "w", OWNER_ONLY);
  try {
    writeFileSync(file, text, "latin1");
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function syncDirectory(path: string): void {
  const directory = openSync(path, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function discard(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It was not there, and the reason for that is the one that is told.
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
