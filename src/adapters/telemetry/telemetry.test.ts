import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { LinkStatus, NodeStatus } from "../../host/status.ts";
import { METRICS } from "./metrics.ts";
import type { TrafficFigures } from "../../host/traffic-figures.ts";
import { createTelemetry, createTrafficTelemetry } from "./telemetry.ts";

const LINK: LinkStatus = {
  peer: "us-east/1",
  region: "us-east",
  state: "live",
  reason: null,
  rttMs: 84,
  lagMs: 1500,
  lagRecords: 12,
  backlogBytes: 4096,
  retainedBytes: 0,
  behindLog: false,
  sentBytes: 1000,
  receivedBytes: 2000,
  sentRecords: 10,
  receivedRecords: 20,
  clockOffsetMs: -7,
  connects: 3,
};

const TRAFFIC: TrafficFigures = {
  regions: [
    {
      ...{ name: "us-east", isUp: true, mode: "serving", weight: 0.5, share: 0.5 },
      ...{ load: 0.1, lagMs: 20, readHereAfterMs: 84 },
    },
    {
      ...{ name: "eu-west", isUp: false, mode: "drained", weight: 1, share: 1 },
      ...{ load: 0, lagMs: null, readHereAfterMs: null },
    },
  ],
  troubles: {
    ...{ "region-down": 0, isolated: 0, "link-down": 0, asymmetric: 0 },
    ...{ "observer-isolated": 0, degraded: 1 },
  },
  plan: 7,
  moves: 3,
  redis: {
    ...{ clients: 4, commands: 900, retries: 5, moves: 6, unknown: 1, unserved: 0, unseen: 2 },
    regions: [
      {
        name: "us-east",
        clients: 4,
        isReached: true,
        latencyMs: 1,
        load: 0.1,
        lagMs: 20,
        share: 1,
      },
    ],
  },
  http: null,
};

const STATUS: NodeStatus = {
  version: "1.2.3",
  region: "eu-west",
  member: "eu-west/1",
  origin: "abc",
  pid: 1,
  state: "ready",
  reason: null,
  uptimeMs: 61_500,
  durability: "local",
  respPort: 7001,
  httpPort: 8001,
  replicationPort: 9001,
  clients: {
    connected: 5,
    received: 9,
    refused: 1,
    cutOff: 2,
    evicted: 3,
    bytes: 4,
    maximum: 10_000,
    blocked: 0,
  },
  messages: {
    subscribers: 2,
    channels: 3,
    patterns: 1,
    shardChannels: 0,
    published: 8,
    delivered: 16,
    sent: 4,
    received: 5,
    dropped: 6,
  },
  tracking: { clients: 1, keys: 5, items: 6, prefixes: 2, sent: 7 },
  commands: [
    { name: "set", calls: 100, failures: 2, micros: 1_500_000, rejections: 0, percentiles: null },
    { name: "get", calls: 50, failures: 0, micros: 0, rejections: 0, percentiles: null },
  ],
  errors: [],
  keyspace: [{ db: 0, keys: 42, expires: 7 }],
  hits: 30,
  misses: 20,
  expired: 4,
  evicted: 6,
  operationsPerSecond: 12,
  turnStepsMax: 8_100,
  memory: {
    rssBytes: 1000,
    heapBytes: 500,
    arenaBytes: 300,
    arenaUsedBytes: 200,
    dataBytes: 250,
    dataPeakBytes: 260,
    maximumBytes: 0,
    policy: "noeviction",
  },
  log: {
    beginPosition: 1000,
    endPosition: 9000,
    durablePosition: 8500,
    syncs: 6,
    syncSeconds: { bounds: [0.001, 0.01], counts: [4, 5], sum: 0.25, count: 6 },
    checkpointPosition: null,
    checkpointRunning: false,
    checkpointAgeMs: null,
  },
  scrub: { running: false, ageMs: 5_000, damaged: 1 },
  verify: { running: false, ageMs: 6_000, equal: false, differences: 2, mendedKeys: 3 },
  strong: {
    ...{ commands: 9, rounds: 20, decided: 8, conflicts: 3, found: 1, unknown: 1, refused: 0 },
    ...{ forgotten: 2, seconds: { bounds: [0.1], counts: [7], sum: 2.5, count: 9 } },
  },
  register: { epoch: 4, frozen: 1, changes: 3, givenUp: 0 },
  lease: { leftMs: 7_500, taken: 1, late: 2 },
  bounded: {
    ...{ used_at_once: 90, used_after_region: 5, used_after_wan: 4 },
    ...{ asked: 3, no_rights: 6, bound_reached: 1, given: 10, moved: 20 },
  },
  clock: {
    ...{ nowMs: 0, suspect: null, offsetMs: 0, stampMs: 0, ceilingMs: 0, told: true },
    members: [{ member: "us-east/1", offsetMs: -7, heldRecords: 3, heldMs: 60_000 }],
  },
  records: { made: 100, applied: 200, pending: 3, duplicates: 1 },
  scripts: {
    cached: 0,
    cachedBytes: 0,
    libraries: 0,
    functions: 0,
    libraryBytes: 0,
    engineBytes: 0,
  },
  conflicts: {
    seen: [{ prefix: "cart:", policy: "fww", count: 3 }],
    recorded: 2,
    dropped: 0,
    entries: 5,
    resolverFailures: 1,
  },
  joining: null,
  giving: [],
  stability: { waitingResets: 2, waitingFloors: 8, waitsFor: [] },
  membership: {
    members: ["eu-west/1"],
    removed: [{ member: "us-east/1", state: "closing", awaits: ["ap-south/1"], ends: {} }],
    awaits: ["ap-south/1"],
  },
  formats: { reads: 2, usable: 1, awaits: ["ap-south/1"] },
  applied: {},
  durable: {},
  links: [
    LINK,
    {
      ...LINK,
      peer: "ap-south/1",
      state: "down",
      rttMs: null,
      lagMs: null,
      lagRecords: null,
      clockOffsetMs: null,
    },
  ],
};

/** The series of a scrape: name and labels, as written, and value. */
async function scrape(status: NodeStatus): Promise<{ text: string; series: Map<string, number> }> {
  using telemetry = createTelemetry(() => status);
  const { body, contentType } = await telemetry.metrics();
  assert.match(contentType, /^text\/plain; version=0\.0\.4/);
  const lines = body.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const series = lines.map((line): [string, number] => {
    const space = line.lastIndexOf(" ");
    return [line.slice(0, space), Number(line.slice(space + 1))];
  });
  assert.equal(
    new Set(series.map(([name]) => name)).size,
    series.length,
    "a series is given twice",
  );
  return { text: body, series: new Map(series) };
}

test("a scrape shows the node's own account in base units", async () => {
  const { series } = await scrape(STATUS);
  const expected = {
    atoll_ready: 1,
    atoll_cluster_version: 1,
    'atoll_state{state="read-only"}': 0,
    'atoll_info{version="1.2.3",region="eu-west",member="eu-west/1",durability="local"}': 1,
    atoll_uptime_seconds: 61.5,
    atoll_connected_clients: 5,
    'atoll_ops_total{cmd="set"}': 100,
    'atoll_op_seconds_total{cmd="set"}': 1.5,
    'atoll_op_failures_total{cmd="set"}': 2,
    'atoll_keys{db="0"}': 42,
    atoll_log_bytes: 8000,
    atoll_log_undurable_bytes: 500,
    'atoll_memory_bytes{kind="arena_used"}': 200,
    'atoll_strong_failures_total{outcome="unknown"}': 1,
    'atoll_strong_seconds_bucket{le="0.1"}': 7,
    atoll_strong_seconds_count: 9,
    atoll_register_epoch: 4,
    atoll_lease_left_seconds: 7.5,
    'atoll_bounded_used_total{after="wan"}': 4,
    'atoll_bounded_rights_total{why="demand"}': 20,
    'atoll_bounded_refused_total{why="rights"}': 6,
    'atoll_bounded_refused_total{why="bound"}': 1,
    'atoll_records_total{kind="applied"}': 200,
    'atoll_link_up{from="eu-west/1",to="us-east/1"}': 1,
    'atoll_link_up{from="eu-west/1",to="ap-south/1"}': 0,
    'atoll_link_rtt_seconds{from="eu-west/1",to="us-east/1"}': 0.084,
    'atoll_replication_lag_seconds{from="eu-west/1",to="us-east/1"}': 1.5,
    'atoll_replication_backlog_bytes{from="eu-west/1",to="us-east/1"}': 4096,
    'atoll_replication_backlog_records{from="eu-west/1",to="us-east/1"}': 12,
    'atoll_clock_offset_seconds{peer="us-east/1"}': -0.007,
    'atoll_clock_held_records{peer="us-east/1"}': 3,
  };
  for (const [name, value] of Object.entries(expected)) assert.equal(series.get(name), value, name);
  assert.ok((series.get('atoll_cpu_seconds_total{mode="user"}') ?? 0) > 0);
});

test("the time of syncs is a histogram whose counts are the node's own", async () => {
  const { series, text } = await scrape(STATUS);
  assert.match(text, /# TYPE atoll_fsync_seconds histogram/);
  assert.deepEqual(
    [...series].filter(([name]) => name.startsWith("atoll_fsync_seconds")),
    [
      ['atoll_fsync_seconds_bucket{le="0.001"}', 4],
      ['atoll_fsync_seconds_bucket{le="0.01"}', 5],
      ['atoll_fsync_seconds_bucket{le="+Inf"}', 6],
      ["atoll_fsync_seconds_sum", 0.25],
      ["atoll_fsync_seconds_count", 6],
    ],
  );
});

test("what is not known is absent, not zero", async () => {
  const { series } = await scrape(STATUS);
  for (const name of [
    "atoll_checkpoint_age_seconds",
    "atoll_checkpoint_behind_bytes",
    'atoll_replication_lag_seconds{from="eu-west/1",to="ap-south/1"}',
    'atoll_clock_offset_seconds{peer="ap-south/1"}',
  ])
    assert.equal(series.has(name), false, name);
  const log = { ...STATUS.log, checkpointPosition: 5000, checkpointAgeMs: 2500 };
  const later = await scrape({ ...STATUS, log });
  assert.equal(later.series.get("atoll_checkpoint_age_seconds"), 2.5);
  assert.equal(later.series.get("atoll_checkpoint_behind_bytes"), 4000);
});

test("a scrape a moment later shows the same text, and one after a second a new one", async () => {
  let nowMs = 5000;
  let asked = 0;
  using telemetry = createTelemetry(
    () => ({ ...STATUS, hits: ++asked }),
    () => nowMs,
  );
  const first = await telemetry.metrics();
  nowMs += 999;
  assert.equal((await telemetry.metrics()).body, first.body);
  assert.equal(asked, 1);
  nowMs += 1;
  assert.match((await telemetry.metrics()).body, /^atoll_hits_total 2$/m);
});

test("a status that could not be given is not remembered", async () => {
  let fails = true;
  using telemetry = createTelemetry(
    () => {
      if (fails) throw new Error("not now");
      return STATUS;
    },
    () => 0,
  );
  await assert.rejects(telemetry.metrics(), /not now/);
  fails = false;
  assert.match((await telemetry.metrics()).body, /^atoll_ready 1$/m);
});

test("two nodes in one process count for themselves", async () => {
  const [one, two] = await Promise.all([scrape(STATUS), scrape({ ...STATUS, hits: 31 })]);
  assert.equal(one.series.get("atoll_hits_total"), 30);
  assert.equal(two.series.get("atoll_hits_total"), 31);
});

test("what regions and gateways do is shown where there is routing, and nothing of it elsewhere", async () => {
  using telemetry = createTelemetry(
    () => STATUS,
    () => 0,
    () => TRAFFIC,
  );
  const { body } = await telemetry.metrics();
  for (const line of [
    'atoll_route_up{region="us-east"} 1',
    'atoll_route_share{region="us-east"} 0.25',
    'atoll_route_share{region="eu-west"} 0',
    'atoll_route_canary_seconds{region="us-east"} 0.084',
    'atoll_route_troubles{kind="degraded"} 1',
    'atoll_gateway_requests_total{protocol="redis"} 900',
    'atoll_gateway_moves_total{outcome="unseen"} 2',
    'atoll_gateway_region_latency_seconds{protocol="redis",region="us-east"} 0.001',
  ])
    assert.ok(body.split("\n").includes(line), line);
  assert.ok(!body.includes('protocol="http"'), "there is no such gateway");
  assert.ok(!body.includes('atoll_route_lag_seconds{region="eu-west"}'), "it is not known");
  assert.ok(!(await scrape(STATUS)).text.includes("atoll_gateway_requests_total{"));
  const alone = await createTrafficTelemetry(() => TRAFFIC)();
  assert.match(alone.body, /atoll_route_plan 7/);
  assert.ok(!alone.body.includes("atoll_ready"), "a gateway is no node");
});

test("every name tells its unit, and every series has the labels it was announced with", () => {
  const read = {
    status: STATUS,
    loopDelaySeconds: [{ quantile: "1", seconds: 0 }],
    cpuSeconds: { user: 1, system: 1 },
    traffic: TRAFFIC,
  };
  for (const { name, type, unit, labels, read: samplesOf } of METRICS) {
    const stem = name.replace(/_total$/, "");
    if (unit !== "1" && name !== "atoll_records_pending")
      assert.ok(stem.endsWith(`_${unit}`), name);
    assert.equal(name.endsWith("_total"), type === "counter", name);
    for (const sample of samplesOf(read)) {
      const given = Object.keys(sample.labels ?? {});
      assert.deepEqual(given, sample.suffix === "_bucket" ? [...labels, "le"] : labels, name);
    }
  }
});

test("docs/metrics.md lists every metric there is, and no other", () => {
  const page = readFileSync(new URL("../../../docs/metrics.md", import.meta.url), "utf8");
  const rows = page.split("\n").filter((line) => line.startsWith("| `atoll_"));
  const listed = rows.map((row) =>
    row
      .slice(2, -2)
      .split(" | ")
      .map((cell) => cell.trim()),
  );
  const wanted = METRICS.map(({ name, type, unit, labels, help }) => [
    `\`${name}\``,
    type,
    unit,
    labels.map((label) => `\`${label}\``).join(", "),
    help,
  ]);
  const byName = (a: string[], b: string[]): number => ((a[0] ?? "") < (b[0] ?? "") ? -1 : 1);
  assert.deepEqual(listed.toSorted(byName), wanted.toSorted(byName));
});
