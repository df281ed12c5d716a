/**
 * Chaos lab: a lab of real processes for tests that hurt it, and clients that remember what they were told.
 *
 * Invariant: a client counts a write as acknowledged only when its reply arrived; one whose connection broke while it waited is
 * counted as perhaps made. So the sum of what must be there and the sum of what may be there are known exactly.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parse } from "yaml";
import type { NodeStatus } from "../../src/host/status.ts";
import { atoll, RunningCommand } from "../lab/lab-process.ts";
import { RespConnection } from "../support/resp-connection.ts";
import type { Reply } from "../support/resp.ts";
import { tempDir } from "../support/temp-dir.ts";

export interface Region {
  readonly name: string;
  readonly port: number;
}

type TempDir = ReturnType<typeof tempDir>;

export class ChaosLab implements AsyncDisposable {
  regions: readonly Region[];
  readonly #dir: TempDir;
  readonly #lab: RunningCommand;

  private constructor(regions: readonly Region[], dir: TempDir, lab: RunningCommand) {
    this.regions = regions;
    this.#dir = dir;
    this.#lab = lab;
  }

  static start(...options: string[]): Promise<ChaosLab> {
    return ChaosLab.#start(tempDir("chaos"), options);
  }

  /** A lab of three regions, 20 ms apart, whose nodes begin with these keyspaces, as YAML. */
  static withKeyspaces(keyspaces: string): Promise<ChaosLab> {
    const dir = tempDir("chaos");
    const file = `${dir.path}/keyspaces.yaml`;
    writeFileSync(file, keyspaces);
    return ChaosLab.#start(dir, ["--wan", "20", "--keyspaces", file]);
  }

  static async #start(dir: TempDir, options: readonly string[]): Promise<ChaosLab> {
    const lab = new RunningCommand([
      "lab",
      "--json",
      ...["--port", "0", "--dir", `${dir.path}/lab`],
      ...options,
    ]);
    await lab.until(({ stdout }) => stdout.includes("\n"));
    const { regions } = JSON.parse(lab.stdout) as { regions: { name: string; redis: string }[] };
    return new ChaosLab(
      regions.map(({ name, redis }) => ({ name, port: Number(new URL(redis).port) })),
      dir,
      lab,
    );
  }

  /** Where the nodes keep what they have. */
  get dir(): string {
    return `${this.#dir.path}/lab`;
  }

  /** What a region's node says of itself. */
  async status(name: string): Promise<NodeStatus> {
    const text = readFileSync(`${this.dir}/${name}/node.yaml`, "utf8");
    const { http } = parse(text) as { http: { port: number } };
    const answer = await fetch(`http://127.0.0.1:${http.port}/status`);
    return (await answer.json()) as NodeStatus;
  }

  /** Regions were added. */
  takeUp(name: string): Region {
    const text = readFileSync(`${this.dir}/${name}/node.yaml`, "utf8");
    const { resp } = parse(text) as { resp: { port: number } };
    const region = { name, port: resp.port };
    this.regions = [...this.regions, region];
    return region;
  }

  /** Runs `atoll lab <words>` on this lab; throws with what it said if it failed. */
  async do(...words: string[]): Promise<string> {
    const { code, stdout, stderr } = await atoll("lab", ...words, "--dir", `${this.#dir.path}/lab`);
    if (code !== 0) throw new Error(`lab ${words.join(" ")} failed: ${stdout}${stderr}`);
    return stdout;
  }

  /** One command, on a connection of its own. */
  async ask(region: Region, ...command: string[]): Promise<Reply> {
    using connection = await RespConnection.open(region.port);
    return await connection.call(...command);
  }

  /** The replies of all regions to some commands once they agree; throws with all of them if they do not within `withinMs`. */
  async agree(commands: string[][], withinMs = 60_000): Promise<string[]> {
    const giveUpMs = performance.now() + withinMs;
    for (;;) {
      const seen: string[][] = [];
      for (const region of this.regions) {
        using connection = await RespConnection.open(region.port);
        const replies = await connection.pipeline(commands);
        seen.push(replies.map(canonical));
      }
      const [first = []] = seen;
      if (seen.every((replies) => replies.join("\n") === first.join("\n"))) return first;
      if (performance.now() > giveUpMs)
        throw new Error(
          `the regions do not agree after ${withinMs} ms:\n${seen.map((replies, i) => `${this.regions[i]?.name}: ${replies.join(" | ")}`).join("\n")}`,
        );
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#lab.child.kill("SIGTERM");
    await this.#lab.ended;
    this.#dir[Symbol.dispose]();
  }
}

/** A reply as text; the items of an aggregate in order, since sets and hashes have none. */
function canonical(reply: Reply): string {
  if ("items" in reply) return `[${(reply.items ?? []).map(canonical).toSorted().join(",")}]`;
  return reply.text === null ? "nil" : reply.text.toString("latin1");
}

/** Counts of a client that goes on through everything. */
export interface Tally {
  acknowledged: number;
  /** Sent, but the connection ended before the reply came. */
  perhaps: number;
}

/** Sends `command` in pipelines of `depth` to a region until `total` were sent, reconnecting whenever the region comes back. */
export async function drive(
  region: Region,
  total: number,
  depth: number,
  command: (n: number) => string[],
  tally: Tally,
): Promise<void> {
  let sent = 0;
  while (sent < total) {
    let connection: RespConnection;
    try {
      connection = await RespConnection.open(region.port);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
      continue;
    }
    try {
      while (sent < total) {
        const batch = Math.min(depth, total - sent);
        const commands = Array.from({ length: batch }, (_, i) => command(sent + i));
        sent += batch;
        tally.perhaps += batch;
        const replies = await connection.pipeline(commands);
        tally.perhaps -= batch;
        tally.acknowledged += replies.length;
      }
    } catch {
      const answered = connection.takeAnswered().length;
      tally.acknowledged += answered;
      tally.perhaps -= answered;
    } finally {
      connection[Symbol.dispose]();
    }
  }
}
