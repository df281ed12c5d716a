/**
 * Clients and strangers that behave badly: the node serves the others, its memory stays bounded, and it never falls over.
 */
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { RespConnection } from "../support/resp-connection.ts";
import { encodeCommand, textOf } from "../support/resp.ts";
import { tempDir } from "../support/temp-dir.ts";
import { eventually, FaultyNode } from "./faulty-node.ts";

const MEGABYTE = 1024 * 1024;

/** A connection without any manners; what it is sent is kept. */
class RawClient implements Disposable {
  readonly socket: Socket;
  received = "";
  closed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => {});
    socket.on("close", () => (this.closed = true));
  }

  /** `reads`: whether it ever takes what it is sent. */
  static async open(port: number, reads = true): Promise<RawClient> {
    const client = new RawClient(connect({ port, host: "127.0.0.1" }));
    if (reads) client.socket.on("data", (chunk) => (client.received += chunk.toString("latin1")));
    await once(client.socket, "connect");
    return client;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

async function answers(node: FaultyNode): Promise<void> {
  assert.equal(textOf(await node.ask("PING"))?.toString(), "PONG");
}

test("a client that sends a million GETs and reads no reply costs bounded memory, and others are served", async () => {
  using dir = tempDir("faults");
  await using node = await FaultyNode.start({ dir: dir.path });
  await node.ask("SET", "k", "v".repeat(1_024));
  const beforeBytes = node.residentBytes();
  using greedy = await RawClient.open(node.port, false);
  const thousand = Buffer.concat(Array.from({ length: 1_000 }, () => encodeCommand(["GET", "k"])));
  let mostBytes = 0;
  for (let sent = 0; sent < 1_000; sent++) {
    greedy.socket.write(thousand);
    if (sent % 100 !== 0) continue;
    await answers(node);
    mostBytes = Math.max(mostBytes, node.residentBytes());
  }
  // The node listens to it no more: what it has not taken stays with the client.
  let taken = -1;
  await eventually("the node takes no more from it", async () => {
    const before = taken;
    taken = greedy.socket.bytesWritten - greedy.socket.writableLength;
    mostBytes = Math.max(mostBytes, node.residentBytes());
    await answers(node);
    await sleep(200);
    return taken === before;
  });
  assert.ok(greedy.socket.writableLength > 0, "it would not have taken all");
  const moreBytes = mostBytes - beforeBytes;
  assert.ok(moreBytes < 150 * MEGABYTE, `${Math.round(moreBytes / MEGABYTE)} MiB more`);
});

test("ten thousand idle connections are held, the next one is told why not, and commands are still served", async () => {
  using dir = tempDir("faults");
  await using node = await FaultyNode.start({ dir: dir.path });
  using working = await RespConnection.open(node.port);
  const idle: Socket[] = [];
  try {
    while (idle.length < 9_999) {
      const more = Array.from({ length: Math.min(200, 9_999 - idle.length) }, () =>
        connect({ port: node.port, host: "127.0.0.1" }),
      );
      idle.push(...more);
      await Promise.all(more.map((socket) => once(socket, "connect")));
    }
    await eventually(
      "all are counted",
      async () => (await node.status()).clients.connected === 10_000,
    );
    using late = await RawClient.open(node.port);
    await eventually("it is refused", () => late.closed);
    assert.equal(late.received, "-ERR max number of clients reached\r\n");
    assert.equal(textOf(await working.call("SET", "k", "v"))?.toString(), "OK");
    assert.ok(node.residentBytes() < 600 * MEGABYTE);
  } finally {
    for (const socket of idle) socket.destroy();
  }
  await eventually("all are gone", async () => (await node.status()).clients.connected === 1);
});

test("a command that comes byte by byte is answered, and nobody waits for it meanwhile", async () => {
  using dir = tempDir("faults");
  await using node = await FaultyNode.start({ dir: dir.path });
  using slow = await RawClient.open(node.port);
  slow.socket.setNoDelay(true);
  for (const byte of encodeCommand(["SET", "key", "value"])) {
    slow.socket.write(Buffer.of(byte));
    await answers(node);
    await sleep(50);
  }
  await eventually("it is answered", () => slow.received === "+OK\r\n");
});

test("a claim of a million arguments takes no memory before they come, and a larger one is refused", async () => {
  using dir = tempDir("faults");
  await using node = await FaultyNode.start({ dir: dir.path });
  await answers(node);
  const beforeBytes = node.residentBytes();
  const claiming: RawClient[] = [];
  try {
    for (let i = 0; i < 100; i++) {
      const client = await RawClient.open(node.port);
      claiming.push(client);
      client.socket.write(i % 2 === 0 ? "*1048576\r\n" : "*2\r\n$3\r\nGET\r\n$16777216\r\n");
    }
    await answers(node);
    await sleep(200);
    await answers(node);
    assert.ok(node.residentBytes() - beforeBytes < 50 * MEGABYTE);
    assert.equal(
      claiming.some(({ closed }) => closed),
      false,
    );
    using excessive = await RawClient.open(node.port);
    excessive.socket.write("*2147483648\r\n");
    await eventually("it is closed", () => excessive.closed);
    assert.match(excessive.received, /^-ERR Protocol error: invalid multibulk length/);
  } finally {
    for (const client of claiming) client[Symbol.dispose]();
  }
});

test("without the password nothing is done, large requests are not even read, and guesses are all refused", async () => {
  using dir = tempDir("faults");
  await using node = await FaultyNode.start({ dir: dir.path, requirepass: "right" });
  using guessing = await RespConnection.open(node.port);
  const guesses = Array.from({ length: 2_000 }, (_, i) => ["AUTH", `wrong${i}`]);
  const replies = await guessing.pipeline([...guesses, ["SET", "k", "v"], ["FLUSHALL"]]);
  assert.equal(replies.length, 2_002);
  for (const reply of replies.slice(0, -2))
    assert.match(textOf(reply)?.toString() ?? "", /^WRONGPASS /);
  for (const reply of replies.slice(-2)) assert.match(textOf(reply)?.toString() ?? "", /^NOAUTH /);
  for (const [claim, complaint] of [
    ["*11\r\n", "unauthenticated multibulk length"],
    ["*2\r\n$4\r\nAUTH\r\n$16385\r\n", "unauthenticated bulk length"],
  ] as const) {
    using stranger = await RawClient.open(node.port);
    stranger.socket.write(claim);
    await eventually("it is closed", () => stranger.closed);
    assert.equal(stranger.received, `-ERR Protocol error: ${complaint}\r\n`);
  }
  using known = await RespConnection.open(node.port);
  assert.equal(textOf(await known.call("AUTH", "right"))?.toString(), "OK");
  assert.equal(textOf(await known.call("GET", "k")), null);
});

test("a client without the password that reads no refusal costs bounded memory", async () => {
  using dir = tempDir("faults");
  await using node = await FaultyNode.start({ dir: dir.path, requirepass: "right" });
  const beforeBytes = node.residentBytes();
  using greedy = await RawClient.open(node.port, false);
  const thousand = Buffer.concat(Array.from({ length: 1_000 }, () => encodeCommand(["GET", "k"])));
  for (let sent = 0; sent < 1_000; sent++) greedy.socket.write(thousand);
  let taken = -1;
  await eventually("the node takes no more from it", async () => {
    const before = taken;
    taken = greedy.socket.bytesWritten - greedy.socket.writableLength;
    await sleep(300);
    return taken > 0 && taken === before;
  });
  assert.ok(node.residentBytes() - beforeBytes < 150 * MEGABYTE);
});

const preamble = (): Buffer =>
  Buffer.concat([Buffer.from("ATLL"), Buffer.from([0, 1, 0, 1, 0, 0]), randomBytes(32)]);

for (const [what, speak] of [
  ["noise", () => randomBytes(64 * 1024)],
  ["HTTP", () => Buffer.from("GET / HTTP/1.1\r\nHost: atoll\r\n\r\n")],
  ["a Redis command", () => encodeCommand(["FLUSHALL"])],
  ["a valid preamble and noise", () => Buffer.concat([preamble(), randomBytes(64 * 1024)])],
  ["a version nobody speaks", () => Buffer.concat([Buffer.from("ATLL"), Buffer.alloc(38, 0xff)])],
] as const) {
  test(`a peer port that is sent ${what} closes the connection, and the node serves on`, async () => {
    using dir = tempDir("faults");
    await using node = await FaultyNode.start({ dir: dir.path });
    for (let i = 0; i < 20; i++) {
      using stranger = await RawClient.open(node.replicationPort);
      stranger.socket.write(speak());
      await eventually("it is closed", () => stranger.closed);
    }
    await answers(node);
    assert.equal((await node.ready()).status, 200);
  });
}

test("a peer that knows the secret and then sends noise is told that it is malformed, and the node serves on", async () => {
  using dir = tempDir("faults");
  await using node = await FaultyNode.start({ dir: dir.path });
  for (let i = 0; i < 20; i++) {
    using peer = await RawClient.open(node.replicationPort);
    const mine = preamble();
    peer.socket.write(mine);
    await eventually("the listener introduces itself", () => peer.received.length >= 42);
    const theirs = Buffer.from(peer.received.slice(0, 42), "latin1");
    const mac = createHmac("sha256", "a secret for tests")
      .update("atoll dialler\0")
      .update(mine)
      .update(theirs)
      .digest();
    peer.socket.write(Buffer.concat([Buffer.of(0), mac]));
    await eventually("the listener has proven itself", () => peer.received.length >= 42 + 33);
    // No frame is that long, whatever else the noise says.
    peer.socket.write(Buffer.concat([Buffer.alloc(32, 0xff), randomBytes(8 * 1024)]));
    await eventually("it is closed", () => peer.closed);
    assert.match(peer.received, /what this peer sent is malformed/);
  }
  await answers(node);
});
