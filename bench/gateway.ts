/**
 * Gateway: what a command, or an HTTP request, costs on its way through the gateway, next to HAProxy, which passes commands on as bytes.
 *
 *   driver ─► gateway, on a core with the one redis-server behind it          wrk ─► gateway ─► an HTTP server beside wrk
 *   driver ─► HAProxy, mode tcp, one thread, on the same core                 wrk ─► HAProxy, mode http, one thread ─► the same
 *
 * Invariant: the runs of a pair follow each other at once, in turn first. Without HAProxy there is nothing to compare with, and that is said.
 */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
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
import { compared, type Comparison, type Proxy, type Side, start } from "./compared.ts";
import {
  DRIVER_CORE,
  type Driver,
  type LoadResult,
  measure,
  measureBy,
  SERVER_CORE,
} from "./load.ts";

const CLIENTS = 50;

const settings: readonly { test: string; pipeline: number; requests: number }[] = [
  { test: "set", pipeline: 1, requests: 100_000 },
  { test: "get", pipeline: 1, requests: 100_000 },
  { test: "get", pipeline: 16, requests: 1_000_000 },
];

const HTTP_CONNECTIONS = 32;
const HTTP_SECONDS = 10;

export interface GatewayCell {
  command: string;
  pipeline: number;
  /** Commands, or requests, per second through the gateway to those through HAProxy, per pair. */
  ratio: Spread;
  /** HAProxy's processor time per command to the gateway's, per pair: above 1, the gateway is the cheaper. */
  cpuRatio: Spread;
  gateway: Side;
  haproxy: Side;
  noisyRuns: number;
}

export async function gateway(options: BenchOptions): Promise<Answer<GatewayCell>> {
  if (spawnSync("haproxy", ["-v"]).status !== 0)
    throw new Error(
      "haproxy is not installed (Debian: haproxy), so there is nothing to compare with",
    );
  const cells: GatewayCell[] = [];
  const add = (cell: GatewayCell): void => {
    cells.push(cell);
    options.note(`${cell.command} pipeline ${cell.pipeline}: ${showSpread(cell.ratio)}`);
  };
  await commands(options, add);
  await requests(options, add);
  return {
    question: "gateway",
    ratio: spreadOf(cells.map((cell) => cell.ratio.median)),
    cells,
  };
}

async function commands(options: BenchOptions, add: (cell: GatewayCell) => void): Promise<void> {
  await using server = await startServer("redis", { durability: "none", core: SERVER_CORE });
  await using ours = await startGatewayProcess(`redis://127.0.0.1:${server.port}`);
  await using theirs = await startHaproxy("tcp", server.port);
  for (const { test, pipeline, requests: full } of settings) {
    const load = {
      ...{ test, pipeline, requests: options.quick ? Math.ceil(full / 20) : full },
      ...{ valueBytes: 64, keys: 100_000, clients: CLIENTS, core: DRIVER_CORE },
    };
    const run = (proxy: Proxy, hurried: boolean): Promise<LoadResult> =>
      measure(proxy, { ...load, hurried });
    add({ command: test, pipeline, ...cellOf(await compared(ours, theirs, run, options)) });
  }
}

async function requests(options: BenchOptions, add: (cell: GatewayCell) => void): Promise<void> {
  if (spawnSync("wrk", ["-v"]).error !== undefined)
    throw new Error("wrk is not installed (Debian: wrk), so there is nothing that asks over HTTP");
  await using server = await startAnswering();
  await using ours = await startGatewayProcess(`http://127.0.0.1:${server.port}`);
  await using theirs = await startHaproxy("http", server.port);
  const run = (proxy: Proxy, hurried: boolean): Promise<LoadResult> => {
    const seconds = hurried ? 2 : HTTP_SECONDS;
    return measureBy(proxy, wrk(proxy.port, options.quick ? 1 : seconds), hurried);
  };
  add({ command: "http", pipeline: 1, ...cellOf(await compared(ours, theirs, run, options)) });
}

function cellOf({ sides: [ours, theirs], ...rest }: Comparison) {
  return { ...rest, gateway: ours, haproxy: theirs };
}

function wrk(port: number, seconds: number): Driver {
  const words = ["taskset", "-c", String(DRIVER_CORE), "wrk", "-t", "1", "--latency"];
  return {
    words: [
      ...words,
      ...["-c", String(HTTP_CONNECTIONS), "-d", `${seconds}s`],
      `http://127.0.0.1:${port}/`,
    ],
    figures: (output) => {
      const found = (pattern: RegExp): string => {
        const [, value] = pattern.exec(output) ?? [];
        if (value === undefined) throw new Error(`wrk said something else:\n${output}`);
        return value;
      };
      if (/Non-2xx|Socket errors/.test(output)) throw new Error(`requests failed:\n${output}`);
      return {
        requests: Number(found(/(\d+) requests in/)),
        perSecond: Number(found(/Requests\/sec:\s+([\d.]+)/)),
        p50Ms: milliseconds(found(/50%\s+([\d.]+[mu]?s)/)),
        p99Ms: milliseconds(found(/99%\s+([\d.]+[mu]?s)/)),
      };
    },
  };
}

function milliseconds(text: string): number {
  const value = Number.parseFloat(text);
  if (text.endsWith("us")) return value / 1_000;
  return text.endsWith("ms") ? value : value * 1_000;
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

async function startGatewayProcess(target: string): Promise<Proxy> {
  const program = join(root, "bench", "gateway-process.ts");
  const started = start(SERVER_CORE, process.execPath, [program, target]);
  const lines = createInterface({ input: started.child.stdout });
  const [line] = (await once(lines, "line")) as [string];
  return { ...started.proxy, port: Number(line) };
}

const PROXY = `defaults
  timeout connect 1s
  timeout client 1m
  timeout server 1m
`;

function startHaproxy(mode: "tcp" | "http", target: number): Promise<Proxy> {
  return startHaproxyWith(
    SERVER_CORE,
    (port) => `${PROXY}
listen one
  mode ${mode}
  bind 127.0.0.1:${port}
  server one 127.0.0.1:${target}
`,
  );
}

/** An HTTP server that costs little: an HAProxy that answers by itself. */
function startAnswering(): Promise<Proxy> {
  return startHaproxyWith(
    DRIVER_CORE,
    (port) => `${PROXY}
frontend answers
  mode http
  bind 127.0.0.1:${port}
  http-request return status 200 content-type text/plain string "${"x".repeat(64)}"
`,
  );
}

async function startHaproxyWith(core: number, rest: (port: number) => string): Promise<Proxy> {
  const dir = tempDir("haproxy");
  const port = await freePort();
  const file = join(dir.path, "haproxy.cfg");
  writeFileSync(file, `global\n  nbthread 1\n${rest(port)}`);
  const { proxy } = start(core, "haproxy", ["-db", "-f", file]);
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
