/**
 * Temp dir: a directory of its own for one test.
 *
 * Invariant: it is removed when disposed, and at exit when nobody did.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { atExit } from "./cleanup.ts";

export interface TempDir extends Disposable {
  readonly path: string;
}

/** Makes an empty directory whose name begins with `atoll-` and `purpose`. */
export function tempDir(purpose: string): TempDir {
  const path = mkdtempSync(join(tmpdir(), `atoll-${purpose}-`));
  const remove = (): void => rmSync(path, { recursive: true, force: true, maxRetries: 5 });
  const forget = atExit(remove);
  return {
    path,
    [Symbol.dispose]: () => {
      forget();
      remove();
    },
  };
}
