/**
 * RESP server: listens for clients and joins each to the node.
 *
 * Invariant: it knows nothing of commands; it moves bytes (`Connection`). Once closed, no connection is left and the port is free.
 */
import { connect, createServer, type ListenOptions, type Server, type Socket } from "node:net";
import { lstat, unlink } from "node:fs/promises";
import type { ClientService } from "../../host/ports/clients.ts";
import { adopt } from "./adopt.ts";
import { Connection, type ConnectionLimits, type Shared } from "./connection.ts";
import { BufferPool } from "./leftover.ts";

/** One read takes at most this much, and so does one piece of a reply. */
const BUFFER_BYTES = 64 * 1024;
const BACKLOG = 511;
const KEEP_ALIVE_MS = 300_000;

const DEFAULT_LIMITS: ConnectionLimits = {
  maxQueuedBytes: 1024 * 1024,
  maxRequestBytes: 512 * 1024 * 1024,
  lingerMs: 1000,
  flushMs: 60_000,
};

export type RespServerOptions = Partial<ConnectionLimits> & {
  /** One address or name, or several, all on the same port. */
  host: string | readonly string[];
  /** 0 picks a free one. */
  port: number;
  /** The path of a socket to listen on as well; only the owner may connect. */
  unixSocket?: string;
  service: ClientService;
  /** A connection could not be accepted (too many open files). The server goes on. */
  onAcceptError?: (error: Error) => void;
};

export interface RespServer extends AsyncDisposable {
  /** Where clients reach it. */
  readonly port: number;
  readonly connectionCount: number;
  /** Stops listening, sends what was written, and ends every connection. */
  close(): Promise<void>;
}

/** Rejects, naming the address, when it cannot listen; then it listens nowhere. */
export async function startRespServer(options: RespServerOptions): Promise<RespServer> {
  const listener = new Listener(options);
  try {
    await listener.listen(options);
  } catch (error) {
    await listener.close();
    throw error;
  }
  return listener;
}

class Listener implements RespServer {
  port = 0;
  readonly #service: ClientService;
  readonly #onAcceptError: (error: Error) => void;
  readonly #servers: Server[] = [];
  readonly #connections = new Set<Connection>();
  readonly #readBuffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  readonly #shared: Shared;
  /** Once closed: called when the last connection is gone. */
  #onEmpty: (() => void) | null = null;
  #closing: Promise<void> | null = null;

  constructor(options: RespServerOptions) {
    this.#service = options.service;
    this.#onAcceptError = options.onAcceptError ?? (() => {});
    this.#shared = {
      limits: {
        maxQueuedBytes: options.maxQueuedBytes ?? DEFAULT_LIMITS.maxQueuedBytes,
        maxRequestBytes: options.maxRequestBytes ?? DEFAULT_LIMITS.maxRequestBytes,
        lingerMs: options.lingerMs ?? DEFAULT_LIMITS.lingerMs,
        flushMs: options.flushMs ?? DEFAULT_LIMITS.flushMs,
      },
      pool: new BufferPool(),
      out: Buffer.allocUnsafeSlow(BUFFER_BYTES),
      receiving: false,
      resumed: [],
      offering: false,
    };
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  async listen(options: RespServerOptions): Promise<void> {
    const hosts = typeof options.host === "string" ? [options.host] : options.host;
    this.port = options.port;
    for (const host of hosts) {
      const server = this.#newServer();
      await listening(server, { host, port: this.port, backlog: BACKLOG }, `${host}:${this.port}`);
      const address = server.address();
      if (address !== null && typeof address === "object") this.port = address.port;
    }
    if (options.unixSocket !== undefined) await this.#listenLocally(options.unixSocket);
    // From now on a server's error is a connection that it could not accept.
    for (const server of this.#servers) server.on("error", this.#onAcceptError);
  }

  async #listenLocally(path: string): Promise<void> {
    await removeAbandoned(path);
    const server = this.#newServer();
    // The socket must be born closed to others: narrowing its mode later leaves a moment in which anyone may connect. Node
    // binds before `listen` returns, so no other code sees this umask.
    const before = process.umask(0o177);
    let bound: Promise<void>;
    try {
      bound = listening(server, { path, backlog: BACKLOG }, path);
    } finally {
      process.umask(before);
    }
    await bound;
  }

  #newServer(): Server {
    const server = createServer({
      pauseOnConnect: true,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    });
    server.on("connection", (socket) => this.#accept(socket));
    this.#servers.push(server);
    return server;
  }

  #accept(accepted: Socket): void {
    let connection: Connection | null = null;
    const socket = adopt(accepted, this.#readBuffer, (bytes, length) =>
      connection?.onBytes(bytes, length),
    );
    const started = new Connection(socket, this.#shared);
    connection = started;
    this.#connections.add(started);
    started.start(this.#service, () => {
      this.#connections.delete(started);
      if (this.#connections.size === 0) this.#onEmpty?.();
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const stopped = this.#servers.splice(0).map(stop);
    const emptied = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
      if (this.#connections.size === 0) resolve();
    });
    for (const connection of this.#connections) connection.close();
    const patience = setTimeout(() => {
      for (const connection of this.#connections) connection.close(true);
    }, this.#shared.limits.lingerMs);
    await emptied;
    clearTimeout(patience);
    await Promise.all(stopped);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

function listening(server: Server, where: ListenOptions, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException): void => {
      const why = cause.code === "EADDRINUSE" ? "it is already in use" : cause.message;
      reject(new Error(`cannot listen for clients on ${name}: ${why}`, { cause }));
    };
    server.once("error", failed);
    server.listen(where, () => {
      server.off("error", failed);
      resolve();
    });
  });
}

/** A socket file outlives a process that was killed. One that somebody still answers on is not touched, nor any other file. */
async function removeAbandoned(path: string): Promise<void> {
  const found = await lstat(path).catch(() => null);
  if (found === null || !found.isSocket()) return;
  const answered = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => resolve(true)).once("error", () => resolve(false));
    probe.once("connect", () => probe.destroy());
  });
  if (!answered) await unlink(path);
}
