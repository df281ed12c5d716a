/**
 * A wrong clock in one region: the others do not follow it, and nothing is lost.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { isError, textOf } from "../support/resp.ts";
import { ChaosLab, type Region } from "./chaos-lab.ts";

test("a clock that jumps an hour ahead while the node runs moves nobody's stamps, its own included", async () => {
  await using lab = await ChaosLab.start("--wan", "5");
  const [first, second] = lab.regions as [Region, Region];
  await lab.ask(first, "SET", "k", "before");
  await lab.agree([["GET", "k"]]);
  await lab.do("clock", first.name, "+1h");
  await sleep(100);
  await lab.ask(first, "SET", "k", "jumped");
  await lab.agree([["GET", "k"]]);
  // If the jump had reached the stamps, this write would lose against it for an hour.
  await lab.ask(second, "SET", "k", "after");
  assert.deepEqual(await lab.agree([["GET", "k"]]), ["after"]);
});

test("a node that starts with its clock an hour ahead takes no writes once it hears of it, and serves reads", async () => {
  await using lab = await ChaosLab.start("--wan", "5");
  const [first, second] = lab.regions as [Region, Region];
  await lab.ask(second, "SET", "k", "value");
  await lab.agree([["GET", "k"]]);
  await lab.do("kill", first.name);
  await lab.do("clock", first.name, "+1h");
  await lab.do("start", first.name);
  let refused = "";
  for (let tries = 0; tries < 200 && refused === ""; tries++) {
    const reply = await lab.ask(first, "SET", "other", "x");
    if (isError(reply)) refused = textOf(reply)?.toString() ?? "";
    await sleep(50);
  }
  assert.match(refused, /MISCONF this node's clock is \d+ ms ahead/);
  assert.equal(textOf(await lab.ask(first, "GET", "k"))?.toString(), "value");
});
