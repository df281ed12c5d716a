/**
 * SessionToken: what a session has seen, as text that an application carries to wherever it goes on.
 *
 *   token = base64url of: u8 version │ varint n, n × (8 bytes incarnation, varint seq) │ u64 mark        (SipHash-2-4 of the rest)
 *
 * Invariant: a token is taken only as a replica of this cluster gave it: a made-up one could make clients wait for ever. Reading
 * throws nothing: what is not a token is a refusal.
 */
import { Sink } from "../bytes/sink.ts";
import { sipHash } from "../bytes/sip-hash.ts";
import { Malformed, Source } from "../bytes/source.ts";
import type { Named } from "../replica/waits.ts";

const VERSION = 1;
const INCARNATION_BYTES = 8;
const MARK_BYTES = 8;
/** Longer than any token of 4096 origins. */
const TEXT_MAX = 100_000;

/** The key of tokens that follows from the secret that peers share. */
export function tokenKeyOf(secret: string): Buffer {
  const bytes = Buffer.from(secret);
  const key = Buffer.alloc(16);
  const halves = ["atoll tokens: 0.", "atoll tokens: 1."];
  halves.forEach((name, i) => key.writeBigUInt64BE(sipHash(Buffer.from(name), bytes), 8 * i));
  return key;
}

/** `key` has 16 bytes, the same at every member. */
export function tokenOf(seen: readonly Named[], key: Buffer): string {
  const sink = new Sink(64);
  sink.u8(VERSION);
  sink.varint(seen.length);
  for (const { incarnation, seq } of seen) {
    sink.latin1(incarnation);
    sink.varint(seq);
  }
  const mark = Buffer.alloc(MARK_BYTES);
  mark.writeBigUInt64BE(sipHash(key, sink.copy()));
  sink.raw(mark, 0, MARK_BYTES);
  return sink.view().toString("base64url");
}

/** What a token names, or why it is not taken, as an error with its code. */
export function readToken(text: string, key: Buffer): readonly Named[] | string {
  const bytes = Buffer.from(text.length > TEXT_MAX ? "" : text, "base64url");
  const end = bytes.length - MARK_BYTES;
  // Whoever decodes leniently would take many texts for one token.
  if (end < 2 || bytes.toString("base64url") !== text) return NO_TOKEN;
  if (bytes[0] !== VERSION)
    return `ERR the token is of version ${bytes[0]}, this node reads version ${VERSION}`;
  if (bytes.readBigUInt64BE(end) !== sipHash(key, Buffer.from(bytes.subarray(0, end))))
    return "AATOKENEPOCH the token was not given by this cluster, or was changed on its way";
  try {
    return readSeen(new Source(bytes, 1, end));
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return NO_TOKEN;
  }
}

const NO_TOKEN = "ERR that is no token: take one from AA.TOKEN as it is";

function readSeen(source: Source): Named[] {
  const seen: Named[] = [];
  for (let left = source.varint(); left > 0; left--) {
    const start = source.skip(INCARNATION_BYTES);
    const incarnation = source.bytes.latin1Slice(start, start + INCARNATION_BYTES);
    seen.push({ incarnation, seq: source.varint() });
  }
  return seen;
}
