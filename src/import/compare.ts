/**
 * Compare: whether the target shows what the source shows, key by key, values and deadlines, in both directions.
 *
 * Invariant: a key is called different only when it was so each time it was looked at, a moment apart: both sides may be written to, and
 * what is on its way arrives.
 */
import { setTimeout as after } from "node:timers/promises";
import type { RedisClient } from "../adapters/redis-client/redis-client.ts";
import { decodePayload, isWhole } from "../core/rdb/payload.ts";
import { sameValue } from "../core/rdb/same-value.ts";
import { Refused } from "../core/wire/answers.ts";
import { absent, databases, type Held, held, scan } from "./keys.ts";
import type { Progress } from "./progress.ts";
import type { Selection } from "./selection.ts";

/** Reading both sides takes a moment, and clocks differ a little. */
const DEADLINE_TOLERANCE_MS = 2_000;
const LOOKS = 4;
const BETWEEN_LOOKS_MS = 300;
const DECOMPRESSED_MAX = 2 ** 31;

export interface Comparison {
  readonly equal: boolean;
  /** Keys of the source whose values were compared, and keys there and here. */
  readonly compared: number;
  readonly sourceKeys: number;
  readonly targetKeys: number;
  readonly different: number;
}

interface Sides {
  readonly source: RedisClient;
  readonly target: RedisClient;
}

/** Compares the part `share` (1: all) of the selected keys. Differences become problems. Throws `Unwilling` and `Lost`. */
export async function compare(
  sides: Sides,
  selection: Selection,
  share: number,
  progress: Progress,
): Promise<Comparison> {
  const { source, target } = sides;
  progress.phase = "comparing";
  progress.compared = 0;
  progress.different = 0;
  const chosen = (keys: readonly Buffer[]): Buffer[] =>
    keys.filter(() => share >= 1 || Math.random() < share);
  let sourceKeys = 0;
  for (const db of (await databases(source, selection)).keys()) {
    await target.demand("SELECT", String(db));
    for await (const keys of scan(source, db, selection)) {
      sourceKeys += keys.length;
      const some = chosen(keys);
      if (some.length === 0) continue;
      for (const { key, why } of await differences(sides, some)) {
        progress.different++;
        progress.problem(db, key, why);
      }
      progress.compared += some.length;
    }
  }
  let targetKeys = 0;
  for (const db of (await databases(target, selection)).keys()) {
    await source.demand("SELECT", String(db));
    for await (const keys of scan(target, db, selection)) {
      targetKeys += keys.length;
      for (const key of await surplus(sides, chosen(keys))) {
        progress.different++;
        progress.problem(db, key, "the source does not have it");
      }
    }
  }
  const { compared, different } = progress;
  return { equal: different === 0, compared, sourceKeys, targetKeys, different };
}

/** Keys of the target that the source does not have, however often one looks. */
async function surplus(
  { source, target }: Sides,
  keys: readonly Buffer[],
): Promise<readonly Buffer[]> {
  let left = keys;
  for (let look = 1; ; look++) {
    left = await absent(source, left);
    if (left.length === 0) return left;
    const gone = new Set((await absent(target, left)).map((key) => key.latin1Slice()));
    left = left.filter((key) => !gone.has(key.latin1Slice()));
    if (left.length === 0 || look === LOOKS) return left;
    await after(BETWEEN_LOOKS_MS * look);
  }
}

/** Those of some keys of the selected databases that differ, however often one looks. */
async function differences(
  { source, target }: Sides,
  keys: readonly Buffer[],
): Promise<{ key: Buffer; why: string }[]> {
  let left = keys;
  for (let look = 1; ; look++) {
    const [there, here] = await Promise.all([held(source, left), held(target, left)]);
    const found = left.flatMap((key, i) => {
      const why = difference(there[i] as Held, here[i] as Held);
      return why === null ? [] : [{ key, why }];
    });
    if (found.length === 0 || look === LOOKS) return found;
    left = found.map(({ key }) => key);
    await after(BETWEEN_LOOKS_MS * look);
  }
}

/** How what two servers hold of a key differs; null when it does not. */
export function difference(source: Held, target: Held): string | null {
  if (source.payload === null)
    return target.payload === null ? null : "the source does not have it";
  if (target.payload === null) return "the target does not have it";
  for (const [side, { payload }] of [
    ["source", source],
    ["target", target],
  ] as const)
    if (payload instanceof Refused) return `the ${side} does not give it away: ${payload.text}`;
  if (!sameBytes(source.payload as Buffer, target.payload as Buffer)) return "the values differ";
  const [there, here] = [source.leftMs, target.leftMs];
  const apart = there === here ? 0 : Math.abs(there - here);
  return apart <= DEADLINE_TOLERANCE_MS
    ? null
    : `it expires ${told(there)} at the source, ${told(here)} at the target`;
}

function told(leftMs: number): string {
  return leftMs === Infinity ? "never" : `in ${leftMs} ms`;
}

function sameBytes(a: Buffer, b: Buffer): boolean {
  if (a.equals(b)) return true;
  const [left, right] = [a, b].map((payload) =>
    isWhole(payload) ? decodePayload(payload, DECOMPRESSED_MAX) : null,
  );
  return left != null && right != null && sameValue(left, right);
}
