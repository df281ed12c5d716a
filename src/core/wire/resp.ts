/**
 * RESP: finds the next command in a client's bytes.
 *
 *   *2 CRLF $3 CRLF GET CRLF $1 CRLF k CRLF        an array of bulks: the arguments stay where they arrived
 *   GET "a key" LF                                 inline: the arguments are decoded into the parser's own scratch
 *
 * Invariant: the outcome depends on the bytes alone, never on how they were cut on their way, and a length that a client claims
 * costs nothing before the bytes it promises are there. Limits, their order and the words of every problem are those of
 * Redis 7.0.15, bytes that Redis does not look at (behind a length, behind a bulk) included.
 *
 * The parser keeps nothing between two calls, so one serves every connection: an unfinished command is read again from its
 * first byte. `need` makes that cheap: a large argument is waited for whole, and beyond many arguments, as each one still owed
 * takes at least six bytes, a command of n of them is read again about log n times and not n times, however it trickles in.
 */
import { assert } from "../assert.ts";
import { Args } from "./args.ts";

/** The bytes end inside a command; `need` says how many make another try worthwhile. */
export const INCOMPLETE = -1;
/** The bytes are no command; `problem` says why. The connection ends after the error. */
export const PROTOCOL_ERROR = -2;

export type RespLimits = {
  /** The largest argument (`proto-max-bulk-len`). */
  maxBulkBytes: number;
  /** The most arguments of one command. */
  maxArgs: number;
  /** The longest inline command, and the longest line that holds a length. */
  maxLineBytes: number;
  /** What a client may claim before it has proven who it is. */
  unauthenticated: { maxArgs: number; maxBulkBytes: number };
};

export const RESP_LIMITS: RespLimits = {
  maxBulkBytes: 16 * 1024 * 1024,
  maxArgs: 1024 * 1024,
  maxLineBytes: 64 * 1024,
  unauthenticated: { maxArgs: 10, maxBulkBytes: 16 * 1024 },
};

const NUL = 0;
const LF = 10;
const CR = 13;
const DOUBLE_QUOTE = 34;
const DOLLAR = 36;
const SINGLE_QUOTE = 39;
const STAR = 42;
const MINUS = 45;
const ZERO = 48;
const BACKSLASH = 92;

/** The shortest bulk: `$0 CRLF CRLF`. */
const BULK_MIN_BYTES = 6;
/** The longest text of a 64-bit integer. A longer line can still end, but never as a length. */
const LENGTH_MAX_DIGITS = 20;
/**
 * From this many arguments on, reading a command again for one byte more costs more than receiving that byte, so the parser
 * waits for the least the rest can take. An error in the rest then waits as long.
 */
const MANY_ARGS = 1024;

export class RespParser {
  /** May change at any time (`CONFIG SET`). */
  limits: RespLimits;
  /** Whether the client now parsed for has proven who it is: the strict limits hold until then. */
  authenticated = true;
  /** After INCOMPLETE: the bytes that must be there, counted from `from`, before another try can find a command. */
  need = 0;
  /** After PROTOCOL_ERROR: what to answer, without the leading `-ERR `. */
  problem = "";

  /** The integer that `#length` found. */
  #value = 0;
  #scratch: Buffer = Buffer.alloc(0);

  constructor(limits: RespLimits = RESP_LIMITS) {
    this.limits = limits;
  }

  /**
   * Reads the command at `bytes[from …]`, of which `bytes[… to)` is there, into `args`, and returns the offset behind it;
   * or INCOMPLETE, or PROTOCOL_ERROR. An empty request (a blank line, `*0`) is consumed with `args.count` 0.
   */
  parse(bytes: Buffer, from: number, to: number, args: Args): number {
    assert(to <= bytes.length, "the bytes to parse are there");
    args.begin(bytes);
    this.need = 0;
    if (from >= to) return this.#incomplete(1);
    if (bytes[from] !== STAR) return this.#inline(bytes, from, to, args);

    let at: number;
    let count: number;
    // Nearly every command has one to nine arguments: `*3 CRLF`.
    const digit = (bytes[from + 1] as number) - ZERO;
    if (to - from >= 4 && digit > 0 && digit < 10 && bytes[from + 2] === CR) {
      count = digit;
      at = from + 4;
    } else {
      at = this.#length(bytes, from, from, to, "mbulk");
      if (at < 0) return at;
      count = this.#value;
    }
    if (count > this.limits.maxArgs) return this.#error("invalid multibulk length");
    if (!this.authenticated && count > this.limits.unauthenticated.maxArgs)
      return this.#error("unauthenticated multibulk length");

    const maxBytes = this.limits.maxBulkBytes;
    for (let left = count; left > 0; left--) {
      let length = -1;
      let data = at + 1;
      if (to - at >= BULK_MIN_BYTES && bytes[at] === DOLLAR) {
        // A length of one to seven digits without a leading zero, read while looking for its CR. At most `at + 8` is looked
        // at; what lies behind `to` is ruled out by the comparison below.
        let byte = bytes[data++] as number;
        if (byte > ZERO && byte < ZERO + 10) {
          length = byte - ZERO;
          while (data < to && data - at < 9) {
            byte = bytes[data++] as number;
            if (byte < ZERO || byte >= ZERO + 10) break;
            length = length * 10 + byte - ZERO;
          }
          if (byte !== CR) length = -1;
        } else if (byte === ZERO && bytes[data++] === CR) length = 0;
      }
      if (length >= 0) data++;
      else {
        data = this.#length(bytes, from, at, to, "bulk");
        if (data === INCOMPLETE) this.#needHeader(from, at, to, left, args);
        if (data < 0) return data;
        length = this.#value;
      }
      if (length > maxBytes) return this.#error("invalid bulk length");
      if (!this.authenticated && length > this.limits.unauthenticated.maxBulkBytes)
        return this.#error("unauthenticated bulk length");
      const end = data + length;
      at = end + 2;
      if (at > to) return this.#incomplete(at - from + this.#owed(left - 1, args));
      args.push(data, end);
    }
    return at;
  }

  #incomplete(need: number): number {
    this.need = need;
    return INCOMPLETE;
  }

  #error(problem: string): number {
    this.problem = `Protocol error: ${problem}`;
    return PROTOCOL_ERROR;
  }

  /** The least that `left` more arguments take, where waiting for it is worthwhile. */
  #owed(left: number, args: Args): number {
    return args.count > MANY_ARGS ? BULK_MIN_BYTES * left : 0;
  }

  /** `need` when the header of the first of `left` more arguments, at `at`, is not whole. */
  #needHeader(from: number, at: number, to: number, left: number, args: Args): void {
    // A line this long is no length, whatever follows: only an error can come.
    const hopeless = args.count > MANY_ARGS && to - at > LENGTH_MAX_DIGITS + 3;
    const rest = hopeless ? this.limits.maxLineBytes + 1 : this.#owed(left, args);
    this.need = Math.max(this.need, at - from + rest);
  }

  /**
   * Reads the line at `at`, a marker and a length, into `#value`, and returns the offset behind it. A negative count of
   * arguments reads as 0, as an empty request.
   */
  #length(bytes: Buffer, from: number, at: number, to: number, kind: "mbulk" | "bulk"): number {
    // Only so far as the limit reaches, or it would matter how much arrived at once.
    const window = Math.min(to, at + this.limits.maxLineBytes + 1);
    const line = find(bytes, CR, at, window);
    if (line === window) {
      if (to - at > this.limits.maxLineBytes)
        return this.#error(`too big ${kind === "mbulk" ? "mbulk" : "bulk"} count string`);
      return this.#incomplete(to - from + 1);
    }
    if (line + 1 >= to) return this.#incomplete(line + 2 - from);
    if (kind === "bulk" && bytes[at] !== DOLLAR) {
      // Written as a character of a line, so CR, LF and NUL would end it.
      const got = String.fromCharCode(bytes[at] as number).replace(/[\r\n\0]/, " ");
      return this.#error(`expected '$', got '${got}'`);
    }
    const value = integerAt(bytes, at + 1, line);
    if (Number.isNaN(value) || (kind === "bulk" && value < 0))
      return this.#error(kind === "bulk" ? "invalid bulk length" : "invalid multibulk length");
    this.#value = value < 0 ? 0 : value;
    return line + 2;
  }

  #inline(bytes: Buffer, from: number, to: number, args: Args): number {
    const window = Math.min(to, from + this.limits.maxLineBytes + 1);
    const line = find(bytes, LF, from, window);
    // Redis looks for the end of the line as C looks through text: what follows a NUL is not seen.
    const hidden = find(bytes, NUL, from, line) < line;
    if (line === window || hidden) {
      if (to - from > this.limits.maxLineBytes) return this.#error("too big inline request");
      return this.#incomplete(hidden ? this.limits.maxLineBytes + 1 : to - from + 1);
    }
    const end = line > from && bytes[line - 1] === CR ? line - 1 : line;
    if (this.#scratch.length < end - from) this.#scratch = Buffer.alloc(2 * (end - from));
    args.begin(this.#scratch);
    if (!splitWords(bytes, from, end, args)) return this.#error("unbalanced quotes in request");
    return line + 1;
  }
}

/** Where `byte` first stands in `bytes[from … to)`, or `to`. */
function find(bytes: Buffer, byte: number, from: number, to: number): number {
  // Lines are short. A long one, fed byte by byte, must not cost its square at the speed of this loop.
  const near = Math.min(to, from + 64);
  for (let at = from; at < near; at++) if (bytes[at] === byte) return at;
  const further = near < to ? bytes.subarray(near, to).indexOf(byte) : -1;
  return further < 0 ? to : near + further;
}

/** The integer written in `bytes[from … to)` as Redis' `string2ll` accepts it, or NaN: no plus, no leading zeros, 64 bits. */
function integerAt(bytes: Buffer, from: number, to: number): number {
  const negative = to > from && bytes[from] === MINUS;
  const first = negative ? from + 1 : from;
  const digits = to - first;
  if (digits < 1 || digits > 19) return NaN;
  if (bytes[first] === ZERO) return digits === 1 && !negative ? 0 : NaN;
  let value = 0;
  for (let i = first; i < to; i++) {
    const digit = (bytes[i] as number) - ZERO;
    if (digit < 0 || digit > 9) return NaN;
    value = value * 10 + digit;
  }
  // Nineteen digits compare as text; as a number the last of them would be rounded away.
  if (digits === 19) {
    const largest = negative ? "9223372036854775808" : "9223372036854775807";
    if (bytes.latin1Slice(first, to) > largest) return NaN;
  }
  return negative ? -value : value;
}

/**
 * Splits `bytes[from … to)` into words as Redis' `sdssplitargs` does and puts them into `args`, decoded into `args.bytes`, which
 * is large enough. False when quotes are unbalanced. No byte is NUL.
 *
 * A quote may open inside a word, but must close at its end. Double quotes know \xHH, \n, \r, \t, \b, \a; single ones only \'.
 */
export function splitWords(bytes: Buffer, from: number, to: number, args: Args): boolean {
  const out = args.bytes;
  let written = 0;
  let at = from;
  while (true) {
    while (at < to && isSpace(bytes[at] as number)) at++;
    if (at === to) return true;
    const start = written;
    let quote = 0;
    while (true) {
      if (at === to) {
        if (quote !== 0) return false;
        break;
      }
      const byte = bytes[at++] as number;
      if (quote === 0) {
        if (byte === DOUBLE_QUOTE || byte === SINGLE_QUOTE) quote = byte;
        else if (byte === 32 || byte === LF || byte === CR || byte === 9) break;
        else out[written++] = byte;
      } else if (byte === quote) {
        if (at < to && !isSpace(bytes[at] as number)) return false;
        break;
      } else if (byte !== BACKSLASH || at === to) out[written++] = byte;
      else if (quote === SINGLE_QUOTE) {
        if (bytes[at] === SINGLE_QUOTE) out[written++] = bytes[at++] as number;
        else out[written++] = byte;
      } else {
        const high = bytes[at] === 120 && at + 2 < to ? hexDigit(bytes[at + 1] as number) : -1;
        const low = high >= 0 ? hexDigit(bytes[at + 2] as number) : -1;
        if (low >= 0) {
          out[written++] = high * 16 + low;
          at += 3;
        } else out[written++] = unescape(bytes[at++] as number);
      }
    }
    args.push(start, written);
  }
}

function isSpace(byte: number): boolean {
  return byte === 32 || (byte >= 9 && byte <= 13);
}

function hexDigit(byte: number): number {
  if (byte >= ZERO && byte <= 57) return byte - ZERO;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

function unescape(byte: number): number {
  if (byte === 110) return LF;
  if (byte === 114) return CR;
  if (byte === 116) return 9;
  if (byte === 98) return 8;
  if (byte === 97) return 7;
  return byte;
}
