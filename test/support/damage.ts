/**
 * Damage: edits the checkpoint of a node that stands still, as no record ever would: keys are lost or hold another value.
 *
 * Invariant: the checkpoint that is written is whole by its checksums, so the node starts from it and only a comparison can tell.
 */
import { openFileStorage } from "../../src/adapters/storage-files/file-storage.ts";
import { Key } from "../../src/core/crdt/key.ts";
import { Place } from "../../src/core/keyspace/place.ts";
import { CheckpointWriter } from "../../src/core/replica/checkpoint.ts";
import type { Replica } from "../../src/core/replica/replica.ts";
import { replicaOf } from "../../src/core/replica/solo.suite.ts";
import { DOCUMENTS } from "../../src/engines/documents/documents.ts";
import { recover } from "../../src/host/recovery.ts";

/** Of `names`, every other one is lost and the rest altered. `directory` is the node's own, `member` its name. */
export async function damageCheckpoint(
  directory: string,
  member: string,
  names: Iterable<string>,
): Promise<void> {
  await using storage = await openFileStorage(directory);
  const { replica } = await recover(
    storage,
    () => replicaOf(member, 1, { engines: [DOCUMENTS] }),
    () => {},
    () => {},
  );
  let loses = false;
  for (const name of names) {
    loses = !loses;
    damage(replica, name, loses);
  }
  const writer = new CheckpointWriter(replica);
  const target = storage.checkpoints.begin();
  for (let section = writer.next(); section !== null; section = writer.next())
    await target.section(section);
  await target.install();
}

const place = new Place();

function damage({ keyspace }: Replica, name: string, loses: boolean): void {
  const bytes = Buffer.from(name);
  keyspace.locate(place, 0, bytes, 0, bytes.length);
  const key = keyspace.open(place);
  const [sibling] = key.cell?.siblings ?? [];
  if (sibling === undefined) throw new Error(`there is no string ${name} to be damaged`);
  const other = new Key();
  other.counted = key.counted;
  other.countedExpiring = key.countedExpiring;
  other.countedExpirable = key.countedExpirable;
  if (!loses) keyspace.cell(other).siblings.push({ ...sibling, value: Buffer.from("rotten") });
  keyspace.settle(place, other);
}
