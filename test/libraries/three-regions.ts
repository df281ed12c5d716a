/**
 * Three regions: a lab for a file of tests, and a client of the library people use in each of its regions.
 *
 * Invariant: what a test opens ends with it, whether it passes or not, or the lab's own end would be waited for.
 */
import { Redis } from "ioredis";
import { createClient } from "redis6";
import { ChaosLab } from "../chaos/chaos-lab.ts";

const names = ["us-east", "us-west", "eu-west"] as const;
export type RegionName = (typeof names)[number];

export class ThreeRegions implements AsyncDisposable {
  readonly lab: ChaosLab;
  readonly #ends: (() => unknown)[] = [];

  private constructor(lab: ChaosLab) {
    this.lab = lab;
  }

  static async start(...options: string[]): Promise<ThreeRegions> {
    return new ThreeRegions(await ChaosLab.start(...options));
  }

  port(region: RegionName): number {
    const found = this.lab.regions.find(({ name }) => name === region);
    if (found === undefined) throw new Error(`the lab has no region ${region}`);
    return found.port;
  }

  /** An ioredis client, which reconnects as it does for its users. */
  ioredis(region: RegionName, options: object = {}): Redis {
    const client = new Redis({ port: this.port(region), ...options });
    client.on("error", () => {});
    this.#ends.push(() => client.disconnect());
    return client;
  }

  /** A node-redis client, connected. */
  // The library's own type says which modules and which protocol it has: it is inferred.
  // oxlint-disable-next-line typescript/explicit-function-return-type
  async nodeRedis(region: RegionName) {
    const client = createClient({ socket: { port: this.port(region) } });
    client.on("error", () => {});
    await client.connect();
    this.#ends.push(() => client.close());
    return client;
  }

  /** Something that must be ended before the lab is, the last first. */
  atEnd(end: () => unknown): void {
    this.#ends.push(end);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#ends.toReversed()) await end();
    await this.lab[Symbol.asyncDispose]();
  }
}

/** Asks until the answer is the wanted one: what another region wrote is on its way. */
export async function until<T>(
  ask: () => Promise<T> | T,
  wanted: (answer: T) => boolean,
  withinMs = 30_000,
): Promise<T> {
  const giveUpMs = performance.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (wanted(answer)) return answer;
    if (performance.now() > giveUpMs)
      throw new Error(`it did not become so within ${withinMs} ms: ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
