/**
 * CheckpointLoader: the state of a replica out of the sections of a checkpoint, or of another member's snapshot.
 *
 *   section 0 ─► section 1 … ─► the log behind `position` is replayed ─► check
 *
 * Invariant: nothing in the bytes is believed that a replica could not have written. Sections may show more than their header says; what
 * the log behind them does not bring was never written.
 */
import { Malformed, Source } from "../bytes/source.ts";
import { readOrigin } from "../clock/origins.ts";
import { readStampMs } from "../clock/stamp.ts";
import { readDotSeq, Vector } from "../clock/vector.ts";
import { readAmount } from "../crdt/amount.ts";
import { Cell, ERA_STEP, type Reset } from "../crdt/cell.ts";
import type { Cells } from "../crdt/cells.ts";
import type { Generation } from "../crdt/generation.ts";
import { HASH, Key, SET } from "../crdt/key.ts";
import { Place } from "../keyspace/place.ts";
import { readValue } from "../strong/strong-state.ts";
import { checkCell } from "./cell-check.ts";
import * as format from "./checkpoint-format.ts";
import { readBody, readCounting, readDb, readKind } from "./effect.ts";
import type { GarbageItem } from "./garbage.ts";
import { readLineage } from "./lineage.ts";
import type { Replica } from "./replica.ts";

/** Loads the sections of a checkpoint, in order, into a replica that is still empty. */
export class CheckpointLoader {
  readonly #replica: Replica;
  /** The file's number of an origin → ours. */
  readonly #numbers: number[] = [];
  readonly #place = new Place();
  /** The newest record of each origin that anything loaded shows. */
  readonly shown = new Vector();
  position = 0;

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  /** Throws `Malformed` for bytes that this version cannot read. */
  section(bytes: Buffer, index: number): void {
    const source = new Source(bytes);
    if (index === 0) return this.#readHeader(source);
    this.#readOrigins(source);
    while (source.left > 0) this.#readEntry(source);
  }

  #readOrigins(source: Source): void {
    for (let left = source.varint(); left > 0; left--)
      this.#numbers.push(this.#replica.origins.introduce(readOrigin(source)));
  }

  #number(source: Source): number {
    const number = this.#numbers[source.varint()];
    if (number === undefined) throw new Malformed("an entry names an origin nobody introduced");
    return number;
  }

  #dot(source: Source): { origin: number; seq: number } {
    const origin = this.#number(source);
    return { origin, seq: this.#seq(origin, source.varint()) };
  }

  /** The seq of a record of `origin`, of which something shows. */
  #seq(origin: number, seq: number): number {
    this.shown.raise(origin, Math.floor(seq));
    return seq;
  }

  /**
   * Call it behind the log. A slice may show records beyond the vector it began with, and the log behind holds all of them. What shows
   * others was not written by a replica that works: to remove it would take a record that has seen what nobody made. Throws `Malformed`.
   */
  check(): void {
    if (!this.#replica.applied.includes(this.shown))
      throw new Malformed(
        "the checkpoint shows records that neither it nor the log behind it holds",
      );
  }

  #readVector(source: Source): Vector {
    const vector = new Vector();
    for (const number of this.#numbers) vector.raise(number, readDotSeq(source));
    return vector;
  }

  #readHeader(source: Source): void {
    const replica = this.#replica;
    const version = source.u8();
    // Format 1 had nothing but strings, sets and hashes; format 2 no bitmaps and floors of members.
    if (version === 0 || version > format.CHECKPOINT_VERSION)
      throw new Malformed(
        `the checkpoint has format ${version}, this version reads 1 to ${format.CHECKPOINT_VERSION}`,
      );
    this.#readOrigins(source);
    this.position = source.varint();
    replica.applied.join(this.#readVector(source));
    for (let left = source.varint(); left > 0; left--) {
      const lineage = readLineage(source, replica.origins);
      replica.delivery.adopt(lineage);
    }
    replica.clock.observe(readStampMs(source), source.u16());
    const marks = [];
    for (let left = source.varint(); left > 0; left--)
      marks.push({ position: source.varint(), vector: this.#readVector(source) });
    replica.index.restore(marks, this.position);
    for (let left = source.varint(); left > 0; left--) {
      const origin = this.#number(source);
      const seq = this.#seq(origin, source.varint());
      const [db, ms, tick] = [readDb(source), source.u48(), source.u16()];
      replica.keyspace.flushes.push({ origin, seq, db: db - 1, ms, tick });
    }
    for (let left = source.varint(); left > 0; left--) {
      const item = this.#item(source);
      replica.garbage.restore(item);
      this.#raiseFloor(item);
    }
  }

  /**
   * A floor that stood when the checkpoint began. It may have been let go before its key was written: what it kept out meanwhile is
   * replayed, and must be kept out again.
   */
  #raiseFloor({ origin, seq, db, key: name, what }: GarbageItem): void {
    if (what.kind !== "member" && what.kind !== "floor") return;
    const { keyspace } = this.#replica;
    keyspace.locate(this.#place, db, name, 0, name.length);
    const key = keyspace.open(this.#place);
    if (what.kind === "member")
      key.raiseMemberFloor(what.member, { origin, seq, ms: what.ms, tick: what.tick });
    else {
      const { bornMs, writtenMs, writtenTick } = what;
      key.raiseFloor({ origin, seq, bornMs, writtenMs, writtenTick });
    }
    keyspace.settle(this.#place, key);
  }

  #item(source: Source): GarbageItem {
    const origin = this.#number(source);
    const seq = this.#seq(origin, source.varint());
    const db = readDb(source);
    const key = Buffer.from(source.view());
    const kind = source.u8();
    if (kind === 0 || kind === 4) {
      // Formats 1 and 2 did not say where it was.
      const bornMs = kind === 0 ? 0 : source.u48();
      const writtenMs = kind === 0 ? 0 : source.u48();
      const writtenTick = kind === 0 ? 0 : source.u16();
      return { origin, seq, db, key, what: { kind: "floor", bornMs, writtenMs, writtenTick } };
    }
    if (kind === 1) return { origin, seq, db, key, what: { kind: "flush" } };
    if (kind === 3) {
      const member = readMember(source);
      const [ms, tick] = [source.u48(), source.u16()];
      return { origin, seq, db, key, what: { kind: "member", member, ms, tick } };
    }
    const tag = readCounting(source);
    const name = Buffer.from(source.view());
    const resets: Reset[] = [];
    for (let left = source.varint(); left > 0; left--) {
      const of = this.#number(source);
      resets.push({ origin: of, seq: this.#seq(of, readSeq(source)), sum: readAmount(source) });
    }
    return { origin, seq, db, key, what: { kind: "resets", tag, name, resets } };
  }

  #readEntry(source: Source): void {
    const { keyspace } = this.#replica;
    const place = this.#place;
    const db = readDb(source);
    const length = source.varint();
    const start = source.skip(length);
    keyspace.locate(place, db, source.bytes, start, start + length);
    const parts = source.u8();
    if (parts === 1 && place.at < 0 && source.bytes[source.at] === format.CELL_REGISTER)
      return this.#readPlain(source);
    if (parts === format.MORE) {
      const key = keyspace.open(place);
      this.#cells(source, keyspace.cells(key, readBody(source)));
      return keyspace.settle(place, key);
    }
    if (parts === format.MEMBER_FLOORS) return this.#memberFloors(source);
    if (parts === format.LEARNED) {
      const name = source.bytes.subarray(start, start + length);
      this.#replica.strong.learn(db, name, readValue(source));
      return;
    }
    if (parts === format.ACCEPTOR) return this.#replica.strong.acceptor.replay(source.view(), 0);
    const key = new Key();
    // Should the key be there already, this entry takes its place, in the counts too.
    if (place.at >= 0) {
      const there = keyspace.open(place);
      const { counted, countedExpiring, countedExpirable, floors, memberFloors } = there;
      Object.assign(key, { counted, countedExpiring, countedExpirable, floors, memberFloors });
    }
    if ((parts & 1) !== 0) key.cell = this.#cell(source);
    if ((parts & 2) !== 0) this.#cells(source, keyspace.cells(key, SET));
    if ((parts & 4) !== 0) this.#cells(source, keyspace.cells(key, HASH));
    if ((parts & 8) !== 0)
      for (let left = source.varint(); left > 0; left--) {
        const dot = this.#dot(source);
        const [ms, tick, deadline] = [source.u48(), source.u16(), source.u48()];
        key.deadlines = [...key.deadlines, { ...dot, ms, tick, deadline }];
      }
    if ((parts & 16) !== 0)
      for (let left = source.varint(); left > 0; left--)
        key.raiseFloor({
          ...this.#dot(source),
          bornMs: source.u48(),
          writtenMs: source.u48(),
          writtenTick: source.u16(),
        });
    if ((parts & 32) !== 0)
      for (let left = source.varint(); left > 0; left--)
        this.#cells(source, keyspace.cells(key, readBody(source)));
    if ((parts & 64) !== 0)
      for (let left = source.varint(); left > 0; left--)
        key.generations = [...key.generations, this.#generation(source)];
    keyspace.settle(place, key);
  }

  /** A key that is one plain value, as most are, and is not there yet: it lies in the table as it is, and nothing else is made of it. */
  #readPlain(source: Source): void {
    const { keyspace } = this.#replica;
    const place = this.#place;
    source.u8();
    const origin = this.#number(source);
    const seq = this.#seq(origin, source.varint());
    const [ms, tick, until] = [source.u48(), source.u16(), source.u48()];
    const length = source.varint();
    const start = source.skip(length);
    const expiring = until === format.NEVER ? 0 : 1;
    keyspace.count(place.db, 1, expiring);
    keyspace.expirable += expiring;
    place.at = place.table.putRegister(
      -1,
      place.hash,
      place.db,
      place.bytes,
      place.start,
      place.end,
      origin,
      seq,
      ms,
      tick,
      until === format.NEVER ? Infinity : until,
      source.bytes,
      start,
      start + length,
    );
  }

  #memberFloors(source: Source): void {
    const { keyspace } = this.#replica;
    const key = keyspace.open(this.#place);
    for (let left = source.varint(); left > 0; left--) {
      const member = readMember(source);
      const { origin, seq } = this.#dot(source);
      const [ms, tick] = [source.u48(), source.u16()];
      key.raiseMemberFloor(member, { origin, seq, ms, tick });
    }
    keyspace.settle(this.#place, key);
  }

  #generation(source: Source): Generation {
    const kind = readKind(source, this.#replica.keyspace.kinds);
    const { origin, seq } = this.#dot(source);
    const [ms, tick] = [source.u48(), source.u16()];
    const state = kind.create();
    state.join(source.view());
    return { kind, origin, seq, ms, tick, state };
  }

  #cells(source: Source, cells: Cells): void {
    for (let left = source.varint(); left > 0; left--) {
      const name = source.view();
      const cell = this.#cell(source);
      checkCell(cells.tag, name, cell);
      cells.restore(name, cell);
    }
  }

  #cell(source: Source): Cell {
    const cell = new Cell();
    const kind = source.u8();
    const siblings = kind === format.CELL_REGISTER ? 1 : source.varint();
    for (let left = siblings; left > 0; left--) {
      const { origin, seq } = this.#dot(source);
      const [ms, tick] = [source.u48(), source.u16()];
      const deadline = source.u48();
      cell.siblings.push({
        origin,
        seq,
        ms,
        tick,
        deadline: deadline === format.NEVER ? Infinity : deadline,
        value: Buffer.from(source.view()),
      });
    }
    if (kind === format.CELL_REGISTER) return cell;
    for (let left = source.varint(); left > 0; left--) {
      const origin = this.#number(source);
      cell.eras.push({
        origin,
        start: this.#seq(origin, readSeq(source)),
        startMs: source.u48(),
        startTick: source.u16(),
        seq: this.#seq(origin, readSeq(source)),
        sum: readAmount(source),
        resetSeq: this.#seq(origin, readSeq(source)),
        resetSum: readAmount(source),
      });
    }
    return cell;
  }
}

function readMember(source: Source): string | null {
  return source.u8() === 0 ? null : source.text();
}

function readSeq(source: Source): number {
  return source.varint() * ERA_STEP;
}
