/**
 * Log reader: hands out blocks, the recent ones from memory and the older ones from the files.
 *
 * Invariant: a block read from a file is shown only after its checksum held. What is not in memory has been written, so a
 * reader never looks at a place in a file that is still to be written.
 */
import { Damaged, type BlockVisitor, type Position } from "../../host/ports/storage.ts";
import { BLOCK_HEADER_BYTES, claimedBytes, payloadAt, readBlock } from "./block.ts";
import type { OpenFile } from "./files.ts";
import type { Chunk, Recent } from "./recent.ts";
import { MEND, SEGMENT_HEADER_BYTES, type Segment } from "./segment.ts";

const READ_BYTES = 256 << 10;

export class LogReader {
  /** The log's own list: it grows and shrinks while reads are in flight. */
  #segments: Segment[];
  #recent: Recent;
  #free: Buffer[] = [];
  /** Whom to tell when the last reader of a segment is done. */
  readonly #retiring = new Map<Segment, () => void>();

  constructor(segments: Segment[], recent: Recent) {
    this.#segments = segments;
    this.#recent = recent;
  }

  /** As `Log.read`; `from` is within the log when it is called. */
  async read(
    from: Position,
    maxBytes: number,
    visit: BlockVisitor,
    end: () => Position,
  ): Promise<Position> {
    const pass: Pass = { at: from, left: maxBytes, visit, visited: false };
    while (pass.at < end() && (pass.left > 0 || !pass.visited)) {
      const chunk = this.#recent.find(pass.at);
      if (chunk !== null) {
        readChunk(chunk, pass);
        continue;
      }
      const index = this.#segments.findLastIndex((candidate) => candidate.start <= pass.at);
      const segment = this.#segments[index];
      if (segment === undefined)
        throw new RangeError(`position ${pass.at} was truncated while it was read`);
      const first = segment.start + SEGMENT_HEADER_BYTES;
      // The end of a segment that was filled to its last byte is the next one's start.
      if (pass.at < first) pass.at = first;
      else if (pass.at >= segment.dataEnd)
        pass.at = (this.#segments[index + 1] as Segment).start + SEGMENT_HEADER_BYTES;
      else if (segment.file === null) throw new Error("bug: planned blocks are in memory");
      else await this.#readFile(segment, segment.file, pass);
    }
    return pass.at;
  }

  /** Closes the segment's file once nobody reads it. */
  async retire(segment: Segment): Promise<void> {
    if (segment.file === null) return;
    if (segment.readers > 0)
      await new Promise<void>((resolve) => this.#retiring.set(segment, resolve));
    this.#retiring.delete(segment);
    const file = segment.file;
    segment.file = null;
    await file.close();
  }

  async #readFile(segment: Segment, file: OpenFile, pass: Pass): Promise<void> {
    segment.readers++;
    // From here on the log is in memory, and perhaps not yet in the file.
    const limit = Math.min(segment.dataEnd, this.#recent.begin());
    let buffer = this.#free.pop() ?? Buffer.allocUnsafeSlow(READ_BYTES);
    try {
      const offset = pass.at - segment.start;
      // No further than the blocks reach, nor much further than the caller wants.
      const wanted = Math.min(limit - pass.at, Math.max(pass.left, 4096), buffer.length);
      let count = await file.read(buffer, 0, wanted, offset);
      const claimed = count < BLOCK_HEADER_BYTES ? null : claimedBytes(buffer, 0);
      if (claimed !== null && claimed > count && claimed <= limit - pass.at) {
        buffer = Buffer.allocUnsafeSlow(claimed);
        count = await file.read(buffer, 0, claimed, offset);
      }
      this.#readBuffer(segment, buffer.subarray(0, count), pass);
    } finally {
      if (--segment.readers === 0) this.#retiring.get(segment)?.();
      if (buffer.length === READ_BYTES && this.#free.length < 4) this.#free.push(buffer);
    }
  }

  #readBuffer(segment: Segment, bytes: Buffer, pass: Pass): void {
    let at = 0;
    while (at < bytes.length && (pass.left > 0 || !pass.visited)) {
      // A block that was not read whole comes with the next read.
      const claimed = at + BLOCK_HEADER_BYTES > bytes.length ? null : claimedBytes(bytes, at);
      if (at > 0 && (claimed === null || at + claimed > bytes.length)) return;
      const block = readBlock(bytes, at, pass.at);
      if (block === null)
        throw new Damaged(
          `${segment.path} at byte ${pass.at - segment.start} (log position ${pass.at}): the block here is damaged. ${MEND}`,
        );
      if (block.kind === "data")
        show(pass, bytes.subarray(block.start, block.end), pass.at + block.bytes);
      pass.at += block.bytes;
      at += block.bytes;
    }
  }
}

/** One call of `read` on its way. */
interface Pass {
  at: Position;
  left: number;
  visit: BlockVisitor;
  visited: boolean;
}

function show(pass: Pass, bytes: Buffer, to: Position): void {
  pass.visited = true;
  pass.left -= to - pass.at;
  pass.visit(bytes, pass.at, to);
}

/** Blocks in memory are ours and need no checking. */
function readChunk(chunk: Chunk, pass: Pass): void {
  while (pass.left > 0 || !pass.visited) {
    const at = pass.at - chunk.from;
    if (at >= chunk.length) return;
    const payload = payloadAt(chunk.bytes, at);
    const to = pass.at + (claimedBytes(chunk.bytes, at) as number);
    if (payload !== null) show(pass, payload, to);
    pass.at = to;
  }
}
