/**
 * Mesh: what three nodes that replicate cost on one machine, next to a redis-server with two replicas.
 *
 *   pipelined SETs into one ─► the two others apply them ─► all hold the same: throughput, and the processor time of all three
 *
 * Invariant: a run ends when everybody has everything, and that is compared: a digest of all keys. Both have their log on, synced
 * every second. Nobody is pinned: three nodes and the driver share the processors as they come.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { NodeStatus } from "../src/host/status.ts";
import { freePort } from "../test/support/free-port.ts";
import { RespConnection } from "../test/support/resp-connection.ts";
import { isError, textOf } from "../test/support/resp.ts";
import { startServer, type TestServer } from "../test/support/server.ts";
import {
  type Answer,
  type BenchOptions,
  showSpread,
  type Spread,
  spreadOf,
  table,
} from "./answer.ts";
import { corpus, xorshift } from "./corpus.ts";
import { Blocks, flood } from "./flood.ts";
import { processSeconds } from "./processor-time.ts";

const REGIONS = ["us-east", "eu-west", "ap-south"] as const;
const PIPELINE = 16;
const CONNECTIONS = 50;

export interface MeshCell {
  keys: number;
  /** Atoll's SETs per second to Redis's, per pair, counted until the driver had all answers. */
  ratio: Spread;
  /** Redis's processor time of all three per SET to Atoll's: above 1, Atoll is the cheaper. */
  cpuRatio: Spread;
  atoll: Side;
  redis: Side;
}

/** Medians over the pairs. */
interface Side {
  perSecond: number;
  /** All three, per SET. */
  cpuMicros: number;
  /** One that only applies what it receives, log included, per SET. */
  appliesMicros: number;
  /** How long after the last answer everybody had everything. */
  behindMs: number;
}

export async function mesh({ pairs, quick, note }: BenchOptions): Promise<Answer<MeshCell>> {
  const cells: MeshCell[] = [];
  for (const keys of [100_000, 1_000_000]) {
    await using atoll = await startAtolls();
    await using redis = await startRedises();
    const commands = quick ? 50_000 : 1_000_000;
    const values = corpus(10_000);
    const random = xorshift(keys);
    const blocks = new Blocks(Math.min(commands, 200_000), PIPELINE, (i) => [
      "SET",
      `key:${random() % keys}`,
      values[i % values.length] as Buffer,
    ]);
    const runs: Record<"atoll" | "redis", Side[]> = { atoll: [], redis: [] };
    // The first run warms both up; it is not counted.
    for (let pair = -1; pair < pairs; pair++) {
      const order = pair % 2 === 0 ? (["atoll", "redis"] as const) : (["redis", "atoll"] as const);
      for (const name of order) {
        const side = await run(name === "atoll" ? atoll : redis, blocks, commands);
        if (pair >= 0) runs[name].push(side);
      }
    }
    for (const cluster of [atoll, redis]) await cluster.compare();
    const per = (figure: (atoll: Side, redis: Side) => number): Spread =>
      spreadOf(runs.atoll.map((side, i) => figure(side, runs.redis[i] as Side)));
    const cell: MeshCell = {
      keys,
      ratio: per((a, r) => a.perSecond / r.perSecond),
      cpuRatio: per((a, r) => r.cpuMicros / a.cpuMicros),
      atoll: medianOf(runs.atoll),
      redis: medianOf(runs.redis),
    };
    cells.push(cell);
    note(
      `${keys} keys: throughput ${showSpread(cell.ratio)}, processor time ${showSpread(cell.cpuRatio)}`,
    );
  }
  return { question: "mesh", ratio: spreadOf(cells.map((cell) => cell.ratio.median)), cells };
}

export function meshTable({ cells }: Answer<MeshCell>): string {
  const both = (cell: MeshCell, figure: (side: Side) => string): string =>
    `${figure(cell.atoll)} / ${figure(cell.redis)}`;
  return table([
    [
      ...["keys", "throughput ratio", "CPU ratio", "k/s", "CPU µs of all three"],
      ...["of one that applies", "last apply ms"],
    ],
    ...cells.map((cell) => [
      String(cell.keys),
      showSpread(cell.ratio),
      showSpread(cell.cpuRatio),
      both(cell, ({ perSecond }) => (perSecond / 1_000).toFixed(0)),
      both(cell, ({ cpuMicros }) => cpuMicros.toFixed(2)),
      both(cell, ({ appliesMicros }) => appliesMicros.toFixed(2)),
      both(cell, ({ behindMs }) => behindMs.toFixed(0)),
    ]),
  ]);
}

/** Three servers of which the first is written to. */
interface Cluster extends AsyncDisposable {
  servers: readonly TestServer[];
  /** Whether the others have all that the first has. */
  isEqual: () => Promise<boolean>;
  /** Throws unless all hold the same. */
  compare: () => Promise<void>;
}

async function run(cluster: Cluster, blocks: Blocks, commands: number): Promise<Side> {
  const { servers } = cluster;
  const first = servers[0] as TestServer;
  while (!(await cluster.isEqual())) await sleep(20);
  const before = servers.map(({ pid }) => processSeconds(pid));
  const seconds = await flood(first.port, blocks, commands, CONNECTIONS);
  const answeredMs = performance.now();
  while (!(await cluster.isEqual())) await sleep(20);
  const behindMs = performance.now() - answeredMs;
  const used = servers.map(({ pid }, i) => processSeconds(pid) - (before[i] as number));
  const micros = (spent: number): number => (spent / commands) * 1e6;
  const [, ...others] = used;
  return {
    perSecond: commands / seconds,
    cpuMicros: micros(used.reduce((sum, one) => sum + one, 0)),
    appliesMicros: micros(others.reduce((sum, one) => sum + one, 0) / others.length),
    behindMs,
  };
}

function medianOf(sides: readonly Side[]): Side {
  const middle = (figure: (side: Side) => number): number => spreadOf(sides.map(figure)).median;
  return {
    perSecond: middle(({ perSecond }) => perSecond),
    cpuMicros: middle(({ cpuMicros }) => cpuMicros),
    appliesMicros: middle(({ appliesMicros }) => appliesMicros),
    behindMs: middle(({ behindMs }) => behindMs),
  };
}

async function startAtolls(): Promise<Cluster> {
  const ports = await Promise.all(REGIONS.map(() => freePort()));
  const at = Object.fromEntries(REGIONS.map((name, i) => [name, ports[i] as number]));
  const servers = await together(
    REGIONS.map((name) => {
      const { [name]: replicationPort = 0, ...others } = at;
      return startServer("atoll", {
        durability: "relaxed",
        region: { name, replicationPort, others },
      });
    }),
  );
  const appliedBy = async ({ httpPort }: TestServer): Promise<string> => {
    const answer = await fetch(`http://127.0.0.1:${httpPort}/status`);
    const { applied } = (await answer.json()) as NodeStatus;
    return Object.entries(applied)
      .map(([origin, seq]) => `${origin} ${seq}`)
      .toSorted()
      .join();
  };
  return {
    servers,
    isEqual: () => same(servers, appliedBy),
    compare: () => compare(servers),
    [Symbol.asyncDispose]: () => end(servers),
  };
}

async function startRedises(): Promise<Cluster> {
  const servers = await together(
    REGIONS.map(() => startServer("redis", { durability: "relaxed" })),
  );
  const [first, ...others] = servers;
  for (const { port } of others) {
    using connection = await RespConnection.open(port);
    const reply = await connection.call("REPLICAOF", "127.0.0.1", (first as TestServer).port);
    if (isError(reply)) throw new Error(String(textOf(reply)));
  }
  const offsetOf = async ({ port }: TestServer): Promise<string> => {
    using connection = await RespConnection.open(port);
    const info = String(textOf(await connection.call("INFO", "replication")));
    const figure = (name: string): string | undefined =>
      new RegExp(`^${name}:(\\S+)`, "m").exec(info)?.[1];
    if (figure("role") === "slave" && figure("master_link_status") !== "up") return "not yet";
    return figure("slave_repl_offset") ?? figure("master_repl_offset") ?? "";
  };
  return {
    servers,
    isEqual: () => same(servers, offsetOf),
    compare: () => compare(servers),
    [Symbol.asyncDispose]: () => end(servers),
  };
}

async function same(
  servers: readonly TestServer[],
  of: (server: TestServer) => Promise<string>,
): Promise<boolean> {
  const [first, ...others] = await Promise.all(servers.map(of));
  return others.every((one) => one === first);
}

async function compare(servers: readonly TestServer[]): Promise<void> {
  const digests = await Promise.all(
    servers.map(async ({ port }) => {
      using connection = await RespConnection.open(port);
      return String(textOf(await connection.call("DEBUG", "DIGEST")));
    }),
  );
  if (new Set(digests).size > 1)
    throw new Error(`they do not hold the same: ${digests.join(", ")}`);
}

/** All of them, or none: those that have started end when one cannot. */
async function together(starting: readonly Promise<TestServer>[]): Promise<TestServer[]> {
  const started = await Promise.allSettled(starting);
  const servers = started.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const failed = started.find((one) => one.status === "rejected");
  if (failed === undefined) return servers;
  await end(servers);
  throw failed.reason;
}

async function end(servers: readonly TestServer[]): Promise<void> {
  await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
}
