/**
 * RosterFile: who belongs to the cluster, as this directory knows it, kept beside the identity.
 *
 * Invariant: what is saved later is what the file holds, whichever of two saves the disk would have finished first.
 */
import type { Identity } from "./ports/storage.ts";

const NAME = "roster";

export class RosterFile {
  readonly #identity: Identity;
  #last: Promise<void> = Promise.resolve();

  constructor(identity: Identity) {
    this.#identity = identity;
  }

  /** Null when nobody was ever added or removed. Rejects with `Damaged`. */
  load(): Promise<Buffer | null> {
    return this.#identity.load(NAME);
  }

  /** Durable when it resolves. */
  save(bytes: Buffer): Promise<void> {
    const save = this.#last.then(() => this.#identity.save(NAME, bytes));
    // One that fails has told whoever waits for it; the next begins all the same.
    this.#last = save.catch(() => {});
    return save;
  }
}
