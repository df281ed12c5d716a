/**
 * EDNS: what a query says about itself beside its question (RFC 6891): how much fits, who really asks, who it is.
 *
 * Invariant: an option is taken whole and well-formed, or the query is malformed; options nobody knows are passed over.
 */
import { Malformed, type Source } from "../../bytes/source.ts";
import { isClear } from "./address.ts";
import { OPTION } from "./constants.ts";

/** The network on whose behalf a resolver asks (RFC 7871). */
export interface ClientSubnet {
  /** 1 for IPv4, 2 for IPv6, 0 only with no bits. */
  readonly family: number;
  /** How many bits of the address are told; 0: not to be told apart. */
  readonly sourceBits: number;
  /** As it came: as many bytes as the bits need. */
  readonly address: Buffer;
}

export interface Cookie {
  /** Eight bytes. */
  readonly client: Buffer;
  /** 8 to 32 bytes, or none when the client has none of ours yet. */
  readonly server: Buffer | null;
}

export interface Edns {
  udpBytes: number;
  version: number;
  /** Bits DO and those that nobody has given a meaning. */
  flags: number;
  subnet: ClientSubnet | null;
  cookie: Cookie | null;
  wantsNsid: boolean;
  wantsKeepalive: boolean;
  wantsPadding: boolean;
}

/** Reads the options of an OPT record: `source` from its first option up to `end`. */
export function readOptions(source: Source, end: number, edns: Edns): void {
  while (source.at < end) {
    const code = source.u16();
    const length = source.u16();
    const start = source.skip(length);
    if (source.at > end) throw new Malformed("an option is cut off");
    switch (code) {
      case OPTION.ECS:
        edns.subnet = subnetOf(source.bytes.subarray(start, start + length));
        break;
      case OPTION.COOKIE:
        edns.cookie = cookieOf(source.bytes.subarray(start, start + length));
        break;
      case OPTION.NSID:
        edns.wantsNsid = true;
        break;
      case OPTION.KEEPALIVE:
        edns.wantsKeepalive = true;
        break;
      case OPTION.PADDING:
        edns.wantsPadding = true;
        break;
      default:
    }
  }
}

const FAMILY_BITS = [0, 32, 128];

function subnetOf(bytes: Buffer): ClientSubnet {
  if (bytes.length < 4) throw new Malformed("a client subnet is cut off");
  const family = bytes.readUInt16BE(0);
  const sourceBits = bytes[2] as number;
  const bitsMax = FAMILY_BITS[family];
  if (bitsMax === undefined) throw new Malformed("a client subnet is of no known family");
  if (sourceBits > bitsMax) throw new Malformed("a client subnet has more bits than addresses");
  if (bytes[3] !== 0) throw new Malformed("a query has a scope");
  const address = bytes.subarray(4);
  if (address.length !== Math.ceil(sourceBits / 8) || !isClear(address, sourceBits))
    throw new Malformed("a client subnet has other bytes than its bits need");
  return { family, sourceBits, address };
}

function cookieOf(bytes: Buffer): Cookie {
  if (bytes.length !== 8 && (bytes.length < 16 || bytes.length > 40))
    throw new Malformed("a cookie has another length than cookies have");
  return {
    client: bytes.subarray(0, 8),
    server: bytes.length === 8 ? null : bytes.subarray(8),
  };
}
