import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Residency, Rule } from "../pipeline.ts";
import { toCloudflare } from "./cloudflare.ts";
import { toOctoDns } from "./octodns.ts";
import { toRoute53 } from "./route53.ts";
import type { ExportInput, ExportRegion } from "./steered.ts";

const ZONE = "example.com";
const PLACES = { ap: ["HK", "AS"], eu: ["IE", "EU"], us: ["US", "NA"] } as const;
const NAMES = ["ap", "eu", "us"] as const;
const ADDRESSES: Record<string, string> = {
  ap: "203.0.113.1",
  eu: "198.51.100.1",
  us: "192.0.2.1",
};
const CONTINENT = new Map([
  ...NAMES.map((name) => [...PLACES[name]] as [string, string]),
  ["DE", "EU"],
]);

const region = (
  name: (typeof NAMES)[number],
  fields: Partial<ExportRegion> = {},
): ExportRegion => ({
  name,
  v4: [ADDRESSES[name] ?? ""],
  v6: [],
  country: PLACES[name][0],
  continent: PLACES[name][1],
  check: { protocol: "http", port: 8080, path: "/health/ready" },
  mode: "serving",
  weight: 1,
  ...fields,
});

const rule = (fields: Partial<Rule> = {}): Rule => ({
  name: "app",
  policy: "failover",
  regions: NAMES,
  isSticky: false,
  residency: [],
  lagMsMax: null,
  limit: 1,
  ttl: 30,
  ...fields,
});

const input = (rules: Rule[], regions = NAMES.map((name) => region(name))): ExportInput => ({
  zone: ZONE,
  rules,
  regions,
});

interface AwsRecord {
  name: string;
  type: string;
  ttl?: number;
  records?: string[];
  alias?: { name: string };
  set_identifier?: string;
  health_check_id?: string;
  failover_routing_policy?: { type: string };
  weighted_routing_policy?: { weight: number };
  latency_routing_policy?: { region: string };
  geoproximity_routing_policy?: { coordinates: { latitude: string } };
  geolocation_routing_policy?: { country?: string; continent?: string };
}

/** What Route 53 is told, with everything in it checked that it would refuse. */
function route53(given: ExportInput, aws = new Map<string, string>()) {
  const { document, notes } = toRoute53(given, aws);
  const { resource } = JSON.parse(JSON.stringify(document)) as {
    resource: {
      aws_route53_record: Record<string, AwsRecord>;
      aws_route53_health_check: Record<string, { ip_address: string }>;
    };
  };
  const records = Object.values(resource.aws_route53_record);
  const seen = new Set<string>();
  for (const [id, record] of Object.entries(resource.aws_route53_record)) {
    assert.match(id, /^[A-Za-z_]\w*$/);
    assert.ok(record.name === ZONE || record.name.endsWith(`.${ZONE}`));
    assert.equal((record.alias === undefined) !== (record.records === undefined), true);
    assert.equal(record.ttl === undefined, record.alias !== undefined);
    const key = `${record.name} ${record.type} ${record.set_identifier}`;
    assert.ok(!seen.has(key), `${key} is there twice`);
    seen.add(key);
    const policies = (one: AwsRecord): string[] =>
      Object.keys(one).filter((field) => field.endsWith("_routing_policy"));
    assert.equal(policies(record).length > 0, record.set_identifier !== undefined);
    for (const other of records)
      if (other.name === record.name && other.type === record.type)
        assert.deepEqual(policies(other), policies(record));
    if (record.alias !== undefined)
      assert.ok(
        records.some(({ name, type }) => name === record.alias?.name && type === record.type),
      );
    const check = /^\$\{aws_route53_health_check\.(\w+)\.id\}$/.exec(record.health_check_id ?? "");
    if (record.health_check_id !== undefined)
      assert.ok(resource.aws_route53_health_check[check?.[1] ?? ""] !== undefined);
  }
  return { records, notes };
}

/** The addresses that Route 53 gives a client in a place, in the order in which they are tried. */
function tried(records: readonly AwsRecord[], name: string, country: string): string[] {
  const own = records.filter((record) => record.name === name);
  const located = own.filter(({ geolocation_routing_policy: geo }) => geo !== undefined);
  const chosen =
    located.find((one) => one.geolocation_routing_policy?.country === country) ??
    located.find(
      (one) => one.geolocation_routing_policy?.continent === (CONTINENT.get(country) ?? "?"),
    ) ??
    located.find((one) => one.geolocation_routing_policy?.country === "*");
  const rank = (one: AwsRecord): number =>
    Number(one.failover_routing_policy?.type === "SECONDARY");
  const here = located.length > 0 ? (chosen === undefined ? [] : [chosen]) : own;
  return here
    .toSorted((a, b) => rank(a) - rank(b))
    .flatMap(({ alias, records: data }) => data ?? tried(records, alias?.name ?? "", country));
}

test("failover over three regions is a chain, each with its health check", () => {
  const { records, notes } = route53(input([rule()]));
  assert.deepEqual(
    tried(records, "app.example.com", "FR"),
    NAMES.map((name) => ADDRESSES[name]),
  );
  assert.equal(records.filter(({ health_check_id }) => health_check_id !== undefined).length, 3);
  assert.deepEqual(notes, []);
});

test("what is drained is left out, what stands by comes last, and the last region is never left out", () => {
  const regions = [
    region("ap", { mode: "drained" }),
    region("eu", { mode: "standby" }),
    region("us"),
  ];
  const { records } = route53(input([rule()], regions));
  assert.deepEqual(tried(records, "app.example.com", "FR"), [ADDRESSES["us"], ADDRESSES["eu"]]);
  const none = NAMES.map((name) => region(name, { mode: "drained" }));
  assert.equal(tried(route53(input([rule()], none)).records, "app.example.com", "FR").length, 3);
});

test("weights are whole and in proportion", () => {
  const regions = [region("ap", { weight: 0.5 }), region("eu", { weight: 2 }), region("us")];
  const { records } = route53(input([rule({ policy: "weighted" })], regions));
  assert.deepEqual(
    records.map((one) => one.weighted_routing_policy?.weight),
    [64, 255, 128],
  );
});

test("the nearest is by Amazon's own latency where it is told its regions, else by place, else as listed", () => {
  const nearest = [rule({ policy: "nearest" })];
  const aws = new Map(NAMES.map((name) => [name, `${name}-1`]));
  assert.deepEqual(
    route53(input(nearest), aws).records.map((one) => one.latency_routing_policy?.region),
    ["ap-1", "eu-1", "us-1"],
  );
  const placed = NAMES.map((name) => region(name, { latitude: 12.345, longitude: 6 }));
  assert.deepEqual(
    route53(input(nearest, placed)).records.map(
      (one) => one.geoproximity_routing_policy?.coordinates.latitude,
    ),
    ["12.35", "12.35", "12.35"].map(() => (12.345).toFixed(2)),
  );
  const listed = route53(input(nearest));
  assert.match(listed.notes.join(), /where regions are is not known/);
  assert.equal(tried(listed.records, "app.example.com", "FR").length, 3);
});

const residencies: Residency[] = [
  { clients: ["DE"], regions: ["eu"] },
  { clients: ["EU"], regions: ["eu", "us"] },
];

test("a residency is kept for every place, or the name is not exported", () => {
  const { records } = route53(input([rule({ residency: residencies })]));
  assert.deepEqual(tried(records, "app.example.com", "DE"), [ADDRESSES["eu"]]);
  assert.deepEqual(tried(records, "app.example.com", "IE"), [ADDRESSES["eu"], ADDRESSES["us"]]);
  assert.equal(tried(records, "app.example.com", "HK").length, 3);
  const anyResidency = fc.array(
    fc.record({
      clients: fc.subarray(["DE", "IE", "US", "EU", "AS"]),
      regions: fc.subarray([...NAMES]),
    }),
    { minLength: 1, maxLength: 4 },
  );
  const policy = fc.constantFrom("nearest" as const, "failover" as const, "weighted" as const);
  fc.assert(
    fc.property(anyResidency, policy, (residency, kind) => {
      const exported = route53(input([rule({ residency, policy: kind })])).records;
      const octo = octodns(input([rule({ residency, policy: kind })]));
      for (const country of ["DE", "IE", "US", "HK", "JP"]) {
        const about = residency.find(
          ({ clients }) =>
            clients.length === 0 ||
            clients.includes(country) ||
            clients.includes(CONTINENT.get(country) ?? ""),
        );
        const allowed = (about?.regions ?? NAMES).map((name) => ADDRESSES[name]);
        const led = [...tried(exported, "app.example.com", country), ...octo.led("app", country)];
        for (const address of led) assert.ok(allowed.includes(address), `${country} ${address}`);
      }
    }),
  );
  const { document, notes } = toCloudflare(input([rule({ residency: residencies })]));
  assert.ok(!JSON.stringify(document).includes("app.example.com"));
  assert.match(notes.join(), /app is not exported/);
});

interface Dynamic {
  ttl: number;
  values: string[];
  dynamic: {
    pools: Record<string, { values: { value: string; weight?: number }[]; fallback?: string }>;
    rules: { pool: string; geos?: string[] }[];
  };
}

/** What octoDNS is told, with everything in it checked that it would refuse. */
function octodns(given: ExportInput) {
  const { document, notes } = toOctoDns(given, (country) => CONTINENT.get(country) ?? null);
  const zone = JSON.parse(JSON.stringify(document)) as Record<string, Dynamic>;
  for (const { dynamic } of Object.values(zone)) {
    const { pools, rules } = dynamic;
    const used = new Set<string>();
    for (const { pool } of rules)
      for (let at: string | undefined = pool; at !== undefined && !used.has(at);) {
        used.add(at);
        assert.ok(pools[at] !== undefined, `there is no pool ${at}`);
        at = pools[at]?.fallback;
      }
    assert.deepEqual([...used].toSorted(), Object.keys(pools).toSorted(), "a pool is not used");
    assert.equal(rules.filter(({ geos }) => geos === undefined).length, 1);
    assert.equal(rules.at(-1)?.geos, undefined, "everybody comes last");
    const geos = rules.flatMap((one) => one.geos ?? []);
    assert.equal(new Set(geos).size, geos.length, "a place is there twice");
    for (const { values } of Object.values(pools))
      for (const { weight = 1 } of values) assert.ok(weight >= 1 && weight <= 100);
  }
  const led = (name: string, country: string): string[] => {
    const { pools = {}, rules = [] } = zone[name]?.dynamic ?? {};
    const places = [`${CONTINENT.get(country)}-${country}`, CONTINENT.get(country) ?? ""];
    const found = rules.find(({ geos }) => geos?.some((geo) => places.includes(geo)) ?? true);
    const addresses: string[] = [];
    for (let at = found?.pool; at !== undefined; at = pools[at]?.fallback)
      addresses.push(...(pools[at]?.values ?? []).map(({ value }) => value));
    return addresses;
  };
  return { zone, notes, led };
}

test("octoDNS leads clients to the region of their country or continent, and on in order", () => {
  const { led, zone } = octodns(input([rule({ policy: "nearest" })]));
  assert.equal(led("app", "IE")[0], ADDRESSES["eu"]);
  assert.equal(led("app", "DE")[0], ADDRESSES["eu"]);
  assert.equal(led("app", "US")[0], ADDRESSES["us"]);
  assert.equal(led("app", "BR")[0], ADDRESSES["ap"], "everybody else goes to the first");
  assert.equal(zone["app"]?.ttl, 30);
});

test("Cloudflare gets a pool and a monitor for each region that is used, and a fallback", () => {
  const { document, notes } = toCloudflare(
    input([rule(), rule({ name: "drawn", policy: "weighted", isSticky: true })]),
  );
  const { resource } = JSON.parse(JSON.stringify(document)) as {
    resource: Record<string, Record<string, Record<string, unknown>>>;
  };
  const pools = resource["cloudflare_load_balancer_pool"] ?? {};
  const monitors = resource["cloudflare_load_balancer_monitor"] ?? {};
  assert.deepEqual(Object.keys(pools), [...NAMES]);
  for (const pool of Object.values(pools))
    assert.ok(monitors[/monitor\.(\w+)\.id/.exec(String(pool["monitor"]))?.[1] ?? ""]);
  for (const one of Object.values(resource["cloudflare_load_balancer"] ?? {})) {
    const ids = one["default_pool_ids"] as string[];
    for (const id of ids) assert.ok(pools[/pool\.(\w+)\.id/.exec(id)?.[1] ?? ""] !== undefined);
    assert.ok(ids.includes(String(one["fallback_pool_id"])));
  }
  assert.match(notes.join(), /drawn: a client is not given the same region again/);
});

test("what a provider does otherwise is said", () => {
  const rules = [rule({ lagMsMax: 5_000, home: "db:", limit: 2 })];
  const regions = [region("ap", { weight: 0.5 }), region("eu", { check: null })];
  const { notes } = toRoute53(input(rules, regions));
  for (const what of [
    /5000 ms is named all the same/,
    /home of db:/,
    /one region, not 2/,
    /0.5 of it/,
    /eu has no probe/,
  ])
    assert.match(notes.join("\n"), what);
});
