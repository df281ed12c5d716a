/**
 * StreamTally: what is known of a stream beside its entries: its last id, the last one that was deleted, how many were added.
 *
 * Invariant: each origin writes what it has done itself, so nothing that several regions do at once is lost: a reader takes the
 * greatest of the ids and the sum of what was added.
 */
import { Sink } from "../bytes/sink.ts";
import { Source } from "../bytes/source.ts";
import { STREAM } from "../crdt/key.ts";
import { GROUP, INCARNATION_BYTES, TALLY } from "../crdt/stream-cell.ts";
import { compareIds, ID_BYTES, isZeroId } from "../crdt/stream-id.ts";
import type { Ref } from "../keyspace/heap.ts";
import type { Place } from "../keyspace/place.ts";
import { kindRank } from "./stream-entries.ts";
import type { Run } from "./run.ts";

const NAME_BYTES = 1 + INCARNATION_BYTES;
const source = new Source(Buffer.alloc(0));
const name = Buffer.alloc(NAME_BYTES);
const packed = new Sink(64);

/** The part of a tally that one origin has. */
class Own {
  readonly last = Buffer.alloc(ID_BYTES);
  readonly deleted = Buffer.alloc(ID_BYTES);
  added = 0;
  /** The node its newest entry is in, and what that holds. */
  node = 0;
  nodeEntries = 0;
  nodeBytes = 0;

  clear(): void {
    this.last.fill(0);
    this.deleted.fill(0);
    this.added = 0;
    this.node = 0;
    this.nodeEntries = 0;
    this.nodeBytes = 0;
  }

  read({ value, valueStart, valueEnd }: Place): void {
    source.reset(value, valueStart, valueEnd);
    value.copy(this.last, 0, source.skip(ID_BYTES));
    this.added = source.varint();
    this.node = source.varint();
    this.nodeEntries = source.varint();
    this.nodeBytes = source.varint();
    if (source.left > 0) value.copy(this.deleted, 0, source.skip(ID_BYTES));
    else this.deleted.fill(0);
  }
}

/** The tallies of all origins as one. */
class Tally {
  readonly last = Buffer.alloc(ID_BYTES);
  readonly deleted = Buffer.alloc(ID_BYTES);
  added = 0;
  /** The newest node. */
  node = 0;
  readonly own = new Own();
  readonly #other = new Own();
  #run!: Run;
  #place!: Place;

  /** Reads what is known of the stream at a place, which may be absent. */
  read(run: Run, place: Place): this {
    this.last.fill(0);
    this.deleted.fill(0);
    this.added = 0;
    this.node = 0;
    this.own.clear();
    const { order } = place;
    if (order === null) return this;
    this.#run = run;
    this.#place = place;
    const from = kindRank(order, TALLY);
    order.each(from, kindRank(order, GROUP) - from, false, this.#visit);
    // What AA.RESTORE wrote again is in nobody's tally.
    if (from > 0) {
      const { bytes, nameStart } = place.nameOf(order.at(from - 1));
      raise(this.last, bytes, nameStart + 1);
    }
    return this;
  }

  readonly #visit = (ref: Ref): void => {
    const run = this.#run;
    const place = this.#place;
    const { bytes, nameStart, nameEnd } = place.nameOf(ref);
    const mine = bytes.compare(run.write.incarnation, 0, INCARNATION_BYTES, nameStart + 1, nameEnd);
    const part = mine === 0 ? this.own : this.#other;
    place.lookRef(run.keyspace, ref);
    part.read(place);
    raise(this.last, part.last);
    raise(this.deleted, part.deleted);
    this.added += part.added;
    this.node = Math.max(this.node, part.node);
  };
}

/** One serves every command: `tally.read(run, place)`. */
export const tally: Tally = new Tally();

const maker = Buffer.alloc(INCARNATION_BYTES);
const part = new Own();

/** Visits the last id that each origin gave; both are valid until the visitor returns. */
export function eachTally(
  run: Run,
  place: Place,
  visit: (maker: Buffer, last: Buffer) => void,
): void {
  const { order } = place;
  if (order === null) return;
  const to = kindRank(order, GROUP);
  for (let rank = kindRank(order, TALLY); rank < to; rank++) {
    const ref = order.at(rank);
    const { bytes, nameStart, nameEnd } = place.nameOf(ref);
    bytes.copy(maker, 0, nameStart + 1, nameEnd);
    place.lookRef(run.keyspace, ref);
    part.read(place);
    visit(maker, part.last);
  }
}

/** Makes an id at least another. */
export function raise(id: Buffer, other: Buffer, at = 0): void {
  if (compareIds(id, 0, other, at) < 0) other.copy(id, 0, at, at + ID_BYTES);
}

/** Writes what this origin has done to the stream: `tally.own`. */
export function writeOwn(run: Run, place: Place): void {
  const { last, deleted, added, node, nodeEntries, nodeBytes } = tally.own;
  name[0] = TALLY;
  run.write.incarnation.copy(name, 1);
  packed.clear();
  packed.raw(last, 0, ID_BYTES);
  packed.varint(added);
  packed.varint(node);
  packed.varint(nodeEntries);
  packed.varint(nodeBytes);
  if (!isZeroId(deleted)) packed.raw(deleted, 0, ID_BYTES);
  run.write.putCell(place, STREAM, name, 0, NAME_BYTES, packed.buffer, 0, packed.length);
}

/** Makes what `tally` now says all that is known of the stream: what other origins have said so far no longer counts. */
export function writeWholeTally(run: Run, place: Place): void {
  const others: Buffer[] = [];
  const { order } = place;
  if (order !== null) {
    const from = kindRank(order, TALLY);
    order.each(from, kindRank(order, GROUP) - from, false, (ref) => {
      const { bytes, nameStart, nameEnd } = place.nameOf(ref);
      others.push(Buffer.from(bytes.subarray(nameStart, nameEnd)));
    });
  }
  const { own } = tally;
  tally.last.copy(own.last);
  tally.deleted.copy(own.deleted);
  own.added = tally.added;
  writeOwn(run, place);
  for (const other of others)
    if (other.compare(name) !== 0) run.write.removeCell(place, STREAM, other, 0, NAME_BYTES);
}
