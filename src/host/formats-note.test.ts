import assert from "node:assert/strict";
import { test } from "node:test";
import { READS, READS_FIRST } from "../core/replica/formats.ts";
import { loadFormats, saveFormats } from "./formats-note.ts";
import type { Identity } from "./ports/storage.ts";

function identity(): Identity {
  const files = new Map<string, Buffer>();
  return {
    load: (name) => Promise.resolve(files.get(name) ?? null),
    save: (name, bytes) => Promise.resolve(void files.set(name, Buffer.from(bytes))),
    fingerprint: () => Promise.resolve(""),
  };
}

test("a directory that says nothing holds the first formats, and one of newer formats than this build reads is refused", async () => {
  const directory = identity();
  assert.equal(await loadFormats(directory), READS_FIRST);
  await saveFormats(directory, READS);
  assert.equal(await loadFormats(directory), READS);
  await saveFormats(directory, READS + 1);
  await assert.rejects(
    loadFormats(directory),
    new RegExp(`version ${READS + 1}, this build reads up to ${READS}: start the newer`),
  );
  await directory.save("formats", Buffer.from("rot"));
  await assert.rejects(loadFormats(directory), /cannot be read/);
});
