/**
 * SlotSums: the sum of every slot under one key of chance, as it was at a moment, so that a slot which nobody has written to since is
 * not digested again however often the same comparison asks for it.
 *
 * Invariant: a sum is known only as long as its slot has not changed since the moment at which the pass that made it began. Each
 * comparison draws another key, so none believes what an earlier one has seen.
 */
import { ALL_SLOTS, type Changes } from "../keyspace/changes.ts";
import { DIGEST_WORDS } from "./digest.ts";

/** Comparisons that are under way at once, in all likelihood: one by each member of three. Each costs a third of a megabyte. */
const KEPT_MAX = 3;

export class SlotSums {
  readonly sums = new Int32Array(ALL_SLOTS * DIGEST_WORDS);
  /** The moment as of which each is known; 0 for never. */
  readonly #since = new Uint32Array(ALL_SLOTS);

  knows(slot: number, changes: Changes): boolean {
    const since = this.#since[slot] as number;
    return since > 0 && !changes.changed(slot, since);
  }

  /** The sum of a slot, which lies at `at` of `sums`, is that of the moment `since`. */
  put(slot: number, sums: Int32Array, at: number, since: number): void {
    for (let i = 0; i < DIGEST_WORDS; i++)
      this.sums[slot * DIGEST_WORDS + i] = sums[at + i] as number;
    this.#since[slot] = since;
  }
}

export class SlotSumsByKey {
  readonly #byKey = new Map<string, SlotSums>();

  /** What is known under a key, the one used last being kept the longest. */
  of(key: Int32Array): SlotSums {
    const name = key.join();
    const sums = this.#byKey.get(name) ?? new SlotSums();
    this.#byKey.delete(name);
    this.#byKey.set(name, sums);
    for (const oldest of this.#byKey.keys()) {
      if (this.#byKey.size <= KEPT_MAX) break;
      this.#byKey.delete(oldest);
    }
    return sums;
  }
}
