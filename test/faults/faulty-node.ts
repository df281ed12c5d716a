/**
 * Faulty node: one node as a real process, in surroundings that the test spoils: another program around it, other variables.
 *
 * Invariant: what it says and how it ends are kept, since that is what these tests judge; it is killed when disposed, and at exit
 * when nobody did. Its directory belongs to the test, so that it can be damaged while the node is down.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { NodeStatus } from "../../src/host/status.ts";
import { atExit } from "../support/cleanup.ts";
import { freePort } from "../support/free-port.ts";
import { RespConnection } from "../support/resp-connection.ts";
import type { Reply } from "../support/resp.ts";
import { root } from "../support/server.ts";

export interface FaultyNodeOptions {
  /** Where its configuration lies and, unless `data` says otherwise, its data. */
  dir: string;
  data?: string;
  region?: string;
  durability?: "local" | "relaxed";
  requirepass?: string;
  /** The replication ports of the regions it dials, and their names. */
  links?: { region: string; port: number }[];
  /** All regions, when there are others. */
  regions?: string[];
  replicationPort?: number;
  maxClients?: number;
  /** A program and its words, which runs the node: it must end in it (`exec`), so that the process is the node. */
  within?: string[];
  env?: Record<string, string>;
}

const SECRET = "a secret for tests";

export class FaultyNode implements AsyncDisposable {
  readonly port: number;
  readonly httpPort: number;
  readonly replicationPort: number;
  readonly data: string;
  /** The checkout whose program the next start runs. */
  build: string = root;
  /** Everything the present process has said, on both streams. */
  output = "";
  readonly #options: FaultyNodeOptions;
  #child: ChildProcess | null = null;
  #ended: Promise<number | null> = Promise.resolve(null);

  private constructor(options: FaultyNodeOptions, ports: [number, number, number]) {
    this.#options = options;
    this.data = options.data ?? join(options.dir, "data");
    [this.port, this.httpPort, this.replicationPort] = ports;
  }

  /** A node that is not started yet. */
  static async prepare(options: FaultyNodeOptions): Promise<FaultyNode> {
    const replicationPort = options.replicationPort ?? (await freePort());
    return new FaultyNode(options, [await freePort(), await freePort(), replicationPort]);
  }

  static async start(options: FaultyNodeOptions): Promise<FaultyNode> {
    const node = await FaultyNode.prepare(options);
    try {
      await node.start();
    } catch (error) {
      await node[Symbol.asyncDispose]();
      throw error;
    }
    return node;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error("the node does not run");
    return pid;
  }

  /** Resolves with the exit code, or null when a signal ended it. */
  get ended(): Promise<number | null> {
    return this.#ended;
  }

  /** Starts the process without waiting for anything. */
  spawn(): void {
    const { dir, within = [], env = {} } = this.#options;
    const config = join(dir, "node.yaml");
    writeFileSync(config, this.#config());
    const packaged = join(root, "node_modules", ".bin", "node");
    const node = existsSync(packaged) ? packaged : process.execPath;
    const [program = node, ...words] = [
      ...within,
      ...[node, join(this.build, "src", "main.ts"), "serve", "--config", config],
    ];
    // The configuration file alone decides, not what the one who runs the tests has set.
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("ATOLL_"));
    const child = spawn(program, words, {
      cwd: root,
      env: { ...Object.fromEntries(inherited), ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const forget = atExit(() => child.kill("SIGKILL"));
    this.output = "";
    const keep = (chunk: Buffer): void => void (this.output += String(chunk));
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    this.#child = child;
    this.#ended = once(child, "close").then(([code]: unknown[]) => {
      forget();
      return typeof code === "number" ? code : null;
    });
  }

  /** Starts the process and resolves when it answers that it is ready. */
  async start(): Promise<void> {
    this.spawn();
    const child = this.#child;
    await eventually("the node is ready", async () => {
      if (child === null || child.exitCode !== null || child.signalCode !== null)
        throw new Stop(`the node ended instead of starting:\n${this.output}`);
      return (await this.ready()).status === 200;
    });
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  /** Sends a signal, SIGKILL unless told, and waits for the end; resolves with the exit code. */
  async end(signal: NodeJS.Signals = "SIGKILL"): Promise<number | null> {
    this.signal(signal);
    return await this.#ended;
  }

  /** What `/health/ready` says; status 0 while nobody answers. */
  async ready(): Promise<{ status: number; text: string }> {
    try {
      const answer = await fetch(`http://127.0.0.1:${this.httpPort}/health/ready`);
      return { status: answer.status, text: await answer.text() };
    } catch {
      return { status: 0, text: "" };
    }
  }

  async status(): Promise<NodeStatus> {
    const answer = await fetch(`http://127.0.0.1:${this.httpPort}/status`);
    return (await answer.json()) as NodeStatus;
  }

  /** One command, on a connection of its own. */
  async ask(...command: (string | number)[]): Promise<Reply> {
    using connection = await RespConnection.open(this.port);
    return await connection.call(...command);
  }

  /** Resident memory of the process, in bytes. */
  residentBytes(): number {
    const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.pid}/status`, "latin1"));
    return Number(line?.[1]) * 1024;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  #config(): string {
    const { durability = "local", region = "test", requirepass, maxClients } = this.#options;
    const { links = [], regions = [] } = this.#options;
    const dialled = links.map((link) => ({
      to: `${link.region}/1`,
      address: `127.0.0.1:${link.port}`,
    }));
    return [
      `region: ${region}`,
      `dir: ${JSON.stringify(this.data)}`,
      `durability: ${durability}`,
      `resp: { port: ${this.port}, maxClients: ${maxClients ?? 10_000} }`,
      ...(requirepass === undefined ? [] : [`requirepass: ${JSON.stringify(requirepass)}`]),
      `http: { port: ${this.httpPort} }`,
      ...(regions.length === 0
        ? []
        : [`members: ${JSON.stringify(regions.map((name) => `${name}/1`))}`]),
      `replication: { port: ${this.replicationPort}, secret: ${JSON.stringify(SECRET)}, links: ${JSON.stringify(dialled)} }`,
      "",
    ].join("\n");
  }
}

/** Thrown out of a condition: it can no longer come true. */
export class Stop extends Error {
  override name = "Stop";
}

/** Waits until `holds`; fails, naming `what`, after `withinMs`, which is generous: only a hang should meet it. */
export async function eventually(
  what: string,
  holds: () => Promise<boolean> | boolean,
  withinMs = 60_000,
): Promise<void> {
  const giveUpMs = performance.now() + withinMs;
  let last: unknown = null;
  for (;;) {
    try {
      if (await holds()) return;
      last = null;
    } catch (error) {
      if (error instanceof Stop) throw error;
      last = error;
    }
    if (performance.now() > giveUpMs)
      throw new Error(`not within ${withinMs} ms: ${what}`, { cause: last });
    await sleep(50);
  }
}
