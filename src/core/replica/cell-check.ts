/** Cell check: whether a cell that came as bytes can be one of its collection. */
import { Malformed } from "../bytes/source.ts";
import { checkChunk, CHUNK_NAME_BYTES, chunkAt } from "../crdt/bitmap.ts";
import type { Cell } from "../crdt/cell.ts";
import { BITMAP, type Collection, LIST, STREAM, ZSET } from "../crdt/key.ts";
import { checkPosition } from "../crdt/position.ts";
import { isScore } from "../crdt/score.ts";
import { checkStreamName, checkStreamValue } from "../crdt/stream-cell.ts";

/** Throws `Malformed` for a name or values that no command could have made. */
export function checkCell(tag: Collection, name: Buffer, { siblings, eras }: Cell): void {
  if (tag === LIST) checkPosition(name, 0, name.length);
  if (tag === ZSET && !siblings.every(({ value }) => isScore(value, 0, value.length)))
    throw new Malformed("a member's score is none");
  if (tag === STREAM) {
    checkStreamName(name, 0, name.length);
    if (eras.length > 0) throw new Malformed("a stream counts nothing");
    for (const { value } of siblings) checkStreamValue(name[0] as number, value, 0, value.length);
  }
  if (tag !== BITMAP) return;
  if (name.length !== CHUNK_NAME_BYTES) throw new Malformed("a chunk is named by four bytes");
  for (const { value } of siblings) checkChunk(chunkAt(name, 0), value.length);
}
