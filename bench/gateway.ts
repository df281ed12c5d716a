/**
 * Gateway: what a command costs on its way through the gateway, next to HAProxy, which passes bytes on and knows nothing of them.
 *
 *   driver ─► gateway, on a core with the one redis-server behind it
 *   driver ─► HAProxy, mode tcp, one thread, on the same core with the same server
 *
 * Invariant: the runs of a pair follow each other at once, in turn first. Without HAProxy there is nothing to compare with, and that is said.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { atExit } from "../test/support/cleanup.ts";
import { freePort } from "../test/support/free-port.ts";
import { root, startServer } from "../test/support/server.ts";
import { tempDir } from "../test/support/temp-dir.ts";
import {
  showSpread,
  spreadOf,
  table,
  type Answer,
  type BenchOptions,
  type Spread,
} from "./answer.ts";
import { DRIVER_CORE, SERVER_CORE, measure, type LoadResult } from "./load.ts";

const CLIENTS = 50;

const settings: readonly { test: string; pipeline: number; requests: number }[] = [
  { test: "set", pipeline: 1, requests: 100_000 },
  { test: "get", pipeline: 1, requests: 100_000 },
  { test: "get", pipeline: 16, requests: 1_000_000 },
];

export interface GatewayCell {
  command: string;
  pipeline: number;
  /** Commands per second through the gateway to those through HAProxy, per pair. */
  ratio: Spread;
  /** HAProxy's processor time per command to the gateway's, per pair: above 1, the gateway is the cheaper. */
  cpuRatio: Spread;
  gateway: Side;
  haproxy: Side;
  noisyRuns: number;
}

/** Medians over the pairs. */
interface Side {
  perSecond: number;
  /** Of the proxy alone. */
  cpuMicros: number;
}

interface Proxy extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
}

export async function gateway(options: BenchOptions): Promise<Answer<GatewayCell>> {
  if (spawnSync("haproxy", ["-v"]).status !== 0)
    throw new Error(
      "haproxy is not installed (Debian: haproxy), so there is nothing to compare with",
    );
  await using server = await startServer("redis", { durability: "none", core: SERVER_CORE });
  await using ours = await startGatewayProcess(server.port);
  await using theirs = await startHaproxy(server.port);
  const cells: GatewayCell[] = [];
  for (const { test, pipeline, requests: full } of settings) {
    const requests = options.quick ? Math.ceil(full / 20) : full;
    const load = {
      ...{ test, pipeline, requests, valueBytes: 64, keys: 100_000, clients: CLIENTS },
      core: DRIVER_CORE,
      hurried: options.quick,
    };
    // What is compiled while it runs is a cost of starting.
    for (const proxy of [ours, theirs]) await measure(proxy, { ...load, hurried: true });
    const runs: { ours: LoadResult[]; theirs: LoadResult[] } = { ours: [], theirs: [] };
    for (let pair = 0; pair < options.pairs; pair++)
      for (const side of pair % 2 === 0
        ? (["ours", "theirs"] as const)
        : (["theirs", "ours"] as const))
        runs[side].push(await measure(side === "ours" ? ours : theirs, load));
    const perPair = (of: (a: LoadResult, b: LoadResult) => number): Spread =>
      spreadOf(runs.ours.map((one, i) => of(one, runs.theirs[i] as LoadResult)));
    const cell: GatewayCell = {
      command: test,
      pipeline,
      ratio: perPair((a, b) => a.perSecond / b.perSecond),
      cpuRatio: perPair((a, b) => b.cpuMicros / a.cpuMicros),
      gateway: medianOf(runs.ours),
      haproxy: medianOf(runs.theirs),
      noisyRuns: [...runs.ours, ...runs.theirs].filter(({ noisy }) => noisy).length,
    };
    cells.push(cell);
    options.note(`${test} pipeline ${pipeline}: ${showSpread(cell.ratio)}`);
  }
  return {
    question: "gateway",
    ratio: spreadOf(cells.map((cell) => cell.ratio.median)),
    cells,
  };
}

function medianOf(runs: readonly LoadResult[]): Side {
  return {
    perSecond: Math.round(spreadOf(runs.map((run) => run.perSecond)).median),
    cpuMicros: Number(spreadOf(runs.map((run) => run.cpuMicros)).median.toFixed(2)),
  };
}

export function gatewayTable({ cells }: Answer<GatewayCell>): string {
  return table([
    ["command", "P", "throughput ratio", "CPU ratio", "k/s", "CPU µs", "noisy"],
    ...cells.map(({ command, pipeline, ratio, cpuRatio, gateway: a, haproxy: b, noisyRuns }) => [
      command,
      String(pipeline),
      showSpread(ratio),
      showSpread(cpuRatio),
      `${Math.round(a.perSecond / 1_000)} / ${Math.round(b.perSecond / 1_000)}`,
      `${a.cpuMicros} / ${b.cpuMicros}`,
      String(noisyRuns),
    ]),
  ]);
}

async function startGatewayProcess(redisPort: number): Promise<Proxy> {
  const program = join(root, "bench", "gateway-process.ts");
  const started = start(process.execPath, [program, `redis://127.0.0.1:${redisPort}`]);
  const lines = createInterface({ input: started.child.stdout });
  const [line] = (await once(lines, "line")) as [string];
  return { ...started.proxy, port: Number(line) };
}

async function startHaproxy(redisPort: number): Promise<Proxy> {
  const dir = tempDir("haproxy");
  const port = await freePort();
  const file = join(dir.path, "haproxy.cfg");
  writeFileSync(
    file,
    `global
  nbthread 1
defaults
  mode tcp
  timeout connect 1s
  timeout client 1m
  timeout server 1m
listen redis
  bind 127.0.0.1:${port}
  server one 127.0.0.1:${redisPort}
`,
  );
  const { proxy } = start("haproxy", ["-db", "-f", file]);
  while (!(await isListening(port))) await sleep(20);
  return {
    ...proxy,
    port,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      dir[Symbol.dispose]();
    },
  };
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect({ port, host: "127.0.0.1" });
  try {
    return await Promise.race([
      once(socket, "connect").then(() => true),
      once(socket, "close").then(() => false),
    ]);
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

function start(program: string, words: readonly string[]) {
  const child = spawn("taskset", ["-c", String(SERVER_CORE), program, ...words], {
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
