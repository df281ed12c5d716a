/**
 * VoidWrites: what a directory holds that is void, because its member was removed before anybody else had it: as entries such as
 * the conflict feed has, which AA.RESTORE writes again.
 *
 *   directory of the removed member ─► its keys ─► writes beyond the seal ─► entries ─► AA.RESTORE ENTRY at a member that remains
 *
 * Invariant: nothing is told that the cluster has. What a void write was replaced by that is void too is gone, as it is for its own
 * member; a void removal leaves nothing to be told.
 */
import { type Origin, originName } from "../clock/origins.ts";
import { Malformed } from "../bytes/source.ts";
import { parseDouble } from "../bytes/double.ts";
import { format, parseDecimal, subtract } from "../crdt/amount.ts";
import { checkChunk, CHUNK_BYTES } from "../crdt/bitmap.ts";
import {
  BITMAP,
  COUNTING,
  GENERATION,
  isCollection,
  LIST,
  SET,
  STREAM,
  STRING,
  ZSET,
} from "../crdt/key.ts";
import { checkPosition } from "../crdt/position.ts";
import { checkStreamName, checkStreamValue } from "../crdt/stream-cell.ts";
import { isInternal, type Keyspace } from "../keyspace/keyspace.ts";
import { Place } from "../keyspace/place.ts";
import { Entry } from "../keyspace/table.ts";
import { type Conflict, keptValue, readConflict } from "../replica/conflict.ts";
import { eachWrite } from "./history.ts";
import type { Run } from "./run.ts";

/** Writes that lie beyond the end of their origin; `endOf` says where that is, Infinity for an origin that goes on. */
export function* voidWrites(run: Run, endOf: (origin: Origin) => number): Generator<Conflict> {
  const { keyspace } = run;
  const entry = new Entry();
  const place = new Place();
  const ends = new Map<string, number>();
  for (const table of keyspace.shards) {
    const names: { readonly db: number; readonly key: Buffer }[] = [];
    table.each((at) => {
      table.load(at, entry);
      const { db, bytes, nameStart, nameEnd } = entry;
      if (!isInternal(db)) names.push({ db, key: Buffer.from(bytes.subarray(nameStart, nameEnd)) });
    });
    for (const { db, key } of names) {
      const found: Conflict[] = [];
      keyspace.locate(place, db, key, 0, key.length);
      eachWrite(run, place, ({ write, tag, what, path, value }, generation) => {
        const name = originName(write.origin);
        const end = ends.get(name) ?? endOf(write.origin);
        ends.set(name, end);
        if (write.seq <= end) return;
        const winners = { winner: write, winnerTag: tag };
        found.push({
          ...{ db, key, tag, what, path, policy: "void", loser: write, ...winners },
          ...keptValue(generation?.state.encode() ?? value),
        });
      });
      yield* found;
    }
  }
}

/**
 * Reads an entry that a client sends; null for bytes that are none, or that no command could have written: what is written must pass at
 * every replica.
 */
export function readEntry(bytes: Buffer, { keyspace, settings }: Run): Conflict | null {
  try {
    const entry = readConflict(bytes);
    return entry.db < settings.databases && isSound(entry, keyspace) ? entry : null;
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}

function isSound({ tag, what, path, value }: Conflict, { kinds }: Keyspace): boolean {
  if (what === "generation") {
    const kind = [...kinds.values()].find(({ name }) => name === path.latin1Slice());
    kind?.check(value);
    return kind !== undefined && tag === GENERATION;
  }
  if (tag !== STRING && (!isCollection(tag) || (tag & (tag - 1)) !== 0)) return false;
  if (what === "increments")
    return (tag & COUNTING) !== 0 && parseDecimal(value, 0, value.length) !== null;
  if ((what === "member") !== (tag === SET)) return false;
  if (tag === ZSET) return !Number.isNaN(parseDouble(value, 0, value.length));
  if (tag === LIST) checkPosition(path, 0, path.length);
  if (tag === STREAM) {
    checkStreamName(path, 0, path.length);
    checkStreamValue(path[0] as number, value, 0, value.length);
  }
  if (tag !== BITMAP) return true;
  const chunk = Number(path.latin1Slice()) / CHUNK_BYTES;
  checkChunk(chunk, value.length);
  return Number.isInteger(chunk) && chunk >= 0;
}

/** The value of an entry without what is here of it already: what one origin added until its end has arrived, what it added later has not. */
export function missingHere(run: Run, place: Place, entry: Conflict): Buffer {
  const { what, path, loser, value } = entry;
  let missing = value;
  if (what !== "increments") return missing;
  eachWrite(run, place, (here) => {
    const { origin, ms, tick } = here.write;
    const isSameEra =
      here.what === "increments" &&
      here.path.equals(path) &&
      originName(origin) === originName(loser.origin) &&
      ms === loser.ms &&
      tick === loser.tick;
    const [all, has] = [value, here.value].map((text) => parseDecimal(text, 0, text.length));
    if (isSameEra && all != null && has != null) missing = Buffer.from(format(subtract(all, has)));
  });
  return missing;
}
