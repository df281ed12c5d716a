/**
 * Wires a gateway: a router that has no vote, or the node's own, decides; sockets carry.
 *
 * Invariant: the port opens when everything behind it works, and is closed first.
 */
import { randomBytes, randomInt } from "node:crypto";
import { performance } from "node:perf_hooks";
import { pino } from "pino";
import { probe } from "./adapters/probes/probes.ts";
import { dialRegion, startRedisGateway } from "./adapters/redis-gateway/redis-gateway.ts";
import { Gateway, GATEWAY_TICK_MS } from "./host/gateway.ts";
import type { NodeLog } from "./host/node-world.ts";
import { Traffic, TRAFFIC_TICK_MS } from "./host/traffic.ts";
import type { TrafficConfig } from "./host/traffic-config.ts";

export interface RunningGateway extends AsyncDisposable {
  readonly port: number;
}

/** Starts the gateway that `config.gateway` describes, beside a node's `traffic`, for clients who are in `region`. */
export async function startGateway(
  config: TrafficConfig,
  traffic: Traffic,
  region: string,
  log: NodeLog,
): Promise<RunningGateway | null> {
  if (config.gateway === undefined) return null;
  const { host, port, name, user, password } = config.gateway;
  await using stack = new AsyncDisposableStack();
  const gateway = stack.use(
    new Gateway({
      regions: config.regions.flatMap(({ name: one, redis }) =>
        redis === undefined ? [] : [{ name: one, url: redis }],
      ),
      route: () => traffic.route(name, region),
      dial: dialRegion,
      user,
      password,
      monoMs: () => performance.now(),
      chance: () => randomInt(2 ** 32) / 2 ** 32,
      log,
    }),
  );
  traffic.gatewayStatus = () => gateway.status();
  const timer = setInterval(() => gateway.tick(), GATEWAY_TICK_MS);
  stack.defer(() => clearInterval(timer));
  const server = stack.use(
    await startRedisGateway({
      host,
      port,
      open: (output) => gateway.open(output),
      onFailure: (error) => log.warn({ error }, "the gateway could not accept a client"),
    }),
  );
  const opened = stack.move();
  return {
    port: server.port,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** A gateway that is no node: it probes all regions, hears what they hold of each other, and has no vote itself. Without a file it logs to stderr. */
export async function startLoneGateway(
  config: TrafficConfig,
  region: string,
  logFile: string | null,
): Promise<RunningGateway> {
  await using stack = new AsyncDisposableStack();
  const log = pino(
    { base: { gateway: region }, errorKey: "error" },
    pino.destination(logFile ?? 2),
  );
  const traffic = new Traffic({
    config,
    region: "",
    member: "gateway",
    wallMs: () => Date.now(),
    monoMs: () => performance.now(),
    chance: () => randomInt(2 ** 32) / 2 ** 32,
    secret: randomBytes,
    probe,
    lagsMs: () => new Map(),
    load: () => 0,
    kept: { read: () => null, write() {} },
    log,
  });
  const timer = setInterval(() => traffic.tick(), TRAFFIC_TICK_MS);
  stack.defer(() => clearInterval(timer));
  const gateway = await startGateway(config, traffic, region, log);
  if (gateway === null) throw new Error("`traffic.gateway` says nothing");
  stack.use(gateway);
  const opened = stack.move();
  return {
    port: gateway.port,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
