/**
 * Whole file: replacing a file so that a crash leaves the old one or the new one, never a mixture and never none.
 *
 *   write name.tmp ─► sync it ─► rename to name ─► sync the directory
 *
 * Invariant: nobody is told before the last step. What is still called `.tmp` was never promised and is removed at the start.
 */
import { join } from "node:path";
import { datasync, type Files, type OpenFile } from "./files.ts";

export const TEMPORARY = ".tmp";

/** Gives a written `name.tmp` its name, durably, and closes it. */
export async function installFile(
  files: Files,
  directory: string,
  name: string,
  file: OpenFile,
): Promise<void> {
  await datasync(file);
  await file.close();
  const path = join(directory, name);
  await files.rename(path + TEMPORARY, path);
  await files.syncDirectory(directory);
}

/** Closes and removes a `name.tmp` that is not to be. */
export async function dropFile(
  files: Files,
  directory: string,
  name: string,
  file: OpenFile,
): Promise<void> {
  await file.close();
  await files.unlink(join(directory, name + TEMPORARY));
}
