/**
 * Throughput: how many commands Atoll answers per second, and what one costs, next to Redis with the same durability.
 *
 *   pair: Atoll, Redis ─ pair: Redis, Atoll ─ … one cell after the other, both servers on core 0, the driver on core 1
 *
 * Invariant: the two runs of a pair follow each other at once on empty databases, and the order alternates, so what the
 * machine does meanwhile meets both alike.
 */
import { RespConnection } from "../test/support/resp-connection.ts";
import {
  startServer,
  subjectKind,
  type Durability,
  type TestServer,
} from "../test/support/server.ts";
import {
  showSpread,
  spreadOf,
  table,
  type Answer,
  type BenchOptions,
  type Spread,
} from "./answer.ts";
import { DRIVER_CORE, SERVER_CORE, measure, type LoadResult } from "./load.ts";

interface Setting {
  durability: Durability;
  /** How Redis calls it. */
  redis: string;
  tests: readonly string[];
  /** Per run, at pipeline 1 and 16: a second or two, so processor time is exact to a percent and pairs stay side by side. */
  requests: { 1: number; 16: number };
}

const settings: readonly Setting[] = [
  {
    durability: "relaxed",
    redis: "appendfsync everysec",
    tests: ["set", "get", "incr", "sadd", "hset"],
    requests: { 1: 100_000, 16: 1_000_000 },
  },
  {
    durability: "local",
    redis: "appendfsync always",
    tests: ["set", "incr"],
    requests: { 1: 50_000, 16: 300_000 },
  },
];

export interface ThroughputCell {
  command: string;
  pipeline: number;
  durability: Durability;
  against: string;
  /** Atoll's commands per second to Redis's, per pair. */
  ratio: Spread;
  /** Redis's processor time per command to Atoll's, per pair: above 1, Atoll's is the cheaper. */
  cpuRatio: Spread;
  atoll: Side;
  redis: Side;
  pairs: number;
  /** Runs that were kept although other processes disturbed them. */
  noisyRuns: number;
}

/** Medians over the pairs. */
interface Side {
  perSecond: number;
  cpuMicros: number;
  p50Ms: number;
  p99Ms: number;
}

export async function throughput(options: BenchOptions): Promise<Answer<ThroughputCell>> {
  const cells: ThroughputCell[] = [];
  for (const setting of settings) {
    const { durability } = setting;
    await using atoll = await startServer(subjectKind(), { durability, core: SERVER_CORE });
    await using redis = await startServer("redis", { durability, core: SERVER_CORE });
    for (const pipeline of [1, 16] as const) {
      for (const test of setting.tests) {
        const cell = await measureCell(atoll, redis, setting, test, pipeline, options);
        cells.push(cell);
        options.note(
          `${durability} ${test} pipeline ${pipeline}: ${showSpread(cell.ratio)}${cell.noisyRuns > 0 ? ` (${cell.noisyRuns} noisy runs)` : ""}`,
        );
      }
    }
  }
  return {
    question: "throughput",
    ratio: spreadOf(cells.map((cell) => cell.ratio.median)),
    cells,
  };
}

export function throughputTable(answer: Answer<ThroughputCell>): string {
  const side = (cell: ThroughputCell, figure: (side: Side) => string): string =>
    `${figure(cell.atoll)} / ${figure(cell.redis)}`;
  return table([
    [
      "durability",
      "command",
      "P",
      "throughput ratio",
      "CPU ratio",
      "k/s",
      "CPU µs",
      "p50 ms",
      "p99 ms",
      "noisy",
    ],
    ...answer.cells.map((cell) => [
      cell.durability,
      cell.command,
      String(cell.pipeline),
      showSpread(cell.ratio),
      showSpread(cell.cpuRatio),
      side(cell, (one) => (one.perSecond / 1_000).toFixed(0)),
      side(cell, (one) => one.cpuMicros.toFixed(2)),
      side(cell, (one) => one.p50Ms.toFixed(2)),
      side(cell, (one) => one.p99Ms.toFixed(2)),
      cell.noisyRuns === 0 ? "" : `${cell.noisyRuns} of ${2 * cell.pairs}`,
    ]),
    ["all", "", "", showSpread(answer.ratio)],
  ]);
}

async function measureCell(
  atoll: TestServer,
  redis: TestServer,
  setting: Setting,
  test: string,
  pipeline: 1 | 16,
  options: BenchOptions,
): Promise<ThroughputCell> {
  const requests = setting.requests[pipeline];
  const load = {
    test,
    pipeline,
    requests: options.quick ? requests / 20 : requests,
    valueBytes: 64,
    keys: 100_000,
    clients: 50,
    core: DRIVER_CORE,
    hurried: options.quick,
  };
  // The first run warms both up and fills what GET reads; it is not counted.
  for (const server of [atoll, redis]) {
    await emptied(server);
    await measure(server, { ...load, test: test === "get" ? "set" : test, pipeline: 16 });
  }
  const pairs: { atoll: LoadResult; redis: LoadResult }[] = [];
  for (let i = 0; i < options.pairs; i++) {
    const run = async (server: TestServer): Promise<LoadResult> => {
      if (test !== "get") await emptied(server);
      return measure(server, load);
    };
    if (i % 2 === 0) {
      const first = await run(atoll);
      pairs.push({ atoll: first, redis: await run(redis) });
    } else {
      const first = await run(redis);
      pairs.push({ redis: first, atoll: await run(atoll) });
    }
  }
  return {
    command: test.toUpperCase(),
    pipeline,
    durability: setting.durability,
    against: setting.redis,
    ratio: spreadOf(pairs.map((pair) => pair.atoll.perSecond / pair.redis.perSecond)),
    cpuRatio: spreadOf(
      pairs.map((pair) => pair.redis.cpuMicros / Math.max(pair.atoll.cpuMicros, 0.001)),
    ),
    atoll: sideOf(pairs.map((pair) => pair.atoll)),
    redis: sideOf(pairs.map((pair) => pair.redis)),
    pairs: pairs.length,
    noisyRuns: pairs.flatMap((pair) => [pair.atoll, pair.redis]).filter((one) => one.noisy).length,
  };
}

function sideOf(results: readonly LoadResult[]): Side {
  const middle = (figure: (result: LoadResult) => number): number =>
    spreadOf(results.map(figure)).median;
  return {
    perSecond: middle((result) => result.perSecond),
    cpuMicros: middle((result) => result.cpuMicros),
    p50Ms: middle((result) => result.p50Ms),
    p99Ms: middle((result) => result.p99Ms),
  };
}

async function emptied(server: TestServer): Promise<void> {
  using connection = await RespConnection.open(server.port);
  await connection.call("FLUSHALL");
}
