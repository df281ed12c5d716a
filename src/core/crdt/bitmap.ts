/**
 * Bitmap: a string in chunks of 64 bytes, each a register of its own, as a body of cells.
 *
 *   name of a cell   u32: the chunk's number        value   1 to 64 bytes; what is missing at the end is zeros
 *
 * Invariant: concurrent values of a chunk are read as their bitwise OR. So a bit that is set wins against a concurrent write of its
 * chunk, and the string is as long as the longest of its last chunk.
 */
import { Malformed } from "../bytes/source.ts";
import { type Entry, OBJECT, type Table } from "../keyspace/table.ts";
import type { Cell } from "./cell.ts";

export const CHUNK_BYTES = 64;
export const CHUNK_NAME_BYTES = 4;
/** As many as the longest string has, 512 MiB. */
const CHUNKS_MAX = 2 ** 23;

/** The number of the chunk named at a position. */
export function chunkAt(bytes: Buffer, start: number): number {
  return bytes.readUInt32BE(start);
}

/** Throws `Malformed` unless a cell can be a chunk's. */
export function checkChunk(chunk: number, length: number): void {
  if (chunk >= CHUNKS_MAX) throw new Malformed(`a bitmap has no chunk ${chunk}`);
  if (length === 0 || length > CHUNK_BYTES) throw new Malformed("a chunk has 1 to 64 bytes");
}

/** Adds to `out`, which holds zeros at `at`, the bits that a reader sees of a chunk; returns its length. */
export function readChunk(
  table: Table<Cell>,
  entry: Entry,
  horizonMs: number,
  out: Buffer,
  at: number,
): number {
  if (entry.kind !== OBJECT) {
    entry.bytes.copy(out, at, entry.valueStart, entry.valueEnd);
    return entry.valueEnd - entry.valueStart;
  }
  let length = 0;
  for (const { ms, value } of table.object(entry).siblings) {
    if (ms <= horizonMs) continue;
    for (let i = 0; i < value.length; i++) (out[at + i] as number) |= value[i] as number;
    length = Math.max(length, value.length);
  }
  return length;
}
