/**
 * Frames: what a backup is made of, on its way from a node and in the place where it is kept.
 *
 *   frame = u32 length of the body │ u8 kind │ body │ u32 CRC-32 of kind and body
 *
 *   1 BEGIN    JSON (`BackupBegin`)                                    on its way only
 *   2 SECTION  u48 keys so far │ a section of a checkpoint; the first comes before the log that lies before the checkpoint
 *   3 BLOCK    u48 from │ u48 to │ a block of the log
 *   4 SUMS     u48 position │ u16 shard │ 16 bytes key │ 64 bits told │ 16 bytes
 *   5 END      JSON (`BackupEnd`)                                      on its way only
 *   6 FAILED   text                                                    on its way only
 *
 * Invariant: a stream that does not end with END is no backup, however whole its frames are.
 */
import { crc32 } from "node:zlib";
import { z } from "zod";

import { DIGEST_WORDS } from "../../core/verify/digest.ts";
import { SHARD_SLOTS } from "../../core/keyspace/changes.ts";
import { Damaged } from "../ports/storage.ts";

export const KIND = { begin: 1, section: 2, block: 3, sums: 4, end: 5, failed: 6 } as const;

export interface Frame {
  readonly kind: number;
  readonly body: Buffer;
}

export const BACKUP_FORMAT = 1;
const HEADER_BYTES = 5;
const FOOTER_BYTES = 4;
/** Longer than any block that is ever made. */
const BODY_BYTES_MAX = 0x7fff_0000;

/** The last block that a backup holds: by it the next one knows whether it goes on from there. */
export const lastBlockSchema = z.strictObject({
  from: z.int().nonnegative(),
  to: z.int().nonnegative(),
  /** Sixteen hexadecimal digits. */
  sum: z.string().regex(/^[0-9a-f]{16}$/),
});

export type LastBlock = z.output<typeof lastBlockSchema>;

/** How a stream begins. */
export const beginSchema = z.object({
  format: z.literal(BACKUP_FORMAT),
  member: z.string(),
  version: z.string(),
  /** Backups of one chain follow from one another by the log alone. */
  chain: z.string().regex(/^[0-9a-f]{32}$/),
  /** Whether a checkpoint comes first; else only what the log holds behind what was asked for. */
  full: z.boolean(),
  /** Where the log that comes begins. */
  from: z.int().nonnegative(),
  /** Keys there are, for progress. */
  keys: z.int().nonnegative(),
  /** Bytes of log to come for certain, for progress. */
  logBytes: z.int().nonnegative(),
});

export type BackupBegin = z.output<typeof beginSchema>;

/** How a stream ends: the cut. */
export const endSchema = z.object({
  /** Behind the last block. */
  position: z.int().nonnegative(),
  /** Origin → seq: everything up to here, and nothing else, is in it. */
  vector: z.record(z.string(), z.int().nonnegative()),
  keys: z.int().nonnegative(),
  /** Of a full one: no moment before this can be restored from it. Milliseconds since 1970. */
  earliestMs: z.number().nullable(),
  /** When it was cut; no stamp in it is later. */
  latestMs: z.number(),
  /** Slots whose digests were told, and all there are. */
  slots: z.int().nonnegative(),
  ofSlots: z.int().nonnegative(),
  last: lastBlockSchema.nullable(),
});

export type BackupEnd = z.output<typeof endSchema>;

/** The digest of slots of a shard, as they are where the log is at `position`. */
export interface Sums {
  readonly position: number;
  readonly shard: number;
  readonly key: Int32Array;
  /** By slot: whether it is told. */
  readonly told: readonly boolean[];
  /** Four words: the sum of those that are told. */
  readonly sum: Int32Array;
}

export function frame(kind: number, ...parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + length + FOOTER_BYTES);
  bytes.writeUInt32BE(length, 0);
  bytes[4] = kind;
  let at = HEADER_BYTES;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  bytes.writeUInt32BE(crc32(bytes.subarray(4, at)), at);
  return bytes;
}

export function jsonFrame(kind: number, value: BackupBegin | BackupEnd): Buffer {
  return frame(kind, Buffer.from(JSON.stringify(value)));
}

export function sectionFrame(section: Uint8Array, keys: number): Buffer {
  const count = Buffer.allocUnsafe(6);
  count.writeUIntBE(keys, 0, 6);
  return frame(KIND.section, count, section);
}

export function readSectionFrame(body: Buffer): { keys: number; section: Buffer } {
  if (body.length < 6) throw new Damaged("a section is cut off");
  return { keys: body.readUIntBE(0, 6), section: body.subarray(6) };
}

export function blockFrame(block: Uint8Array, from: number, to: number): Buffer {
  const where = Buffer.allocUnsafe(12);
  where.writeUIntBE(from, 0, 6);
  where.writeUIntBE(to, 6, 6);
  return frame(KIND.block, where, block);
}

/** The block in a frame that was made of one. */
export function blockOf(bytes: Buffer): Buffer {
  return bytes.subarray(HEADER_BYTES + 12, bytes.length - FOOTER_BYTES);
}

export function readBlockFrame(body: Buffer): { from: number; to: number; block: Buffer } {
  if (body.length < 12) throw new Damaged("a block of the log is cut off");
  return { from: body.readUIntBE(0, 6), to: body.readUIntBE(6, 6), block: body.subarray(12) };
}

const SUMS_BYTES = 8 + 2 * DIGEST_WORDS * 4 + SHARD_SLOTS / 8;

export function sumsFrame({ position, shard, key, told, sum }: Sums): Buffer {
  const body = Buffer.alloc(SUMS_BYTES);
  body.writeUIntBE(position, 0, 6);
  body.writeUInt16BE(shard, 6);
  let at = 8;
  for (const word of key) at = body.writeInt32BE(word, at);
  told.forEach((is, slot) => {
    if (is) (body[at + (slot >> 3)] as number) |= 1 << (slot & 7);
  });
  at += SHARD_SLOTS / 8;
  for (const word of sum) at = body.writeInt32BE(word, at);
  return frame(KIND.sums, body);
}

export function readSumsFrame(body: Buffer): Sums {
  if (body.length !== SUMS_BYTES) throw new Damaged("a digest of slots is cut off");
  const wordsAt = (at: number): Int32Array =>
    Int32Array.from({ length: DIGEST_WORDS }, (_, i) => body.readInt32BE(at + i * 4));
  const bitsAt = 8 + DIGEST_WORDS * 4;
  return {
    position: body.readUIntBE(0, 6),
    shard: body.readUInt16BE(6),
    key: wordsAt(8),
    told: Array.from(
      { length: SHARD_SLOTS },
      (_, slot) => ((body[bitsAt + (slot >> 3)] as number) & (1 << (slot & 7))) !== 0,
    ),
    sum: wordsAt(bitsAt + SHARD_SLOTS / 8),
  };
}

/** The sum of the digests of those slots of a shard that are told; `sums` holds four words a slot. */
export function sumOfTold(sums: Int32Array, told: readonly boolean[]): Int32Array {
  const sum = new Int32Array(DIGEST_WORDS);
  for (const [slot, is] of told.entries())
    if (is)
      for (let i = 0; i < DIGEST_WORDS; i++)
        sum[i] = ((sum[i] as number) + (sums[slot * DIGEST_WORDS + i] as number)) | 0;
  return sum;
}

/** Cuts chunks into frames. Throws `Damaged`; a body is valid until the next frame is asked for. */
export async function* frames(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Frame> {
  let rest: Buffer = Buffer.alloc(0);
  let gathered: Uint8Array[] = [];
  let gatheredBytes = 0;
  for await (const chunk of chunks) {
    gathered.push(chunk);
    gatheredBytes += chunk.length;
    // A long frame is put together once, when all of it is there.
    if (rest.length + gatheredBytes < neededBytes(rest)) continue;
    rest = Buffer.concat([rest, ...gathered]);
    gathered = [];
    gatheredBytes = 0;
    for (let needed = neededBytes(rest); rest.length >= needed; needed = neededBytes(rest)) {
      yield frameOf(rest.subarray(0, needed));
      rest = rest.subarray(needed);
    }
  }
  if (rest.length + gatheredBytes > 0) throw new Damaged("it is cut off in the middle of a frame");
}

function neededBytes(rest: Buffer): number {
  if (rest.length < HEADER_BYTES) return HEADER_BYTES + FOOTER_BYTES;
  const length = rest.readUInt32BE(0);
  if (length > BODY_BYTES_MAX) throw new Damaged("a frame claims a length that none has");
  return HEADER_BYTES + length + FOOTER_BYTES;
}

function frameOf(bytes: Buffer): Frame {
  const end = bytes.length - FOOTER_BYTES;
  if (crc32(bytes.subarray(4, end)) !== bytes.readUInt32BE(end))
    throw new Damaged("a frame does not match its checksum");
  return { kind: bytes[4] as number, body: bytes.subarray(HEADER_BYTES, end) };
}
