/**
 * File storage: a node's log, checkpoints and identity in one directory.
 *
 *   lock  lock.pid            one process at a time
 *   log.<start> …             segments of the log (`segment.ts`, `log-recovery.ts`)
 *   segment.spare             a truncated segment that waits to be used again
 *   checkpoint.<n>            (`file-checkpoints.ts`)
 *   identity.<name>           (`file-identity.ts`)
 *   *.tmp                     never promised to anybody; removed at the start
 *
 * Invariant: only the holder of the lock touches the directory, and what it finds there it makes durable before it relies on it.
 */
import { join } from "node:path";
import { assert } from "../../core/assert.ts";
import type { Storage } from "../../host/ports/storage.ts";
import { type Computer, nodeComputer } from "./computer.ts";
import { FileCheckpoints } from "./file-checkpoints.ts";
import { FileIdentity } from "./file-identity.ts";
import { FileLog } from "./file-log.ts";
import { nodeFiles, type Files } from "./files.ts";
import { recoverLog, type RecoveredLog } from "./log-recovery.ts";
import {
  createSegment,
  SEGMENT_HEADER_BYTES,
  segmentName,
  SPARE_NAME,
  type Segment,
} from "./segment.ts";
import { TEMPORARY } from "./whole-file.ts";

export interface FileStorageOptions {
  /** Bytes of a segment, a multiple of 512 from 1,024; default 64 MiB. Segments that are there keep their size. */
  segmentBytes?: number;
  /** Bytes of the newest part of the log that are kept in memory for readers, in steps of 1 MiB or a segment; default 8 MiB. */
  recentBytes?: number;
  /** Bytes appended without `sync` after which they are written at once, rather than 50 ms later; default 256 KiB. */
  lazyBytes?: number;
  /** How files are touched; default Node's own. */
  files?: Files;
  /** What is taken from the machine beside its files; default Node's own. */
  computer?: Computer;
}

/**
 * Opens the storage in `directory`, which is made when it is not there. Rejects with `Damaged` when something that was once durable
 * is not whole, and with an error that names the process when another one has it open.
 */
export async function openFileStorage(
  directory: string,
  options: FileStorageOptions = {},
): Promise<Storage> {
  const { segmentBytes = 64 << 20, recentBytes = 8 << 20, lazyBytes = 256 << 10 } = options;
  const { files = nodeFiles, computer = nodeComputer } = options;
  assert(segmentBytes % 512 === 0 && segmentBytes >= 1024, "segmentBytes is a multiple of 512");
  await files.makeDirectory(directory);
  const lock = computer.lock(directory);
  try {
    const names = await files.list(directory);
    for (const name of names)
      if (name.endsWith(TEMPORARY)) await files.unlink(join(directory, name));
    // A process that died may have renamed without syncing.
    await files.syncDirectory(directory);
    const logId = computer.randomBytes(16);
    const recovered =
      (await recoverLog(files, directory, names)) ??
      (await createLog(files, directory, segmentBytes, logId));
    const spare = names.includes(SPARE_NAME);
    const log = new FileLog(
      { files, directory, segmentBytes, recentBytes, lazyBytes, spare, computer },
      recovered,
    );
    const identity = new FileIdentity(files, directory, log, computer);
    const checkpoints = new FileCheckpoints(files, directory);
    return {
      log,
      checkpoints,
      identity,
      async [Symbol.asyncDispose]() {
        try {
          await identity.close();
          await log.close();
        } finally {
          lock.release();
        }
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function createLog(
  files: Files,
  directory: string,
  capacity: number,
  logId: Buffer,
): Promise<RecoveredLog> {
  const first: Segment = {
    start: 0,
    capacity,
    previousEnd: 0,
    opening: 1,
    logId,
    path: join(directory, segmentName(0)),
    file: null,
    dataEnd: SEGMENT_HEADER_BYTES,
    prepared: 0,
    readers: 0,
    native: true,
  };
  await createSegment(files, directory, first, false);
  return { segments: [first], end: SEGMENT_HEADER_BYTES, opening: 1, marked: true };
}
