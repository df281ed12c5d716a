/**
 * HTTP gateway: the sockets of a gateway for HTTP: those of its clients (HTTP/1.1, HTTP/2 over TLS, WebSockets), and pools to the regions.
 *
 *     client ─► server ─► Exchange ─► Pool of a region ─► region
 *                            ▲ HttpGateway says which, and whether again
 *
 * Invariant: once closed, no connection is left and the port is free.
 */
import { createServer, type IncomingMessage, type Server, ServerResponse } from "node:http";
import { createSecureServer, type Http2SecureServer } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { Pool } from "undici";
import { GATEWAY_TICK_MS } from "../../host/gateway.ts";
import { HttpGateway } from "../../host/http-gateway.ts";
import type { Route } from "../../host/gateway-regions.ts";
import type { NodeLog } from "../../host/node-world.ts";
import { Exchange } from "./exchange.ts";
import { HttpPulse } from "./http-pulse.ts";

export interface HttpGatewayOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Where each region takes requests, such as `http://10.1.0.1:3000`. */
  readonly regions: readonly { readonly name: string; readonly origin: string }[];
  readonly route: Route;
  /** What regions are asked for to find out whether they serve. */
  readonly health: string;
  /** The cookie by which a client is known again; "" for his address. */
  readonly cookie: string;
  /** PEM; with them it speaks TLS, and HTTP/2 too. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly monoMs: () => number;
  readonly log: NodeLog;
}

export interface RunningHttpGateway extends AsyncDisposable {
  readonly port: number;
  status(): ReturnType<HttpGateway["status"]>;
}

const CONNECT_MS = 1_000;
const ANSWER_MS = 60_000;
const KEEP_ALIVE_MS = 65_000;
const BACKLOG = 511;

/** Rejects, naming the address, when it cannot listen. */
export async function startHttpGateway(options: HttpGatewayOptions): Promise<RunningHttpGateway> {
  const { host, port, regions, route, health, cookie, tls, monoMs, log } = options;
  await using stack = new AsyncDisposableStack();
  const pools = new Map<string, Pool>();
  const origins = new Map<string, string>();
  for (const { name, origin } of regions) {
    origins.set(name, origin);
    const pool = new Pool(origin, {
      allowH2: false,
      pipelining: 1,
      connect: { timeout: CONNECT_MS },
      headersTimeout: ANSWER_MS,
      // Streams of events are silent for as long as nothing happens.
      bodyTimeout: 0,
    });
    pools.set(name, pool);
    stack.defer(() => pool.destroy());
  }
  const gateway = stack.use(
    new HttpGateway({
      regions: [...origins.keys()],
      route,
      newPulse: (name, onLost) =>
        new HttpPulse({ origin: origins.get(name) as string, path: health, onLost, monoMs }),
      monoMs,
      log,
    }),
  );
  const timer = setInterval(() => gateway.tick(), GATEWAY_TICK_MS);
  stack.defer(() => clearInterval(timer));
  const shared = { gateway, pools, cookie };
  const server = tls === null ? createServer() : createSecureServer({ ...tls, allowHTTP1: true });
  if ("keepAliveTimeout" in server) server.keepAliveTimeout = KEEP_ALIVE_MS;
  const sockets = new Set<Socket>();
  server.on(tls === null ? "connection" : "secureConnection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    new Exchange(shared, request, response, null).begin();
  });
  server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.on("finish", () => socket.end());
    new Exchange(shared, request, response, { socket, head }).begin();
  });
  const listening = await listen(server, host, port);
  server.on("error", (error) => log.warn({ error }, "the HTTP gateway could not accept a client"));
  stack.defer(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  );
  const opened = stack.move();
  return {
    port: listening,
    status: () => gateway.status(),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

function listen(server: Server | Http2SecureServer, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const why = cause.code === "EADDRINUSE" ? "it is already in use" : cause.message;
      reject(new Error(`the HTTP gateway cannot listen on ${host}:${port}: ${why}`, { cause }));
    });
    server.listen({ host, port, backlog: BACKLOG }, () => {
      server.removeAllListeners("error");
      resolve((server.address() as AddressInfo).port);
    });
  });
}
