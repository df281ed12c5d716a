/**
 * Connection: one client's socket, as the node sees it.
 *
 *   socket ─► shared buffer ─► Client.receive ─┬─► consumed
 *                                              └─► leftover ─► offered again in front of what comes next
 *   ClientOutput.write ─► shared out-buffer ─► socket        (what the kernel does not take at once keeps the buffer)
 *
 * Invariant: `receive` is never called from inside any `receive`, not even of another connection: whoever is resumed there waits
 * until it has returned. Memory is bounded: nothing is read while more than `maxQueuedBytes` wait to be sent, no more than
 * `READ_AHEAD_BYTES` while the node does not want to be offered any, and never a request beyond `maxRequestBytes`.
 */
import type { Socket } from "node:net";
import type { Client, ClientOutput, ClientService } from "../../host/ports/clients.ts";
import { type BufferPool, Leftover } from "./leftover.ts";

export type ConnectionLimits = {
  /** Above this many unsent bytes a client is not listened to until all are sent. */
  maxQueuedBytes: number;
  /** The longest unfinished request; a client that sends more is cut off. */
  maxRequestBytes: number;
  /** How long a closed connection waits for the client to close its side, so that it still reads the last reply. */
  lingerMs: number;
  /** How long a closed connection waits for a client to take what is still queued. */
  flushMs: number;
};

/** What all connections of a server share. */
export type Shared = {
  limits: ConnectionLimits;
  pool: BufferPool;
  /** Where replies are copied to be sent. Replaced when the kernel did not take all of it. */
  out: Buffer;
  /** Whether a `receive` is under way. */
  receiving: boolean;
  /** Resumed in the meantime, to be offered their leftover; and whether that is being done. */
  resumed: Connection[];
  offering: boolean;
};

/** Read on while the node does not want any, to notice that a client which waits for its reply has gone. */
const READ_AHEAD_BYTES = 64 * 1024;
/** Bytes of at most so many are copied when they have to wait, and the memory they lay in is let go. */
const PIECE_BYTES = 4096;
const NOTHING = Buffer.alloc(0);

export class Connection implements ClientOutput {
  readonly address: string;
  readonly localAddress: string;
  readonly fd: number;
  readonly #socket: Socket;
  readonly #shared: Shared;
  readonly #leftover: Leftover;
  #client: Client | null = null;
  #state: "open" | "closing" | "closed" = "open";
  /** By the node. */
  #paused = false;
  /** By the bytes that wait to be sent. */
  #full = false;
  /** Whole commands are left over, and their turn is planned. */
  #planned = false;
  /** The client has shut its side; and the node knows. */
  #ended = false;
  #endTold = false;
  #reading = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(socket: Socket, shared: Shared) {
    this.#socket = socket;
    this.#shared = shared;
    this.#leftover = new Leftover(shared.pool);
    this.address = addressOf(socket.remoteAddress, socket.remotePort);
    this.localAddress = addressOf(socket.localAddress, socket.localPort);
    this.fd = descriptorOf(socket);
    // An error is always followed by a close, and there is nobody to tell more.
    socket.on("error", () => {});
    socket.on("end", () => {
      this.#ended = true;
      this.#tellEnd();
    });
    socket.on("finish", () => this.#closeWithin(this.#shared.limits.lingerMs));
  }

  /** Introduces the client to the node and begins to read. `onClosed` follows once. */
  start(service: ClientService, onClosed: () => void): void {
    this.#socket.on("close", () => {
      onClosed();
      this.#onClose();
    });
    this.#client = service.open(this);
    if (this.#client === null) this.close();
    this.#steer();
  }

  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Buffer, lasting = false): void {
    if (this.#state !== "open" || bytes.length === 0) return;
    const socket = this.#socket;
    const idle = socket.writableLength === 0;
    let at = 0;
    // A stream holds on to bytes that the kernel does not take at once, and the caller wants its own back. So they go through
    // a buffer of ours, which is used again as long as the kernel keeps up.
    while (!lasting && at < bytes.length && socket.writableLength === 0) {
      const out = this.#shared.out;
      const count = Math.min(bytes.length - at, out.length);
      bytes.copy(out, 0, at, at + count);
      socket.write(out.subarray(0, count));
      if (socket.writableLength !== 0) this.#shared.out = Buffer.allocUnsafeSlow(out.length);
      at += count;
    }
    // What lasts may be a small part of memory that it pins: of what waits behind other bytes only a large one is worth that.
    if (lasting && (idle || bytes.length > PIECE_BYTES)) socket.write(bytes);
    else if (at < bytes.length) socket.write(Buffer.from(bytes.subarray(at)));
    if (idle && socket.writableLength !== 0) this.#tellWhenSent();
    if (socket.writableLength > this.#shared.limits.maxQueuedBytes) {
      this.#full = true;
      this.#steer();
    }
  }

  pause(): void {
    this.#paused = true;
    this.#steer();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#shared.receiving) this.#shared.resumed.push(this);
    else this.#offerLeftover();
  }

  close(now = false): void {
    if (this.#state === "closed") return;
    if (now) {
      this.#state = "closed";
      this.#socket.destroy();
    } else if (this.#state === "open") {
      this.#state = "closing";
      this.#closeWithin(this.#shared.limits.flushMs);
      this.#socket.end();
      // What still comes is read and dropped: closing over unread bytes would reset the connection, and the client might
      // lose the reply that tells it why.
      this.#steer();
    }
  }

  /** Bytes have arrived, in memory that is another connection's as soon as this returns. */
  onBytes(bytes: Buffer, length: number): void {
    if (this.#state !== "open") return;
    if (this.#leftover.length > 0 || this.#held()) {
      this.#leftover.append(bytes, 0, length);
      this.#offerLeftover();
      return;
    }
    const consumed = this.#offer(bytes, 0, length);
    if (consumed < length) {
      this.#leftover.append(bytes, consumed, length);
      this.#afterOffer(consumed > 0);
    }
    this.#letOthers();
  }

  #held(): boolean {
    return this.#paused || this.#full;
  }

  #offerLeftover(): void {
    const leftover = this.#leftover;
    const client = this.#client;
    if (this.#state !== "open" || client === null) return;
    if (!this.#held() && leftover.length > 0 && leftover.length >= client.need) {
      const start = leftover.start;
      const consumed = this.#offer(leftover.bytes, start, leftover.end);
      leftover.consume(consumed);
      this.#afterOffer(consumed > start);
      this.#letOthers();
    } else {
      client.unread(leftover.length);
      this.#afterOffer(false);
    }
  }

  #offer(bytes: Buffer, start: number, end: number): number {
    const client = this.#client;
    if (client === null) return end;
    this.#shared.receiving = true;
    const consumed = client.receive(bytes, start, end);
    this.#shared.receiving = false;
    return consumed;
  }

  /** Decides what becomes of what is left over. */
  #afterOffer(progressed: boolean): void {
    const length = this.#leftover.length;
    const client = this.#client;
    if (client === null || this.#state !== "open") return;
    if (progressed && !this.#planned && length > 0 && length >= client.need && !this.#held()) {
      this.#planned = true;
      setImmediate(() => {
        this.#planned = false;
        this.#offerLeftover();
      });
    }
    if (length > this.#shared.limits.maxRequestBytes) this.close(true);
    this.#tellEnd();
    this.#steer();
  }

  /** Offers the leftover of those that were resumed during a `receive`. */
  #letOthers(): void {
    const shared = this.#shared;
    // One of them may resume the next: that is this loop's next round, not a call inside a call.
    if (shared.offering) return;
    shared.offering = true;
    for (let next = shared.resumed.shift(); next !== undefined; next = shared.resumed.shift())
      next.#offerLeftover();
    shared.offering = false;
  }

  /** Reads, or stops reading, as things now stand. */
  #steer(): void {
    const ahead = this.#leftover.length >= READ_AHEAD_BYTES && (this.#paused || this.#planned);
    const wanted = this.#state === "closing" || (this.#state === "open" && !this.#full && !ahead);
    if (this.#ended || this.#state === "closed" || wanted === this.#reading) return;
    this.#reading = wanted;
    if (wanted) this.#socket.resume();
    else this.#socket.pause();
  }

  /** An empty write behind everything queued: its callback is called when all before it is sent. */
  #tellWhenSent(): void {
    this.#socket.write(NOTHING, this.#onSent);
  }

  readonly #onSent = (error?: Error | null): void => {
    if (error != null || this.#state !== "open") return;
    if (this.#socket.writableLength > 0) return this.#tellWhenSent();
    this.#full = false;
    this.#client?.drained();
    this.#offerLeftover();
  };

  /** Once the whole commands that came before the end have had their turn. A pause does not delay it. */
  #tellEnd(): void {
    if (!this.#ended || this.#endTold || this.#planned || this.#full) return;
    if (this.#state !== "open") return;
    this.#endTold = true;
    if (this.#client?.ended === undefined) this.close();
    else this.#client.ended();
  }

  #closeWithin(ms: number): void {
    if (this.#state === "closed") return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.close(true), ms);
    this.#timer.unref();
  }

  #onClose(): void {
    this.#state = "closed";
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#leftover.release();
    const client = this.#client;
    this.#client = null;
    client?.closed();
  }
}

/** `ip:port` as Redis writes it: IPv6 in brackets, an IPv4 client of a dual socket as IPv4; a unix socket has neither. */
function addressOf(ip: string | undefined, port: number | undefined): string {
  if (ip === undefined) return "unix:0";
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(ip)?.[1];
  if (mapped !== undefined) return `${mapped}:${port ?? 0}`;
  return ip.includes(":") ? `[${ip}]:${port ?? 0}` : `${ip}:${port ?? 0}`;
}

/** Node keeps the descriptor in the socket's handle, of which its types say nothing. */
function descriptorOf(socket: Socket): number {
  const handle: unknown = Reflect.get(socket, "_handle");
  const fd: unknown =
    typeof handle === "object" && handle !== null ? Reflect.get(handle, "fd") : -1;
  return typeof fd === "number" ? fd : -1;
}
