/**
 * ioredis, versions 5 and 6, as driven by the client tests.
 */
import { Redis as Redis5 } from "ioredis5";
import { Redis as Redis6 } from "ioredis6";
import type { ClientLibrary, ConnectOptions, DrivenClient } from "./driven-client.ts";

export const ioredis: readonly ClientLibrary[] = [
  {
    name: "ioredis 5",
    protocol: 2,
    connect: (options) => connected(new Redis5(settings(options)) as unknown as Redis6),
  },
  {
    name: "ioredis 6",
    protocol: 2,
    connect: (options) => connected(new Redis6({ ...settings(options), protocol: 2 })),
  },
  {
    name: "ioredis 6",
    protocol: 3,
    connect: (options) => connected(new Redis6({ ...settings(options), protocol: 3 })),
  },
];

function settings({ port, password }: ConnectOptions) {
  return {
    host: "127.0.0.1",
    port,
    lazyConnect: true,
    maxRetriesPerRequest: null,
    retryStrategy: () => 50,
    ...(password === undefined ? {} : { password }),
  };
}

async function connected(client: Redis6): Promise<DrivenClient> {
  // While the server is away it reports each failed attempt; the tests see the outcome.
  let reported: Error | null = null;
  client.on("error", (error: Error) => (reported = error));
  try {
    await client.connect();
    await client.ping();
  } catch (error) {
    client.disconnect();
    // `connect` says that the connection closed; why was reported.
    throw reported ?? error;
  }
  return {
    call: (name = "", ...args) => client.call(String(name), args),
    set: (key, value) => client.set(key, value),
    getBuffer: (key) => client.getBuffer(key),
    select: (db) => client.select(db),
    async incrementPipelined(key, times) {
      const pipeline = client.pipeline();
      for (let i = 0; i < times; i++) pipeline.incr(key);
      return repliesOf(await pipeline.exec());
    },
    async transaction(key) {
      return repliesOf(
        await client.multi().set(key, "1").incr(key).hset(`${key}:hash`, "field", "value").exec(),
      );
    },
    async isAborted(key, meanwhile) {
      await client.watch(key);
      await meanwhile();
      return (await client.multi().set(key, "mine").exec()) === null;
    },
    async scanAll(match) {
      const found: string[] = [];
      for await (const page of client.scanStream({ match, count: 20 }))
        found.push(...(page as string[]));
      return found;
    },
    expireFields: async (key, one, other) => [
      await client.hexpire(key, 100, "FIELDS", 2, one, other),
      await client.httl(key, "FIELDS", 2, one, other),
      await client.hpersist(key, "FIELDS", 2, one, other),
      await client.httl(key, "FIELDS", 2, one, other),
    ],
    hgetall: (key) => client.hgetall(key),
    async [Symbol.asyncDispose]() {
      client.disconnect();
    },
  };
}

/** ioredis gives a pair of error and reply for each. */
function repliesOf(pairs: [Error | null, unknown][] | null): unknown[] {
  return (pairs ?? []).map(([error, reply]) => {
    if (error !== null) throw error;
    return reply;
  });
}
