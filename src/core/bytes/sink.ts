/**
 * Sink: a growable run of bytes that is written front to back and used again.
 *
 * Invariant: `buffer.subarray(0, length)` is what was written since the last `clear`; nothing beyond it is ever shown.
 * Integers are big-endian; a varint is unsigned LEB128 of at most 53 bits (`docs/protocol.md`).
 *
 * The hot path writes records and replies here, so a sink allocates only when it grows, and what it grew to it keeps.
 */
import { assert } from "../assert.ts";

/** The longest varint: 53 bits in groups of seven. */
const VARINT_MAX_BYTES = 8;

export class Sink {
  buffer: Buffer;
  length = 0;

  constructor(capacity = 1024) {
    this.buffer = Buffer.allocUnsafeSlow(capacity);
  }

  clear(): void {
    this.length = 0;
  }

  /** What was written, without a copy: valid until the next write. */
  view(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  /** What was written, as bytes of its own. */
  copy(): Buffer {
    const out = Buffer.allocUnsafeSlow(this.length);
    this.buffer.copy(out, 0, 0, this.length);
    return out;
  }

  /** Makes room for `bytes` more. Call it before writing into `buffer` by hand. */
  reserve(bytes: number): void {
    if (this.buffer.length - this.length < bytes) this.#grow(bytes);
  }

  #grow(bytes: number): void {
    let capacity = this.buffer.length * 2;
    while (capacity < this.length + bytes) capacity *= 2;
    const larger = Buffer.allocUnsafeSlow(capacity);
    this.buffer.copy(larger, 0, 0, this.length);
    this.buffer = larger;
  }

  u8(value: number): void {
    this.reserve(1);
    this.buffer[this.length++] = value;
  }

  u16(value: number): void {
    this.reserve(2);
    this.buffer[this.length++] = value >>> 8;
    this.buffer[this.length++] = value;
  }

  u32(value: number): void {
    this.reserve(4);
    this.length = this.buffer.writeUInt32BE(value, this.length);
  }

  u48(value: number): void {
    this.reserve(6);
    this.length = this.buffer.writeUIntBE(value, this.length, 6);
  }

  f64(value: number): void {
    this.reserve(8);
    this.length = this.buffer.writeDoubleBE(value, this.length);
  }

  /** An integer from 0 to 2^53 − 1. */
  varint(value: number): void {
    assert(value >= 0 && value <= Number.MAX_SAFE_INTEGER, "a varint holds 0 to 2^53 - 1");
    this.reserve(VARINT_MAX_BYTES);
    const buffer = this.buffer;
    let at = this.length;
    let rest = value;
    // Beyond 31 bits the shift operators would lose bits, so the first groups are taken by division.
    while (rest > 0x7fffffff) {
      buffer[at++] = (rest & 0x7f) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest > 0x7f) {
      buffer[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    buffer[at++] = rest;
    this.length = at;
  }

  /** A signed integer of at most 52 bits, zigzag: 0 → 0, −1 → 1, 1 → 2. */
  zigzag(value: number): void {
    this.varint(value < 0 ? -2 * value - 1 : 2 * value);
  }

  /** Bytes as they are, without a length. */
  raw(bytes: Uint8Array, start: number, end: number): void {
    const count = end - start;
    this.reserve(count);
    const buffer = this.buffer;
    let at = this.length;
    // A short copy is cheaper by hand than through the call into the runtime.
    if (count < 48) for (let i = start; i < end; i++) buffer[at++] = bytes[i] as number;
    else {
      buffer.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), at);
      at += count;
    }
    this.length = at;
  }

  /** A varint length, then the bytes. */
  bytes(bytes: Uint8Array, start: number, end: number): void {
    this.varint(end - start);
    this.raw(bytes, start, end);
  }

  /** Text whose every character is one byte, without a length. */
  latin1(text: string): void {
    this.reserve(text.length);
    if (text.length < 24) {
      const buffer = this.buffer;
      let at = this.length;
      for (let i = 0; i < text.length; i++) buffer[at++] = text.charCodeAt(i);
      this.length = at;
    } else this.length += this.buffer.latin1Write(text, this.length);
  }

  /** A varint length, then text whose every character is one byte. */
  text(text: string): void {
    this.varint(text.length);
    this.latin1(text);
  }
}
