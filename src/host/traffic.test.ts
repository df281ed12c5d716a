import assert from "node:assert/strict";
import { test } from "node:test";
import { TYPE } from "../core/routing/dns/constants.ts";
import { parseConfig } from "./config.ts";
import { type NodeClient, Traffic, TRAFFIC_TICK_MS } from "./traffic.ts";

const REGIONS = ["ap", "eu", "us"];
const CLIENT = Buffer.from([203, 0, 113, 9]);
const RESOLVER = Buffer.from([198, 51, 100, 53]);

function yaml(region: string): string {
  const regions = REGIONS.map(
    (name, i) =>
      `    - { name: ${name}, addresses: [10.0.0.${i + 1}, "fd00::${i + 1}"], probes: ["http://${name}:80"] }`,
  );
  return `
region: ${region}
traffic:
  zone: example.com
  regions:
${regions.join("\n")}
  names:
    - { name: app, ttl: 60 }
    - { name: db, policy: failover, regions: [ap, eu, us], home: "db:" }
    - { name: bound, regions: [eu, us], residency: [{ clients: [DE], regions: [] }] }
  networks:
    - { net: 203.0.113.0/24, region: eu }
    - { net: 198.51.100.0/24, country: DE }
  return: { stableMs: 1s, stepMs: 1s }
`;
}

/** Three nodes that probe one another in a world of its own time. */
class World {
  ms = 0;
  readonly kept = new Map<string, string>();
  readonly dead = new Set<string>();
  readonly said: string[] = [];
  readonly nodes = new Map<string, Traffic>();
  tookMs = new Map<string, number | null>();
  homes = new Map<string, string>();
  readonly clients = new Map<string, NodeClient[]>();

  constructor() {
    for (const region of REGIONS) this.start(region);
  }

  start(region: string): void {
    const outcome = parseConfig(yaml(region), {}, "node.yaml");
    assert.ok("config" in outcome, JSON.stringify(outcome));
    const say = (_facts: object, message: string): void => void this.said.push(message);
    const traffic = new Traffic({
      config: outcome.config.traffic,
      region,
      wallMs: () => 1_700_000_000_000 + this.ms,
      monoMs: () => this.ms,
      chance: () => 0.5,
      probe: (url) => {
        const { hostname } = new URL(url);
        const there = this.nodes.get(hostname);
        if (there === undefined || this.dead.has(hostname))
          return Promise.reject(new Error("refused"));
        return Promise.resolve({
          rttMs: 20,
          body: JSON.parse(JSON.stringify(there.view())) as unknown,
        });
      },
      lagsMs: () => new Map(REGIONS.map((name) => [name, 0])),
      load: () => 0.1,
      homes: () => this.homes,
      tookMs: () => this.tookMs,
      clients: () => this.clients.get(region) ?? [],
      kept: {
        read: () => this.kept.get(region) ?? null,
        write: (text) => void this.kept.set(region, text),
      },
      log: { info: say, warn: say, error: say },
    });
    this.nodes.set(region, traffic);
  }

  async pass(ms: number): Promise<void> {
    for (const endMs = this.ms + ms; this.ms < endMs; this.ms += TRAFFIC_TICK_MS) {
      for (const [region, node] of this.nodes) if (!this.dead.has(region)) node.tick();
      // What was asked for comes back.
      for (let i = 0; i < 10; i++) await Promise.resolve();
    }
  }

  node(region: string): Traffic {
    return this.nodes.get(region) as Traffic;
  }
}

const answer = (node: Traffic, rule = "app", client = CLIENT): string =>
  node
    .choose(rule, TYPE.A, client, 32, RESOLVER)
    .sets.flat()
    .map((bytes) => bytes.join("."))
    .join(" ");

test("a client is sent to the region of its network, elsewhere once that is dead, and back when it has been up again", async () => {
  const world = new World();
  await world.pass(5_000);
  for (const region of REGIONS) assert.equal(answer(world.node(region)), "10.0.0.2");
  assert.equal(world.node("us").choose("app", TYPE.A, CLIENT, 32, RESOLVER).ttl, 60);
  assert.equal(world.node("us").choose("app", TYPE.A, CLIENT, 32, RESOLVER).scopeBits, 24);
  world.dead.add("eu");
  await world.pass(3_000);
  assert.equal(world.node("us").choose("app", TYPE.A, CLIENT, 32, RESOLVER).ttl, 5);
  await world.pass(7_000);
  assert.notEqual(answer(world.node("ap")), "10.0.0.2");
  assert.notEqual(answer(world.node("us")), "10.0.0.2");
  assert.match(
    world.node("us").explain("app", CLIENT, 32).join("\n"),
    /health: without eu \(2 of 2 valid vantages/,
  );
  assert.ok(world.said.some((line) => line === "traffic: eu is taken out"));
  world.dead.delete("eu");
  await world.pass(60_000);
  assert.equal(answer(world.node("us")), "10.0.0.2");
});

test("a plan that is made at one region holds at all of them, outlives a restart, and ends by itself", async () => {
  const world = new World();
  await world.pass(5_000);
  const { nowMs } = world.node("ap");
  const shift = { mode: "drained" as const, weight: 1, fromMs: nowMs, untilMs: nowMs + 60_000 };
  assert.equal(
    world.node("ap").change({ base: null, why: "deploy", shifts: { eu: shift } }, false),
    null,
  );
  await world.pass(5_000);
  for (const region of REGIONS) assert.notEqual(answer(world.node(region)), "10.0.0.2");
  world.start("us");
  assert.equal(world.node("us").view().plan.number, 1);
  assert.notEqual(answer(world.node("us")), "10.0.0.2");
  const all = Object.fromEntries(REGIONS.map((name) => [name, shift]));
  assert.match(
    world.node("us").change({ base: null, why: "all", shifts: all }, true) ?? "",
    /left in service/,
  );
  assert.match(
    world.node("us").change({ base: 0, why: "old", shifts: {} }, true) ?? "",
    /number 1 by now/,
  );
  await world.pass(61_000);
  for (const region of REGIONS) assert.equal(answer(world.node(region)), "10.0.0.2");
});

test("who still comes to a drained region is named, and the resolvers that have not asked again", async () => {
  const world = new World();
  await world.pass(5_000);
  answer(world.node("ap"));
  const { nowMs } = world.node("ap");
  const shift = { mode: "drained" as const, weight: 1, fromMs: nowMs, untilMs: null };
  world.node("ap").change({ base: null, why: "deploy", shifts: { eu: shift } }, false);
  await world.pass(3_000);
  const client = { id: 1, address: "10.0.0.9:4242", name: "shop", idleMs: 20 };
  world.clients.set("eu", [client]);
  await world.pass(2_000);
  const told = (at: string) =>
    world.node(at).latecomers("eu") as {
      clients: { address: string; name: string; isAtWork: boolean }[];
      resolvers: { address: string }[];
    };
  assert.deepEqual(
    told("eu").clients.map(({ address, name, isAtWork }) => [address, name, isAtWork]),
    [["10.0.0.9", "shop", true]],
  );
  assert.deepEqual(
    told("ap").resolvers.map(({ address }) => address),
    ["198.51.100.53"],
  );
  answer(world.node("ap"));
  assert.deepEqual(told("ap").resolvers, [], "it was told another");
});

test("a name that follows a home leads to the region that writes its keys, and to the next one as soon as another does", async () => {
  const world = new World();
  await world.pass(2_000);
  assert.equal(answer(world.node("ap"), "db"), "10.0.0.1", "nobody owns it yet: as listed");
  world.homes = new Map([["db:", "us"]]);
  await world.pass(3_000);
  for (const region of REGIONS) assert.equal(answer(world.node(region), "db"), "10.0.0.3");
  world.dead.add("us");
  await world.pass(15_000);
  world.homes = new Map([["db:", "eu"]]);
  await world.pass(1_500);
  assert.equal(answer(world.node("ap"), "db"), "10.0.0.2");
  const { successions } = world.node("ap").status() as {
    successions: { from: string; to: string; restedMs: number; missingSinceMs: number }[];
  };
  assert.deepEqual(
    successions.map(({ from, to }) => [from, to]),
    [["us", "eu"]],
  );
  assert.ok((successions[0]?.restedMs ?? 0) >= 14_000 && (successions[0]?.restedMs ?? 0) < 20_000);
  assert.ok(world.said.some((line) => /db: is written in eu in place of us/.test(line)));
});

test("where nothing may be answered, the reason goes along", async () => {
  const world = new World();
  await world.pass(2_000);
  const german = Buffer.from([198, 51, 100, 1]);
  const withheld = world.node("eu").choose("bound", TYPE.A, german, 32, RESOLVER);
  assert.equal(withheld.withheld, "residency");
  assert.match(withheld.note?.text ?? "", /residency/);
  assert.equal(answer(world.node("eu"), "bound"), "10.0.0.2");
  assert.equal(
    world.node("eu").choose("app", TYPE.AAAA, CLIENT, 32, RESOLVER).sets[0]?.[0]?.length,
    16,
  );
  assert.match(
    world.node("eu").explainTo("bound", { country: "DE" })?.join("\n") ?? "",
    /nothing may be answered/,
  );
  assert.equal(world.node("eu").explainTo("nothing", {}), null);
});

test("settings that contradict one another are named", () => {
  const problems = (text: string): string => {
    const outcome = parseConfig(text, {}, "node.yaml");
    return "problems" in outcome ? outcome.problems.join("\n") : "";
  };
  assert.match(problems("region: eu\ntraffic: { regions: [{ name: us }] }"), /own region, eu/);
  assert.match(
    problems("region: eu\ntraffic:\n  regions: [{ name: eu }]\n  names: [{ name: app }]"),
    /`traffic.zone` must be set/,
  );
  const named = problems(
    "region: eu\ntraffic:\n  zone: x\n  regions: [{ name: eu }]\n  names: [{ name: app, regions: [us] }]",
  );
  assert.match(named, /node.yaml:5:\d+: `traffic.names\[1\].regions` names us/);
  assert.match(
    problems(
      "region: eu\ntraffic:\n  zone: x\n  regions: [{ name: eu }]\n  records: |\n    a B c\n",
    ),
    /line 1: B is no type/,
  );
  assert.match(
    problems(
      'region: eu\ntraffic:\n  zone: x\n  regions: [{ name: eu }]\n  names: [{ name: db, home: "db:" }]',
    ),
    /names\[1\].home` needs `policy: failover`/,
  );
  assert.match(problems('traffic: { networks: [{ net: "10.0.0.1/8" }] }'), /must be a network/);
});
