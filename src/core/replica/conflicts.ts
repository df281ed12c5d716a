/**
 * Conflicts: sees that a write has lost against a concurrent one, while the record that shows it is applied.
 *
 *   record applied ─► siblings, hidden increments, two types? ─► who lost? ─► ours: pending ─► the feed, with the turn's block
 *                                                                └─ another member's: that one will say so
 *
 * Invariant: every replica sees every conflict, and the loser's own member alone records it: it has the loser until the winner
 * comes, so nothing is lost unseen, and nobody records it twice. Whoever finds no concurrency pays one comparison.
 *
 * While the log is replayed onto a checkpoint that was taken in slices, a cell may already hold what a later record wrote. That
 * has seen what is being replayed, so it is left out: only what is applied can be in conflict.
 */
import { formatDouble } from "../bytes/double.ts";
import type { Origin, Origins } from "../clock/origins.ts";
import type { Vector } from "../clock/vector.ts";
import { format, parseDecimal, subtract } from "../crdt/amount.ts";
import { CHUNK_BYTES, chunkAt } from "../crdt/bitmap.ts";
import type { Cell, Era, Sibling } from "../crdt/cell.ts";
import { type Cells, cellOf } from "../crdt/cells.ts";
import type { Context } from "../crdt/context.ts";
import { BITMAP, GENERATION, HASH, type Key, SET, STRING, ZSET } from "../crdt/key.ts";
import { type Policy, policyName, wins } from "../crdt/policy.ts";
import { haveSameCondition, scoreOfValue, shownOf } from "../crdt/score.ts";
import { INTERNAL_DB, type Keyspace } from "../keyspace/keyspace.ts";
import { Place } from "../keyspace/place.ts";
import { Entry, OBJECT } from "../keyspace/table.ts";
import { type Conflict, conflictId, fnv, keptValue, type What, type Written } from "./conflict.ts";

/** Members or fields of one key that one record may hide and that are still recorded one by one. */
const HIDDEN_MAX = 256;
/** Losses that may wait to be recorded. */
const PENDING_MAX = 10_000;

const nothing = Buffer.alloc(0);

/** A live entry of a type. */
interface Live {
  readonly origin: number;
  readonly seq: number;
  readonly ms: number;
  readonly tick: number;
}

export class Conflicts {
  readonly #keyspace: Keyspace;
  readonly #origins: Origins;
  /** What the replica has applied. */
  applied: Vector | null = null;
  /** Whether losses of a member are ours to record. */
  answersFor: (member: string) => boolean = () => false;
  /** Losses to be recorded, by name. */
  readonly pending = new Map<string, Conflict>();
  /** Concurrent writes seen, by the prefix of their keyspace (`""`: none). */
  readonly seen = new Map<string, number>();
  /** Losses that were not recorded: too many at once. */
  dropped = 0;
  /** Keys of the record being applied that hold more than one type. */
  readonly #mixed: { key: Key; db: number; name: Buffer }[] = [];
  readonly #place = new Place();

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
    this.#origins = keyspace.origins;
  }

  /** A register or counter was written and is not one packed value: were the others concurrent? */
  cell(
    context: Context,
    place: Place,
    tag: number,
    name: Uint8Array,
    start: number,
    end: number,
    cell: Cell,
  ): void {
    if (place.db === INTERNAL_DB) return;
    const { siblings } = cell;
    if (siblings.length > 1) this.#registers(context, place, tag, name, start, end, cell);
    else {
      const [only] = siblings;
      if (only === undefined || cell.eras.length === 0) return;
      // Counting on a value that was known.
      if (!isOf(only, context) && context.covers(only.origin, only.seq)) return;
    }
    this.#increments(context, place, tag, name, start, end, cell);
  }

  /** A later removal has taken additions of a member that it had not seen. */
  members(
    context: Context,
    place: Place,
    name: Buffer,
    start: number,
    end: number,
    lost: readonly Sibling[],
  ): void {
    if (place.db === INTERNAL_DB) return;
    for (const loser of lost) {
      if (!this.#isApplied(loser)) continue;
      this.#count(place);
      const path = Buffer.from(name.subarray(start, end));
      this.#lost(place, SET, "member", path, "lww-set", loser, context, SET, nothing);
    }
  }

  /** A later strict write, a removal if `value` is null, has taken values of a string that it had not seen. */
  values(context: Context, place: Place, lost: readonly Sibling[], value: Buffer | null): void {
    if (place.db === INTERNAL_DB) return;
    for (const loser of lost) {
      if (!this.#isApplied(loser)) continue;
      this.#count(place);
      if (value?.equals(loser.value)) continue;
      const policy = "lww-strict";
      this.#lost(place, STRING, "value", nothing, policy, loser, context, STRING, loser.value);
    }
  }

  #registers(
    context: Context,
    place: Place,
    tag: number,
    name: Uint8Array,
    start: number,
    end: number,
    cell: Cell,
  ): void {
    const written = cell.siblings.find((s) => isOf(s, context));
    if (written === undefined) return;
    const policy = this.#policyOf(place, tag);
    const others = cell.siblings.filter((s) => s !== written && this.#isApplied(s));
    const before = this.#shown(tag, policy, others);
    if (before === null) return;
    this.#count(place);
    // Siblings that are shown side by side lose nothing, and neither does whoever wrote the same.
    if (policy === "siblings" || written.value.equals(before.value)) return;
    // Whoever raises a score only if it is lower wants to lose against a higher one.
    if (tag === ZSET && haveSameCondition(written.value, before.value)) return;
    const winner = this.#shown(tag, policy, [written, before]) as Sibling;
    const loser = winner === written ? before : written;
    const path = Buffer.from(name.subarray(start, end));
    const value = textOf(tag, loser.value);
    this.#lost(place, tag, "value", path, policyName(policy), loser, winner, tag, value);
  }

  /** What a reader sees of concurrent registers; null of none. */
  #shown(tag: number, policy: Policy, siblings: readonly Sibling[]): Sibling | null {
    if (tag === ZSET) return shownOf(this.#origins, siblings);
    let shown: Sibling | null = null;
    for (const sibling of siblings)
      if (shown === null || wins(policy, this.#origins, sibling, shown)) shown = sibling;
    return shown;
  }

  /** Increments are hidden by a concurrent value that is no number. */
  #increments(
    context: Context,
    place: Place,
    tag: number,
    name: Uint8Array,
    start: number,
    end: number,
    cell: Cell,
  ): void {
    if (!cell.counting() || (tag !== STRING && tag !== HASH)) return;
    const policy = this.#policyOf(place, tag);
    const siblings = cell.siblings.filter((s) => isOf(s, context) || this.#isApplied(s));
    const shown = this.#shown(tag, policy, siblings);
    if (shown === null) return;
    const isWriter = isOf(shown, context);
    // Whoever counted knowing the value counted on it.
    if (!isWriter && context.covers(shown.origin, shown.seq)) return;
    if (parseDecimal(shown.value, 0, shown.value.length) !== null) return;
    const path = Buffer.from(name.subarray(start, end));
    this.#count(place);
    for (const era of cell.eras)
      if (era.seq > era.resetSeq && (isWriter || era.origin === context.origin))
        this.#lostEra(place, tag, path, policyName(policy), era, shown);
  }

  #lostEra(
    place: Place,
    tag: number,
    path: Buffer,
    policy: string,
    era: Era,
    winner: Sibling,
  ): void {
    const sum = era.resetSeq >= era.start ? subtract(era.sum, era.resetSum) : era.sum;
    const loser = {
      origin: era.origin,
      seq: Math.floor(era.seq),
      ms: era.startMs,
      tick: era.startTick,
    };
    const value = Buffer.from(format(sum));
    this.#lost(place, tag, "increments", path, policy, loser, winner, tag, value);
  }

  /** A key holds more than one type after an effect: judged when the record is applied to its end. */
  mixed(place: Place, key: Key): void {
    if (place.db === INTERNAL_DB || this.#mixed.some((other) => other.key === key)) return;
    const name = Buffer.from(place.bytes.subarray(place.start, place.end));
    this.#mixed.push({ key, db: place.db, name });
    this.#keyspace.heap.undo?.other(() => void this.#mixed.pop());
  }

  /** The record was applied: what did the keys with several types lose? */
  recordApplied(context: Context): void {
    if (this.#mixed.length === 0) return;
    const place = this.#place;
    for (const { key, db, name } of this.#mixed.splice(0)) {
      this.#keyspace.locate(place, db, name, 0, name.length);
      if (place.at >= 0 && place.table.objectAt(place.at) === key) this.#types(context, place, key);
    }
  }

  #types(context: Context, place: Place, key: Key): void {
    const types = livingTypes(key, (live) => isOf(live, context) || this.#isApplied(live));
    let winner: Live | null = null;
    let winnerTag = 0;
    for (const { tag, newest } of types) {
      const { origin, ms, tick } = newest;
      if (
        winner !== null &&
        !this.#origins.after(ms, tick, origin, winner.ms, winner.tick, winner.origin)
      )
        continue;
      winner = newest;
      winnerTag = tag;
    }
    if (winner === null || types.length < 2) return;
    this.#count(place);
    let room = HIDDEN_MAX;
    const top = winner;
    for (const { tag, each } of types) {
      if (tag === winnerTag) continue;
      each((path, what, live, value) => {
        if (!this.#isOurs(live.origin)) return;
        if (room-- > 0) this.#lost(place, tag, what, path, "type", live, top, winnerTag, value);
        else this.dropped++;
      });
    }
  }

  #lost(
    place: Place,
    tag: number,
    what: What,
    path: Buffer,
    policy: string,
    loser: Live,
    winner: Live,
    winnerTag: number,
    value: Buffer,
  ): void {
    if (!this.#isOurs(loser.origin)) return;
    const conflict: Conflict = {
      db: place.db,
      key: Buffer.from(place.bytes.subarray(place.start, place.end)),
      tag,
      what,
      path,
      policy,
      loser: this.#written(loser),
      winner: this.#written(winner),
      winnerTag,
      ...keptValue(value),
    };
    const id = conflictId(conflict);
    if (this.pending.has(id)) return;
    if (this.pending.size >= PENDING_MAX) {
      this.dropped++;
      return;
    }
    this.pending.set(id, conflict);
    this.#keyspace.heap.undo?.other(() => void this.pending.delete(id));
  }

  #written({ origin, seq, ms, tick }: Live): Written {
    return { origin: this.#origins.get(origin), seq, ms, tick };
  }

  #isOurs(origin: number): boolean {
    const { member }: Origin = this.#origins.get(origin);
    return this.answersFor(member);
  }

  #isApplied({ origin, seq }: Live): boolean {
    return this.applied === null || this.applied.covers(origin, seq);
  }

  /** Strings and fields are read through the keyspace's lens; everything else shows its last writer. */
  #policyOf({ bytes, start, end }: Place, tag: number): Policy {
    if (tag !== STRING && tag !== HASH) return "lww";
    return this.#keyspace.policies.of(bytes, start, end);
  }

  #count({ bytes, start, end }: Place): void {
    const prefix = this.#keyspace.policies.prefixOf(bytes, start, end);
    this.seen.set(prefix, (this.seen.get(prefix) ?? 0) + 1);
  }
}

/** The member that records what a member lost who is no longer one: the same for whoever asks. */
export function heirOf(gone: string, members: readonly string[]): string | undefined {
  const rank = (member: string): number => fnv(Buffer.from(`${gone} ${member}`, "latin1"));
  return members.toSorted((a, b) => rank(b) - rank(a) || (a < b ? -1 : 1))[0];
}

function isOf(live: Live, { origin, seq }: Context): boolean {
  return live.origin === origin && live.seq === seq;
}

/** The value of a register as clients know it. */
export function textOf(tag: number, value: Buffer): Buffer {
  return tag === ZSET ? Buffer.from(formatDouble(scoreOfValue(value))) : value;
}

/** Where a cell is, as clients know it: chunks by the byte they begin with. */
export function pathOf(tag: number, name: Buffer): Buffer {
  return tag === BITMAP ? Buffer.from(`${chunkAt(name, 0) * CHUNK_BYTES}`) : name;
}

type Visit = (path: Buffer, what: What, live: Live, value: Buffer) => void;

interface LivingType {
  readonly tag: number;
  readonly newest: Live;
  /** Visits everything of this type that is alive. */
  readonly each: (visit: Visit) => void;
}

/** The types of a key with entries that count, and the newest of each. */
function livingTypes(key: Key, counts: (live: Live) => boolean): LivingType[] {
  const types: LivingType[] = [];
  const consider = (tag: number, each: (visit: Visit) => void): void => {
    let newest: Live | null = null;
    const eachCounted = (visit: Visit): void =>
      each((path, what, live, value) => {
        if (counts(live)) visit(path, what, live, value);
      });
    eachCounted((_path, _what, live) => {
      const isNewer =
        newest === null ||
        live.ms > newest.ms ||
        (live.ms === newest.ms && live.tick > newest.tick);
      if (isNewer) newest = live;
    });
    if (newest !== null) types.push({ tag, newest, each: eachCounted });
  };
  const { cell } = key;
  if (cell !== null) consider(STRING, (visit) => eachOf(cell, STRING, nothing, visit));
  for (const cells of key.bodies) consider(cells.tag, (visit) => eachIn(cells, cells.tag, visit));
  if (key.generations.length > 0)
    consider(GENERATION, (visit) => {
      for (const generation of key.generations) {
        const { kind, state } = generation;
        visit(Buffer.from(kind.name), "generation", generation, state.encode());
      }
    });
  return types;
}

function eachIn(cells: Cells, tag: number, visit: Visit): void {
  const entry = new Entry();
  cells.table.each((at) => {
    cells.table.load(at, entry);
    const name = Buffer.from(entry.bytes.subarray(entry.nameStart, entry.nameEnd));
    const cell = entry.kind === OBJECT ? cells.table.object(entry) : cellOf(entry);
    eachOf(cell, tag, name, visit);
  });
}

function eachOf(cell: Cell, tag: number, name: Buffer, visit: Visit): void {
  for (const sibling of cell.siblings)
    visit(pathOf(tag, name), tag === SET ? "member" : "value", sibling, textOf(tag, sibling.value));
  for (const { origin, seq, startMs, startTick, start, sum, resetSeq, resetSum } of cell.eras) {
    if (seq <= resetSeq) continue;
    const value = Buffer.from(format(resetSeq >= start ? subtract(sum, resetSum) : sum));
    const live = { origin, seq: Math.floor(seq), ms: startMs, tick: startTick };
    visit(name, "increments", live, value);
  }
}
