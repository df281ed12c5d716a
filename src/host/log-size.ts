/**
 * LogSize: whether the log has outgrown what its operator meant to spend, and for whom it is kept.
 *
 * Invariant: it only tells. What a member still needs is never cut: the log may be the only copy.
 */

/** A warning in words, or null while the log of `bytes` is within `maxBytes`. `away` names the members that lag. */
export function outgrown(bytes: number, maxBytes: number, away: readonly string[]): string | null {
  if (bytes <= maxBytes) return null;
  const whom =
    away.length === 0 ? "the next checkpoint lets it shrink" : `it waits for ${away.join(", ")}`;
  return `the log holds ${Math.round(bytes / 1024 ** 2)} MiB, more than log.maxBytes (${Math.round(maxBytes / 1024 ** 2)} MiB): ${whom}`;
}
