/**
 * Answers: what a server of Redis' protocol answers, read by us as its client.
 *
 * Invariant: what is read depends on the bytes alone, never on how they were cut. A large reply is read again only when the bytes that
 * were missing are there.
 */
import { Malformed } from "../bytes/source.ts";

/** A bulk is bytes, a status text, an error `Refused`. */
export type Answer = Buffer | string | number | null | Refused | readonly Answer[];

/** An error that the server answered. */
export class Refused {
  /** Without the leading `-`. */
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const LF = 10;
const DEPTH_MAX = 16;
/** The longest line: an error may quote what it refuses. */
const LINE_MAX_BYTES = 64 * 1024;
const ARRAY_MAX = 2 ** 28;
/** Where the bytes end inside an answer. */
const MORE = Symbol("more");

export class Answers {
  #bytes: Buffer = Buffer.alloc(0);
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  #at = 0;
  /** How many bytes must be there before another try is worthwhile. */
  #need = 1;

  /** More bytes have come; they are kept as they are. */
  add(chunk: Buffer): void {
    this.#pieces.push(chunk);
    this.#pieceBytes += chunk.length;
  }

  /** The next answer, valid for as long as anybody keeps it; undefined while it is not whole. Throws `Malformed`. */
  next(): Answer | undefined {
    if (this.#bytes.length - this.#at + this.#pieceBytes < this.#need) return undefined;
    if (this.#pieceBytes > 0) {
      this.#bytes = Buffer.concat([this.#bytes.subarray(this.#at), ...this.#pieces]);
      this.#at = 0;
      this.#pieces = [];
      this.#pieceBytes = 0;
    }
    const start = this.#at;
    this.#need = 1;
    const answer = this.#read(DEPTH_MAX);
    if (answer !== MORE) return answer;
    this.#at = start;
    return undefined;
  }

  /** What came and was not read. */
  rest(): Buffer {
    return Buffer.concat([this.#bytes.subarray(this.#at), ...this.#pieces]);
  }

  #read(depth: number): Answer | typeof MORE {
    const { length } = this.#bytes;
    const start = this.#at;
    const line = this.#bytes.indexOf(LF, start);
    if (line < 0) {
      if (length - start > LINE_MAX_BYTES) throw new Malformed("a line does not end");
      this.#need = length - start + 1;
      return MORE;
    }
    const text = this.#bytes.latin1Slice(start + 1, Math.max(start + 1, line - 1));
    this.#at = line + 1;
    switch (String.fromCharCode(this.#bytes[start] as number)) {
      case "+":
        return text;
      case "-":
        return new Refused(text);
      case ":":
        return integer(text);
      case "$": {
        const count = integer(text);
        if (count < 0) return null;
        const end = this.#at + count + 2;
        if (end > length) {
          this.#need = end - start;
          return MORE;
        }
        this.#at = end;
        return this.#bytes.subarray(end - count - 2, end - 2);
      }
      case "*":
        return this.#array(integer(text), depth);
      default:
        throw new Malformed("this is no answer in Redis' protocol");
    }
  }

  #array(count: number, depth: number): Answer | typeof MORE {
    if (count < 0) return null;
    if (count > ARRAY_MAX || depth === 0) throw new Malformed("an array has no bound");
    const items: Answer[] = [];
    for (let i = 0; i < count; i++) {
      const item = this.#read(depth - 1);
      if (item === MORE) return MORE;
      items.push(item);
    }
    return items;
  }
}

function integer(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || text === "") throw new Malformed("a number is none");
  return value;
}
