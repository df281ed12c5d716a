/**
 * Exchange: one request of a client and its answer, whichever regions it takes.
 *
 * Invariant: the client gets one answer, of one region, whole: a short one, whose length is known, is held until it is there, so that another
 * region can give it instead. Of a longer one the beginning may be out when its region is lost; the connection ends then, as it must.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { Duplex } from "node:stream";
import { PassThrough } from "node:stream";
import type { Dispatcher, Pool } from "undici";
import {
  answerHeaders,
  cookieOf,
  type HttpHeaders,
  isElsewhere,
  mayRepeat,
  requestHeaders,
} from "../../core/routing/gateway/http-words.ts";
import type { Errand, HttpGateway } from "../../host/http-gateway.ts";

/** What all exchanges of a gateway have in common. */
export interface ExchangeWorld {
  readonly gateway: HttpGateway;
  readonly pools: ReadonlyMap<string, Pool>;
  readonly cookie: string;
}

/** A body up to so long is kept, so that it can be sent again; an answer, so that it can be given by another region. */
const KEPT_BYTES = 64 * 1024;

const LOST = new Error("the region does not answer");
const GONE = new Error("the client is gone");
const ELSEWHERE = new Error("the region does not serve");

export class Exchange {
  readonly #world: ExchangeWorld;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #tunnel: { readonly socket: Duplex; readonly head: Buffer } | null;
  readonly #errand: Errand;
  readonly #headers: Record<string, string | string[]>;
  /** Infinity while it is not known. */
  readonly #bodyBytes: number;
  #body: Buffer | PassThrough | null = null;
  #controller: Dispatcher.DispatchController | null = null;
  /** The answer that is held: its status and headers, and what came of its body. */
  #held: { status: number; headers: Record<string, string | string[]>; body: Buffer[] } | null =
    null;

  constructor(
    world: ExchangeWorld,
    request: IncomingMessage,
    response: ServerResponse,
    tunnel: { readonly socket: Duplex; readonly head: Buffer } | null,
  ) {
    this.#world = world;
    this.#request = request;
    this.#response = response;
    this.#tunnel = tunnel;
    const headers: HttpHeaders = request.headers;
    const address = request.socket.remoteAddress ?? "";
    const protocol = "encrypted" in request.socket ? "https" : "http";
    this.#headers = requestHeaders(headers, { address, protocol });
    const who = world.cookie === "" ? null : cookieOf(headers, world.cookie);
    this.#bodyBytes = tunnel === null ? bodyBytes(request) : 0;
    const isShort = this.#bodyBytes <= KEPT_BYTES;
    this.#errand = world.gateway.begin(
      who ?? address,
      isShort && mayRepeat(request.method ?? "", headers),
    );
    this.#errand.abandon = () => this.#controller?.abort(LOST);
    response.on("close", () => {
      if (!response.writableFinished) this.#controller?.abort(GONE);
      this.#errand.end();
    });
  }

  begin(): void {
    if (this.#bodyBytes === 0) return this.#send();
    if (this.#bodyBytes > KEPT_BYTES) {
      // The region takes it as fast as it likes; when it goes, what is left of the request is still the client's to send.
      this.#body = this.#request.pipe(new PassThrough());
      return this.#send();
    }
    const parts: Buffer[] = [];
    this.#request.on("data", (part: Buffer) => parts.push(part));
    this.#request.on("end", () => {
      this.#body = Buffer.concat(parts);
      this.#send();
    });
  }

  #send(): void {
    const { region } = this.#errand;
    const pool = region === null ? undefined : this.#world.pools.get(region);
    if (region === null || pool === undefined) return this.#refuse("unserved", null);
    const { method = "GET", url = "/", headers } = this.#request;
    const path = pathOf(url);
    if (path === null) return this.#answer(400, { error: `${url} is no path` });
    pool.dispatch(
      {
        path,
        method,
        headers: this.#headers,
        body: this.#body,
        ...(this.#tunnel === null ? {} : { upgrade: headers.upgrade ?? "websocket" }),
      },
      {
        onRequestStart: (controller) => {
          this.#controller = controller;
          if (this.#response.destroyed) controller.abort(GONE);
        },
        onRequestUpgrade: (_controller, status, answered, socket) =>
          this.#open(region, status, answered, socket),
        onResponseStart: (controller, status, answered) =>
          this.#begun(region, controller, status, answered),
        onResponseData: (controller, chunk) => this.#part(controller, chunk),
        onResponseEnd: (_controller, trailers) => this.#ended(trailers),
        onResponseError: (_controller, error) => this.#failed(region, error),
      },
    );
  }

  #begun(
    region: string,
    controller: Dispatcher.DispatchController,
    status: number,
    answered: HttpHeaders,
  ): void {
    if (status < 200) return;
    if (isElsewhere(status) && this.#errand.hasOther) return controller.abort(ELSEWHERE);
    if (!isElsewhere(status)) this.#errand.answered();
    const headers = answerHeaders(answered, region);
    const length = Number(answered["content-length"] ?? Infinity);
    if (this.#errand.hasOther && length <= KEPT_BYTES) this.#held = { status, headers, body: [] };
    else this.#response.writeHead(status, headers);
  }

  #part(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#held !== null) this.#held.body.push(chunk);
    else if (!this.#response.write(chunk)) {
      controller.pause();
      this.#response.once("drain", () => controller.resume());
    }
  }

  #ended(trailers: HttpHeaders): void {
    this.#controller = null;
    const held = this.#held;
    if (held !== null) {
      this.#response.writeHead(held.status, held.headers);
      this.#response.end(Buffer.concat(held.body));
      return;
    }
    const kept = Object.entries(trailers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)] as const],
    );
    if (kept.length > 0) this.#response.addTrailers(Object.fromEntries(kept));
    this.#response.end();
  }

  #failed(region: string, error: Error): void {
    this.#controller = null;
    this.#held = null;
    if (error === GONE || this.#response.destroyed) return;
    if (this.#response.headersSent) {
      this.#errand.failed(true);
      this.#response.destroy();
      return;
    }
    const verdict = this.#errand.failed(!isUnsent(error));
    if (verdict === "again") this.#send();
    else this.#refuse(verdict, region);
  }

  #refuse(verdict: "unserved" | "unknown", region: string | null): void {
    const [status, why] =
      verdict === "unknown"
        ? [502, `${region} was lost before it answered: the request may have run or not`]
        : [503, "no region answers; the request has not run, or may be made again"];
    this.#answer(status, { error: why, outcome: verdict });
  }

  #answer(status: number, words: object): void {
    const text = `${JSON.stringify(words)}\n`;
    this.#response.writeHead(status, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(text),
      "cache-control": "no-store",
      ...(status === 503 ? { "retry-after": "1" } : {}),
    });
    this.#response.end(text);
  }

  /** From now on bytes go both ways as they come. */
  #open(region: string, status: number, answered: HttpHeaders, upstream: Duplex): void {
    const tunnel = this.#tunnel;
    if (tunnel === null) return void upstream.destroy();
    const { socket, head } = tunnel;
    const headers = answerHeaders(answered, region);
    headers["connection"] = "Upgrade";
    headers["upgrade"] = String(answered["upgrade"] ?? "websocket");
    const lines = Object.entries(headers).flatMap(([name, value]) =>
      [value].flat().map((one) => `${name}: ${one}\r\n`),
    );
    this.#response.detachSocket(socket as never);
    socket.write(`HTTP/1.1 ${status} Switching Protocols\r\n${lines.join("")}\r\n`, "latin1");
    upstream.write(head);
    this.#errand.opened();
    const end = (): void => {
      socket.destroy();
      upstream.destroy();
      this.#errand.end();
    };
    this.#errand.abandon = end;
    for (const one of [socket, upstream]) one.on("error", end).on("close", end);
    socket.pipe(upstream).pipe(socket);
  }
}

/** How long the body of a request is; what does not say so may be of any length. */
function bodyBytes(request: IncomingMessage): number {
  const { headers } = request;
  const length = headers["content-length"];
  if (length !== undefined) return Number(length);
  if (headers["transfer-encoding"] !== undefined) return Infinity;
  // HTTP/2 has frames instead.
  const { stream } = request as Partial<Pick<Http2ServerRequest, "stream">>;
  return stream === undefined || stream.endAfterHeaders ? 0 : Infinity;
}

/** The path and query of a request's target; clients of proxies name the whole address. Null when there is none. */
function pathOf(target: string): string | null {
  if (target.startsWith("/")) return target;
  const url = URL.parse(target);
  return url === null ? null : url.pathname + url.search;
}

/** Whether the region cannot have got it: there was no connection. */
function isUnsent(error: Error): boolean {
  const { code, syscall } = error as NodeJS.ErrnoException;
  return code === "UND_ERR_CONNECT_TIMEOUT" || syscall === "connect" || syscall === "getaddrinfo";
}
