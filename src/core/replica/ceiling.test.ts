import assert from "node:assert/strict";
import { test } from "node:test";
import { HybridClock } from "../clock/stamp.ts";
import { Ceiling } from "./ceiling.ts";

/** A process on a log that holds the ceilings of those before it. */
function started(log: readonly Buffer[]): { clock: HybridClock; ceiling: Ceiling } {
  const clock = new HybridClock();
  const ceiling = new Ceiling(clock);
  for (const block of log) ceiling.replay(block);
  return { clock, ceiling };
}

function raised(ceiling: Ceiling, nowMs: number): Buffer {
  const block = ceiling.raise(nowMs);
  assert.ok(block !== null);
  ceiling.appended(1, block);
  ceiling.stored(1);
  return block;
}

test("however often a process ends right after it started, the clock begins at most a second ahead", () => {
  const log: Buffer[] = [];
  for (let nowMs = 1_000_000; nowMs < 1_010_000; nowMs += 50) {
    const { clock, ceiling } = started(log);
    assert.ok(clock.ms - nowMs <= 1_000, `${clock.ms - nowMs} ms ahead after ${log.length} starts`);
    log.push(raised(ceiling, nowMs));
    clock.next(nowMs);
    assert.ok(ceiling.promise(nowMs) >= clock.ms - 1);
  }
});

test("promises reach a stamp that lies further ahead than the room there is", () => {
  const { clock, ceiling } = started([]);
  raised(ceiling, 1_000_000);
  assert.equal(ceiling.raise(1_000_100), null);
  clock.observe(1_003_000, 7);
  raised(ceiling, 1_000_100);
  assert.equal(ceiling.promise(1_000_100), 1_002_999);
  assert.equal(ceiling.raise(1_000_120), null);
  clock.observe(1_003_020, 0);
  raised(ceiling, 1_000_120);
  assert.equal(ceiling.promise(1_000_120), 1_003_019);
});

test("a new process makes no stamp that an old one may have promised away", () => {
  const { ceiling } = started([]);
  const log = [raised(ceiling, 1_000_000)];
  const promiseMs = ceiling.promise(1_000_900);
  const { clock } = started(log);
  clock.next(1_000_000);
  assert.ok(clock.ms > promiseMs);
});
