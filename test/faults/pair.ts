/**
 * Pair: two regions with a link, each a process of its own.
 *
 * Invariant: both are killed when the pair is disposed, whatever became of them before.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../support/free-port.ts";
import { textOf } from "../support/resp.ts";
import { eventually, FaultyNode } from "./faulty-node.ts";

export class Pair implements AsyncDisposable {
  readonly a: FaultyNode;
  readonly b: FaultyNode;

  private constructor(a: FaultyNode, b: FaultyNode) {
    this.a = a;
    this.b = b;
  }

  /** Starts the regions `a`, with some more variables around it, and `b` in folders of `dir`. */
  static async start(dir: string, envOfA: Record<string, string> = {}): Promise<Pair> {
    const ports = { a: await freePort(), b: await freePort() };
    const prepare = async (region: "a" | "b", other: "a" | "b"): Promise<FaultyNode> => {
      mkdirSync(join(dir, region));
      return await FaultyNode.prepare({
        dir: join(dir, region),
        region,
        regions: ["a", "b"],
        replicationPort: ports[region],
        links: [{ region: other, port: ports[other] }],
        env: region === "a" ? envOfA : {},
      });
    };
    const pair = new Pair(await prepare("a", "b"), await prepare("b", "a"));
    try {
      await Promise.all([pair.a.start(), pair.b.start()]);
    } catch (error) {
      await pair[Symbol.asyncDispose]();
      throw error;
    }
    return pair;
  }

  /** Waits until both say that `key` is `value`. */
  async agree(key: string, value: string): Promise<void> {
    await eventually(`${key} is ${value} in both`, async () => {
      const replies = await Promise.all([this.a, this.b].map((node) => node.ask("GET", key)));
      return replies.every((reply) => textOf(reply)?.toString() === value);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.a.end(), this.b.end()]);
  }
}
