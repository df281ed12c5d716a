/**
 * Message: a whole message of the DNS as values: what probes read of answers, and tests of ours.
 *
 * Invariant: no count is believed: a message yields as many records as lie in its bytes, or `Malformed`.
 */
import { Malformed, Source } from "../../bytes/source.ts";
import { HEADER_BYTES } from "./constants.ts";
import { NameReader } from "./name.ts";
import type { ResourceRecord } from "./message-writer.ts";
import { unpackData } from "./record-data.ts";

export interface Message {
  readonly id: number;
  readonly flags: number;
  readonly questions: readonly { name: Buffer; type: number; class: number }[];
  readonly answers: readonly ResourceRecord[];
  readonly authorities: readonly ResourceRecord[];
  readonly additional: readonly ResourceRecord[];
}

export function readMessage(bytes: Buffer): Message {
  const source = new Source(bytes);
  source.need(HEADER_BYTES);
  const [id, flags, questionCount, ...counts] = Array.from({ length: 6 }, () => source.u16());
  const reader = new NameReader();
  const questions: Message["questions"][number][] = [];
  for (let left = questionCount as number; left > 0; left--) {
    source.at = reader.read(bytes, source.at, source.end);
    questions.push({ name: reader.copy(), type: source.u16(), class: source.u16() });
  }
  const [answers, authorities, additional] = counts.map((count) => {
    const records: ResourceRecord[] = [];
    for (let left = count; left > 0; left--) records.push(readRecord(source, reader));
    return records;
  }) as [ResourceRecord[], ResourceRecord[], ResourceRecord[]];
  if (source.left > 0) throw new Malformed("bytes follow a message");
  return { id: id as number, flags: flags as number, questions, answers, authorities, additional };
}

function readRecord(source: Source, reader: NameReader): ResourceRecord {
  source.at = reader.read(source.bytes, source.at, source.end);
  const name = reader.copy();
  const type = source.u16();
  const klass = source.u16();
  const ttl = source.u32();
  const length = source.u16();
  const start = source.skip(length);
  const data = unpackData(type, source.bytes, start, start + length, reader);
  return { name, type, class: klass, ttl, data };
}

/** For how many seconds an answer may be kept: as long as what is kept shortest of it (RFC 8484 §5.1). */
export function freshSeconds(bytes: Buffer): number {
  const { answers, authorities } = readMessage(bytes);
  const kept = (answers.length > 0 ? answers : authorities).map(({ ttl }) => ttl);
  return kept.length === 0 ? 0 : Math.min(...kept);
}

/** A query for one name, as a probe sends it. */
export function writeQuery(id: number, name: Buffer, type: number, klass: number): Buffer {
  const head = Buffer.alloc(HEADER_BYTES);
  head.writeUInt16BE(id, 0);
  head.writeUInt16BE(1, 4);
  const tail = Buffer.alloc(4);
  tail.writeUInt16BE(type, 0);
  tail.writeUInt16BE(klass, 2);
  return Buffer.concat([head, name, tail]);
}
