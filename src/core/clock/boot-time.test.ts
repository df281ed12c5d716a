import assert from "node:assert/strict";
import { test } from "node:test";
import { ALONE_MAX_MS, BootTime, type Clocks } from "./boot-time.ts";

const T = 1_700_000_000_000;
const YEAR_MS = 365 * 24 * 3_600_000;

/** What is told `waitedMs` after a start at a wall clock `aheadMs` beyond the last known time. */
function told(
  aheadMs: number,
  offsetsMs: number[],
  { waitedMs = 20, others = 2, knownMs = T } = {},
): number | null {
  const boot = new BootTime(knownMs, T + aheadMs - waitedMs, 0);
  const clocks: Clocks = {
    ...{ wallMs: T + aheadMs, nowMs: T, monoMs: waitedMs },
    ...{ offsetsMs, others },
  };
  return boot.tell(clocks);
}

test("a clock that the first who is heard confirms is gone by at once", () => {
  assert.equal(told(3_600_000, [3_600_100]), T + 3_600_000);
});

test("a clock that is ten years ahead is not gone by: the time is what most of the others have reached", () => {
  assert.equal(told(10 * YEAR_MS, [60_000]), null);
  assert.equal(told(10 * YEAR_MS, [60_000, 60_100]), T + 60_000);
  assert.equal(told(10 * YEAR_MS, [60_000], { waitedMs: 3_000 }), T + 60_000);
});

test("another one that is years ahead confirms nobody, and is not followed", () => {
  assert.equal(told(10 * YEAR_MS, [20 * YEAR_MS, 60_000]), T + 60_000);
});

test("whoever hears nobody goes by its clock after a short outage, and by none after a long one", () => {
  assert.equal(told(ALONE_MAX_MS, []), null);
  assert.equal(told(ALONE_MAX_MS, [], { waitedMs: 3_000 }), T + ALONE_MAX_MS);
  assert.equal(told(ALONE_MAX_MS + 1, [], { waitedMs: YEAR_MS }), null);
});

test("a new directory that hears nobody has nothing to doubt its clock by", () => {
  assert.equal(told(0, [], { waitedMs: 3_000, knownMs: 0 }), T);
});

test("a clock that jumps ahead while somebody is waited for is not followed where nobody confirms it; one that is set back is", () => {
  for (const knownMs of [0, T]) {
    const boot = new BootTime(knownMs, T + 60_000, 0);
    const jumped = (wallMs: number): number | null =>
      boot.tell({ wallMs, nowMs: T, monoMs: 3_000, offsetsMs: [], others: 2 });
    assert.equal(jumped(T + 18 * YEAR_MS), T + 63_000);
    assert.equal(jumped(T + 50_000), T + 50_000);
  }
});

test("an operator's word is enough", () => {
  const boot = new BootTime(T, T + YEAR_MS, 0);
  const clocks = { wallMs: T + YEAR_MS, nowMs: T, monoMs: 20, offsetsMs: [], others: 2 };
  assert.equal(boot.tell(clocks), null);
  boot.accept();
  assert.equal(boot.tell(clocks), T + YEAR_MS);
});
