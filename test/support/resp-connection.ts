/**
 * RESP connection: one client connection of a test, which gets back exactly the bytes the server sent.
 *
 * Invariant: replies come in the order of the requests; a connection that ends fails everyone who still waits for one.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { encodeCommand, frameEnd, parseReply, type Reply } from "./resp.ts";

interface Waiter {
  remaining: number;
  frames: Buffer[];
  resolve: (frames: Buffer[]) => void;
  reject: (error: Error) => void;
  timer: NodeJS.Timeout;
}

export class RespConnection implements Disposable {
  readonly #socket: Socket;
  readonly #waiters: Waiter[] = [];
  #left: Buffer = Buffer.alloc(0);
  #chunks: Buffer[] = [];
  #chunkBytes = 0;
  #need = 1;
  #ended: Error | null = null;
  #answered: Buffer[] = [];
  /** Called with each push of RESP3: a message, an invalidation. */
  onPush: (push: Reply) => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#take(chunk));
    socket.on("error", (cause) => this.#end(new Error("the connection failed", { cause })));
    socket.on("close", () => this.#end(new Error("the server closed the connection")));
  }

  static async open(port: number): Promise<RespConnection> {
    const socket = connect({ port, host: "127.0.0.1" });
    await once(socket, "connect");
    return new RespConnection(socket);
  }

  /** Sends bytes and resolves with the next `count` frames. Rejects after `timeoutMs` without them. */
  send(bytes: Buffer, count: number, timeoutMs = 10_000): Promise<Buffer[]> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== null) return reject(this.#ended);
      const timer = setTimeout(() => {
        this.#end(new Error(`no reply within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#waiters.push({ remaining: count, frames: [], resolve, reject, timer });
      this.#socket.write(bytes);
    });
  }

  /** One command, one reply. */
  async call(...args: (Buffer | string | number)[]): Promise<Reply> {
    const [frame] = await this.send(encodeCommand(args), 1);
    if (frame === undefined) throw new Error("bug: no frame");
    return parseReply(frame);
  }

  /** Many commands in one write. */
  async pipeline(commands: (Buffer | string | number)[][]): Promise<Reply[]> {
    if (commands.length === 0) return [];
    const frames = await this.send(Buffer.concat(commands.map(encodeCommand)), commands.length);
    return frames.map(parseReply);
  }

  /** The frames that had come for requests that failed in the end, because the connection did. */
  takeAnswered(): Buffer[] {
    return this.#answered.splice(0);
  }

  [Symbol.dispose](): void {
    this.#end(new Error("the test closed the connection"));
  }

  #take(chunk: Buffer): void {
    // A large reply comes in many pieces; joining them once spares a copy per piece.
    this.#chunks.push(chunk);
    this.#chunkBytes += chunk.length;
    if (this.#left.length + this.#chunkBytes < this.#need) return;
    const bytes =
      this.#left.length === 0 && this.#chunks.length === 1
        ? chunk
        : Buffer.concat([this.#left, ...this.#chunks]);
    this.#chunks = [];
    this.#chunkBytes = 0;
    let at = 0;
    try {
      while (at < bytes.length) {
        const end = frameEnd(bytes, at);
        if (end < 0) break;
        this.#give(bytes.subarray(at, end));
        at = end;
      }
    } catch (error) {
      this.#end(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    this.#left = bytes.subarray(at);
    this.#need = bulkNeed(this.#left) ?? 1;
  }

  #give(frame: Buffer): void {
    if (frame[0] === 0x3e) return this.onPush(parseReply(frame));
    const waiter = this.#waiters[0];
    // A frame nobody waits for is no reply.
    if (waiter === undefined) return;
    waiter.frames.push(frame);
    waiter.remaining -= 1;
    if (waiter.remaining > 0) return;
    this.#waiters.shift();
    clearTimeout(waiter.timer);
    waiter.resolve(waiter.frames);
  }

  #end(error: Error): void {
    if (this.#ended !== null) return;
    this.#ended = error;
    this.#socket.destroy();
    for (const waiter of this.#waiters.splice(0)) {
      this.#answered.push(...waiter.frames);
      clearTimeout(waiter.timer);
      waiter.reject(error);
    }
  }
}

/** How many bytes an unfinished bulk string will be, so that its pieces are joined once. */
function bulkNeed(bytes: Buffer): number | null {
  if (bytes[0] !== 0x24) return null;
  const end = bytes.indexOf(13);
  return end < 0 ? null : end + 4 + Number(bytes.toString("latin1", 1, end));
}
