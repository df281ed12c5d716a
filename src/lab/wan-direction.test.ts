import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { manualClock } from "./manual-clock.ts";
import { type Course, WanDirection } from "./wan-direction.ts";

const course = (delayMs: number, more: Partial<Course> = {}): Course => ({
  delayMs,
  jitterMs: 0,
  bytesPerSecond: null,
  ...more,
});

test("bytes arrive when the distance has been travelled, not before", () => {
  const clock = manualClock();
  const direction = new WanDirection(course(40), clock);
  const arrived: number[] = [];
  direction.offer(10, () => arrived.push(clock.nowMs()));
  clock.advance(30);
  direction.offer(10, () => arrived.push(clock.nowMs()));
  assert.equal(direction.queuedBytes, 20);
  clock.advance(9);
  assert.deepEqual(arrived, []);
  clock.advance(100);
  assert.deepEqual(arrived, [40, 70]);
  assert.equal(direction.queuedBytes, 0);
});

test("without a distance bytes arrive at once", () => {
  const direction = new WanDirection(course(0), manualClock());
  let arrived = false;
  direction.offer(1, () => (arrived = true));
  assert.equal(arrived, true);
});

test("a narrow line spreads bytes over time", () => {
  const clock = manualClock();
  const direction = new WanDirection(course(10, { bytesPerSecond: 1000 }), clock);
  const arrived: number[] = [];
  for (let i = 0; i < 3; i++) direction.offer(100, () => arrived.push(clock.nowMs()));
  clock.advance(1000);
  assert.deepEqual(arrived, [110, 210, 310]);
});

test("nothing overtakes, whatever jitter and delay do, and every byte arrives once", () => {
  const step = fc.record({
    waitMs: fc.integer({ min: 0, max: 30 }),
    delayMs: fc.integer({ min: 0, max: 200 }),
    jitterMs: fc.integer({ min: 0, max: 50 }),
    chance: fc.float({ min: 0, max: Math.fround(0.999), noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const clock = manualClock();
      const direction = new WanDirection(course(0), clock);
      const arrived: { number: number; atMs: number; earliestMs: number }[] = [];
      for (const [number, { waitMs, delayMs, jitterMs, chance }] of steps.entries()) {
        clock.advance(waitMs);
        clock.chance = chance;
        direction.course = course(delayMs, { jitterMs });
        const earliestMs = clock.nowMs() + delayMs;
        direction.offer(1, () => arrived.push({ number, atMs: clock.nowMs(), earliestMs }));
      }
      clock.advance(10_000);
      assert.deepEqual(
        arrived.map(({ number }) => number),
        steps.map((_, i) => i),
      );
      for (const { atMs, earliestMs } of arrived) assert.ok(atMs >= earliestMs - 0.5);
    }),
  );
});

test("what is dropped never arrives", () => {
  const clock = manualClock();
  const direction = new WanDirection(course(10), clock);
  direction.offer(1, () => assert.fail("it was dropped"));
  direction.drop();
  let arrived = false;
  direction.offer(1, () => (arrived = true));
  clock.advance(50);
  assert.equal(arrived, true);
  assert.equal(direction.queuedBytes, 0);
});
