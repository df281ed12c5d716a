import assert from "node:assert/strict";
import { test } from "node:test";
import { Malformed } from "../bytes/source.ts";
import { CheckpointWriter } from "./checkpoint.ts";
import { CheckpointLoader } from "./checkpoint-loader.ts";
import { ForeignHeader } from "./foreign-header.ts";
import { replicaOf, Solo } from "./solo.suite.ts";

/** The sections of a replica that has written something. */
function sections(): { written: Solo; all: Buffer[] } {
  const written = new Solo("a/1", 1);
  written.at(1_000);
  for (let i = 0; i < 20; i++) {
    written.command("SET", `key ${i}`, "value");
    written.flush();
  }
  const writer = new CheckpointWriter(written.replica);
  const all: Buffer[] = [];
  for (let section = writer.next(); section !== null; section = writer.next())
    all.push(Buffer.from(section));
  return { written, all };
}

test("a header is taken as another replica writes it, and loads where our own log says", () => {
  const { written, all } = sections();
  const ours = replicaOf("b/1", 2);
  const header = new ForeignHeader(all[0] as Buffer, ours.origins);
  const loader = new CheckpointLoader(ours);
  loader.section(header.rewritten(77, 0), 0);
  for (const [i, section] of all.slice(1).entries()) loader.section(section, i + 1);
  assert.equal(loader.position, 77);
  assert.equal(ours.keyspace.entries, written.replica.keyspace.entries);
  assert.deepEqual(ours.describe(ours.applied), written.replica.describe(written.replica.applied));
});

test("a copied log keeps the marks that lie in it, where they lie", () => {
  const { all } = sections();
  const ours = replicaOf("b/1", 2);
  const header = new ForeignHeader(all[0] as Buffer, ours.origins);
  assert.ok(header.markedAt.length > 0 && header.lineages.length > 0);
  const relocated = new ForeignHeader(
    header.relocated((position) => position + 1_000),
    ours.origins,
  );
  assert.equal(relocated.position, header.position + 1_000);
  assert.deepEqual(
    relocated.markedAt,
    header.markedAt.map((position) => position + 1_000),
  );
  const without = header.relocated((position) => (position === header.position ? 5 : null));
  assert.deepEqual(new ForeignHeader(without, ours.origins).markedAt, []);
  assert.throws(() => header.relocated(() => null), Malformed);
});

test("a format that this version does not write is refused", () => {
  const { all } = sections();
  const later = Buffer.from(all[0] as Buffer);
  later.writeUInt8(9, 0);
  assert.throws(() => new ForeignHeader(later, replicaOf("b/1", 2).origins), /format 9/);
});
