/**
 * Redis gateway: the sockets of a gateway: those of its clients, and those to the regions.
 *
 *     client ─► GatewayInput … Upstream ─► region         each pair has sockets of its own: bytes that come together leave together
 *
 * Invariant: it knows nothing of commands. Once closed, no connection is left and the port is free.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type {
  Dial,
  GatewayInput,
  GatewayOutput,
  Upstream,
  UpstreamEvents,
} from "../../host/ports/gateway.ts";

export interface RedisGatewayOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** PEM; with them it speaks TLS. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly open: (output: GatewayOutput) => GatewayInput;
  /** A client could not be accepted. */
  readonly onFailure: (error: Error) => void;
}

export interface RedisGateway extends AsyncDisposable {
  readonly port: number;
}

const BACKLOG = 511;
const KEEP_ALIVE_MS = 30_000;
/** More than so much that waits to be sent, and no more is read from the other side. */
const CROWDED_BYTES = 1024 * 1024;
/** How long a closed connection waits for its client to take what was written. */
const FLUSH_MS = 5_000;
const CONNECT_MS = 1_000;

/** Rejects, naming the address, when it cannot listen. */
export async function startRedisGateway(options: RedisGatewayOptions): Promise<RedisGateway> {
  const { host, port, tls, open, onFailure } = options;
  const clients = new Set<GatewayClient>();
  const sockets = { allowHalfOpen: true, noDelay: true, keepAlive: true };
  const server = tls === null ? createServer(sockets) : createTlsServer({ ...tls, ...sockets });
  // Who does not get as far as that is no client.
  server.on("tlsClientError", () => {});
  server.on(tls === null ? "connection" : "secureConnection", (socket: Socket) => {
    const client = new GatewayClient(socket, open);
    clients.add(client);
    socket.on("close", () => clients.delete(client));
  });
  const listening = await listen(server, host, port);
  server.on("error", onFailure);
  return {
    port: listening,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const client of clients) client.end();
      }),
  };
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const why = cause.code === "EADDRINUSE" ? "it is already in use" : cause.message;
      reject(new Error(`the gateway cannot listen on ${host}:${port}: ${why}`, { cause }));
    });
    server.listen({ host, port, backlog: BACKLOG }, () => {
      const address = server.address();
      server.removeAllListeners("error");
      resolve(address !== null && typeof address === "object" ? address.port : port);
    });
  });
}

class GatewayClient implements GatewayOutput {
  readonly #socket: Socket;
  readonly #input: GatewayInput;
  #isCrowded = false;

  constructor(socket: Socket, open: (output: GatewayOutput) => GatewayInput) {
    this.#socket = socket;
    const input = open(this);
    this.#input = input;
    socket.on("data", (bytes: Buffer) => input.receive(bytes));
    socket.on("drain", () => {
      this.#isCrowded = false;
      input.crowded(false);
    });
    // Whoever shuts its side still reads the replies that it is owed.
    socket.on("end", () => input.ended());
    socket.on("error", () => {});
    socket.on("close", () => input.closed());
  }

  write(bytes: Buffer): void {
    if (!this.#socket.writable) return;
    this.#socket.write(bytes);
    if (this.#isCrowded || this.#socket.writableLength < CROWDED_BYTES) return;
    this.#isCrowded = true;
    this.#input.crowded(true);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    this.end();
  }

  end(): void {
    const socket = this.#socket;
    socket.end(() => socket.destroy());
    setTimeout(() => socket.destroy(), FLUSH_MS).unref();
  }
}

/** See `Dial`. */
export const dialRegion: Dial = (url, events) => new RegionConnection(url, events);

class RegionConnection implements Upstream {
  readonly #socket: Socket;
  readonly #timer: NodeJS.Timeout;
  #isOver = false;

  constructor(url: string, events: UpstreamEvents) {
    const { hostname, port } = new URL(url);
    const host = hostname.replace(/^\[(.*)\]$/, "$1");
    const socket = connect({ host, port: Number(port), noDelay: true, keepAlive: true });
    this.#socket = socket;
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    let why = "it closed the connection";
    this.#timer = setTimeout(() => {
      socket.destroy(new Error(`no connection within ${CONNECT_MS} ms`));
    }, CONNECT_MS);
    socket.on("connect", () => clearTimeout(this.#timer));
    socket.on("data", (bytes: Buffer) => {
      if (!this.#isOver) events.received(bytes);
    });
    socket.on("error", (error) => (why = error.message));
    socket.on("close", () => {
      clearTimeout(this.#timer);
      if (!this.#isOver) events.ended(why);
    });
  }

  write(bytes: Buffer): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#socket.destroy();
  }
}
