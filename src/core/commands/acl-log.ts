/**
 * AclLog: what users were denied, newest first.
 *
 * Invariant: no more entries than `acllog-max-len`. What is denied again within a minute is one entry with a count, so a client that
 * tries again and again does not push the others out.
 */
export interface AclLogEntry {
  readonly reason: "command" | "key" | "channel" | "auth";
  readonly context: "toplevel" | "multi" | "lua";
  /** The command, key or channel, one byte a character. */
  readonly object: string;
  readonly user: string;
  /** As CLIENT LIST shows it. */
  readonly client: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly count: number;
}

const SAME_WITHIN_MS = 60_000;
/** How many of the newest may be the same. */
const LOOK_BACK = 10;

export class AclLog {
  entries: AclLogEntry[] = [];

  add(entry: Omit<AclLogEntry, "count">, max: number): void {
    const same = this.entries
      .slice(0, LOOK_BACK)
      .find(
        (other) =>
          other.reason === entry.reason &&
          other.context === entry.context &&
          other.object === entry.object &&
          other.user === entry.user &&
          entry.atMs - other.atMs <= SAME_WITHIN_MS,
      );
    if (same !== undefined) this.entries = this.entries.filter((other) => other !== same);
    this.entries.unshift({ ...entry, count: (same?.count ?? 0) + 1 });
    this.trim(max);
  }

  trim(max: number): void {
    if (this.entries.length > max) this.entries.length = max;
  }
}
