/**
 * GatewayPulse: whether a region answers the gateway, how fast, and what it had done by when.
 *
 *     with each heartbeat, and 50 ms after a write: PING, AA.TOKEN ─► latency, token
 *
 * Invariant: a token is as new as the moment it was asked for, not as its answer: what was acknowledged before that moment it names.
 */
import { Answers, Refused } from "../core/wire/answers.ts";
import { encodeCommand } from "../core/wire/encode-command.ts";
import { OWN_LIBRARY } from "./canary-client.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { Pulse } from "./gateway-regions.ts";
import type { Upstream, UpstreamEvents } from "./ports/gateway.ts";

export interface GatewayPulseOptions {
  readonly dial: (events: UpstreamEvents) => Upstream;
  readonly user: string;
  readonly password: string;
  /** It was reached, and does not answer any more. */
  readonly onLost: (why: string) => void;
  readonly monoMs: () => number;
}

const TOKENS_MAX = 200;

const ASK = Buffer.concat([encodeCommand(["PING"]), encodeCommand(["AA.TOKEN"])]);
const ASK_FIRST = Buffer.concat([
  encodeCommand(["CLIENT", "SETINFO", "LIB-NAME", `${OWN_LIBRARY}gateway`]),
  ASK,
]);

export class GatewayPulse implements Pulse {
  readonly #options: GatewayPulseOptions;
  readonly beat = new Heartbeat();
  #upstream: Upstream | null = null;
  #answers = new Answers();
  /** Answers still owed to the last question, AUTH's among them; 0 when none was asked. */
  #owed = 0;
  /** By the ticks' clock, as writes are dated too; and exactly. */
  #askedMs = 0;
  #sentMs = 0;
  #hasWritten = false;
  #isFirst = true;
  readonly #tokens: { readonly askedMs: number; readonly token: string }[] = [];

  constructor(options: GatewayPulseOptions) {
    this.#options = options;
  }

  get isUrgent(): boolean {
    return this.#hasWritten;
  }

  /** A client wrote there. */
  wrote(): void {
    this.#hasWritten = true;
  }

  giveUp(nowMs: number): void {
    this.#end("it does not answer", nowMs, true);
  }

  tokenSince(sinceMs: number): { token: string | null; covers: boolean } {
    // The oldest that covers it: newer ones name what others wrote since, which may never come.
    const covering = this.#tokens.find(({ askedMs }) => askedMs > sinceMs);
    const token = covering ?? this.#tokens.at(-1);
    return { token: token?.token ?? null, covers: covering !== undefined };
  }

  close(): void {
    this.#upstream?.close();
    this.#upstream = null;
  }

  ask(nowMs: number): void {
    const { dial, user, password } = this.#options;
    this.#hasWritten = false;
    this.#askedMs = nowMs;
    this.#owed = 2;
    if (this.#upstream === null) {
      this.#answers = new Answers();
      this.#isFirst = true;
      const opened: Upstream = dial({
        received: (bytes) => this.#received(bytes),
        ended: (why) => {
          if (this.#upstream === opened) this.#end(why, nowMs, false);
        },
      });
      this.#upstream = opened;
      if (password !== "") {
        const proof = user === "" ? [password] : [user, password];
        opened.write(encodeCommand(["AUTH", ...proof]));
        this.#owed++;
      }
      // Whoever does not know that refuses, and goes on.
      this.#owed++;
    }
    this.#sentMs = this.#options.monoMs();
    this.#upstream.write(this.#owed > 2 ? ASK_FIRST : ASK);
  }

  #received(bytes: Buffer): void {
    this.#answers.add(bytes);
    try {
      for (let answer = this.#answers.next(); answer !== undefined; answer = this.#answers.next()) {
        if (this.#owed === 0) continue;
        this.#owed--;
        if (this.#owed === 1) this.#pinged(answer);
        else if (this.#owed === 0) {
          this.beat.done();
          // A Redis that knows no tokens is a region as well.
          if (Buffer.isBuffer(answer)) this.#took(answer.latin1Slice());
        }
      }
    } catch {
      this.#end("it does not speak Redis' protocol", this.#askedMs, true);
    }
  }

  #pinged(answer: unknown): void {
    const isReady = !(answer instanceof Refused) || !/^(LOADING|ERR max)/.test(answer.text);
    this.beat.answered(isReady, this.#isFirst ? null : this.#options.monoMs() - this.#sentMs);
    this.#isFirst = false;
  }

  #took(token: string): void {
    this.#tokens.push({ askedMs: this.#askedMs, token });
    if (this.#tokens.length > TOKENS_MAX) this.#tokens.shift();
  }

  #end(why: string, nowMs: number, isSilent: boolean): void {
    this.#upstream?.close();
    this.#upstream = null;
    this.#owed = 0;
    if (this.beat.ended(nowMs, isSilent)) this.#options.onLost(why);
  }
}
