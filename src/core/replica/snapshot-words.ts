/**
 * SnapshotWords: what two replicas say about whole copies of the data.
 *
 *   STANDING     = u8 flags | origins | vector durable | vector base        flags: 1 whole · 2 filling, from a replica that is whole
 *   SNAP_ASK     = u48 id | varint have            id 0: a new one; else the sections of that one that are stored
 *   SNAP_BEGIN   = u48 id | varint keys | bytes section 0
 *   SNAP_SECTION = u48 id | varint index | varint keys so far | bytes
 *   SNAP_END     = u48 id | varint sections | origins | vector durable
 *
 * Invariant: a section is bytes of a checkpoint, the same as on disk. What this says about numbers of origins holds as in `words.ts`.
 */
import type { Sink } from "../bytes/sink.ts";
import type { Source } from "../bytes/source.ts";
import type { Vector } from "../clock/vector.ts";
import type { Numbering } from "./words.ts";

/** What a replica can give. */
export interface Standing {
  /** It has everything that any member may count on it to have. */
  readonly whole: boolean;
  /** It is being filled from a replica that is whole, so there is a cluster beyond it that is. */
  readonly filling: boolean;
  readonly durable: Vector;
  /** What its log no longer holds. */
  readonly base: Vector;
}

const WHOLE = 1;
const FILLING = 2;

export function writeStanding(sink: Sink, numbering: Numbering, standing: Standing): void {
  sink.u8((standing.whole ? WHOLE : 0) | (standing.filling ? FILLING : 0));
  numbering.write(sink);
  numbering.writeVector(sink, standing.durable);
  numbering.writeVector(sink, standing.base);
}

export function readStanding(source: Source, numbering: Numbering): Standing {
  const flags = source.u8();
  numbering.read(source);
  const durable = numbering.readVector(source);
  const base = numbering.readVector(source);
  return { whole: (flags & WHOLE) !== 0, filling: (flags & FILLING) !== 0, durable, base };
}

export interface SnapshotAsk {
  readonly id: number;
  readonly have: number;
}

export function writeAsk(sink: Sink, { id, have }: SnapshotAsk): void {
  sink.u48(id);
  sink.varint(have);
}

export function readAsk(source: Source): SnapshotAsk {
  return { id: source.u48(), have: source.varint() };
}

export function writeBegin(sink: Sink, id: number, keys: number, header: Buffer): void {
  sink.u48(id);
  sink.varint(keys);
  sink.raw(header, 0, header.length);
}

export function readBegin(source: Source): { id: number; keys: number; header: Buffer } {
  return { id: source.u48(), keys: source.varint(), header: rest(source) };
}

export interface SnapshotSection {
  readonly id: number;
  readonly index: number;
  readonly keys: number;
  /** A copy: it is stored later. */
  readonly bytes: Buffer;
}

export function writeSection(sink: Sink, section: SnapshotSection): void {
  sink.u48(section.id);
  sink.varint(section.index);
  sink.varint(section.keys);
  sink.raw(section.bytes, 0, section.bytes.length);
}

export function readSection(source: Source): SnapshotSection {
  return {
    id: source.u48(),
    index: source.varint(),
    keys: source.varint(),
    bytes: rest(source),
  };
}

export interface SnapshotEnd {
  readonly id: number;
  readonly sections: number;
  readonly durable: Vector;
}

export function writeEnd(sink: Sink, numbering: Numbering, end: SnapshotEnd): void {
  sink.u48(end.id);
  sink.varint(end.sections);
  numbering.write(sink);
  numbering.writeVector(sink, end.durable);
}

export function readEnd(source: Source, numbering: Numbering): SnapshotEnd {
  const id = source.u48();
  const sections = source.varint();
  numbering.read(source);
  return { id, sections, durable: numbering.readVector(source) };
}

function rest(source: Source): Buffer {
  return Buffer.from(source.bytes.subarray(source.at, source.end));
}
