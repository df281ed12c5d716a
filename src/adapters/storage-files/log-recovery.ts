/**
 * Log recovery: where a log found on disk ends, and whether what is missing was ever promised.
 *
 * A crash tears the end of a log. Of the writes that were not synced any 512-byte sector may have arrived, in any order:
 * a block may be missing while blocks behind it are whole. Rot leaves the same picture: a bad block, good ones behind it.
 * The first must be cut without a word, the second must never be. They are told apart by what the good blocks witness.
 *
 *   │ A  durable 0 │ B  durable 0 │ ▒▒▒ bad ▒▒▒ │ D  durable d │
 *                                 p
 *   d ≤ p   D was written when the bad place was not yet synced   torn end: the log ends at p
 *   d > p   D was written when the bad place had been synced      damage: refused, with its place
 *
 * Invariant: no block before a position that any valid block or segment witnesses as durable is ever cut.
 *
 * Only the last segment can be torn: one is created only when its predecessor is durable up to the end that the new
 * header names. So an earlier segment must be whole up to there; its length is checked here, its blocks when they are read.
 *
 * What follows a cut stays on disk until it is overwritten. A later process may fill the hole so exactly that a leftover
 * would follow on; it is known by its opening, which is lower than that of the block before it. For this the new opening
 * must be higher than any that left something, wherever it lies: the search behind the hole looks for that too.
 *
 * Beyond reach: rot in the last blocks before a crash, which nothing behind them witnesses, looks like a torn end. A clean close
 * therefore leaves a mark as witness, and of lost own records the peers know.
 */
import { join } from "node:path";
import { Damaged, type Position } from "../../host/ports/storage.ts";
import { BLOCK_ALIGN, BLOCK_HEADER_BYTES, readBlock } from "./block.ts";
import { datasync, writeAll, type Files } from "./files.ts";
import { MEND, openSegment, SEGMENT_HEADER_BYTES, segmentStart, type Segment } from "./segment.ts";

/**
 * A file that says that a sync failed. It is never synced itself: it lasts as long as the page cache does, and so does the doubt.
 * Without it nothing is written in place, because a power failure in the middle of that could tear what had been stored.
 */
const DOUBT_NAME = "sync-failed";

/** Leaves word for the next opening; a disk that does not even take that has lost its cache as well, or will. */
export async function leaveDoubt(files: Files, directory: string): Promise<void> {
  try {
    await (await files.open(join(directory, DOUBT_NAME), true)).close();
  } catch {
    // Nobody can be told more than that the sync has failed.
  }
}

export interface RecoveredLog {
  /** Never empty. */
  segments: Segment[];
  end: Position;
  /** The opening that begins now. */
  opening: number;
  /** Whether the log ends with a mark. */
  marked: boolean;
}

/** The log in `directory` as its whole blocks, made durable; or null when there is none. Rejects with `Damaged`. */
export async function recoverLog(
  files: Files,
  directory: string,
  names: string[],
): Promise<RecoveredLog | null> {
  const starts = names.flatMap((name) => segmentStart(name) ?? []).toSorted((a, b) => a - b);
  if (starts.length === 0) return null;
  const segments: Segment[] = [];
  try {
    for (const start of starts) segments.push(await openSegment(files, directory, start));
    await checkContinuity(segments);
    const last = segments.at(-1) as Segment;
    const tail = await findEnd(last);
    last.dataEnd = tail.end;
    if (last.file !== null) {
      // What is found may still be in the page cache of a machine whose process died. If a sync of it failed, the kernel takes it for
      // stored: then whatever nothing witnesses as durable is written once more.
      const doubted = names.includes(DOUBT_NAME);
      if (doubted)
        await writeAll(
          last.file,
          tail.unwitnessed,
          tail.end - last.start - tail.unwitnessed.length,
        );
      try {
        await datasync(last.file);
      } catch (error) {
        await leaveDoubt(files, directory);
        throw error;
      }
      if (doubted) await files.unlink(join(directory, DOUBT_NAME));
    }
    return { segments, end: tail.end, opening: tail.opening + 1, marked: tail.marked };
  } catch (error) {
    for (const segment of segments) await segment.file?.close();
    throw error;
  }
}

async function checkContinuity(segments: Segment[]): Promise<void> {
  for (let i = 1; i < segments.length; i++) {
    const previous = segments[i - 1] as Segment;
    const segment = segments[i] as Segment;
    if (!segment.logId.equals(previous.logId))
      throw new Damaged(
        `${segment.path} at byte 44 (log position ${segment.start}): the segment belongs to another log than ` +
          `${previous.path}. ${MEND}`,
      );
    const next = previous.start + previous.capacity;
    if (segment.start !== next)
      throw new Damaged(
        `${previous.path} ends at log position ${next}, and the next segment there is begins at ${segment.start}: ` +
          `a segment between them is missing. ${MEND}`,
      );
    previous.dataEnd = segment.previousEnd;
    const needed = previous.dataEnd - previous.start;
    if (previous.prepared < needed)
      throw new Damaged(
        `${previous.path} at byte ${previous.prepared} (log position ${previous.start + previous.prepared}): the file is ` +
          `cut off, its blocks reach to byte ${needed}. ${MEND}`,
      );
  }
}

interface Tail {
  end: Position;
  opening: number;
  marked: boolean;
  /** The last bytes before `end`, from the first that no block says to be durable. */
  unwitnessed: Buffer;
}

async function findEnd(segment: Segment): Promise<Tail> {
  const { file, start } = segment;
  if (file === null) throw new Error("bug: a segment to recover is open");
  const size = Math.min(segment.prepared, segment.capacity);
  const bytes = Buffer.allocUnsafeSlow(size);
  const length = await file.read(bytes, 0, size, 0);
  const found = bytes.subarray(0, length);

  let at = SEGMENT_HEADER_BYTES;
  let opening = segment.opening;
  let marked = false;
  let durable = start + at;
  for (;;) {
    const block = readBlock(found, at, start + at);
    if (block === null || block.opening < opening) break;
    opening = block.opening;
    durable = Math.max(durable, block.durable);
    marked = block.kind === "mark";
    at += block.bytes;
  }

  const behind = searchBehind(found, at, start);
  if (behind.durable > start + at)
    throw new Damaged(
      `${segment.path} at byte ${at} (log position ${start + at}): the block here is damaged. It had been synced, a block ` +
        `behind it says so, so this is not the torn end that a crash leaves. ${MEND}`,
    );
  const unwitnessed = found.subarray(durable - start, at);
  return { end: start + at, opening: Math.max(opening, behind.opening), marked, unwitnessed };
}

/** The furthest durable position and the highest opening that any valid block at or behind `from` witnesses. */
function searchBehind(
  bytes: Buffer,
  from: number,
  start: Position,
): { durable: Position; opening: number } {
  let durable = 0;
  let opening = 0;
  for (let at = from; at + BLOCK_HEADER_BYTES <= bytes.length; at += BLOCK_ALIGN) {
    // No block has opening 0, and most of what is searched is zeros. (A block's length may be 0, so that tells nothing.)
    if (bytes[at + 11] === 0 && bytes[at + 10] === 0 && bytes[at + 9] === 0 && bytes[at + 8] === 0)
      continue;
    const block = readBlock(bytes, at, start + at);
    if (block === null) continue;
    durable = Math.max(durable, block.durable);
    opening = Math.max(opening, block.opening);
  }
  return { durable, opening };
}
