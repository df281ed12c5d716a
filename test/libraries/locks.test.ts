/**
 * Locks: redlock takes, extends and releases a lock within a region. Between regions a lock of this kind excludes nobody until its
 * key has arrived there, and the documents say so; the test shows both.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import Redlock from "redlock";
import { type RegionName, ThreeRegions, until } from "./three-regions.ts";

let world: ThreeRegions;

/** A lock manager over one region. The library's types know callbacks only, its code takes ioredis as it is. */
function redlockAt(region: RegionName): Redlock {
  const client = world.ioredis(region) as unknown as Redlock.CompatibleRedisClient;
  return new Redlock([client], { retryCount: 0 });
}

before(async () => {
  world = await ThreeRegions.start();
});
after(() => world[Symbol.asyncDispose]());

test("redlock: within a region one holder at a time, extended and released by its scripts", async () => {
  const first = redlockAt("us-east");
  const second = redlockAt("us-east");
  const lock = await first.lock("locks:stock", 60_000);
  await assert.rejects(second.lock("locks:stock", 60_000), Redlock.LockError);
  await lock.extend(120_000);
  const ttl = await world.ioredis("us-east").pttl("locks:stock");
  assert.ok(ttl > 60_000, `${ttl}`);
  await lock.unlock();
  await (await second.lock("locks:stock", 60_000)).unlock();
});

test("redlock: a lock is seen elsewhere once it has arrived, and two regions that are cut off both get it", async () => {
  const here = redlockAt("us-east");
  const there = redlockAt("eu-west");
  const lock = await here.lock("locks:seen", 60_000);
  const client = world.ioredis("eu-west");
  await until(
    () => client.exists("locks:seen"),
    (count) => count === 1,
  );
  await assert.rejects(there.lock("locks:seen", 60_000), Redlock.LockError);
  await lock.unlock();
  await world.lab.do("cut", "us-east", "eu-west");
  await world.lab.do("cut", "us-west", "eu-west");
  const both = await Promise.all([here.lock("locks:cut", 60_000), there.lock("locks:cut", 60_000)]);
  assert.equal(both.length, 2, "which is why a lock over all regions needs a home");
  await world.lab.do("heal");
});
