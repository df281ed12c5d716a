/**
 * HttpPulse: whether a region answers the gateway over HTTP, by a connection of its own, so that no request stands before the question.
 *
 * Invariant: an answer below 500 says that the region serves. Whoever answers otherwise is there, and not used.
 */
import { Client } from "undici";
import type { Pulse } from "../../host/gateway-regions.ts";
import { Heartbeat } from "../../host/heartbeat.ts";

export interface HttpPulseOptions {
  readonly origin: string;
  /** What is asked for, such as `/health/ready`. */
  readonly path: string;
  readonly onLost: (why: string) => void;
  readonly monoMs: () => number;
}

export class HttpPulse implements Pulse {
  readonly #options: HttpPulseOptions;
  readonly beat = new Heartbeat();
  readonly isUrgent = false;
  #client: Client | null = null;

  constructor(options: HttpPulseOptions) {
    this.#options = options;
  }

  giveUp(nowMs: number): void {
    this.#end("it does not answer", nowMs, true);
  }

  close(): void {
    const client = this.#client;
    this.#client = null;
    void client?.destroy();
  }

  ask(nowMs: number): void {
    const { origin, path, monoMs } = this.#options;
    const isFirst = this.#client === null;
    const client = (this.#client ??= new Client(origin, { allowH2: false, pipelining: 1 }));
    const askedMs = monoMs();
    client.dispatch(
      { path, method: "GET" },
      {
        onRequestStart() {},
        onResponseStart: (_controller, status) => {
          if (client === this.#client)
            this.beat.answered(status < 500, isFirst ? null : monoMs() - askedMs);
        },
        onResponseData() {},
        onResponseEnd: () => {
          if (client === this.#client) this.beat.done();
        },
        onResponseError: (_controller, error) => {
          if (client === this.#client) this.#end(error.message, nowMs, false);
        },
      },
    );
  }

  #end(why: string, nowMs: number, isSilent: boolean): void {
    this.close();
    if (this.beat.ended(nowMs, isSilent)) this.#options.onLost(why);
  }
}
