/**
 * Server: a real server process for tests and benchmarks, Atoll or the machine's redis-server.
 *
 * Invariant: it answers before its owner gets it; it is killed and its directory removed when disposed, and at exit when
 * nobody did. `kill` and `start` keep directory and ports, so what the server made durable is found again.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { atExit } from "./cleanup.ts";
import { freePort } from "./free-port.ts";
import { RespConnection } from "./resp-connection.ts";
import { isError, textOf } from "./resp.ts";
import { tempDir } from "./temp-dir.ts";

/** `none` writes nothing to disk and exists for Redis only; Atoll takes it for `relaxed`. */
export type Durability = "none" | "relaxed" | "local";

export interface ServerOptions {
  durability?: Durability;
  requirepass?: string;
  /** The only processor it may run on. */
  core?: number;
  /** How long it may take to answer, in ms; 30,000 by default. */
  readyWithinMs?: number;
  /** Which of a cluster's regions it is, and where the others replicate; Atoll only. */
  region?: RegionOptions;
}

/** One of a cluster's regions, of one replica each. */
export interface RegionOptions {
  name: string;
  replicationPort: number;
  /** The others, by name, with the ports at which they replicate. */
  others: Readonly<Record<string, number>>;
}

export interface TestServer extends AsyncDisposable {
  readonly kind: ServerKind;
  readonly port: number;
  /** Where Atoll answers over HTTP; Redis does not. */
  readonly httpPort: number;
  readonly dir: string;
  /** The running process. Throws while there is none. */
  readonly pid: number;
  /** SIGKILL, and gone when it resolves. */
  kill(): Promise<void>;
  /** Starts again after `kill`, on the same directory and ports. */
  start(): Promise<void>;
}

export type ServerKind = "atoll" | "redis";

/** The project's root. */
export const root: string = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** What is under test: Atoll, or with `ATOLL_TEST_TARGET=redis` a redis-server standing in for it. */
export function subjectKind(): ServerKind {
  return process.env["ATOLL_TEST_TARGET"] === "redis" ? "redis" : "atoll";
}

export function startSubject(options: ServerOptions = {}): Promise<TestServer> {
  return startServer(subjectKind(), options);
}

export async function startServer(
  kind: ServerKind,
  options: ServerOptions = {},
): Promise<TestServer> {
  const dir = tempDir(kind);
  const port = await freePort();
  const readyPort = kind === "atoll" ? await freePort() : port;
  const [file = "", ...args] =
    kind === "atoll"
      ? atollCommand(dir.path, port, readyPort, options.region ?? (await alone()), options)
      : redisCommand(dir.path, port, options);
  // The configuration file alone decides, not what the one who runs the tests has set.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith("ATOLL_")),
  );
  const readyWithinMs = options.readyWithinMs ?? 30_000;
  let running: { child: ChildProcess; forget: () => void } | null = null;

  const server: TestServer = {
    kind,
    port,
    httpPort: readyPort,
    dir: dir.path,
    get pid() {
      if (running?.child.pid === undefined) throw new Error(`the ${kind} server does not run`);
      return running.child.pid;
    },
    async kill() {
      if (running === null) return;
      const { child, forget } = running;
      running = null;
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGKILL");
        await once(child, "exit");
      }
      forget();
    },
    async start() {
      if (running !== null) throw new Error(`the ${kind} server runs already`);
      const child = spawn(file, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
      running = { child, forget: atExit(() => child.kill("SIGKILL")) };
      const output = tailOf(child);
      let failure: string | null = null;
      child.on("error", (error) => (failure = error.message));
      child.on("exit", (code, signal) => (failure ??= `it ended with ${signal ?? String(code)}`));
      const deadlineMs = performance.now() + readyWithinMs;
      for (;;) {
        if (await isReady(kind, readyPort, options.requirepass)) return;
        if (performance.now() > deadlineMs) failure ??= `no answer within ${readyWithinMs} ms`;
        if (failure !== null) {
          await server.kill();
          throw new Error(`the ${kind} server did not start: ${failure}\n${output()}`);
        }
        await sleep(20);
      }
    },
    async [Symbol.asyncDispose]() {
      await server.kill();
      dir[Symbol.dispose]();
    },
  };
  try {
    await server.start();
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return server;
}

async function alone(): Promise<RegionOptions> {
  return { name: "test", replicationPort: await freePort(), others: {} };
}

function pinned(core: number | undefined): string[] {
  return core === undefined ? [] : ["taskset", "-c", String(core)];
}

function atollCommand(
  dir: string,
  port: number,
  httpPort: number,
  { name, replicationPort, others }: RegionOptions,
  options: ServerOptions,
): string[] {
  const config = join(dir, "node.yaml");
  const links = Object.entries(others).map(
    ([other, at]) => `{ to: ${other}/1, address: "127.0.0.1:${at}" }`,
  );
  writeFileSync(
    config,
    [
      `region: ${name}`,
      `dir: ${JSON.stringify(join(dir, "data"))}`,
      `durability: ${options.durability === "local" ? "local" : "relaxed"}`,
      `resp: { port: ${port} }`,
      ...(options.requirepass === undefined
        ? []
        : [`requirepass: ${JSON.stringify(options.requirepass)}`]),
      `http: { port: ${httpPort} }`,
      `replication: { port: ${replicationPort}, secret: "a secret for tests", links: [${links.join()}] }`,
      "",
    ].join("\n"),
  );
  const packaged = join(root, "node_modules", ".bin", "node");
  const node = existsSync(packaged) ? packaged : process.execPath;
  const main = join(root, "src", "main.ts");
  return [...pinned(options.core), node, main, "serve", "--config", config];
}

function redisCommand(dir: string, port: number, options: ServerOptions): string[] {
  const durability = options.durability ?? "none";
  return [
    ...pinned(options.core),
    "redis-server",
    ...["--port", String(port), "--bind", "127.0.0.1", "--dir", dir, "--save", ""],
    ...["--appendonly", durability === "none" ? "no" : "yes"],
    ...["--appendfsync", durability === "local" ? "always" : "everysec"],
    ...(options.requirepass === undefined ? [] : ["--requirepass", options.requirepass]),
  ];
}

/** Atoll says so over HTTP; Redis is ready when it answers anything but that it is loading. */
async function isReady(kind: ServerKind, port: number, password?: string): Promise<boolean> {
  try {
    if (kind === "atoll") {
      const answer = await fetch(`http://127.0.0.1:${port}/health/ready`);
      await answer.arrayBuffer();
      return answer.status === 200;
    }
    using connection = await RespConnection.open(port);
    if (password !== undefined) await connection.call("AUTH", password);
    const reply = await connection.call("PING");
    return !(isError(reply) && textOf(reply)?.toString().startsWith("LOADING"));
  } catch {
    return false;
  }
}

/** The last of what the process said, for the error when it does not start. */
function tailOf(child: ChildProcess): () => string {
  let text = "";
  const keep = (chunk: Buffer): void => void (text = (text + String(chunk)).slice(-4_000));
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  return () => text;
}
