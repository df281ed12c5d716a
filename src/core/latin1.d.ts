/**
 * Latin1: two methods that every Node Buffer has and that its published types leave out.
 *
 * Invariant: nothing stands here but what `src/core/globals.d.ts` and `@types/node` both lack, for both are merged with it.
 * They skip the dispatch on an encoding's name, which is most of the time `toString` and `write` need for short keys.
 */
interface Buffer<
  TArrayBuffer extends ArrayBufferLike = ArrayBufferLike,
> extends Uint8Array<TArrayBuffer> {
  /** One character a byte, from `start` up to `end`. */
  latin1Slice(start?: number, end?: number): string;
  /** Writes the low byte of each character; returns the bytes written. */
  latin1Write(text: string, offset?: number, length?: number): number;
}
