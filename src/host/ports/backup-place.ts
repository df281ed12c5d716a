/**
 * BackupPlace: where backups are kept: named files, each written whole.
 *
 * Invariant: a file is there with all its bytes or not at all, whatever ends the process that writes it. Once `put` has resolved it
 * stays.
 */
export interface BackupPlace {
  /** How messages name it. */
  readonly name: string;
  /** The names that begin with `prefix`, which ends with a slash, in their order. */
  list(prefix: string): Promise<string[]>;
  /** Null when there is none. */
  get(name: string): Promise<Buffer | null>;
  /** Names are small letters, digits, dashes, dots and slashes. */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** Does nothing when it is not there. */
  remove(name: string): Promise<void>;
}
