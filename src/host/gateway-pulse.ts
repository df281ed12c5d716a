/**
 * GatewayPulse: whether a region answers the gateway, how fast, and what it had done by when.
 *
 *     every 250 ms, and 50 ms after a write: PING, AA.TOKEN ─► latency, token
 *     a second without an answer ─► lost
 *
 * Invariant: a token is as new as the moment it was asked for, not as its answer: what was acknowledged before that moment it names. Silence is
 * counted in ticks: a gateway that itself stood still finds the answers that came meanwhile, and takes nobody for dead.
 */
import { Answers, Refused } from "../core/wire/answers.ts";
import { encodeCommand } from "../core/wire/encode-command.ts";
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

const IDLE_MS = 250;
const RECONNECT_MS = 200;
/** Ticks without an answer after which a region is lost: a second. */
const SILENT_TICKS = 20;
const TOKENS_MAX = 200;
/** How much a new round trip counts in the average. */
const LATENCY_SHARE = 0.2;

const ASK = Buffer.concat([encodeCommand(["PING"]), encodeCommand(["AA.TOKEN"])]);

export class GatewayPulse implements Pulse {
  readonly #options: GatewayPulseOptions;
  /** Whether it answered last. */
  isUp = false;
  latencyMs: number | null = null;
  #upstream: Upstream | null = null;
  #answers = new Answers();
  /** Answers still owed to the last question, AUTH's among them; 0 when none was asked. */
  #owed = 0;
  /** By the ticks' clock, as writes are dated too; and exactly. */
  #askedMs = 0;
  #sentMs = 0;
  /** Connections that ended in a row. */
  #failures = 0;
  #silentTicks = 0;
  #nextMs = 0;
  #hasWritten = false;
  #isFirst = true;
  /** Since it was lost last. */
  #hasAnswered = false;
  readonly #tokens: { readonly askedMs: number; readonly token: string }[] = [];

  constructor(options: GatewayPulseOptions) {
    this.#options = options;
  }

  /** A client wrote there. */
  wrote(): void {
    this.#hasWritten = true;
  }

  tick(nowMs: number): void {
    if (this.#owed > 0) {
      if (++this.#silentTicks >= SILENT_TICKS) this.#end("it does not answer", nowMs, true);
      return;
    }
    if (nowMs < this.#nextMs && !(this.#hasWritten && this.isUp)) return;
    this.#ask(nowMs);
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

  #ask(nowMs: number): void {
    const { dial, user, password } = this.#options;
    this.#hasWritten = false;
    this.#silentTicks = 0;
    this.#askedMs = nowMs;
    this.#nextMs = nowMs + IDLE_MS;
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
    }
    this.#sentMs = this.#options.monoMs();
    this.#upstream.write(ASK);
  }

  #received(bytes: Buffer): void {
    this.#answers.add(bytes);
    try {
      for (let answer = this.#answers.next(); answer !== undefined; answer = this.#answers.next()) {
        if (this.#owed === 0) continue;
        this.#owed--;
        if (this.#owed === 1) this.#pinged(answer);
        // A Redis that knows no tokens is a region as well.
        else if (this.#owed === 0 && Buffer.isBuffer(answer)) this.#took(answer.latin1Slice());
      }
    } catch {
      this.#end("it does not speak Redis' protocol", this.#askedMs, true);
    }
  }

  #pinged(answer: unknown): void {
    const isReady = !(answer instanceof Refused) || !/^(LOADING|ERR max)/.test(answer.text);
    this.isUp = isReady;
    if (isReady) {
      this.#hasAnswered = true;
      this.#failures = 0;
    }
    const tookMs = this.#options.monoMs() - this.#sentMs;
    // The first one waited for the connection too.
    if (this.#isFirst) this.#isFirst = false;
    else
      this.latencyMs =
        this.latencyMs === null
          ? tookMs
          : this.latencyMs + (tookMs - this.latencyMs) * LATENCY_SHARE;
  }

  #took(token: string): void {
    this.#tokens.push({ askedMs: this.#askedMs, token });
    if (this.#tokens.length > TOKENS_MAX) this.#tokens.shift();
  }

  /** One connection that ends may be an accident. Whoever cannot be reached again is lost. */
  #end(why: string, nowMs: number, isLost: boolean): void {
    this.#upstream?.close();
    this.#upstream = null;
    this.#owed = 0;
    this.#failures++;
    this.#nextMs = this.#failures === 1 ? nowMs : nowMs + RECONNECT_MS;
    this.isUp = false;
    if (this.#hasAnswered && (isLost || this.#failures > 1)) {
      this.#hasAnswered = false;
      this.#options.onLost(why);
    }
  }
}
