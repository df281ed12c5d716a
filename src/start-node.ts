/**
 * Wires one node: opens its storage, starts the replica, then the ports, and takes them down in the opposite order.
 *
 * Invariant: a port opens only when everything behind it works: clients and peers meet a replica that has recovered. What was
 * opened is closed again when a later step fails.
 */
import { randomBytes, randomInt } from "node:crypto";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { pino } from "pino";
import manifest from "../package.json" with { type: "json" };
import { aclFileAt } from "./adapters/acl-file/acl-file.ts";
import { startDnsOverHttps } from "./adapters/dns-server/dns-over-https.ts";
import { startDnsOverTls, startDnsServer } from "./adapters/dns-server/dns-server.ts";
import { openNotices } from "./adapters/dns-server/notices.ts";
import { startHttpApi } from "./adapters/http-api/http-api.ts";
import { probe } from "./adapters/probes/probes.ts";
import { startTcpTransport } from "./adapters/replication-tcp/tcp-transport.ts";
import { startRespServer } from "./adapters/resp-server/resp-server.ts";
import { loadResolver } from "./adapters/resolver-modules/resolver-module.ts";
import { openFileStorage } from "./adapters/storage-files/file-storage.ts";
import { createTelemetry } from "./adapters/telemetry/telemetry.ts";
import { readZoneKey } from "./adapters/zone-keys/zone-key.ts";
import { originName } from "./core/clock/origins.ts";
import { readEventClasses } from "./core/commands/event-classes.ts";
import { parseAddress } from "./core/routing/dns/address.ts";
import { freshSeconds } from "./core/routing/dns/message.ts";
import { defaultSettings, type Settings } from "./core/commands/settings.ts";
import type { RunningNode } from "./cli/serve.ts";
import { DOCUMENTS } from "./engines/documents/documents.ts";
import { luaScripting } from "./engines/lua/scripting/lua-scripting.ts";
import type { Config } from "./host/config.ts";
import type { NodeLog } from "./host/node-world.ts";
import { CANARY_TICK_MS, CanaryClient, OWN_LIBRARY } from "./host/canary-client.ts";
import { DnsService } from "./host/dns-service.ts";
import { Lives } from "./host/lives.ts";
import { explained, keyspacesOf } from "./host/keyspaces.ts";
import { membershipOf } from "./host/membership.ts";
import { Node } from "./host/node.ts";
import { regionLagsMs } from "./host/region-lags.ts";
import { startGateway, tlsOf } from "./start-gateway.ts";
import { type NodeClient, Traffic, TRAFFIC_TICK_MS } from "./host/traffic.ts";

/**
 * Starts the node that `config` describes. Resolves when it serves; rejects with what stood against it. Its clock is the
 * machine's plus `clockOffsetMs`, which the lab moves.
 */
export async function startNode(config: Config, clockOffsetMs: number): Promise<RunningNode> {
  await using stack = new AsyncDisposableStack();
  const log = pino(
    { level: config.logLevel, base: { member: config.member }, errorKey: "error" },
    pino.destination(2),
  );
  let offsetMs = clockOffsetMs;
  const settings = settingsOf(config);
  const storage = stack.use(await openFileStorage(config.dir));
  const start = (): Promise<Node> =>
    Node.start(config, settings, {
      storage,
      log,
      version: manifest.version,
      pid: process.pid,
      wallMs: () => Date.now() + offsetMs,
      monoMs: () => performance.now(),
      ...(config.aclFile === "" ? {} : { aclFile: aclFileAt(config.aclFile) }),
      random: () => randomBytes(4).readUInt32BE(),
      memory: () => {
        const { rss, heapUsed } = process.memoryUsage();
        return { rssBytes: rss, heapBytes: heapUsed };
      },
      resolver: loadResolver,
      engines: [DOCUMENTS],
      scripting: luaScripting,
      soon: (callback) => void setImmediate(callback),
      every: (ms, callback) => {
        const timer = setInterval(callback, ms);
        return () => clearInterval(timer);
      },
    });
  let ports = { resp: 0, http: 0, replication: 0 };
  const lives = stack.use(
    await Lives.begin(start, (node) => {
      node.ports = ports;
      node.stopRequested = () => process.kill(process.pid, "SIGTERM");
      settings.runId = originName(node.replica.origins.get(node.replica.me)).slice(-40);
    }),
  );
  const transport = stack.use(
    await startTcpTransport({
      host: config.replication.host,
      port: config.replication.port,
      secret: config.replication.secret,
      events: lives,
      onFailure: (link, address, reason) => lives.node.peers.dialFailed(link, address, reason),
      log,
    }),
  );
  for (const { to, address } of config.replication.links) transport.dial({ name: to, address });
  const canary = canaryOf(config, lives, () => Date.now() + offsetMs, log);
  const traffic = trafficOf(config, lives, canary, log);
  const telemetry = createTelemetry(
    () => lives.node.status(),
    () => performance.now(),
    () => traffic?.figures() ?? null,
  );
  const http = stack.use(
    await startHttpApi({
      host: config.http.host,
      port: config.http.port,
      names: config.http.names,
      status: () => lives.node.status(),
      metrics: () => telemetry.metrics(),
      ready: () => lives.node.ready(),
      verify: (mending) => lives.node.verify(mending),
      verifyState: () => lives.node.verification.state,
      membership: () => membershipOf(lives.node.replica),
      removeMember: (name, force) => lives.node.remove([name], force),
      addMember: (name) => lives.node.add(name),
      keyspaces: {
        list: () => keyspacesOf(lives.node.replica),
        explain: (key) => explained(lives.node.replica, key),
        change: (prefix, words, timeoutMs) => lives.node.changeKeyspace(prefix, words, timeoutMs),
      },
      ...(traffic === null ? {} : { traffic }),
      backup: (since, asking) => lives.node.backup(since, asking),
      changes: (query, asking) => lives.node.changesFor(query, asking),
    }),
  );
  const resp = stack.use(
    await startRespServer({
      host: config.resp.host,
      port: config.resp.port,
      service: lives,
      onAcceptError: (error) => log.warn({ error }, "a client could not be accepted"),
    }),
  );
  if (canary !== null) {
    const timer = setInterval(() => canary.tick(), CANARY_TICK_MS);
    stack.defer(() => clearInterval(timer));
  }
  if (traffic !== null) {
    const timer = setInterval(() => traffic.tick(), TRAFFIC_TICK_MS);
    stack.defer(() => clearInterval(timer));
    if (config.traffic.zone !== "") {
      const { dns } = config.traffic;
      const notices = stack.use(openNotices());
      const service = new DnsService({
        config: config.traffic,
        member: config.member,
        steering: traffic,
        keys: dns.keys.map(readZoneKey),
        wallMs: () => Date.now() + offsetMs,
        secret: randomBytes,
        notify: (address, packet) => notices.send(address, packet),
      });
      service.notifyAll();
      const renewal = setInterval(() => service.tick(), TRAFFIC_TICK_MS);
      stack.defer(() => clearInterval(renewal));
      const serving = {
        host: dns.host,
        port: dns.port,
        service,
        addressOf: parseAddress,
        onFailure: (error: unknown) => log.warn({ error }, "the DNS server failed to answer"),
      };
      stack.use(await startDnsServer(serving));
      if (dns.tls !== undefined) {
        const { port, https, cert, key } = dns.tls;
        const tls = tlsOf("the DNS server", cert, key);
        stack.use(await startDnsOverTls({ ...serving, port }, tls));
        stack.use(await startDnsOverHttps({ ...serving, port: https, tls, freshSeconds }));
      }
    }
  }
  if (traffic !== null) {
    const gateway = await startGateway(config.traffic, traffic, config.region, log);
    if (gateway !== null) stack.use(gateway);
  }
  ports = { resp: resp.port, http: http.port, replication: transport.port };
  lives.node.ports = ports;
  settings.port = resp.port;
  const opened = stack.move();
  return {
    ports,
    serving: lives.serving,
    setClockOffset: (ms) => (offsetMs = ms),
    failed: lives.failed,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** The router of a node that knows of regions. What it remembers lies beside the data. */
function trafficOf(
  config: Config,
  lives: Lives,
  canary: CanaryClient | null,
  log: NodeLog,
): Traffic | null {
  if (config.traffic.regions.length === 0) return null;
  const file = aclFileAt(join(config.dir, "traffic.json"));
  return new Traffic({
    config: config.traffic,
    region: config.region,
    wallMs: () => Date.now(),
    monoMs: () => performance.now(),
    chance: () => randomInt(2 ** 32) / 2 ** 32,
    probe,
    lagsMs: () => regionLagsMs(lives.node.replica, config.members, config.region),
    clients: () => clientsOf(lives.node),
    tookMs: () =>
      new Map(
        canary === null
          ? []
          : config.traffic.regions.map(({ name }) => [name, canary.tookMs(name)] as const),
      ),
    homes: () =>
      new Map(
        keyspacesOf(lives.node.replica)
          .keyspaces.filter(({ home }) => home !== "")
          .map(({ prefix, home }) => [prefix, home]),
      ),
    load: () => lives.node.clients.count / config.resp.maxClients,
    kept: {
      read() {
        const kept = file.read();
        return "text" in kept ? kept.text : null;
      },
      write(text) {
        const why = file.write(text);
        if (why !== null) log.error({ why }, "what routing must remember could not be stored");
      },
    },
    log,
  });
}

/** Measures after how long what other regions write can be read here, where that is configured. */
function canaryOf(
  { region, traffic: { canary, regions } }: Config,
  lives: Lives,
  nowMs: () => number,
  log: NodeLog,
): CanaryClient | null {
  const others = regions.map(({ name }) => name).filter((name) => name !== region);
  if (canary === undefined || others.length === 0) return null;
  return new CanaryClient({
    ...canary,
    service: lives,
    region,
    others,
    nowMs,
    onRefused: (why) => log.warn({ why }, "the canary is refused: nothing is measured"),
    aheadMs(other) {
      const links = [...lives.node.replica.exchange.links.values()];
      return links.find((link) => link.region === other)?.clockOffsetMs ?? null;
    },
  });
}

/** Who is connected to a node, but for what is Atoll's own. */
function* clientsOf({ replica: { run } }: Node): Iterable<NodeClient> {
  for (const { id, address, name, lastCommandMs, libraryName } of run.sessions.values())
    if (!libraryName.startsWith(OWN_LIBRARY))
      yield { id, address, name, idleMs: Math.max(0, run.wallMs - lastCommandMs) };
}

function settingsOf(config: Config): Settings {
  return {
    ...defaultSettings,
    requirepass: config.requirepass,
    aclFile: config.aclFile,
    protectedMode: config.protectedMode,
    databases: config.databases,
    maxClients: config.resp.maxClients,
    protoMaxBulkLen: config.protoMaxBulkLen,
    port: config.resp.port,
    bind: config.resp.host,
    dir: config.dir,
    durability: config.durability,
    region: config.region,
    member: config.member,
    version: manifest.version,
    runId: "",
    startedMs: Date.now(),
    notifyEvents: readEventClasses(config.notifyKeyspaceEvents) ?? 0,
    maxMemoryBytes: config.memory.maxBytes,
    maxMemoryPolicy: config.memory.policy,
    maxMemorySamples: config.memory.samples,
  };
}
