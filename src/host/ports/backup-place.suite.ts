/** What every backup place keeps to. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { BackupPlace } from "./backup-place.ts";

/** `open` opens an empty one; disposing what it returns leaves nothing behind. */
export function suite(
  what: string,
  open: () => Promise<{ place: BackupPlace } & AsyncDisposable>,
): void {
  test(`${what} gives back what was put, and replaces it`, async () => {
    await using opened = await open();
    const { place } = opened;
    assert.equal(await place.get("pieces/a"), null);
    const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, i) => i % 251));
    await place.put("pieces/a", bytes);
    assert.deepEqual(await place.get("pieces/a"), bytes);
    await place.put("pieces/a", Buffer.from("other"));
    assert.deepEqual(await place.get("pieces/a"), Buffer.from("other"));
    await place.put("pieces/empty", Buffer.alloc(0));
    assert.deepEqual(await place.get("pieces/empty"), Buffer.alloc(0));
  });

  test(`${what} lists what lies under a prefix, in order, however much that is`, async () => {
    await using opened = await open();
    const { place } = opened;
    assert.deepEqual(await place.list("backups/"), []);
    const names = Array.from(
      { length: 25 },
      (_, i) => `backups/${String(i).padStart(3, "0")}.json`,
    );
    for (const name of names.toReversed()) await place.put(name, Buffer.from("x"));
    await place.put("pieces/deep/er", Buffer.from("x"));
    assert.deepEqual(await place.list("backups/"), names);
    assert.deepEqual(await place.list("pieces/"), ["pieces/deep/er"]);
  });

  test(`${what} removes what is there, and does not mind what is not`, async () => {
    await using opened = await open();
    const { place } = opened;
    await place.put("pieces/a", Buffer.from("x"));
    await place.remove("pieces/a");
    await place.remove("pieces/a");
    assert.equal(await place.get("pieces/a"), null);
    assert.deepEqual(await place.list("pieces/"), []);
  });
}
