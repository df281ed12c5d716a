/**
 * RdbSink: writes the lengths, strings and numbers that Redis' format is made of.
 *
 * Invariant: of the ways to write a string the shortest is taken, in Redis' own order: an integer, compressed, as it is.
 */
import { Sink } from "../bytes/sink.ts";
import { parseInteger } from "../crdt/amount.ts";
import { compress } from "./lzf.ts";
import {
  ENCODED_INT16,
  ENCODED_INT32,
  ENCODED_INT8,
  ENCODED_LZF,
  LENGTH_32,
  LENGTH_64,
} from "./rdb-source.ts";

/** No shorter string is worth the try. */
const COMPRESSED_MIN_BYTES = 21;
/** The longest text of an integer of 32 bits. */
const INTEGER_MAX_BYTES = 11;

export class RdbSink extends Sink {
  /** What a string is compressed into before its length is known. */
  readonly #compressed = new Sink(64);

  /** An unsigned integer. */
  count(value: number): void {
    if (value < 1 << 6) this.u8(value);
    else if (value < 1 << 14) this.u16((1 << 14) | value);
    else if (value < 2 ** 32) {
      this.u8(LENGTH_32);
      this.u32(value);
    } else this.count64(BigInt(value));
  }

  /** An unsigned integer of 64 bits. */
  count64(value: bigint): void {
    if (value < 1n << 32n) return this.count(Number(value));
    this.u8(LENGTH_64);
    this.u64(value);
  }

  /** Eight bytes, the highest first. */
  u64(value: bigint): void {
    this.reserve(8);
    this.length = this.buffer.writeBigUInt64BE(value, this.length);
  }

  string(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (length <= INTEGER_MAX_BYTES && this.#integer(parseInteger(bytes, start, end))) return;
    if (length >= COMPRESSED_MIN_BYTES) {
      const compressed = this.#compressed;
      compressed.clear();
      // Less than four bytes shorter is not shorter: a second length is written too.
      if (compress(bytes, start, end, length - 4, compressed)) {
        this.u8(ENCODED_LZF);
        this.count(compressed.length);
        this.count(length);
        return this.raw(compressed.buffer, 0, compressed.length);
      }
    }
    this.count(length);
    this.raw(bytes, start, end);
  }

  #integer(value: unknown): boolean {
    if (typeof value !== "number" || value !== (value | 0)) return false;
    if (value >= -128 && value < 128) {
      this.u8(ENCODED_INT8);
      this.u8(value & 0xff);
    } else if (value >= -(1 << 15) && value < 1 << 15) {
      this.u8(ENCODED_INT16);
      this.reserve(2);
      this.length = this.buffer.writeInt16LE(value, this.length);
    } else {
      this.u8(ENCODED_INT32);
      this.reserve(4);
      this.length = this.buffer.writeInt32LE(value, this.length);
    }
    return true;
  }

  double(value: number): void {
    this.reserve(8);
    this.length = this.buffer.writeDoubleLE(value, this.length);
  }

  /** A time in milliseconds since 1970. */
  time(ms: number): void {
    this.reserve(8);
    this.length = this.buffer.writeBigInt64LE(BigInt(ms), this.length);
  }
}
