/**
 * A region that is removed while it is dead or stands still: the others go on without it, and a zombie writes for nobody.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { atoll } from "../lab/lab-process.ts";
import { RespConnection } from "../support/resp-connection.ts";
import type { Membership } from "../../src/host/membership.ts";
import { ChaosLab, drive, type Region } from "./chaos-lab.ts";

const WRITES = 3_000;

/** Runs the command line on a lab: its exit code and what it said. */
function run(lab: ChaosLab, ...words: string[]): ReturnType<typeof atoll> {
  return atoll(...words, "--dir", lab.dir, "--json");
}

async function write(region: Region): Promise<void> {
  const tally = { acknowledged: 0, perhaps: 0 };
  await drive(region, WRITES, 100, (n) => ["INCRBY", `n:${n % 10}`, "1"], tally);
  assert.equal(tally.acknowledged, WRITES);
}

/** What a node refuses with, once it does. */
async function refusal(region: Region): Promise<string> {
  for (;;) {
    using connection = await RespConnection.open(region.port);
    const reply = await connection.call("SET", "zombie", "wrote this");
    if ("text" in reply && reply.text?.toString().startsWith("AAREMOVED") === true)
      return reply.text.toString();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test("a region that stands still is removed, and the zombie that comes back is refused and says why", async () => {
  await using lab = await ChaosLab.start("--regions", "a,b,c", "--wan", "none");
  const [a, b, c] = lab.regions as [Region, Region, Region];
  await Promise.all([write(a), write(b), write(c)]);
  await lab.do("pause", "c");
  const removed = await run(lab, "region", "remove", "c");
  assert.equal(removed.code, 0, removed.stderr);
  const state = JSON.parse(removed.stdout) as Membership;
  assert.deepEqual(state.members, ["a/1", "b/1"]);
  const [gone] = state.removed;
  assert.deepEqual(
    { ...gone, ends: {} },
    { member: "c/1", state: "retired", awaits: [], ends: {} },
  );
  assert.equal(
    Object.keys(gone?.ends ?? {}).length,
    1,
    "it ends at a record of its only incarnation",
  );
  await write(a);
  await lab.do("start", "c");
  assert.match(await refusal(c), /c\/1 was removed from the cluster/);
  lab.regions = [a, b];
  assert.deepEqual(await lab.agree([["GET", "zombie"]]), ["nil"]);
  const equal = await run(lab, "verify");
  assert.equal(equal.code, 0, equal.stdout + equal.stderr);
});

test("a removed region's place is taken by a new one, and nobody is restarted", async () => {
  await using lab = await ChaosLab.start("--regions", "a,b,c", "--wan", "none");
  const [a, b] = lab.regions as [Region, Region, Region];
  await Promise.all([write(a), write(b)]);
  const pids = async (): Promise<number[]> =>
    Promise.all(["a", "b"].map(async (name) => (await lab.status(name)).pid));
  const before = await pids();
  await lab.do("kill", "c");
  // Whoever removes it may die on the way: the others have heard of it, or it is asked again.
  const removed = await run(lab, "member", "remove", "c/1");
  assert.equal(removed.code, 0, removed.stderr);
  await lab.do("add", "d");
  assert.deepEqual(await pids(), before);
  lab.regions = [a, b];
  const d = lab.takeUp("d");
  await write(d);
  await lab.agree(Array.from({ length: 10 }, (_, n) => ["GET", `n:${n}`]));
  const equal = await run(lab, "verify");
  assert.equal(equal.code, 0, equal.stdout + equal.stderr);
  const { membership } = await lab.status("a");
  assert.deepEqual(membership.members, ["a/1", "b/1", "d/1"]);
});
