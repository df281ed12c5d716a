/**
 * Cleanup: what a test run started is gone when the run ends, however it ends.
 *
 * Invariant: everything registered is released exactly once, by its owner or at exit. Release at exit is synchronous,
 * because an exiting process waits for nothing.
 */
const releases = new Set<() => void>();
let listening = false;

/** Runs `release` when the process exits, unless the returned function was called before. */
export function atExit(release: () => void): () => void {
  if (!listening) {
    listening = true;
    process.on("exit", releaseAll);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.once(signal, () => process.exit(130));
    }
  }
  releases.add(release);
  return () => void releases.delete(release);
}

function releaseAll(): void {
  for (const release of releases) {
    try {
      release();
    } catch {
      // The others must still be released.
    }
  }
  releases.clear();
}
