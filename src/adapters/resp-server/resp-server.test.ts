import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Args } from "../../core/wire/args.ts";
import { Reply } from "../../core/wire/reply.ts";
import { INCOMPLETE, PROTOCOL_ERROR, RespParser } from "../../core/wire/resp.ts";
import type { Client, ClientOutput, ClientService } from "../../host/ports/clients.ts";
import { adopt } from "./adopt.ts";
import { type RespServer, type RespServerOptions, startRespServer } from "./resp-server.ts";

/**
 * A node that answers every command with its own arguments, except
 *   BIG <n>   n bytes       HOLD   answers `held` and is paused       LATER <name>   as HOLD; FREE <name> resumes that client
 *   BYE       closes        SLOW   answers after the end of the turn
 */
class EchoClient implements Client {
  need = 1;
  closedTimes = 0;
  drainedTimes = 0;
  mostQueued = 0;
  mostUnread = 0;
  ended?: () => void;
  readonly output: ClientOutput;
  readonly #service: EchoService;
  readonly #parser = new RespParser();
  readonly #args = new Args();
  readonly #reply: Reply;

  constructor(service: EchoService, output: ClientOutput) {
    this.#service = service;
    this.output = output;
    this.#reply = service.reply;
    if (service.waitsForAnswers) this.ended = () => setImmediate(() => output.close());
  }

  receive(bytes: Buffer, start: number, end: number): number {
    assert.ok(!this.#service.receiving, "receive inside receive");
    assert.ok(end - start >= this.need, "offered before it can be a command");
    this.#service.receiving = true;
    const sink = this.#reply.sink;
    sink.clear();
    let at = start;
    let commands = 0;
    let held = false;
    this.need = 1;
    while (at < end && !held && commands < this.#service.commandsPerTurn) {
      const next = this.#parser.parse(bytes, at, end, this.#args);
      if (next === INCOMPLETE) {
        this.need = this.#parser.need;
        break;
      }
      if (next === PROTOCOL_ERROR) {
        this.#reply.error(`ERR ${this.#parser.problem}`);
        this.output.write(sink.view());
        this.output.close();
        this.#service.receiving = false;
        return end;
      }
      at = next;
      commands++;
      held = this.#execute(this.#args);
    }
    this.output.write(sink.view());
    // The bytes are ours again: what is sent must not change with them.
    sink.buffer.fill(0x21, 0, sink.length);
    this.mostQueued = Math.max(this.mostQueued, this.output.queuedBytes);
    this.#service.receiving = false;
    return at;
  }

  #execute(args: Args): boolean {
    if (args.count === 0) return false;
    if (args.is(0, "BIG")) this.#reply.buffer(Buffer.alloc(Number(args.text(1)), "b"));
    else if (args.is(0, "HOLD") || args.is(0, "LATER")) {
      this.#reply.status("held");
      if (args.count > 1) this.#service.later.set(args.text(1), this.output);
      this.output.pause();
      return true;
    } else if (args.is(0, "FREE")) {
      this.#service.later.get(args.text(1))?.resume();
      this.#reply.ok();
    } else if (args.is(0, "BYE")) {
      this.#reply.ok();
      setImmediate(() => this.output.close());
    } else if (args.is(0, "SLOW")) {
      setImmediate(() => setImmediate(() => this.output.write(Buffer.from("+slow\r\n"))));
    } else {
      this.#reply.array(args.count);
      for (let i = 0; i < args.count; i++) this.#reply.buffer(args.view(i));
    }
    return false;
  }

  unread(bytes: number): void {
    this.mostUnread = Math.max(this.mostUnread, bytes);
  }

  drained(): void {
    assert.equal(this.output.queuedBytes, 0);
    this.drainedTimes++;
  }

  closed(): void {
    this.closedTimes++;
    this.#service.onClosed();
  }
}

class EchoService implements ClientService {
  readonly reply = new Reply();
  readonly clients: EchoClient[] = [];
  readonly later = new Map<string, ClientOutput>();
  receiving = false;
  refuses = false;
  waitsForAnswers = false;
  commandsPerTurn = Infinity;
  onClosed: () => void = () => {};

  open(output: ClientOutput): Client | null {
    if (this.refuses) {
      output.write(Buffer.from("-ERR max number of clients reached\r\n"));
      return null;
    }
    const client = new EchoClient(this, output);
    this.clients.push(client);
    return client;
  }

  /** Resolves when `count` clients are gone. */
  async gone(count: number): Promise<void> {
    const gone = (): number => this.clients.filter((client) => client.closedTimes > 0).length;
    if (gone() >= count) return;
    await new Promise<void>((resolve) => {
      this.onClosed = () => gone() >= count && resolve();
    });
  }
}

class Setup implements AsyncDisposable {
  readonly service = new EchoService();
  readonly sockets: Socket[] = [];
  server!: RespServer;

  async start(options: Partial<RespServerOptions> = {}): Promise<this> {
    const base = { host: "127.0.0.1", port: 0, service: this.service, lingerMs: 200 };
    this.server = await startRespServer({ ...base, ...options });
    return this;
  }

  async client(where: string | number = this.server.port): Promise<Peer> {
    const socket = typeof where === "string" ? connect(where) : connect(where, "127.0.0.1");
    this.sockets.push(socket);
    await once(socket, "connect");
    return new Peer(socket);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await this.server.close();
    assert.equal(this.server.connectionCount, 0);
  }
}

/** The client's end. */
class Peer {
  readonly socket: Socket;
  ended = false;
  #chunks: Buffer[] = [];
  #length = 0;
  #arrived: () => void = () => {};

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => {
      this.#chunks.push(bytes);
      this.#length += bytes.length;
      this.#arrived();
    });
    for (const event of ["end", "close"])
      socket.on(event, () => {
        this.ended = true;
        this.#arrived();
      });
  }

  send(...words: (string | Buffer)[]): void {
    this.socket.write(command(...words));
  }

  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** The next `bytes` received. */
  async take(bytes: number): Promise<Buffer> {
    while (this.#length < bytes) {
      if (this.ended) assert.fail(`closed after ${this.#length} of ${bytes} bytes`);
      await new Promise<void>((resolve) => (this.#arrived = resolve));
    }
    const all = this.received;
    this.#chunks = [all.subarray(bytes)];
    this.#length -= bytes;
    return all.subarray(0, bytes);
  }

  async expect(reply: string | Buffer): Promise<void> {
    const bytes = Buffer.from(reply);
    const taken = await this.take(bytes.length);
    const [got, wanted] = [taken, bytes].map((all) => all.toString("latin1", 0, 80));
    assert.ok(taken.equals(bytes), `${got} is not ${wanted}`);
  }

  /** All until the connection ends. */
  async rest(): Promise<string> {
    while (!this.ended) await new Promise<void>((resolve) => (this.#arrived = resolve));
    return this.received.toString("latin1");
  }
}

/** The command, which is also the reply of the node that echoes. */
function command(...words: (string | Buffer)[]): Buffer {
  return Buffer.concat([
    Buffer.from(`*${words.length}\r\n`),
    ...words.flatMap((word) => {
      const bytes = Buffer.from(word);
      return [Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n")];
    }),
  ]);
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a pipeline is answered in order", async () => {
  await using setup = await new Setup().start();
  const client = await setup.client();
  const commands = Array.from({ length: 20_000 }, (_, i) =>
    command("SET", `key:${i}`, "v".repeat(i % 97)),
  );
  client.socket.write(Buffer.concat(commands));
  await client.expect(Buffer.concat(commands));
});

test("a command may arrive one byte at a time", async () => {
  await using setup = await new Setup().start();
  const client = await setup.client();
  const bytes = Buffer.concat([command("SET", "k", "a\r\n$1\r\n"), command("GET", "k")]);
  for (const byte of bytes) {
    client.socket.write(Buffer.of(byte));
    await turn();
  }
  await client.expect(bytes);
});

test("a value beyond the limit is refused, the client learns why, and others are served", async () => {
  await using setup = await new Setup().start();
  const client = await setup.client();
  client.send("SET", "k", Buffer.alloc(20 * 1024 * 1024));
  assert.equal(await client.rest(), "-ERR Protocol error: invalid bulk length\r\n");
  const other = await setup.client();
  other.send("PING");
  await other.expect(command("PING"));
});

test("a value within the limit arrives whole, and is offered only when it can be", async () => {
  await using setup = await new Setup().start();
  const client = await setup.client();
  const words = ["SET", "k", Buffer.alloc(5 * 1024 * 1024, "0123456789\r\n")] as const;
  client.send(...words);
  client.send("PING");
  await client.expect(command(...words));
  await client.expect(command("PING"));
});

test("a request longer than the server takes is cut off", async () => {
  await using setup = await new Setup().start({ maxRequestBytes: 1024 * 1024 });
  const client = await setup.client();
  client.send("SET", "k", Buffer.alloc(2 * 1024 * 1024));
  assert.equal(await client.rest(), "");
  await setup.service.gone(1);
});

test("the node hears of what has come of an unfinished request", async () => {
  await using setup = await new Setup().start();
  const client = await setup.client();
  client.socket.write(Buffer.from("*2\r\n$4\r\nECHO\r\n$900000\r\n"));
  client.socket.write(Buffer.alloc(800_000));
  while (setup.service.clients.length === 0) await turn();
  const [served] = setup.service.clients;
  while ((served?.mostUnread ?? 0) < 800_000) await turn();
});

test("a client that is killed while its replies are queued takes nobody along", async () => {
  await using setup = await new Setup().start();
  const client = await setup.client();
  client.socket.pause();
  for (let i = 0; i < 100; i++) client.send("BIG", "1000000");
  const [served] = setup.service.clients;
  assert.ok(served);
  while (served.output.queuedBytes === 0) await turn();
  client.socket.resetAndDestroy();
  await setup.service.gone(1);
  assert.equal(served.closedTimes, 1);
  served.output.write(Buffer.from("+late\r\n"));
  const other = await setup.client();
  other.send("PING");
  await other.expect(command("PING"));
});

test("a client that does not read is not listened to, and gets everything once it reads", async () => {
  const maxQueuedBytes = 1024 * 1024;
  await using setup = await new Setup().start({ maxQueuedBytes });
  setup.service.commandsPerTurn = 4;
  const client = await setup.client();
  client.socket.pause();
  const rounds = 400;
  for (let i = 0; i < rounds; i++) {
    client.send("BIG", "100000");
    client.send("MARK", String(i));
  }
  const [served] = setup.service.clients;
  assert.ok(served);
  while (served.output.queuedBytes <= maxQueuedBytes) await turn();
  for (let i = 0; i < 50; i++) await turn();
  client.socket.resume();
  for (let i = 0; i < rounds; i++) {
    await client.expect(`$100000\r\n${"b".repeat(100_000)}\r\n`);
    await client.expect(command("MARK", String(i)));
  }
  // The limit, and what one turn's four commands may add to it.
  assert.ok(served.mostQueued > maxQueuedBytes, `${served.mostQueued}`);
  assert.ok(served.mostQueued <= maxQueuedBytes + 4 * 101_000, `${served.mostQueued}`);
  assert.ok(served.drainedTimes > 0);
});

test("what is queued for one client is not harmed by what is sent to others", async () => {
  await using setup = await new Setup().start();
  const slow = await setup.client();
  const busy = await setup.client();
  slow.socket.pause();
  const [served] = setup.service.clients;
  assert.ok(served);
  let marks = 0;
  // Small replies go through the buffer that all share, so the one that does not fit ends in it.
  while (served.output.queuedBytes === 0) {
    slow.send("SET", "mark", `${marks++}:${"s".repeat(40_000)}`);
    await turn();
  }
  const load = Buffer.concat(Array<Buffer>(2000).fill(command("SET", "busy", "x".repeat(50))));
  busy.socket.write(load);
  await busy.expect(load);
  slow.socket.resume();
  for (let i = 0; i < marks; i++)
    await slow.expect(command("SET", "mark", `${i}:${"s".repeat(40_000)}`));
});

test("a client has drained when nothing is queued, not when some of it is sent", async () => {
  await using setup = await new Setup().start();
  const client = await setup.client();
  client.socket.pause();
  client.send("PING");
  const [served] = setup.service.clients;
  assert.ok(served);
  const size = 16 * 1024 * 1024;
  const bytes = Buffer.alloc(size, "w");
  served.output.write(bytes);
  served.output.write(bytes);
  let before = served.output.queuedBytes;
  client.socket.resume();
  // Each time some of it has been sent, more is queued behind what is under way. `drained` asserts the rest.
  for (let more = 0; more < 2; more++) {
    while (served.output.queuedBytes >= before) await turn();
    assert.ok(served.output.queuedBytes > 0);
    served.output.write(bytes);
    before = served.output.queuedBytes;
  }
  await client.take(4 * size);
  while (served.drainedTimes === 0) await turn();
});

test("a command in parts is not harmed by what others send meanwhile", async () => {
  await using setup = await new Setup().start();
  const slow = await setup.client();
  const busy = await setup.client();
  const bytes = command("SET", "slow", Buffer.alloc(300, "s"), Buffer.alloc(200_000, "t"));
  const load = Buffer.concat(Array<Buffer>(2000).fill(command("SET", "busy", "x".repeat(50))));
  for (const [from, to] of [
    [0, 7],
    [7, 31],
    [31, 400],
    [400, 100_000],
    [100_000, bytes.length],
  ] as const) {
    slow.socket.write(bytes.subarray(from, to));
    busy.socket.write(load);
    await busy.expect(load);
  }
  await slow.expect(bytes);
});

test("many clients with commands cut anywhere each get their own answers", async () => {
  await using setup = await new Setup().start();
  let state = 7;
  const chance = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >>> 8) % below;
  };
  const clients = await Promise.all(Array.from({ length: 8 }, () => setup.client()));
  const sent = clients.map((_, c) =>
    Buffer.concat(
      Array.from({ length: 300 }, (_unused, i) =>
        command(
          "SET",
          `client:${c}:${i}`,
          Buffer.alloc(chance(i % 50 === 0 ? 90_000 : 300), c + 65),
        ),
      ),
    ),
  );
  const at = clients.map(() => 0);
  while (at.some((place, c) => place < (sent[c] as Buffer).length)) {
    const c = chance(clients.length);
    const to = (at[c] as number) + 1 + chance(chance(4) === 0 ? 70_000 : 400);
    clients[c]?.socket.write((sent[c] as Buffer).subarray(at[c], to));
    at[c] = to;
    if (chance(3) === 0) await turn();
  }
  for (const [c, client] of clients.entries()) await client.expect(sent[c] as Buffer);
});

test("what came behind a pause is offered after it, and never inside another client's turn", async () => {
  await using setup = await new Setup().start();
  const waiting = await setup.client();
  const chained = await setup.client();
  const other = await setup.client();
  // Each behind its pause frees the next: resumed in the turn of another, none runs inside it.
  waiting.socket.write(
    Buffer.concat([command("LATER", "a"), command("FREE", "b"), command("X", "1")]),
  );
  chained.socket.write(Buffer.concat([command("LATER", "b"), command("X", "2")]));
  await waiting.expect("+held\r\n");
  await chained.expect("+held\r\n");
  assert.equal(waiting.received.length, 0);
  other.socket.write(Buffer.concat([command("FREE", "a"), command("X", "3")]));
  await other.expect(Buffer.concat([Buffer.from("+OK\r\n"), command("X", "3")]));
  await waiting.expect(Buffer.concat([Buffer.from("+OK\r\n"), command("X", "1")]));
  await chained.expect(command("X", "2"));
});

test("a client may be resumed in the very turn that paused it", async () => {
  await using setup = await new Setup().start();
  const client = await setup.client();
  const [served] = setup.service.clients;
  assert.ok(served);
  const receive = served.receive.bind(served);
  served.receive = (bytes, start, end) => {
    const at = receive(bytes, start, end);
    served.output.resume();
    return at;
  };
  client.socket.write(Buffer.concat([command("HOLD"), command("HOLD"), command("X")]));
  await client.expect(Buffer.concat([Buffer.from("+held\r\n+held\r\n"), command("X")]));
});

test("a paused client costs little memory, and nothing it sent is lost", async () => {
  await using setup = await new Setup().start();
  const client = await setup.client();
  const load = Buffer.concat(Array<Buffer>(320).fill(command("X", Buffer.alloc(100_000, "x"))));
  client.send("LATER", "a");
  await client.expect("+held\r\n");
  client.socket.write(load);
  for (let i = 0; i < 50; i++) await turn();
  // Far more than sockets hold: the rest is still at the client.
  assert.ok(client.socket.writableLength > 0);
  setup.service.later.get("a")?.resume();
  await client.expect(load);
});

test("a node that leaves commands behind for the next turn is offered them again", async () => {
  await using setup = await new Setup().start();
  setup.service.commandsPerTurn = 3;
  const client = await setup.client();
  const load = Buffer.concat(Array.from({ length: 100 }, (_, i) => command("X", String(i))));
  client.socket.end(load);
  assert.equal(await client.rest(), load.toString("latin1"));
});

test("a client that waits and goes away is noticed", async () => {
  await using setup = await new Setup().start();
  const client = await setup.client();
  client.send("HOLD");
  await client.expect("+held\r\n");
  client.socket.destroy();
  await setup.service.gone(1);
});

test("a client that ends its side still gets its answers, late ones if the node waits for them", async () => {
  await using setup = await new Setup().start();
  const plain = await setup.client();
  plain.socket.end(Buffer.concat([command("X"), command("Y")]));
  assert.equal(await plain.rest(), Buffer.concat([command("X"), command("Y")]).toString());
  setup.service.waitsForAnswers = true;
  const patient = await setup.client();
  const [, served] = setup.service.clients;
  assert.ok(served);
  let tellEnd = (): void => {};
  const end = new Promise<void>((resolve) => (tellEnd = resolve));
  served.ended = tellEnd;
  patient.socket.end(command("X"));
  await end;
  served.output.write(Buffer.from("+late\r\n"));
  served.output.close();
  assert.equal(await patient.rest(), `${command("X").toString()}+late\r\n`);
  await setup.service.gone(2);
});

test("a closed connection sends what was written before", async () => {
  await using setup = await new Setup().start();
  const client = await setup.client();
  client.socket.pause();
  client.send("BIG", "9000000");
  client.send("BYE");
  for (let i = 0; i < 20; i++) await turn();
  client.socket.resume();
  const rest = await client.rest();
  assert.equal(rest.length, "$9000000\r\n".length + 9_000_000 + 2 + "+OK\r\n".length);
  assert.ok(rest.endsWith("b\r\n+OK\r\n"));
});

test("a client that closed connections wait for in vain is cut off", async () => {
  await using setup = await new Setup().start({ lingerMs: 20 });
  const socket = connect({ port: setup.server.port, host: "127.0.0.1", allowHalfOpen: true });
  setup.sockets.push(socket);
  socket.on("error", () => {});
  socket.resume();
  socket.write(command("BYE"));
  await setup.service.gone(1);
});

test("a closed connection is gone as soon as the client has closed too", async () => {
  const never = 1_000_000;
  await using setup = await new Setup().start({ lingerMs: never, flushMs: never });
  const client = await setup.client();
  client.send("BYE");
  await setup.service.gone(1);
  assert.equal(await client.rest(), "+OK\r\n");
});

test("a client too many is told so", async () => {
  await using setup = await new Setup().start();
  setup.service.refuses = true;
  const client = await setup.client();
  assert.equal(await client.rest(), "-ERR max number of clients reached\r\n");
});

test("addresses are written as Redis writes them", async () => {
  await using setup = await new Setup().start();
  const client = await setup.client();
  client.send("PING");
  await client.expect(command("PING"));
  const [served] = setup.service.clients;
  assert.equal(served?.output.address, `127.0.0.1:${client.socket.localPort}`);
  assert.equal(served?.output.localAddress, `127.0.0.1:${setup.server.port}`);
});

test("a port in use is an error that names it, and leaves nothing listening", async () => {
  await using setup = await new Setup().start({ host: "127.0.0.2" });
  const { port } = setup.server;
  const options = { host: ["127.0.0.1", "127.0.0.2"], port, service: setup.service };
  await assert.rejects(startRespServer(options), (error: Error) => {
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.2:${port}: it is already in use`));
    assert.equal((error.cause as NodeJS.ErrnoException).code, "EADDRINUSE");
    return true;
  });
  const free = createServer().listen(port, "127.0.0.1");
  await once(free, "listening");
  free.close();
});

test("several hosts are listened to on the same port, and freed by close", async () => {
  await using setup = await new Setup().start({ host: ["127.0.0.1", "127.0.0.2"] });
  for (const host of ["127.0.0.1", "127.0.0.2"]) {
    const socket = connect(setup.server.port, host);
    setup.sockets.push(socket);
    await once(socket, "connect");
    const client = new Peer(socket);
    client.send("PING");
    await client.expect(command("PING"));
  }
  const { port } = setup.server;
  await Promise.all([setup.server.close(), setup.server.close()]);
  await setup.service.gone(2);
  await assert.rejects(once(connect(port, "127.0.0.1"), "connect"));
});

test("closing the server ends even clients that do not read", async () => {
  await using setup = await new Setup().start({ lingerMs: 20 });
  const client = await setup.client();
  client.socket.pause();
  for (let i = 0; i < 100; i++) client.send("BIG", "1000000");
  const [served] = setup.service.clients;
  while (served?.output.queuedBytes === 0) await turn();
  await setup.server.close();
  assert.equal(setup.server.connectionCount, 0);
});

test("a unix socket is for its owner alone, and an abandoned one is replaced", async () => {
  const dir = await mkdtemp(join(tmpdir(), "atoll-"));
  try {
    const unixSocket = join(dir, "resp.sock");
    await using setup = await new Setup().start({ unixSocket });
    assert.equal((await stat(unixSocket)).mode & 0o777, 0o600);
    const client = await setup.client(unixSocket);
    client.send("PING");
    await client.expect(command("PING"));
    const again = { host: [], port: 0, unixSocket, service: setup.service };
    await assert.rejects(startRespServer(again), /resp\.sock: it is already in use/);
    client.send("PING");
    await client.expect(command("PING"));
  } finally {
    await rm(dir, { recursive: true });
  }
});

test("a socket without a handle of its own is read by its events", async () => {
  const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const accepted = once(server, "connection") as Promise<[Socket]>;
    const address = server.address();
    assert.ok(address !== null && typeof address === "object");
    const client = connect(address.port, "127.0.0.1");
    const [socket] = await accepted;
    const read = new Promise<string>((resolve) => {
      const adopted = adopt(
        socket,
        Buffer.alloc(10),
        (bytes, length) => resolve(bytes.toString("latin1", 0, length)),
        null,
      );
      assert.equal(adopted, socket);
      adopted.resume();
    });
    client.write("PING\r\n");
    assert.equal(await read, "PING\r\n");
    client.destroy();
    socket.destroy();
  } finally {
    server.close();
  }
});
