/**
 * Hashes: where Lua 5.1 puts a key among the nodes of a table.
 *
 * Invariant: the same as on a little-endian machine with 32-bit ints, which is what Redis runs on.
 */

/** Unsigned 32 bits. Redis' Lua takes all bytes of a string, where Lua's own leaves out some of a long one. */
export function hashString(text: string): number {
  let hash = text.length;
  for (let at = text.length - 1; at >= 0; at--) {
    hash ^= (hash << 5) + (hash >>> 2) + text.charCodeAt(at);
  }
  return hash >>> 0;
}

const double = new Float64Array(1);
const halves = new Uint32Array(double.buffer);

/** Unsigned 32 bits. */
export function hashNumber(value: number): number {
  if (value === 0) return 0;
  double[0] = value;
  return ((halves[0] as number) + (halves[1] as number)) >>> 0;
}

/** The least power of two that is not smaller; `value` is at least 1. */
export function log2Ceiling(value: number): number {
  return value <= 1 ? 0 : 32 - Math.clz32(value - 1);
}
