/**
 * Install: puts a key's state in place of what a replica holds, without a record: it is what its own records should have made.
 *
 * Invariant: the dots stay those of the records that wrote the parts, so no replica ever sees a write here. Floors and resets that
 * still wait for stability stand again afterwards: what they keep out stays out.
 */
import { Context } from "../crdt/context.ts";
import { type Key, STRING } from "../crdt/key.ts";
import { Place } from "../keyspace/place.ts";
import type { GarbageItem } from "../replica/garbage.ts";
import type { Replica } from "../replica/replica.ts";
import { KeyDigest } from "./key-digest.ts";
import { visitParts } from "./parts.ts";
import { DIGEST_WORDS } from "./digest.ts";

/** What waits for stability, by `db:key`. Good for one turn: what was collected may not come back. */
export function waitingByKey(replica: Replica): ReadonlyMap<string, readonly GarbageItem[]> {
  const byKey = new Map<string, GarbageItem[]>();
  for (const item of replica.garbage.items()) {
    const name = `${item.db}:${item.key.latin1Slice()}`;
    const items = byKey.get(name);
    if (items === undefined) byKey.set(name, [item]);
    else items.push(item);
  }
  return byKey;
}

/** The digest of a key that is in no table. */
export function digestOf(
  key: Key,
  db: number,
  name: Buffer,
  words: Int32Array,
  replica: Replica,
): Int32Array {
  const sums = new Int32Array(DIGEST_WORDS);
  const digest = new KeyDigest(words, replica.origins);
  digest.begin(db, name, 0, name.length, sums, 0);
  visitParts(key, digest, () => false);
  return sums;
}

/** Puts `key` where the key of that name lies, or nothing at all. */
export function install(
  replica: Replica,
  db: number,
  name: Buffer,
  key: Key,
  waiting: ReadonlyMap<string, readonly GarbageItem[]>,
): void {
  const { keyspace } = replica;
  const place = new Place();
  keyspace.locate(place, db, name, 0, name.length);
  const old = keyspace.open(place);
  key.counted = old.counted;
  key.countedExpiring = old.countedExpiring;
  key.countedExpirable = old.countedExpirable;
  for (const item of waiting.get(`${db}:${name.latin1Slice()}`) ?? []) stand(item, key, replica);
  keyspace.noteWrite(place);
  keyspace.changes.unlogged++;
  keyspace.close(place, key);
  for (const body of old.bodies) body.free();
}

/** What an item of garbage says about a key holds again. */
function stand({ origin, seq, what }: GarbageItem, key: Key, { keyspace }: Replica): void {
  if (what.kind === "floor") {
    const { bornMs, writtenMs, writtenTick } = what;
    key.raiseFloor({ origin, seq, bornMs, writtenMs, writtenTick });
  } else if (what.kind === "member")
    key.raiseMemberFloor(what.member, { origin, seq, ms: what.ms, tick: what.tick });
  else if (what.kind === "resets" && what.tag === STRING) keyspace.cell(key).reset(what.resets);
  else if (what.kind === "resets" && what.tag !== STRING)
    keyspace
      .cells(key, what.tag)
      .remove(new Context(), what.name, 0, what.name.length, what.resets, -1);
}
