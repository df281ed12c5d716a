/**
 * Members that come back with nothing, or with somebody else's directory, and one that is new: each is filled while others write.
 *
 * `ATOLL_EMPTIED=20` empties that many directories in turn; the logs are cut at once, so that a snapshot has to fill them.
 * `ATOLL_CLONED=10` copies that many.
 */
import assert from "node:assert/strict";
import { appendFileSync, cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { atoll, RunningCommand } from "../lab/lab-process.ts";
import { freePort } from "../support/free-port.ts";
import { ChaosLab, drive, type Region, type Tally } from "./chaos-lab.ts";

const EMPTIED = Number(process.env["ATOLL_EMPTIED"] ?? 2);
const CLONED = Number(process.env["ATOLL_CLONED"] ?? 1);
/** Logs are forgotten as soon as all have them; a mark lies in them every 256 KiB. */
const FORGETFUL = "log: { minRetainMs: 0 }\ncheckpoint: { everyBytes: 1MiB, everyMs: 1s }\n";
const CUT_BYTES = 1024 * 1024;
const WRITES = 10_000;
const VALUE = "x".repeat(100);

/** A lab of two regions that forget their logs, with `WRITES` keys in it. */
async function forgetfulLab(): Promise<ChaosLab> {
  const lab = await ChaosLab.start("--regions", "a,b", "--wan", "none");
  try {
    for (const { name } of lab.regions) {
      await lab.do("kill", name);
      appendFileSync(join(lab.dir, name, "node.yaml"), FORGETFUL);
      await lab.do("start", name);
    }
    await write(lab.regions[0] as Region, 0);
    await untilCut(lab);
    return lab;
  } catch (error) {
    await lab[Symbol.asyncDispose]();
    throw error;
  }
}

async function write(
  region: Region,
  from: number,
  tally: Tally = { acknowledged: 0, perhaps: 0 },
): Promise<Tally> {
  await drive(region, WRITES, 100, (n) => ["SET", `k:${from + n}`, VALUE], tally);
  return tally;
}

/** Every region holds what was acknowledged, besides the first `WRITES` keys, and the same. */
async function holdAll(lab: ChaosLab, { acknowledged, perhaps }: Tally): Promise<void> {
  const [text] = await lab.agree([["DBSIZE"], ["DEBUG", "DIGEST"]]);
  const size = Number(text) - WRITES;
  assert.ok(size >= acknowledged && size <= acknowledged + perhaps, `${size} of ${acknowledged}`);
}

async function proveEqual(lab: ChaosLab): Promise<void> {
  const { code, stdout, stderr } = await atoll("verify", "--dir", lab.dir);
  assert.equal(code, 0, stdout + stderr);
}

/** Waits until every node has a checkpoint, behind which its log is forgotten at once. */
async function untilCut(lab: ChaosLab): Promise<void> {
  for (;;) {
    const all = await Promise.all(lab.regions.map(({ name }) => lab.status(name)));
    if (all.every(({ log }) => (log.checkpointPosition ?? 0) > CUT_BYTES)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test("a region whose directory was emptied is filled by another that goes on serving", async () => {
  await using lab = await forgetfulLab();
  const [serving, emptied] = lab.regions as [Region, Region];
  const tally: Tally = { acknowledged: 0, perhaps: 0 };
  for (let round = 1; round <= EMPTIED; round++) {
    await lab.do("kill", emptied.name);
    rmSync(join(lab.dir, emptied.name, "data"), { recursive: true });
    await Promise.all([write(serving, round * WRITES, tally), lab.do("start", emptied.name)]);
    await holdAll(lab, tally);
    const said = readFileSync(join(lab.dir, emptied.name, "node.log"), "utf8");
    assert.match(said, /is asked for a snapshot/);
  }
  await proveEqual(lab);
});

test("a region that is added to a lab is filled, and counts from then on", async () => {
  await using lab = await forgetfulLab();
  const [serving] = lab.regions as [Region];
  const [tally] = await Promise.all([write(serving, WRITES), lab.do("add", "c")]);
  lab.takeUp("c");
  await holdAll(lab, tally);
  await proveEqual(lab);
  const { links } = await lab.status("c");
  assert.deepEqual(links.map(({ peer }) => peer).toSorted(), ["a/1", "b/1"]);
});

test("of a node and a copy of it that runs beside it one stops, and its directory is not used again", async () => {
  await using lab = await forgetfulLab();
  const [original] = lab.regions as [Region];
  for (let round = 0; round < CLONED; round++)
    await clone(lab, original, join(lab.dir, `copy-${round}`));
  await holdAll(lab, await write(original, WRITES));
  await proveEqual(lab);
});

/** Copies the directory of a region and starts the copy beside it, twice: it stops the first time, and is refused the second. */
async function clone(lab: ChaosLab, original: Region, copy: string): Promise<void> {
  await lab.do("kill", original.name);
  cpSync(join(lab.dir, original.name), copy, { recursive: true });
  await lab.do("start", original.name);
  const config = join(copy, "node.yaml");
  const ports = [await freePort(), await freePort(), await freePort()];
  let n = 0;
  const settings = readFileSync(config, "utf8")
    .replaceAll(/^( {2}port:) \d+/gm, (_, name: string) => `${name} ${ports[n++]}`)
    .replaceAll(join(lab.dir, original.name), copy);
  writeFileSync(config, settings);
  const second = new RunningCommand(["serve", "--config", config]);
  await second.ended;
  assert.match(second.stderr, /another process lives as a\/1/);
  const third = new RunningCommand(["serve", "--config", config]);
  await third.ended;
  assert.match(third.stderr, /while another process lived under its name/);
}
