/**
 * History: every record that any node has committed, read from the bytes it appended to its log by the description of the format
 * (`docs/protocol.md`), not by the code that applies them.
 *
 * Invariant (I-12): a dot names one record: whoever appends it again, at home after a restart or anywhere else, appends the same
 * bytes. A tail that an origin lost in a crash before anybody heard of it is forgotten here too.
 */
import { Source } from "../../src/core/bytes/source.ts";
import { BITMAP, EVERYTHING, HASH, NEVER_MS, SET } from "../../src/core/crdt/key.ts";

/** Eras within one record: see `core/crdt/cell.ts`. */
const STEP = 2 ** -11;

/** What one effect says, of one shape for all of them so that the oracle reads fast. */
export interface Fx {
  readonly op: number;
  readonly db: number;
  readonly key: string;
  /** The type whose cells it names; as mask too. */
  readonly tag: number;
  /** Member, field, position or id. */
  readonly name: string;
  readonly value: string;
  readonly deadline: number;
  readonly mask: number;
  /** Up to when what was born goes. */
  readonly bornMs: number;
  readonly writtenMs: number;
  readonly writtenTick: number;
  /** Of a counter: where in its record it stands, and when its era was born. */
  readonly at: number;
  readonly birthMs: number;
  readonly birthTick: number;
  /** What was added, as the client asked: filled in from its command. */
  delta: number;
  /** Origin and how far: what a reset takes. */
  readonly resets: readonly { readonly origin: number; readonly upTo: number }[];
  /** The generation that is joined; its kind is `mask`. */
  readonly generation: string;
}

/** What effects do. Members and fields have ops of their own on the wire, which are read as those of any cell. */
export const OP = {
  SET: 1,
  SET_EXPIRING: 2,
  COUNT: 3,
  RESET: 9,
  REMOVE: 10,
  REMOVE_BORN: 11,
  EXPIRE: 12,
  REMOVE_EXPIRED: 13,
  FLUSH: 14,
  NONE: 15,
  PUT_CELL: 16,
  REMOVE_CELL: 17,
  COUNT_CELL: 18,
  JOIN: 19,
  REMOVE_KIND: 20,
  EXPIRE_FIELD: 21,
  PUT_CHUNK: 24,
  REMOVE_TYPES: 25,
  REMOVE_OLDER: 26,
  SET_STRICT: 27,
  REMOVE_STRICT: 28,
  LEARN: 29,
} as const;

/** The short ops of sets and hashes: what they are, and of which type. */
const SHORT = new Map([
  [4, { op: OP.PUT_CELL, tag: SET }],
  [5, { op: OP.REMOVE_CELL, tag: SET }],
  [6, { op: OP.PUT_CELL, tag: HASH }],
  [7, { op: OP.REMOVE_CELL, tag: HASH }],
  [8, { op: OP.COUNT_CELL, tag: HASH }],
]);

export interface CommittedRecord {
  readonly origin: number;
  readonly seq: number;
  readonly ms: number;
  readonly tick: number;
  /** By origin: what it depends on, its own dot included. */
  readonly deps: readonly number[];
  readonly effects: readonly Fx[];
  /** Its place among all: a linear extension of happens-before. */
  readonly order: number;
  readonly bytes: Buffer;
  /** How many origins its origin had introduced once it was made. */
  readonly introduced: number;
}

export interface HistoryOrigin {
  readonly index: number;
  readonly incarnation: string;
  readonly member: string;
  readonly records: CommittedRecord[];
  /** Its own numbering of the others. */
  readonly names: number[];
  /** Tails that were lost before anybody heard of them: everything above `seq` that was made before `atUs`. */
  readonly lost: { readonly seq: number; readonly atUs: number }[];
}

/** A run of one origin's records in a block or batch. */
export interface RunSeen {
  readonly origin: HistoryOrigin;
  readonly firstSeq: number;
  /** Each record with its length in front. */
  readonly records: readonly Buffer[];
}

export class History {
  readonly origins: HistoryOrigin[] = [];
  readonly #byIncarnation = new Map<string, HistoryOrigin>();
  #order = 0;

  get count(): number {
    return this.origins.reduce((sum, origin) => sum + origin.records.length, 0);
  }

  /** Every record, in the order they were committed. */
  inOrder(): CommittedRecord[] {
    return this.origins.flatMap((origin) => origin.records).sort((a, b) => a.order - b.order);
  }

  origin(incarnation: string, member: string): HistoryOrigin {
    const key = incarnation + member;
    let origin = this.#byIncarnation.get(key);
    if (origin === undefined) {
      origin = {
        index: this.origins.length,
        incarnation,
        member,
        records: [],
        names: [],
        lost: [],
      };
      this.origins.push(origin);
      this.#byIncarnation.set(key, origin);
    }
    return origin;
  }

  /** The runs from `start` on. */
  runs(bytes: Buffer, start: number): RunSeen[] {
    const source = new Source(bytes, start);
    const runs: RunSeen[] = [];
    while (source.left > 0) {
      const origin = this.#readOrigin(source);
      const firstSeq = source.varint();
      const count = source.varint();
      const length = source.varint();
      const end = source.at + length;
      const records: Buffer[] = [];
      while (source.at < end) {
        const from = source.at;
        source.skip(source.varint());
        records.push(bytes.subarray(from, source.at));
      }
      if (records.length !== count || source.at !== end)
        throw new Error(`a run of ${count} records holds ${records.length}`);
      runs.push({ origin, firstSeq, records });
    }
    return runs;
  }

  /** Which records lie in a batch, without a look at them. */
  spans(body: Uint8Array): { origin: HistoryOrigin; lastSeq: number; count: number }[] {
    const source = new Source(Buffer.from(body.buffer, body.byteOffset, body.length), 0);
    const spans: { origin: HistoryOrigin; lastSeq: number; count: number }[] = [];
    while (source.left > 0) {
      const origin = this.#readOrigin(source);
      const firstSeq = source.varint();
      const count = source.varint();
      source.skip(source.varint());
      spans.push({ origin, lastSeq: firstSeq + count - 1, count });
    }
    return spans;
  }

  /** Adds the next record of an origin. */
  add(origin: HistoryOrigin, bytes: Buffer): CommittedRecord {
    const last = origin.records.at(-1);
    const seq = (last?.seq ?? 0) + 1;
    const source = new Source(Buffer.from(bytes));
    source.varint();
    const flags = source.u8();
    const since = source.varint();
    const ticks = source.varint();
    const ms = (last?.ms ?? 0) + since;
    const tick = since === 0 ? (last?.tick ?? 0) + ticks : ticks;
    if ((flags & 1) !== 0)
      for (let left = source.varint(); left > 0; left--)
        origin.names.push(this.#readOrigin(source).index);
    const deps = [...(last?.deps ?? [])];
    if ((flags & 2) !== 0)
      for (let left = source.varint(); left > 0; left--) {
        const of = origin.names[source.varint()] as number;
        deps[of] = (deps[of] ?? 0) + source.varint();
      }
    deps[origin.index] = seq;
    const record: CommittedRecord = {
      origin: origin.index,
      seq,
      ms,
      tick,
      deps,
      effects: readEffects(source, origin, seq, ms, tick, deps),
      order: this.#order++,
      bytes: source.bytes,
      introduced: origin.names.length,
    };
    origin.records.push(record);
    return record;
  }

  /** Forgets an origin's records above `seq`: they were lost before anybody heard of them. */
  forget(origin: HistoryOrigin, seq: number): void {
    origin.records.length = Math.min(origin.records.length, seq);
    origin.names.length = origin.records.at(-1)?.introduced ?? 0;
  }

  #readOrigin(source: Source): HistoryOrigin {
    const start = source.skip(8);
    const incarnation = source.bytes.latin1Slice(start, start + 8);
    return this.origin(incarnation, source.text());
  }
}

function readEffects(
  source: Source,
  origin: HistoryOrigin,
  seq: number,
  ms: number,
  tick: number,
  deps: readonly number[],
): Fx[] {
  const effects: Fx[] = [];
  let db = 0;
  let key = "";
  while (source.left > 0) {
    const head = source.u8();
    const short = SHORT.get(head & 0x3f);
    const op = short?.op ?? head & 0x3f;
    if (op === OP.NONE) continue;
    if (op === OP.FLUSH) {
      effects.push({ ...blank, op, db: source.varint() - 1, birthMs: ms, birthTick: tick });
      continue;
    }
    if ((head & 0x80) === 0) {
      db = (head & 0x40) === 0 ? 0 : source.varint();
      key = source.text();
    }
    const fx = { ...blank, op, db, key, birthMs: ms, birthTick: tick, at: seq };
    if (short !== undefined) fx.tag = short.tag;
    else if (op >= OP.PUT_CELL && op <= OP.COUNT_CELL) fx.tag = source.u8();
    switch (op) {
      case OP.SET:
        fx.value = source.text();
        break;
      case OP.SET_EXPIRING:
        fx.deadline = source.u48();
        fx.value = source.text();
        break;
      case OP.SET_STRICT:
        fx.deadline = forever(source.u48());
        fx.value = source.text();
        break;
      case OP.LEARN:
        // What most regions have agreed on is none of the data that this judges.
        source.varint();
        source.u48();
        if (source.u8() !== 0) source.text();
        continue;
      case OP.REMOVE_STRICT:
        break;
      case OP.COUNT:
        readCount(source, fx, seq, ms);
        break;
      case OP.COUNT_CELL:
        fx.name = source.text();
        readCount(source, fx, seq, ms);
        break;
      case OP.REMOVE_CELL:
        fx.name = source.text();
        break;
      case OP.PUT_CELL:
        fx.name = source.text();
        if (fx.tag !== SET || short === undefined) fx.value = source.text();
        break;
      case OP.PUT_CHUNK:
        fx.op = OP.PUT_CELL;
        fx.tag = BITMAP;
        fx.name = chunkName(source.varint());
        fx.value = source.text();
        break;
      case OP.REMOVE_OLDER:
        fx.tag = SET;
        fx.name = source.text();
        break;
      case OP.REMOVE_TYPES:
        fx.op = OP.REMOVE_BORN;
        fx.mask = source.varint();
        fx.bornMs = forever(source.u48());
        break;
      case OP.JOIN: {
        fx.mask = source.u8();
        const of = origin.names[source.varint()] as number;
        const base = of === origin.index ? seq : (deps[of] ?? 0);
        fx.generation = `${of}:${base - source.varint()}`;
        fx.value = source.text();
        break;
      }
      case OP.EXPIRE_FIELD: {
        const deadline = source.u48();
        fx.deadline = deadline === NEVER_MS ? Infinity : deadline;
        fx.birthMs = source.u48();
        fx.birthTick = source.u16();
        fx.tag = HASH;
        fx.name = source.text();
        fx.value = source.text();
        break;
      }
      case OP.REMOVE_KIND:
        fx.mask = source.u8();
        break;
      case OP.RESET:
        fx.tag = source.u8();
        fx.name = source.text();
        fx.resets = readResets(source, origin, seq, deps);
        break;
      case OP.REMOVE:
        fx.mask = readMask(source);
        break;
      case OP.REMOVE_BORN:
        fx.mask = readMask(source);
        fx.bornMs = source.u48();
        break;
      case OP.EXPIRE:
        fx.deadline = source.u48();
        break;
      case OP.REMOVE_EXPIRED:
        fx.bornMs = source.u48();
        fx.writtenMs = source.u48();
        fx.writtenTick = source.u16();
        break;
      default:
        throw new Error(`effect ${op} is unknown`);
    }
    effects.push(fx);
  }
  return effects;
}

/** A chunk of a bitmap, as the cell it is. */
function chunkName(chunk: number): string {
  const name = Buffer.alloc(4);
  name.writeUInt32BE(chunk);
  return name.latin1Slice();
}

/** A byte that names all it can means everything. */
function readMask(source: Source): number {
  const mask = source.u8();
  return mask === 0xff ? EVERYTHING : mask;
}

function forever(ms: number): number {
  return ms === NEVER_MS ? Infinity : ms;
}

const blank = {
  op: 0,
  db: 0,
  key: "",
  tag: 0,
  name: "",
  value: "",
  generation: "",
  deadline: Infinity,
  mask: 0,
  bornMs: Infinity,
  writtenMs: 0,
  writtenTick: 0,
  at: 0,
  birthMs: 0,
  birthTick: 0,
  delta: Number.NaN,
  resets: [] as { origin: number; upTo: number }[],
};

function readCount(source: Source, fx: typeof blank, seq: number, ms: number): void {
  skipAmount(source);
  fx.at = seq + source.varint() * STEP;
  const start = readSeq(source, seq);
  if (Math.floor(start) === seq) return;
  fx.birthMs = ms - source.varint();
  fx.birthTick = source.u16();
}

function readResets(
  source: Source,
  origin: HistoryOrigin,
  seq: number,
  deps: readonly number[],
): { origin: number; upTo: number }[] {
  const resets: { origin: number; upTo: number }[] = [];
  for (let left = source.varint(); left > 0; left--) {
    const of = origin.names[source.varint()] as number;
    const upTo = readSeq(source, of === origin.index ? seq : (deps[of] ?? 0));
    skipAmount(source);
    resets.push({ origin: of, upTo });
  }
  return resets;
}

function readSeq(source: Source, base: number): number {
  const packed = source.varint();
  const whole = base - Math.floor(packed / 2);
  return packed % 2 === 0 ? whole : whole + source.varint() * STEP;
}

/** What the product says a counter's sum is: the oracle does not want to know. */
function skipAmount(source: Source): void {
  if (source.u8() === 0) source.zigzag();
  else {
    source.varint();
    source.text();
  }
}
