/**
 * Compared: two servers that do the same, run one after the other under the same load.
 *
 * Invariant: the runs of a pair follow each other at once, in turn first; both have run before what counts.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { atExit } from "../test/support/cleanup.ts";
import { spreadOf, type BenchOptions, type Spread } from "./answer.ts";
import type { LoadResult } from "./load.ts";

/** Medians over the pairs. */
export interface Side {
  perSecond: number;
  /** Of the server alone. */
  cpuMicros: number;
}

export interface Proxy extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
}

export interface Comparison {
  /** Answers per second of ours to those of theirs, per pair. */
  ratio: Spread;
  /** Their processor time per answer to ours, per pair: above 1, ours is the cheaper. */
  cpuRatio: Spread;
  /** Ours and theirs. */
  sides: readonly [Side, Side];
  noisyRuns: number;
}

/** Runs one after the other, each side first in every second pair. */
export async function compared(
  ours: Proxy,
  theirs: Proxy,
  run: (proxy: Proxy, hurried: boolean) => Promise<LoadResult>,
  { pairs, quick }: BenchOptions,
): Promise<Comparison> {
  // What is compiled while it runs is a cost of starting.
  for (const proxy of [ours, theirs]) await run(proxy, true);
  const runs: { ours: LoadResult[]; theirs: LoadResult[] } = { ours: [], theirs: [] };
  for (let pair = 0; pair < pairs; pair++)
    for (const side of pair % 2 === 0
      ? (["ours", "theirs"] as const)
      : (["theirs", "ours"] as const))
      runs[side].push(await run(side === "ours" ? ours : theirs, quick));
  const perPair = (of: (a: LoadResult, b: LoadResult) => number): Spread =>
    spreadOf(runs.ours.map((one, i) => of(one, runs.theirs[i] as LoadResult)));
  return {
    ratio: perPair((a, b) => a.perSecond / b.perSecond),
    cpuRatio: perPair((a, b) => b.cpuMicros / a.cpuMicros),
    sides: [medianOf(runs.ours), medianOf(runs.theirs)],
    noisyRuns: [...runs.ours, ...runs.theirs].filter(({ noisy }) => noisy).length,
  };
}

function medianOf(runs: readonly LoadResult[]): Side {
  return {
    perSecond: Math.round(spreadOf(runs.map((run) => run.perSecond)).median),
    cpuMicros: Number(spreadOf(runs.map((run) => run.cpuMicros)).median.toFixed(2)),
  };
}

/** Starts a program on one core. */
export function start(core: number, program: string, words: readonly string[]) {
  const child = spawn("taskset", ["-c", String(core), program, ...words], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const forget = atExit(() => child.kill("SIGKILL"));
  const gone = once(child, "exit");
  return {
    child,
    proxy: {
      pid: child.pid ?? 0,
      async [Symbol.asyncDispose]() {
        child.kill("SIGTERM");
        await gone;
        forget();
      },
    },
  };
}
