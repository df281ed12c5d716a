/**
 * Coverage: which blocks of our source have run, as V8 counts them, sampled now and then because taking it costs milliseconds.
 *
 * Invariant: a block counts as new once: what was seen is painted, character by character, on a map of each file.
 */
import { Session } from "node:inspector";

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

/** Part of a file: characters `from` up to `to`. */
export interface Block {
  readonly url: string;
  readonly from: number;
  readonly to: number;
}

/** What of one file has run: 1 at each character of a block that has. */
type Painted = Buffer;

export class Coverage implements Disposable {
  readonly #session = new Session();
  readonly #files = new Map<string, Painted>();
  #running = true;
  /** Blocks painted so far. */
  blocks = 0;

  constructor() {
    this.#session.connect();
    this.#session.post("Profiler.enable");
    this.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  /** The blocks that ran since the last look and are not painted yet. */
  look(): Block[] {
    const fresh: Block[] = [];
    if (!this.#running) return fresh;
    // With a session in the same thread the answer comes before `post` returns.
    this.#session.post("Profiler.takePreciseCoverage", (error, taken) => {
      if (error !== null) throw error;
      for (const { url, functions } of taken.result) {
        if (!/\/src\/.*(?<!\.suite)\.ts$/.test(url)) continue;
        for (const { ranges } of functions)
          for (const { startOffset, endOffset, count } of leaves(ranges))
            if (count > 0 && !this.#isPainted(url, startOffset, endOffset))
              fresh.push({ url, from: startOffset, to: endOffset });
      }
    });
    return fresh;
  }

  /** From now on these blocks are known. */
  paint(blocks: readonly Block[]): void {
    for (const { url, from, to } of blocks) {
      if (this.#isPainted(url, from, to)) continue;
      this.blocks++;
      this.#file(url, to).fill(1, from, to);
    }
  }

  #isPainted(url: string, from: number, to: number): boolean {
    const bare = this.#file(url, to).indexOf(0, from);
    return bare < 0 || bare >= to;
  }

  #file(url: string, length: number): Painted {
    const known = this.#files.get(url);
    if (known !== undefined && known.length >= length) return known;
    const file = Buffer.alloc(length * 2);
    known?.copy(file);
    this.#files.set(url, file);
    return file;
  }

  /** Code runs at its own speed again, and nothing is seen any more. */
  stop(): void {
    if (!this.#running) return;
    this.#running = false;
    this.#session.post("Profiler.stopPreciseCoverage");
    this.#session.post("Profiler.disable");
  }

  [Symbol.dispose](): void {
    this.#session.disconnect();
  }
}

/** A function's nested ranges, outermost first, as pieces side by side, each with the count of the innermost range over it. */
function leaves(ranges: readonly Range[]): Range[] {
  const pieces: Range[] = [];
  const open: Range[] = [];
  let at = ranges[0]?.startOffset ?? 0;
  const advance = (to: number): void => {
    const count = open.at(-1)?.count;
    if (to > at && count !== undefined) pieces.push({ startOffset: at, endOffset: to, count });
    at = Math.max(at, to);
  };
  const close = (before: number): void => {
    for (let top = open.at(-1); top !== undefined && top.endOffset <= before; top = open.at(-1)) {
      advance(top.endOffset);
      open.pop();
    }
  };
  for (const range of ranges) {
    close(range.startOffset);
    advance(range.startOffset);
    open.push(range);
  }
  close(Infinity);
  return pieces;
}
