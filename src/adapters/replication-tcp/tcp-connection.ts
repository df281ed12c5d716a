/**
 * One connection to a peer: the handshake, then frames in both directions.
 *
 *     shaking hands ──► open ──► closed
 *           └──────────────────────┘
 *
 * Invariant: the owner hears `opened` once, frames only between `opened` and `closed`, and `closed` once, with the reason in
 * words. None of them is called from inside a call of the owner's into this object, so a caller's state is its own until it
 * has returned.
 */
import type { Socket } from "node:net";
import * as zlib from "node:zlib";
import { Sink } from "../../core/bytes/sink.ts";
import { Malformed } from "../../core/bytes/source.ts";
import {
  FLAG_COMPRESSED,
  FLAG_MORE,
  FRAGMENT_BYTES_MAX,
  FRAME,
  FrameDecoder,
  frameBytes,
  writeFrame,
} from "../../core/wire/frame.ts";
import type { Connection } from "../../host/ports/transport.ts";
import {
  agree,
  CAPABILITY_ZSTD,
  type Cluster,
  doubt,
  newPreamble,
  PREAMBLE_BYTES,
  PROOF_BYTES,
  proof,
  refusal,
  type Role,
  strangeness,
  type Versions,
} from "./handshake.ts";

/** What the owner of a connection is told. */
export interface ConnectionOwner {
  opened(connection: TcpConnection): void;
  /** Returns whether more is wanted before `resume`. */
  frame(connection: TcpConnection, type: number, body: Buffer): boolean;
  writable(connection: TcpConnection): void;
  /** `authenticated`: whether `opened` came before. */
  closed(connection: TcpConnection, reason: string, authenticated: boolean): void;
}

export interface ConnectionOptions {
  readonly cluster: Cluster;
  readonly versions: Versions;
  readonly compressAbove: number;
  readonly windowBytes: number;
  readonly handshakeMs: number;
  readonly messageBytesMax: number;
}

// Absent in runtimes older than the one the project brings; without it nothing is compressed and none is asked for.
const canCompress = typeof zlib.zstdCompressSync === "function";
const packing = canCompress
  ? { params: { [zlib.constants.ZSTD_c_compressionLevel]: 1 } }
  : undefined;

/** How long a closing connection may take to send what it still holds. */
const LINGER_MS = 1_000;
const REASON_BYTES_MAX = 1_000;

export class TcpConnection implements Connection {
  readonly address: string;
  readonly dialled: string | null;
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #options: ConnectionOptions;
  readonly #role: Role;
  readonly #decoder: FrameDecoder;
  readonly #myPreamble: Buffer;
  #theirPreamble: Buffer | null = null;
  #state: "shaking hands" | "open" | "closed" = "shaking hands";
  #handshake: Buffer = Buffer.alloc(0);
  #deadline: NodeJS.Timeout | null;
  #compress = false;
  #full = false;
  #wantsNone = false;
  /** What the owner did not want yet, while it wants none. */
  #rest: Buffer | null = null;
  /** The owner has closed it: nothing more is sent, nothing more is handed over. */
  #closing = false;
  #error: Error | null = null;
  /** Resolves when the socket is gone. */
  readonly gone: Promise<void>;

  constructor(
    socket: Socket,
    address: string,
    dialled: string | null,
    owner: ConnectionOwner,
    options: ConnectionOptions,
  ) {
    this.address = address;
    this.dialled = dialled;
    this.#socket = socket;
    this.#owner = owner;
    this.#options = options;
    this.#role = dialled === null ? "listener" : "dialler";
    this.#decoder = new FrameDecoder({
      crc32: (bytes) => zlib.crc32(bytes),
      unpack: (bytes, bytesMax) => zlib.zstdDecompressSync(bytes, { maxOutputLength: bytesMax }),
      messageBytesMax: options.messageBytesMax,
    });
    this.#myPreamble = newPreamble(options.versions, canCompress ? CAPABILITY_ZSTD : 0);
    this.#deadline = setTimeout(() => this.#end(late(options.handshakeMs)), options.handshakeMs);
    this.gone = new Promise((resolve) => socket.once("close", () => resolve()));
    // Written before the connection stands, it leaves as soon as it does.
    if (this.#role === "dialler") socket.write(this.#myPreamble);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 10_000);
    socket.on("data", (chunk) => this.#received(chunk));
    socket.on("error", (error) => (this.#error = error));
    socket.on("end", () => this.#end("the peer closed the connection"));
    socket.on("close", () => this.#end(lost(this.#error)));
  }

  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  get writable(): boolean {
    if (this.#socket.writableLength < this.#options.windowBytes) return true;
    this.#full = true;
    return false;
  }

  send(type: number, body: Uint8Array): void {
    if (this.#state !== "open" || this.#closing) return;
    let at = 0;
    while (body.length - at > FRAGMENT_BYTES_MAX) {
      this.#sendFrame(type, FLAG_MORE, body.subarray(at, at + FRAGMENT_BYTES_MAX));
      at += FRAGMENT_BYTES_MAX;
    }
    this.#sendFrame(type, 0, at === 0 ? body : body.subarray(at));
  }

  #sendFrame(type: number, more: number, plain: Uint8Array): void {
    let body = plain;
    let flags = more;
    if (this.#compress && plain.length > this.#options.compressAbove) {
      const packed = zlib.zstdCompressSync(plain, packing);
      if (packed.length < plain.length) {
        body = packed;
        flags |= FLAG_COMPRESSED;
      }
    }
    const sink = new Sink(frameBytes(body.length));
    writeFrame(sink, type, flags, 0, body, zlib.crc32);
    this.#socket.write(sink.view(), this.#onTaken);
    if (this.#socket.writableLength >= this.#options.windowBytes) this.#full = true;
  }

  readonly #onTaken = (): void => {
    // Half a window, so that the owner is not woken for every frame at the brim.
    if (!this.#full || this.#socket.writableLength > this.#options.windowBytes / 2) return;
    this.#full = false;
    if (this.#state === "open" && !this.#closing) this.#owner.writable(this);
  };

  close(reason: string): void {
    if (this.#state === "closed" || this.#closing) return;
    this.#tell(reason);
    this.#closing = true;
    process.nextTick(() => this.#end(reason));
  }

  /** Sends the reason, where the peer can read it. */
  #tell(reason: string): void {
    if (this.#state !== "open") return;
    const text = Buffer.from(reason, "utf8").subarray(0, REASON_BYTES_MAX);
    const sink = new Sink(frameBytes(text.length));
    writeFrame(sink, FRAME.ERROR, 0, 0, text, zlib.crc32);
    this.#socket.write(sink.view());
  }

  /** Nothing is read any more. The bytes are still taken, because unread ones would turn the close into a reset. */
  #silence(): void {
    this.#socket.removeAllListeners("data");
    this.#socket.resume();
  }

  #end(reason: string): void {
    if (this.#state === "closed") return;
    const authenticated = this.#state === "open";
    this.#state = "closed";
    if (this.#deadline !== null) clearTimeout(this.#deadline);
    this.#silence();
    if (this.#socket.connecting) this.#socket.destroy();
    else if (!this.#socket.destroyed) {
      this.#socket.end();
      const linger = setTimeout(() => this.#socket.destroy(), LINGER_MS);
      this.#socket.once("close", () => clearTimeout(linger));
    }
    this.#owner.closed(this, reason, authenticated);
  }

  #received(chunk: Buffer): void {
    if (this.#state === "closed" || this.#closing) return;
    try {
      const rest = this.#state === "open" ? chunk : this.#shakeHands(chunk);
      if (rest !== null && rest.length > 0) this.#read(rest);
    } catch (error) {
      // What a peer sends can be wrong; anything else that is thrown here is a bug and must not be swallowed.
      if (!(error instanceof Malformed)) throw error;
      this.#tell(`what this peer sent is malformed: ${error.message}`);
      this.#end(error.message);
    }
  }

  /** Hands over the messages in a chunk, as long as they are wanted. */
  #read(chunk: Buffer): void {
    if (this.#rest !== null) {
      // The socket had read on before it heard that nothing is wanted.
      this.#rest = Buffer.concat([this.#rest, chunk]);
      return;
    }
    const taken = this.#decoder.push(chunk, this.#onMessage);
    // Not a view: the owner may want nothing for long, and a chunk is large.
    if (this.#wantsNone) this.#rest = Buffer.from(chunk.subarray(taken));
  }

  resume(): void {
    if (!this.#wantsNone) return;
    // The owner is still within its own turn.
    process.nextTick(() => {
      const rest = this.#rest;
      this.#wantsNone = false;
      this.#rest = null;
      if (rest !== null && rest.length > 0) this.#received(rest);
      if (!this.#wantsNone) this.#socket.resume();
    });
  }

  readonly #onMessage = (type: number, _group: number, body: Buffer): void => {
    // The owner may have closed it in the middle of a chunk.
    if (this.#state !== "open" || this.#closing) return;
    if (type === FRAME.ERROR) this.#end(`the peer closed the connection: ${printable(body)}`);
    else {
      if (this.#owner.frame(this, type, body)) return;
      this.#wantsNone = true;
      this.#decoder.stop();
      this.#socket.pause();
    }
  };

  /** Takes handshake bytes; returns what lies behind them once the peer has proven itself, else null. */
  #shakeHands(chunk: Buffer): Buffer | null {
    let bytes = this.#handshake.length === 0 ? chunk : Buffer.concat([this.#handshake, chunk]);
    if (this.#theirPreamble === null) {
      const strange = strangeness(bytes);
      if (strange !== null) return this.#refuse(strange);
      if (bytes.length < PREAMBLE_BYTES) return this.#keep(bytes);
      this.#theirPreamble = Buffer.from(bytes.subarray(0, PREAMBLE_BYTES));
      bytes = bytes.subarray(PREAMBLE_BYTES);
      // The listener answers even to a version it cannot speak: so the other side can name both ranges too.
      if (this.#role === "listener") this.#socket.write(this.#myPreamble);
      const agreed = agree(this.#myPreamble, this.#theirPreamble);
      if ("refused" in agreed) return this.#refuse(agreed.refused);
      this.#compress = canCompress && (agreed.capabilities & CAPABILITY_ZSTD) !== 0;
      if (this.#role === "dialler") this.#socket.write(this.#proof("dialler"));
    }
    if (bytes.length < PROOF_BYTES) return this.#keep(bytes);
    const other: Role = this.#role === "dialler" ? "listener" : "dialler";
    const [dialler, listener] = this.#preambles();
    const message = bytes.subarray(0, PROOF_BYTES);
    const why = doubt(message, this.#options.cluster, other, dialler, listener);
    if (why !== null) {
      if (this.#role === "listener") this.#socket.write(refusal());
      return this.#refuse(why);
    }
    if (this.#role === "listener") this.#socket.write(this.#proof("listener"));
    this.#open();
    return bytes.subarray(PROOF_BYTES);
  }

  #keep(bytes: Buffer): null {
    this.#handshake = Buffer.from(bytes);
    return null;
  }

  #refuse(reason: string): null {
    this.#end(reason);
    return null;
  }

  #proof(role: Role): Buffer {
    const [dialler, listener] = this.#preambles();
    return proof(this.#options.cluster, role, dialler, listener);
  }

  #preambles(): [dialler: Buffer, listener: Buffer] {
    const theirs = this.#theirPreamble ?? Buffer.alloc(0);
    return this.#role === "dialler" ? [this.#myPreamble, theirs] : [theirs, this.#myPreamble];
  }

  #open(): void {
    this.#state = "open";
    this.#handshake = Buffer.alloc(0);
    if (this.#deadline !== null) clearTimeout(this.#deadline);
    this.#deadline = null;
    this.#owner.opened(this);
  }
}

function late(handshakeMs: number): string {
  return `the peer did not prove itself within ${handshakeMs} ms`;
}

function lost(error: Error | null): string {
  if (error === null) return "the connection was lost";
  const code = "code" in error ? String(error.code) : "";
  const words: Record<string, string> = {
    ECONNREFUSED: "nothing listens at the peer's address",
    ECONNRESET: "the connection was reset",
    EPIPE: "the connection was reset",
    ETIMEDOUT: "the peer cannot be reached (timed out)",
    EHOSTUNREACH: "the peer cannot be reached (no route)",
    ENETUNREACH: "the peer cannot be reached (no network)",
    ENOTFOUND: "the name of the peer's address is unknown",
  };
  return words[code] ?? `the connection was lost (${error.message})`;
}

/** A peer's words, fit for a log line. */
function printable(body: Buffer): string {
  return body
    .subarray(0, REASON_BYTES_MAX)
    .toString("utf8")
    .replaceAll(/[^\x20-\x7e]/g, "?");
}
