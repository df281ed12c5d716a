/**
 * Globals: all that the core may use beyond the language itself, which is bytes.
 *
 * Invariant: a pure function of its arguments, or it does not stand here. The core is checked with these declarations and
 * without `@types/node`, so a clock, a timer or a random number there is a name that does not exist. The project's own
 * check leaves this file out and sees Node's types. Add what the core needs; first ask whether plain code would do.
 */
type BufferEncoding = "latin1" | "utf8" | "hex" | "base64" | "base64url";

interface Buffer<
  TArrayBuffer extends ArrayBufferLike = ArrayBufferLike,
> extends Uint8Array<TArrayBuffer> {
  subarray(start?: number, end?: number): Buffer<TArrayBuffer>;
  copy(target: Uint8Array, targetStart?: number, sourceStart?: number, sourceEnd?: number): number;
  equals(other: Uint8Array): boolean;
  compare(
    other: Uint8Array,
    targetStart?: number,
    targetEnd?: number,
    sourceStart?: number,
    sourceEnd?: number,
  ): -1 | 0 | 1;
  fill(value: number, start?: number, end?: number): this;
  indexOf(value: number | string | Uint8Array, from?: number, encoding?: BufferEncoding): number;
  indexOf(value: number | string | Uint8Array, encoding: BufferEncoding): number;
  lastIndexOf(
    value: number | string | Uint8Array,
    from?: number,
    encoding?: BufferEncoding,
  ): number;
  includes(value: number | string | Uint8Array, from?: number, encoding?: BufferEncoding): boolean;
  toString(encoding?: BufferEncoding, start?: number, end?: number): string;
  write(text: string, encoding?: BufferEncoding): number;
  write(text: string, offset: number, encoding?: BufferEncoding): number;
  write(text: string, offset: number, length: number, encoding?: BufferEncoding): number;

  readUInt8(offset?: number): number;
  readUInt16BE(offset?: number): number;
  readUInt16LE(offset?: number): number;
  readUInt32BE(offset?: number): number;
  readUInt32LE(offset?: number): number;
  readInt8(offset?: number): number;
  readInt16BE(offset?: number): number;
  readInt16LE(offset?: number): number;
  readInt32BE(offset?: number): number;
  readInt32LE(offset?: number): number;
  readUIntBE(offset: number, byteLength: number): number;
  readUIntLE(offset: number, byteLength: number): number;
  readIntBE(offset: number, byteLength: number): number;
  readIntLE(offset: number, byteLength: number): number;
  readBigUInt64BE(offset?: number): bigint;
  readBigUInt64LE(offset?: number): bigint;
  readBigInt64BE(offset?: number): bigint;
  readBigInt64LE(offset?: number): bigint;
  readFloatBE(offset?: number): number;
  readFloatLE(offset?: number): number;
  readDoubleBE(offset?: number): number;
  readDoubleLE(offset?: number): number;

  writeUInt8(value: number, offset?: number): number;
  writeUInt16BE(value: number, offset?: number): number;
  writeUInt16LE(value: number, offset?: number): number;
  writeUInt32BE(value: number, offset?: number): number;
  writeUInt32LE(value: number, offset?: number): number;
  writeInt8(value: number, offset?: number): number;
  writeInt16BE(value: number, offset?: number): number;
  writeInt16LE(value: number, offset?: number): number;
  writeInt32BE(value: number, offset?: number): number;
  writeInt32LE(value: number, offset?: number): number;
  writeUIntBE(value: number, offset: number, byteLength: number): number;
  writeUIntLE(value: number, offset: number, byteLength: number): number;
  writeIntBE(value: number, offset: number, byteLength: number): number;
  writeIntLE(value: number, offset: number, byteLength: number): number;
  writeBigUInt64BE(value: bigint, offset?: number): number;
  writeBigUInt64LE(value: bigint, offset?: number): number;
  writeBigInt64BE(value: bigint, offset?: number): number;
  writeBigInt64LE(value: bigint, offset?: number): number;
  writeFloatBE(value: number, offset?: number): number;
  writeFloatLE(value: number, offset?: number): number;
  writeDoubleBE(value: number, offset?: number): number;
  writeDoubleLE(value: number, offset?: number): number;
}

interface BufferConstructor {
  alloc(size: number, fill?: number): Buffer<ArrayBuffer>;
  /** May share the pool of small buffers: fill all of it before it is seen. */
  allocUnsafe(size: number): Buffer<ArrayBuffer>;
  /** Memory of its own, never the pool's. */
  allocUnsafeSlow(size: number): Buffer<ArrayBuffer>;
  from(text: string, encoding?: BufferEncoding): Buffer<ArrayBuffer>;
  from(bytes: Uint8Array | readonly number[]): Buffer<ArrayBuffer>;
  /** A view of the same memory. */
  from<T extends ArrayBufferLike>(memory: T, byteOffset?: number, length?: number): Buffer<T>;
  concat(parts: readonly Uint8Array[], totalLength?: number): Buffer<ArrayBuffer>;
  compare(left: Uint8Array, right: Uint8Array): -1 | 0 | 1;
  byteLength(text: string, encoding?: BufferEncoding): number;
  isBuffer(value: unknown): value is Buffer;
}
declare var Buffer: BufferConstructor;

interface TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>;
  encodeInto(text: string, target: Uint8Array): { read: number; written: number };
}
declare var TextEncoder: { new (): TextEncoder };
