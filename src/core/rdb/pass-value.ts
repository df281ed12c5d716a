/**
 * PassValue: finds where a value in Redis' format ends, without reading what it says.
 *
 * Invariant: what `readValue` reads, this passes, and both end at the same byte. Values of modules are passed too, which
 * nobody but the module can read.
 */
import { Malformed } from "../bytes/source.ts";
import type { Moving, Pieces } from "./pieces.ts";
import * as kind from "./value-kinds.ts";

/** The parts of a module's value. */
const MODULE_END = 0;
const MODULE_SIGNED = 1;
const MODULE_UNSIGNED = 2;
const MODULE_FLOAT = 3;
const MODULE_DOUBLE = 4;
const MODULE_STRING = 5;

const TIME_BYTES = 8;
const ID_BYTES = 16;
/** Lengths of a double as text that stand for what has no digits. */
const NO_DIGITS_MIN = 253;

/** Moves past a value of kind `type`. Throws `Malformed`. */
export function* passValue(type: number, pieces: Pieces): Moving {
  switch (type) {
    case kind.STRING:
    case kind.HASH_ZIPMAP:
    case kind.LIST_ZIPLIST:
    case kind.SET_INTSET:
    case kind.ZSET_ZIPLIST:
    case kind.HASH_ZIPLIST:
    case kind.HASH_LISTPACK:
    case kind.ZSET_LISTPACK:
    case kind.SET_LISTPACK:
      return yield* pieces.string();
    case kind.LIST:
    case kind.SET:
    case kind.LIST_QUICKLIST:
      return yield* pieces.strings(yield* pieces.length());
    case kind.HASH:
      return yield* pieces.strings((yield* pieces.length()) * 2);
    case kind.LIST_QUICKLIST_2:
      for (let left = yield* pieces.length(); left > 0; left--) {
        yield* pieces.length();
        yield* pieces.string();
      }
      return;
    case kind.ZSET:
    case kind.ZSET_2:
      for (let left = yield* pieces.length(); left > 0; left--) {
        yield* pieces.string();
        yield* type === kind.ZSET_2 ? pieces.skip(8) : passTextDouble(pieces);
      }
      return;
    case kind.HASH_EXPIRING:
      yield* pieces.skip(TIME_BYTES);
      for (let left = yield* pieces.length(); left > 0; left--) {
        yield* pieces.length64();
        yield* pieces.strings(2);
      }
      return;
    case kind.HASH_LISTPACK_EXPIRING:
      yield* pieces.skip(TIME_BYTES);
      return yield* pieces.string();
    case kind.STREAM:
    case kind.STREAM_2:
    case kind.STREAM_3:
      return yield* passStream(type, pieces);
    case kind.MODULE:
      yield* pieces.length64();
      return yield* passModule(pieces);
    default:
      throw new Malformed(
        `${type} is no kind of value that is known here: a newer Redis, or a module of an old one, wrote it`,
      );
  }
}

function* passTextDouble(pieces: Pieces): Moving {
  const length = yield* pieces.u8();
  if (length < NO_DIGITS_MIN) yield* pieces.skip(length);
}

function* passId(pieces: Pieces): Moving {
  yield* pieces.length64();
  yield* pieces.length64();
}

function* passStream(type: number, pieces: Pieces): Moving {
  yield* pieces.strings((yield* pieces.length()) * 2);
  yield* pieces.length64();
  yield* passId(pieces);
  if (type !== kind.STREAM) {
    yield* passId(pieces);
    yield* passId(pieces);
    yield* pieces.length64();
  }
  for (let groups = yield* pieces.length(); groups > 0; groups--) {
    yield* pieces.string();
    yield* passId(pieces);
    if (type !== kind.STREAM) yield* pieces.length64();
    for (let pending = yield* pieces.length(); pending > 0; pending--) {
      yield* pieces.skip(ID_BYTES + TIME_BYTES);
      yield* pieces.length64();
    }
    for (let consumers = yield* pieces.length(); consumers > 0; consumers--) {
      yield* pieces.string();
      yield* pieces.skip(type === kind.STREAM_3 ? 2 * TIME_BYTES : TIME_BYTES);
      for (let own = yield* pieces.length(); own > 0; own--) yield* pieces.skip(ID_BYTES);
    }
  }
}

/** Moves past what a module wrote, behind its id: parts, each of which says what it is. */
export function* passModule(pieces: Pieces): Moving {
  for (;;) {
    const part = yield* pieces.length();
    switch (part) {
      case MODULE_END:
        return;
      case MODULE_SIGNED:
      case MODULE_UNSIGNED:
        yield* pieces.length64();
        break;
      case MODULE_FLOAT:
        yield* pieces.skip(4);
        break;
      case MODULE_DOUBLE:
        yield* pieces.skip(8);
        break;
      case MODULE_STRING:
        yield* pieces.string();
        break;
      default:
        throw new Malformed(`${part} is no part of a module's value`);
    }
  }
}
