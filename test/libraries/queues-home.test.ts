/** Queues with a home: BullMQ with producers and workers in every region, through a planned move and a cut. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { Queue, Worker } from "bullmq";
import { tempDir } from "../support/temp-dir.ts";
import { type RegionName, ThreeRegions, until } from "./three-regions.ts";

const REGIONS = ["us-east", "us-west", "eu-west"] as const;
const JOBS = 120;

const config = tempDir("queues-home");
let world: ThreeRegions;
before(async () => {
  const file = `${config.path}/keyspaces.yaml`;
  writeFileSync(file, '- { prefix: "bull:", writes: home, home: us-east }\n');
  world = await ThreeRegions.start("--wan", "10", "--keyspaces", file);
});
after(async () => {
  await world[Symbol.asyncDispose]();
  config[Symbol.dispose]();
});

function connectionTo(region: RegionName): { port: number; maxRetriesPerRequest: null } {
  return { port: world.port(region), maxRetriesPerRequest: null };
}

/** A producer whose region cannot reach the owner asks again, under the same id: a job that is there already is not added twice. */
async function add(queue: Queue, i: number, jobId: string): Promise<void> {
  for (;;)
    try {
      await queue.add("job", { i }, { jobId });
      return;
    } catch (error) {
      if (!(error instanceof Error && /^AA(HOME|UNKNOWN) /.test(error.message))) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
}

test(`BullMQ: ${JOBS} jobs of producers in three regions run once each, by workers in all of them`, async () => {
  const ran = new Map<string, number>();
  const by = new Map<RegionName, number>();
  const queues = REGIONS.map((region) => {
    const queue = new Queue("mails", { connection: connectionTo(region) });
    queue.on("error", () => {});
    world.atEnd(() => queue.close());
    return queue;
  });
  for (const region of REGIONS) {
    const work = async (job: { id?: string | undefined }): Promise<void> => {
      ran.set(job.id ?? "", (ran.get(job.id ?? "") ?? 0) + 1);
      by.set(region, (by.get(region) ?? 0) + 1);
    };
    const worker = new Worker("mails", work, { connection: connectionTo(region), concurrency: 4 });
    worker.on("error", () => {});
    world.atEnd(() => worker.close());
  }
  const adding = (async () => {
    for (let i = 0; i < JOBS / 3; i++)
      await Promise.all(queues.map((queue, at) => add(queue, i, `${REGIONS[at]}-${i}`)));
  })();
  const operator = world.ioredis("us-west");
  await until(
    () => ran.size,
    (size) => size > JOBS / 6,
  );
  assert.equal(await operator.call("AA.KEYSPACE", "MOVE", "bull:", "eu-west"), "OK");
  await until(
    () => ran.size,
    (size) => size > JOBS / 3,
  );
  await world.lab.do("cut", "us-west");
  await new Promise((resolve) => setTimeout(resolve, 3_500));
  await world.lab.do("heal");
  await adding;
  await until(
    () => ran.size,
    (size) => size === JOBS,
  );
  for (const queue of queues)
    await until(
      () => queue.getJobCounts("completed", "waiting", "active", "failed"),
      (seen) => seen["completed"] === JOBS && seen["waiting"] === 0 && seen["active"] === 0,
      60_000,
    );
  assert.deepEqual(
    [...ran.values()].filter((times) => times !== 1),
    [],
    "each job ran once",
  );
  for (const region of REGIONS) assert.ok((by.get(region) ?? 0) > 0, `no job ran at ${region}`);
});
