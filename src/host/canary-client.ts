/**
 * CanaryClient: a client of this node, within it, that writes this region's mark and reads those of the others.
 *
 *     every tick: MGET the others' marks; once a second: SET ours ─► Canary
 *
 * Invariant: it is served as any other client is, with the rights of its user: what stops clients stops it. It asks one question at a time.
 */
import { Canary } from "../core/routing/canary.ts";
import { Answers, Refused } from "../core/wire/answers.ts";
import { encodeCommand } from "../core/wire/encode-command.ts";
import type { Client, ClientService } from "./ports/clients.ts";

export interface CanaryOptions {
  readonly service: ClientService;
  /** What the names of marks begin with. */
  readonly prefix: string;
  readonly everyMs: number;
  readonly user: string;
  readonly password: string;
  readonly region: string;
  readonly others: readonly string[];
  readonly nowMs: () => number;
  /** A region's clock minus ours; null while that is not known. */
  readonly aheadMs: (region: string) => number | null;
  /** It may not do what it must; told once for each reason. */
  readonly onRefused: (why: string) => void;
}

/** How often `tick` wants to be called; what is measured is known to this. */
export const CANARY_TICK_MS = 50;
/** By names of libraries that begin so a node knows what is not an application. */
export const OWN_LIBRARY = "atoll-";
/** A mark that nobody renews goes by itself. */
const LIVES_MS = "600000";

export class CanaryClient {
  readonly #options: CanaryOptions;
  readonly #canary: Canary;
  #client: Client | null = null;
  #answers = new Answers();
  /** What was not taken yet. */
  #unsent: Buffer = Buffer.alloc(0);
  /** Answers still owed, and whether the last of them is of marks. */
  #owed = 0;
  #writeAtMs = 0;
  #refusal = "";

  constructor(options: CanaryOptions) {
    this.#options = options;
    this.#canary = new Canary(options.everyMs);
  }

  tookMs(region: string): number | null {
    return this.#canary.tookMs(region, this.#options.nowMs());
  }

  tick(): void {
    const { prefix, region, others, everyMs, nowMs } = this.#options;
    if (this.#client === null) return this.#open();
    if (this.#unsent.length > 0) return this.#offer();
    if (this.#owed > 0) return;
    const now = nowMs();
    const questions = [encodeCommand(["MGET", ...others.map((other) => prefix + other)])];
    if (now >= this.#writeAtMs) {
      this.#writeAtMs = now + everyMs;
      questions.unshift(encodeCommand(["SET", prefix + region, `${now}`, "PX", LIVES_MS]));
    }
    this.#ask(questions);
  }

  #open(): void {
    const { service, user, password } = this.#options;
    this.#answers = new Answers();
    this.#owed = 0;
    this.#unsent = Buffer.alloc(0);
    this.#client = service.open({
      address: "127.0.0.1:0",
      localAddress: "127.0.0.1:0",
      fd: -1,
      queuedBytes: 0,
      write: (bytes) => this.#received(Buffer.from(bytes)),
      pause() {},
      resume() {},
      close: () => this.close(),
    });
    if (this.#client === null) return;
    const proof = user === "" ? [password] : [user, password];
    this.#ask([
      encodeCommand(["CLIENT", "SETINFO", "LIB-NAME", `${OWN_LIBRARY}canary`]),
      ...(password === "" ? [] : [encodeCommand(["AUTH", ...proof])]),
    ]);
  }

  #ask(questions: readonly Buffer[]): void {
    this.#owed += questions.length;
    this.#unsent = Buffer.concat(questions);
    this.#offer();
  }

  #offer(): void {
    const bytes = this.#unsent;
    const taken = this.#client?.receive(bytes, 0, bytes.length) ?? bytes.length;
    this.#unsent = bytes.subarray(taken);
  }

  #received(bytes: Buffer): void {
    this.#answers.add(bytes);
    for (let answer = this.#answers.next(); answer !== undefined; answer = this.#answers.next()) {
      if (this.#owed > 0) this.#owed--;
      if (answer instanceof Refused) this.#refused(answer.text);
      else if (Array.isArray(answer)) this.#read(answer);
    }
  }

  #read(marks: readonly unknown[]): void {
    const { others, nowMs, aheadMs } = this.#options;
    for (const [i, mark] of marks.entries()) {
      const region = others[i];
      if (region === undefined || !Buffer.isBuffer(mark)) continue;
      const writtenMs = Number(mark.latin1Slice());
      if (Number.isFinite(writtenMs))
        this.#canary.read(region, writtenMs, aheadMs(region), nowMs());
    }
  }

  #refused(why: string): void {
    if (why !== this.#refusal) this.#options.onRefused(why);
    this.#refusal = why;
  }

  /** The connection is over: the next tick opens another. */
  close(): void {
    const client = this.#client;
    this.#client = null;
    client?.closed();
  }
}
