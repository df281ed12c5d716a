import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { add, type Amount, ofDouble, toDouble } from "./amount.ts";
import {
  additionFor,
  GREATER,
  haveSameCondition,
  isScore,
  LESS,
  PLAIN,
  writeScore,
} from "./score.ts";

const finite = fc.double({ noNaN: true, noDefaultInfinity: true });

test("a double is the amount that reads back as it, and no digit more", () => {
  fc.assert(fc.property(finite, (value) => assert.equal(toDouble(ofDouble(value)), value + 0)));
  assert.equal(ofDouble(3), 3);
  assert.deepEqual(ofDouble(0.1), { digits: 1n, scale: 1 });
});

test("what is added makes a score the sum of two doubles, whatever was added before", () => {
  fc.assert(
    fc.property(finite, fc.array(finite, { maxLength: 8 }), (base, increments) => {
      let sum: Amount = 0;
      let score = base;
      for (const increment of increments) {
        const target = score + increment;
        const addition = additionFor(base, sum, increment, target);
        if (addition === null)
          return assert.ok(!Number.isFinite(target), "only infinities are set");
        sum = add(sum, addition);
        score = target;
        assert.equal(toDouble(add(ofDouble(base), sum)), target + 0);
      }
    }),
  );
});

test("an addition that rounds nothing away is the one that was asked for", () => {
  assert.equal(additionFor(10, 5, 2, 17), 2);
  assert.deepEqual(additionFor(1.5, 0, 0.25, 1.75), { digits: 25n, scale: 2 });
  assert.equal(additionFor(0, 0, Infinity, Infinity), null);
});

test("a register is eight bytes or nine, of a number and a condition there is", () => {
  const bytes = Buffer.alloc(9);
  for (const mode of [PLAIN, GREATER, LESS] as const)
    assert.ok(isScore(bytes, 0, writeScore(bytes, -1.5, mode)));
  assert.ok(!isScore(bytes, 0, 7));
  bytes[8] = 3;
  assert.ok(!isScore(bytes, 0, 9), "no such condition");
  assert.ok(
    !isScore(bytes, 0, writeScore(bytes, Number.NaN, PLAIN)),
    "NaN has no place in an order",
  );
});

test("two conditions are the same when both raise or both lower", () => {
  const register = (mode: typeof PLAIN | typeof GREATER | typeof LESS): Buffer => {
    const bytes = Buffer.alloc(9);
    return bytes.subarray(0, writeScore(bytes, 1, mode));
  };
  assert.ok(haveSameCondition(register(GREATER), register(GREATER)));
  assert.ok(!haveSameCondition(register(GREATER), register(LESS)));
  assert.ok(!haveSameCondition(register(PLAIN), register(PLAIN)));
});
