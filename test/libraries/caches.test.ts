/** Caches and key-value layers: what one region stores, another reads; what it clears goes everywhere. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import KeyvRedis from "@keyv/redis";
import { createCache } from "cache-manager";
import { Keyv } from "keyv";
import { createStorage, type Storage } from "unstorage";
import redisDriver from "unstorage/drivers/redis";
import { type RegionName, ThreeRegions, until } from "./three-regions.ts";

let world: ThreeRegions;
before(async () => {
  world = await ThreeRegions.start();
});
after(() => world[Symbol.asyncDispose]());

function keyvAt(region: RegionName, namespace: string): Keyv {
  const store = new KeyvRedis(`redis://127.0.0.1:${world.port(region)}`);
  const keyv = new Keyv({ store, namespace, useKeyPrefix: false });
  keyv.on("error", () => {});
  world.atEnd(() => keyv.disconnect());
  return keyv;
}

test("Keyv with @keyv/redis: values, many at once, and their time to live", async () => {
  const [here, there] = [keyvAt("us-east", "keyv"), keyvAt("eu-west", "keyv")];
  await here.set("one", { deep: [1, "two", null] });
  await here.setMany([
    { key: "two", value: 2 },
    { key: "three", value: 3, ttl: 600_000 },
  ]);
  await until(
    () => there.getMany(["one", "two", "three", "four"]),
    (values) => values.filter((value) => value !== undefined).length === 3,
  );
  assert.deepEqual(await there.get("one"), { deep: [1, "two", null] });
  assert.deepEqual(await there.hasMany(["two", "four"]), [true, false]);
  await there.set("brief", "gone", 50);
  await until(
    () => there.get("brief"),
    (value) => value === undefined,
  );
  assert.equal(await there.delete("two"), true);
  await until(
    () => here.has("two"),
    (has) => !has,
  );
  await here.clear();
  await until(
    () => there.getMany(["one", "three"]),
    (values) => values.every((value) => value === undefined),
  );
});

test("cache-manager over Keyv: a value is computed once, and regions share it", async () => {
  const cacheAt = (region: RegionName) => createCache({ stores: [keyvAt(region, "managed")] });
  const [here, there] = [cacheAt("us-east"), cacheAt("us-west")];
  let computed = 0;
  const compute = async (): Promise<string> => `computed ${++computed}`;
  assert.equal(await here.wrap("report", compute, 600_000), "computed 1");
  assert.equal(await here.wrap("report", compute, 600_000), "computed 1");
  await until(
    () => there.get("report"),
    (value) => value === "computed 1",
  );
  assert.equal(await there.wrap("report", compute, 600_000), "computed 1");
  await there.del("report");
  await until(
    () => here.get("report"),
    (value) => value === undefined,
  );
});

test("unstorage: items, keys under a base, and clearing them", async () => {
  const storageAt = (region: RegionName): Storage => {
    const storage = createStorage({
      driver: redisDriver({ base: "unstorage", url: `redis://127.0.0.1:${world.port(region)}` }),
    });
    world.atEnd(() => storage.dispose());
    return storage;
  };
  const [here, there] = [storageAt("us-west"), storageAt("eu-west")];
  await here.setItem("users:ada", { born: 1815 });
  await here.setItem("users:grace", { born: 1906 });
  await here.setItemRaw("raw", Buffer.from([0, 255, 10]));
  await until(
    () => there.getKeys(),
    (keys) => keys.length === 3,
  );
  assert.deepEqual((await there.getKeys("users")).toSorted(), ["users:ada", "users:grace"]);
  assert.deepEqual(await there.getItem("users:ada"), { born: 1815 });
  await there.removeItem("users:ada");
  await until(
    () => here.hasItem("users:ada"),
    (has) => !has,
  );
  await here.clear();
  await until(
    () => there.getKeys(),
    (keys) => keys.length === 0,
  );
});
