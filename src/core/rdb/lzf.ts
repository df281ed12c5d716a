/**
 * LZF: the compression of strings in Redis' format.
 *
 *   000nnnnn                            n + 1 bytes follow as they are
 *   nnnooooo oooooooo                   n + 2 bytes again, from o + 1 bytes before (n from 1 to 6)
 *   111ooooo nnnnnnnn oooooooo          n + 9 bytes again
 *
 * Invariant: what is decompressed never reads before its own beginning, nor writes behind the end that was announced.
 */
import { Malformed } from "../bytes/source.ts";
import type { Sink } from "../bytes/sink.ts";

const LITERALS_MAX = 32;
const DISTANCE_MAX = 1 << 13;
const MATCH_MIN = 3;
const MATCH_MAX = 264;
/** Three bytes say `MATCH_MAX` bytes; nothing says more. */
const RATIO_MAX = MATCH_MAX / 3;

const HASH_BITS = 13;
/** The last place, plus one, where three bytes of that hash stood. */
const places = new Int32Array(1 << HASH_BITS);

/** Compresses bytes into a sink; false, with the sink as it was, when that would not make them shorter than `most`. */
export function compress(
  bytes: Uint8Array,
  start: number,
  end: number,
  most: number,
  out: Sink,
): boolean {
  places.fill(0);
  const begin = out.length;
  let literals = start;
  let at = start;
  while (at + MATCH_MIN <= end) {
    const three =
      ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
    const hash = Math.imul(three, 0x9e3779b1) >>> (32 - HASH_BITS);
    const before = (places[hash] as number) - 1;
    places[hash] = at + 1;
    const distance = at - before;
    const length =
      before < start || distance > DISTANCE_MAX ? 0 : matchLength(bytes, before, at, end);
    if (length < MATCH_MIN) {
      at++;
      continue;
    }
    writeLiterals(bytes, literals, at, out);
    const high = (distance - 1) >> 8;
    if (length - 2 < 7) out.u8(((length - 2) << 5) | high);
    else {
      out.u8((7 << 5) | high);
      out.u8(length - 9);
    }
    out.u8((distance - 1) & 0xff);
    at += length;
    literals = at;
    if (out.length - begin >= most) break;
  }
  writeLiterals(bytes, literals, end, out);
  if (out.length - begin < most) return true;
  out.length = begin;
  return false;
}

function matchLength(bytes: Uint8Array, before: number, at: number, end: number): number {
  const most = Math.min(MATCH_MAX, end - at);
  let length = 0;
  while (length < most && bytes[before + length] === bytes[at + length]) length++;
  return length;
}

function writeLiterals(bytes: Uint8Array, start: number, end: number, out: Sink): void {
  for (let at = start; at < end; at += LITERALS_MAX) {
    const next = Math.min(at + LITERALS_MAX, end);
    out.u8(next - at - 1);
    out.raw(bytes, at, next);
  }
}

/** Decompresses all of `bytes` into exactly `length` bytes of their own. Throws `Malformed`. */
export function decompress(bytes: Uint8Array, length: number): Buffer {
  // Whoever announces more than the bytes can say does not get the memory for it.
  if (length > bytes.length * RATIO_MAX) throw new Malformed("a compressed string is too long");
  const out = Buffer.allocUnsafeSlow(length);
  let to = 0;
  let at = 0;
  while (at < bytes.length) {
    const control = bytes[at++] as number;
    let count = control >> 5;
    if (count === 0) {
      count = control + 1;
      if (count > bytes.length - at || count > length - to) throw cutOff();
      for (let i = 0; i < count; i++) out[to++] = bytes[at++] as number;
      continue;
    }
    if (count === 7) count += at < bytes.length ? (bytes[at++] as number) : 0;
    if (at === bytes.length) throw cutOff();
    const from = to - ((control & 0x1f) << 8) - (bytes[at++] as number) - 1;
    count += 2;
    if (from < 0 || count > length - to) throw cutOff();
    // Byte by byte, since a match may reach into what it writes.
    for (let i = 0; i < count; i++) out[to++] = out[from + i] as number;
  }
  if (to !== length) throw cutOff();
  return out;
}

function cutOff(): Malformed {
  return new Malformed("a compressed string is broken");
}
