/**
 * UpdateCheck: whether bytes are an update of Yjs (its version 1), told without building anything of it.
 *
 *   update  = n × (structs, client, clock, structs × struct), then the deletions: n × (client, ranges × (clock, length))
 *   struct  = info │ [origin] [right origin] [parent [name]] content, or a length of nothing
 *
 * Invariant: what passes is read by Yjs without an error and within its own bytes. Yjs reads strings from the memory under a view,
 * beyond the view's end, and believes counts before it has seen what they count; here neither is possible.
 */
import { Malformed, type Source } from "../../core/bytes/source.ts";
import { isUtf8 } from "../../core/bytes/utf8.ts";
import { DEPTH_MAX } from "../../core/json/json.ts";

const ID_MAX = Number.MAX_SAFE_INTEGER;

const [HAS_ORIGIN, HAS_RIGHT_ORIGIN, HAS_PARENT_NAME] = [0x80, 0x40, 0x20] as const;
const TYPE_MAX = 6;
const [XML_ELEMENT, XML_HOOK] = [3, 5] as const;

/**
 * Throws `Malformed` unless the bytes from `source.at` to its end are one update; returns of how many structs, each of which takes
 * some hundred bytes once it is loaded.
 */
export function checkUpdate(source: Source): number {
  let structs = 0;
  for (let clients = source.varint(); clients > 0; clients--) {
    let left = source.varint();
    structs += left;
    source.varint();
    let clock = source.varint();
    for (; left > 0; left--) {
      clock += structLength(source);
      if (clock > ID_MAX) throw new Malformed("an update's clock overflows");
    }
  }
  for (let clients = source.varint(); clients > 0; clients--) {
    source.varint();
    for (let ranges = source.varint(); ranges > 0; ranges--)
      if (source.varint() + positive(source) > ID_MAX)
        throw new Malformed("a deletion's clock overflows");
  }
  if (source.left > 0) throw new Malformed("bytes behind an update");
  return structs;
}

/** Throws `Malformed` unless the bytes are a state vector: the clock of each client. */
export function checkVector(source: Source): void {
  for (let clients = source.varint(); clients > 0; clients--) {
    source.varint();
    source.varint();
  }
  if (source.left > 0) throw new Malformed("bytes behind a state vector");
}

/** Skips a struct and returns how much its client's clock advances over it, or more. */
function structLength(source: Source): number {
  const info = source.u8();
  const form = info & 0x1f;
  // What was deleted with all around it, and gaps.
  if (form === 0 || info === 10) return positive(source);
  if ((info & HAS_ORIGIN) !== 0) id(source);
  if ((info & HAS_RIGHT_ORIGIN) !== 0) id(source);
  if ((info & (HAS_ORIGIN | HAS_RIGHT_ORIGIN)) === 0) {
    if (source.varint() === 1) text(source);
    else id(source);
    if ((info & HAS_PARENT_NAME) !== 0) text(source);
  }
  switch (form) {
    case 1:
      return positive(source);
    case 3:
      source.skip(source.varint());
      return 1;
    case 4: {
      const length = text(source);
      if (length === 0) throw new Malformed("a text is empty");
      return length;
    }
    case 5:
      json(source);
      return 1;
    case 6:
      text(source);
      json(source);
      return 1;
    case 7: {
      const type = source.varint();
      if (type > TYPE_MAX) throw new Malformed(`${type} is no type of Yjs`);
      if (type === XML_ELEMENT || type === XML_HOOK) text(source);
      return 1;
    }
    case 8: {
      const count = positive(source);
      for (let left = count; left > 0; left--) any(source, 0);
      return count;
    }
    default:
      // Among them are documents within documents, and a form of values that Yjs has not written for years.
      throw new Malformed(`a part of the form ${form} is not taken`);
  }
}

function id(source: Source): void {
  source.varint();
  source.varint();
}

function positive(source: Source): number {
  const value = source.varint();
  if (value === 0) throw new Malformed("a part without length");
  return value;
}

/** Skips a string and returns its length in bytes. */
function text(source: Source): number {
  const length = source.varint();
  const start = source.skip(length);
  if (!isUtf8(source.bytes, start, start + length)) throw new Malformed("a text is not UTF-8");
  return length;
}

function json(source: Source): void {
  const length = source.varint();
  const start = source.skip(length);
  const bytes = source.bytes.subarray(start, start + length);
  let depth = 0;
  for (const byte of bytes) if ((byte === 0x5b || byte === 0x7b) && ++depth > DEPTH_MAX) break;
  try {
    if (depth > DEPTH_MAX || !isUtf8(bytes, 0, length)) throw new SyntaxError("too deep");
    JSON.parse(bytes.toString("utf8"));
  } catch {
    throw new Malformed("an embedded value is no JSON");
  }
}

function any(source: Source, depth: number): void {
  if (depth > DEPTH_MAX) throw new Malformed("a value lies too deep");
  const type = source.u8();
  switch (type) {
    case 127:
    case 126:
    case 121:
    case 120:
      return;
    case 125:
      return integer(source);
    case 124:
      source.skip(4);
      return;
    case 123:
    case 122:
      source.skip(8);
      return;
    case 119:
      text(source);
      return;
    case 118:
      for (let left = source.varint(); left > 0; left--) {
        text(source);
        any(source, depth + 1);
      }
      return;
    case 117:
      for (let left = source.varint(); left > 0; left--) any(source, depth + 1);
      return;
    case 116:
      source.skip(source.varint());
      return;
    default:
      throw new Malformed(`a value of the form ${type}`);
  }
}

/** A number with its sign in the first byte. */
function integer(source: Source): void {
  let byte = source.u8();
  let value = byte & 0x3f;
  for (let unit = 64; byte >= 0x80; unit *= 128) {
    byte = source.u8();
    value += (byte & 0x7f) * unit;
    if (value > ID_MAX || unit > ID_MAX) throw new Malformed("a number is too large");
  }
}
