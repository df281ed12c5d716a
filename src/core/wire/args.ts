/**
 * Args: one parsed command as offsets into the bytes it arrived in.
 *
 * Invariant: argument `i` is `bytes[start[i] … end[i])`; nothing is copied, so an `Args` is valid only until the turn ends
 * and is filled anew for the next command. Whoever must keep an argument calls `copy`.
 */
export class Args {
  bytes: Buffer = Buffer.alloc(0);
  count = 0;
  start: Int32Array = new Int32Array(64);
  end: Int32Array = new Int32Array(64);

  /** Begins a command inside `bytes`. */
  begin(bytes: Buffer): void {
    this.bytes = bytes;
    this.count = 0;
  }

  push(start: number, end: number): void {
    if (this.count === this.start.length) this.#grow();
    this.start[this.count] = start;
    this.end[this.count++] = end;
  }

  #grow(): void {
    const start = new Int32Array(this.start.length * 2);
    const end = new Int32Array(this.end.length * 2);
    start.set(this.start);
    end.set(this.end);
    this.start = start;
    this.end = end;
  }

  length(i: number): number {
    return (this.end[i] as number) - (this.start[i] as number);
  }

  /** Argument `i` as text of one byte a character. */
  text(i: number): string {
    return this.bytes.latin1Slice(this.start[i] as number, this.end[i] as number);
  }

  /** Argument `i` without a copy: valid until the turn ends. */
  view(i: number): Buffer {
    return this.bytes.subarray(this.start[i] as number, this.end[i] as number);
  }

  /** Argument `i` as bytes of its own. */
  copy(i: number): Buffer {
    return Buffer.from(this.view(i));
  }

  /** Whether argument `i` is `word` (written in capitals), in whatever case the client wrote it. */
  is(i: number, word: string): boolean {
    const from = this.start[i] as number;
    if ((this.end[i] as number) - from !== word.length) return false;
    for (let k = 0; k < word.length; k++) {
      let byte = this.bytes[from + k] as number;
      if (byte >= 97 && byte <= 122) byte -= 32;
      if (byte !== word.charCodeAt(k)) return false;
    }
    return true;
  }

  /** The words from argument `i` on, in the same bytes: valid as long as these. */
  from(i: number): Args {
    const rest = new Args();
    rest.bytes = this.bytes;
    rest.count = this.count - i;
    rest.start = this.start.slice(i, this.count);
    rest.end = this.end.slice(i, this.count);
    return rest;
  }

  /** A command of its own memory, as `MULTI` queues them. */
  keep(): Args {
    const kept = new Args();
    const from = this.count === 0 ? 0 : (this.start[0] as number);
    const to = this.count === 0 ? 0 : (this.end[this.count - 1] as number);
    kept.bytes = Buffer.from(this.bytes.subarray(from, to));
    kept.count = this.count;
    kept.start = this.start.slice(0, this.count).map((at) => at - from);
    kept.end = this.end.slice(0, this.count).map((at) => at - from);
    return kept;
  }
}

/** A command from words, for tests and for the few commands that run another. */
export function argsOf(...words: (string | Buffer)[]): Args {
  const args = new Args();
  const parts = words.map((word) => (typeof word === "string" ? Buffer.from(word) : word));
  args.begin(Buffer.concat(parts));
  let at = 0;
  for (const part of parts) args.push(at, (at += part.length));
  return args;
}
