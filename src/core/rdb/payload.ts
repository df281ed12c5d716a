/**
 * Payload: one value by itself, as DUMP gives it away and RESTORE takes it.
 *
 *   kind │ value │ u16 version │ u64 checksum of all before it         both lowest byte first
 *
 * Invariant: what `encode` makes, Redis 7.0 and everything newer restores.
 */
import { Malformed } from "../bytes/source.ts";
import { crc64 } from "./crc64.ts";
import { RdbSink } from "./rdb-sink.ts";
import { RdbSource } from "./rdb-source.ts";
import { readValue } from "./read-value.ts";
import type { Value } from "./value.ts";
import { writeValue } from "./write-value.ts";

/** The format of Redis 7.0. */
const VERSION = 10;
/** The newest format all of whose values are read: that of Redis 7.4. */
const VERSION_MAX = 12;
const CHECKSUM_BYTES = 8;
export const FOOTER_BYTES = 2 + CHECKSUM_BYTES;

export function encodePayload(value: Value): Buffer {
  const sink = new RdbSink();
  writeValue(value, sink);
  return seal(sink);
}

/** The payload of a value of kind `type` that is written in `bytes[start … end)`. */
export function payloadOf(type: number, bytes: Buffer, start: number, end: number): Buffer {
  const sink = new RdbSink(1 + end - start + FOOTER_BYTES);
  sink.u8(type);
  sink.raw(bytes, start, end);
  return seal(sink);
}

/** Ends what was written as a payload. */
export function seal(sink: RdbSink): Buffer {
  sink.u8(VERSION);
  sink.u8(0);
  const checksum = crc64(sink.buffer, 0, sink.length);
  sink.reserve(CHECKSUM_BYTES);
  sink.length = sink.buffer.writeBigUInt64LE(checksum, sink.length);
  return sink.view();
}

/** Whether the bytes end as a payload that can be read does. */
export function isWhole(payload: Buffer): boolean {
  const end = payload.length - FOOTER_BYTES;
  if (end < 0 || payload.readUInt16LE(end) > VERSION_MAX) return false;
  return payload.readBigUInt64LE(end + 2) === crc64(payload, 0, end + 2);
}

/** The value in a payload that `isWhole`; null for bad data. At most `decompressedMax` bytes are decompressed. */
export function decodePayload(payload: Buffer, decompressedMax: number): Value | null {
  const source = new RdbSource(payload, 0, payload.length - FOOTER_BYTES, decompressedMax);
  try {
    const value = readValue(source.u8(), source);
    return source.left === 0 ? value : null;
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}
