import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Heap, type Ref } from "./heap.ts";

const size = fc.oneof(
  fc.integer({ min: 1, max: 200 }),
  fc.integer({ min: 1, max: 5_000 }),
  fc.integer({ min: 1, max: 700_000 }),
);

test("blocks keep what was written into them, and none overlaps another", () => {
  const step = fc.record({ free: fc.boolean(), size, pick: fc.nat() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const heap = new Heap();
      const blocks: { ref: Ref; size: number; mark: number }[] = [];
      let marks = 0;
      for (const { free, size: bytes, pick } of steps) {
        if (free && blocks.length > 0) {
          const [{ ref, size: old }] = blocks.splice(pick % blocks.length, 1) as [
            (typeof blocks)[0],
          ];
          heap.free(ref, old);
        } else {
          const ref = heap.allocate(bytes);
          assert.notEqual(ref, 0);
          const offset = heap.offset(ref);
          assert.ok(offset + bytes <= heap.page(ref).bytes.length);
          assert.equal(offset % 16, 0);
          marks = (marks + 1) & 0xff;
          heap.page(ref).bytes.fill(marks, offset, offset + bytes);
          blocks.push({ ref, size: bytes, mark: marks });
        }
        for (const block of blocks) {
          const offset = heap.offset(block.ref);
          const content = heap.page(block.ref).bytes.subarray(offset, offset + block.size);
          assert.equal(content[0], block.mark);
          assert.equal(content[block.size - 1], block.mark);
          assert.equal(content[block.size >> 1], block.mark);
        }
      }
      const asked = blocks.reduce((sum, block) => sum + block.size, 0);
      assert.ok(heap.usedBytes >= asked);
      assert.ok(heap.usedBytes <= asked * 1.13 + blocks.length * 16 + blocks.length * 4096);
      for (const block of blocks) heap.free(block.ref, block.size);
      assert.equal(heap.usedBytes, 0);
    }),
    { numRuns: 60 },
  );
});

test("a freed block is used again for the next of its size, and a large one goes back to the system", () => {
  const heap = new Heap();
  const first = heap.allocate(100);
  heap.free(first, 100);
  assert.equal(heap.allocate(97), first);
  const capacity = heap.capacityBytes;
  const large = heap.allocate(2_000_000);
  assert.ok(heap.capacityBytes >= capacity + 2_000_000);
  heap.free(large, 2_000_000);
  assert.equal(heap.capacityBytes, capacity);
});

test("a block of any class holds its size and belongs to its class alone", () => {
  const heap = new Heap();
  const blocks: { ref: Ref; size: number }[] = [];
  for (let bytes = 1; bytes < 530_000; bytes = Math.ceil(bytes * 1.07)) {
    const before = heap.usedBytes;
    blocks.push({ ref: heap.allocate(bytes), size: bytes });
    const used = heap.usedBytes - before;
    assert.ok(used >= bytes && used <= bytes * 1.13 + 16, `${bytes} bytes take ${used}`);
  }
  for (const { ref, size: bytes } of blocks) heap.free(ref, bytes);
  for (const { size: bytes } of blocks) heap.allocate(bytes);
  assert.equal(
    heap.pages.filter((page) => page.bytes.length === 1 << 20).length,
    heap.pages.length,
  );
});
