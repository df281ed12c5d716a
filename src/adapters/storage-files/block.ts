/**
 * Block: how one appended block lies on disk.
 *
 *      0      4        8         12          18     20        20+length   next multiple of 8
 *      │ crc  │ length │ opening │ durable   │ kind │ payload │ zeros     │
 *
 * Invariant: a block is valid at one position only, in one opening of the log only.
 *
 *   crc      CRC-32 of everything behind it, seeded with the position, so that the old bytes of a recycled segment never pass
 *   opening  counts the openings of this log. It never falls from one block to the next, so what an earlier process left
 *            behind a hole cannot come back when a later process fills the hole exactly
 *   durable  the log's durable position when the block was made: a witness that everything before it had been synced
 *
 * One CRC covers a block, not a record: a block is what is acknowledged together, so half of one is worth nothing, and a
 * call of `zlib.crc32` costs 80 to 150 ns whatever its size (`docs/decisions/log-blocks.md`).
 */
import { crc32 } from "node:zlib";

export const BLOCK_HEADER_BYTES = 20;
/** Blocks begin at multiples of it, which makes the search behind a hole eight times shorter. */
export const BLOCK_ALIGN = 8;
/** The longest payload, in bytes: what the length field and one Buffer hold with room to spare. */
export const BLOCK_BYTES_MAX = 0x7fff_0000;

/** `mark` carries no payload: a clean close leaves one as a witness for the last real block. */
export type BlockKind = "data" | "mark";

const KIND_DATA = 1;
const KIND_MARK = 2;

/** Bytes on disk of a block with `length` bytes of payload. */
export function blockBytes(length: number): number {
  const bytes = BLOCK_HEADER_BYTES + length;
  return bytes + ((BLOCK_ALIGN - (bytes % BLOCK_ALIGN)) % BLOCK_ALIGN);
}

/** Writes the block into `target` at `at`; there must be room for `blockBytes(payload.length)`. */
export function writeBlock(
  target: Buffer,
  at: number,
  position: number,
  opening: number,
  durable: number,
  kind: BlockKind,
  payload: Uint8Array,
): void {
  target.writeUInt32BE(payload.length, at + 4);
  target.writeUInt32BE(opening, at + 8);
  target.writeUIntBE(durable, at + 12, 6);
  target.writeUInt16BE(kind === "data" ? KIND_DATA : KIND_MARK, at + 18);
  const end = at + BLOCK_HEADER_BYTES + payload.length;
  target.set(payload, at + BLOCK_HEADER_BYTES);
  target.fill(0, end, at + blockBytes(payload.length));
  target.writeUInt32BE(crc32(target.subarray(at + 4, end), seed(position)), at);
}

/** A valid block as found; the payload is `bytes[start, end)` of what was read. */
export interface FoundBlock {
  kind: BlockKind;
  opening: number;
  durable: number;
  start: number;
  end: number;
  /** Bytes of the whole block on disk. */
  bytes: number;
}

/** How many bytes the block at `at` claims to have on disk, or null when the claim cannot be true. Needs the header only. */
export function claimedBytes(bytes: Buffer, at: number): number | null {
  const length = bytes.readUInt32BE(at + 4);
  return length > BLOCK_BYTES_MAX ? null : blockBytes(length);
}

/** The payload of the block at `at`, which is known to be valid; null when it is a mark. */
export function payloadAt(bytes: Buffer, at: number): Buffer | null {
  if (bytes.readUInt16BE(at + 18) !== KIND_DATA) return null;
  const start = at + BLOCK_HEADER_BYTES;
  return bytes.subarray(start, start + bytes.readUInt32BE(at + 4));
}

/** The block at `at`, which stands for `position`, or null when no valid one lies there whole. */
export function readBlock(bytes: Buffer, at: number, position: number): FoundBlock | null {
  if (at + BLOCK_HEADER_BYTES > bytes.length) return null;
  const whole = claimedBytes(bytes, at);
  if (whole === null) return null;
  const end = at + BLOCK_HEADER_BYTES + bytes.readUInt32BE(at + 4);
  if (end > bytes.length) return null;
  const kind = bytes.readUInt16BE(at + 18);
  if (kind !== KIND_DATA && kind !== KIND_MARK) return null;
  const durable = bytes.readUIntBE(at + 12, 6);
  // Cheap tests first: a search tries this at every eighth byte.
  if (durable > position) return null;
  if (crc32(bytes.subarray(at + 4, end), seed(position)) !== bytes.readUInt32BE(at)) return null;
  return {
    kind: kind === KIND_DATA ? "data" : "mark",
    opening: bytes.readUInt32BE(at + 8),
    durable,
    start: at + BLOCK_HEADER_BYTES,
    end,
    bytes: whole,
  };
}

/** Positions that agree in their low 32 bits are only 4 GiB apart, so the high bits must matter too. */
function seed(position: number): number {
  return (position ^ Math.imul(Math.floor(position / 0x1_0000_0000) + 1, 0x9e3779b1)) >>> 0;
}
