/**
 * Old packs: ziplists, zipmaps and intsets, which Redis wrote before it had listpacks; intsets it still writes.
 *
 *   ziplist   u32 bytes in all │ u32 where the last begins │ u16 entries, 65535 for many │ entry … │ ff
 *   zipmap    u8 pairs, 254 for many │ name, value … │ ff
 *   intset    u32 bytes of an integer │ u32 integers │ integers, ascending
 *
 * Invariant: as of listpacks, a pack is right as a whole or malformed.
 */
import { Malformed, Source } from "../bytes/source.ts";
import { Strings } from "../bytes/strings.ts";

const END = 0xff;
/** A length or distance of four bytes follows. */
const LONG = 0xfe;
const ZIPLIST_HEADER_BYTES = 10;
const ZIPLIST_MANY = 0xffff;
const ZIPMAP_MANY = 0xfe;

/** All entries of a ziplist. Throws `Malformed`. */
export function readZiplist(bytes: Buffer): Strings {
  const source = new Source(bytes);
  source.need(ZIPLIST_HEADER_BYTES);
  const count = bytes.readUInt16LE(8);
  const last = bytes.readUInt32LE(4);
  if (bytes.readUInt32LE(0) !== bytes.length) throw broken();
  source.at = ZIPLIST_HEADER_BYTES;
  const found = new Strings();
  let before = 0;
  let from = source.at;
  for (let first = source.u8(); first !== END; first = source.u8()) {
    if ((first === LONG ? u32(source) : first) !== before) throw broken();
    from = source.at - (first === LONG ? 5 : 1);
    readZiplistEntry(source, found);
    before = source.at - from;
  }
  if (source.left > 0 || last !== from) throw broken();
  if (count !== ZIPLIST_MANY && count !== found.count) throw broken();
  return found;
}

function readZiplistEntry(source: Source, found: Strings): void {
  const { bytes } = source;
  const kind = source.u8();
  const integer = (size: number): void =>
    found.pushText(String(bytes.readIntLE(source.skip(size), size)));
  if (kind < 0x40) push(source, kind, found);
  else if (kind < 0x80) push(source, ((kind & 0x3f) << 8) | source.u8(), found);
  else if (kind === 0x80) push(source, source.u32(), found);
  else if (kind === 0xc0) integer(2);
  else if (kind === 0xd0) integer(4);
  else if (kind === 0xe0) found.pushText(String(bytes.readBigInt64LE(source.skip(8))));
  else if (kind === 0xf0) integer(3);
  else if (kind === 0xfe) integer(1);
  else if (kind > 0xf0 && kind < 0xfe) found.pushText(String(kind - 0xf1));
  else throw broken();
}

/** All names and values of a zipmap, in turn. Throws `Malformed`. */
export function readZipmap(bytes: Buffer): Strings {
  const source = new Source(bytes);
  const count = source.u8();
  const found = new Strings();
  for (let first = source.u8(); first !== END; first = source.u8()) {
    push(source, first === LONG ? u32(source) : first, found);
    const second = source.u8();
    const length = second === LONG ? u32(source) : second;
    // Bytes that a shorter value left unused behind it.
    const unused = source.u8();
    push(source, length, found);
    source.skip(unused);
  }
  if (source.left > 0 || (count < ZIPMAP_MANY && count * 2 !== found.count)) throw broken();
  return found;
}

/** All members of an intset. Throws `Malformed`. */
export function readIntset(bytes: Buffer): Strings {
  const source = new Source(bytes);
  const size = u32(source);
  const count = u32(source);
  if ((size !== 2 && size !== 4 && size !== 8) || count * size !== source.left) throw broken();
  const found = new Strings();
  let before = -(2n ** 63n) - 1n;
  for (; source.left > 0; source.skip(size)) {
    const value =
      size === 8 ? bytes.readBigInt64LE(source.at) : BigInt(bytes.readIntLE(source.at, size));
    if (value <= before) throw broken();
    found.pushText(String(value));
    before = value;
  }
  return found;
}

/** An intset of these integers, ascending, of 64 bits each at most. */
export function intset(integers: readonly bigint[]): Buffer {
  const size = [2, 4, 8].find((bytes) => {
    const fits = (value = 0n): boolean => BigInt.asIntN(8 * bytes, value) === value;
    return fits(integers[0]) && fits(integers.at(-1));
  }) as number;
  const out = Buffer.alloc(8 + size * integers.length);
  out.writeUInt32LE(size, 0);
  out.writeUInt32LE(integers.length, 4);
  for (const [i, value] of integers.entries()) {
    const at = 8 + size * i;
    if (size === 8) out.writeBigInt64LE(value, at);
    else out.writeIntLE(Number(value), at, size);
  }
  return out;
}

function push(source: Source, length: number, found: Strings): void {
  const start = source.skip(length);
  found.push(source.bytes, start, start + length);
}

function u32(source: Source): number {
  return source.bytes.readUInt32LE(source.skip(4));
}

function broken(): Malformed {
  return new Malformed("a pack is broken");
}
