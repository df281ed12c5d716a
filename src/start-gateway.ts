/**
 * Wires a gateway, for Redis and for HTTP: a router that has no vote, or the node's own, decides; sockets carry.
 *
 * Invariant: a port opens when everything behind it works, and is closed first.
 */
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { createSecureContext } from "node:tls";
import { pino } from "pino";
import { startGatewayApi } from "./adapters/http-api/gateway-api.ts";
import { createTrafficTelemetry } from "./adapters/telemetry/telemetry.ts";
import { probe } from "./adapters/probes/probes.ts";
import { startHttpGateway } from "./adapters/http-gateway/http-gateway.ts";
import { dialRegion, startRedisGateway } from "./adapters/redis-gateway/redis-gateway.ts";
import { Gateway, GATEWAY_TICK_MS } from "./host/gateway.ts";
import type { Route } from "./host/gateway-regions.ts";
import type { NodeLog } from "./host/node-world.ts";
import { Traffic, TRAFFIC_TICK_MS } from "./host/traffic.ts";
import type { TrafficConfig } from "./host/traffic-config.ts";

export interface RunningGateway extends AsyncDisposable {
  /** For Redis clients; null where no region takes any. */
  readonly port: number | null;
  /** For HTTP; null without. */
  readonly httpPort: number | null;
}

/** Starts the gateway that `config.gateway` describes, beside a node's `traffic`, for clients who are in `region`. */
export async function startGateway(
  config: TrafficConfig,
  traffic: Traffic,
  region: string,
  log: NodeLog,
): Promise<RunningGateway | null> {
  if (config.gateway === undefined) return null;
  const { host, name } = config.gateway;
  const route = () => traffic.route(name, region);
  await using stack = new AsyncDisposableStack();
  const redis = await startRedis(config, config.gateway, route, log);
  if (redis !== null) stack.use(redis);
  const { http } = config.gateway;
  const web =
    http === undefined
      ? null
      : stack.use(
          await startHttpGateway({
            host,
            port: http.port,
            regions: config.regions.flatMap(({ name: one, http: origin }) =>
              origin === undefined ? [] : [{ name: one, origin }],
            ),
            route,
            health: http.health,
            cookie: http.cookie,
            tls: http.cert === "" ? null : tlsOf("the gateway", http.cert, http.key),
            monoMs: () => performance.now(),
            log,
          }),
        );
  traffic.gatewayStatus = () => ({
    redis: redis?.status() ?? null,
    http: web?.status() ?? null,
  });
  const opened = stack.move();
  return {
    port: redis?.port ?? null,
    httpPort: web?.port ?? null,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

interface RunningRedisGateway extends AsyncDisposable {
  readonly port: number;
  status(): ReturnType<Gateway["status"]>;
}

async function startRedis(
  { regions }: TrafficConfig,
  { host, port, user, password, cert, key }: NonNullable<TrafficConfig["gateway"]>,
  route: Route,
  log: NodeLog,
): Promise<RunningRedisGateway | null> {
  const served = regions.flatMap(({ name, redis }) =>
    redis === undefined ? [] : [{ name, url: redis }],
  );
  if (served.length === 0) return null;
  await using stack = new AsyncDisposableStack();
  const gateway = stack.use(
    new Gateway({
      regions: served,
      route,
      dial: dialRegion,
      user,
      password,
      monoMs: () => performance.now(),
      chance: () => randomInt(2 ** 32) / 2 ** 32,
      log,
    }),
  );
  const timer = setInterval(() => gateway.tick(), GATEWAY_TICK_MS);
  stack.defer(() => clearInterval(timer));
  const server = stack.use(
    await startRedisGateway({
      host,
      port,
      tls: cert === "" ? null : tlsOf("the gateway", cert, key),
      open: (output) => gateway.open(output),
      onFailure: (error) => log.warn({ error }, "the gateway could not accept a client"),
    }),
  );
  const opened = stack.move();
  return {
    port: server.port,
    status: () => gateway.status(),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** What `who` speaks TLS with. Throws, naming the files, when they cannot be read or do not belong together. */
export function tlsOf(
  who: string,
  certFile: string,
  keyFile: string,
): { cert: string; key: string } {
  try {
    const tls = { cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
    createSecureContext(tls);
    return tls;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `${who} cannot speak TLS with the certificate ${certFile} and the key ${keyFile}: ${why}`,
      { cause },
    );
  }
}

/** A gateway that is no node: it probes all regions, hears what they hold of each other, and has no vote itself. Without a file it logs to stderr. */
export async function startLoneGateway(
  config: TrafficConfig,
  region: string,
  logFile: string | null,
): Promise<RunningGateway & { readonly metricsPort: number | null }> {
  await using stack = new AsyncDisposableStack();
  const log = pino(
    { base: { gateway: region }, errorKey: "error" },
    pino.destination(logFile ?? 2),
  );
  const traffic = new Traffic({
    config,
    region: "",
    wallMs: () => Date.now(),
    monoMs: () => performance.now(),
    chance: () => randomInt(2 ** 32) / 2 ** 32,
    probe,
    lagsMs: () => new Map(),
    load: () => 0,
    clients: () => [],
    homes: () => null,
    tookMs: () => new Map(),
    kept: { read: () => null, write() {} },
    log,
  });
  const timer = setInterval(() => traffic.tick(), TRAFFIC_TICK_MS);
  stack.defer(() => clearInterval(timer));
  const gateway = await startGateway(config, traffic, region, log);
  if (gateway === null) throw new Error("`traffic.gateway` says nothing");
  stack.use(gateway);
  const { metrics } = config.gateway ?? {};
  const api =
    metrics === undefined
      ? null
      : stack.use(
          await startGatewayApi({
            ...metrics,
            metrics: createTrafficTelemetry(() => traffic.figures()),
            status: () => traffic.status(),
          }),
        );
  const opened = stack.move();
  return {
    port: gateway.port,
    httpPort: gateway.httpPort,
    metricsPort: api?.port ?? null,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
