/**
 * Expiry: removes keys and fields whose deadline has passed, as records like any other.
 *
 *   deadline ─► readers see nothing ─► nobody can still extend it ─► removal with a floor, made by one replica, applied by all
 *
 * Invariant: nothing is dropped locally. A key that was dropped without a record would come back with the next late extension, and
 * differ from the other replicas until then. Removal waits until everything stamped up to the deadline has arrived, or, while
 * a region is away, for a grace after which an extension made over there loses.
 *
 * A field needs no floor. Its deadline lies in the very sibling that holds its value, so whatever is still on its way brings a
 * deadline of its own or was written without one: removing what was seen is enough.
 */
import type { Origins } from "../clock/origins.ts";
import type { Key } from "../crdt/key.ts";
import type { Keyspace } from "../keyspace/keyspace.ts";
import { Place } from "../keyspace/place.ts";
import { Entry } from "../keyspace/table.ts";
import type { Writer } from "./writer.ts";

/** How long a removal waits for a region that is away. */
const GRACE_MS = 10 * 60 * 1000;
/** Entries looked at in one sweep, and keys removed by one record. */
const SWEEP_ENTRIES = 4096;
const REMOVE_MAX = 256;
/** Fields removed by one record. */
const FIELDS_MAX = 1024;

/** A key of which something has expired: everything, or fields up to `ms`. */
interface Due {
  readonly db: number;
  readonly name: Buffer;
  readonly ms: number;
}

export class Expiry {
  readonly #keyspace: Keyspace;
  readonly #origins: Origins;
  readonly #writer: Writer;
  readonly #entry = new Entry();
  readonly #place = new Place();
  #cursor = 0;
  /** Called with each key that has gone. */
  onExpired: (place: Place) => void = () => {};
  /** Keys removed since the start. */
  expired = 0;

  constructor(keyspace: Keyspace, origins: Origins, writer: Writer) {
    this.#keyspace = keyspace;
    this.#origins = origins;
    this.#writer = writer;
  }

  /**
   * Looks at the next part of the keyspace and removes what is due, in one record. `nowMs` is the time readers judge by,
   * `watermarkMs` up to when everything has arrived, `owns` whether a member's removals are ours to make.
   */
  sweep(nowMs: number, watermarkMs: number, owns: (member: string) => boolean): number {
    if (this.#keyspace.expirable === 0) return 0;
    const due: Due[] = [];
    const hashes: Due[] = [];
    const upToMs = (setter: number): number =>
      owns(this.#origins.get(setter).member)
        ? Math.max(Math.min(watermarkMs, nowMs), nowMs - GRACE_MS)
        : nowMs - 2 * GRACE_MS;
    this.#cursor = this.#keyspace.walk(this.#cursor, SWEEP_ENTRIES, (table, at) => {
      if (due.length >= REMOVE_MAX) return;
      if (table.restsAt(at)) return;
      const key = table.objectAt(at);
      // Most keys never expire: they cost a glance.
      if (!(key?.countedExpirable ?? table.hasDeadlineAt(at))) return;
      if (key !== null && key.dueMs > nowMs) return;
      const entry = this.#entry;
      table.load(at, entry);
      const { deadline, setter } = this.#last(key);
      if (deadline <= nowMs && deadline <= upToMs(setter)) due.push(dueIn(entry, deadline));
      const fields = key?.expiringFields ?? null;
      if (fields === null || fields.firstDeadline > nowMs || hashes.length >= REMOVE_MAX) return;
      const limitMs = upToMs(fields.firstSetter);
      if (fields.firstDeadline <= limitMs) hashes.push(dueIn(entry, limitMs));
    });
    for (const { db, name } of due) {
      this.#keyspace.locate(this.#place, db, name, 0, name.length);
      this.#place.look(this.#keyspace, nowMs);
      this.#writer.removeExpired(this.#place);
      this.onExpired(this.#place);
    }
    let room = FIELDS_MAX;
    for (const { db, name, ms } of hashes) {
      this.#keyspace.locate(this.#place, db, name, 0, name.length);
      room -= this.#removeFields(ms, room);
    }
    this.#writer.commit();
    this.expired += due.length;
    return due.length;
  }

  /** Removes fields of the hash at the place that expired up to `dueMs`, no more than `most`; returns how many. */
  #removeFields(dueMs: number, most: number): number {
    const place = this.#place;
    const key = place.at < 0 ? null : place.table.objectAt(place.at);
    const fields = key?.expiringFields ?? null;
    if (fields === null) return 0;
    const names = fields.due(dueMs, most);
    for (const name of names) {
      const deadline = fields.deadlineOf(name, 0, name.length);
      this.#writer.removeDueField(place, name, 0, name.length, deadline);
    }
    return names.length;
  }

  /** When everything of a key is expired, and whose record said so. `key` is null for what lies packed, in `#entry`. */
  #last(key: Key | null): { deadline: number; setter: number } {
    const entry = this.#entry;
    if (key === null) {
      const { deadline, expires, expireOrigin, origin } = entry;
      return { deadline, setter: expires ? expireOrigin : origin };
    }
    const deadline = key.lastDeadline();
    if (deadline === Infinity) return { deadline, setter: 0 };
    for (const d of key.deadlines)
      if (d.deadline === deadline) return { deadline, setter: d.origin };
    for (const sibling of key.cell?.siblings ?? [])
      if (sibling.deadline === deadline) return { deadline, setter: sibling.origin };
    return { deadline, setter: key.deadlines[0]?.origin ?? key.cell?.siblings[0]?.origin ?? 0 };
  }
}

function dueIn({ db, bytes, nameStart, nameEnd }: Entry, ms: number): Due {
  return { db, name: Buffer.from(bytes.subarray(nameStart, nameEnd)), ms };
}
