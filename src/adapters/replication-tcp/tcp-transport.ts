/**
 * Transport over TCP: listens for peers, dials those that were named, and keeps dialling.
 *
 * Invariant: what has not proven itself is never shown to the node, and there are never more than `unauthenticatedMax` of
 * them. A named link is always in one of three states: connected, being dialled, or waiting for its next attempt.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { MESSAGE_BYTES_MAX } from "../../core/wire/frame.ts";
import type { Connection, Transport, TransportEvents } from "../../host/ports/transport.ts";
import { VERSIONS, type Versions } from "./handshake.ts";
import { type ConnectionOptions, type ConnectionOwner, TcpConnection } from "./tcp-connection.ts";

export interface TransportLog {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
}

export interface TransportLimits {
  /** Connections that have not proven themselves yet; further ones are dropped. 64 unless told. */
  readonly unauthenticatedMax?: number;
  /** How long a peer may take to prove itself. 5,000 unless told. */
  readonly handshakeMs?: number;
  /** The most one message may hold. 600 MiB unless told. */
  readonly messageBytesMax?: number;
  /** The first wait before another attempt, and the longest. 50 and 2,000 unless told. */
  readonly redialMsMin?: number;
  readonly redialMsMax?: number;
}

export interface TcpTransportOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly secret: string;
  /** Nodes of different clusters refuse each other even if they share a secret. */
  readonly clusterId?: string;
  /** Bodies longer than this are compressed when that makes them shorter; `Infinity` never. 1,024 unless told. */
  readonly compressAbove?: number;
  /** How much may wait in a connection before it stops being `writable`. 8 MiB unless told. */
  readonly windowBytes?: number;
  readonly events: TransportEvents;
  /** A connection ended before it opened: `link` is the dialled link's name, or null when the peer dialled. */
  readonly onFailure?: (link: string | null, address: string, reason: string) => void;
  readonly limits?: TransportLimits;
  readonly log: TransportLog;
  /** Chance between 0 and 1, for the jitter between attempts. */
  readonly random?: () => number;
  /** What this node claims to speak; tests of upgrades set it. */
  readonly versions?: Versions;
}

/** Listens on `host:port`; rejects, naming the address, when it cannot. */
export async function startTcpTransport(options: TcpTransportOptions): Promise<Transport> {
  const transport = new TcpTransport(options);
  await transport.listen();
  return transport;
}

type Link = {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  attempts: number;
  openedAtMs: number | null;
  timer: NodeJS.Timeout | null;
};

class TcpTransport implements Transport, ConnectionOwner {
  readonly #options: TcpTransportOptions;
  readonly #connectionOptions: ConnectionOptions;
  readonly #server: Server;
  readonly #links = new Map<string, Link>();
  readonly #connections = new Set<TcpConnection>();
  readonly #unauthenticatedMax: number;
  #strangers = 0;
  #disposed = false;
  #warnedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: TcpTransportOptions) {
    this.#options = options;
    this.#connectionOptions = {
      cluster: { secret: options.secret, clusterId: options.clusterId ?? "" },
      versions: options.versions ?? VERSIONS,
      compressAbove: options.compressAbove ?? 1024,
      windowBytes: options.windowBytes ?? 8 * 1024 * 1024,
      handshakeMs: options.limits?.handshakeMs ?? 5_000,
      messageBytesMax: options.limits?.messageBytesMax ?? MESSAGE_BYTES_MAX,
    };
    this.#unauthenticatedMax = options.limits?.unauthenticatedMax ?? 64;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  async listen(): Promise<void> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (cause) =>
        reject(
          new Error(
            `cannot listen for peers on ${host}:${port}: ${cause.message}; free the port or set \`replication.port\``,
            { cause },
          ),
        ),
      );
      this.#server.listen(port, host, resolve);
    });
    this.#server.removeAllListeners("error");
    this.#server.on("error", (error) => this.#warn({ error }, "accepting peers failed"));
  }

  get port(): number {
    const address = this.#server.address();
    return address === null || typeof address === "string" ? 0 : address.port;
  }

  #accept(socket: Socket): void {
    const address = `${socket.remoteAddress ?? "?"}:${socket.remotePort ?? 0}`;
    if (this.#disposed || this.#strangers >= this.#unauthenticatedMax) {
      socket.on("error", () => {});
      socket.destroy();
      this.#failed(null, address, "too many connections have not proven themselves yet");
      return;
    }
    this.#strangers++;
    this.#connections.add(new TcpConnection(socket, address, null, this, this.#connectionOptions));
  }

  dial(link: { name: string; address: string }): void {
    const colon = link.address.lastIndexOf(":");
    const known: Link = {
      name: link.name,
      host: link.address.slice(0, colon).replace(/^\[(.*)\]$/, "$1"),
      port: Number(link.address.slice(colon + 1)),
      attempts: 0,
      openedAtMs: null,
      timer: null,
    };
    this.#links.set(link.name, known);
    this.#connect(known);
  }

  #connect(link: Link): void {
    link.timer = null;
    link.openedAtMs = null;
    const socket = connect({ host: link.host, port: link.port });
    this.#connections.add(
      new TcpConnection(
        socket,
        `${link.host}:${link.port}`,
        link.name,
        this,
        this.#connectionOptions,
      ),
    );
  }

  #redial(link: Link): void {
    if (this.#disposed) return;
    const min = this.#options.limits?.redialMsMin ?? 50;
    const max = this.#options.limits?.redialMsMax ?? 2_000;
    // Only a connection that has held for a while clears the count: one that opens and falls at once is a failure too.
    if (link.openedAtMs !== null && performance.now() - link.openedAtMs >= max) link.attempts = 0;
    this.#wait(link, Math.min(max, min * 2 ** Math.min(link.attempts++, 30)));
  }

  #wait(link: Link, waitMs: number): void {
    // Half of it is chance, so that peers which lost the same link do not return in step.
    const random = this.#options.random ?? Math.random;
    const isConnected = (): boolean => this.#options.events.isConnected(link.name);
    link.timer = setTimeout(
      () => (isConnected() ? this.#wait(link, waitMs) : this.#connect(link)),
      waitMs * (0.5 + 0.5 * random()),
    );
  }

  opened(connection: TcpConnection): void {
    if (connection.dialled === null) this.#strangers--;
    else {
      const link = this.#links.get(connection.dialled);
      if (link !== undefined) link.openedAtMs = performance.now();
    }
    const { address, dialled } = connection;
    this.#options.log.info({ address, link: dialled }, "link opened");
    this.#options.events.onOpen(connection);
  }

  frame(connection: Connection, type: number, body: Buffer): boolean {
    return this.#options.events.onFrame(connection, type, body);
  }

  writable(connection: Connection): void {
    this.#options.events.onWritable(connection);
  }

  closed(connection: TcpConnection, reason: string, authenticated: boolean): void {
    this.#connections.delete(connection);
    const { address, dialled } = connection;
    if (authenticated) {
      const facts = { address, link: dialled, reason };
      this.#options.log.info(facts, "link closed");
      this.#options.events.onClose(connection, reason);
    } else {
      if (dialled === null) this.#strangers--;
      this.#failed(dialled, address, reason);
    }
    const link = dialled === null ? undefined : this.#links.get(dialled);
    if (link !== undefined) this.#redial(link);
  }

  #failed(link: string | null, address: string, reason: string): void {
    if (this.#disposed) return;
    this.#warn({ address, link, reason }, "a connection did not become a link");
    this.#options.onFailure?.(link, address, reason);
  }

  /** Strangers can cause these as often as they like, so the log gets one a second. */
  #warn(facts: object, message: string): void {
    const nowMs = performance.now();
    if (nowMs - this.#warnedAtMs < 1_000) return;
    this.#warnedAtMs = nowMs;
    this.#options.log.warn(facts, message);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const link of this.#links.values()) if (link.timer !== null) clearTimeout(link.timer);
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const gone = [...this.#connections].map((connection) => {
      connection.close("the node is stopping");
      return connection.gone;
    });
    await Promise.all([closed, ...gone]);
  }
}
