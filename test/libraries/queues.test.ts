/** Queues: BullMQ with producers in every region and its workers in one. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Job, Queue, QueueEvents, Worker } from "bullmq";
import { type RegionName, ThreeRegions, until } from "./three-regions.ts";

const JOBS = 60;

let world: ThreeRegions;
before(async () => {
  world = await ThreeRegions.start();
});
after(() => world[Symbol.asyncDispose]());

function connectionTo(region: RegionName): { port: number; maxRetriesPerRequest: null } {
  return { port: world.port(region), maxRetriesPerRequest: null };
}

function queueAt(region: RegionName, name: string): Queue {
  const queue = new Queue(name, { connection: connectionTo(region) });
  queue.on("error", () => {});
  world.atEnd(() => queue.close());
  return queue;
}

function workerAt(region: RegionName, name: string, work: (job: Job) => Promise<unknown>): Worker {
  const worker = new Worker(name, work, { connection: connectionTo(region), concurrency: 4 });
  worker.on("error", () => {});
  world.atEnd(() => worker.close());
  return worker;
}

test("BullMQ in one region: jobs run once, in the order of their priority, delayed and repeated as asked", async () => {
  const queue = queueAt("us-east", "plain");
  const ran: string[] = [];
  await queue.pause();
  await queue.add("low", {}, { priority: 10 });
  await queue.add("high", {}, { priority: 1 });
  await queue.add("later", {}, { delay: 50 });
  await queue.add("flaky", {}, { attempts: 3, priority: 20 });
  await queue.resume();
  let tries = 0;
  workerAt("us-east", "plain", async (job) => {
    if (job.name === "flaky" && ++tries < 3) throw new Error("not yet");
    ran.push(job.name);
    return job.name;
  });
  await until(
    () => queue.getJobCounts("completed"),
    ({ completed }) => completed === 4,
  );
  assert.deepEqual(ran.toSorted(), ["flaky", "high", "later", "low"]);
  assert.ok(ran.indexOf("high") < ran.indexOf("low"), ran.join(" "));
  assert.equal(tries, 3);
});

test(`BullMQ: ${JOBS} jobs of producers in three regions run once each in the one that has the workers`, async () => {
  const name = "spread";
  const counts = new Map<string, number>();
  // A queue's own counters are written by its producers: each region's has a queue of its own, and one worker takes from all.
  const regions = ["us-east", "us-west", "eu-west"] as const;
  const queues = regions.map((region) => queueAt(region, `${name}-${region}`));
  const events = new QueueEvents(`${name}-eu-west`, { connection: connectionTo("us-east") });
  events.on("error", () => {});
  world.atEnd(() => events.close());
  const heard = new Set<string>();
  events.on("completed", ({ jobId }) => heard.add(jobId));
  await events.waitUntilReady();
  for (const region of regions)
    workerAt("us-east", `${name}-${region}`, async (job) => {
      const id = `${region}:${job.id}`;
      counts.set(id, (counts.get(id) ?? 0) + 1);
    });
  for (let i = 0; i < JOBS / 3; i++)
    await Promise.all(queues.map((queue) => queue.add("job", { i })));
  await until(
    () => counts.size,
    (size) => size === JOBS,
  );
  assert.ok([...counts.values()].every((count) => count === 1));
  await until(
    () => heard.size,
    (size) => size === JOBS / 3,
  );
  for (const queue of queues)
    await until(
      () => queue.getJobCounts("completed", "waiting", "active"),
      (seen) => seen["completed"] === JOBS / 3 && seen["waiting"] === 0 && seen["active"] === 0,
    );
});
