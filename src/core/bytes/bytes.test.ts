import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Sink } from "./sink.ts";
import { Malformed, Source } from "./source.ts";

const LIMITS = [0, 1, 127, 128, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 35 + 1, 2 ** 53 - 1];
const varint = fc.oneof(fc.constantFrom(...LIMITS), fc.nat(), fc.maxSafeNat());
const u48 = fc.integer({ min: 0, max: 2 ** 48 - 1 });

const value = fc.oneof(
  fc.record({ type: fc.constant("u8" as const), value: fc.nat(255) }),
  fc.record({ type: fc.constant("u16" as const), value: fc.nat(65535) }),
  fc.record({ type: fc.constant("u32" as const), value: fc.integer({ min: 0, max: 2 ** 32 - 1 }) }),
  fc.record({ type: fc.constant("u48" as const), value: u48 }),
  fc.record({ type: fc.constant("f64" as const), value: fc.double({ noNaN: true }) }),
  fc.record({ type: fc.constant("varint" as const), value: varint }),
  fc.record({
    type: fc.constant("zigzag" as const),
    value: fc.integer({ min: -(2 ** 52) + 1, max: 2 ** 52 - 1 }),
  }),
);

test("what a sink writes a source reads back, and nothing is left", () => {
  fc.assert(
    fc.property(fc.array(value), fc.array(fc.uint8Array({ maxLength: 100 })), (values, runs) => {
      const sink = new Sink(1);
      for (const { type, value: number } of values) sink[type](number);
      for (const run of runs) {
        sink.bytes(run, 0, run.length);
        sink.text(Buffer.from(run).latin1Slice());
      }
      const source = new Source(sink.copy());
      for (const { type, value: number } of values) assert.equal(source[type](), number);
      for (const run of runs) {
        assert.deepEqual(new Uint8Array(source.view()), run);
        assert.equal(source.text(), Buffer.from(run).latin1Slice());
      }
      assert.equal(source.left, 0);
    }),
  );
});

test("a varint is unsigned LEB128", () => {
  fc.assert(
    fc.property(varint, (number) => {
      const groups: number[] = [];
      for (let rest = BigInt(number); ; rest >>= 7n) {
        groups.push(Number(rest & 127n) | (rest > 127n ? 128 : 0));
        if (rest <= 127n) break;
      }
      const sink = new Sink();
      sink.varint(number);
      assert.deepEqual([...sink.view()], groups);
    }),
  );
});

test("a source cut off anywhere says so, and reads nothing beyond its end", () => {
  fc.assert(
    fc.property(fc.array(value, { minLength: 1 }), fc.nat(), (values, pick) => {
      const sink = new Sink();
      for (const { type, value: number } of values) sink[type](number);
      const end = pick % sink.length;
      const source = new Source(sink.copy(), 0, end);
      assert.throws(() => {
        for (const { type } of values) source[type]();
      }, Malformed);
      assert.ok(source.at <= end);
    }),
  );
});

test("a varint of more than 53 bits is malformed", () => {
  for (const hex of ["ffffffffffffff1f", "8080808080808080", "ffffffffffffffffff01"])
    assert.throws(() => new Source(Buffer.from(hex, "hex")).varint(), Malformed);
  assert.equal(new Source(Buffer.from("ffffffffffffff0f", "hex")).varint(), 2 ** 53 - 1);
});

test("a length that promises more than is there costs nothing", () => {
  const source = new Source(Buffer.from("ffffffffffffff0f", "hex"));
  assert.throws(() => source.view(), Malformed);
});
