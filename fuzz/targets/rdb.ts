/**
 * Rdb: a file that Redis saved, or what a Redis sends to a replica, from anybody.
 *
 *   input = u8 into what pieces it is cut │ the file without its checksum, as Redis writes it, or changed
 *
 * Invariant: it is refused or read to its end, the same however it is cut; what is kept of it is no longer than it is. A value that can
 * be read ends where it was found to end.
 */
import { isDeepStrictEqual } from "node:util";
import { Malformed } from "../../src/core/bytes/source.ts";
import { crc64 } from "../../src/core/rdb/crc64.ts";
import { encodePayload } from "../../src/core/rdb/payload.ts";
import { RdbFile, type RdbItem } from "../../src/core/rdb/rdb-file.ts";
import { RdbSource } from "../../src/core/rdb/rdb-source.ts";
import { readValue } from "../../src/core/rdb/read-value.ts";
import type { Chance } from "../../sim/world/chance.ts";
import type { Target } from "../engine.ts";
import { must, pieces } from "../must.ts";
import { value } from "./payload.ts";

const FOOTER_BYTES = 10;
const VALUE_MAX_BYTES = 4096;
const DECOMPRESSED_MAX = 64 * 1024;
/** What a name grows to by being decompressed, and an item by its footer. */
const EXPANSION_MAX = 90;

export class RdbTarget implements Target {
  readonly name = "rdb";
  readonly renewEvery = 1_000;

  renew(): void {
    // Reading leaves nothing behind.
  }

  make(chance: Chance): Buffer {
    const parts: Buffer[] = [Buffer.of(chance.below(256)), Buffer.from("REDIS0011")];
    for (let left = chance.between(1, 5); left > 0; left--) parts.push(...part(chance));
    const input = Buffer.concat([...parts, Buffer.of(255)]);
    for (let changes = chance.is(0.5) ? chance.between(1, 4) : 0; changes > 0; changes--)
      input[chance.below(input.length)] = chance.is(0.5) ? chance.below(256) : chance.pick(ODD);
    return input;
  }

  take(input: Buffer): void {
    const file = Buffer.concat([input.subarray(1), Buffer.alloc(8)]);
    file.writeBigUInt64LE(crc64(file, 0, file.length - 8), file.length - 8);
    const whole = read([file]);
    const cut = read(pieces(file, 0, input[0] ?? 0));
    must(isDeepStrictEqual(whole, cut), "how it is cut makes a difference");
    let kept = 0;
    for (const item of whole.items) {
      if (item.type === "key" || item.type === "unread key") kept += item.key.length;
      if (item.type === "library") kept += item.code.length;
      if (item.type !== "key") continue;
      kept += item.payload.length - FOOTER_BYTES;
      endsWhereItWasFound(item.payload);
    }
    must(kept <= file.length * EXPANSION_MAX, "more is kept than there was");
  }
}

const ODD = [
  0, 1, 2, 5, 7, 63, 64, 127, 128, 129, 195, 245, 247, 248, 249, 250, 251, 252, 254, 255,
];

function part(chance: Chance): Buffer[] {
  const name = Buffer.from("name".slice(0, chance.below(5)));
  switch (chance.below(8)) {
    case 0:
      return [Buffer.of(254, chance.below(16), 251, chance.below(64), chance.below(64))];
    case 1:
      return [Buffer.of(250, name.length), name, Buffer.of(name.length), name];
    case 2:
      return [Buffer.of(245, name.length), name];
    case 3:
      return [Buffer.of(247, 5, 2, 1, 5, name.length), name, Buffer.of(0)];
    case 4:
      return [Buffer.of(7, name.length), name, Buffer.of(9, 2, 1, 4, 1, 2, 3, 4, 5, 6, 7, 8, 0)];
    default: {
      const payload = Buffer.from(encodePayload(value(chance)));
      const front = chance.is(0.3) ? [Buffer.of(252, 1, 2, 3, 4, 5, 6, 0, 0, 248, 7)] : [];
      return [
        ...front,
        payload.subarray(0, 1),
        Buffer.of(name.length),
        name,
        payload.subarray(1, -FOOTER_BYTES),
      ];
    }
  }
}

function read(chunks: readonly Buffer[]): { items: RdbItem[]; malformed: string | null } {
  const rdb = new RdbFile(VALUE_MAX_BYTES);
  const items: RdbItem[] = [];
  try {
    for (const chunk of chunks) {
      if (items.at(-1)?.type === "end") break;
      rdb.add(chunk);
      for (let item = rdb.next(); item !== null; item = rdb.next()) items.push(item);
    }
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return { items, malformed: error.message };
  }
  return { items, malformed: null };
}

function endsWhereItWasFound(payload: Buffer): void {
  const source = new RdbSource(payload, 0, payload.length - FOOTER_BYTES, DECOMPRESSED_MAX);
  try {
    readValue(source.u8(), source);
  } catch (error) {
    if (error instanceof Malformed) return;
    throw error;
  }
  must(source.left === 0, "a value was found to end where it does not");
}
