import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Hasher } from "./hasher.ts";

// hsiphash on 32-bit machines is HalfSipHash-1-3: the first of Linux's test vectors (lib/siphash_kunit.c), of 0, 1, 2 … bytes.
const LINUX = [
  0x5814c896, 0xe7e864ca, 0xbc4b0e30, 0x01539939, 0x7e059ea6, 0x88e3d89b, 0xa0080b65, 0x9d38d9d6,
  0x577999b1, 0xc839caed,
];

test("the hash is HalfSipHash-1-3", () => {
  const hasher = new Hasher(0x03020100, 0x07060504);
  const bytes = Buffer.from(Array.from({ length: 64 }, (_, i) => i));
  LINUX.forEach((hash, length) => assert.equal(hasher.hash(0, bytes, 0, length), hash));
});

/** The definition, word for word, in unbounded integers. */
function reference(k0: number, k1: number, bytes: Uint8Array): number {
  const mask = 0xffffffffn;
  const [key0, key1] = [BigInt(k0 >>> 0), BigInt(k1 >>> 0)];
  const v: [bigint, bigint, bigint, bigint] = [key0, key1, 0x6c796765n ^ key0, 0x74656462n ^ key1];
  const left = (x: bigint, by: bigint): bigint => ((x << by) | (x >> (32n - by))) & mask;
  const round = (): void => {
    v[0] = (v[0] + v[1]) & mask;
    v[1] = left(v[1], 5n) ^ v[0];
    v[0] = left(v[0], 16n);
    v[2] = (v[2] + v[3]) & mask;
    v[3] = left(v[3], 8n) ^ v[2];
    v[0] = (v[0] + v[3]) & mask;
    v[3] = left(v[3], 7n) ^ v[0];
    v[2] = (v[2] + v[1]) & mask;
    v[1] = left(v[1], 13n) ^ v[2];
    v[2] = left(v[2], 16n);
  };
  const padded = Buffer.alloc(Math.floor(bytes.length / 4) * 4 + 4);
  padded.set(bytes);
  padded[padded.length - 1] = bytes.length;
  for (let at = 0; at < padded.length; at += 4) {
    const word = BigInt(padded.readUInt32LE(at));
    v[3] ^= word;
    round();
    v[0] ^= word;
  }
  v[2] ^= 0xffn;
  for (let i = 0; i < 3; i++) round();
  return Number(v[1] ^ v[3]);
}

test("any name under any key hashes as the definition says, wherever it lies, and databases differ", () => {
  const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
  fc.assert(
    fc.property(word, word, fc.uint8Array({ maxLength: 70 }), fc.nat(9), (k0, k1, name, before) => {
      const hasher = new Hasher(k0, k1);
      const bytes = Buffer.concat([Buffer.alloc(before, 7), name, Buffer.alloc(3, 9)]);
      const end = before + name.length;
      assert.equal(hasher.hash(0, bytes, before, end), reference(k0, k1, name));
      assert.equal(hasher.hash(5, bytes, before, end), reference(k0 ^ 5, k1, name));
    }),
  );
});
