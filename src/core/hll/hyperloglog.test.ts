import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Malformed } from "../bytes/source.ts";
import { Addition } from "./addition.ts";
import { Element } from "./element.ts";
import { estimateRegisters, estimateText } from "./estimate.ts";
import { HYPERLOGLOG, HyperLogLog } from "./hyperloglog.ts";
import { selfTest } from "./self-test.ts";
import { encodingOf, raiseRegisters, REGISTERS } from "./text.ts";

/** Registers close together, so that runs meet, split and join. */
const change = fc.tuple(
  fc.oneof(fc.integer({ min: 100, max: 140 }), fc.constantFrom(0, 1, 63, 64, 16_319, 16_383)),
  fc.oneof(
    { arbitrary: fc.integer({ min: 1, max: 4 }), weight: 20 },
    fc.integer({ min: 30, max: 40 }),
  ),
);
const changes = fc.array(change, { maxLength: 80 });

function plain(raised: readonly [number, number][]): Uint8Array {
  const all = new Uint8Array(REGISTERS);
  for (const [index, value] of raised) all[index] = Math.max(all[index] as number, value);
  return all;
}

function registersOf(hll: HyperLogLog): Uint8Array {
  const text = hll.text();
  const encoding = encodingOf(text, 0, text.length);
  assert.equal(encoding, hll.dense ? "dense" : "sparse");
  const all = new Uint8Array(REGISTERS);
  assert.ok(raiseRegisters(all, text, 0, text.length, hll.dense ? "dense" : "sparse"));
  return all;
}

function madeOf(raised: readonly [number, number][]): HyperLogLog {
  const hll = new HyperLogLog();
  for (const [index, value] of raised) hll.raise(index, value);
  return hll;
}

test("a register is the greatest value it was raised to, in either form", () => {
  fc.assert(
    fc.property(changes, fc.boolean(), (raised, dense) => {
      const hll = new HyperLogLog();
      if (dense) hll.makeDense();
      const all = new Uint8Array(REGISTERS);
      for (const [index, value] of raised) {
        assert.equal(hll.raise(index, value), value > (all[index] as number));
        all[index] = Math.max(all[index] as number, value);
        assert.equal(hll.register(index), all[index]);
      }
      assert.deepEqual(registersOf(hll), all);
      const text = hll.text();
      const estimate = estimateText(text, 0, text.length, hll.dense ? "dense" : "sparse");
      assert.equal(estimate, estimateRegisters(all));
    }),
    { numRuns: 300 },
  );
});

test("the bytes are those of the registers, in whatever order they were raised and joined", () => {
  fc.assert(
    fc.property(changes, changes, fc.boolean(), (one, other, dense) => {
      const a = madeOf(one);
      const b = madeOf(other);
      if (dense) b.makeDense();
      const expected = HyperLogLog.of(
        ...((text) => [text, 0, text.length] as const)(madeOf([...one, ...other]).text()),
        madeOf([...one, ...other]).dense ? "dense" : "sparse",
      ) as HyperLogLog;
      if (dense) expected.makeDense();
      const ab = a.copy();
      ab.join(b.encode());
      const ba = b.copy();
      ba.join(a.encode());
      ba.join(b.encode());
      const oneByOne = b.copy();
      for (const [index, value] of one) oneByOne.raise(index, value);
      for (const joined of [ab, ba, oneByOne]) {
        assert.deepEqual(joined.encode(), expected.encode());
        HYPERLOGLOG.check(joined.encode());
        const again = new HyperLogLog();
        again.join(joined.encode());
        assert.deepEqual(again.encode(), joined.encode());
      }
    }),
    { numRuns: 300 },
  );
});

test("what a command adds, joined, is what it tried on its copy", () => {
  fc.assert(
    fc.property(changes, changes, fc.integer({ min: 16, max: 60 }), (before, added, most) => {
      const hll = madeOf(before);
      const addition = new Addition(hll, most);
      const untouched = hll.encode();
      for (const [index, value] of added) addition.raise(index, value);
      assert.deepEqual(hll.encode(), untouched);
      const news = added.some(([index, value]) => value > hll.register(index));
      assert.equal(addition.changes, news);
      const payload = addition.payload();
      HYPERLOGLOG.check(payload);
      const whole = new HyperLogLog();
      whole.join(addition.whole());
      hll.join(payload);
      assert.deepEqual(hll.encode(), whole.encode());
      assert.deepEqual(registersOf(hll), plain([...before, ...added]));
    }),
    { numRuns: 300 },
  );
});

test("a cardinality is remembered until something is added", () => {
  const hll = madeOf([[5, 1]]);
  const upToDate = (): boolean => ((hll.text()[15] as number) & 0x80) === 0;
  assert.equal(upToDate(), false);
  hll.remember(1);
  hll.raise(5, 1);
  hll.makeDense();
  assert.equal(upToDate(), true, "neither form nor an addition of nothing changes the count");
  hll.raise(5, 2);
  assert.equal(upToDate(), false);
});

test("payloads that are none are malformed, and the others are taken", () => {
  const dense = new HyperLogLog();
  dense.makeDense();
  for (const [payload, why] of [
    [[], "no form"],
    [[4], "an unknown form"],
    [[0, 1, 2], "a change is cut"],
    [[0, 0x10, 0, 0], "seven bits"],
    [[1, 0x7f], "a run is cut"],
    [[1, 0x7f, 0xff, 0x80], "a register too many"],
    [[2, ...dense.encode().subarray(2)], "dense and short"],
  ] as const)
    assert.throws(() => HYPERLOGLOG.check(Buffer.from(payload)), Malformed, why);
  for (const payload of [[0], [3], [0, 0x0f, 0xff, 0xff], [1, 0x7f, 0xff]])
    HYPERLOGLOG.check(Buffer.from(payload));
  HYPERLOGLOG.check(dense.encode());
});

test("what passes the check is joined without a complaint", () => {
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.uint8Array({ maxLength: 20 }).map((bytes) => Uint8Array.of(1, 0x7f, 0xf0, ...bytes)),
    fc.array(change).map((list) => madeOf(list).encode()),
  );
  fc.assert(
    fc.property(payload, changes, (bytes, before) => {
      const hll = madeOf(before);
      try {
        HYPERLOGLOG.check(Buffer.from(bytes));
      } catch (error) {
        assert.ok(error instanceof Malformed);
        return;
      }
      hll.join(Buffer.from(bytes));
      registersOf(hll);
    }),
  );
});

test("estimates are within a few standard errors", () => {
  const element = new Element();
  const hll = new HyperLogLog();
  for (let count = 1; count <= 30_000; count++) {
    const bytes = Buffer.from(`element ${count}`);
    element.read(bytes, 0, bytes.length);
    hll.raise(element.index, element.run, 3000);
    if (count % 1000 !== 0) continue;
    const text = hll.text();
    const estimate = estimateText(text, 0, text.length, hll.dense ? "dense" : "sparse") as number;
    assert.ok(Math.abs(estimate - count) < count * 0.04, `${estimate} for ${count}`);
  }
  assert.ok(hll.dense);
});

test("the self-test passes", () => {
  let seed = 7;
  const chance = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  assert.equal(selfTest(chance), null);
  assert.match(selfTest(() => 0) ?? "", /^$/);
});
