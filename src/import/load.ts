/**
 * Load: everything that a file or a source has, written to the target.
 *
 * Invariant: every selected key is written, or a problem.
 */
import { createReadStream } from "node:fs";
import { RdbFile, type RdbItem } from "../core/rdb/rdb-file.ts";
import { Malformed } from "../core/bytes/source.ts";
import type { Progress } from "./progress.ts";
import { type Selection, selects } from "./selection.ts";
import type { Target } from "./target.ts";

/** Writes items to their end. Throws `Unwilling`, `Lost` and what `items` throws. */
export async function load(
  items: AsyncIterable<RdbItem>,
  selection: Selection,
  target: Target,
  progress: Progress,
): Promise<void> {
  progress.phase = "copying";
  for await (const item of items)
    switch (item.type) {
      case "key":
        if (selects(selection, item.db, item.key)) await target.restore(item);
        break;
      case "unread key":
        if (selects(selection, item.db, item.key)) progress.problem(item.db, item.key, item.why);
        break;
      case "library":
        await target.load(item.code);
        break;
      case "unread module":
        progress.note("what a module keeps beside its keys is not copied");
        break;
      case "size":
      case "end":
        break;
    }
  await target.settled();
}

/** The items of a file that Redis saved. Throws `Malformed`, and what reading the file throws. */
export async function* itemsOfFile(
  path: string,
  valueBytesMax: number,
): AsyncGenerator<RdbItem, void, void> {
  const rdb = new RdbFile(valueBytesMax);
  for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024 })) {
    rdb.add(chunk as Buffer);
    for (let item = rdb.next(); item !== null; item = rdb.next()) {
      yield item;
      if (item.type === "end") return;
    }
  }
  throw new Malformed("it is cut off");
}
