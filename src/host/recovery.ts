/**
 * Recovery: brings a replica to where its log ends: the newest checkpoint that can be read, then the log behind it.
 *
 * Invariant: the replica serves nothing before its log is replayed to the end. A damaged checkpoint is passed over only if the log
 * reaches back to an older one, or to its very beginning; otherwise the start is refused and says what is damaged. What a
 * checkpoint shows beyond the log's end was never written: that is refused too, unless more of it is to come from peers (`isSnapshot`).
 */
import { Malformed } from "../core/bytes/source.ts";
import { Vector } from "../core/clock/vector.ts";
import { CheckpointLoader } from "../core/replica/checkpoint-loader.ts";
import type { Replica } from "../core/replica/replica.ts";
import { loadSnapshot } from "./joining-mark.ts";
import { Damaged, type Storage } from "./ports/storage.ts";

const READ_BYTES = 4 * 1024 * 1024;

export interface Recovered {
  readonly replica: Replica;
  /** The position of the checkpoint that was loaded, or null. */
  readonly checkpoint: number | null;
  /** Its number; 0 where there is none. */
  readonly number: number;
  readonly replayedBytes: number;
  /** The newest records that the checkpoint shows: more than the replica has, when it is a snapshot whose end is still to come. */
  readonly shown: Vector;
}

const MEND = "restore the directory, or empty it and let the replica start anew";

/** `newReplica` makes an empty one: a second is needed when a checkpoint turns out to be damaged half way through. */
export async function recover(
  storage: Storage,
  newReplica: () => Replica,
  warn: (text: string) => void,
  onProgress: (position: number, end: number) => void,
  isSnapshot = false,
): Promise<Recovered> {
  const { log } = storage;
  const { replica, loader, number } = await loadCheckpoint(storage, newReplica, warn);
  const since = await loadSnapshot(storage.identity);
  if (number < since && !isSnapshot)
    throw new Damaged(
      `checkpoint ${since}, which another member gave, cannot be used, and the log does not hold what it held; empty the directory and let the replica start anew`,
    );
  const checkpoint = loader?.position ?? null;
  let position = checkpoint ?? log.begin;
  if (position < log.begin || position > log.end)
    throw new Damaged(
      `the checkpoint is of position ${position}, the log holds ${log.begin} to ${log.end}: one of them was restored without the other`,
    );
  if (checkpoint === null) replica.index.begin(position, replica.applied);
  else replica.index.reachesBackTo(log.begin, replica.applied);
  const start = position;
  while (position < log.end) {
    try {
      position = await log.read(position, READ_BYTES, (block, _, to) => replica.replay(block, to));
    } catch (cause) {
      if (!(cause instanceof Malformed)) throw cause;
      throw new Damaged(
        `the log behind position ${position} does not follow from what lies before it (${cause.message}): its beginning or the checkpoint is missing; ${MEND}`,
        { cause },
      );
    }
    onProgress(position, log.end);
  }
  try {
    if (!isSnapshot) loader?.check();
  } catch (cause) {
    throw new Damaged(`${cause instanceof Error ? cause.message : ""}: ${MEND}`, { cause });
  }
  replica.replayed();
  const shown = loader?.shown ?? new Vector();
  return { replica, checkpoint, number, replayedBytes: position - start, shown };
}

async function loadCheckpoint(
  { checkpoints, log }: Storage,
  newReplica: () => Replica,
  warn: (text: string) => void,
): Promise<{ replica: Replica; loader: CheckpointLoader | null; number: number }> {
  let damaged: unknown = null;
  for (const number of await checkpoints.list()) {
    const replica = newReplica();
    const loader = new CheckpointLoader(replica);
    try {
      await checkpoints.load((section, index) => loader.section(section, index), number);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      damaged ??= error;
      warn(`checkpoint ${number} cannot be used: ${error.message}`);
      continue;
    }
    if (loader.position >= log.begin) return { replica, loader, number };
    damaged ??= new Damaged(`checkpoint ${number} is older than the log reaches back`);
  }
  if (damaged !== null && !log.isWhole) throw damaged;
  return { replica: newReplica(), loader: null, number: 0 };
}
