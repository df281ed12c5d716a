/**
 * Slot: which of 16,384 parts of the keyspace a key belongs to, exactly as Redis Cluster places it.
 *
 * Invariant: a key with a hash tag (`cart:{42}:items`) lies where its tag (`42`) lies; an empty tag does not count. The
 * function is CRC16 XMODEM of the tag or the whole key, modulo 16,384, and never changes: slots name parts of files and wires.
 */
export const SLOTS = 16_384;

const table = new Uint16Array(256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  table[byte] = crc;
}

const OPEN = 123;
const CLOSE = 125;

/** The slot of the key `bytes[start … end)`. */
export function slotOf(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    if (byte === OPEN) return taggedSlot(bytes, start, end, i);
    crc = ((crc << 8) & 0xffff) ^ (table[(crc >>> 8) ^ byte] as number);
  }
  return crc & (SLOTS - 1);
}

function taggedSlot(bytes: Uint8Array, start: number, end: number, open: number): number {
  const [from, to] = tagFrom(bytes, start, end, open);
  return crc16(bytes, from, to) & (SLOTS - 1);
}

/** Where the tag of the key `bytes[start … end)` begins and ends; without one, the key. */
export function tagOf(bytes: Uint8Array, start: number, end: number): readonly [number, number] {
  for (let i = start; i < end; i++) if (bytes[i] === OPEN) return tagFrom(bytes, start, end, i);
  return [start, end];
}

function tagFrom(
  bytes: Uint8Array,
  start: number,
  end: number,
  open: number,
): readonly [number, number] {
  let close = open + 1;
  while (close < end && bytes[close] !== CLOSE) close++;
  return close < end && close > open + 1 ? [open + 1, close] : [start, end];
}

function crc16(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0;
  for (let i = start; i < end; i++)
    crc = ((crc << 8) & 0xffff) ^ (table[(crc >>> 8) ^ (bytes[i] as number)] as number);
  return crc;
}
