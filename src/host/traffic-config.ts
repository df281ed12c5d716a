/**
 * TrafficConfig: the settings of routing, and how they become what the router and the DNS know.
 *
 * Invariant: what is read here contains no name that is not known elsewhere in it: rules name regions, the zone has what it needs to be
 * served. Whoever configures nothing has nothing switched on.
 */
import { z } from "zod";
import { CLASS, TYPE } from "../core/routing/dns/constants.ts";
import { parseAddress, parseNetwork } from "../core/routing/dns/address.ts";
import { parseName, ROOT } from "../core/routing/dns/name.ts";
import { defaultSoa } from "../core/routing/dns/responder.ts";
import { Zone } from "../core/routing/dns/zone.ts";
import { parseZoneText } from "../core/routing/dns/zone-text.ts";
import { defaultAdmission } from "../core/routing/admissions.ts";
import { defaultHealth } from "../core/routing/health-settings.ts";
import { type Location, Locations } from "../core/routing/locations.ts";
import type { Rule } from "../core/routing/pipeline.ts";
import type { RouterOptions } from "../core/routing/router.ts";
import { parseMs } from "./quantity.ts";
import { group, int, oneOf, port, quantity, REGION, text } from "./setting-leaves.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const TTL_MAX = 86_400;
const NEGATIVE_TTL = 30;
const RECORDS_TTL = 3_600;

const region = text("must be a region name").regex(REGION, { error: "must be a region name" });
const duration = (defaultMs: number, min = 0) =>
  quantity(parseMs, `must be a duration of ${min}ms or more, such as 30s`, min, DAY_MS).default(
    defaultMs,
  );
const domain = (error: string) =>
  text(error).refine((name) => name === "" || parseName(name) !== null, { error });
const address = text("must be an IP address").refine((one) => parseAddress(one) !== null, {
  error: "must be an IP address",
});
const networkText = text("must be a network such as 203.0.113.0/24").refine(
  (net) => parseNetwork(net) !== null,
  { error: "must be a network such as 203.0.113.0/24, with nothing set behind its bits" },
);
const probe = text("must be http://, tcp://, redis:// or dns:// with host:port").regex(
  /^(?:https?|tcp|redis|dns):\/\/[^\s]+$/,
  { error: "must be http://, tcp://, redis:// or dns:// with host:port" },
);
const country = text("must be a country of two capitals").regex(/^[A-Z]{2}$/, {
  error: "must be a country of two capitals, such as DE",
});
const continent = oneOf(["AF", "AN", "AS", "EU", "NA", "OC", "SA"]);
const degrees = (max: number) =>
  z
    .number({ error: `must be degrees, -${max} to ${max}` })
    .min(-max)
    .max(max);
const place = {
  country: country.optional(),
  continent: continent.optional(),
  longitude: degrees(180).optional(),
  latitude: degrees(90).optional(),
};
const list = <T extends z.ZodType>(of: T, what: string) =>
  z.array(of, { error: `must be a list of ${what}` });

export const trafficSettings = group({
  zone: domain("must be a domain name such as app.example.com, or empty").default(""),
  records: text("must be records as zone files write them").default(""),
  dns: group({
    host: text("must be a host name or address").default("127.0.0.1"),
    port: port().default(8053),
    perSecond: int("must be answers a second to one address, 0 for no limit", 0, 1_000_000).default(
      50,
    ),
    burst: int("must be a number of answers", 1, 1_000_000).default(125),
    keys: list(text("must be a file"), "files").default([]),
    tls: group({
      port: port().default(8853),
      https: port().default(8443),
      cert: text("must be a file"),
      key: text("must be a file"),
    }).optional(),
    transfer: list(networkText, "networks").default([]),
    notify: list(
      text("must be an address with its port, such as 192.0.2.9:53").regex(
        /^(?:\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]+\]):\d{1,5}$/i,
        { error: "must be an address with its port, such as 192.0.2.9:53 or [2001:db8::9]:53" },
      ),
      "addresses",
    ).default([]),
    validityMs: quantity(parseMs, "must be a duration of 1h to 30d", HOUR_MS, 30 * DAY_MS).default(
      3 * DAY_MS,
    ),
    cookieSecrets: list(
      text("must be 32 hex digits").regex(/^[0-9a-f]{32}$/i, { error: "must be 32 hex digits" }),
      "secrets",
    ).default([]),
  }).prefault({}),
  gateway: group({
    host: text("must be a host name or address").default("127.0.0.1"),
    port: port().default(7000),
    name: text("must be one of `traffic.names`, or empty").default(""),
    user: text("must be a user name").default(""),
    password: text("must be a password").default(""),
    cert: text("must be a file").default(""),
    key: text("must be a file").default(""),
    metrics: group({
      host: text("must be a host name or address").default("127.0.0.1"),
      port: port().default(8090),
    }).optional(),
    http: group({
      port: port().default(8000),
      health: text("must be a path such as /health/ready")
        .regex(/^\/[^\s]*$/, { error: "must be a path such as /health/ready" })
        .default("/"),
      cookie: text("must be the name of a cookie, or empty").default(""),
      cert: text("must be a file").default(""),
      key: text("must be a file").default(""),
    }).optional(),
  }).optional(),
  regions: list(
    group({
      name: region,
      addresses: list(address, "addresses").default([]),
      probes: list(probe, "probes").default([]),
      redis: text("must be redis://host:port")
        .regex(/^redis:\/\/[^\s@/]+:\d{1,5}$/, {
          error: "must be redis://host:port",
        })
        .optional(),
      http: text("must be http://host:port or https://host:port")
        .regex(/^https?:\/\/[^\s@/]+$/, {
          error: "must be http://host:port or https://host:port",
        })
        .optional(),
      ...place,
    }),
    "regions",
  ).default([]),
  names: list(
    group({
      name: domain("must be a domain name"),
      policy: oneOf(["nearest", "failover", "weighted"]).default("nearest"),
      regions: list(region, "regions").default([]),
      home: text("must be the prefix of a keyspace with a home").optional(),
      sticky: z.boolean({ error: "must be true or false" }).default(false),
      residency: list(
        group({
          clients: list(text("must be countries or continents"), "countries or continents").default(
            [],
          ),
          regions: list(region, "regions"),
        }),
        "residencies",
      ).default([]),
      lagMsMax: quantity(parseMs, "must be a duration such as 5s", 0, DAY_MS).optional(),
      limit: int("must be how many regions an answer names, 1 to 8", 1, 8).default(1),
      ttl: int("must be seconds, 1 to 86400", 1, TTL_MAX).default(30),
    }),
    "names",
  ).default([]),
  networks: list(
    group({
      net: networkText,
      region: region.optional(),
      ...place,
    }),
    "networks",
  ).default([]),
  health: group({
    intervalMs: duration(defaultHealth.intervalMs, 100),
    timeoutMs: duration(defaultHealth.timeoutMs, 50),
    down: int("must be a number of failures", 1, 100).default(defaultHealth.down),
    up: int("must be a number of successes", 1, 100).default(defaultHealth.up),
    voteTtlMs: duration(defaultHealth.voteTtlMs, 200),
    vantagesMin: int("must be a number of vantages", 1, 100).default(defaultHealth.vantagesMin),
    tookMsMax: duration(defaultHealth.tookMsMax, 100),
    holdMs: duration(defaultHealth.holdMs),
    holdMsMax: duration(defaultHealth.holdMsMax),
  }).prefault({}),
  canary: group({
    prefix: text("must be what the names of keys begin with").default("atoll:canary:"),
    everyMs: duration(1_000, 100),
    user: text("must be a user name").default(""),
    password: text("must be a password").default(""),
  }).optional(),
  return: group({
    stableMs: duration(defaultAdmission.stableMs),
    lagMsMax: duration(defaultAdmission.lagMsMax),
    stepMs: duration(defaultAdmission.rampStepMs),
  }).prefault({}),
  removalGapMs: duration(defaultAdmission.removalGapMs),
  servingMin: int("must be a number of regions", 1, 100).default(1),
}).prefault({});

export type TrafficConfig = z.output<typeof trafficSettings>;

type Problem = { path: (string | number)[]; problem: string };

/** What these settings allow one by one and not together. */
export function trafficContradictions(config: TrafficConfig, me: string): Problem[] {
  const out: Problem[] = [];
  const names = config.regions.map(({ name }) => name);
  if (names.length > 0 && !names.includes(me))
    out.push({ path: ["regions"], problem: `must contain this node's own region, ${me}` });
  for (const [i, name] of names.entries())
    if (names.indexOf(name) !== i)
      out.push({ path: ["regions", i, "name"], problem: `is ${name} for the second time` });
  const check = (path: (string | number)[], used: readonly string[]): void => {
    for (const one of used)
      if (!names.includes(one))
        out.push({ path, problem: `names ${one}, which is none of \`traffic.regions\`` });
  };
  for (const [i, { regions, residency, home, policy }] of config.names.entries()) {
    if (home !== undefined && policy !== "failover")
      out.push({
        path: ["names", i, "home"],
        problem: "needs `policy: failover`: the home comes first, the others as listed",
      });
    check(["names", i, "regions"], regions);
    for (const [j, one] of residency.entries())
      check(["names", i, "residency", j, "regions"], one.regions);
  }
  for (const [i, { region: one }] of config.networks.entries())
    if (one !== undefined) check(["networks", i, "region"], [one]);
  const { gateway } = config;
  if (gateway !== undefined) {
    if (names.length === 0)
      out.push({ path: ["gateway"], problem: "needs `traffic.regions`, each with its `redis`" });
    const isForHttp = gateway.http !== undefined;
    // A gateway may be there for HTTP alone.
    const isForRedis = !isForHttp || config.regions.some(({ redis }) => redis !== undefined);
    for (const [i, { redis, http }] of config.regions.entries()) {
      const problem = (what: string): void =>
        void out.push({
          path: ["regions", i],
          problem: `needs \`${what}\`: where the gateway leads clients`,
        });
      if (isForRedis && redis === undefined) problem("redis");
      if (isForHttp && http === undefined) problem("http");
    }
    for (const [path, { cert, key }] of [
      [["gateway"], gateway],
      [["gateway", "http"], gateway.http ?? { cert: "", key: "" }],
    ] as const)
      if ((cert === "") !== (key === ""))
        out.push({ path: [...path], problem: "needs both `cert` and `key`, or neither" });
    if (gateway.name !== "" && !config.names.some(({ name }) => name === gateway.name))
      out.push({ path: ["gateway", "name"], problem: "is none of `traffic.names`" });
  }
  if (config.names.length > 0 && config.zone === "")
    out.push({ path: ["zone"], problem: "must be set where `traffic.names` are" });
  if (config.zone !== "" && out.length === 0)
    out.push(...zoneOf(config).problems.map((problem) => ({ path: ["records"], problem })));
  return out;
}

/** The zone that is served, and what is wrong with its records. */
export function zoneOf({ zone: name, records, names }: TrafficConfig): {
  zone: Zone;
  problems: string[];
} {
  const origin = parseName(name) ?? ROOT;
  const parsed = parseZoneText(records, origin, RECORDS_TTL);
  const found = "records" in parsed ? parsed.records : [];
  const server = found.find(({ type }) => type === TYPE.NS)?.data ?? origin;
  const own = found.find(({ type }) => type === TYPE.SOA);
  const zone = new Zone(origin, own ?? defaultSoa(origin, server, NEGATIVE_TTL));
  const objections = [
    ...found
      .filter((record) => record !== own && record.class === CLASS.IN)
      .map((record) => zone.add(record)),
    ...names.map((one) => zone.steer(parseName(one.name, origin) ?? origin, one.name)),
  ];
  return {
    zone,
    problems: [
      ...("problems" in parsed ? parsed.problems : []),
      ...objections.filter((why) => why !== null),
    ],
  };
}

/** What the router is told; `nowMs` and what it remembers are the caller's. */
export function routerOptions(
  config: TrafficConfig,
  me: string,
): Omit<RouterOptions, "nowMs" | "remembered"> {
  const { health, names, regions, networks } = config;
  return {
    me,
    regions: regions.map(
      ({ name, addresses: _addresses, probes: _probes, redis: _redis, http: _http, ...where }) => ({
        name,
        ...locationOf(where),
      }),
    ),
    rules: names.map((name): Rule => ({
      name: name.name,
      policy: name.policy,
      regions: name.regions.length > 0 ? name.regions : regions.map((one) => one.name),
      home: name.home ?? null,
      isSticky: name.sticky,
      residency: name.residency,
      lagMsMax: name.lagMsMax ?? null,
      limit: name.limit,
      ttl: name.ttl,
    })),
    locations: new Locations(
      networks.flatMap(({ net, ...where }) => {
        const network = parseNetwork(net);
        return network === null ? [] : [{ network, location: locationOf(where) }];
      }),
    ),
    health: { ...defaultHealth, ...health },
    admission: {
      ...defaultAdmission,
      removalGapMs: config.removalGapMs,
      stableMs: config.return.stableMs,
      lagMsMax: config.return.lagMsMax,
      rampStepMs: config.return.stepMs,
    },
    servingMin: config.servingMin,
  };
}

/** To the nearest of all regions: where no rule is named. */
export function nearestOf({ regions }: TrafficConfig): Rule {
  return {
    name: "gateway",
    policy: "nearest",
    regions: regions.map(({ name }) => name),
    isSticky: false,
    residency: [],
    lagMsMax: null,
    limit: 1,
    ttl: 1,
  };
}

/** Without what is not known. */
function locationOf(where: Readonly<Record<string, unknown>>): Location {
  return Object.fromEntries(Object.entries(where).filter(([, value]) => value !== undefined));
}
