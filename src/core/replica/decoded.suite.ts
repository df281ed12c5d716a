/**
 * Decoded: records read by the description of the format alone (`docs/protocol.md`), independent of the code that applies them.
 *
 * Invariant: every byte of a run is accounted for; what a record says is returned as plain data, origins by name.
 */
import assert from "node:assert/strict";
import { Source } from "../bytes/source.ts";
import { type Amount, format, readAmount } from "../crdt/amount.ts";

export interface DecodedEffect {
  readonly op: string;
  readonly db: number;
  readonly key: string;
  /** The type whose cells it names. */
  readonly tag?: number;
  /** Member, field, position or id. */
  readonly name?: string;
  readonly value?: string;
  readonly deadline?: number;
  readonly mask?: number;
  /** Up to when what was born goes; Infinity for everything. */
  readonly horizonMs?: number;
  readonly writtenMs?: number;
  readonly writtenTick?: number;
  /** COUNT: the total as text, and the era: the dot it began with as `seq` or `seq+steps`, and its stamp. */
  readonly sum?: string;
  readonly at?: string;
  readonly start?: string;
  readonly startMs?: number;
  readonly startTick?: number;
  /** PUT_CELL of a field that was given another deadline: when its value was written. */
  readonly bornMs?: number;
  readonly bornTick?: number;
  /** JOIN, REMOVE_KIND. */
  readonly kind?: number;
  readonly generation?: string;
  /** SET, REMOVE_STRICT: takes what is older, seen or not. */
  readonly isStrict?: boolean;
  /** SET and PUT_CELL of a resolution: the only dots it replaces. */
  readonly replaces?: readonly string[];
  /** RESET. */
  readonly resets?: readonly {
    readonly origin: string;
    readonly upTo: string;
    readonly sum: string;
  }[];
}

export interface DecodedRecord {
  readonly origin: string;
  readonly seq: number;
  readonly ms: number;
  readonly tick: number;
  /** What it depends on, its own dot included. */
  readonly deps: ReadonlyMap<string, number>;
  readonly effects: readonly DecodedEffect[];
}

const OPS = [
  "",
  "SET",
  "SET_EXPIRING",
  "COUNT",
  "PUT_CELL",
  "REMOVE_CELL",
  "PUT_CELL",
  "REMOVE_CELL",
  "COUNT_CELL",
  "RESET",
  "REMOVE",
  "REMOVE_BORN",
  "EXPIRE",
  "REMOVE_EXPIRED",
  "FLUSH",
  "NONE",
  "PUT_CELL",
  "REMOVE_CELL",
  "COUNT_CELL",
  "JOIN",
  "REMOVE_KIND",
  "EXPIRE_FIELD",
];
const RESOLVE = 48;
OPS[24] = "PUT_CHUNK";
OPS[25] = "REMOVE_TYPES";
OPS[26] = "REMOVE_OLDER";
OPS[27] = "SET_STRICT";
OPS[28] = "REMOVE_STRICT";
const BITMAP = 0x200;
/** The ops that sets and hashes have of their own: op → type. Others name theirs. */
const SHORT_TAGS = new Map([
  [4, 2],
  [5, 2],
  [6, 4],
  [7, 4],
  [8, 4],
]);

interface Stream {
  seq: number;
  ms: number;
  tick: number;
  readonly names: string[];
  readonly deps: Map<string, number>;
}

/** Reads the runs of every origin in order; one per log or test. */
export class Decoder {
  readonly #streams = new Map<string, Stream>();

  /** The records of a block's runs, without the block's kind. Runs that were read before are skipped. */
  runs(bytes: Buffer): DecodedRecord[] {
    const source = new Source(bytes);
    const records: DecodedRecord[] = [];
    while (source.left > 0) {
      const origin = originName(source);
      const first = source.varint();
      const count = source.varint();
      const length = source.varint();
      const end = source.at + length;
      let seen = 0;
      for (; source.at < end; seen++) {
        const size = source.varint();
        const body = new Source(source.bytes, source.at, source.at + size);
        source.skip(size);
        const stream = this.#stream(origin);
        if (first + seen <= stream.seq) continue;
        assert.equal(first + seen, stream.seq + 1, "records of an origin come without a gap");
        records.push(this.#record(origin, stream, body));
      }
      assert.equal(seen, count, "a run holds as many records as it says");
      assert.equal(source.at, end);
    }
    return records;
  }

  #stream(origin: string): Stream {
    let stream = this.#streams.get(origin);
    if (stream === undefined) {
      stream = { seq: 0, ms: 0, tick: 0, names: [], deps: new Map() };
      this.#streams.set(origin, stream);
    }
    return stream;
  }

  #record(origin: string, stream: Stream, source: Source): DecodedRecord {
    const flags = source.u8();
    const since = source.varint();
    const ticks = source.varint();
    stream.tick = since === 0 ? stream.tick + ticks : ticks;
    stream.ms += since;
    if ((flags & 1) !== 0)
      for (let left = source.varint(); left > 0; left--) stream.names.push(originName(source));
    if ((flags & 2) !== 0)
      for (let left = source.varint(); left > 0; left--) {
        const name = stream.names[source.varint()] as string;
        stream.deps.set(name, (stream.deps.get(name) ?? 0) + source.varint());
      }
    stream.seq++;
    stream.deps.set(origin, stream.seq);
    const { seq, ms, tick } = stream;
    const effects: DecodedEffect[] = [];
    let db = 0;
    let key = "";
    while (source.left > 0) {
      const head = source.u8();
      const op = (head & 0x3f) === RESOLVE ? "RESOLVE" : (OPS[head & 0x3f] as string);
      assert.ok(op, `op ${head & 0x3f} is known`);
      if (op === "NONE") continue;
      if (op === "FLUSH") {
        effects.push({ op, db: source.varint() - 1, key: "" });
        continue;
      }
      if ((head & 0x80) === 0) {
        db = (head & 0x40) === 0 ? 0 : source.varint();
        key = source.text();
      }
      if (op === "PUT_CHUNK") {
        const [name, value] = [`${source.varint()}`, source.text()];
        effects.push({ op: "PUT_CELL", db, key, tag: BITMAP, name, value });
        continue;
      }
      if (op === "SET_STRICT") {
        const [until, value] = [source.u48(), source.text()];
        const deadline = until === 2 ** 48 - 1 ? Infinity : until;
        effects.push({ op: "SET", db, key, value, deadline, isStrict: true });
        continue;
      }
      if (op === "REMOVE_STRICT") {
        effects.push({ op, db, key, isStrict: true });
        continue;
      }
      if (op === "REMOVE_OLDER") {
        effects.push({ op, db, key, tag: 2, name: source.text() });
        continue;
      }
      if (op === "REMOVE_TYPES") {
        const [mask, until] = [source.varint(), source.u48()];
        const horizonMs = until === 2 ** 48 - 1 ? Infinity : until;
        effects.push({ op: "REMOVE", db, key, mask, horizonMs });
        continue;
      }
      if (op === "EXPIRE_FIELD") {
        effects.push({ db, key, ...restatement(source) });
        continue;
      }
      if (op === "RESOLVE") {
        effects.push({ db, key, ...resolution(source, stream, origin) });
        continue;
      }
      const short = SHORT_TAGS.get(head & 0x3f);
      const tag = short ?? (op.endsWith("_CELL") ? source.u8() : undefined);
      const named = tag === undefined ? {} : { tag };
      const hasValue = op === "PUT_CELL" && (head & 0x3f) !== 4;
      effects.push({ op, db, key, ...named, ...payload(op, source, stream, origin, hasValue) });
    }
    return { origin, seq, ms, tick, deps: new Map(stream.deps), effects };
  }
}

/** A field with another deadline is a write of it whose stamp is that of the value. */
function restatement(source: Source): Omit<DecodedEffect, "db" | "key"> {
  const deadline = source.u48();
  const [bornMs, bornTick] = [source.u48(), source.u16()];
  const [name, value] = [source.text(), source.text()];
  return { op: "PUT_CELL", tag: 4, name, value, deadline, bornMs, bornTick };
}

/** A resolution is a write of a string or a field that replaces certain dots and no others. */
function resolution(
  source: Source,
  { names, deps, seq }: Stream,
  origin: string,
): Omit<DecodedEffect, "db" | "key"> {
  const tag = source.u8();
  const name = source.text();
  const replaces: string[] = [];
  for (let left = source.varint(); left > 0; left--) {
    const of = names[source.varint()] as string;
    const base = of === origin ? seq : (deps.get(of) as number);
    replaces.push(`${of}:${base - source.varint()}`);
  }
  const value = source.text();
  return tag === 1
    ? { op: "SET", value, deadline: Infinity, replaces }
    : { op: "PUT_CELL", tag, name, value, replaces };
}

function payload(
  op: string,
  source: Source,
  stream: Stream,
  origin: string,
  hasValue: boolean,
): object {
  const { seq, ms, tick } = stream;
  const era = (): object => {
    const sum = amount(source);
    const steps = source.varint();
    const { whole, text } = eraSeq(source, seq);
    const at = steps === 0 ? `${seq}` : `${seq}+${steps}`;
    if (whole === seq) return { sum, at, start: text, startMs: ms, startTick: tick };
    return { sum, at, start: text, startMs: ms - source.varint(), startTick: source.u16() };
  };
  switch (op) {
    case "SET":
      return { value: source.text(), deadline: Infinity };
    case "SET_EXPIRING":
      return { deadline: source.u48(), value: source.text() };
    case "COUNT":
      return era();
    case "COUNT_CELL":
      return { name: source.text(), ...era() };
    case "REMOVE_CELL":
      return { name: source.text() };
    case "PUT_CELL":
      return hasValue ? { name: source.text(), value: source.text() } : { name: source.text() };
    case "JOIN": {
      const kind = source.u8();
      const of = stream.names[source.varint()] as string;
      const base = of === origin ? seq : (stream.deps.get(of) as number);
      return { kind, generation: `${of}:${base - source.varint()}`, value: source.text() };
    }
    case "REMOVE_KIND":
      return { kind: source.u8() };
    case "RESET": {
      const tag = source.u8();
      const name = source.text();
      const resets: object[] = [];
      for (let left = source.varint(); left > 0; left--) {
        const of = stream.names[source.varint()] as string;
        const base = of === origin ? seq : (stream.deps.get(of) as number);
        resets.push({ origin: of, upTo: eraSeq(source, base).text, sum: amount(source) });
      }
      return { tag, name, resets };
    }
    case "REMOVE":
      return { mask: maskOf(source), horizonMs: Infinity };
    case "REMOVE_BORN":
      return { mask: maskOf(source), horizonMs: source.u48() };
    case "EXPIRE":
      return { deadline: source.u48() };
    default:
      assert.equal(op, "REMOVE_EXPIRED");
      return { horizonMs: source.u48(), writtenMs: source.u48(), writtenTick: source.u16() };
  }
}

/** A byte that names all it can means bitmaps too. */
function maskOf(source: Source): number {
  const byte = source.u8();
  return byte === 0xff ? byte | BITMAP : byte;
}

function eraSeq(source: Source, base: number): { whole: number; text: string } {
  const packed = source.varint();
  const whole = base - Math.floor(packed / 2);
  return { whole, text: packed % 2 === 0 ? `${whole}` : `${whole}+${source.varint()}` };
}

function amount(source: Source): string {
  const sum: Amount = readAmount(source);
  return format(sum);
}

function originName(source: Source): string {
  const start = source.skip(8);
  const incarnation = source.bytes.toString("hex", start, start + 8);
  return `${source.text()}@${incarnation}`;
}
