import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import fc from "fast-check";
import { Malformed } from "../../core/bytes/source.ts";
import { FRAME } from "../../core/wire/frame.ts";
import type { Connection, Transport } from "../../host/ports/transport.ts";
import { startTcpTransport, type TcpTransportOptions } from "./tcp-transport.ts";

type Frame = { type: number; body: Buffer };

/** A node that remembers what its transport told it, and lets a test wait for it. */
class Peer {
  readonly opened: Connection[] = [];
  readonly frames: Frame[] = [];
  readonly closed: string[] = [];
  readonly failures: string[] = [];
  readonly writable: Connection[] = [];
  onFrame: (connection: Connection, frame: Frame) => void = () => {};
  wants = true;
  /** Whether its node has a connection to the peer anyway, and how often it was asked. */
  isConnected = false;
  asked = 0;
  transport!: Transport;
  #woken: (() => void)[] = [];

  async start(t: TestContext, options: Partial<TcpTransportOptions> = {}): Promise<this> {
    const changed = (): void => this.#woken.splice(0).forEach((wake) => wake());
    this.transport = await startTcpTransport({
      host: "127.0.0.1",
      port: 0,
      secret: "reef",
      log: { info: () => {}, warn: () => {} },
      events: {
        onOpen: (connection) => {
          this.opened.push(connection);
          changed();
        },
        onFrame: (connection, type, body) => {
          const frame = { type, body: Buffer.from(body) };
          this.frames.push(frame);
          this.onFrame(connection, frame);
          changed();
          return this.wants;
        },
        onWritable: (connection) => {
          this.writable.push(connection);
          changed();
        },
        onClose: (_connection, reason) => {
          this.closed.push(reason);
          changed();
        },
        isConnected: () => {
          this.asked++;
          changed();
          return this.isConnected;
        },
      },
      onFailure: (_link, _address, reason) => {
        this.failures.push(reason);
        changed();
      },
      ...options,
    });
    t.after(() => this.transport[Symbol.asyncDispose]());
    return this;
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#woken.push(resolve));
  }

  dial(port: number, name = "eu-west/1"): void {
    this.transport.dial({ name, address: `127.0.0.1:${port}` });
  }
}

/** Two nodes with an open connection: what the dialler and the listener hold of it. */
async function linked(
  t: TestContext,
  options: Partial<TcpTransportOptions> = {},
): Promise<{ a: Peer; b: Peer; toB: Connection; toA: Connection }> {
  const a = await new Peer().start(t, options);
  const b = await new Peer().start(t, options);
  a.dial(b.transport.port);
  await a.until(() => a.opened.length > 0);
  await b.until(() => b.opened.length > 0);
  return { a, b, toB: a.opened[0] as Connection, toA: b.opened[0] as Connection };
}

/**
 * A cable between the two whose bytes a test can change; returns the port to dial. `flip` names the byte, counted over
 * what flows to the listener, that arrives with one bit changed.
 */
async function cable(t: TestContext, port: number, flip: number): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    let seen = 0;
    near.on("data", (chunk) => {
      const at = flip - seen;
      if (at >= 0 && at < chunk.length) chunk[at] = (chunk[at] as number) ^ 1;
      seen += chunk.length;
      far.write(chunk);
    });
    far.on("data", (chunk) => near.write(chunk));
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on("error", () => {});
      one.on("close", () => other.destroy());
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return address.port;
}

test("two nodes that share a secret exchange frames in both directions, in order", async (t) => {
  const { a, b, toA, toB } = await linked(t);
  assert.equal(toB.dialled, "eu-west/1");
  assert.equal(toA.dialled, null);
  const body = Buffer.from("one");
  toB.send(FRAME.BATCH, body);
  body.write("two"); // the first must have been copied
  toB.send(FRAME.ACK, body);
  toA.send(FRAME.ACK, Buffer.alloc(0));
  await b.until(() => b.frames.length === 2);
  await a.until(() => a.frames.length === 1);
  assert.deepEqual(b.frames, [
    { type: FRAME.BATCH, body: Buffer.from("one") },
    { type: FRAME.ACK, body: Buffer.from("two") },
  ]);
  assert.deepEqual(a.frames, [{ type: FRAME.ACK, body: Buffer.alloc(0) }]);
});

test("a node with another secret is refused, and both sides say so", async (t) => {
  const a = await new Peer().start(t, { secret: "atoll" });
  const b = await new Peer().start(t);
  a.dial(b.transport.port);
  await a.until(() => a.failures.length > 0);
  await b.until(() => b.failures.length > 0);
  assert.match(a.failures[0] as string, /refused this node's replication secret/);
  assert.match(b.failures[0] as string, /does not know the replication secret/);
  assert.deepEqual([a.opened, b.opened], [[], []]);
});

test("a node of another cluster is refused even with the same secret", async (t) => {
  const a = await new Peer().start(t, { clusterId: "blue" });
  const b = await new Peer().start(t, { clusterId: "green" });
  a.dial(b.transport.port);
  await a.until(() => a.failures.length > 0);
  assert.deepEqual([a.opened, b.opened], [[], []]);
});

test("a listener that merely repeats what it hears has proven nothing", async (t) => {
  const server = createServer((socket) => socket.on("error", () => {}).pipe(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  const a = await new Peer().start(t);
  a.dial(address.port);
  await a.until(() => a.failures.length > 0);
  assert.match(a.failures[0] as string, /does not know the replication secret/);
});

test("versions that do not meet are named on both sides", async (t) => {
  const a = await new Peer().start(t, { versions: { min: 3, max: 4 } });
  const b = await new Peer().start(t, { versions: { min: 1, max: 2 } });
  a.dial(b.transport.port);
  await a.until(() => a.failures.length > 0);
  await b.until(() => b.failures.length > 0);
  assert.match(a.failures[0] as string, /this side speaks 3 to 4, the peer 1 to 2/);
  assert.match(b.failures[0] as string, /this side speaks 1 to 2, the peer 3 to 4/);
});

test("versions that overlap meet", async (t) => {
  const a = await new Peer().start(t, { versions: { min: 1, max: 4 } });
  const b = await new Peer().start(t, { versions: { min: 4, max: 9 } });
  a.dial(b.transport.port);
  await b.until(() => b.opened.length === 1);
});

test("what is not a peer is closed before anything of it is parsed", async (t) => {
  const b = await new Peer().start(t);
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 400 }), async (bytes) => {
      const socket = connect(b.transport.port, "127.0.0.1").on("error", () => {});
      socket.resume();
      socket.end(Buffer.from(bytes));
      await once(socket, "close");
    }),
    { numRuns: 60, examples: [[Buffer.from("GET / HTTP/1.1\r\n\r\n")], [Buffer.from("ATLL")]] },
  );
  assert.deepEqual([b.opened, b.frames], [[], []]);
  // And it still serves those who are.
  const a = await new Peer().start(t);
  a.dial(b.transport.port);
  await b.until(() => b.opened.length === 1);
});

test("who does not prove itself in time is closed", async (t) => {
  const b = await new Peer().start(t, { limits: { handshakeMs: 20 } });
  const socket = connect(b.transport.port, "127.0.0.1");
  socket.resume();
  await once(socket, "close");
  await b.until(() => b.failures.length === 1);
  assert.equal(b.failures[0], "the peer did not prove itself within 20 ms");
});

test("no more strangers are let in than the limit, and their places are freed", async (t) => {
  const b = await new Peer().start(t, { limits: { unauthenticatedMax: 2 } });
  const strangers = [1, 2].map(() => connect(b.transport.port, "127.0.0.1"));
  await Promise.all(strangers.map((socket) => once(socket, "connect")));
  const third = connect(b.transport.port, "127.0.0.1").on("error", () => {});
  third.resume();
  await once(third, "close");
  assert.match(b.failures[0] as string, /too many connections/);
  for (const socket of strangers) socket.destroy();
  await b.until(() => b.failures.length === 3);
  const a = await new Peer().start(t);
  a.dial(b.transport.port);
  await b.until(() => b.opened.length === 1);
});

test("a message larger than a frame arrives whole", async (t) => {
  const { b, toB } = await linked(t, { compressAbove: Number.POSITIVE_INFINITY });
  const body = Buffer.alloc(40 * 1024 * 1024);
  for (let i = 0; i < body.length; i += 4096) body.writeUInt32BE(i, i);
  toB.send(FRAME.SNAP_SECTION, body);
  await b.until(() => b.frames.length === 1);
  assert.equal(b.frames[0]?.type, FRAME.SNAP_SECTION);
  assert.ok(b.frames[0]?.body.equals(body));
});

test("a body that shrinks travels compressed, one that does not travels as it is", async (t) => {
  const { b, toB } = await linked(t);
  const text = Buffer.from("reef ".repeat(200_000));
  const noise = Buffer.alloc(50_000);
  for (let i = 0, x = 1; i < noise.length; i++)
    noise[i] = (x = (x * 1103515245 + 12345) >>> 0) >>> 16;
  toB.send(FRAME.BATCH, text);
  assert.ok(toB.queuedBytes < 10_000, `${toB.queuedBytes} bytes wait for a text that repeats`);
  toB.send(FRAME.BATCH, noise);
  await b.until(() => b.frames.length === 2);
  assert.ok(b.frames[0]?.body.equals(text));
  assert.ok(b.frames[1]?.body.equals(noise));
});

test("a slow peer fills only its own window, and is fed on when it reads again", async (t) => {
  const a = await new Peer().start(t, { windowBytes: 64 * 1024, compressAbove: Infinity });
  const slow = await new Peer().start(t);
  const quick = await new Peer().start(t);
  const held: Socket[] = [];
  // A cable that stops reading: the peer behind it looks alive and takes nothing.
  const server = createServer((near) => {
    const far = connect(slow.transport.port, "127.0.0.1");
    near.on("error", () => {}).pipe(far.on("error", () => {}));
    far.pipe(near);
    held.push(near, far);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of held) socket.destroy();
    server.close();
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  a.dial(address.port, "slow");
  a.dial(quick.transport.port, "quick");
  await a.until(() => a.opened.length === 2);
  const toSlow = a.opened.find((one) => one.dialled === "slow") as Connection;
  const toQuick = a.opened.find((one) => one.dialled === "quick") as Connection;
  const [near, far] = held as [Socket, Socket];
  near.unpipe(far);
  near.pause();

  const chunk = Buffer.alloc(32 * 1024, 7);
  let sent = 0;
  while (toSlow.writable) {
    toSlow.send(FRAME.BATCH, chunk);
    sent++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(toSlow.queuedBytes >= 64 * 1024);
  assert.equal(toQuick.writable, true);
  toQuick.send(FRAME.BATCH, chunk);
  await quick.until(() => quick.frames.length === 1);
  assert.deepEqual(a.writable, []);

  near.pipe(far);
  await a.until(() => a.writable.includes(toSlow));
  await slow.until(() => slow.frames.length === sent);
});

test("what a node does not want yet is kept, and handed over in order when it does", async (t) => {
  const { b, toB } = await linked(t);
  b.wants = false;
  for (let i = 0; i < 100; i++) toB.send(FRAME.BATCH, Buffer.alloc(1 + 300 * i, i));
  for (let i = 0; i < 50; i++) {
    await b.until(() => b.frames.length > i);
    assert.equal(b.frames.length, i + 1, "one at a time");
    b.opened[0]?.resume();
    assert.equal(b.frames.length, i + 1, "and none from inside of the call");
  }
  b.wants = true;
  await b.until(() => b.frames.length === 100);
  b.frames.forEach(({ body }, i) => assert.deepEqual(body, Buffer.alloc(1 + 300 * i, i)));
});

test("a link that is lost is dialled again, for as long as it takes", async (t) => {
  const first = await new Peer().start(t);
  const port = first.transport.port;
  const a = await new Peer().start(t, { limits: { redialMsMin: 1, redialMsMax: 5 } });
  a.dial(port);
  await a.until(() => a.opened.length === 1);
  await first.transport[Symbol.asyncDispose]();
  await a.until(() => a.closed.length === 1 && a.failures.length >= 3);
  assert.equal(a.closed[0], "the peer closed the connection: the node is stopping");
  assert.equal(a.failures[0], "nothing listens at the peer's address");
  const second = await new Peer().start(t, { port });
  await a.until(() => a.opened.length === 2);
  a.opened[1]?.send(FRAME.ACK, Buffer.from("back"));
  await second.until(() => second.frames.length === 1);
});

test("a peer that is connected anyway is not dialled, and is once it no longer is", async (t) => {
  const b = await new Peer().start(t);
  const a = await new Peer().start(t, { limits: { redialMsMin: 1, redialMsMax: 5 } });
  a.isConnected = true;
  a.dial(b.transport.port);
  await a.until(() => a.opened.length === 1);
  a.opened[0]?.close("another connection to this peer is open");
  await a.until(() => a.asked >= 3);
  assert.equal(a.opened.length, 1);
  a.isConnected = false;
  await a.until(() => a.opened.length === 2);
});

test("a byte changed on the way closes the link with the reason, and is never handed over", async (t) => {
  const b = await new Peer().start(t);
  const a = await new Peer().start(t, { limits: { redialMsMin: 60_000, redialMsMax: 60_000 } });
  // 42 + 33 bytes of handshake, then 4 of length and 4 of header: the first of the body.
  a.dial(await cable(t, b.transport.port, 42 + 33 + 8));
  await a.until(() => a.opened.length === 1);
  a.opened[0]?.send(FRAME.BATCH, Buffer.from("SET k v"));
  await b.until(() => b.closed.length === 1);
  assert.match(b.closed[0] as string, /checksum does not match/);
  assert.deepEqual(b.frames, []);
  await a.until(() => a.closed.length === 1);
  assert.match(a.closed[0] as string, /checksum does not match/);
});

test("a frame the node calls malformed closes the link with its reason", async (t) => {
  const { a, b, toB } = await linked(t);
  b.onFrame = () => {
    throw new Malformed("a vector has two entries for one origin");
  };
  toB.send(FRAME.ACK, Buffer.from("?"));
  await b.until(() => b.closed.length === 1);
  assert.equal(b.closed[0], "a vector has two entries for one origin");
  await a.until(() => a.closed.length === 1);
  assert.match(a.closed[0] as string, /a vector has two entries for one origin/);
});

test("after a node has closed a link it neither hears nor says more on it", async (t) => {
  const { a, b, toB } = await linked(t);
  b.onFrame = (connection) => connection.close("a retired replica has no place here");
  toB.send(FRAME.HELLO, Buffer.from("1"));
  toB.send(FRAME.BATCH, Buffer.from("2"));
  await a.until(() => a.closed.length === 1);
  await b.until(() => b.closed.length === 1);
  toB.send(FRAME.BATCH, Buffer.from("3"));
  assert.equal(b.frames.length, 1);
  assert.equal(b.closed[0], "a retired replica has no place here");
  assert.equal(a.closed[0], "the peer closed the connection: a retired replica has no place here");
});

test("a taken port is named", async (t) => {
  const a = await new Peer().start(t);
  const { port } = a.transport;
  await assert.rejects(
    new Peer().start(t, { port }),
    new RegExp(`127.0.0.1:${port}.*replication.port`),
  );
});
