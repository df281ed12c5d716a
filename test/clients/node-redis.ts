/**
 * node-redis, versions 5 and 6, as driven by the client tests.
 */
import { createClient as createClient5 } from "redis5";
import { createClient as createClient6, RESP_TYPES } from "redis6";
import type { ClientLibrary, ConnectOptions, DrivenClient } from "./driven-client.ts";

export const nodeRedis: readonly ClientLibrary[] = ([2, 3] as const).flatMap((protocol) => [
  {
    name: "node-redis 5",
    protocol,
    connect: (options: ConnectOptions) =>
      connected(createClient5({ ...settings(options), RESP: protocol }) as unknown as NodeRedis),
  },
  {
    name: "node-redis 6",
    protocol,
    connect: (options: ConnectOptions) =>
      connected(createClient6({ ...settings(options), RESP: protocol }) as unknown as NodeRedis),
  },
]);

/** The part of either version that is used here; their own types differ by protocol and version. */
interface NodeRedis {
  on(event: "error", listener: (error: Error) => void): unknown;
  connect(): Promise<unknown>;
  destroy(): void;
  sendCommand(args: (string | Buffer)[]): Promise<unknown>;
  set(key: string | Buffer, value: string | Buffer): Promise<unknown>;
  get(key: string | Buffer): Promise<Buffer | string | null>;
  incr(key: string): Promise<unknown>;
  select(db: number): Promise<unknown>;
  hExpire(key: string, fields: string[], seconds: number): Promise<unknown>;
  hTTL(key: string, fields: string[]): Promise<unknown>;
  hPersist(key: string, fields: string[]): Promise<unknown>;
  hGetAll(key: string): Promise<Record<string, string>>;
  watch(key: string): Promise<unknown>;
  multi(): NodeRedisMulti;
  scanIterator(options: { MATCH: string; COUNT: number }): AsyncIterable<string[]>;
  withTypeMapping(mapping: Record<number, unknown>): NodeRedis;
}

interface NodeRedisMulti {
  set(key: string, value: string): NodeRedisMulti;
  incr(key: string): NodeRedisMulti;
  hSet(key: string, field: string, value: string): NodeRedisMulti;
  exec(): Promise<unknown[]>;
}

function settings({ port, password }: ConnectOptions) {
  return {
    socket: { host: "127.0.0.1", port, reconnectStrategy: () => 50 },
    ...(password === undefined ? {} : { password }),
  };
}

async function connected(client: NodeRedis): Promise<DrivenClient> {
  // A refusal at the start is retried for ever by default, so the first error decides until it is connected.
  const first = new Promise<never>((_, reject) => client.on("error", reject));
  first.catch(() => {});
  try {
    await Promise.race([client.connect(), first]);
  } catch (error) {
    client.destroy();
    throw error;
  }
  return {
    call: (...args) => client.sendCommand(args),
    set: (key, value) => client.set(key, value),
    async getBuffer(key) {
      const value = await client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }).get(key);
      return value === null || Buffer.isBuffer(value)
        ? value
        : Promise.reject(new Error("no Buffer"));
    },
    select: (db) => client.select(db),
    // Calls of one turn are one pipeline.
    incrementPipelined: (key, times) =>
      Promise.all(Array.from({ length: times }, () => client.incr(key))),
    transaction: (key) =>
      client.multi().set(key, "1").incr(key).hSet(`${key}:hash`, "field", "value").exec(),
    async isAborted(key, meanwhile) {
      await client.watch(key);
      await meanwhile();
      try {
        await client.multi().set(key, "mine").exec();
        return false;
      } catch (error) {
        if (error instanceof Error && error.constructor.name === "WatchError") return true;
        throw error;
      }
    },
    async scanAll(match) {
      const found: string[] = [];
      for await (const page of client.scanIterator({ MATCH: match, COUNT: 20 }))
        found.push(...page);
      return found;
    },
    expireFields: async (key, one, other) => [
      await client.hExpire(key, [one, other], 100),
      await client.hTTL(key, [one, other]),
      await client.hPersist(key, [one, other]),
      await client.hTTL(key, [one, other]),
    ],
    hgetall: async (key) => ({ ...(await client.hGetAll(key)) }),
    async [Symbol.asyncDispose]() {
      client.destroy();
    },
  };
}
