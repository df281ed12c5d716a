/**
 * LabTraffic: what `--traffic` adds to a lab: each region has an address of its own and a DNS server, which all know of all regions, and one
 * gateway stands before all of them.
 *
 *     us-east 127.0.1.1   DNS 127.0.0.1:8053        us-west 127.0.2.1   DNS 127.0.0.1:8054        …
 *
 * Invariant: regions probe one another through the lab's WAN, so that what is cut is cut for probes too. Times are shorter than the
 * defaults: a lab is there to see a region go and come back.
 */
import { type TrafficConfig, trafficSettings } from "../host/traffic-config.ts";
import { placeOf } from "./distances.ts";

/** The zone that the lab serves, and the name in it that leads to the nearest region. */
const LAB_ZONE = "lab";
export const LAB_NAME: string = `app.${LAB_ZONE}`;
export const LAB_DNS_PORT = 8053;

/** Starts a gateway that is no node, for clients in a region; what it says goes to a file, or with null to stderr. */
export type StartGateway = (
  config: TrafficConfig,
  region: string,
  logFile: string | null,
) => Promise<LabGateway>;

export interface LabGateway extends AsyncDisposable {
  readonly port: number | null;
  readonly httpPort: number | null;
  /** For Prometheus. */
  readonly metricsPort: number | null;
}

/** Where the gateway listens; 0 for free ones. */
export interface GatewayPorts {
  readonly redis: number;
  readonly http: number;
}

/** Where it leads to in a region. */
export interface GatewayTarget {
  readonly redis: string;
  readonly http: string;
}

/** The address of the region that comes `index`th, from 0. */
export function addressOf(index: number): string {
  return `127.0.${index + 1}.1`;
}

/** The settings of routing of one node. `probePorts` lead to the regions by their names; `dnsPort` is null where there is no server. */
export function trafficSettingsOf(
  regions: readonly string[],
  probePorts: ReadonlyMap<string, number>,
  dnsPort: number | null,
): object {
  return {
    ...(dnsPort === null
      ? {}
      : {
          zone: LAB_ZONE,
          records: "@ NS ns\nns A 127.0.0.1\n",
          dns: { host: "127.0.0.1", port: dnsPort, perSecond: 0 },
          names: [
            { name: "app", policy: "nearest", lagMsMax: "30s", ttl: 5 },
            { name: "primary", policy: "failover", home: "primary:", ttl: 5 },
          ],
        }),
    regions: regions.map((name, index) => {
      const port = probePorts.get(name);
      const place = placeOf(name);
      return {
        name,
        addresses: [addressOf(index)],
        probes: port === undefined ? [] : [`http://127.0.0.1:${port}`],
        ...(place === null ? {} : { longitude: place.longitude, latitude: place.latitude }),
      };
    }),
    ...(dnsPort === null ? {} : { canary: {} }),
    health: { intervalMs: "1s", timeoutMs: "1s", holdMs: "10s" },
    return: { stableMs: "10s", stepMs: "5s" },
    removalGapMs: "15s",
  };
}

/** The settings of the gateway, which stands in the first region. Its HTTP port leads to the nodes' own. */
export function gatewaySettingsOf(
  targets: ReadonlyMap<string, GatewayTarget>,
  ports: GatewayPorts,
): TrafficConfig {
  const probePorts = new Map(
    [...targets].map(([name, { http }]) => [name, Number(new URL(http).port)]),
  );
  const settings = trafficSettingsOf([...targets.keys()], probePorts, null) as {
    regions: { name: string }[];
  };
  return trafficSettings.parse({
    ...settings,
    regions: settings.regions.map((region) => ({ ...region, ...targets.get(region.name) })),
    gateway: {
      host: "127.0.0.1",
      port: ports.redis,
      http: { port: ports.http, health: "/health/ready" },
    },
  });
}
