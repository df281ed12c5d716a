/**
 * Strings: many byte strings back to back, such as the members of a set on their way from one place to another.
 *
 * Invariant: string `i` is `bytes[start(i) … end(i))`. A million strings are one run of bytes and one array of numbers, not a
 * million objects. `bytes` may be another buffer after the next `push`.
 */
import { Sink } from "./sink.ts";

export class Strings {
  readonly #sink = new Sink(64);
  readonly #ends: number[] = [];

  get count(): number {
    return this.#ends.length;
  }

  get bytes(): Buffer {
    return this.#sink.buffer;
  }

  start(i: number): number {
    return i === 0 ? 0 : this.end(i - 1);
  }

  end(i: number): number {
    return this.#ends[i] as number;
  }

  /** String `i` without a copy: valid until the next push. */
  view(i: number): Buffer {
    return this.bytes.subarray(this.start(i), this.end(i));
  }

  /** Whether string `i` is lower (negative), the same (0) or higher than string `k`, byte by byte. */
  compare(i: number, k: number): number {
    const { bytes } = this;
    return bytes.compare(bytes, this.start(k), this.end(k), this.start(i), this.end(i));
  }

  push(bytes: Uint8Array, start: number, end: number): void {
    this.#sink.raw(bytes, start, end);
    this.#ends.push(this.#sink.length);
  }

  /** Text of one byte a character. */
  pushText(text: string): void {
    this.#sink.latin1(text);
    this.#ends.push(this.#sink.length);
  }
}
