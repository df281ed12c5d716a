/**
 * Learned: the values of strong keys as this replica has heard that they were decided: what SCAN, KEYS and reads with a bound of
 * staleness show.
 *
 * Invariant: of one key the newest version that was heard of, whatever came in whatever order. It is never what decides.
 */
import { keyName } from "../keyspace/key-name.ts";
import type { StrongValue } from "./strong-state.ts";

export interface LearnedKey extends StrongValue {
  readonly db: number;
  readonly key: Buffer;
}

export class Learned {
  readonly #keys = new Map<string, LearnedKey>();

  get size(): number {
    return this.#keys.size;
  }

  find(db: number, key: Buffer): LearnedKey | undefined {
    return this.#keys.get(keyName(db, key, 0, key.length));
  }

  /** Whether it is news. */
  take(db: number, key: Buffer, { version, value, deadline }: StrongValue): boolean {
    const name = keyName(db, key, 0, key.length);
    if (version <= (this.#keys.get(name)?.version ?? 0)) return false;
    this.#keys.set(name, { db, key: Buffer.from(key), version, value, deadline });
    return true;
  }

  /** A key that is gone was forgotten by those who decide. */
  forget(db: number, key: Buffer, version: number): void {
    const name = keyName(db, key, 0, key.length);
    const known = this.#keys.get(name);
    if (known !== undefined && known.value === null && known.version <= version)
      this.#keys.delete(name);
  }

  all(): IterableIterator<LearnedKey> {
    return this.#keys.values();
  }
}
