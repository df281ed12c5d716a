/** Sockets: servers of one application talk over pub/sub or a stream, and their clients hear each other. */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { createAdapter as createStreamsAdapter } from "@socket.io/redis-streams-adapter";
import { Server, type ServerOptions } from "socket.io";
import { io } from "socket.io-client";
import { tempDir } from "../support/temp-dir.ts";
import { type RegionName, ThreeRegions, until } from "./three-regions.ts";

type Adapter = ServerOptions["adapter"];

/** Both adapters name their channels and their stream so. */
const KEYSPACES = "- prefix: socket.io\n  pubsub: global\n  xread: stable\n";

let world: ThreeRegions;
const dir = tempDir("sockets");
before(async () => {
  const file = join(dir.path, "keyspaces.yaml");
  writeFileSync(file, KEYSPACES);
  world = await ThreeRegions.start("--keyspaces", file);
});
after(async () => {
  await world[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

/** A server with an adapter, and a client of it that counts what it hears. */
async function joined(adapter: Adapter): Promise<{ server: Server; heard: string[] }> {
  const http = createServer();
  const server = new Server(http, { adapter });
  world.atEnd(() => server.close());
  server.on("connection", (socket) => void socket.join("room"));
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const client = io(`http://127.0.0.1:${(http.address() as AddressInfo).port}`);
  world.atEnd(() => client.disconnect());
  const heard: string[] = [];
  client.on("news", (text: string) => heard.push(text));
  await new Promise<void>((resolve) => client.on("connect", resolve));
  return { server, heard };
}

/** Each server speaks until the clients of both have heard it: what is said before a subscription stands is heard by nobody. */
async function talk(a: Awaited<ReturnType<typeof joined>>, b: typeof a): Promise<void> {
  await until(
    () => {
      a.server.to("room").emit("news", "from a");
      b.server.to("room").emit("news", "from b");
      return [a.heard, b.heard].map((texts) => [...new Set(texts)].toSorted().join(", "));
    },
    (heard) => heard.every((texts) => texts === "from a, from b"),
  );
}

test("@socket.io/redis-adapter: servers of two regions share their rooms over messages that go to all regions", async () => {
  const adapter = (region: RegionName): Adapter =>
    createAdapter(world.ioredis(region), world.ioredis(region));
  await talk(await joined(adapter("us-east")), await joined(adapter("us-west")));
});

test("@socket.io/redis-adapter, sharded: two servers of a region do over sharded channels", async () => {
  const adapter = async (): Promise<Adapter> =>
    createShardedAdapter(await world.nodeRedis("us-west"), await world.nodeRedis("us-west"));
  await talk(await joined(await adapter()), await joined(await adapter()));
});

test("@socket.io/redis-streams-adapter: servers of two regions share their rooms over a stream", async () => {
  const adapter = (region: RegionName): Adapter => createStreamsAdapter(world.ioredis(region));
  await talk(await joined(adapter("us-east")), await joined(adapter("eu-west")));
});
