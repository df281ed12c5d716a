/**
 * DnsServer: the DNS over UDP and TCP (RFC 7766), on one port.
 *
 * Invariant: what comes in is answered by the responder or not at all. TCP is bounded in every way: connections in all and from one
 * address, how long one may be idle, what it may send before it has read.
 */
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { createServer, isIPv6, type Server, type Socket } from "node:net";

/** Turns packets into answers; an answer is valid until the next call. */
export interface PacketService {
  respond(packet: Buffer, address: Buffer, isStream: boolean): Buffer | null;
  /** The answers to a packet on a connection that asks for a whole zone; null when it does not, or may not. */
  transfer(packet: Buffer, address: Buffer): Iterable<Buffer> | null;
}

export interface DnsServerOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly service: PacketService;
  /** An address as the bytes that travel; null when it is none. */
  readonly addressOf: (text: string) => Buffer | null;
  readonly onFailure: (error: unknown) => void;
}

export interface DnsServer extends AsyncDisposable {
  readonly port: number;
}

const IDLE_MS = 10_000;
const CONNECTIONS_MAX = 2_000;
const PER_ADDRESS_MAX = 32;
const QUEUED_BYTES_MAX = 256 * 1024;
const LENGTH_BYTES = 2;
const NOWHERE = Buffer.alloc(4);
/** A free TCP port may be taken for UDP. */
const TRIES_MAX = 20;

/** Rejects, naming the address, when it cannot listen. */
export async function startDnsServer(options: DnsServerOptions): Promise<DnsServer> {
  for (let tries = 1; ; tries++) {
    const streams = new Streams(options);
    await using stack = new AsyncDisposableStack();
    stack.use(streams);
    const port = await streams.listen();
    try {
      const udp = await listenUdp(options, port);
      stack.defer(() => new Promise((resolve) => void udp.close(() => resolve())));
      const opened = stack.move();
      return { port, [Symbol.asyncDispose]: () => opened.disposeAsync() };
    } catch (error) {
      if (options.port !== 0 || tries >= TRIES_MAX) throw error;
    }
  }
}

function listenUdp(options: DnsServerOptions, port: number): Promise<UdpSocket> {
  const { host, service, addressOf, onFailure } = options;
  // So that several processes may share the port, each on a core of its own.
  const socket = createSocket({
    type: isIPv6(host) ? "udp6" : "udp4",
    reusePort: options.port !== 0,
  });
  socket.on("message", (packet, from) => {
    try {
      const answer = service.respond(packet, addressOf(from.address) ?? NOWHERE, false);
      // The bytes are used again before they have left.
      if (answer !== null) socket.send(Buffer.from(answer), from.port, from.address, ignore);
    } catch (error) {
      onFailure(error);
    }
  });
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void => reject(taken(options, "UDP", port, cause));
    socket.once("error", failed);
    socket.bind(port, host, () => {
      socket.off("error", failed);
      socket.on("error", onFailure);
      resolve(socket);
    });
  });
}

/** Who could not be sent to will ask again. */
function ignore(): void {}

class Streams implements AsyncDisposable {
  readonly #options: DnsServerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #perAddress = new Map<string, number>();

  constructor(options: DnsServerOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  listen(): Promise<number> {
    const { host, port } = this.#options;
    const server = this.#server;
    return new Promise((resolve, reject) => {
      const failed = (cause: Error): void => reject(taken(this.#options, "TCP", port, cause));
      server.once("error", failed);
      server.listen(port, host, () => {
        server.off("error", failed);
        server.on("error", this.#options.onFailure);
        const address = server.address();
        resolve(address !== null && typeof address === "object" ? address.port : port);
      });
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#server.listening) return resolve();
      this.#server.close(() => resolve());
      for (const socket of this.#sockets) socket.destroy();
    });
  }

  #accept(socket: Socket): void {
    const from = socket.remoteAddress ?? "";
    const count = (this.#perAddress.get(from) ?? 0) + 1;
    // Somebody who leaves is no event.
    socket.on("error", ignore);
    if (count > PER_ADDRESS_MAX) {
      socket.destroy();
      return;
    }
    this.#perAddress.set(from, count);
    this.#sockets.add(socket);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      const left = (this.#perAddress.get(from) ?? 1) - 1;
      if (left > 0) this.#perAddress.set(from, left);
      else this.#perAddress.delete(from);
    });
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    const address = this.#options.addressOf(from) ?? NOWHERE;
    let held: Buffer = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      try {
        held = this.#answerAll(socket, address, held);
      } catch (error) {
        this.#options.onFailure(error);
        socket.destroy();
      }
    });
  }

  /** Answers every whole query in `bytes`, and returns what follows them. */
  #answerAll(socket: Socket, address: Buffer, bytes: Buffer): Buffer {
    let at = 0;
    while (bytes.length - at >= LENGTH_BYTES) {
      const end = at + LENGTH_BYTES + bytes.readUInt16BE(at);
      if (end > bytes.length) break;
      const { service } = this.#options;
      const packet = bytes.subarray(at + LENGTH_BYTES, end);
      at = end;
      const messages = service.transfer(packet, address);
      if (messages !== null) {
        for (const message of messages) send(socket, message);
        continue;
      }
      const answer = service.respond(packet, address, true);
      // What gets no answer over UDP ends a connection: no resolver sends it.
      if (answer === null || socket.writableLength > QUEUED_BYTES_MAX) {
        socket.destroy();
        return Buffer.alloc(0);
      }
      send(socket, answer);
    }
    return Buffer.from(bytes.subarray(at));
  }
}

function send(socket: Socket, message: Buffer): void {
  const framed = Buffer.alloc(LENGTH_BYTES + message.length);
  framed.writeUInt16BE(message.length, 0);
  message.copy(framed, LENGTH_BYTES);
  socket.write(framed);
}

function taken({ host }: DnsServerOptions, over: string, port: number, cause: Error): Error {
  const why =
    "code" in cause && cause.code === "EADDRINUSE" ? "it is already in use" : cause.message;
  return new Error(`cannot listen for DNS over ${over} on ${host}:${port}: ${why}`, { cause });
}
