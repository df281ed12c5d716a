import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { suite } from "../../host/ports/backup-place.suite.ts";
import { backupDirectory } from "./backup-directory.ts";

function directory() {
  const path = mkdtempSync(join(tmpdir(), "atoll-backup-directory-"));
  const dispose = () => Promise.resolve(rmSync(path, { recursive: true, force: true }));
  return { path, place: backupDirectory(join(path, "place")), [Symbol.asyncDispose]: dispose };
}

suite("a directory", () => Promise.resolve(directory()));

test("what a crash left half written is not listed, and in nobody's way", async () => {
  await using opened = directory();
  const { place, path } = opened;
  await place.put("backups/a.json", Buffer.from("a"));
  writeFileSync(join(path, "place", "backups", "b.json.tmp"), "half");
  assert.deepEqual(await place.list("backups/"), ["backups/a.json"]);
  await place.put("backups/b.json", Buffer.from("whole"));
  assert.deepEqual(await place.get("backups/b.json"), Buffer.from("whole"));
});

test("what cannot be written is an error that names the file and the reason", async () => {
  await using opened = directory();
  writeFileSync(join(opened.path, "place"), "a file where the directory should be");
  await assert.rejects(opened.place.put("backups/a", Buffer.from("x")), /place/);
});
