/**
 * Scan copy: keys brought over by SCAN, DUMP and RESTORE, from a source that will have no replicas.
 *
 * Invariant: after a pass in which nobody wrote to the source, the target shows what the source shows. A pass that compares writes only what
 * differs, so passes over the same keys come to an end when writes do.
 */
import type { RedisClient } from "../adapters/redis-client/redis-client.ts";
import { Malformed } from "../core/bytes/source.ts";
import { isWhole } from "../core/rdb/payload.ts";
import { readLibraries } from "../core/rdb/libraries.ts";
import { Refused } from "../core/wire/answers.ts";
import { difference } from "./compare.ts";
import { absent, databases, type Held, held, scan } from "./keys.ts";
import type { Progress } from "./progress.ts";
import type { Selection } from "./selection.ts";
import type { Target } from "./target.ts";

const LIBRARIES_MAX_BYTES = 2 ** 30;

export interface CopySides {
  readonly source: RedisClient;
  readonly target: Target;
  /** A connection of its own to ask the target with. */
  readonly reader: RedisClient;
}

/** Copies all selected keys; where `compares`, those that differ. Returns how many were written. */
export async function copyKeys(
  { source, target, reader }: CopySides,
  selection: Selection,
  compares: boolean,
  progress: Progress,
): Promise<number> {
  let written = 0;
  for (const db of (await databases(source, selection)).keys()) {
    if (compares) await reader.demand("SELECT", String(db));
    for await (const keys of scan(source, db, selection)) {
      const there = await held(source, keys);
      const here = compares ? await held(reader, keys) : null;
      for (const [i, key] of keys.entries()) {
        const one = there[i] as Held;
        if (here !== null && difference(one, here[i] as Held) === null) continue;
        // It is gone: removals are for whoever removes.
        if (one.payload === null) continue;
        written++;
        await copyKey(db, key, one, target, progress);
      }
    }
  }
  await target.settled();
  return written;
}

async function copyKey(
  db: number,
  key: Buffer,
  { payload, leftMs }: Held,
  target: Target,
  progress: Progress,
): Promise<void> {
  if (!Buffer.isBuffer(payload))
    progress.problem(db, key, `the source does not give it away: ${payload?.text ?? ""}`);
  else if (payload.length > target.valueBytesMax)
    progress.problem(
      db,
      key,
      `it takes ${payload.length} bytes, and ${target.valueBytesMax} is the most`,
    );
  // A millisecond is the least that is not for ever.
  else await target.restoreFor(db, key, leftMs === Infinity ? 0 : Math.max(1, leftMs), payload);
}

/** Removes the selected keys of the target that the source does not have. */
export async function removeOthers(
  { source, target, reader }: CopySides,
  selection: Selection,
): Promise<void> {
  await target.settled();
  for (const db of (await databases(reader, selection)).keys()) {
    await source.demand("SELECT", String(db));
    for await (const keys of scan(reader, db, selection)) {
      const others = await absent(source, keys);
      if (others.length > 0) await target.remove(db, others);
    }
  }
  await target.settled();
}

/** Copies libraries of functions, where the source has any and gives them away. */
export async function copyLibraries(
  { source, target }: CopySides,
  progress: Progress,
): Promise<void> {
  const payload = await source.ask("FUNCTION", "DUMP");
  if (payload instanceof Refused && !/unknown command/i.test(payload.text))
    progress.note(`functions are not copied: ${payload.text}`);
  if (!Buffer.isBuffer(payload)) return;
  try {
    if (!isWhole(payload)) throw new Malformed("what FUNCTION DUMP gave is of a newer Redis");
    for (const code of readLibraries(payload, LIBRARIES_MAX_BYTES)) await target.load(code);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    progress.problem(0, null, `functions: ${error.message}`);
  }
  await target.settled();
}
