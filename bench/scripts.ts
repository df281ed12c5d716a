/**
 * Scripts: how many cached rate-limit scripts run per second, and what one costs, next to Redis.
 *
 *   pair: Atoll, Redis ─ pair: Redis, Atoll ─ …: EVALSHA, 16 under way on each of 50 connections, both servers on core 0
 *
 * Invariant: both run the same text under the same digest, on keys drawn alike; a run that fails fails the benchmark.
 */
import { RespConnection } from "../test/support/resp-connection.ts";
import { textOf } from "../test/support/resp.ts";
import { startServer, type ServerKind, type TestServer } from "../test/support/server.ts";
import {
  showSpread,
  spreadOf,
  table,
  type Answer,
  type BenchOptions,
  type Spread,
} from "./answer.ts";
import { DRIVER_CORE, SERVER_CORE, measure, type LoadResult } from "./load.ts";

const PIPELINE = 16;
const REQUESTS = 300_000;
const KEYS = 100_000;

/** The three kinds that libraries have, each with what it is called with behind its key. */
const SCRIPTS: Record<string, { text: string; argv: readonly string[] }> = {
  "fixed window": {
    text: `
      local hits = redis.call('INCR', KEYS[1])
      local left = tonumber(ARGV[1])
      if hits == 1 then
        redis.call('PEXPIRE', KEYS[1], left)
      else
        left = redis.call('PTTL', KEYS[1])
      end
      return {hits, left}`,
    argv: ["60000"],
  },
  "token bucket": {
    text: `
      local rate, size, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
      local had = redis.call('HMGET', KEYS[1], 'tokens', 'at')
      local tokens, at = tonumber(had[1]) or size, tonumber(had[2]) or now
      tokens = math.min(size, tokens + (now - at) * rate)
      local allowed = tokens >= 1
      if allowed then tokens = tokens - 1 end
      redis.call('HSET', KEYS[1], 'tokens', tokens, 'at', now)
      redis.call('PEXPIRE', KEYS[1], 60000)
      return {allowed and 1 or 0, tokens}`,
    argv: ["0.5", "100", "1000"],
  },
  "sliding log": {
    text: `
      local now, window, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
      redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, now - window)
      local used = redis.call('ZCARD', KEYS[1])
      if used < limit then
        redis.call('ZADD', KEYS[1], now, ARGV[4])
        redis.call('PEXPIRE', KEYS[1], window)
      end
      return {used < limit and 1 or 0, limit - used}`,
    argv: ["100000", "60000", "100", "__rand_int__"],
  },
};

export interface ScriptsCell {
  script: string;
  /** Atoll's calls per second to Redis's, per pair. */
  ratio: Spread;
  /** Redis's processor time per call to Atoll's, per pair: above 1, Atoll's is the cheaper. */
  cpuRatio: Spread;
  atoll: Side;
  redis: Side;
  /** Runs that were kept although other processes disturbed them. */
  noisyRuns: number;
}

/** Medians over the pairs. */
interface Side {
  perSecond: number;
  cpuMicros: number;
}

export async function scripts(options: BenchOptions): Promise<Answer<ScriptsCell>> {
  const on = { durability: "relaxed", core: SERVER_CORE } as const;
  await using atoll = await startServer("atoll", on);
  await using redis = await startServer("redis", on);
  const servers: Record<ServerKind, TestServer> = { atoll, redis };
  const cells: ScriptsCell[] = [];
  for (const [script, { text, argv }] of Object.entries(SCRIPTS)) {
    const results: Record<ServerKind, LoadResult[]> = { atoll: [], redis: [] };
    // The first pair warms up and is not counted.
    for (let pair = 0; pair <= options.pairs; pair++) {
      const order: ServerKind[] = pair % 2 === 0 ? ["atoll", "redis"] : ["redis", "atoll"];
      for (const kind of order) {
        const sha = await cached(servers[kind], text);
        const result = await measure(servers[kind], {
          test: ["EVALSHA", sha, "1", "key:__rand_int__", ...argv],
          pipeline: PIPELINE,
          requests: options.quick ? REQUESTS / 20 : REQUESTS,
          valueBytes: 64,
          keys: KEYS,
          clients: 50,
          core: DRIVER_CORE,
          hurried: options.quick,
        });
        if (pair > 0) results[kind].push(result);
      }
      options.note(`${script}, pair ${pair} of ${options.pairs}`);
    }
    const perPair = (of: (a: LoadResult, r: LoadResult) => number): Spread =>
      spreadOf(results.atoll.map((a, i) => of(a, results.redis[i] as LoadResult)));
    cells.push({
      script,
      ratio: perPair((a, r) => a.perSecond / r.perSecond),
      cpuRatio: perPair((a, r) => r.cpuMicros / Math.max(a.cpuMicros, 0.001)),
      atoll: sideOf(results.atoll),
      redis: sideOf(results.redis),
      noisyRuns: [...results.atoll, ...results.redis].filter(({ noisy }) => noisy).length,
    });
  }
  return { question: "scripts", ratio: spreadOf(cells.map(({ ratio }) => ratio.median)), cells };
}

export function scriptsTable({ cells }: Answer<ScriptsCell>): string {
  return table([
    ["script", "calls/s", "redis", "ratio", "CPU µs", "redis", "ratio", "noisy"],
    ...cells.map(({ script, atoll, redis, ratio, cpuRatio, noisyRuns }) => [
      script,
      atoll.perSecond.toFixed(0),
      redis.perSecond.toFixed(0),
      showSpread(ratio),
      atoll.cpuMicros.toFixed(2),
      redis.cpuMicros.toFixed(2),
      showSpread(cpuRatio),
      noisyRuns === 0 ? "" : String(noisyRuns),
    ]),
  ]);
}

/** An empty server that has a script under the digest returned. */
async function cached(server: TestServer, text: string): Promise<string> {
  using connection = await RespConnection.open(server.port);
  await connection.call("FLUSHALL");
  const sha = textOf(await connection.call("SCRIPT", "LOAD", text));
  if (sha === null || sha === undefined) throw new Error("the script does not load");
  return sha.toString();
}

function sideOf(results: readonly LoadResult[]): Side {
  const middle = (figure: (result: LoadResult) => number): number =>
    spreadOf(results.map(figure)).median;
  return {
    perSecond: middle(({ perSecond }) => perSecond),
    cpuMicros: middle(({ cpuMicros }) => cpuMicros),
  };
}
