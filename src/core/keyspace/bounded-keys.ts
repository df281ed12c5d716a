/**
 * BoundedKeys: which keys may hold bounded counters, so that nobody walks through the keyspace for them.
 *
 * Invariant: every key that holds one is named. A name may be out of date: whoever meets one where nothing is forgets it.
 */
import { keyName } from "./key-name.ts";
import type { Place } from "./place.ts";

export interface BoundedKey {
  readonly name: string;
  readonly db: number;
  readonly key: Buffer;
}

export class BoundedKeys {
  readonly #keys = new Map<string, BoundedKey>();
  /** Those that were written to since somebody last looked. */
  changed = new Set<BoundedKey>();

  get count(): number {
    return this.#keys.size;
  }

  /** A key with a bounded counter was written to. */
  note({ db, bytes, start, end }: Place): void {
    const name = keyName(db, bytes, start, end);
    let key = this.#keys.get(name);
    if (key === undefined) {
      key = { name, db, key: Buffer.from(bytes.subarray(start, end)) };
      this.#keys.set(name, key);
    }
    this.changed.add(key);
  }

  /** Nothing is there any more. */
  forget(key: BoundedKey): void {
    this.#keys.delete(key.name);
    this.changed.delete(key);
  }

  all(): IterableIterator<BoundedKey> {
    return this.#keys.values();
  }
}
