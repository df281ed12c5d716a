/**
 * DnsProcess: the DNS server of a node, with its router and no data, as a process of its own, for measurements. Its port is its first line.
 *
 *   dns-process.ts [KEY]          with a file of a key the zone is signed
 */
import { randomBytes } from "node:crypto";
import { startDnsServer } from "../src/adapters/dns-server/dns-server.ts";
import { readZoneKey } from "../src/adapters/zone-keys/zone-key.ts";
import { parseAddress } from "../src/core/routing/dns/address.ts";
import { DnsService } from "../src/host/dns-service.ts";
import { trafficSettings } from "../src/host/traffic-config.ts";
import { NETWORKS, REGIONS } from "./dns-places.ts";
import { Traffic, TRAFFIC_TICK_MS } from "../src/host/traffic.ts";

const config = trafficSettings.parse({
  zone: "bench.test",
  records: "@ NS ns1\nns1 A 192.0.2.53",
  dns: { perSecond: 0 },
  regions: REGIONS,
  names: [{ name: "app", policy: "nearest" }],
  networks: NETWORKS,
});
const traffic = new Traffic({
  config,
  region: "eu",
  wallMs: () => Date.now(),
  monoMs: () => performance.now(),
  chance: Math.random,
  probe: () => Promise.reject(new Error("nobody is there")),
  lagsMs: () => new Map(),
  clients: () => [],
  homes: () => null,
  tookMs: () => new Map(),
  load: () => 0,
  kept: { read: () => null, write() {} },
  log: { warn() {}, error() {}, info() {} },
});
const service = new DnsService({
  config,
  member: "bench",
  steering: traffic,
  keys: process.argv.slice(2).map(readZoneKey),
  wallMs: () => Date.now(),
  secret: randomBytes,
  notify() {},
});
const timer = setInterval(() => traffic.tick(), TRAFFIC_TICK_MS);
await using server = await startDnsServer({
  host: "127.0.0.1",
  port: 0,
  service,
  addressOf: parseAddress,
  onFailure: (error) => console.error(error),
});
process.stdout.write(`${server.port}\n`);
await new Promise((resolve) => process.once("SIGTERM", resolve));
clearInterval(timer);
