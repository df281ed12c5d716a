/**
 * ConflictFeed: what was lost against concurrent writes, kept as ordinary registers in the internal database: logged,
 * replicated, checkpointed and compared like all data.
 *
 *   Conflicts.pending ─► settle, at the end of the turn ─► one record: new entries, and the oldest of ours that no longer fit
 *
 * Invariant: each member writes and removes its own entries only, and never more than its bounds. An entry goes to the log in the
 * block of the record that showed the loss, so a crash keeps both or neither. Recording makes no conflicts of its own.
 *
 * A position in the feed is a vector: of each origin, the last record whose entries were seen. It holds in every region.
 */
import { Sink } from "../bytes/sink.ts";
import { Malformed, Source } from "../bytes/source.ts";
import { readOrigin, writeOrigin } from "../clock/origins.ts";
import { Vector } from "../clock/vector.ts";
import { INTERNAL_DB, type Keyspace } from "../keyspace/keyspace.ts";
import { Place } from "../keyspace/place.ts";
import { Entry, OBJECT } from "../keyspace/table.ts";
import { type Conflict, readConflict, writeConflict } from "./conflict.ts";
import type { Writer } from "./writer.ts";

/** What each member keeps of its own losses. */
export interface ConflictBounds {
  readonly entries: number;
  readonly bytes: number;
  readonly ageMs: number;
}

const DEFAULT_BOUNDS: ConflictBounds = {
  entries: 10_000,
  bytes: 16 * 1024 * 1024,
  ageMs: 7 * 24 * 60 * 60 * 1000,
};

/** An entry with its name and the record that holds it: when it was seen. */
export interface Listed {
  readonly id: string;
  readonly conflict: Conflict;
  readonly seenMs: number;
}

interface Own {
  readonly id: string;
  readonly bytes: number;
  readonly ms: number;
}

/** Entries of one record may not be torn apart by a page, and one record holds no more. */
const RECORD_MAX = 256;

export class ConflictFeed {
  readonly #keyspace: Keyspace;
  readonly #writer: Writer;
  readonly #place = new Place();
  readonly #entry = new Entry();
  bounds = DEFAULT_BOUNDS;
  /** Our entries, oldest first; those before `#head` are gone. */
  #own: Own[] = [];
  #head = 0;
  #bytes = 0;
  /** Entries written since the start. */
  recorded = 0;

  constructor(keyspace: Keyspace, writer: Writer) {
    this.#keyspace = keyspace;
    this.#writer = writer;
  }

  /** Entries of all members. */
  get size(): number {
    return this.#keyspace.internal.size;
  }

  /** Counts our entries anew after a start, and forgets what was counted while the log was replayed. */
  start(member: string): void {
    const { origins } = this.#keyspace;
    const own: Own[] = [];
    this.#each((id, { origin, ms, valueStart, valueEnd }) => {
      if (origins.get(origin).member === member)
        own.push({ id: id(), bytes: valueEnd - valueStart, ms });
    });
    this.#own = own.sort((a, b) => a.ms - b.ms);
    this.#head = 0;
    this.#bytes = own.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#writer.conflicts.seen.clear();
  }

  /** Records what was lost and removes what no longer fits; one record at most. `nowMs` is the time of the turn. */
  settle(nowMs: number): void {
    const { pending } = this.#writer.conflicts;
    if (pending.size === 0 && !this.#overdue(nowMs)) return;
    let count = 0;
    for (const [id, conflict] of pending) {
      if (count++ === RECORD_MAX) break;
      pending.delete(id);
      this.#record(id, conflict, nowMs);
    }
    for (let left = RECORD_MAX; left > 0 && this.#overdue(nowMs); left--) this.#removeOldest(nowMs);
    this.#writer.commit();
  }

  /**
   * A block of the log was replayed: what it shows to be lost and records as well does not wait. Asked after each block, or an
   * entry that was removed later would be written again.
   */
  replayed(): void {
    const { pending } = this.#writer.conflicts;
    for (const id of pending.keys()) if (this.#locate(id, 0).at >= 0) pending.delete(id);
  }

  #overdue(nowMs: number): boolean {
    const oldest = this.#own[this.#head];
    if (oldest === undefined) return false;
    const { entries, bytes, ageMs } = this.bounds;
    return (
      this.#own.length - this.#head > entries || this.#bytes > bytes || oldest.ms < nowMs - ageMs
    );
  }

  #locate(id: string, nowMs: number): Place {
    const place = this.#place;
    const name = Buffer.from(id, "latin1");
    this.#keyspace.locate(place, INTERNAL_DB, name, 0, name.length);
    place.look(this.#keyspace, nowMs);
    return place;
  }

  #record(id: string, conflict: Conflict, nowMs: number): void {
    const place = this.#locate(id, nowMs);
    if (place.at >= 0) return;
    const bytes = writeConflict(conflict);
    this.#writer.set(place, Infinity, bytes, 0, bytes.length);
    this.#own.push({ id, bytes: bytes.length, ms: nowMs });
    this.#bytes += bytes.length;
    this.recorded++;
  }

  #removeOldest(nowMs: number): void {
    const { id, bytes } = this.#own[this.#head++] as Own;
    this.#bytes -= bytes;
    const place = this.#locate(id, nowMs);
    if (place.at >= 0) this.#writer.remove(place);
    if (this.#head <= 1024 || this.#head * 2 < this.#own.length) return;
    this.#own = this.#own.slice(this.#head);
    this.#head = 0;
  }

  /** The entry of a name, or null. */
  find(id: string): Conflict | null {
    const place = this.#locate(id, 0);
    if (place.at < 0) return null;
    return readable(Buffer.from(place.value.subarray(place.valueStart, place.valueEnd)));
  }

  /**
   * The entries behind `after` that `wanted` picks, in the order in which they were recorded: `count` of them, or a few more where
   * one record holds several. `after` is moved behind them.
   */
  page(after: Vector, count: number, wanted: (conflict: Conflict) => boolean): Listed[] {
    const { origins } = this.#keyspace;
    const found: {
      id: string;
      origin: number;
      seq: number;
      ms: number;
      tick: number;
      conflict: Conflict;
    }[] = [];
    this.#each((id, entry) => {
      const { origin, seq, ms, tick, bytes, valueStart, valueEnd } = entry;
      if (after.covers(origin, seq)) return;
      const conflict = readable(Buffer.from(bytes.subarray(valueStart, valueEnd)));
      if (conflict !== null && wanted(conflict))
        found.push({ id: id(), origin, seq, ms, tick, conflict });
    });
    found.sort((a, b) =>
      a.origin === b.origin && a.seq === b.seq
        ? Number(a.id > b.id) - Number(a.id < b.id)
        : origins.after(a.ms, a.tick, a.origin, b.ms, b.tick, b.origin)
          ? 1
          : -1,
    );
    let end = Math.min(count, found.length);
    const last = found[end - 1];
    while (
      end < found.length &&
      found[end]?.origin === last?.origin &&
      found[end]?.seq === last?.seq
    )
      end++;
    const page = found.slice(0, end);
    for (const { origin, seq } of page) after.raise(origin, seq);
    return page.map(({ id, conflict, ms }) => ({ id, conflict, seenMs: ms }));
  }

  #each(visit: (id: () => string, entry: Entry) => void): void {
    const table = this.#keyspace.internal;
    const entry = this.#entry;
    table.each((at) => {
      table.load(at, entry);
      // Two incarnations of a member may both have written an entry: it says the same.
      if (entry.kind === OBJECT) return;
      visit(() => entry.bytes.latin1Slice(entry.nameStart, entry.nameEnd), entry);
    });
  }

  /** A position as text that holds in every region. */
  cursorText(position: Vector): string {
    const { origins } = this.#keyspace;
    const sink = new Sink(64);
    for (let number = 0; number < origins.count; number++) {
      if (position.get(number) === 0) continue;
      writeOrigin(sink, origins.get(number));
      sink.varint(position.get(number));
    }
    return sink.length === 0 ? "0" : sink.view().toString("base64");
  }

  /** The position that a text names, or null when it names none. Origins nobody has met here do not matter yet. */
  cursorOf(text: string): Vector | null {
    const position = new Vector();
    if (text === "0") return position;
    if (!/^[\w+/]{1,65536}=*$/.test(text)) return null;
    const source = new Source(Buffer.from(text, "base64"));
    try {
      while (source.left > 0) {
        const number = this.#keyspace.origins.find(readOrigin(source).incarnation);
        const seq = source.varint();
        if (number >= 0) position.raise(number, seq);
      }
    } catch (error) {
      if (error instanceof Malformed) return null;
      throw error;
    }
    return position;
  }
}

/** An entry, or null for one that a newer version may have written. */
function readable(bytes: Buffer): Conflict | null {
  try {
    return readConflict(bytes);
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}
