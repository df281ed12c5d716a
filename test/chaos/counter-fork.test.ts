/**
 * The test on which a known multi-master fork of Redis ended at 26359 / 26359 / 17163: INCR in three regions while cables are
 * cut and nodes are killed and started again.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { ChaosLab, drive, type Tally } from "./chaos-lab.ts";

const INCREMENTS = 100_000;

test(`${INCREMENTS} INCR in three regions with cuts and kill -9 end equal, and at what was acknowledged`, async () => {
  await using lab = await ChaosLab.start("--wan", "5");
  const [a, b, c] = lab.regions.map(({ name }) => name) as [string, string, string];
  const tally: Tally = { acknowledged: 0, perhaps: 0 };
  const share = Math.floor(INCREMENTS / lab.regions.length);
  let running = true;
  const writers = Promise.all(
    lab.regions.map((region, i) => {
      const count = i === 0 ? INCREMENTS - share * (lab.regions.length - 1) : share;
      return drive(region, count, 20, () => ["INCR", "n"], tally);
    }),
  ).finally(() => (running = false));
  const hurt = async (): Promise<void> => {
    const rounds = [
      async () => {
        await lab.do("cut", a, b);
        await sleep(500);
        await lab.do("heal");
      },
      async () => {
        await lab.do("kill", c);
        await sleep(300);
        await lab.do("start", c);
      },
      async () => {
        await lab.do("cut", b, "--one-way");
        await lab.do("kill", a);
        await sleep(300);
        await lab.do("start", a);
        await lab.do("heal");
      },
      async () => {
        await lab.do("cut", c);
        await lab.do("kill", c);
        await lab.do("start", c);
        await lab.do("heal");
      },
    ];
    for (let round = 0; running || round < rounds.length; round++)
      await rounds[round % rounds.length]?.();
  };
  await Promise.all([writers, hurt()]);
  const [value = ""] = await lab.agree([["GET", "n"]]);
  const total = Number(value);
  assert.ok(
    total >= tally.acknowledged,
    `${tally.acknowledged} INCR were acknowledged, the counter says ${total}`,
  );
  assert.ok(
    total <= tally.acknowledged + tally.perhaps,
    `at most ${tally.acknowledged + tally.perhaps} INCR were sent, the counter says ${total}`,
  );
});
