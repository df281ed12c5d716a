/**
 * Bitmaps in chunks: changed bits are written in the format that the key has, or that its prefix was given.
 *
 * Invariant: a write carries the chunks whose bytes it changes, and the last one where the string grows. A chunk of zeros between
 * others is not kept.
 */
import { CHUNK_BYTES } from "../crdt/bitmap.ts";
import { BITMAP, NEVER_MS, NONE } from "../crdt/key.ts";
import type { Place } from "../keyspace/place.ts";
import type { Run } from "./run.ts";

const zeros = Buffer.alloc(CHUNK_BYTES);

/** Whether what is written to the bits of a key goes into chunks. */
export function isInChunks(run: Run, place: Place): boolean {
  if (place.tag === BITMAP) return true;
  return run.keyspace.policies.formatOf(place.bytes, place.start, place.end) === "bitmap";
}

/** Writes one byte of a bitmap that is kept in chunks. */
export function writeByte(run: Run, place: Place, at: number, byte: number): void {
  const chunk = Math.floor(at / CHUNK_BYTES);
  const within = at % CHUNK_BYTES;
  const length = place.readChunk(chunk);
  place.chunk[within] = byte;
  run.write.putChunk(place, chunk, place.chunk, 0, Math.max(length, within + 1));
}

/** Writes a string of which some bits were changed; its deadline stays. */
export function writeBits(run: Run, place: Place, value: Buffer): void {
  if (!isInChunks(run, place)) run.write.set(place, place.deadline, value, 0, value.length);
  else if (place.tag === BITMAP) changeChunks(run, place, value);
  else {
    const { type, deadline } = place;
    putChunks(run, place, value);
    if (type === NONE) return;
    run.lookAgain(place);
    const wanted = deadline === Infinity ? NEVER_MS : deadline;
    if (place.deadline !== deadline) run.write.expire(place, wanted);
  }
}

/** Writes a string in place of whatever the key held. */
export function replaceBits(run: Run, place: Place, value: Buffer): void {
  if (place.type !== NONE) {
    run.write.remove(place);
    run.lookAgain(place);
  }
  putChunks(run, place, value);
}

function changeChunks(run: Run, place: Place, value: Buffer): void {
  const { value: before, valueEnd } = place;
  for (let start = 0; start < value.length; start += CHUNK_BYTES) {
    const end = Math.min(start + CHUNK_BYTES, value.length);
    const known = Math.max(start, Math.min(end, valueEnd));
    const changed =
      (known > start && value.compare(before, start, known, start, known) !== 0) ||
      value.compare(zeros, 0, end - known, known, end) !== 0;
    const grows = end > valueEnd && end === value.length;
    if (changed || grows) run.write.putChunk(place, start / CHUNK_BYTES, value, start, end);
  }
}

function putChunks(run: Run, place: Place, value: Buffer): void {
  for (let start = 0; start < value.length; start += CHUNK_BYTES) {
    const end = Math.min(start + CHUNK_BYTES, value.length);
    if (end === value.length || value.compare(zeros, 0, end - start, start, end) !== 0)
      run.write.putChunk(place, start / CHUNK_BYTES, value, start, end);
  }
}
