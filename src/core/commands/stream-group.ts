/**
 * StreamGroup: a consumer group as it is kept: from where on it reads, and what it has read of each origin's entries.
 *
 *   base      what CREATE or SETID said: entries up to this id are not for the group
 *   cursors   origin → the last id of its entries that was delivered, when that is behind the base
 *
 * Entries of another region may arrive with lower ids than what the group has read; that they are new, the cursor of their origin
 * tells. So no entry is skipped, and the last id that clients are shown is the greatest of all these.
 *
 * Invariant: groups that several regions wrote at once are read as one that has delivered what any of them has. An origin's entries
 * have ascending ids, so a cursor stands for all before it.
 */
import { Sink } from "../bytes/sink.ts";
import { Source } from "../bytes/source.ts";
import type { Cells } from "../crdt/cells.ts";
import { STREAM } from "../crdt/key.ts";
import { CURSOR_BYTES, GROUP, INCARNATION_BYTES } from "../crdt/stream-cell.ts";
import { compareIds, ID_BYTES, MAX_ID } from "../crdt/stream-id.ts";
import type { Place } from "../keyspace/place.ts";
import { eachTally, raise } from "./stream-tally.ts";
import type { Run } from "./run.ts";

const source = new Source(Buffer.alloc(0));
const packed = new Sink(256);

class Group {
  readonly base = Buffer.alloc(ID_BYTES);
  /** The last id delivered, as clients are shown it. */
  readonly last = Buffer.alloc(ID_BYTES);
  /** How many entries it has read; −1 when nobody knows. */
  read = -1;
  /** Origins that have a cursor; each is an incarnation and an id. */
  cursors: Buffer = Buffer.alloc(4 * CURSOR_BYTES);
  count = 0;
  /** The name of its cell. */
  readonly name: Sink = new Sink(64);

  /** Reads the group of a name; false when the stream at the place has none. */
  find(run: Run, place: Place, bytes: Buffer, start: number, end: number): boolean {
    const { name } = this;
    name.clear();
    name.u8(GROUP);
    name.raw(bytes, start, end);
    this.begin();
    const { cells, horizonMs } = place;
    const at = cells?.find(name.buffer, 0, name.length) ?? -1;
    if (at < 0) return false;
    const { table } = cells as Cells;
    const cell = table.objectAt(at);
    if (cell === null) {
      if (!place.lookCell(run.keyspace, at)) return false;
      this.#merge(place.value, place.valueStart, place.valueEnd);
      return true;
    }
    let found = false;
    for (const { ms, value } of cell.siblings) {
      if (ms <= horizonMs) continue;
      found = true;
      this.#merge(value, 0, value.length);
    }
    return found;
  }

  /** Begins anew, as a group that has delivered nothing. */
  begin(): void {
    this.base.fill(0);
    this.last.fill(0);
    this.read = -1;
    this.count = 0;
  }

  /** Is from now on a group that reads what comes behind an id. */
  set(id: Buffer, read: number): void {
    this.begin();
    id.copy(this.base, 0, 0, ID_BYTES);
    id.copy(this.last, 0, 0, ID_BYTES);
    this.read = read;
  }

  #merge(value: Buffer, start: number, end: number): void {
    source.reset(value, start, end);
    const base = source.skip(ID_BYTES);
    raise(this.base, value, base);
    raise(this.last, value, base);
    this.read = Math.max(this.read, source.varint() - 1);
    while (source.left > 0) {
      const at = source.skip(CURSOR_BYTES);
      this.deliver(value, at, value, at + INCARNATION_BYTES);
    }
  }

  /** The id up to which an origin's entries were delivered is at least this one. */
  deliver(maker: Buffer, makerAt: number, id: Buffer, idAt: number): void {
    raise(this.last, id, idAt);
    let at = this.#cursor(maker, makerAt);
    if (at < 0) {
      at = this.count++ * CURSOR_BYTES;
      if (at === this.cursors.length) {
        const larger = Buffer.alloc(2 * at);
        this.cursors.copy(larger);
        this.cursors = larger;
      }
      maker.copy(this.cursors, at, makerAt, makerAt + INCARNATION_BYTES);
    } else if (compareIds(this.cursors, at + INCARNATION_BYTES, id, idAt) >= 0) return;
    id.copy(this.cursors, at + INCARNATION_BYTES, idAt, idAt + ID_BYTES);
  }

  /** Where an origin's cursor lies, or −1. */
  #cursor(maker: Buffer, makerAt: number): number {
    const makerEnd = makerAt + INCARNATION_BYTES;
    for (let i = 0; i < this.count; i++) {
      const at = i * CURSOR_BYTES;
      if (maker.compare(this.cursors, at, at + INCARNATION_BYTES, makerAt, makerEnd) === 0)
        return at;
    }
    return -1;
  }

  /** Whether an entry of an origin is still to be delivered. */
  isNew(maker: Buffer, makerAt: number, id: Buffer, idAt: number): boolean {
    if (compareIds(id, idAt, this.base, 0) <= 0) return false;
    const at = this.#cursor(maker, makerAt);
    return at < 0 || compareIds(id, idAt, this.cursors, at + INCARNATION_BYTES) > 0;
  }

  /**
   * Writes the id behind which everything is that is still to be delivered: the lowest cursor of an origin that has added more
   * since. What others added may lie between.
   */
  readonly start: Buffer = Buffer.alloc(ID_BYTES);

  /** Reads `start` from the tallies of the stream. */
  findStart(run: Run, place: Place): void {
    MAX_ID.copy(this.start);
    eachTally(run, place, this.#lower);
  }

  readonly #lower = (maker: Buffer, last: Buffer): void => {
    const at = this.#cursor(maker, 0);
    let from: Buffer = this.base;
    let fromAt = 0;
    if (at >= 0 && compareIds(this.cursors, at + INCARNATION_BYTES, this.base, 0) > 0) {
      from = this.cursors;
      fromAt = at + INCARNATION_BYTES;
    }
    if (compareIds(last, 0, from, fromAt) > 0 && compareIds(from, fromAt, this.start, 0) < 0)
      from.copy(this.start, 0, fromAt, fromAt + ID_BYTES);
  };

  /** Writes the group as it is now. */
  write(run: Run, place: Place): void {
    packed.clear();
    packed.raw(this.base, 0, ID_BYTES);
    packed.varint(this.read + 1);
    packed.raw(this.cursors, 0, this.count * CURSOR_BYTES);
    const { buffer, length } = this.name;
    run.write.putCell(place, STREAM, buffer, 0, length, packed.buffer, 0, packed.length);
  }
}

/** One serves every command: `group.find(run, place, …)`. */
export const group: Group = new Group();
