/**
 * GatewayApi: what a gateway that is no node answers to Prometheus and operators.
 *
 *   /metrics         for Prometheus
 *   /traffic/status  what it knows of regions and clients
 *   /health/live     200 as long as it answers at all
 *
 * Invariant: it changes nothing. As at a node, a request that names an unknown host is answered nothing.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { isKnownHost } from "./known-host.ts";

export interface GatewayApiOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly metrics: () => Promise<{ contentType: string; body: string }>;
  readonly status: () => unknown;
}

const JSON_TYPE = "application/json";

/** Rejects, naming the address, when it cannot listen. */
export async function startGatewayApi(
  options: GatewayApiOptions,
): Promise<AsyncDisposable & { readonly port: number }> {
  const { host, port } = options;
  const server = createServer((request, response) => {
    void answer(options, request.headers.host, request.url ?? "/")
      .catch((error: unknown) => ({ status: 500, contentType: JSON_TYPE, body: problem(error) }))
      .then(({ status, contentType, body }) => {
        response.writeHead(status, { "content-type": contentType, "cache-control": "no-store" });
        response.end(request.method === "HEAD" ? undefined : body);
      });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) =>
      reject(
        new Error(`the gateway cannot listen for metrics on ${host}:${port}: ${cause.message}`, {
          cause,
        }),
      ),
    );
    server.listen(port, host, resolve);
  });
  server.on("error", () => {});
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  { metrics, status }: GatewayApiOptions,
  host: string | undefined,
  path: string,
): Promise<{ status: number; contentType: string; body: string }> {
  const json = (code: number, value: unknown) => ({
    status: code,
    contentType: JSON_TYPE,
    body: `${JSON.stringify(value)}\n`,
  });
  if (host === undefined || !isKnownHost(host, []))
    return json(403, { error: "ask by IP address" });
  switch (path) {
    case "/metrics":
      return { status: 200, ...(await metrics()) };
    case "/traffic/status":
      return json(200, status());
    case "/health/live":
      return json(200, { live: true });
    default:
      return json(404, { error: `there is nothing at ${path}` });
  }
}

function problem(error: unknown): string {
  return `${JSON.stringify({ error: error instanceof Error ? error.message : String(error) })}\n`;
}
