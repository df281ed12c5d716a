/**
 * StreamLag: how many entries a group has still to read, as far as Redis' counters tell.
 *
 * Invariant: an answer is given only where nothing that was deleted can lie between: null stands for nobody knows. The counters are
 * sums and maxima of what all origins say, so while regions write at once they are as good as what has arrived.
 */
import { compareIds, ID_BYTES, isZeroId } from "../crdt/stream-id.ts";
import type { Order } from "../crdt/order.ts";
import type { Place } from "../keyspace/place.ts";
import { lengthOf } from "./stream-entries.ts";
import { group } from "./stream-group.ts";
import { tally } from "./stream-tally.ts";

/** The stream whose `tally` was read last. One instance serves every call. */
export const counted = {
  length: 0,
  first: Buffer.alloc(ID_BYTES),

  of(place: Place): void {
    this.length = lengthOf(place);
    if (this.length === 0) {
      this.first.fill(0);
      return;
    }
    const { bytes, nameStart } = place.nameOf((place.order as Order).at(0));
    bytes.copy(this.first, 0, nameStart + 1, nameStart + 1 + ID_BYTES);
  },

  /** Whether something between an id and the end was deleted. */
  hasGapFrom(id: Buffer): boolean {
    const { deleted } = tally;
    if (this.length === 0 || isZeroId(deleted)) return false;
    return compareIds(this.first, 0, deleted, 0) <= 0 && compareIds(id, 0, deleted, 0) <= 0;
  },

  /** How many entries were added up to an id; −1 when nobody knows. */
  addedUpTo(id: Buffer): number {
    const { added, last, deleted } = tally;
    if (added === 0) return 0;
    const toLast = compareIds(id, 0, last, 0);
    if (toLast === 0 || (this.length === 0 && toLast < 0)) return added;
    if (toLast > 0) return -1;
    if (isZeroId(deleted) || compareIds(deleted, 0, this.first, 0) < 0) {
      const toFirst = compareIds(id, 0, this.first, 0);
      if (toFirst < 0) return added - this.length;
      if (toFirst === 0) return added - this.length + 1;
    }
    return -1;
  },

  /** How many entries `group`, which was read last, has still to read; null when nobody knows. */
  lag(): number | null {
    const { added } = tally;
    if (added === 0) return 0;
    if (group.read >= 0 && !this.hasGapFrom(group.last)) return added - group.read;
    const read = this.addedUpTo(group.last);
    return read < 0 ? null : added - read;
  },
};
