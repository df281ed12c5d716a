/**
 * Redis client: asks a server of Redis' protocol, many commands at once on one connection.
 *
 * Invariant: answers come in the order of the commands; a connection that ends fails everyone who still waits, with one reason.
 */
import type { Socket } from "node:net";
import { Malformed } from "../../core/bytes/source.ts";
import { type Answer, Answers, Refused } from "../../core/wire/answers.ts";
import { encodeCommand } from "../../core/wire/encode-command.ts";
import { type Address, nameOf } from "./address.ts";
import { greeting, Lost, openSocket, reason, Unwilling } from "./redis-socket.ts";

interface Waiting {
  readonly bytes: number;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/** So many answered ones are let go at a time. */
const FORGET_AT = 1_024;

export class RedisClient implements Disposable {
  readonly #socket: Socket;
  readonly #address: Address;
  readonly #answers = new Answers();
  /** Those who wait for answers stand from `#first` on: to shift a long array costs its length. */
  #waiting: Waiting[] = [];
  #first = 0;
  #waitingBytes = 0;
  #lost: Error | null = null;
  #corked = false;
  #roomWanted: (() => void)[] = [];

  private constructor(socket: Socket, address: Address) {
    this.#socket = socket;
    this.#address = address;
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("error", (cause) => this.#end(reason(cause), cause));
    socket.on("close", () => this.#end("it closed the connection"));
  }

  /** Connects and proves who we are. Throws `Lost` and `Unwilling`. */
  static async open(address: Address): Promise<RedisClient> {
    const client = new RedisClient(await openSocket(address), address);
    const words = greeting(address);
    const answer = await client.ask(...(words ?? ["PING"]));
    if (answer instanceof Refused) {
      client[Symbol.dispose]();
      // It starts, and will be there.
      if (answer.text.startsWith("LOADING"))
        throw new Lost(`${nameOf(address)} is not ready: ${answer.text}`);
      throw new Unwilling(`${nameOf(address)} refuses: ${answer.text}`);
    }
    return client;
  }

  /** Whether the connection is no more. */
  get ended(): boolean {
    return this.#lost !== null;
  }

  /** One command, one answer; an error of the server is a `Refused`, not thrown. Throws `Lost`. */
  ask(...words: (Buffer | string)[]): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#lost !== null) return reject(this.#lost);
      const bytes = encodeCommand(words);
      this.#waiting.push({ bytes: bytes.length, resolve, reject });
      this.#waitingBytes += bytes.length;
      // What is asked in one turn leaves in one write.
      if (!this.#corked) {
        this.#corked = true;
        this.#socket.cork();
        process.nextTick(() => {
          this.#corked = false;
          this.#socket.uncork();
        });
      }
      this.#socket.write(bytes);
    });
  }

  /** As `ask`, where only success will do: throws `Unwilling` for an error of the server. */
  async demand(...words: (Buffer | string)[]): Promise<Answer> {
    const answer = await this.ask(...words);
    if (answer instanceof Refused)
      throw new Unwilling(`${nameOf(this.#address)} refuses ${String(words[0])}: ${answer.text}`);
    return answer;
  }

  /** Resolves when less than `bytes` of commands wait for their answers. */
  async room(bytes: number): Promise<void> {
    while (this.#waitingBytes >= bytes && this.#lost === null)
      await new Promise<void>((resolve) => this.#roomWanted.push(resolve));
  }

  [Symbol.dispose](): void {
    this.#end("we closed the connection");
  }

  #take(chunk: Buffer): void {
    this.#answers.add(chunk);
    try {
      for (let answer = this.#answers.next(); answer !== undefined; answer = this.#answers.next()) {
        const waiting = this.#waiting[this.#first++];
        if (waiting === undefined) throw new Malformed("an answer that nobody asked for");
        this.#waitingBytes -= waiting.bytes;
        waiting.resolve(answer);
      }
    } catch (cause) {
      this.#end(reason(cause), cause);
    }
    if (this.#first > FORGET_AT) {
      this.#waiting = this.#waiting.slice(this.#first);
      this.#first = 0;
    }
    for (const resolve of this.#roomWanted.splice(0)) resolve();
  }

  #end(why: string, cause?: unknown): void {
    if (this.#lost !== null) return;
    this.#lost = new Lost(`the connection to ${nameOf(this.#address)} ended: ${why}`, { cause });
    this.#socket.destroy();
    for (const { reject } of this.#waiting.splice(0).slice(this.#first)) reject(this.#lost);
    for (const resolve of this.#roomWanted.splice(0)) resolve();
  }
}
