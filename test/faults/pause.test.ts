/**
 * A process that stands still: its sockets stay open and nobody answers. The others must notice, go on, and agree with it later.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChaosLab, drive, type Region, type Tally } from "../chaos/chaos-lab.ts";
import { textOf } from "../support/resp.ts";
import { eventually } from "./faulty-node.ts";

/** What a region says of its link to another: `live`, `catching up` or `down`. */
async function linkState(lab: ChaosLab, from: Region, to: Region): Promise<string> {
  const info = textOf(await lab.ask(from, "INFO", "atoll"))?.toString() ?? "";
  return new RegExp(`^link_${to.name}/1:state=([^,\\r]+)`, "m").exec(info)?.[1] ?? "unknown";
}

async function increment(lab: ChaosLab, regions: Region[], count: number): Promise<void> {
  for (const region of regions)
    for (let i = 0; i < count; i++) await lab.ask(region, "INCR", "count");
}

test("while one region stands still the others close its links and go on, and afterwards all agree", async () => {
  await using lab = await ChaosLab.start("--wan", "5");
  const [paused, ...others] = lab.regions as [Region, Region, Region];
  const [second, third] = others;
  assert.equal(others.length, 2);
  const live = (from: Region, to: Region, state: string): Promise<void> =>
    eventually(
      `the link from ${from.name} to ${to.name} is ${state}`,
      async () => (await linkState(lab, from, to)) === state,
    );
  await live(second, paused, "live");
  await increment(lab, [...lab.regions], 10);
  await lab.agree([["GET", "count"]]);

  await lab.do("pause", paused.name);
  await increment(lab, others, 10);
  // Silence alone tells them: no connection was closed, no process has gone.
  for (const other of others) await live(other, paused, "down");
  assert.equal(await linkState(lab, second, third), "live");
  await increment(lab, others, 10);
  await eventually("the others agree without it", async () => {
    const counts = await Promise.all(others.map((other) => lab.ask(other, "GET", "count")));
    return counts.every((reply) => textOf(reply)?.toString() === "70");
  });

  await lab.do("start", paused.name);
  await increment(lab, [paused], 10);
  assert.deepEqual(await lab.agree([["GET", "count"]]), ["80"]);
  for (const other of others) await live(other, paused, "live");
});

test("a region that stands still under load, is killed there and starts again has lost nothing it acknowledged", async () => {
  await using lab = await ChaosLab.start("--wan", "5");
  const [paused, ...others] = lab.regions as [Region, Region, Region];
  const tally: Tally = { acknowledged: 0, perhaps: 0 };
  const command = (): string[] => ["INCR", "count"];
  const PER_REGION = 20_000;
  const load = Promise.all(
    lab.regions.map((region) => drive(region, PER_REGION, 16, command, tally)),
  );
  await eventually("there is load", () => tally.acknowledged > 2_000);
  await lab.do("pause", paused.name);
  const acknowledged = tally.acknowledged;
  await eventually("the others go on", () => tally.acknowledged > acknowledged + 2_000);
  await lab.do("kill", paused.name);
  await lab.do("start", paused.name);
  await load;
  assert.equal(others.length, 2);
  const [count] = await lab.agree([["GET", "count"]]);
  const seen = Number(count);
  assert.ok(
    tally.acknowledged <= seen && seen <= tally.acknowledged + tally.perhaps,
    `${tally.acknowledged} acknowledged, ${tally.perhaps} perhaps, the counter says ${seen}`,
  );
});
