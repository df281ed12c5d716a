/** Rate limits: each region counts at once, what all have counted adds up, and no limit resets another's window. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import fastifyRateLimit from "@fastify/rate-limit";
import express from "express";
import { rateLimit } from "express-rate-limit";
import fastify from "fastify";
import { RedisStore } from "rate-limit-redis";
import { RateLimiterRedis, RateLimiterRes } from "rate-limiter-flexible";
import { type RegionName, ThreeRegions, until } from "./three-regions.ts";

let world: ThreeRegions;
before(async () => {
  world = await ThreeRegions.start();
});
after(() => world[Symbol.asyncDispose]());

test("rate-limiter-flexible: points consumed in two regions add up, and the limit holds in both", async () => {
  const limiterAt = (region: RegionName): RateLimiterRedis =>
    new RateLimiterRedis({
      storeClient: world.ioredis(region),
      keyPrefix: "flexible",
      points: 10,
      duration: 600,
    });
  const [here, there] = [limiterAt("us-east"), limiterAt("eu-west")];
  for (let i = 0; i < 4; i++) await here.consume("ada");
  // The first point a region consumes on its own sets a window of its own: it waits until it knows of that one.
  await until(
    () => there.get("ada"),
    (state) => state?.consumedPoints === 4,
  );
  for (let i = 0; i < 5; i++) await there.consume("ada");
  await until(
    () => here.get("ada"),
    (state) => state?.consumedPoints === 9,
  );
  await here.consume("ada");
  for (const limiter of [here, there])
    await until(
      () => limiter.get("ada"),
      (state) => state?.consumedPoints === 10,
    );
  for (const limiter of [here, there])
    await assert.rejects(limiter.consume("ada"), (refused) => {
      assert.ok(refused instanceof RateLimiterRes);
      assert.ok(refused.msBeforeNext > 0);
      return true;
    });
  // A refused request is counted too; and what a deletion has not seen would survive it.
  await until(
    () => there.get("ada"),
    (state) => state?.consumedPoints === 12,
  );
  await there.delete("ada");
  await until(
    () => here.get("ada"),
    (state) => state === null,
  );
});

test("rate-limiter-flexible: while the cable is cut each region still counts, and then knows of all", async () => {
  const limiterAt = (region: RegionName): RateLimiterRedis =>
    new RateLimiterRedis({
      storeClient: world.ioredis(region),
      keyPrefix: "cut",
      points: 100,
      duration: 600,
    });
  const [here, there] = [limiterAt("us-east"), limiterAt("us-west")];
  await here.consume("ada");
  await until(
    () => there.get("ada"),
    (state) => state?.consumedPoints === 1,
  );
  await world.lab.do("cut", "us-east", "us-west");
  await world.lab.do("cut", "eu-west", "us-west");
  for (let i = 0; i < 10; i++) await Promise.all([here.consume("ada"), there.consume("ada")]);
  await world.lab.do("heal");
  for (const limiter of [here, there])
    await until(
      () => limiter.get("ada"),
      (state) => state?.consumedPoints === 21,
    );
});

test("rate-limit-redis behind express-rate-limit: the third request is refused wherever it comes", async () => {
  const serverAt = async (region: RegionName): Promise<string> => {
    const client = world.ioredis(region);
    const app = express();
    const sendCommand = (command: string, ...words: string[]): Promise<never> =>
      client.call(command, ...words) as Promise<never>;
    app.use(
      rateLimit({
        windowMs: 600_000,
        limit: 2,
        standardHeaders: true,
        store: new RedisStore({ sendCommand, prefix: "express:" }),
      }),
    );
    app.get("/", (_, response) => void response.send("served"));
    const server = app.listen(0, "127.0.0.1");
    world.atEnd(() => server.close());
    await once(server, "listening");
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const [here, there] = [await serverAt("us-east"), await serverAt("us-west")];
  assert.equal((await fetch(here)).status, 200);
  const client = world.ioredis("us-west");
  await until(
    () => client.keys("express:*"),
    (keys) => keys.length === 1,
  );
  assert.equal((await fetch(there)).status, 200);
  const refused = await fetch(there);
  assert.deepEqual([refused.status, refused.headers.get("ratelimit-remaining")], [429, "0"]);
});

test("@fastify/rate-limit: its scripts count, and a client that comes too often hears when to come again", async () => {
  const app = fastify();
  await app.register(fastifyRateLimit, {
    max: 2,
    timeWindow: 600_000,
    redis: world.ioredis("eu-west"),
  });
  app.get("/", async () => "served");
  world.atEnd(() => app.close());
  const address = await app.listen({ port: 0, host: "127.0.0.1" });
  const statuses: number[] = [];
  for (let i = 0; i < 3; i++) statuses.push((await fetch(address)).status);
  assert.deepEqual(statuses, [200, 200, 429]);
  const refused = await fetch(address);
  assert.ok(Number(refused.headers.get("retry-after")) > 0);
});
