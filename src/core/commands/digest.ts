/**
 * Digest: forty hexadecimal digits of what a value is, so that a test can compare values without reading them.
 *
 * Invariant: a function of the value alone: neither of the order in which members lie, nor of how they came there, nor of the
 * process.
 */
import type { Strings } from "../bytes/strings.ts";
import { Hasher } from "../keyspace/hasher.ts";
import { encodePayload } from "../rdb/payload.ts";
import type { Value } from "../rdb/value.ts";
import type { DocumentValue } from "./values.ts";

/** 160 bits, 32 at a time, with keys that everyone knows: this keeps no secret. */
const hashers = Array.from({ length: 5 }, (_, i) => new Hasher(i + 1, 0x5bd1e995 * (i + 1)));

export const NO_DIGEST = "0".repeat(40);

export function digestOf(value: Value | DocumentValue): string {
  const words = new Uint32Array(hashers.length);
  if (value.type === "set")
    for (let i = 0; i < value.members.count; i++) mix(words, value.members, i);
  else if (value.type === "hash")
    for (let i = 0; i < value.fields.count; i++) {
      const { fields, values } = value;
      mixBytes(
        words,
        Buffer.from(`${fields.view(i).toString("hex")}=${values.view(i).toString("hex")}`),
      );
    }
  else if (value.type === "document")
    for (const payload of value.payloads) mixBytes(words, payload);
  else mixBytes(words, encodePayload(value));
  return shown(words);
}

/** The digest of all keys of all databases, from the digest of each. */
export function digestOfAll(
  parts: readonly { db: number; name: Buffer; digest: string }[],
): string {
  const words = new Uint32Array(hashers.length);
  for (const { db, name, digest } of parts)
    mixBytes(words, Buffer.from(`${db}/${name.toString("hex")}/${digest}`));
  return shown(words);
}

function mix(words: Uint32Array, strings: Strings, i: number): void {
  for (const [at, hasher] of hashers.entries())
    words[at] =
      (words[at] as number) ^ hasher.hash(0, strings.bytes, strings.start(i), strings.end(i));
}

function mixBytes(words: Uint32Array, bytes: Buffer): void {
  for (const [at, hasher] of hashers.entries())
    words[at] = (words[at] as number) ^ hasher.hash(0, bytes, 0, bytes.length);
}

function shown(words: Uint32Array): string {
  return [...words].map((word) => word.toString(16).padStart(8, "0")).join("");
}
