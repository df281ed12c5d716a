/**
 * Recent: the newest stretch of the log in memory, byte for byte as it lies on disk.
 *
 * One buffer serves three purposes: blocks gather in it, it is written from it, and links that keep up read from it.
 *
 *   chunk │ written │ in flight │ gathering │ free │
 *
 * Invariant: what is not written yet is here. Bytes below `length` never change while the chunk is in use, so they may be
 * written while more is added behind them. A block lies in one chunk, a chunk in one segment.
 */
import type { Position } from "../../host/ports/storage.ts";
import { blockBytes, writeBlock, type BlockKind } from "./block.ts";

const CHUNK_BYTES_MAX = 1 << 20;

export interface Chunk {
  /** The position of its first byte. */
  from: Position;
  segmentStart: Position;
  bytes: Buffer;
  /** Bytes filled. */
  length: number;
  /** Bytes written to the file. */
  written: number;
}

export class Recent {
  #limitBytes: number;
  #chunkBytes: number;
  #chunks: Chunk[] = [];
  #free: Buffer[] = [];
  #heldBytes = 0;

  /** Keeps about `limitBytes` of what is already written. */
  constructor(limitBytes: number, segmentBytes: number) {
    this.#limitBytes = limitBytes;
    this.#chunkBytes = Math.min(CHUNK_BYTES_MAX, segmentBytes);
  }

  /** Adds one block at `position`, which must be the log's end. */
  append(
    segmentStart: Position,
    position: Position,
    opening: number,
    durable: Position,
    kind: BlockKind,
    payload: Uint8Array,
  ): void {
    const bytes = blockBytes(payload.length);
    const chunk = this.#room(segmentStart, position, bytes);
    writeBlock(chunk.bytes, chunk.length, position, opening, durable, kind, payload);
    chunk.length += bytes;
  }

  #room(segmentStart: Position, position: Position, bytes: number): Chunk {
    const last = this.#chunks.at(-1);
    if (
      last !== undefined &&
      last.segmentStart === segmentStart &&
      last.bytes.length - last.length >= bytes
    )
      return last;
    const memory =
      bytes <= this.#chunkBytes
        ? (this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#chunkBytes))
        : Buffer.allocUnsafeSlow(bytes);
    const chunk: Chunk = { from: position, segmentStart, bytes: memory, length: 0, written: 0 };
    this.#chunks.push(chunk);
    this.#heldBytes += memory.length;
    return chunk;
  }

  /** From here on everything is in memory. */
  begin(): Position {
    return this.#chunks[0]?.from ?? Number.MAX_SAFE_INTEGER;
  }

  /** The first chunk with something to write. */
  unwritten(): Chunk | null {
    for (const chunk of this.#chunks) if (chunk.written < chunk.length) return chunk;
    return null;
  }

  /** The chunk that holds `position`. */
  find(position: Position): Chunk | null {
    // Readers are mostly near the end.
    for (let i = this.#chunks.length - 1; i >= 0; i--) {
      const chunk = this.#chunks[i] as Chunk;
      if (position >= chunk.from) return position < chunk.from + chunk.length ? chunk : null;
    }
    return null;
  }

  /** Gives up the oldest written chunks beyond the limit. */
  release(): void {
    while (this.#heldBytes > this.#limitBytes && this.#chunks.length > 1) {
      const oldest = this.#chunks[0] as Chunk;
      if (oldest.written < oldest.length) return;
      this.#chunks.shift();
      this.#heldBytes -= oldest.bytes.length;
      if (oldest.bytes.length === this.#chunkBytes && this.#free.length < 2)
        this.#free.push(oldest.bytes);
    }
  }
}
