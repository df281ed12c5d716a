/** A gateway before regions that are real HTTP servers, each in this process, which die, stand still and refuse. */
import assert from "node:assert/strict";
import { once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { get as getSecurely } from "node:https";
import { readFileSync } from "node:fs";
import type { AddressInfo, Socket } from "node:net";
import { connect } from "node:net";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { failoverTo } from "../../core/routing/decision.suite.ts";
import { type RunningHttpGateway, startHttpGateway } from "./http-gateway.ts";

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** One region: a server that answers as it is told. */
class Region implements AsyncDisposable {
  readonly name: string;
  readonly seen: string[] = [];
  handle: Handler = (_request, response) => response.end(this.name);
  /** It takes requests, and answers none. */
  isStill = false;
  #server: Server | null = null;
  readonly #sockets = new Set<Socket>();
  port = 0;

  constructor(name: string) {
    this.name = name;
  }

  async start(): Promise<void> {
    const server = createServer((incoming, response) => {
      if (this.isStill) return;
      if (incoming.url === "/ready") return void response.end();
      this.seen.push(`${incoming.method} ${incoming.url}`);
      this.handle(incoming, response);
    });
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    server.on("upgrade", (incoming: IncomingMessage, socket: Socket) => {
      socket.write(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n",
      );
      socket.write(`${this.name} ${incoming.url} `);
      socket.pipe(socket);
      socket.on("error", () => {});
    });
    server.listen(this.port, "127.0.0.1");
    await once(server, "listening");
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** As kill -9 does: all connections end, and no new ones begin. */
  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    const closed = once(server, "close");
    server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

class World implements AsyncDisposable {
  readonly east = new Region("east");
  readonly west = new Region("west");
  named = ["east", "west"];
  gateway!: RunningHttpGateway;

  static async start(tls: { cert: string; key: string } | null = null): Promise<World> {
    const world = new World();
    await Promise.all([world.east.start(), world.west.start()]);
    world.gateway = await startHttpGateway({
      host: "127.0.0.1",
      port: 0,
      regions: [world.east, world.west].map(({ name, port }) => ({
        name,
        origin: `http://127.0.0.1:${port}`,
      })),
      route: () => ({ decision: failoverTo(world.named), facts: [] }),
      health: "/ready",
      cookie: "",
      tls,
      monoMs: () => performance.now(),
      log: { info() {}, warn() {}, error() {} },
    });
    await world.until(({ regions }) => regions.every(({ isReached }) => isReached));
    return world;
  }

  get url(): string {
    return `http://127.0.0.1:${this.gateway.port}`;
  }

  status(): Status {
    return this.gateway.status() as Status;
  }

  async until(holds: (status: Status) => boolean): Promise<void> {
    while (!holds(this.status())) await pause(10);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway[Symbol.asyncDispose]();
    await Promise.all([this.east.kill(), this.west.kill()]);
  }
}

interface Status {
  requests: number;
  retries: number;
  unknown: number;
  unserved: number;
  tunnels: number;
  regions: readonly { name: string; isReached: boolean; clients: number }[];
}

/** Answers nothing until the test says how it goes on. */
function held(): { handle: Handler; came: Promise<ServerResponse> } {
  const { promise, resolve } = Promise.withResolvers<ServerResponse>();
  return { handle: (_request, response) => resolve(response), came: promise };
}

test("a request is answered by the first region, with its name, and told who asked", async () => {
  await using world = await World.start();
  world.east.handle = (incoming, response) => {
    response.setHeader("set-cookie", ["a=1", "b=2"]);
    response.end(JSON.stringify(incoming.headers));
  };
  const answer = await fetch(`${world.url}/path?q=1`, { headers: { accept: "text/html" } });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("atoll-region"), "east");
  assert.deepEqual(answer.headers.getSetCookie(), ["a=1", "b=2"]);
  const headers = (await answer.json()) as Record<string, string>;
  assert.equal(headers["x-forwarded-for"], "127.0.0.1");
  assert.equal(headers["accept"], "text/html");
  assert.equal(headers["via"], "1.1 atoll");
  assert.deepEqual(world.east.seen, ["GET /path?q=1"]);
});

test("a region that dies under requests costs nobody an error who may ask twice, and tells who may not", async () => {
  await using world = await World.start();
  const { handle, came } = held();
  const waiting = [fetch(`${world.url}/get`)];
  world.east.handle = handle;
  await came;
  const posted = held();
  world.east.handle = posted.handle;
  const post = fetch(`${world.url}/post`, { method: "POST", body: "once" });
  await posted.came;
  const keyed = held();
  world.east.handle = keyed.handle;
  const named = { method: "POST", body: "twice", headers: { "idempotency-key": "k" } };
  waiting.push(fetch(`${world.url}/keyed`, named));
  await keyed.came;
  await world.east.kill();
  for (const one of waiting) {
    const answer = await one;
    assert.equal(answer.status, 200);
    assert.equal(await answer.text(), "west");
  }
  const refused = await post;
  assert.equal(refused.status, 502);
  const words = (await refused.json()) as { error: string; outcome: string };
  assert.equal(words.outcome, "unknown");
  assert.match(words.error, /^east was lost before it answered/);
  assert.deepEqual(world.west.seen.toSorted(), ["GET /get", "POST /keyed"]);
  assert.deepEqual([world.status().retries, world.status().unknown], [2, 1]);
  const later = await fetch(`${world.url}/later`, { method: "POST", body: "x" });
  assert.equal(await later.text(), "west");
});

test("an answer that breaks off is given whole by another region", async () => {
  await using world = await World.start();
  world.east.handle = (_request, response) => {
    response.writeHead(200, { "content-length": 10 });
    response.write("12345");
    setImmediate(() => response.destroy());
  };
  assert.equal(await (await fetch(world.url)).text(), "west");
});

test("a region that stands still is left by those who wait there", async () => {
  await using world = await World.start();
  world.east.isStill = true;
  assert.equal(await (await fetch(`${world.url}/slow`)).text(), "west");
  assert.equal(world.status().retries, 1);
});

test("who says that he does not serve is asked no longer, and another one instead", async () => {
  await using world = await World.start();
  world.east.handle = (_request, response) => response.writeHead(503).end();
  assert.equal(await (await fetch(world.url)).text(), "west");
  const post = await fetch(world.url, { method: "POST", body: "x" });
  assert.equal(post.status, 503);
  for (let i = 0; i < 5; i++) await fetch(world.url);
  const seen = world.east.seen.length;
  assert.equal(await (await fetch(world.url, { method: "POST", body: "x" })).text(), "west");
  assert.equal(world.east.seen.length, seen);
});

test("without any region a request is refused, and says that it may be made again", async () => {
  await using world = await World.start();
  await Promise.all([world.east.kill(), world.west.kill()]);
  const answer = await fetch(world.url, { method: "POST", body: "x" });
  assert.equal(answer.status, 503);
  assert.equal(answer.headers.get("retry-after"), "1");
  assert.equal(((await answer.json()) as { outcome: string }).outcome, "unserved");
});

test("a drained region finishes what it has begun, and is given nothing new", async () => {
  await using world = await World.start();
  const { handle, came } = held();
  world.east.handle = handle;
  const waiting = fetch(`${world.url}/begun`);
  const response = await came;
  world.named = ["west"];
  await pause(100);
  assert.equal(await (await fetch(`${world.url}/new`)).text(), "west");
  response.end("east, at last");
  assert.equal(await (await waiting).text(), "east, at last");
});

test("long bodies go through in both directions as they are", async () => {
  await using world = await World.start();
  world.east.handle = (incoming, response) => void incoming.pipe(response);
  const bytes = Buffer.alloc(5_000_000, "0123456789");
  const echoed = await fetch(world.url, { method: "PUT", body: bytes });
  assert.ok(Buffer.from(await echoed.arrayBuffer()).equals(bytes));
  const stream = new ReadableStream({
    pull(controller) {
      controller.enqueue(Buffer.from("part "));
      controller.close();
    },
  });
  const init = { method: "POST", body: stream, duplex: "half" } as RequestInit;
  assert.equal(await (await fetch(world.url, init)).text(), "part ");
});

test("events are passed on as they come", async () => {
  await using world = await World.start();
  const { handle, came } = held();
  world.east.handle = handle;
  const answering = fetch(world.url);
  const response = await came;
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write("data: 1\n\n");
  const reader = ((await answering).body as ReadableStream<Uint8Array>).getReader();
  assert.equal(Buffer.from((await reader.read()).value ?? []).toString(), "data: 1\n\n");
  response.write("data: 2\n\n");
  assert.equal(Buffer.from((await reader.read()).value ?? []).toString(), "data: 2\n\n");
  await reader.cancel();
  await once(response, "close");
  await world.until(({ regions }) => regions.every(({ clients }) => clients === 0));
});

test("a connection is handed over to a region, and ends with it", async () => {
  await using world = await World.start();
  const asked = request(`${world.url}/chat`, {
    headers: { connection: "upgrade", upgrade: "echo" },
  });
  asked.end();
  const [answer, socket, head] = (await once(asked, "upgrade")) as [
    IncomingMessage,
    Socket,
    Buffer,
  ];
  assert.equal(answer.statusCode, 101);
  assert.equal(answer.headers["atoll-region"], "east");
  socket.write("hello");
  let text = String(head);
  socket.on("data", (bytes) => (text += String(bytes)));
  while (text !== "east /chat hello") await once(socket, "data");
  assert.equal(world.status().tunnels, 1);
  const closed = once(socket, "close");
  await world.east.kill();
  await closed;
  await world.until(({ tunnels }) => tunnels === 0);
});

test("a region may refuse to take over a connection", async () => {
  await using world = await World.start();
  const asked = request(`${world.url}/chat`, {
    headers: { connection: "upgrade", upgrade: "echo" },
  });
  world.named = [];
  await pause(100);
  asked.end();
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  assert.equal(answer.statusCode, 503);
  answer.resume();
});

test("bytes that are no request are refused, and others are served", async () => {
  await using world = await World.start();
  for (const bytes of [
    "\0\x01\x02\x03\r\n\r\n",
    "GET nowhere HTTP/1.1\r\nhost: a\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
  ]) {
    const socket = connect(world.gateway.port, "127.0.0.1");
    socket.write(bytes);
    const [answer] = (await once(socket, "data")) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 400 /);
    socket.destroy();
  }
  const whole = connect(world.gateway.port, "127.0.0.1");
  whole.write("GET http://shop.example/path?q=1 HTTP/1.1\r\nhost: shop.example\r\n\r\n");
  assert.match(String(((await once(whole, "data")) as [Buffer])[0]), /^HTTP\/1\.1 200 /);
  whole.destroy();
  assert.deepEqual(world.east.seen, ["GET /path?q=1"]);
});

test("over TLS both versions of HTTP are spoken, and regions hear which", async () => {
  const file = (name: string): string =>
    readFileSync(new URL(`../../../testdata/tls/${name}.pem`, import.meta.url), "utf8");
  const cert = file("cert");
  await using world = await World.start({ cert, key: file("key") });
  world.east.handle = (incoming, response) => {
    response.setHeader("content-type", "text/plain");
    response.write(`${incoming.headers.host} ${String(incoming.headers["x-forwarded-proto"])} `);
    incoming.pipe(response);
  };
  const { port } = world.gateway;
  const session = connectHttp2(`https://localhost:${port}`, { ca: cert });
  for (const length of [0, 10, 1_000_000]) {
    const stream = session.request({ ":method": "PUT", ":path": "/two" });
    let text = "";
    stream.setEncoding("latin1").on("data", (part: string) => (text += part));
    const answered = once(stream, "response") as Promise<[Record<string, unknown>]>;
    stream.end("x".repeat(length));
    const [headers] = await answered;
    assert.equal(headers[":status"], 200);
    assert.equal(headers["atoll-region"], "east");
    if (!stream.closed) await once(stream, "close");
    assert.equal(text, `localhost:${port} https ${"x".repeat(length)}`);
  }
  session.close();
  await once(session, "close");
  const [one] = (await once(
    getSecurely({ host: "localhost", port, ca: cert, path: "/one", agent: false }),
    "response",
  )) as [IncomingMessage];
  assert.equal(one.httpVersion, "1.1");
  let text = "";
  for await (const part of one) text += String(part);
  assert.equal(text, `localhost:${port} https `);
});
