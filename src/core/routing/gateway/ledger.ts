/**
 * Ledger: the commands of one client that were not answered yet, and their bytes.
 *
 *     answered │ sent, waiting for replies │ not sent
 *              └ first                     └ first + sent      (positions count from the client's first byte)
 *
 * Invariant: commands are answered in the order in which they came, whoever answers. A command that has an answer of our own is sent to
 * nobody any more. Bytes are let go with the commands they hold, a chunk at a time.
 */
import { assert } from "../../assert.ts";
import type { Kind } from "./command-kind.ts";

const CAPACITY = 16;

export class Ledger {
  /** Commands not answered yet, and how many of them were sent. */
  length = 0;
  sent = 0;
  readonly #chunks: Buffer[] = [];
  /** The position behind each chunk. */
  readonly #chunkEnds: number[] = [];
  #end = 0;
  /** Where the first unanswered one begins. */
  #from = 0;
  /** A ring: command `i` is at `#first + i`, modulo its size. */
  #first = 0;
  #kinds = new Uint8Array(CAPACITY);
  #ends = new Float64Array(CAPACITY);
  /** How many answers each still gets: a subscription gets several. */
  #answers = new Uint32Array(CAPACITY);
  #again = new Uint8Array(CAPACITY);
  /** Our own answers, by where their commands end. Few have one. */
  readonly #own = new Map<number, Buffer>();

  /** Bytes of commands that were not answered. */
  get bytes(): number {
    return this.#end - this.#from;
  }

  /** A command of so many bytes has come; its chunk follows by `keep`. */
  add(bytes: number, kind: Kind, answers: number, own: Buffer | null): void {
    if (this.length === this.#kinds.length) this.#grow();
    const at = this.#at(this.length++);
    this.#end += bytes;
    this.#kinds[at] = kind;
    this.#ends[at] = this.#end;
    this.#answers[at] = answers;
    this.#again[at] = 0;
    if (own !== null) this.#own.set(this.#end, own);
  }

  /** The bytes of all commands that were added since the last call; they are not changed any more. */
  keep(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#chunkEnds.push(this.#end);
  }

  kind(i: number): Kind {
    return this.#kinds[this.#at(i)] as Kind;
  }

  /** What we answer ourselves; null when a region answers. */
  own(i: number): Buffer | null {
    if (this.#own.size === 0) return null;
    return this.#own.get(this.#ends[this.#at(i)] as number) ?? null;
  }

  /** From now on a command is answered by us. */
  answer(i: number, own: Buffer): void {
    const at = this.#at(i);
    this.#answers[at] = 1;
    this.#own.set(this.#ends[at] as number, own);
  }

  /** It will be answered so many times from the beginning. */
  restart(i: number, answers: number): void {
    this.#answers[this.#at(i)] = answers;
  }

  /** Whether it was sent a second time. */
  isAgain(i: number): boolean {
    return this.#again[this.#at(i)] === 1;
  }

  /** Sent commands shall be sent again. */
  unsend(): void {
    for (let i = 0; i < this.sent; i++) this.#again[this.#at(i)] = 1;
    this.sent = 0;
  }

  /** The bytes of a command. */
  bytesOf(i: number): Buffer {
    return this.#slice(this.#start(i), this.#ends[this.#at(i)] as number);
  }

  /** Hands out the bytes of all that was not sent, but for what we answer ourselves. From now on they are sent. */
  send(write: (bytes: Buffer) => void): void {
    let i = this.sent;
    this.sent = this.length;
    while (i < this.length) {
      if (this.own(i) !== null) {
        i++;
        continue;
      }
      const from = this.#start(i);
      while (i < this.length && this.own(i) === null) i++;
      this.#each(from, this.#start(i), write);
    }
  }

  /** The first was given one answer; true when that was the last. */
  answered(): boolean {
    assert(this.length > 0, "what is answered was asked");
    const at = this.#first;
    const left = (this.#answers[at] as number) - 1;
    this.#answers[at] = left;
    if (left > 0) return false;
    this.#from = this.#ends[at] as number;
    if (this.#own.size > 0) this.#own.delete(this.#from);
    this.#first = (at + 1) & (this.#kinds.length - 1);
    this.length--;
    if (this.sent > 0) this.sent--;
    while (this.#chunks.length > 0 && (this.#chunkEnds[0] as number) <= this.#from) {
      this.#chunks.shift();
      this.#chunkEnds.shift();
    }
    return true;
  }

  #at(i: number): number {
    return (this.#first + i) & (this.#kinds.length - 1);
  }

  #start(i: number): number {
    return i === 0 ? this.#from : (this.#ends[this.#at(i - 1)] as number);
  }

  /** Bytes from one position to another; they lie in one chunk. */
  #slice(from: number, to: number): Buffer {
    let found: Buffer | null = null;
    this.#each(from, to, (bytes) => {
      assert(found === null, "a command lies in one chunk");
      found = bytes;
    });
    assert(found !== null, "the bytes of a command are kept until it is answered");
    return found;
  }

  #each(from: number, to: number, take: (bytes: Buffer) => void): void {
    for (let i = 0; i < this.#chunks.length && from < to; i++) {
      const end = this.#chunkEnds[i] as number;
      if (end <= from) continue;
      const chunk = this.#chunks[i] as Buffer;
      const base = end - chunk.length;
      const until = Math.min(to, end);
      take(from === base && until === end ? chunk : chunk.subarray(from - base, until - base));
      from = until;
    }
  }

  #grow(): void {
    const size = this.#kinds.length;
    const move = <T extends Uint8Array | Uint32Array | Float64Array>(old: T, grown: T): T => {
      for (let i = 0; i < size; i++) grown[i] = old[(this.#first + i) & (size - 1)] as number;
      return grown;
    };
    this.#kinds = move(this.#kinds, new Uint8Array(size * 2));
    this.#ends = move(this.#ends, new Float64Array(size * 2));
    this.#answers = move(this.#answers, new Uint32Array(size * 2));
    this.#again = move(this.#again, new Uint8Array(size * 2));
    this.#first = 0;
  }
}
