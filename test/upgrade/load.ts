/**
 * Load: a client of one region that writes to keys of every type, and goes on when the node is exchanged.
 *
 * Invariant: what it counts as acknowledged has been answered. A round is one pipeline; of a round whose connection broke, what was
 * answered counts, and the rest may be there or not.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { RespConnection } from "../support/resp-connection.ts";
import { isError, itemsOf, type Reply, textOf } from "../support/resp.ts";

const KEYS = 200;

/** What write `n` of writer `w` sends. */
function commands(w: string, n: number): string[][] {
  return [
    ["SET", `string:${w}:${n % KEYS}`, String(n)],
    ["INCR", `count:${w}`],
    ["INCR", "count:all"],
    ["SADD", `set:${w}`, String(n)],
    ["SADD", "set:all", `${w}${n}`],
    ["HSET", `hash:${w}`, String(n % KEYS), String(n)],
    ["HINCRBY", "hash:all", "count", "1"],
    ["RPUSH", `list:${w}`, String(n)],
    ["ZADD", `zset:${w}`, String(n), String(n % KEYS)],
    ["XADD", `stream:${w}`, "*", "n", String(n)],
    ["PFADD", "hll:all", `${w}${n}`],
    ["SETBIT", `bits:${w}`, String(n), "1"],
    ["SET", `session:${w}:${n % KEYS}`, "x", "EX", "3600"],
    ["JSON.SET", `document:${w}`, "$", `{"n":${n}}`],
    ["SADD", "gone:all", "x"],
    ["DEL", "gone:all"],
  ];
}

export class Load {
  readonly #name: string;
  readonly #port: number;
  readonly #ended: Promise<void>;
  readonly #refusals: string[] = [];
  #stopped = false;
  /** Writes begun, and writes of which every command was answered. */
  #begun = 0;
  readonly #acknowledged = new Set<number>();

  constructor(name: string, port: number) {
    this.#name = name;
    this.#port = port;
    this.#ended = this.#run();
  }

  /** How many writes were acknowledged until now. */
  get acknowledged(): number {
    return this.#acknowledged.size;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ended;
  }

  async #run(): Promise<void> {
    while (!this.#stopped)
      try {
        using connection = await RespConnection.open(this.#port);
        while (!this.#stopped) await this.#round(connection);
      } catch {
        await sleep(20);
      }
  }

  async #round(connection: RespConnection): Promise<void> {
    const n = this.#begun++;
    const replies = await connection.pipeline(commands(this.#name, n));
    const refusal = replies.find(isError);
    if (refusal === undefined) this.#acknowledged.add(n);
    else {
      const text = textOf(refusal)?.toString() ?? "";
      // A node that starts says so; any other refusal is one that a client would not understand.
      if (!/^-?LOADING/.test(text)) this.#refusals.push(text);
      await sleep(20);
    }
  }

  /** What is missing of what was acknowledged, as the region at `port` tells it; an empty list when nothing is. */
  async missing(port: number): Promise<string[]> {
    using connection = await RespConnection.open(port);
    const w = this.#name;
    const [set, list, count, strings, stream] = await connection.pipeline([
      ["SMEMBERS", `set:${w}`],
      ["LRANGE", `list:${w}`, "0", "-1"],
      ["GET", `count:${w}`],
      ["MGET", ...Array.from({ length: KEYS }, (_, i) => `string:${w}:${i}`)],
      ["XRANGE", `stream:${w}`, "-", "+"],
    ]);
    const found = [...this.#refusals.map((text) => `a write was refused: ${text}`)];
    const members = textsOf(set);
    const items = textsOf(list);
    const entries = new Set(itemsOf(stream).map((entry) => [...textsOf(itemsOf(entry)[1])][1]));
    const values = itemsOf(strings).map((reply) => Number(textOf(reply)));
    for (const n of this.#acknowledged) {
      const text = String(n);
      if (!members.has(text)) found.push(`SADD ${n} of ${w}`);
      if (!items.has(text)) found.push(`RPUSH ${n} of ${w}`);
      if (!entries.has(text)) found.push(`XADD ${n} of ${w}`);
      if ((values[n % KEYS] ?? -1) < n) found.push(`SET ${n} of ${w}`);
    }
    const counted = Number(textOf(count as Reply));
    if (counted < this.acknowledged || counted > this.#begun)
      found.push(`the counter of ${w} is ${counted}, not ${this.acknowledged} to ${this.#begun}`);
    return found;
  }
}

function textsOf(reply: Reply | undefined): Set<string> {
  return new Set(itemsOf(reply).map((item) => textOf(item)?.toString() ?? ""));
}
