/**
 * Pieces: the bytes of a file or stream in Redis' format, as they come, and how to move along them without waiting for all.
 *
 *   … passed │ kept, from `mark` on │ at ─► still to be read │ room …
 *
 * A method that is a generator yields where more bytes must come before it can go on; whoever runs it adds some and resumes it.
 *
 * Invariant: what lies behind `mark` stays where it is, relative to it, however often bytes are added; what lies before is let go.
 * So memory is bounded by what is marked and what was added last, never by a length that the bytes claim.
 */
import { Malformed } from "../bytes/source.ts";
import { Crc64 } from "./crc64.ts";
import {
  ENCODED_INT16,
  ENCODED_INT32,
  ENCODED_INT8,
  ENCODED_LZF,
  LENGTH_32,
  LENGTH_64,
} from "./rdb-source.ts";

/** Yields null: more bytes must come. */
export type Moving<T = void> = Generator<null, T, void>;

const ROOM_MIN_BYTES = 64 * 1024;
/** No string in Redis is longer. */
const STRING_MAX_BYTES = 4 * 1024 * 1024 * 1024;

export class Pieces {
  bytes: Buffer = Buffer.allocUnsafe(ROOM_MIN_BYTES);
  /** Where reading goes on, and where what came ends. */
  at = 0;
  #end = 0;
  /** What is kept begins here; at `at`, when nothing is. */
  #mark: number | null = null;
  /** Of everything that was let go. */
  readonly #sum = new Crc64();
  /** Bytes passed, all in all. */
  #gone = 0;

  /** How many bytes were read since the beginning. */
  get position(): number {
    return this.#gone + this.at;
  }

  /** Where the marked bytes begin. */
  get start(): number {
    return this.#mark ?? this.at;
  }

  /** Keeps what comes from here on. */
  mark(): void {
    this.#mark = this.at;
  }

  /** Keeps nothing any more. */
  unmark(): void {
    this.#mark = null;
  }

  /** Copies the bytes in: they are the caller's again. */
  add(chunk: Buffer): void {
    if (this.#end + chunk.length > this.bytes.length) this.#makeRoom(chunk.length);
    chunk.copy(this.bytes, this.#end);
    this.#end += chunk.length;
  }

  #makeRoom(count: number): void {
    const from = this.start;
    this.#sum.add(this.bytes, 0, from);
    this.#gone += from;
    const kept = this.#end - from;
    const target =
      kept + count <= this.bytes.length / 2
        ? this.bytes
        : Buffer.allocUnsafe(Math.max(ROOM_MIN_BYTES, (kept + count) * 2));
    this.bytes.copy(target, 0, from, this.#end);
    this.bytes = target;
    this.at -= from;
    this.#end = kept;
    if (this.#mark !== null) this.#mark = 0;
  }

  /** The checksum of everything before `at`. Nothing may be marked. */
  checksum(): bigint {
    this.#sum.add(this.bytes, 0, this.at);
    this.#gone += this.at;
    this.bytes.copy(this.bytes, 0, this.at, this.#end);
    this.#end -= this.at;
    this.at = 0;
    return this.#sum.value;
  }

  /** What came and was not read. */
  rest(): Buffer {
    return this.bytes.subarray(this.at, this.#end);
  }

  /** Waits until `count` bytes lie in one piece at `at`. */
  *need(count: number): Moving {
    while (this.#end - this.at < count) yield null;
  }

  /** Moves past bytes that need not be there at once. */
  *skip(count: number): Moving {
    for (let left = count; ;) {
      const there = Math.min(left, this.#end - this.at);
      this.at += there;
      left -= there;
      if (left === 0) return;
      yield null;
    }
  }

  *u8(): Moving<number> {
    if (this.#end === this.at) yield* this.need(1);
    return this.bytes[this.at++] as number;
  }

  *length(): Moving<number> {
    const length = yield* this.length64();
    if (length > BigInt(Number.MAX_SAFE_INTEGER)) throw new Malformed("a length is too long");
    return Number(length);
  }

  *length64(): Moving<bigint> {
    const first = yield* this.u8();
    if (first < 0x40) return BigInt(first);
    if (first < 0x80) return BigInt(((first & 0x3f) << 8) | (yield* this.u8()));
    const size = first === LENGTH_32 ? 4 : first === LENGTH_64 ? 8 : 0;
    if (size === 0) throw new Malformed(`${first} begins no length`);
    yield* this.need(size);
    const from = this.at;
    this.at += size;
    return size === 4 ? BigInt(this.bytes.readUInt32BE(from)) : this.bytes.readBigUInt64BE(from);
  }

  /** Moves past a string, however it is written. */
  *string(): Moving {
    yield* this.need(1);
    const first = this.bytes[this.at] as number;
    let count: number;
    if (first < ENCODED_INT8) count = yield* this.length();
    else {
      this.at++;
      if (first === ENCODED_INT8) count = 1;
      else if (first === ENCODED_INT16) count = 2;
      else if (first === ENCODED_INT32) count = 4;
      else if (first === ENCODED_LZF) {
        count = yield* this.length();
        yield* this.length();
      } else throw new Malformed(`${first} is no encoding of a string`);
    }
    if (count > STRING_MAX_BYTES) throw new Malformed("a string is too long");
    yield* this.skip(count);
  }

  *strings(count: number): Moving {
    for (let left = count; left > 0; left--) yield* this.string();
  }
}
