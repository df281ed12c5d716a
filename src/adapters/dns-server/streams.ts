/**
 * Streams: the DNS over connections: TCP (RFC 7766), or TLS (RFC 7858).
 *
 * Invariant: queries are answered in order, and all is bounded: connections in all and from one address, how long one may be idle, what it
 * may send before it has read.
 */
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";

/** Turns packets into answers; an answer is valid until the next call. */
export interface PacketService {
  respond(packet: Buffer, address: Buffer, isStream: boolean): Buffer | null;
  /** The answers to a packet on a connection that asks for a whole zone; null when it does not, or may not. */
  transfer(packet: Buffer, address: Buffer): Iterable<Buffer> | null;
}

export interface StreamOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly service: PacketService;
  /** An address as the bytes that travel; null when it is none. */
  readonly addressOf: (text: string) => Buffer | null;
  readonly onFailure: (error: unknown) => void;
}

/** A certificate with its chain, and its key: PEM. */
export interface Tls {
  readonly cert: string;
  readonly key: string;
}

/** An address that nobody has: of who has none. */
export const NOWHERE: Buffer = Buffer.alloc(4);
export const IDLE_MS = 10_000;
export const CONNECTIONS_MAX = 2_000;
const PER_ADDRESS_MAX = 32;
const QUEUED_BYTES_MAX = 256 * 1024;
const LENGTH_BYTES = 2;

/** Those who are connected: so many from one address, and no more. */
export class Crowd {
  readonly #sockets = new Set<Socket>();
  readonly #perAddress = new Map<string, number>();

  /** False when there are too many from where a socket comes: it is destroyed then. */
  admit(socket: Socket): boolean {
    const from = socket.remoteAddress ?? "";
    const count = (this.#perAddress.get(from) ?? 0) + 1;
    // Somebody who leaves is no event.
    socket.on("error", ignore);
    if (count > PER_ADDRESS_MAX) {
      socket.destroy();
      return false;
    }
    this.#perAddress.set(from, count);
    this.#sockets.add(socket);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      const left = (this.#perAddress.get(from) ?? 1) - 1;
      if (left > 0) this.#perAddress.set(from, left);
      else this.#perAddress.delete(from);
    });
    return true;
  }

  /** Ends all connections. */
  disperse(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

export class Streams implements AsyncDisposable {
  readonly #options: StreamOptions;
  readonly #over: string;
  readonly #server: Server;
  readonly #crowd = new Crowd();

  /** `tls` is what clients are shown; null: they are not. */
  constructor(options: StreamOptions, tls: Tls | null) {
    this.#options = options;
    this.#over = tls === null ? "TCP" : "TLS";
    const accept = (socket: Socket): void => this.#accept(socket);
    this.#server =
      tls === null
        ? createServer({ noDelay: true }, accept)
        : createTlsServer(
            { ...tls, noDelay: true, ALPNProtocols: ["dot"], handshakeTimeout: IDLE_MS },
            accept,
          );
    // Who fails to agree on a cipher is no event either.
    this.#server.on("tlsClientError", ignore);
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  listen(): Promise<number> {
    const { host, port } = this.#options;
    const server = this.#server;
    return new Promise((resolve, reject) => {
      const failed = (cause: Error): void =>
        reject(taken(this.#options.host, this.#over, port, cause));
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
      this.#crowd.disperse();
    });
  }

  #accept(socket: Socket): void {
    const from = socket.remoteAddress ?? "";
    if (!this.#crowd.admit(socket)) return;
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

/** Who could not be sent to will ask again. */
export function ignore(): void {}

export function taken(host: string, over: string, port: number, cause: Error): Error {
  const why =
    "code" in cause && cause.code === "EADDRINUSE" ? "it is already in use" : cause.message;
  return new Error(`cannot listen for DNS over ${over} on ${host}:${port}: ${why}`, { cause });
}
