import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Sink } from "../bytes/sink.ts";
import { Malformed, Source } from "../bytes/source.ts";
import { readDotSeq, Vector } from "./vector.ts";

const entries = fc.array(fc.tuple(fc.nat(40), fc.integer({ min: 1, max: 2 ** 45 })));

function of(pairs: readonly (readonly [number, number])[]): Vector {
  const vector = new Vector();
  for (const [origin, seq] of pairs) vector.raise(origin, seq);
  return vector;
}

test("a vector agrees with a Map of maxima, and never goes back", () => {
  fc.assert(
    fc.property(entries, (pairs) => {
      const vector = new Vector(0);
      const model = new Map<number, number>();
      for (const [origin, seq] of pairs) {
        vector.raise(origin, seq);
        model.set(origin, Math.max(model.get(origin) ?? 0, seq));
      }
      for (let origin = 0; origin < 50; origin++) {
        const seq = model.get(origin) ?? 0;
        assert.equal(vector.get(origin), seq);
        assert.ok(seq === 0 || vector.covers(origin, seq));
        assert.ok(!vector.covers(origin, seq + 1));
      }
    }),
  );
});

test("a join includes both, is the smallest that does, and leaves the other as it was", () => {
  fc.assert(
    fc.property(entries, entries, (a, b) => {
      const [left, right] = [of(a), of(b)];
      const joined = left.copy();
      joined.join(right);
      assert.ok(joined.includes(left) && joined.includes(right));
      for (let origin = 0; origin < 50; origin++)
        assert.equal(joined.get(origin), Math.max(left.get(origin), right.get(origin)));
      assert.equal(left.includes(right), left.includes(joined));
      joined.raise(3, 2 ** 46);
      assert.ok(!left.covers(3, 2 ** 46));
    }),
  );
});

test("a stored seq that no origin can have reached is refused", () => {
  const read = (seq: number): number => {
    const sink = new Sink(16);
    sink.varint(seq);
    return readDotSeq(new Source(sink.copy()));
  };
  assert.equal(read(2 ** 41 - 1), 2 ** 41 - 1);
  assert.throws(() => read(2 ** 41), Malformed);
});
