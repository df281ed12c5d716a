import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openFileStorage } from "../../src/adapters/storage-files/file-storage.ts";
import { CheckpointWriter } from "../../src/core/replica/checkpoint.ts";
import { replicaOf, Solo } from "../../src/core/replica/solo.suite.ts";
import { saveSnapshot } from "../../src/host/joining-mark.ts";
import { recover } from "../../src/host/recovery.ts";
import { tempDir } from "../support/temp-dir.ts";

/** A directory whose log is empty and whose only checkpoint has gone bad; `given` says whether another member had given that. */
async function damaged(directory: string, given: boolean): Promise<void> {
  {
    await using storage = await openFileStorage(directory);
    const solo = new Solo("a/1");
    const writer = new CheckpointWriter(solo.replica);
    const target = storage.checkpoints.begin();
    for (let section = writer.next(); section !== null; section = writer.next())
      await target.section(section);
    await target.install();
    if (given) await saveSnapshot(storage.identity, 1);
  }
  const [name = ""] = readdirSync(directory).filter((file) => file.startsWith("checkpoint."));
  const bytes = readFileSync(join(directory, name));
  const at = bytes.length >> 1;
  bytes.writeUInt8(bytes.readUInt8(at) ^ 0xff, at);
  writeFileSync(join(directory, name), bytes);
}

async function recovered(directory: string, catchesUp: boolean): Promise<number> {
  await using storage = await openFileStorage(directory);
  const nobody = (): void => {};
  return (await recover(storage, () => replicaOf("a/1", 1), nobody, nobody, catchesUp)).number;
}

test("what another member's snapshot held is not thought to be in a log that is whole, once the snapshot has gone bad", async () => {
  using dir = tempDir("snapshot");
  await damaged(dir.path, true);
  await assert.rejects(
    recovered(dir.path, false),
    /checkpoint 1, which another member gave, cannot be used, .* empty the directory/,
  );
  assert.equal(await recovered(dir.path, true), 0, "who catches up anyway asks for it again");
});

test("a checkpoint of a node's own that has gone bad is made up for by its log", async () => {
  using dir = tempDir("snapshot");
  await damaged(dir.path, false);
  assert.equal(await recovered(dir.path, false), 0);
});
