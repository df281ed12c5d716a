import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Element } from "./element.ts";

const MASK = 2n ** 64n - 1n;

/** MurmurHash64A as it is written down, in big integers. */
function murmur(bytes: Uint8Array): bigint {
  const m = 0xc6a4a7935bd1e995n;
  let h = 0xadc83b19n ^ ((BigInt(bytes.length) * m) & MASK);
  const whole = bytes.length - (bytes.length % 8);
  for (let at = 0; at < whole; at += 8) {
    let k = Buffer.from(bytes).readBigUInt64LE(at);
    k = (k * m) & MASK;
    k ^= k >> 47n;
    h = ((h ^ ((k * m) & MASK)) * m) & MASK;
  }
  if (whole < bytes.length) {
    for (let i = whole; i < bytes.length; i++)
      h ^= BigInt(bytes[i] as number) << BigInt((i - whole) * 8);
    h = (h * m) & MASK;
  }
  h = ((h ^ (h >> 47n)) * m) & MASK;
  return h ^ (h >> 47n);
}

test("an element's register and its run of zeros come from the whole 64 bits of its hash", () => {
  const element = new Element();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(9), (array, shift) => {
      const bytes = Buffer.concat([Buffer.alloc(shift), array, Buffer.alloc(3)]);
      element.read(bytes, shift, shift + array.length);
      const hash = murmur(array);
      assert.equal(element.index, Number(hash & 0x3fffn));
      const zeros = /0*$/.exec((hash >> 14n).toString(2).padStart(50, "0"))?.[0].length ?? 0;
      assert.equal(element.run, zeros + 1);
    }),
    { numRuns: 5000 },
  );
});

test("elements are hashed as Redis hashes them", () => {
  const element = new Element();
  const read = (text: string): [number, number] => {
    element.read(Buffer.from(text), 0, text.length);
    return [element.index, element.run];
  };
  // PFADD k X; PFDEBUG DECODE k of redis-server 7.0.15
  assert.deepEqual(read(""), [5938, 2]);
  assert.deepEqual(read("a"), [12_711, 2]);
  assert.deepEqual(read("a longer element than eight bytes"), [13_191, 1]);
});
