import assert from "node:assert/strict";
import { test } from "node:test";
import { HybridClock } from "../clock/stamp.ts";
import { Ceiling } from "./ceiling.ts";

const START_MS = 1_700_000_000_000;
/** No process starts and is killed in less. */
const LIFE_MS = 100;

/** A process: its clock and ceiling, and the blocks that it has left in its log. */
class Process {
  readonly clock = new HybridClock();
  readonly ceiling = new Ceiling(this.clock);
  readonly #log: Buffer[];

  constructor(log: Buffer[]) {
    this.#log = log;
    for (const block of log) this.ceiling.replay(block);
  }

  /** A tick, after which everything is durable; returns what is promised. */
  tick(nowMs: number): number {
    const block = this.ceiling.raise(nowMs);
    if (block !== null) {
      this.#log.push(block);
      this.ceiling.appended(this.#log.length, block);
      this.ceiling.stored(this.#log.length);
    }
    return this.ceiling.promise(nowMs);
  }
}

test("however often a process is killed, its clock begins at most a second ahead of the time", () => {
  const log: Buffer[] = [];
  let promisedMs = 0;
  let beganMs = 0;
  for (let life = 0; life < 200; life++) {
    const nowMs = START_MS + life * LIFE_MS;
    const process = new Process(log);
    const { ms } = process.clock;
    assert.ok(ms <= nowMs + 1_100, `life ${life}: ${ms - nowMs} ms ahead`);
    assert.ok(ms >= promisedMs, "what was promised binds the next life");
    assert.ok(life === 0 || ms > beganMs, "each life begins later than the one before");
    beganMs = ms;
    promisedMs = Math.max(promisedMs, process.tick(nowMs), process.tick(nowMs + 10));
  }
});

test("members that are killed in turns do not drive one another's clocks on", () => {
  const logs: Buffer[][] = [[], []];
  let nowMs = START_MS;
  let newestMs = 0;
  for (let life = 0; life < 200; life++, nowMs += LIFE_MS) {
    const member = new Process(logs[life % 2] as Buffer[]);
    member.clock.observe(newestMs, 0);
    member.tick(nowMs);
    member.clock.next(nowMs);
    member.tick(nowMs + 10);
    newestMs = member.clock.ms;
    assert.ok(newestMs <= nowMs + 1_100, `life ${life}: ${newestMs - nowMs} ms ahead`);
  }
});

test("promises follow a clock that is ahead of the time, and a few blocks a second are enough for that", () => {
  const log: Buffer[] = [];
  const member = new Process(log);
  for (let ms = 0; ms < 2_000; ms += 10) {
    const aheadMs = START_MS + ms + 4_000;
    member.clock.observe(aheadMs, 0);
    assert.ok(member.tick(START_MS + ms) >= (ms === 0 ? START_MS : aheadMs - 300));
  }
  assert.ok(log.length <= 21, `${log.length} blocks`);
  for (let ms = 2_000; ms < 2_300; ms += 10) member.tick(START_MS + ms);
  assert.equal(member.ceiling.promise(START_MS + 2_300), member.clock.ms - 1);
});
