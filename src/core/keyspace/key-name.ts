/**
 * KeyName: one key as text, for maps and sets of keys.
 *
 * Invariant: no two keys have the same name.
 */

/** The name under which a key is filed, by WATCH, blocking commands and what takes writes back. */
export function keyName(db: number, bytes: Buffer, start: number, end: number): string {
  return `${db}:${bytes.latin1Slice(start, end)}`;
}
