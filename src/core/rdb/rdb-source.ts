/**
 * RdbSource: reads the lengths, strings and numbers that Redis' format is made of.
 *
 * Invariant: what is decompressed, all in all, stays below a bound, so that a few bytes cannot become gigabytes. Strings are
 * views of the bytes given, or of what was decompressed: valid as long as those are.
 */
import { parseDouble } from "../bytes/double.ts";
import { Malformed, Source } from "../bytes/source.ts";
import { decompress } from "./lzf.ts";

// The two highest bits of a length.
const SIX_BITS = 0;
const FOURTEEN_BITS = 1;
const WHOLE_BYTES = 2;
// The six bits below them.
export const LENGTH_32 = 0x80;
export const LENGTH_64 = 0x81;
export const ENCODED_INT8 = 0xc0;
export const ENCODED_INT16 = 0xc1;
export const ENCODED_INT32 = 0xc2;
export const ENCODED_LZF = 0xc3;

export class RdbSource extends Source {
  #decompressible: number;

  /** `decompressedMax` is in bytes. */
  constructor(bytes: Buffer, start: number, end: number, decompressedMax: number) {
    super(bytes, start, end);
    this.#decompressible = decompressedMax;
  }

  /** A count of things of which each takes at least one byte. */
  count(): number {
    const count = this.length();
    this.need(count);
    return count;
  }

  length(): number {
    const length = this.length64();
    if (length > BigInt(Number.MAX_SAFE_INTEGER)) throw new Malformed("a length is too long");
    return Number(length);
  }

  /** An unsigned integer of 64 bits, as ids are stored too. */
  length64(): bigint {
    const first = this.u8();
    switch (first >> 6) {
      case SIX_BITS:
        return BigInt(first);
      case FOURTEEN_BITS:
        return BigInt(((first & 0x3f) << 8) | this.u8());
      case WHOLE_BYTES:
        if (first === LENGTH_32) return BigInt(this.u32());
        if (first === LENGTH_64) return this.bytes.readBigUInt64BE(this.skip(8));
    }
    throw new Malformed(`${first} begins no length`);
  }

  /** A string as it is, as an integer, or compressed. */
  string(): Buffer {
    this.need(1);
    const first = this.bytes[this.at] as number;
    if (first < ENCODED_INT8) return this.raw(this.length());
    this.at++;
    switch (first) {
      case ENCODED_INT8:
        return Buffer.from(String(this.bytes.readInt8(this.skip(1))));
      case ENCODED_INT16:
        return Buffer.from(String(this.bytes.readInt16LE(this.skip(2))));
      case ENCODED_INT32:
        return Buffer.from(String(this.bytes.readInt32LE(this.skip(4))));
      case ENCODED_LZF:
        return this.#compressed();
    }
    throw new Malformed(`${first} is no encoding of a string`);
  }

  #compressed(): Buffer {
    const compressedLength = this.length();
    const length = this.length();
    if (length > this.#decompressible) throw new Malformed("it decompresses to too much");
    const out = decompress(this.raw(compressedLength), length);
    this.#decompressible -= length;
    return out;
  }

  /** So many bytes as they are. */
  raw(count: number): Buffer {
    const start = this.skip(count);
    return this.bytes.subarray(start, start + count);
  }

  /** A double of eight bytes. */
  double(): number {
    return this.bytes.readDoubleLE(this.skip(8));
  }

  /** A double as text, or as one of the bytes that stand for what has no digits. */
  textDouble(): number {
    const length = this.u8();
    if (length === 255) return -Infinity;
    if (length === 254) return Infinity;
    return length === 253 ? Number.NaN : doubleOf(this.raw(length));
  }

  /** A time in milliseconds since 1970; before that and out of range for a number it is malformed. */
  time(): number {
    const ms = this.bytes.readBigInt64LE(this.skip(8));
    if (ms < -1n || ms > BigInt(Number.MAX_SAFE_INTEGER))
      throw new Malformed("a time is out of range");
    return Number(ms);
  }
}

/** No score is printed with more. */
const DOUBLE_MAX_BYTES = 128;

/** The double that text says; NaN when it says none. */
export function doubleOf(text: Buffer): number {
  return text.length > DOUBLE_MAX_BYTES ? Number.NaN : parseDouble(text, 0, text.length);
}
