/**
 * Reply: writes RESP2 or RESP3 into a sink.
 *
 * Invariant: what a handler writes is one well-formed value, whatever bytes it is given: lengths are written before data, and a
 * text that becomes a line (an error, a status) is stripped of CR and LF, so that no value can pose as a reply.
 *
 * Aggregates announce their count first. A handler that cannot know it beforehand takes `mark` and calls `insertArrayHeader`.
 */
import { Sink } from "../bytes/sink.ts";

const CR = 13;
const LF = 10;

export class Reply {
  readonly sink: Sink;
  /** The protocol version of the connection now answered. */
  resp: 2 | 3 = 2;

  constructor(sink: Sink = new Sink(16 * 1024)) {
    this.sink = sink;
  }

  ok(): void {
    this.#line(43, "OK");
  }

  /** A simple string, such as `+OK`. */
  status(text: string): void {
    this.#line(43, lineOf(text));
  }

  /** An error line: `message` begins with its code, such as `ERR` or `WRONGTYPE`. */
  error(message: string): void {
    this.#line(45, lineOf(message));
  }

  #line(type: number, text: string): void {
    const sink = this.sink;
    sink.reserve(text.length + 3);
    sink.buffer[sink.length++] = type;
    sink.latin1(text);
    this.#crlf();
  }

  #crlf(): void {
    const sink = this.sink;
    sink.reserve(2);
    sink.buffer[sink.length++] = CR;
    sink.buffer[sink.length++] = LF;
  }

  #header(type: number, count: number): void {
    const sink = this.sink;
    sink.reserve(24);
    sink.buffer[sink.length++] = type;
    this.#digits(count);
    this.#crlf();
  }

  /** A safe integer in decimal. */
  #digits(value: number): void {
    const sink = this.sink;
    let rest = value;
    if (rest > 0x7fffffff || rest < -0x7fffffff) {
      sink.latin1(String(rest));
      return;
    }
    const buffer = sink.buffer;
    if (rest < 0) {
      buffer[sink.length++] = 45;
      rest = -rest;
    }
    let digits = 1;
    for (let limit = 10; rest >= limit && digits < 10; limit *= 10) digits++;
    let at = sink.length + digits;
    sink.length = at;
    do {
      const tens = (rest / 10) | 0;
      buffer[--at] = 48 + rest - tens * 10;
      rest = tens;
    } while (rest > 0);
  }

  /** An integer; beyond 2^53 as a bigint. */
  int(value: number | bigint): void {
    if (typeof value === "number") this.#header(58, value);
    else this.#line(58, String(value));
  }

  /** The bytes from `start` to `end` as a bulk string. */
  bulk(bytes: Uint8Array, start: number, end: number): void {
    const sink = this.sink;
    sink.reserve(end - start + 32);
    this.#header(36, end - start);
    sink.raw(bytes, start, end);
    this.#crlf();
  }

  /** A whole buffer as a bulk string. */
  buffer(bytes: Uint8Array): void {
    this.bulk(bytes, 0, bytes.length);
  }

  /** Text of one byte a character as a bulk string. */
  text(text: string): void {
    this.sink.reserve(text.length + 32);
    this.#header(36, text.length);
    this.sink.latin1(text);
    this.#crlf();
  }

  /** The absent value: `$-1` in RESP2, `_` in RESP3. */
  nil(): void {
    this.sink.latin1(this.resp === 3 ? "_\r\n" : "$-1\r\n");
  }

  /** The absent aggregate: `*-1` in RESP2, `_` in RESP3. */
  nilArray(): void {
    this.sink.latin1(this.resp === 3 ? "_\r\n" : "*-1\r\n");
  }

  array(count: number): void {
    this.#header(42, count);
  }

  /** A map of `pairs` pairs: in RESP2 a flat array. */
  map(pairs: number): void {
    if (this.resp === 3) this.#header(37, pairs);
    else this.#header(42, pairs * 2);
  }

  /** A set: in RESP2 an array. */
  set(count: number): void {
    this.#header(this.resp === 3 ? 126 : 42, count);
  }

  /** An out-of-band message: in RESP2 an array. */
  push(count: number): void {
    this.#header(this.resp === 3 ? 62 : 42, count);
  }

  /** A double given as the text Redis would print: in RESP2 a bulk string. */
  double(text: string): void {
    if (this.resp === 3) this.#line(44, text);
    else this.text(text);
  }

  bool(value: boolean): void {
    if (this.resp === 3) this.sink.latin1(value ? "#t\r\n" : "#f\r\n");
    else this.int(value ? 1 : 0);
  }

  /** An integer of any size in decimal: in RESP2 a bulk string. */
  bigNumber(digits: string): void {
    if (this.resp === 3) this.#line(40, lineOf(digits));
    else this.text(digits);
  }

  /** Text with its format, three letters: in RESP2 a plain bulk string. */
  verbatim(text: string, format = "txt"): void {
    if (this.resp !== 3) return this.text(text);
    this.#header(61, text.length + 4);
    this.sink.latin1(`${format}:`);
    this.sink.latin1(text);
    this.#crlf();
  }

  /** Where the next value begins, for `truncate` and `insertHeader`. */
  get mark(): number {
    return this.sink.length;
  }

  /** Takes back everything written since `mark`. */
  truncate(mark: number): void {
    this.sink.length = mark;
  }

  /** Puts an array header in front of what was written since `mark`, when only the end knows the count. */
  insertArrayHeader(mark: number, count: number): void {
    this.#insert(mark, `*${count}\r\n`);
  }

  /** As `insertArrayHeader`, for a set. */
  insertSetHeader(mark: number, count: number): void {
    this.#insert(mark, `${this.resp === 3 ? "~" : "*"}${count}\r\n`);
  }

  /** As `insertArrayHeader`, for a map that is in RESP2 an array of what the map has as pairs. */
  insertPairsHeader(mark: number, count: number): void {
    this.#insert(mark, `${this.resp === 3 ? "%" : "*"}${count}\r\n`);
  }

  #insert(mark: number, header: string): void {
    const sink = this.sink;
    sink.reserve(header.length);
    sink.buffer.copyWithin(mark + header.length, mark, sink.length);
    sink.buffer.latin1Write(header, mark);
    sink.length += header.length;
  }
}

/** The text without ends of lines, and without characters of more than one byte: the low byte of one may be such an end. */
function lineOf(text: string): string {
  if (!/[\r\n\u0100-\uffff]/.test(text)) return text;
  return text.replaceAll(/[\r\n]+/g, " ").replaceAll(/[\u0100-\uffff]/g, "?");
}
