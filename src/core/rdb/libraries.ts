/**
 * Libraries: the code of libraries of functions, as FUNCTION DUMP gives it away and FUNCTION RESTORE takes it.
 *
 *   (kind │ code)* │ u16 version │ u64 checksum of all before it
 *
 * Invariant: what is written here Redis 7.0 and everything newer restores.
 */
import { Malformed } from "../bytes/source.ts";
import { FOOTER_BYTES, seal } from "./payload.ts";
import { RdbSink } from "./rdb-sink.ts";
import { RdbSource } from "./rdb-source.ts";

/** What stands in front of the code of a library, in files too. */
export const LIBRARY = 245;

export function writeLibraries(codes: readonly Buffer[]): Buffer {
  const sink = new RdbSink();
  for (const code of codes) {
    sink.u8(LIBRARY);
    sink.string(code, 0, code.length);
  }
  return seal(sink);
}

/** The libraries in a payload that `isWhole`. Throws `Malformed` for anything else in it. */
export function readLibraries(payload: Buffer, decompressedMax: number): Buffer[] {
  const source = new RdbSource(payload, 0, payload.length - FOOTER_BYTES, decompressedMax);
  const codes: Buffer[] = [];
  while (source.left > 0) {
    if (source.u8() !== LIBRARY) throw new Malformed("this is no library");
    codes.push(source.string());
  }
  return codes;
}
