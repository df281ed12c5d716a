/**
 * Restoring: an empty directory becomes that of a member, as it was at the cut of a backup or before.
 *
 *   marked "restoring" ─► log and checkpoint ─► read again: the same state? ─► who it is ─► the mark goes
 *
 * Invariant: until the last step no node starts in the directory. What starts there begins another incarnation: either of a member
 * that first gets from the others what it had told them after the backup, or of the first member of a cluster of its own.
 */
import { randomBytes } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { openFileStorage } from "../../adapters/storage-files/file-storage.ts";
import { newIncarnation, type Origin } from "../../core/clock/origins.ts";
import { ALL_SHARDS } from "../../core/keyspace/changes.ts";
import type { Replica } from "../../core/replica/replica.ts";
import { DIGEST_WORDS, sameSums } from "../../core/verify/digest.ts";
import { ShardPass } from "../../core/verify/shard-pass.ts";
import { saveOrigin, saveRestored } from "../../host/identity.ts";
import { saveMark } from "../../host/joining-mark.ts";
import type { BackupPlace } from "../../host/ports/backup-place.ts";
import { recover } from "../../host/recovery.ts";
import { CliError } from "../cli-error.ts";
import type { Manifest } from "./manifest.ts";
import { readBackup, type Until } from "./read.ts";
import { scratchReplica } from "./scratch-replica.ts";

export interface RestoreOptions {
  readonly place: BackupPlace;
  readonly manifest: Manifest;
  readonly dir: string;
  /** Whose directory it becomes. */
  readonly member: string;
  /** Whether it begins a cluster of its own, rather than going on in the one it was taken from. */
  readonly isNewCluster: boolean;
  readonly until: Until | null;
  readonly signal: AbortSignal;
  readonly onProgress: (phase: string, part: number) => void;
}

export interface Restored {
  readonly keys: number;
  readonly vector: Record<string, number>;
  /** Records of the backup that lie behind the cut. */
  readonly dropped: number;
}

export async function restore(options: RestoreOptions): Promise<Restored> {
  const { dir } = options;
  const there = await readdir(dir).catch(() => null);
  if (there !== null && there.length > 0)
    throw new CliError(`${dir} is not empty: name another directory, or empty it first`);
  try {
    return await restoreInto(options);
  } catch (error) {
    // Nothing is left that could be taken for a restored directory.
    if (there === null) await rm(dir, { recursive: true, force: true });
    else for (const name of await readdir(dir)) await rm(join(dir, name), { force: true });
    throw error;
  }
}

async function restoreInto(options: RestoreOptions): Promise<Restored> {
  const { place, manifest, dir, member, isNewCluster, until, signal, onProgress } = options;
  const incarnation = newIncarnation(Date.now(), randomBytes(2).readUInt16BE());
  const origin: Origin = { member, incarnation };
  const what = { place, manifest, origin, signal };
  // The digests are of all of it; what is cut off is left out the second time.
  if (until !== null)
    await readBackup({
      ...what,
      storage: null,
      until: null,
      onProgress: (part) => onProgress("checking", part),
    });
  await using storage = await openFileStorage(dir);
  const { identity } = storage;
  await saveMark(identity, { state: "restoring" });
  const { replica, dropped } = await readBackup({
    ...what,
    storage,
    until,
    onProgress: (part) => onProgress("restoring", part),
  });
  const written = stateOf(replica);
  onProgress("reading again", 0);
  const again = await recover(
    storage,
    () => scratchReplica(origin),
    () => {},
    () => {},
  );
  const read = stateOf(again.replica, written.key);
  for (let shard = 0; shard < ALL_SHARDS; shard++)
    if (!sameSums(written.sums, shard * DIGEST_WORDS, read.sums, shard * DIGEST_WORDS))
      throw new CliError(`${dir} does not read as what was written to it: look after the disk`);
  signal.throwIfAborted();
  if (isNewCluster) await saveOrigin(identity, origin, "local", true);
  else await saveRestored(identity, origin);
  await saveMark(identity, isNewCluster ? { state: "whole" } : { state: "waiting", alone: false });
  const { keyspace, applied } = replica;
  return { keys: keyspace.entries, vector: replica.describe(applied), dropped };
}

/** The digests of all shards. */
function stateOf(
  replica: Replica,
  key: Int32Array = Int32Array.from({ length: DIGEST_WORDS }, () => randomBytes(4).readInt32BE()),
): { key: Int32Array; sums: Int32Array } {
  const walk = new ShardPass(replica, 0, ALL_SHARDS, key, null);
  while (!walk.done) walk.slice(1_000_000);
  return { key, sums: walk.sums };
}
