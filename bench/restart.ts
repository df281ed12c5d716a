/**
 * Restart: how soon a killed server answers again with a million keys, next to Redis with its append-only file.
 *
 *   a million SETs ─► kill -9 ─► start ─► ready: by the clock, and the processor time until then
 *
 * Invariant: every key is there afterwards, which is counted. The files are in the kernel's cache, as after a crash of the process;
 * after one of the machine they are not.
 */
import { RespConnection } from "../test/support/resp-connection.ts";
import { textOf } from "../test/support/resp.ts";
import { startServer, subjectKind, type ServerKind } from "../test/support/server.ts";
import {
  type Answer,
  type BenchOptions,
  showSpread,
  type Spread,
  spreadOf,
  table,
} from "./answer.ts";
import { corpus } from "./corpus.ts";
import { Blocks, flood } from "./flood.ts";
import { processSeconds } from "./processor-time.ts";

interface Start {
  ms: number;
  cpuMs: number;
}

export interface RestartCell {
  keys: number;
  /** Redis' time to Atoll's, per pair: above 1, Atoll is there sooner. */
  ratio: Spread;
  atoll: Start;
  redis: Start;
}

export async function restart({ pairs, quick, note }: BenchOptions): Promise<Answer<RestartCell>> {
  const cells: RestartCell[] = [];
  for (const keys of quick ? [20_000] : [100_000, 1_000_000]) {
    const atoll: Start[] = [];
    const redis: Start[] = [];
    await using ours = await filled(subjectKind(), keys);
    await using theirs = await filled("redis", keys);
    for (let pair = 0; pair < pairs; pair++) {
      atoll.push(await ours.again());
      redis.push(await theirs.again());
    }
    const ratio = spreadOf(atoll.map(({ ms }, i) => (redis[i] as Start).ms / ms));
    cells.push({ keys, ratio, atoll: medianOf(atoll), redis: medianOf(redis) });
    note(`${keys} keys: ${showSpread(ratio)}`);
  }
  return { question: "restart", ratio: spreadOf(cells.map(({ ratio }) => ratio.median)), cells };
}

export function restartTable({ cells }: Answer<RestartCell>): string {
  return table([
    ["keys", "ratio", "Atoll ms", "of processor", "Redis ms", "of processor"],
    ...cells.map(({ keys, ratio, atoll, redis }) => [
      ...[String(keys), showSpread(ratio), atoll.ms.toFixed(0), atoll.cpuMs.toFixed(0)],
      ...[redis.ms.toFixed(0), redis.cpuMs.toFixed(0)],
    ]),
  ]);
}

async function filled(
  kind: ServerKind,
  keys: number,
): Promise<AsyncDisposable & { again: () => Promise<Start> }> {
  const server = await startServer(kind, { durability: "relaxed" });
  const values = corpus(10_000);
  const blocks = new Blocks(keys, 100, (i) => [
    ...["SET", `user:${String(i).padStart(11, "0")}`],
    values[i % values.length] as Buffer,
  ]);
  await flood(server.port, blocks, keys, 8);
  // What is synced every second is synced now.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  return {
    again: async () => {
      await server.kill();
      const startedMs = performance.now();
      await server.start();
      const ms = performance.now() - startedMs;
      const cpuMs = processSeconds(server.pid) * 1_000;
      using connection = await RespConnection.open(server.port);
      const counted = Number(textOf(await connection.call("DBSIZE")));
      if (counted !== keys)
        throw new Error(`${kind} has ${counted} of ${keys} keys after its start`);
      return { ms, cpuMs };
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function medianOf(starts: readonly Start[]): Start {
  return {
    ms: spreadOf(starts.map(({ ms }) => ms)).median,
    cpuMs: spreadOf(starts.map(({ cpuMs }) => cpuMs)).median,
  };
}
