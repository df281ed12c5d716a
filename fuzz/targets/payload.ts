/**
 * Payload: what a client gives to RESTORE behind a footer that is right: the kind of a value and the value, in Redis' format.
 *
 *   input = a payload without its footer, as our codec writes it, or changed
 *
 * Invariant: it is refused, or read in memory that its length and the limit for decompressed bytes allow; what was read is
 * written so that it is read as the same again.
 */
import { Strings } from "../../src/core/bytes/strings.ts";
import { crc64 } from "../../src/core/rdb/crc64.ts";
import { decodePayload, encodePayload, isWhole } from "../../src/core/rdb/payload.ts";
import type { StreamConsumer, StreamValue, Value } from "../../src/core/rdb/value.ts";
import type { Chance } from "../../sim/world/chance.ts";
import type { Target } from "../engine.ts";
import { must } from "../must.ts";

const FOOTER_BYTES = 10;
const DECOMPRESSED_MAX = 64 * 1024;
/** No form says more with a byte: the number −2^63 takes twenty digits of nine bytes. */
const EXPANSION_MAX = 3;

export class PayloadTarget implements Target {
  readonly name = "payload";
  readonly renewEvery = 1_000;

  renew(): void {
    // Reading leaves nothing behind.
  }

  make(chance: Chance): Buffer {
    const payload = encodePayload(value(chance));
    const body = Buffer.from(payload.subarray(0, -FOOTER_BYTES));
    for (let changes = chance.is(0.5) ? chance.between(1, 4) : 0; changes > 0; changes--)
      body[chance.below(body.length)] = chance.is(0.5) ? chance.below(256) : chance.pick(ODD);
    // Another kind, and the same bytes.
    if (chance.is(0.1)) body[0] = chance.below(27);
    return body;
  }

  take(input: Buffer): void {
    const read = decodePayload(withFooter(input), DECOMPRESSED_MAX);
    if (read === null) return;
    must(bytesOf(read) <= input.length * EXPANSION_MAX + DECOMPRESSED_MAX, "a value has no bound");
    const once = encodePayload(read);
    must(isWhole(once), "what is written is not whole");
    // What was read once may be longer than its payload was, but not than what it says.
    const again = decodePayload(once, bytesOf(read) * 2 + DECOMPRESSED_MAX);
    must(again !== null, "what is written cannot be read");
    must(encodePayload(again).equals(once), "what is written is read as something else");
  }
}

const ODD = [0, 1, 63, 64, 127, 128, 129, 192, 193, 194, 195, 224, 240, 241, 244, 253, 254, 255];

function withFooter(body: Buffer): Buffer {
  const out = Buffer.concat([body, Buffer.alloc(FOOTER_BYTES)]);
  out.writeUInt16LE(10, body.length);
  out.writeBigUInt64LE(crc64(out, 0, body.length + 2), body.length + 2);
  return out;
}

/** How long all strings of a value are together. */
function bytesOf(read: Value): number {
  const all = (parts: Strings): number => (parts.count === 0 ? 0 : parts.end(parts.count - 1));
  switch (read.type) {
    case "string":
      return read.value.length;
    case "list":
      return all(read.items);
    case "set":
    case "zset":
      return all(read.members);
    case "hash":
      return all(read.fields) + all(read.values);
    case "stream":
      return all(read.pairs);
  }
}

/** A value of any type, mostly small. */
export function value(chance: Chance): Value {
  switch (chance.below(6)) {
    case 0:
      return { type: "string", value: text(chance) };
    case 1:
      return { type: "list", items: strings(chance, count(chance)) };
    case 2:
      return { type: "set", members: strings(chance, count(chance)) };
    case 3: {
      const members = strings(chance, count(chance));
      const scores = Array.from({ length: members.count }, () =>
        chance.pick([0, -0, 1, -7, 0.1, 1e300, Infinity, -Infinity, 2 ** 53, 1e21, 5e-324]),
      );
      return { type: "zset", members, scores };
    }
    case 4: {
      const fields = strings(chance, count(chance));
      return { type: "hash", fields, values: strings(chance, fields.count) };
    }
    default:
      return stream(chance);
  }
}

/** Mostly few, and sometimes more than fit into a pack. */
function count(chance: Chance): number {
  return chance.is(0.99) ? chance.between(1, 6) : chance.between(100, 600);
}

function strings(chance: Chance, length: number): Strings {
  const made = new Strings();
  for (let i = 0; i < length; i++) {
    const one = text(chance);
    made.push(one, 0, one.length);
  }
  return made;
}

function text(chance: Chance): Buffer {
  switch (chance.below(4)) {
    case 0:
      return Buffer.from(String(chance.between(-300, 300)));
    case 1:
      return Buffer.from(String(chance.between(-(2 ** chance.between(10, 52)), 2 ** 40)));
    case 2:
      return Buffer.from("abc".repeat(chance.below(chance.is(0.1) ? 200 : 20)));
    default:
      return Buffer.from(Array.from({ length: chance.below(70) }, () => chance.below(256)));
  }
}

function stream(chance: Chance): StreamValue {
  const pairs = new Strings();
  const ids: bigint[] = [];
  const ends: number[] = [];
  let id = BigInt(chance.below(1_000));
  for (let left = chance.is(0.98) ? chance.below(6) : chance.below(250); left > 0; left--) {
    id += 1n + (BigInt(chance.below(3)) << 64n);
    ids.push(id);
    for (let names = chance.between(1, 2); names > 0; names--) {
      pairs.pushText(chance.pick(["a", "b"]));
      const one = text(chance);
      pairs.push(one, 0, one.length);
    }
    ends.push(pairs.count);
  }
  const groups = ["g", "h"].slice(0, chance.below(3)).map((name) => ({
    name: Buffer.from(name),
    lastId: id,
    read: BigInt(chance.between(-1, 5)),
    consumers: consumers(chance, ids),
  }));
  const lastId = id + BigInt(chance.below(2));
  return {
    type: "stream",
    ids,
    pairs,
    ends,
    lastId,
    deletedId: 0n,
    added: BigInt(ids.length),
    groups,
  };
}

function consumers(chance: Chance, ids: readonly bigint[]): StreamConsumer[] {
  const left = [...ids];
  return ["ann", "bob"].slice(0, chance.below(3)).map((name) => ({
    name: Buffer.from(name),
    seenMs: chance.below(2 ** 40),
    activeMs: 0,
    pending: left
      .splice(0, chance.below(3))
      .map((id) => ({ id, deliveredMs: chance.below(2 ** 40), deliveries: chance.below(5) })),
  }));
}
