/**
 * RdbFile: a whole database in Redis' format, item by item, as its bytes come: from a file, or from a Redis that takes us for a replica.
 *
 *   "REDIS" │ 4 digits, version │ (opcode … │ [deadline] [idle] [freq] kind │ key │ value)* │ EOF │ u64 checksum of all before it
 *
 * Invariant: the items depend on the bytes alone, never on how they were cut on their way. Every key in the bytes is told of: with the
 * payload by which RESTORE takes it, or with why there is none. What is malformed throws `Malformed` and nothing else, in memory
 * that `valueBytesMax` and what was added last bound.
 */
import { assert } from "../assert.ts";
import { Malformed } from "../bytes/source.ts";
import { LIBRARY } from "./libraries.ts";
import { passModule, passValue } from "./pass-value.ts";
import { payloadOf } from "./payload.ts";
import { Pieces } from "./pieces.ts";
import { RdbSource } from "./rdb-source.ts";
import { MODULE } from "./value-kinds.ts";

export type RdbItem =
  | {
      readonly type: "key";
      readonly db: number;
      readonly key: Buffer;
      /** Milliseconds since 1970; 0 for none. */
      readonly deadlineMs: number;
      readonly payload: Buffer;
    }
  | { readonly type: "unread key"; readonly db: number; readonly key: Buffer; readonly why: string }
  /** The code of a library of functions. */
  | { readonly type: "library"; readonly code: Buffer }
  /** About how many keys the database that begins has. */
  | { readonly type: "size"; readonly keys: number }
  /** What a module keeps beside its keys. */
  | { readonly type: "unread module" }
  | { readonly type: "end" };

const MAGIC = "REDIS";
const HEADER_BYTES = MAGIC.length + 4;
const CHECKSUM_BYTES = 8;
/** The first version that ends with a checksum. */
const CHECKSUM_SINCE = 5;
/** Keys, names and codes of libraries. */
const NAME_MAX_BYTES = 512 * 1024 * 1024;
/** Three compressed bytes become 264 at most. */
const EXPANSION_MAX = 88;
const DB_MAX = 2 ** 31;

const SLOT_INFO = 244;
const MODULE_AUX = 247;
const IDLE = 248;
const FREQUENCY = 249;
const AUX = 250;
const SIZES = 251;
const DEADLINE_MS = 252;
const DEADLINE_SECONDS = 253;
const DATABASE = 254;
const END = 255;

export class RdbFile {
  readonly #pieces = new Pieces();
  readonly #items: Generator<RdbItem | null, void, void>;
  #ended = false;

  /** A value that takes more than `valueBytesMax` is told of as one that was not read. */
  constructor(valueBytesMax: number) {
    this.#items = items(this.#pieces, valueBytesMax);
  }

  /** How many bytes were read. */
  get position(): number {
    return this.#pieces.position;
  }

  /** More bytes have come; they are copied. */
  add(chunk: Buffer): void {
    assert(!this.#ended, "nothing is added behind the end");
    this.#pieces.add(chunk);
  }

  /** The next item; null when more bytes must come first. Behind the end there is none. Throws `Malformed`. */
  next(): RdbItem | null {
    if (this.#ended) return null;
    const { value } = this.#items.next();
    if (value?.type === "end") this.#ended = true;
    return value ?? null;
  }

  /** What came behind the end. */
  rest(): Buffer {
    return this.#pieces.rest();
  }
}

function* items(pieces: Pieces, valueBytesMax: number): Generator<RdbItem | null, void, void> {
  yield* pieces.need(HEADER_BYTES);
  const version = versionOf(pieces.bytes.latin1Slice(pieces.at, pieces.at + HEADER_BYTES));
  pieces.at += HEADER_BYTES;
  let db = 0;
  let deadlineMs = 0;
  for (;;) {
    const opcode = yield* pieces.u8();
    switch (opcode) {
      case DATABASE:
        db = yield* pieces.length();
        if (db >= DB_MAX) throw new Malformed("a database has no such number");
        break;
      case SIZES:
        yield { type: "size", keys: yield* pieces.length() };
        yield* pieces.length();
        break;
      case DEADLINE_MS:
      case DEADLINE_SECONDS:
        deadlineMs = yield* deadline(pieces, opcode === DEADLINE_MS);
        break;
      case IDLE:
        yield* pieces.length64();
        break;
      case FREQUENCY:
        yield* pieces.skip(1);
        break;
      case AUX:
        yield* pieces.strings(2);
        break;
      case SLOT_INFO:
        for (let i = 0; i < 3; i++) yield* pieces.length64();
        break;
      case MODULE_AUX:
        yield* pieces.length64();
        yield* passModule(pieces);
        yield { type: "unread module" };
        break;
      case LIBRARY:
        yield { type: "library", code: yield* text(pieces) };
        break;
      case END:
        if (version >= CHECKSUM_SINCE) yield* check(pieces);
        yield { type: "end" };
        return;
      default:
        yield yield* keyAndValue(opcode, db, deadlineMs, pieces, valueBytesMax);
        deadlineMs = 0;
    }
  }
}

function versionOf(header: string): number {
  const version = header.slice(MAGIC.length);
  if (!header.startsWith(MAGIC) || !/^\d{4}$/.test(version))
    throw new Malformed("it does not begin as what Redis saves");
  return Number(version);
}

function* deadline(pieces: Pieces, isMs: boolean): Generator<null, number, void> {
  yield* pieces.need(isMs ? 8 : 4);
  const { bytes, at } = pieces;
  const ms = isMs ? Number(bytes.readBigInt64LE(at)) : bytes.readInt32LE(at) * 1000;
  pieces.at += isMs ? 8 : 4;
  // What is over since before 1970 is over.
  return Math.max(1, Math.min(ms, Number.MAX_SAFE_INTEGER));
}

/** A string that is read: of its own bytes. */
function* text(pieces: Pieces): Generator<null, Buffer, void> {
  pieces.mark();
  const from = pieces.position;
  const passing = pieces.string();
  while (passing.next().done !== true) {
    if (pieces.position - from > NAME_MAX_BYTES) throw new Malformed("a name is too long");
    yield null;
  }
  const size = pieces.at - pieces.start;
  const source = new RdbSource(pieces.bytes, pieces.start, pieces.at, size * EXPANSION_MAX);
  pieces.unmark();
  return Buffer.from(source.string());
}

function* keyAndValue(
  kind: number,
  db: number,
  deadlineMs: number,
  pieces: Pieces,
  bytesMax: number,
): Generator<null, RdbItem, void> {
  const key = yield* text(pieces);
  pieces.mark();
  const from = pieces.position;
  const unread = (why: string): RdbItem => ({ type: "unread key", db, key, why });
  const passing = passValue(kind, pieces);
  while (passing.next().done !== true) {
    if (pieces.position - from > bytesMax) pieces.unmark();
    yield null;
  }
  const size = pieces.position - from;
  try {
    if (kind === MODULE) return unread("it is a value of a module");
    if (size > bytesMax) return unread(`it takes ${size} bytes, and ${bytesMax} is the most`);
    const payload = payloadOf(kind, pieces.bytes, pieces.start, pieces.at);
    return { type: "key", db, key, deadlineMs, payload };
  } finally {
    pieces.unmark();
  }
}

/** Zero stands for none: Redis can be told to spare itself that. */
function* check(pieces: Pieces): Generator<null, void, void> {
  const sum = pieces.checksum();
  yield* pieces.need(CHECKSUM_BYTES);
  const told = pieces.bytes.readBigUInt64LE(pieces.at);
  pieces.at += CHECKSUM_BYTES;
  if (told !== 0n && told !== sum)
    throw new Malformed("its checksum is another one: it was damaged");
}
