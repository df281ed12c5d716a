/**
 * Leftover: the bytes of one connection that were read but not consumed, mostly the beginning of a command.
 *
 * Invariant: `bytes[start … end)` are those bytes in the order they came, in memory that no other connection reads into. The
 * memory grows with what arrived, never with what a client announced, and goes back to the pool when nothing is left over.
 */

const SMALLEST = 4 * 1024;
/** Larger buffers are not worth keeping for the next connection. */
const LARGEST_KEPT = 256 * 1024;
const KEPT_PER_SIZE = 8;

/** Buffers used again: under load nearly every read ends inside a command. */
export class BufferPool {
  readonly #free = new Map<number, Buffer[]>();

  /** A buffer of at least `bytes`, its length a power of two. Its content is arbitrary. */
  take(bytes: number): Buffer {
    let size = SMALLEST;
    while (size < bytes) size *= 2;
    return this.#free.get(size)?.pop() ?? Buffer.allocUnsafeSlow(size);
  }

  give(buffer: Buffer): void {
    if (buffer.length > LARGEST_KEPT) return;
    const free = this.#free.get(buffer.length);
    if (free === undefined) this.#free.set(buffer.length, [buffer]);
    else if (free.length < KEPT_PER_SIZE) free.push(buffer);
  }
}

const NOTHING = Buffer.alloc(0);

export class Leftover {
  bytes: Buffer = NOTHING;
  start = 0;
  end = 0;
  readonly #pool: BufferPool;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  get length(): number {
    return this.end - this.start;
  }

  /** Adds a copy of `source[from … to)`. */
  append(source: Buffer, from: number, to: number): void {
    const length = this.length + to - from;
    if (this.end + to - from > this.bytes.length) {
      if (length <= this.bytes.length) this.#moveTo(this.bytes);
      // Twice as much, so that a value of many reads is copied twice and not once for every read.
      else this.#moveTo(this.#pool.take(this.length === 0 ? length : length * 2));
    }
    source.copy(this.bytes, this.end, from, to);
    this.end += to - from;
  }

  /** Forgets everything before offset `at`. */
  consume(at: number): void {
    this.start = at;
    if (this.start === this.end) this.release();
    // The tail behind a large value must not hold that value's memory.
    else if (this.bytes.length > LARGEST_KEPT && this.length * 8 < this.bytes.length)
      this.#moveTo(this.#pool.take(this.length));
  }

  release(): void {
    if (this.bytes !== NOTHING) this.#pool.give(this.bytes);
    this.bytes = NOTHING;
    this.start = 0;
    this.end = 0;
  }

  #moveTo(target: Buffer): void {
    this.bytes.copy(target, 0, this.start, this.end);
    this.end -= this.start;
    this.start = 0;
    if (target === this.bytes) return;
    if (this.bytes !== NOTHING) this.#pool.give(this.bytes);
    this.bytes = target;
  }
}
