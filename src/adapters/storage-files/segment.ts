/**
 * Segment: one file of the log, and the range of positions it stands for.
 *
 *   log.<start>   header (512 bytes) │ block │ block │ … │ zeros or old bytes
 *                 ▲ start                              ▲ dataEnd          ▲ start + capacity = the next segment's start
 *
 * Invariant: a file called `log.<start>` has a whole header. It is written and synced under another name first and renamed
 * then; the rename is synced before the first block is written. And a segment is created only when everything in its
 * predecessor is durable, so its header can say where the predecessor's blocks end.
 */
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { Damaged, type Position } from "../../host/ports/storage.ts";
import { datasync, writeAll, type FileFacts, type Files, type OpenFile } from "./files.ts";

/** The header has a sector of its own, so that no write of blocks can tear it. */
export const SEGMENT_HEADER_BYTES = 512;
const HEADER_USED_BYTES = 72;
const MAGIC = Buffer.from("AALG");
const VERSION = 1;
/** A new segment is filled with zeros this far at once, and further in the background (`file-log.ts`). */
const FIRST_FILL_BYTES = 1 << 20;

export const SPARE_NAME = "segment.spare";
const NEW_NAME = "segment.tmp";
const NAME = /^log\.(\d{16})$/;

export interface SegmentHeader {
  start: Position;
  /** Positions the segment stands for, its header included. */
  capacity: number;
  /** Where the predecessor's blocks end; `start` in a log's first segment. */
  previousEnd: Position;
  /** The opening of the log that created it. */
  opening: number;
  /** 16 random bytes that all segments of a log share: an emptied directory gets another log. */
  logId: Buffer;
}

export interface Segment extends SegmentHeader {
  path: string;
  /** Null while the segment is only planned: its blocks wait in memory. */
  file: OpenFile | null;
  /** Where its blocks end; in the last segment, the log's end. */
  dataEnd: Position;
  /** Bytes from its beginning whose place on disk exists already, so that writing there changes no metadata. */
  prepared: number;
  /** Reads in flight; the file is closed when there are none. */
  readers: number;
  /** Whether its header names the file it lies in: not so in a copy. */
  native: boolean;
}

export function segmentName(start: Position): string {
  return `log.${String(start).padStart(16, "0")}`;
}

/** The start in a segment's name, or null for other files. */
export function segmentStart(name: string): Position | null {
  const digits = NAME.exec(name)?.[1];
  return digits === undefined ? null : Number(digits);
}

/** Creates the planned segment on disk, out of the spare file when there is one. Resolves when its name and header are durable. */
export async function createSegment(
  files: Files,
  directory: string,
  segment: Segment,
  spare: boolean,
): Promise<void> {
  const from = join(directory, spare ? SPARE_NAME : NEW_NAME);
  const file = await files.open(from, !spare);
  try {
    const made = await file.stat();
    const fill = spare ? 0 : Math.min(FIRST_FILL_BYTES, segment.capacity);
    const first = Buffer.alloc(Math.max(SEGMENT_HEADER_BYTES, fill));
    writeHeader(first, segment, made);
    await writeAll(file, first, 0);
    await datasync(file);
    await files.rename(from, segment.path);
    await files.syncDirectory(directory);
    segment.prepared = Math.max(first.length, made.size);
    segment.native = true;
    segment.file = file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

function writeHeader(target: Buffer, header: SegmentHeader, made: FileFacts): void {
  MAGIC.copy(target, 0);
  target.writeUInt16BE(VERSION, 4);
  target.writeUIntBE(header.start, 8, 6);
  target.writeUIntBE(header.capacity, 16, 6);
  target.writeUIntBE(header.previousEnd, 24, 6);
  target.writeUInt32BE(header.opening, 32);
  target.writeBigUInt64BE(BigInt.asUintN(64, made.inode), 36);
  header.logId.copy(target, 44, 0, 16);
  target.writeBigUInt64BE(BigInt.asUintN(64, made.born), 60);
  target.writeUInt32BE(crc32(target.subarray(0, 68)), 68);
}

/** Opens `log.<start>` and checks its header. `dataEnd` is still unknown. */
export async function openSegment(
  files: Files,
  directory: string,
  start: Position,
): Promise<Segment> {
  const path = join(directory, segmentName(start));
  const file = await files.open(path, false);
  try {
    const header = Buffer.alloc(HEADER_USED_BYTES);
    const count = await file.read(header, 0, header.length, 0);
    const { size, inode, born } = await file.stat();
    const fault = headerFault(header.subarray(0, count), path, start);
    if (fault !== null) throw new Damaged(fault);
    return {
      start,
      capacity: header.readUIntBE(16, 6),
      previousEnd: header.readUIntBE(24, 6),
      opening: header.readUInt32BE(32),
      logId: Buffer.from(header.subarray(44, 60)),
      path,
      file,
      dataEnd: start,
      prepared: size,
      readers: 0,
      native:
        header.readBigUInt64BE(36) === BigInt.asUintN(64, inode) &&
        header.readBigUInt64BE(60) === BigInt.asUintN(64, born),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function headerFault(header: Buffer, path: string, start: Position): string | null {
  const place = `${path} at byte 0 (log position ${start})`;
  if (header.length < HEADER_USED_BYTES)
    return `${place}: the segment's header is cut off. ${MEND}`;
  if (!header.subarray(0, 4).equals(MAGIC))
    return `${place}: this is no segment of a log, its first bytes are not AALG. ${MEND}`;
  const version = header.readUInt16BE(4);
  // A future version may lay out and sum its header otherwise, so this comes before the CRC.
  if (version > VERSION)
    throw new Error(
      `${path} was written by a newer Atoll: it has log format ${version}, this one reads ${VERSION}. ` +
        `Start the newer version on this directory`,
    );
  if (header.readUInt32BE(68) !== crc32(header.subarray(0, 68)))
    return `${place}: the segment's header does not match its checksum. ${MEND}`;
  if (header.readUIntBE(8, 6) !== start)
    return `${place}: the segment's header says position ${header.readUIntBE(8, 6)}. ${MEND}`;
  return null;
}

/** What to do about damage. */
export const MEND =
  "What was stored here is lost on this disk. Restore the directory from a backup, or move it away and start the node " +
  "empty: it takes the data from its peers";
