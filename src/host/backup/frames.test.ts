import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  blockFrame,
  blockOf,
  type Frame,
  frame,
  frames,
  KIND,
  readBlockFrame,
  readSectionFrame,
  readSumsFrame,
  sectionFrame,
  sumOfTold,
  sumsFrame,
} from "./frames.ts";

/** What `bytes` hold, cut into pieces of `size`; bodies are copies. */
async function read(bytes: Buffer, size: number): Promise<Frame[]> {
  async function* pieces(): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  const found: Frame[] = [];
  for await (const { kind, body } of frames(pieces()))
    found.push({ kind, body: Buffer.from(body) });
  return found;
}

test("frames come out as they went in, however the stream is cut", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.uint8Array({ maxLength: 300 }))),
      fc.integer({ min: 1, max: 400 }),
      async (parts, size) => {
        const bytes = Buffer.concat(parts.map(([kind, body]) => frame(kind, body)));
        const expected = parts.map(([kind, body]) => ({ kind, body: Buffer.from(body) }));
        assert.deepEqual(await read(bytes, size), expected);
      },
    ),
  );
});

test("a flipped bit and a missing end are noticed", async () => {
  const bytes = Buffer.concat([frame(2, Buffer.from("a section")), frame(3, Buffer.from("more"))]);
  for (let at = 0; at < bytes.length; at++) {
    const flipped = Buffer.from(bytes);
    flipped.writeUInt8((flipped[at] as number) ^ 4, at);
    await assert.rejects(read(flipped, 7), { name: "Damaged" }, `byte ${at}`);
    if (at !== 0 && at !== frame(2, Buffer.from("a section")).length)
      await assert.rejects(read(bytes.subarray(0, at), 7), { name: "Damaged" }, `${at} bytes`);
  }
});

test("sections, blocks and digests are read as they were written", () => {
  const bodyOf = (bytes: Buffer): Buffer => bytes.subarray(5, -4);
  const block = Buffer.from("block");
  assert.deepEqual(readBlockFrame(bodyOf(blockFrame(block, 512, 2 ** 40))), {
    from: 512,
    to: 2 ** 40,
    block,
  });
  assert.deepEqual(blockOf(blockFrame(block, 512, 540)), block);
  assert.deepEqual(readSectionFrame(bodyOf(sectionFrame(block, 7))), { keys: 7, section: block });
  const told = Array.from({ length: 64 }, (_, slot) => slot % 3 === 0);
  const key = Int32Array.of(1, -2, 3, -4);
  const sums = { position: 99, shard: 256, key, told, sum: Int32Array.of(-1, 2, -3, 4) };
  assert.deepEqual(readSumsFrame(bodyOf(sumsFrame(sums))), sums);
  assert.equal(bodyOf(frame(KIND.failed, block)).toString(), "block");
});

test("the sum of slots is that of those that are told alone", () => {
  const sums = Int32Array.from({ length: 256 }, (_, i) => i * 40_000_003);
  const none = Array.from({ length: 64 }, () => false);
  assert.deepEqual(sumOfTold(sums, none), Int32Array.of(0, 0, 0, 0));
  const two = none.with(0, true).with(63, true);
  assert.deepEqual(
    sumOfTold(sums, two),
    Int32Array.from({ length: 4 }, (_, i) => (sums[i] as number) + (sums[252 + i] as number)),
  );
});
