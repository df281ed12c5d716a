/**
 * ChangeReader: what records changed, read from blocks of a log.
 *
 *   block ─► runs ─► records that the reader lacks ─► one event each: what changed of the keys that it may and wants to see
 *
 * Invariant: a log holds records in the order in which they were applied, and of each origin without gaps. So events come after
 * everything they depend on, and a reader's position is a vector that holds in every region: whoever goes on from it anywhere
 * misses nothing.
 */
import { Source } from "../bytes/source.ts";
import type { Origin, Origins } from "../clock/origins.ts";
import type { Vector } from "../clock/vector.ts";
import { readAmount } from "../crdt/amount.ts";
import { HASH, LIST, NEVER_MS, STREAM, ZSET } from "../crdt/key.ts";
import { isInternal } from "../keyspace/keyspace.ts";
import { readValue } from "../strong/strong-state.ts";
import * as effect from "./effect.ts";
import { BLOCK_RUNS, RunReader, skipHeader } from "./record.ts";

/** What happened to a key: `path` is a field or member, `value` what it was set to. What does not apply is null. */
export interface Change {
  readonly db: number;
  /** Null of what concerns every key of a database. */
  readonly key: Buffer | null;
  readonly what:
    | "set"
    | "count"
    | "put"
    | "remove"
    | "delete"
    | "expire"
    | "expired"
    | "merge"
    | "flush"
    | "changed";
  readonly path: Buffer | null;
  readonly value: Buffer | null;
  /** Milliseconds since 1970; Infinity where a deadline was taken away. */
  readonly deadlineMs: number | null;
}

/** One record: what changed at once. */
export interface ChangeEvent {
  readonly origin: Origin;
  readonly seq: number;
  readonly changes: readonly Change[];
}

/** What a reader wants to see of the keys; asked for each. */
export type Wants = (db: number, key: Buffer | null) => boolean;

export class ChangeReader {
  readonly #origins: Origins;
  readonly #runs: RunReader;
  /** Everything up to it was read. */
  readonly after: Vector;
  events: ChangeEvent[] = [];
  /** What the events hold, in bytes. */
  bytes = 0;

  constructor(origins: Origins, after: Vector) {
    this.#origins = origins;
    this.#runs = new RunReader(origins);
    this.after = after;
  }

  /** Reads a block until `isFull` says so, asked after each event. Returns whether it came to the end. */
  read(block: Buffer, wants: Wants, isFull: () => boolean): boolean {
    if (block[0] !== BLOCK_RUNS) return true;
    const runs = this.#runs;
    const all = new Source(block, 1);
    while (runs.next(all)) {
      const { origin, lastSeq, start, end } = runs;
      if (this.after.get(origin) >= lastSeq) continue;
      let seq = runs.firstSeq;
      for (let at = start; at < end; seq++) {
        const source = new Source(block, at, end);
        const length = source.varint();
        const body = source.skip(length);
        at = body + length;
        if (this.after.get(origin) >= seq) continue;
        if (isFull()) return false;
        this.after.raise(origin, seq);
        this.#record(origin, seq, new Source(block, body, at), wants);
      }
    }
    return true;
  }

  #record(origin: number, seq: number, source: Source, wants: Wants): void {
    skipHeader(source);
    const changes = changesIn(source).filter(({ db, key }) => !isInternal(db) && wants(db, key));
    if (changes.length === 0) return;
    for (const { key, path, value } of changes)
      this.bytes += 64 + (key?.length ?? 0) + (path?.length ?? 0) + (value?.length ?? 0);
    this.events.push({ origin: this.#origins.get(origin), seq, changes });
  }
}

type What = Pick<Change, "what"> & Partial<Pick<Change, "path" | "value" | "deadlineMs">>;

function changesIn(source: Source): Change[] {
  const changes: Change[] = [];
  let db = 0;
  let key: Buffer | null = null;
  while (source.left > 0) {
    const head = source.u8();
    const op = head & 0x3f;
    if (op === effect.OP_NONE) continue;
    if (op === effect.OP_FLUSH) {
      key = null;
      changes.push(changeOf(source.varint() - 1, null, { what: "flush" }));
      continue;
    }
    if ((head & effect.SAME_KEY) === 0) {
      db = (head & effect.OTHER_DB) === 0 ? 0 : effect.readDb(source);
      key = copied(source);
    }
    const what = whatOf(op, source);
    if (what === "nothing to tell") continue;
    changes.push(changeOf(db, key, what ?? { what: "changed" }));
    // Nobody knows where the next effect begins.
    if (what === null) return changes;
  }
  return changes;
}

function changeOf(db: number, key: Buffer | null, what: What): Change {
  return { db, key, path: null, value: null, deadlineMs: null, ...what };
}

/** What an effect does to its key; null of one that this version does not know. */
function whatOf(op: number, source: Source): What | "nothing to tell" | null {
  switch (op) {
    case effect.OP_SET:
      return { what: "set", value: copied(source) };
    case effect.OP_SET_EXPIRING:
    case effect.OP_SET_STRICT: {
      const deadline = source.u48();
      const value = copied(source);
      return deadline === NEVER_MS
        ? { what: "set", value }
        : { what: "set", value, deadlineMs: deadline };
    }
    case effect.OP_ADD_MEMBER:
      return { what: "put", path: copied(source) };
    case effect.OP_REMOVE_MEMBER:
    case effect.OP_REMOVE_OLDER:
    case effect.OP_REMOVE_FIELD:
      return { what: "remove", path: copied(source) };
    case effect.OP_SET_FIELD:
      return { what: "set", path: copied(source), value: copied(source) };
    case effect.OP_EXPIRE_FIELD: {
      const deadlineMs = deadlineOf(source.u48());
      source.skip(8);
      const path = copied(source);
      skipBytes(source);
      return { what: "expire", path, deadlineMs };
    }
    case effect.OP_COUNT:
      skipEra(source);
      return { what: "count" };
    case effect.OP_COUNT_FIELD: {
      const path = copied(source);
      skipEra(source);
      return { what: "count", path };
    }
    case effect.OP_COUNT_CELL: {
      const path = nameOf(source.u8(), source);
      skipEra(source);
      return { what: "count", path };
    }
    case effect.OP_PUT_CELL: {
      const tag = effect.readCollection(source);
      const path = nameOf(tag, source);
      const value = copied(source);
      // Scores and entries of streams are kept in a form of their own.
      return { what: "put", path, value: tag === ZSET || tag === STREAM ? null : value };
    }
    case effect.OP_REMOVE_CELL:
      return { what: "remove", path: nameOf(effect.readCollection(source), source) };
    case effect.OP_RESET:
      skipResets(source);
      return "nothing to tell";
    case effect.OP_REMOVE:
      source.skip(1);
      return { what: "delete" };
    case effect.OP_REMOVE_BORN:
      source.skip(7);
      return { what: "delete" };
    case effect.OP_REMOVE_TYPES:
      source.varint();
      source.skip(6);
      return { what: "delete" };
    case effect.OP_REMOVE_STRICT:
      return { what: "delete" };
    case effect.OP_EXPIRE:
      return { what: "expire", deadlineMs: deadlineOf(source.u48()) };
    case effect.OP_REMOVE_EXPIRED:
      source.skip(14);
      return { what: "expired" };
    case effect.OP_JOIN:
      source.skip(1);
      source.varint();
      source.varint();
      skipBytes(source);
      return { what: "merge" };
    case effect.OP_REMOVE_KIND:
      source.skip(1);
      return { what: "delete" };
    case effect.OP_PUT_CHUNK:
      source.varint();
      skipBytes(source);
      return { what: "put" };
    case effect.OP_LEARN: {
      const { value } = readValue(source);
      return value === null ? { what: "delete" } : { what: "set" };
    }
    case effect.OP_RESOLVE: {
      const tag = source.u8();
      const path = copied(source);
      for (let left = source.varint(); left > 0; left--) {
        source.varint();
        source.varint();
      }
      return { what: "set", path: tag === HASH ? path : null, value: copied(source) };
    }
    default:
      return null;
  }
}

function deadlineOf(ms: number): number {
  return ms === NEVER_MS ? Infinity : ms;
}

/** A cell's name as clients know it: positions in lists and ids of streams are kept in a form of their own. */
function nameOf(tag: number, source: Source): Buffer | null {
  const name = copied(source);
  return tag === LIST || tag === STREAM ? null : name;
}

function copied(source: Source): Buffer {
  return Buffer.from(source.view());
}

function skipBytes(source: Source): void {
  source.skip(source.varint());
}

function skipEraSeq(source: Source): number {
  const packed = source.varint();
  if (packed % 2 !== 0) source.varint();
  return Math.floor(packed / 2);
}

function skipEra(source: Source): void {
  readAmount(source);
  effect.readSteps(source);
  // One that began in an earlier record says when.
  if (skipEraSeq(source) === 0) return;
  source.varint();
  source.skip(2);
}

function skipResets(source: Source): void {
  source.skip(1);
  skipBytes(source);
  for (let left = source.varint(); left > 0; left--) {
    source.varint();
    skipEraSeq(source);
    readAmount(source);
  }
}
