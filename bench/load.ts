/**
 * Load: one measured run of a driver, redis-benchmark or wrk, against one server.
 *
 * Invariant: a run during which others used more of the processors than `FOREIGN_CORES_MOST` is repeated, and when it
 * never becomes quiet the quietest is kept and marked; a figure does not hide in what company it was taken.
 */
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { atExit } from "../test/support/cleanup.ts";
import type { TestServer } from "../test/support/server.ts";
import { busySeconds, ownSeconds, processSeconds } from "./processor-time.ts";

/** What is measured has one processor to itself, and who measures it another. */
export const SERVER_CORE = 0;
export const DRIVER_CORE = 1;

export const FOREIGN_CORES_MOST = 0.12;
const ATTEMPTS_MOST = 8;

export interface Load {
  /** A test of redis-benchmark, such as `set`, or the words of a command. */
  test: string | readonly string[];
  pipeline: number;
  requests: number;
  /** Bytes per value. */
  valueBytes: number;
  /** Keys are drawn from so many. */
  keys: number;
  clients: number;
  /** The processor of the driver. */
  core: number;
  /** Whether it counts in whatever company it was taken. */
  hurried: boolean;
}

export interface LoadResult {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** The server's processor time per operation. */
  cpuMicros: number;
  /** Processors that neither the server nor the driver used. */
  foreignCores: number;
  /** Whether `foreignCores` stayed above the limit in every attempt. */
  noisy: boolean;
}

/** What is measured: a server, or what stands before one. */
type Measured = Pick<TestServer, "pid" | "port">;

/** What makes the load, and what it says of how that went. */
export interface Driver {
  /** Program and arguments. */
  words: readonly string[];
  figures: (output: string) => {
    requests: number;
    perSecond: number;
    p50Ms: number;
    p99Ms: number;
  };
}

export async function measure(server: Measured, load: Load): Promise<LoadResult> {
  return measureBy(server, redisBenchmark(server.port, load), load.hurried);
}

export async function measureBy(
  server: Pick<Measured, "pid">,
  driver: Driver,
  hurried: boolean,
): Promise<LoadResult> {
  let best: LoadResult | null = null;
  for (let attempt = 0; attempt < ATTEMPTS_MOST; attempt++) {
    // Whatever was busy may be done soon; waiting longer each time costs nothing when it is quiet.
    if (attempt > 0) await sleep(500 * attempt);
    const result = await measureOnce(server, driver);
    if (best === null || result.foreignCores < best.foreignCores) best = result;
    if (!best.noisy || hurried) break;
  }
  if (best === null) throw new Error("bug: nothing was measured");
  return best;
}

function redisBenchmark(port: number, load: Load): Driver {
  return {
    words: [
      ...["taskset", "-c", String(load.core), "redis-benchmark"],
      ...["-p", String(port), "-P", String(load.pipeline)],
      ...["-n", String(load.requests), "-c", String(load.clients)],
      ...["-d", String(load.valueBytes), "-r", String(load.keys), "--csv", "-e"],
      ...(typeof load.test === "string" ? ["-t", load.test] : load.test),
    ],
    figures: (output) => ({ requests: load.requests, ...figures(output) }),
  };
}

async function measureOnce(server: Pick<Measured, "pid">, driver: Driver): Promise<LoadResult> {
  const startedMs = performance.now();
  const before = {
    server: processSeconds(server.pid),
    own: ownSeconds(),
    busy: busySeconds(),
  };
  const output = await driven(driver.words);
  const seconds = (performance.now() - startedMs) / 1_000;
  const serverSeconds = processSeconds(server.pid) - before.server;
  const ownShare = ownSeconds() - before.own;
  const foreignCores = Math.max(
    0,
    (busySeconds() - before.busy - serverSeconds - ownShare) / seconds,
  );
  const { requests, ...seen } = driver.figures(output);
  return {
    ...seen,
    cpuMicros: (serverSeconds / requests) * 1e6,
    foreignCores,
    noisy: foreignCores > FOREIGN_CORES_MOST,
  };
}

/** The figures of the one test that ran, from the lines that --csv prints. */
function figures(output: string): { perSecond: number; p50Ms: number; p99Ms: number } {
  const lines = output
    .trim()
    .split("\n")
    .filter((line) => line.startsWith('"'));
  const [names, values] = lines
    .slice(-2)
    .map((line) => line.split(",").map((entry) => entry.replaceAll('"', "")));
  const figure = (name: string): number => {
    const value = Number(values?.[names?.indexOf(name) ?? -1]);
    if (!Number.isFinite(value)) throw new Error(`redis-benchmark gave no ${name}:\n${output}`);
    return value;
  };
  return {
    perSecond: figure("rps"),
    p50Ms: figure("p50_latency_ms"),
    p99Ms: figure("p99_latency_ms"),
  };
}

function driven([file = "", ...args]: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"] });
    const forget = atExit(() => child.kill("SIGKILL"));
    let output = "";
    let errors = "";
    child.stdout.on("data", (chunk) => (output += String(chunk)));
    child.stderr.on("data", (chunk) => (errors += String(chunk)));
    child.on("error", reject);
    child.on("close", (code, signal) => {
      forget();
      if (code === 0) resolve(output);
      else
        reject(
          new Error(`${args[2] ?? file} ended with ${signal ?? String(code)}: ${errors}${output}`),
        );
    });
  });
}
