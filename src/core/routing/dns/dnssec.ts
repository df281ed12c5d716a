/**
 * Dnssec: what signers and validators agree on (RFC 4034, algorithm 13 of RFC 6605): keys, the bytes that a signature covers, the
 * order of names.
 *
 * Invariant: the bytes are those of the records whatever their order, their remaining time to live and the case of their names. Making a
 * signature from them is the key's business, and the time comes in.
 */
import { Sink } from "../../bytes/sink.ts";
import { CLASS, TYPE } from "./constants.ts";
import type { ResourceRecord } from "./message-writer.ts";
import { nameKey, parentAt } from "./name.ts";
import { canonicalData } from "./record-data.ts";

/** A key of a zone; what is secret of it stays where it came from. */
export interface ZoneKey {
  /** X and Y of its point on P-256, 32 bytes each. */
  readonly point: Buffer;
  /** The signature of `bytes` by ECDSA with SHA-256: r and s, 32 bytes each. */
  sign(bytes: Buffer): Buffer;
  /** SHA-256 of `bytes`. */
  digest(bytes: Buffer): Buffer;
}

/** Seconds since 1970: from when until when a signature counts. */
export interface Validity {
  readonly from: number;
  readonly until: number;
}

const ALGORITHM = 13;
const SHA_256 = 2;
/** A key of the zone that its parent may name. */
const KEY_FLAGS = 0x0101;
const PROTOCOL = 3;

/** The data of a DNSKEY record. */
export function keyData(key: ZoneKey): Buffer {
  const head = Buffer.from([KEY_FLAGS >> 8, KEY_FLAGS & 0xff, PROTOCOL, ALGORITHM]);
  return Buffer.concat([head, key.point]);
}

/** What signatures call a key by (RFC 4034, appendix B). */
function keyTag(data: Buffer): number {
  let sum = 0;
  for (const [i, byte] of data.entries()) sum += (i & 1) === 0 ? byte << 8 : byte;
  return (sum + (sum >> 16)) & 0xffff;
}

/** The data of the DS record by which a parent vouches for a key. */
export function delegationData(origin: Buffer, key: ZoneKey): Buffer {
  const data = keyData(key);
  const head = Buffer.alloc(4);
  head.writeUInt16BE(keyTag(data), 0);
  head[2] = ALGORITHM;
  head[3] = SHA_256;
  return Buffer.concat([head, key.digest(Buffer.concat([lower(origin), data]))]);
}

/** The RRSIG of a set: records of one name and type, the name as the zone has it: with its asterisk, if it is a wildcard. */
export function signSet(
  records: readonly ResourceRecord[],
  origin: Buffer,
  key: ZoneKey,
  validity: Validity,
): ResourceRecord {
  const [{ name, type, ttl }] = records as readonly [ResourceRecord];
  const sink = new Sink(512);
  sink.u16(type);
  sink.u8(ALGORITHM);
  sink.u8(labelsOf(name));
  sink.u32(ttl);
  sink.u32(validity.until >>> 0);
  sink.u32(validity.from >>> 0);
  sink.u16(keyTag(keyData(key)));
  const signer = lower(origin);
  sink.raw(signer, 0, signer.length);
  const head = sink.copy();
  const owner = lower(name);
  for (const data of records
    .map((record) => canonicalData(type, record.data))
    .toSorted((a, b) => a.compare(b))) {
    sink.raw(owner, 0, owner.length);
    sink.u16(type);
    sink.u16(CLASS.IN);
    sink.u32(ttl);
    sink.u16(data.length);
    sink.raw(data, 0, data.length);
  }
  const data = Buffer.concat([head, key.sign(sink.copy())]);
  return { name, type: TYPE.RRSIG, class: CLASS.IN, ttl, data };
}

/** The data of an NSEC record: the next name, and the types that there are. */
export function nsecData(next: Buffer, types: Iterable<number>): Buffer {
  const windows = new Map<number, Buffer>();
  for (const type of types) {
    const bits = windows.get(type >> 8) ?? Buffer.alloc(32);
    windows.set(type >> 8, bits);
    const at = (type & 0xff) >> 3;
    bits[at] = (bits[at] as number) | (0x80 >> (type & 7));
  }
  const maps = [...windows]
    .toSorted(([a], [b]) => a - b)
    .map(([window, bits]) => {
      const length = bits.findLastIndex((byte) => byte !== 0) + 1;
      return Buffer.concat([Buffer.from([window, length]), bits.subarray(0, length)]);
    });
  return Buffer.concat([lower(next), ...maps]);
}

/** Sorts as RFC 4034 orders names: by their last labels first. `key` is a `nameKey`. */
export function nameOrder(key: string): string {
  const labels: string[] = [];
  for (let at = 0; key.charCodeAt(at) !== 0; at += 1 + key.charCodeAt(at)) {
    let label = "";
    // One up, so that what separates labels comes before every byte.
    for (let i = at + 1; i <= at + key.charCodeAt(at); i++)
      label += String.fromCharCode(key.charCodeAt(i) + 1);
    labels.push(label);
  }
  return labels.toReversed().join("\u0000");
}

/** How many labels a name has, without an asterisk in front. */
function labelsOf(name: Buffer): number {
  let count = name[0] === 1 && name[1] === 0x2a ? -1 : 0;
  for (let at = 0; name[at] !== 0; at = parentAt(name, at)) count++;
  return count;
}

function lower(name: Buffer): Buffer {
  return Buffer.from(nameKey(name), "latin1");
}
