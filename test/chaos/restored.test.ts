/**
 * Regions whose directory is lost and comes back out of an old backup, one after another, while the others write.
 *
 * `ATOLL_RESTORED=10` restores that many in turn. Logs are cut at once, so that what a backup lacks may have to come as a snapshot.
 */
import assert from "node:assert/strict";
import { appendFileSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { atoll } from "../lab/lab-process.ts";
import { tempDir } from "../support/temp-dir.ts";
import { ChaosLab, drive, type Region, type Tally } from "./chaos-lab.ts";

const RESTORED = Number(process.env["ATOLL_RESTORED"] ?? 1);
const FORGETFUL = "log: { minRetainMs: 0 }\ncheckpoint: { everyBytes: 1MiB, everyMs: 1s }\n";
const WRITES = 2_000;
const VALUE = "x".repeat(100);

async function run(...words: string[]): Promise<void> {
  const { code, stdout, stderr } = await atoll(...words);
  assert.equal(code, 0, `${words.join(" ")}: ${stdout}${stderr}`);
}

function urlOf(lab: ChaosLab, { name }: Region): string {
  const text = readFileSync(join(lab.dir, name, "node.yaml"), "utf8");
  return `http://127.0.0.1:${(parse(text) as { http: { port: number } }).http.port}`;
}

test("regions restored from old backups lose nothing, bring nothing back, and are equal in the end", async () => {
  using places = tempDir("restored");
  await using lab = await ChaosLab.start("--wan", "none");
  const { regions } = lab;
  for (const { name } of regions) {
    await lab.do("kill", name);
    appendFileSync(join(lab.dir, name, "node.yaml"), FORGETFUL);
    await lab.do("start", name);
  }
  const tally: Tally = { acknowledged: 0, perhaps: 0 };
  const write = (some: readonly Region[], round: string): Promise<unknown> =>
    Promise.all(
      some.flatMap((region) => [
        drive(region, WRITES, 50, () => ["INCR", "count"], tally),
        drive(region, WRITES, 50, (n) => ["SET", `${round}:${region.name}:${n}`, VALUE], {
          acknowledged: 0,
          perhaps: 0,
        }),
      ]),
    );
  const sets = ["SADD", "set", ...Array.from({ length: 100 }, (_, i) => `old ${i}`)];
  await lab.ask(regions[0] as Region, ...sets);
  await write(regions, "first");
  await lab.agree([
    ["GET", "count"],
    ["SCARD", "set"],
  ]);
  const placeOf = ({ name }: Region): string => join(places.path, name);
  for (const region of regions)
    await run("backup", "--url", urlOf(lab, region), "--to", placeOf(region));

  // What every backup shows, and nobody is to see again.
  await lab.ask(regions[1] as Region, "DEL", "set");
  await lab.ask(regions[1] as Region, "SADD", "set", "new");
  for (let round = 0; round < RESTORED; round++) {
    const lost = regions[round % regions.length] as Region;
    const others = regions.filter((region) => region !== lost);
    await write(regions, `before ${round}`);
    // What only the lost one had would be lost with it.
    await lab.agree([["GET", "count"], ["DBSIZE"]]);
    await lab.do("kill", lost.name);
    const data = join(lab.dir, lost.name, "data");
    rmSync(data, { recursive: true });
    await Promise.all([
      write(others, `meanwhile ${round}`),
      (async () => {
        const from = ["--from", placeOf(lost), "--dir", data, "--region", lost.name];
        await run("restore", ...from);
        await lab.do("start", lost.name);
      })(),
    ]);
    const [count, members] = await lab.agree([
      ["GET", "count"],
      ["SMEMBERS", "set"],
      ["DBSIZE"],
      ["DEBUG", "DIGEST"],
    ]);
    assert.equal(members, "[new]");
    assert.ok(Number(count) >= tally.acknowledged, `${count} of ${tally.acknowledged}`);
    assert.ok(Number(count) <= tally.acknowledged + tally.perhaps);
    await run("verify", "--dir", lab.dir);
  }
});
