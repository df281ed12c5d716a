/**
 * Conflict: one write that lost against a concurrent one, as an entry of the conflict feed, and its bytes.
 *
 * Invariant: an entry is named by what was lost: the loser's dot and, since a record may write much, a hash of where. So whoever
 * writes it twice writes it once. The name's hash is the same on every replica and in every life of it.
 *
 *   name   us-east/1@018f3a…:42:9f3c21ab77d01234
 *   bytes  u8 version │ varint db │ bytes key │ varint tag │ u8 what │ bytes path │ text policy │ loser │ winner │ varint tag │
 *          u8 cut │ bytes value                                        loser, winner = origin │ varint seq │ u48 ms │ u16 tick
 */
import { Sink } from "../bytes/sink.ts";
import { Malformed, Source } from "../bytes/source.ts";
import { type Origin, originName, readOrigin, writeOrigin } from "../clock/origins.ts";

/** A value, a member of a collection, what one origin added to a counter, or a generation as one payload. */
export const WHATS = ["value", "member", "increments", "generation"] as const;
export type What = (typeof WHATS)[number];

/** A write: whose, and when. */
export interface Written {
  readonly origin: Origin;
  readonly seq: number;
  readonly ms: number;
  readonly tick: number;
}

export interface Conflict {
  readonly db: number;
  readonly key: Buffer;
  /** The type that was written. */
  readonly tag: number;
  readonly what: What;
  /** Field, member, position or id; of a generation its kind; empty for a string. */
  readonly path: Buffer;
  /** The policy that decided, or `type` when another type won. */
  readonly policy: string;
  readonly loser: Written;
  readonly winner: Written;
  /** The type that won. */
  readonly winnerTag: number;
  /** Whether the value was too long to be kept whole. */
  readonly cut: boolean;
  readonly value: Buffer;
}

const VERSION = 1;
/** Longer values are cut. */
const VALUE_MAX_BYTES = 1024 * 1024;

/** The name of an entry. */
export function conflictId({
  loser,
  db,
  key,
  tag,
  what,
  path,
}: Pick<Conflict, "loser" | "db" | "key" | "tag" | "what" | "path">): string {
  const sink = new Sink(64);
  sink.varint(db);
  sink.varint(tag);
  sink.u8(WHATS.indexOf(what));
  sink.bytes(key, 0, key.length);
  sink.bytes(path, 0, path.length);
  const bytes = sink.view();
  const hash = [0x811c9dc5, 0xcbf29ce4].map((basis) =>
    fnv(bytes, basis).toString(16).padStart(8, "0"),
  );
  return `${originName(loser.origin)}:${loser.seq}:${hash.join("")}`;
}

/** FNV-1a, which needs no key: every replica must get the same. */
export function fnv(bytes: Uint8Array, basis = 0x811c9dc5): number {
  let hash = basis;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** The value of a lost write as an entry keeps it. */
export function keptValue(value: Buffer): { value: Buffer; cut: boolean } {
  const cut = value.length > VALUE_MAX_BYTES;
  return { value: Buffer.from(cut ? value.subarray(0, VALUE_MAX_BYTES) : value), cut };
}

export function writeConflict(conflict: Conflict): Buffer {
  const { db, key, tag, what, path, policy, loser, winner, winnerTag, cut, value } = conflict;
  const sink = new Sink(256 + key.length + path.length + value.length);
  sink.u8(VERSION);
  sink.varint(db);
  sink.bytes(key, 0, key.length);
  sink.varint(tag);
  sink.u8(WHATS.indexOf(what));
  sink.bytes(path, 0, path.length);
  sink.text(policy);
  for (const { origin, seq, ms, tick } of [loser, winner]) {
    writeOrigin(sink, origin);
    sink.varint(seq);
    sink.u48(ms);
    sink.u16(tick);
  }
  sink.varint(winnerTag);
  sink.u8(cut ? 1 : 0);
  sink.bytes(value, 0, value.length);
  return sink.copy();
}

/** Throws `Malformed` for an entry that this version cannot read. */
export function readConflict(bytes: Buffer): Conflict {
  const source = new Source(bytes);
  if (source.u8() !== VERSION) throw new Malformed("a conflict is of a format nobody knows here");
  const db = source.varint();
  const key = Buffer.from(source.view());
  const tag = source.varint();
  const what = WHATS[source.u8()];
  if (what === undefined) throw new Malformed("a conflict is about something nobody knows here");
  const path = Buffer.from(source.view());
  const policy = source.text();
  const [loser, winner] = [readWritten(source), readWritten(source)];
  const winnerTag = source.varint();
  const cut = source.u8() === 1;
  const value = Buffer.from(source.view());
  return { db, key, tag, what, path, policy, loser, winner, winnerTag, cut, value };
}

function readWritten(source: Source): Written {
  const origin = readOrigin(source);
  return { origin, seq: source.varint(), ms: source.u48(), tick: source.u16() };
}
