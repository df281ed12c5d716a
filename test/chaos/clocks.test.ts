/**
 * A wrong clock in one region: the others do not follow it, it does not follow its own, and nothing is lost.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { atoll } from "../lab/lab-process.ts";
import { isError, itemsOf, type Reply, textOf } from "../support/resp.ts";
import { ChaosLab, type Region } from "./chaos-lab.ts";

const TEN_YEARS = "+87600h";

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

test("a node that starts with its clock ten years ahead goes by the others' time, and nothing is left of it once its clock is right", async () => {
  await using lab = await ChaosLab.start("--wan", "5");
  const [first, second] = lab.regions as [Region, Region];
  await lab.ask(second, "SET", "lease", "held", "EX", "3600");
  await lab.agree([["GET", "lease"]]);
  await startWith(lab, first, TEN_YEARS);
  await taken(lab, first, "SET", "k", "of the wrong clock");
  assert.deepEqual(await lab.agree([["GET", "k"]]), ["of the wrong clock"]);
  assert.equal((await clockOf(lab, first)).told, "yes");
  assert.match(text(await lab.ask(first, "AA.CLOCK", "ACCEPT")), /the time is told/);
  await lab.ask(second, "SET", "k", "later");
  assert.deepEqual(await lab.agree([["GET", "k"]]), ["later"]);
  await startWith(lab, first, "+0h");
  await taken(lab, first, "SET", "k", "of the right clock");
  assert.deepEqual(
    await lab.agree([
      ["GET", "k"],
      ["GET", "lease"],
    ]),
    ["of the right clock", "held"],
  );
});

test("a node that starts ten years ahead and hears nobody takes no writes, and lets nothing expire, until somebody is heard", async () => {
  await using lab = await ChaosLab.start("--wan", "5");
  const [first, second] = lab.regions as [Region, Region];
  await lab.ask(second, "SET", "lease", "held", "EX", "3600");
  await lab.agree([["GET", "lease"]]);
  await lab.do("kill", first.name);
  await lab.do("cut", first.name);
  await startWith(lab, first, TEN_YEARS);
  assert.match(await refused(lab, first), /^MISCONF this node's clock is \d+ s ahead of the last/);
  assert.equal((await clockOf(lab, first)).told, "no");
  assert.equal(text(await lab.ask(first, "GET", "lease")), "held");
  await lab.do("heal");
  await taken(lab, first, "SET", "k", "value");
  assert.deepEqual(
    await lab.agree([
      ["GET", "k"],
      ["GET", "lease"],
    ]),
    ["value", "held"],
  );
});

test("a node that is cut off after a long outage takes writes once somebody says that its clock is right, and the others take those", async () => {
  await using lab = await ChaosLab.start("--wan", "5");
  const [first, second] = lab.regions as [Region, Region];
  await lab.ask(first, "SET", "k", "before");
  await lab.agree([["GET", "k"]]);
  await lab.do("kill", first.name);
  await lab.do("cut", first.name);
  // Half an hour goes by for everybody.
  for (const { name } of lab.regions) await lab.do("clock", name, "+30m");
  await lab.do("start", first.name);
  assert.match(await refused(lab, first), /^MISCONF this node's clock is \d+ s ahead of the last/);
  assert.equal(text(await lab.ask(first, "GET", "k")), "before");
  assert.equal(text(await lab.ask(first, "AA.CLOCK", "ACCEPT")), "OK");
  await taken(lab, first, "SET", "k", "while cut off");
  assert.equal((await clockOf(lab, first)).told, "yes");
  await lab.do("heal");
  assert.deepEqual(await lab.agree([["GET", "k"]]), ["while cut off"]);
  await lab.ask(second, "SET", "k", "after");
  assert.deepEqual(await lab.agree([["GET", "k"]]), ["after"]);
  const { members } = (await clockOf(lab, second)) as { members: Record<string, string>[] };
  assert.deepEqual(
    members.map((one) => one["held-records"]),
    ["0", "0"],
  );
});

test("what a node stamped a quarter of an hour ahead is held by the others, nothing is added to that, and once it is removed its values are written anew", async () => {
  await using lab = await ChaosLab.start("--wan", "5");
  const [first, second] = lab.regions as [Region, Region];
  await lab.do("cut", first.name);
  await startWith(lab, first, "+15m");
  await taken(lab, first, "SET", "early", "value");
  await lab.do("heal");
  assert.match(
    await refused(lab, first),
    /^MISCONF this node's clock is \d+ ms ahead of its peers'/,
  );
  await until("the other one says whom it holds", async () => {
    const { members } = (await clockOf(lab, second)) as { members: Record<string, string>[] };
    return members.some((one) => Number(one["held-records"]) > 0);
  });
  await startWith(lab, first, "+0h");
  assert.match(await refused(lab, first), /its stamps are \d+ ms ahead of its peers' time/);
  assert.equal(text(await lab.ask(first, "GET", "early")), "value");

  await lab.do("kill", first.name);
  lab.regions = lab.regions.slice(1);
  const source = join(lab.dir, first.name, "data");
  for (const words of [
    ["member", "remove", `${first.name}/1`],
    ["tails", "restore", source, "--key", "early"],
  ]) {
    const { code, stdout, stderr } = await atoll(...words, "--dir", lab.dir);
    assert.equal(code, 0, `${words.join(" ")}: ${stdout}${stderr}`);
  }
  assert.deepEqual(await lab.agree([["GET", "early"]]), ["value"]);
});

const text = (reply: Reply): string => textOf(reply)?.toString() ?? "";

/** What AA.CLOCK says: lists of names and values as objects of texts. */
async function clockOf(lab: ChaosLab, region: Region): Promise<Record<string, unknown>> {
  return named(await lab.ask(region, "AA.CLOCK"));
}

function named(reply: Reply): Record<string, unknown> {
  const items = itemsOf(reply);
  const pairs = items.flatMap((name, i) => {
    const value = items[i + 1];
    if (i % 2 === 1 || value === undefined) return [];
    return [[text(name), value.type === "*" ? itemsOf(value).map(named) : text(value)]];
  });
  return Object.fromEntries(pairs) as Record<string, unknown>;
}

/** Kills a region's node and starts it with its clock off by so much. */
async function startWith(lab: ChaosLab, { name }: Region, offset: string): Promise<void> {
  await lab.do("kill", name).catch(() => "");
  await lab.do("clock", name, offset);
  await lab.do("start", name);
}

async function taken(lab: ChaosLab, region: Region, ...command: string[]): Promise<void> {
  await until(
    `${command.join(" ")} is taken`,
    async () => !isError(await lab.ask(region, ...command)),
  );
}

/** What a write is refused with. */
async function refused(lab: ChaosLab, region: Region): Promise<string> {
  let refusal = "";
  await until("a write is refused", async () => {
    const reply = await lab.ask(region, "SET", "refused", "x");
    refusal = text(reply);
    return isError(reply);
  });
  return refusal;
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const giveUpMs = performance.now() + 60_000;
  while (!(await holds())) {
    if (performance.now() > giveUpMs) throw new Error(`it does not come to pass that ${what}`);
    await sleep(50);
  }
}
