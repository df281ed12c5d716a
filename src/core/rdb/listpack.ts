/**
 * Listpack: strings and integers packed into one string, Redis' form of small collections and of the nodes of large ones.
 *
 *   u32 bytes in all │ u16 entries, 65535 for many │ entry … │ ff
 *   entry: kind and length │ the string or integer │ how long the two are, to be read backwards
 *
 * Invariant: a pack is read only as a whole: every entry lies inside of it and tells its length the same forwards and backwards,
 * the count is right, and nothing follows the end.
 */
import { Sink } from "../bytes/sink.ts";
import { Malformed } from "../bytes/source.ts";
import type { Strings } from "../bytes/strings.ts";
import { parseInteger, whole } from "../crdt/amount.ts";

const HEADER_BYTES = 6;
const END = 0xff;
const MANY = 0xffff;

const STRING_32 = 0xf0;
const INT_16 = 0xf1;
const INT_24 = 0xf2;
const INT_32 = 0xf3;
const INT_64 = 0xf4;

/** Walks over the entries of a pack. */
export class Listpack {
  readonly #bytes: Buffer;
  #at = HEADER_BYTES;
  #left: number;
  /** The entry that `next` moved to: an integer, or null when it is a string. */
  integer: number | bigint | null = null;
  /** The entry, when it is a string: `bytes[start … end)`. */
  start = 0;
  end = 0;

  /** Throws `Malformed`, as `next` does. */
  constructor(bytes: Buffer) {
    if (bytes.length <= HEADER_BYTES || bytes.readUInt32LE(0) !== bytes.length) throw broken();
    const count = bytes.readUInt16LE(4);
    this.#bytes = bytes;
    this.#left = count === MANY ? Infinity : count;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  /** Moves to the next entry; false at the end. */
  next(): boolean {
    const bytes = this.#bytes;
    const from = this.#at;
    const first = bytes[from];
    if (first === undefined) throw broken();
    if (first === END) {
      const complete = this.#left === 0 || this.#left === Infinity;
      if (!complete || from !== bytes.length - 1) throw broken();
      return false;
    }
    if (this.#left-- === 0) throw broken();
    this.integer = null;
    if (first < 0x80) this.#integer(first, 1);
    else if (first < 0xc0) this.#string(1, first & 0x3f);
    else if (first < 0xe0) {
      this.#need(2);
      const value = ((first & 0x1f) << 8) | (bytes[from + 1] as number);
      this.#integer(value < 1 << 12 ? value : value - (1 << 13), 2);
    } else if (first < STRING_32) {
      this.#need(2);
      this.#string(2, ((first & 0x0f) << 8) | (bytes[from + 1] as number));
    } else if (first === STRING_32) {
      this.#need(5);
      this.#string(5, bytes.readUInt32LE(from + 1));
    } else if (first <= INT_32) {
      const size = first - INT_16 + 2;
      this.#need(1 + size);
      this.#integer(bytes.readIntLE(from + 1, size), 1 + size);
    } else if (first === INT_64) {
      this.#need(9);
      this.#integer(bytes.readBigInt64LE(from + 1), 9);
    } else throw broken();
    return true;
  }

  #need(count: number): void {
    if (this.#at + count > this.#bytes.length) throw broken();
  }

  #integer(value: number | bigint, size: number): void {
    this.integer = value;
    this.#skip(size);
  }

  #string(head: number, length: number): void {
    this.#need(head + length);
    this.start = this.#at + head;
    this.end = this.start + length;
    this.#skip(head + length);
  }

  /** Moves behind an entry of so many bytes and checks what it says backwards. */
  #skip(size: number): void {
    const bytes = this.#bytes;
    const backBytes = backLength(size);
    let at = this.#at + size;
    for (let shift = (backBytes - 1) * 7, flag = 0; shift >= 0; shift -= 7, flag = 0x80)
      if (bytes[at++] !== (((size >>> shift) & 0x7f) | flag)) throw broken();
    this.#at = at;
  }

  /** Appends the entry to `strings`. */
  copyTo(strings: Strings): void {
    if (this.integer === null) strings.push(this.#bytes, this.start, this.end);
    else strings.pushText(String(this.integer));
  }

  /** The entry as bytes. */
  text(): Buffer {
    return this.integer === null
      ? this.#bytes.subarray(this.start, this.end)
      : Buffer.from(String(this.integer));
  }

  /** The next entry, which must be an integer. */
  nextInteger(): bigint {
    if (!this.next() || this.integer === null) throw broken();
    return BigInt(this.integer);
  }

  /** Appends the next entry, which must be there, to `strings`. */
  nextTo(strings: Strings): void {
    if (!this.next()) throw broken();
    this.copyTo(strings);
  }
}

function broken(): Malformed {
  return new Malformed("a listpack is broken");
}

/** How many bytes tell an entry's length backwards. Redis counts the highest of each size to the next. */
function backLength(size: number): number {
  if (size <= 127) return 1;
  if (size < 16383) return 2;
  if (size < 2097151) return 3;
  return size < 268435455 ? 4 : 5;
}

/** Builds packs, one after the other. */
export class ListpackSink {
  readonly #sink = new Sink(256);
  count = 0;

  constructor() {
    this.clear();
  }

  clear(): void {
    this.#sink.length = HEADER_BYTES;
    this.count = 0;
  }

  /** Bytes so far, the end apart. */
  get length(): number {
    return this.#sink.length;
  }

  /** A string, as an integer if it is the text of one. */
  string(bytes: Uint8Array, start: number, end: number): void {
    const amount = parseInteger(bytes, start, end);
    if (amount !== null)
      return this.integer(typeof amount === "number" ? amount : (whole(amount) as bigint));
    const sink = this.#sink;
    const from = sink.length;
    const length = end - start;
    if (length < 1 << 6) sink.u8(0x80 | length);
    else if (length < 1 << 12) sink.u16(0xe000 | length);
    else {
      sink.u8(STRING_32);
      sink.reserve(4);
      sink.length = sink.buffer.writeUInt32LE(length, sink.length);
    }
    sink.raw(bytes, start, end);
    this.#close(from);
  }

  /** Text of one byte a character, which is no integer. */
  text(text: string): void {
    const bytes = Buffer.from(text, "latin1");
    this.string(bytes, 0, bytes.length);
  }

  /** A safe integer, or any of 64 bits as a big one. */
  integer(value: number | bigint): void {
    const sink = this.#sink;
    const from = sink.length;
    sink.reserve(9);
    if (value >= 0 && value < 1 << 7) sink.u8(Number(value));
    else if (value >= -(1 << 12) && value < 1 << 12) sink.u16(0xc000 | (Number(value) & 0x1fff));
    else if (
      !this.#bytes(INT_16, 2, value) &&
      !this.#bytes(INT_24, 3, value) &&
      !this.#bytes(INT_32, 4, value)
    ) {
      sink.u8(INT_64);
      sink.length = sink.buffer.writeBigInt64LE(BigInt(value), sink.length);
    }
    this.#close(from);
  }

  #bytes(kind: number, size: number, value: number | bigint): boolean {
    const half = 2 ** (8 * size - 1);
    if (value < -half || value >= half) return false;
    const sink = this.#sink;
    sink.u8(kind);
    sink.length = sink.buffer.writeIntLE(Number(value), sink.length, size);
    return true;
  }

  #close(from: number): void {
    const sink = this.#sink;
    const size = sink.length - from;
    for (let shift = (backLength(size) - 1) * 7, flag = 0; shift >= 0; shift -= 7, flag = 0x80)
      sink.u8(((size >>> shift) & 0x7f) | flag);
    this.count++;
  }

  /** Ends the pack and returns it: valid until the next `clear`. */
  finish(): Buffer {
    const sink = this.#sink;
    sink.u8(END);
    sink.buffer.writeUInt32LE(sink.length, 0);
    sink.buffer.writeUInt16LE(Math.min(this.count, MANY), 4);
    return sink.view();
  }
}
