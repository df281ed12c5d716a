/**
 * Flood: commands for one server as fast as it answers them, or at a rate, from within the benchmark's own process.
 *
 *   blocks of commands, encoded before ─► connections, each with one block under way ─► replies are counted, not read
 *
 * It is for what redis-benchmark cannot send: values that differ, several servers at once, a rate.
 *
 * Invariant: replies are one line each (OK, a number); a reply that is an error fails the run.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { encodeCommand } from "../test/support/resp.ts";

export type Words = readonly (Buffer | string | number)[];

const LF = 10;
const MINUS = 45;
/** How often what is sent at a rate is sent. */
const EVERY_MS = 5;

/** Commands encoded in blocks, so that sending them costs the driver next to nothing. */
export class Blocks {
  readonly #blocks: readonly Buffer[];
  readonly size: number;
  #next = 0;

  /** `count` commands, `size` in a block. */
  constructor(count: number, size: number, command: (i: number) => Words) {
    this.size = size;
    this.#blocks = Array.from({ length: Math.ceil(count / size) }, (_, block) =>
      Buffer.concat(
        Array.from({ length: size }, (__, i) => encodeCommand(command(block * size + i))),
      ),
    );
  }

  /** The next one; behind the last comes the first again. */
  next(): Buffer {
    const block = this.#blocks[this.#next] as Buffer;
    this.#next = (this.#next + 1) % this.#blocks.length;
    return block;
  }
}

/** Sends so many commands over so many connections, a block under way on each. Resolves with the seconds it took. */
export async function flood(
  port: number,
  blocks: Blocks,
  commands: number,
  connections: number,
): Promise<number> {
  const lines = await Promise.all(Array.from({ length: connections }, () => Line.open(port)));
  try {
    let left = commands;
    const startedMs = performance.now();
    await Promise.all(
      lines.map(async (line) => {
        while (left > 0) {
          left -= blocks.size;
          await line.send(blocks.next(), blocks.size);
        }
      }),
    );
    return (performance.now() - startedMs) / 1_000;
  } finally {
    for (const line of lines) line.close();
  }
}

/** Sends `perSecond` commands a second until it is stopped, whether they are answered in time or not. */
export async function pace(
  port: number,
  blocks: Blocks,
  perSecond: number,
): Promise<{ stop: () => Promise<number> }> {
  const line = await Line.open(port);
  const startedMs = performance.now();
  let sent = 0;
  let under: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    const due = ((performance.now() - startedMs) / 1_000) * perSecond;
    for (; sent + blocks.size <= due; sent += blocks.size)
      under = line.send(blocks.next(), blocks.size);
    // Whoever stops is told of an error; nobody waits before.
    under.catch(() => {});
  }, EVERY_MS);
  return {
    /** Resolves with the number of commands, once all are answered. */
    stop: async () => {
      clearInterval(timer);
      await under;
      line.close();
      return sent;
    },
  };
}

/** A connection that counts replies. */
class Line {
  readonly #socket: Socket;
  #replies = 0;
  #asked = 0;
  readonly #waiting: { until: number; resolve: () => void; reject: (error: Error) => void }[] = [];
  #error: Error | null = null;
  #begins = true;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk) => this.#take(chunk));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("the server closed the connection")));
  }

  static async open(port: number): Promise<Line> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    return new Line(socket);
  }

  /** Resolves when as many replies have come as there were commands up to here. */
  send(bytes: Buffer, commands: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#error !== null) return reject(this.#error);
      this.#asked += commands;
      this.#waiting.push({ until: this.#asked, resolve, reject });
      this.#socket.write(bytes);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    for (let i = 0; i < chunk.length; i++) {
      if (this.#begins && chunk[i] === MINUS)
        return this.#fail(new Error(chunk.toString("latin1", i, chunk.indexOf(LF, i))));
      this.#begins = chunk[i] === LF;
      if (this.#begins) this.#replies++;
    }
    for (
      let first = this.#waiting[0];
      first !== undefined && first.until <= this.#replies;
      first = this.#waiting[0]
    ) {
      first.resolve();
      this.#waiting.shift();
    }
  }

  #fail(error: Error): void {
    this.#error ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#error);
    this.#socket.destroy();
  }
}
