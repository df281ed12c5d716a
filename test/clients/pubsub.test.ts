/**
 * Messages through the clients people have: subscriptions, also after the server was away; a cache that is told what changed; a
 * thousand subscribers of whom one does not read.
 *
 * Invariant: nothing here depends on how long something takes: it is waited for until it is so.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { after, before, suite, test } from "node:test";
import { Redis as Redis5 } from "ioredis5";
import { Redis as Redis6 } from "ioredis6";
import { createClient as createClient5 } from "redis5";
import { createClient as createClient6 } from "redis6";
import { RespConnection } from "../support/resp-connection.ts";
import { encodeCommand, textOf } from "../support/resp.ts";
import { startSubject, type TestServer } from "../support/server.ts";

/** What is asked of each library. */
interface Listener {
  subscribe(channel: string, heard: (message: string) => void): Promise<unknown>;
  psubscribe(pattern: string, heard: (message: string) => void): Promise<unknown>;
  ssubscribe(channel: string, heard: (message: string) => void): Promise<unknown>;
  close(): unknown;
}

type Connect = (port: number) => Promise<Listener>;

/** The part of either version of ioredis that is used here. */
type IoRedis = Pick<
  Redis6,
  "on" | "connect" | "subscribe" | "psubscribe" | "ssubscribe" | "disconnect"
>;

function ioredis(create: (port: number) => IoRedis): Connect {
  return async (port) => {
    const client = create(port);
    client.on("error", () => {});
    await client.connect();
    return {
      subscribe(channel, heard) {
        client.on("message", (name: string, message: string) => name === channel && heard(message));
        return client.subscribe(channel);
      },
      psubscribe(pattern, heard) {
        client.on(
          "pmessage",
          (name: string, _: string, message: string) => name === pattern && heard(message),
        );
        return client.psubscribe(pattern);
      },
      ssubscribe(channel, heard) {
        client.on(
          "smessage",
          (name: string, message: string) => name === channel && heard(message),
        );
        return client.ssubscribe(channel);
      },
      close: () => client.disconnect(),
    };
  };
}

/** The part of either version of node-redis that is used here. */
interface NodeRedis {
  on(event: "error", listener: () => void): unknown;
  connect(): Promise<unknown>;
  destroy(): void;
  subscribe(channel: string, heard: (message: string) => void): Promise<unknown>;
  pSubscribe(pattern: string, heard: (message: string) => void): Promise<unknown>;
  sSubscribe(channel: string, heard: (message: string) => void): Promise<unknown>;
}

function nodeRedis(create: (port: number) => unknown): Connect {
  return async (port) => {
    const client = create(port) as NodeRedis;
    client.on("error", () => {});
    await client.connect();
    return {
      subscribe: (channel, heard) => client.subscribe(channel, heard),
      psubscribe: (pattern, heard) => client.pSubscribe(pattern, heard),
      ssubscribe: (channel, heard) => client.sSubscribe(channel, heard),
      close: () => client.destroy(),
    };
  };
}

const io = {
  host: "127.0.0.1",
  lazyConnect: true,
  maxRetriesPerRequest: null,
  retryStrategy: () => 50,
};
const socket = (port: number) => ({ host: "127.0.0.1", port, reconnectStrategy: () => 50 });

const libraries: readonly (readonly [name: string, connect: Connect])[] = [
  ["ioredis 5", ioredis((port) => new Redis5({ ...io, port }) as unknown as IoRedis)],
  ["ioredis 6, RESP2", ioredis((port) => new Redis6({ ...io, port, protocol: 2 }))],
  ["ioredis 6, RESP3", ioredis((port) => new Redis6({ ...io, port, protocol: 3 }))],
  ["node-redis 5, RESP2", nodeRedis((port) => createClient5({ socket: socket(port), RESP: 2 }))],
  ["node-redis 5, RESP3", nodeRedis((port) => createClient5({ socket: socket(port), RESP: 3 }))],
  ["node-redis 6, RESP2", nodeRedis((port) => createClient6({ socket: socket(port), RESP: 2 }))],
  ["node-redis 6, RESP3", nodeRedis((port) => createClient6({ socket: socket(port), RESP: 3 }))],
];

/** Publishes until so many receivers are reached, since a library may still be on its way back; then it was heard. */
async function publish(
  port: number,
  command: string,
  channel: string,
  message: string,
): Promise<void> {
  using connection = await RespConnection.open(port);
  while (Number(textOf(await connection.call(command, channel, message))) === 0);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

for (const [name, open] of libraries)
  suite(`messages through ${name}`, () => {
    let server: TestServer;
    before(async () => {
      server = await startSubject({ durability: "relaxed" });
    });
    after(() => server[Symbol.asyncDispose]());

    test("channels, patterns and shard channels are heard, also after the server was away", async () => {
      const heard: string[] = [];
      const listener = await open(server.port);
      try {
        await listener.subscribe("news", (message) => heard.push(`news ${message}`));
        await listener.psubscribe("sport.*", (message) => heard.push(`sport ${message}`));
        await listener.ssubscribe("shard", (message) => heard.push(`shard ${message}`));
        await publish(server.port, "PUBLISH", "news", "1");
        await publish(server.port, "PUBLISH", "sport.tennis", "2");
        await publish(server.port, "SPUBLISH", "shard", "3");
        await until(() => heard.length === 3);
        assert.deepEqual(heard.toSorted(), ["news 1", "shard 3", "sport 2"]);
        await server.kill();
        await server.start();
        heard.length = 0;
        await publish(server.port, "PUBLISH", "news", "4");
        await publish(server.port, "PUBLISH", "sport.golf", "5");
        await publish(server.port, "SPUBLISH", "shard", "6");
        await until(() => heard.length === 3);
        assert.deepEqual(heard.toSorted(), ["news 4", "shard 6", "sport 5"]);
      } finally {
        listener.close();
      }
    });
  });

suite("node-redis' client-side cache", () => {
  for (const [version, createClient] of [
    [5, createClient5],
    [6, createClient6 as unknown as typeof createClient5],
  ] as const)
    test(`node-redis ${version} reads from its cache until somebody writes`, async () => {
      await using server = await startSubject({ durability: "relaxed" });
      using writer = await RespConnection.open(server.port);
      const client = createClient({
        socket: socket(server.port),
        RESP: 3,
        clientSideCache: { ttl: 0, maxEntries: 100, evictPolicy: "LRU" },
      });
      client.on("error", () => {});
      await client.connect();
      try {
        // What the cache answers at once leaves no room for what would change it.
        const untilIs = async (wanted: string | null): Promise<void> => {
          while ((await client.get("k")) !== wanted)
            await new Promise((resolve) => setImmediate(resolve));
        };
        const reads = async (): Promise<string> =>
          String(textOf(await writer.call("INFO", "commandstats")))
            .split("\r\n")
            .find((line) => line.startsWith("cmdstat_get:")) ?? "";
        await writer.call("SET", "k", "1");
        assert.equal(await client.get("k"), "1");
        const asked = await reads();
        for (let i = 0; i < 20; i++) assert.equal(await client.get("k"), "1");
        assert.equal(await reads(), asked, "the cache answered");
        await writer.call("SET", "k", "2");
        await untilIs("2");
        await writer.call("FLUSHALL");
        await untilIs(null);
      } finally {
        client.destroy();
      }
    });
});

const SUBSCRIBERS = 1000;
const MESSAGES = 100;
const MESSAGE_BYTES = 1024;
/** So often each message matches what the slow one listens to. */
const SLOW_PATTERNS = 300;

test("of a thousand subscribers one does not read: it is cut off, and nobody else misses anything", async () => {
  await using server = await startSubject({ durability: "relaxed" });
  using admin = await RespConnection.open(server.port);
  await admin.call("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0");
  const sockets: Socket[] = [];
  const received: number[] = [];
  try {
    const slow = connect({ port: server.port, host: "127.0.0.1" });
    sockets.push(slow);
    await once(slow, "connect");
    const patterns = Array.from({ length: SLOW_PATTERNS }, (_, i) => `ne${"*".repeat(i + 1)}`);
    slow.write(encodeCommand(["PSUBSCRIBE", ...patterns]));
    for (let i = 1; i < SUBSCRIBERS; i++) {
      const one = connect({ port: server.port, host: "127.0.0.1" });
      sockets.push(one);
      received[i] = 0;
      one.on("data", (bytes) => (received[i] = (received[i] ?? 0) + bytes.length));
      one.on("error", () => {});
      one.write(encodeCommand(["SUBSCRIBE", "news"]));
    }
    const listening = async (): Promise<number> =>
      String(textOf(await admin.call("CLIENT", "LIST", "TYPE", "pubsub")))
        .split("\n")
        .filter((line) => line !== "").length;
    while ((await listening()) < SUBSCRIBERS);
    const confirmed = Buffer.from("*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n").length;
    await until(() => received.every((bytes) => bytes === confirmed));
    slow.pause();
    const message = Buffer.alloc(MESSAGE_BYTES, "x");
    for (let i = 0; i < MESSAGES; i++) await admin.call("PUBLISH", "news", message);
    const frame = encodeCommand(["message", "news", message]).length;
    await until(() => received.every((bytes) => bytes === confirmed + MESSAGES * frame));
    const stats = String(textOf(await admin.call("INFO", "stats")));
    assert.match(stats, /client_output_buffer_limit_disconnections:1\r/);
    assert.equal(await listening(), SUBSCRIBERS - 1);
  } finally {
    for (const one of sockets) one.destroy();
  }
});
