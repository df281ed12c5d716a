import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AnchoredClock } from "./anchored.ts";

const T = 1_700_000_000_000;

test("time never goes back and never runs faster than its clocks allow", () => {
  const steps = fc.array(
    fc.record({
      mono: fc.integer({ min: 0, max: 5_000 }),
      jump: fc.integer({ min: -1e9, max: 1e9 }),
    }),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(steps, (moves) => {
      const clock = new AnchoredClock(T, 0);
      let [mono, last, wall] = [0, T, T];
      for (const { mono: step, jump } of moves) {
        mono += step;
        wall += step + jump;
        const now = clock.read(wall, mono, [], 2);
        assert.ok(now >= last);
        assert.ok(now - last <= step * 1.0005 + 1);
        last = now;
      }
    }),
  );
});

test("a wall clock an hour ahead is not followed while the others do not confirm it", () => {
  const clock = new AnchoredClock(T, 0);
  assert.equal(clock.read(T + 3_600_000 + 1000, 1000, [0, 1], 2), T + 1000);
  assert.match(clock.suspect ?? "", /3600000 ms ahead/);
  assert.equal(clock.read(T + 2000, 2000, [0, 1], 2), T + 2000);
  assert.equal(clock.suspect, null);
});

test("a wall clock that a majority confirms is followed", () => {
  const clock = new AnchoredClock(T, 0);
  assert.equal(clock.read(T + 61_000, 1000, [60_010, 59_990], 2), T + 61_000);
});

test("a wall clock set back is caught up with at half speed", () => {
  const clock = new AnchoredClock(T, 0);
  assert.equal(clock.read(T - 9_000, 1000, [], 2), T + 500);
  assert.match(clock.suspect ?? "", /behind/);
});
