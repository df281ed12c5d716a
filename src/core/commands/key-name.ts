/**
 * KeyName: one key as text, for maps of keys that somebody watches or waits for.
 *
 * Invariant: no two keys have the same name.
 */

/** The name under which WATCH and blocking commands file a key. */
export function keyName(db: number, bytes: Buffer, start: number, end: number): string {
  return `${db}:${bytes.latin1Slice(start, end)}`;
}
