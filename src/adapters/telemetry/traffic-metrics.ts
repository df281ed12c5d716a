/**
 * TrafficMetrics: what is to be known of regions, and of the gateways that lead clients to them.
 *
 * Invariant: as of all metrics: `metrics.ts`. Without routing, or without a gateway, there are none of these.
 */
import type { GatewayRegionStatus, TrafficFigures } from "../../host/traffic-figures.ts";
import { flag, type MetricDefinition, type Sample, seconds } from "./metric.ts";

type TrafficMetric = MetricDefinition<{ readonly traffic: TrafficFigures | null }>;
type Region = TrafficFigures["regions"][number];
type Protocol = "redis" | "http";

function perRegion(
  name: TrafficMetric["name"],
  unit: TrafficMetric["unit"],
  help: string,
  value: (region: Region) => number | null,
): TrafficMetric {
  const read: TrafficMetric["read"] = ({ traffic }) =>
    (traffic?.regions ?? []).map((region) => ({
      labels: { region: region.name },
      value: value(region),
    }));
  return { name, type: "gauge", unit, labels: ["region"], help, read };
}

function whole(
  name: TrafficMetric["name"],
  type: "gauge" | "counter",
  help: string,
  value: (traffic: TrafficFigures) => number | null,
): TrafficMetric {
  const read: TrafficMetric["read"] = ({ traffic }) =>
    traffic === null ? [] : [{ value: value(traffic) }];
  return { name, type, unit: "1", labels: [], help, read };
}

/** Of each gateway that is there. */
function perGateway(
  name: TrafficMetric["name"],
  type: "gauge" | "counter",
  help: string,
  value: { readonly [P in Protocol]: (status: NonNullable<TrafficFigures[P]>) => number | null },
): TrafficMetric {
  const read: TrafficMetric["read"] = ({ traffic }) => [
    ...of("redis", traffic?.redis, value.redis),
    ...of("http", traffic?.http, value.http),
  ];
  return { name, type, unit: "1", labels: ["protocol"], help, read };
}

function of<T>(
  protocol: Protocol,
  status: T | null | undefined,
  value: (status: T) => number | null,
): Sample[] {
  return status == null ? [] : [{ labels: { protocol }, value: value(status) }];
}

function perGatewayRegion(
  name: TrafficMetric["name"],
  unit: TrafficMetric["unit"],
  help: string,
  value: (region: GatewayRegionStatus) => number | null,
): TrafficMetric {
  const read: TrafficMetric["read"] = ({ traffic }) =>
    (["redis", "http"] as const).flatMap((protocol) =>
      (traffic?.[protocol]?.regions ?? []).map((region) => ({
        labels: { protocol, region: region.name },
        value: value(region),
      })),
    );
  return { name, type: "gauge", unit, labels: ["protocol", "region"], help, read };
}

export const TRAFFIC_METRICS: readonly TrafficMetric[] = [
  perRegion("atoll_route_up", "1", "1 while the verdict on the region is up.", ({ isUp }) =>
    flag(isUp),
  ),
  perRegion(
    "atoll_route_share",
    "1",
    "The part of its traffic that the region is given: 0 while it is out or drained.",
    ({ share, weight, mode }) => (mode === "serving" ? share * Math.min(1, weight) : 0),
  ),
  perRegion(
    "atoll_route_lag_seconds",
    "seconds",
    "How far the region is behind the one that it is furthest behind; absent while nobody can tell.",
    ({ lagMs }) => seconds(lagMs),
  ),
  perRegion(
    "atoll_route_load",
    "1",
    "How much of what the region can carry it carries.",
    ({ load }) => load,
  ),
  perRegion(
    "atoll_route_canary_seconds",
    "seconds",
    "After how long what is written in the region can be read here; absent where that is not measured.",
    ({ readHereAfterMs }) => seconds(readHereAfterMs),
  ),
  whole("atoll_route_plan", "gauge", "The number of the plan that holds.", ({ plan }) => plan),
  whole(
    "atoll_route_moves_total",
    "counter",
    "Times a region was taken out or let in, or given more or less on its way back.",
    ({ moves }) => moves,
  ),
  {
    name: "atoll_route_troubles",
    type: "gauge",
    unit: "1",
    labels: ["kind"],
    help: "Troubles between regions now, by kind: region-down, isolated, link-down, asymmetric, observer-isolated, degraded.",
    read: ({ traffic }) =>
      Object.entries(traffic?.troubles ?? {}).map(([kind, value]) => ({ labels: { kind }, value })),
  },
  perGateway(
    "atoll_gateway_connections",
    "gauge",
    "Clients of the Redis port, and WebSockets of the HTTP port, that the gateway holds now.",
    { redis: ({ clients }) => clients, http: ({ tunnels }) => tunnels },
  ),
  perGateway("atoll_gateway_requests_total", "counter", "Commands or requests that have come.", {
    redis: ({ commands }) => commands,
    http: ({ requests }) => requests,
  }),
  perGateway(
    "atoll_gateway_retries_total",
    "counter",
    "Of them, how many were made a second time in another region.",
    { redis: ({ retries }) => retries, http: ({ retries }) => retries },
  ),
  perGateway(
    "atoll_gateway_unknown_total",
    "counter",
    "Answered as having been done or not: their region was lost.",
    { redis: ({ unknown }) => unknown, http: ({ unknown }) => unknown },
  ),
  perGateway(
    "atoll_gateway_unserved_total",
    "counter",
    "Answered as not done: there was no region for them.",
    { redis: ({ unserved }) => unserved, http: ({ unserved }) => unserved },
  ),
  {
    name: "atoll_gateway_moves_total",
    type: "counter",
    unit: "1",
    labels: ["outcome"],
    help: "Redis clients that went on in another region: all of them (moved), and those that did not find in time what they had written (unseen).",
    read: ({ traffic }) =>
      traffic?.redis == null
        ? []
        : [
            { labels: { outcome: "moved" }, value: traffic.redis.moves },
            { labels: { outcome: "unseen" }, value: traffic.redis.unseen },
          ],
  },
  perGatewayRegion(
    "atoll_gateway_region_clients",
    "1",
    "Clients, or requests under way, in the region.",
    ({ clients }) => clients,
  ),
  perGatewayRegion(
    "atoll_gateway_region_reached",
    "1",
    "1 while the gateway reaches the region itself.",
    ({ isReached }) => flag(isReached),
  ),
  perGatewayRegion(
    "atoll_gateway_region_share",
    "1",
    "What the gateway's breaker gives the region, from 0 to 1.",
    ({ share }) => share,
  ),
  perGatewayRegion(
    "atoll_gateway_region_latency_seconds",
    "seconds",
    "There and back, as the gateway measures it; absent before the first answer.",
    ({ latencyMs }) => seconds(latencyMs),
  ),
];
