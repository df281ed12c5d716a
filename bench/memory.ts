/**
 * Memory: what data takes with everything that makes it mergeable, next to what it takes in Redis without any of that.
 *
 * Invariant: the figure is what the kernel says the process holds (RSS) above what it held when it was empty; the same data is in both,
 * which is counted. What the collector has not returned yet is paid for, so it counts.
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { RespConnection } from "../test/support/resp-connection.ts";
import { textOf } from "../test/support/resp.ts";
import { startServer, subjectKind, type TestServer } from "../test/support/server.ts";
import { type Answer, type BenchOptions, spreadOf, table } from "./answer.ts";
import { corpus } from "./corpus.ts";
import { Blocks, flood, type Words } from "./flood.ts";

interface Kind {
  name: string;
  command: (i: number) => Words;
  /** What tells that everything is there, for so many elements. */
  count: Words;
  /** The goal of the ratio: at most so much of what Redis takes. */
  goal: number;
}

const VALUES = corpus(10_000);
const value = (i: number): Buffer => VALUES[i % VALUES.length] as Buffer;
/** Keys of 16 bytes, as in `user:00000012345`. */
const name = (prefix: string, i: number): string => `${prefix}:${String(i).padStart(11, "0")}`;

const KINDS: readonly Kind[] = [
  {
    name: "strings of 64 bytes",
    command: (i) => ["SET", name("user", i), value(i)],
    count: ["DBSIZE"],
    goal: 1,
  },
  {
    name: "counters",
    command: (i) => ["INCR", name("hits", i)],
    count: ["DBSIZE"],
    goal: 1,
  },
  {
    name: "hashes of 5 fields",
    command: (i) => [
      ...["HSET", name("cart", i), "user", i, "plan", "team", "items", i % 7],
      ...["total", (i * 13) % 1000, "place", "Oslo"],
    ],
    count: ["DBSIZE"],
    goal: 1.5,
  },
  {
    name: "one set",
    command: (i) => ["SADD", "set", name("user", i)],
    count: ["SCARD", "set"],
    goal: 1.5,
  },
  {
    name: "one hash",
    command: (i) => ["HSET", "hash", name("user", i), i],
    count: ["HLEN", "hash"],
    goal: 1.5,
  },
  {
    name: "one sorted set",
    command: (i) => ["ZADD", "zset", (i * 31) % 1_000_003, name("user", i)],
    count: ["ZCARD", "zset"],
    goal: 1.5,
  },
];

export interface MemoryCell {
  kind: string;
  elements: number;
  /** Bytes per element, or per key. */
  atollBytes: number;
  redisBytes: number;
  /** Atoll's to Redis': below 1, Atoll takes less. */
  ratio: number;
  goal: number;
}

export async function memory({ quick, note }: BenchOptions): Promise<Answer<MemoryCell>> {
  const cells: MemoryCell[] = [];
  for (const elements of [100_000, ...(quick ? [] : [1_000_000])])
    for (const kind of KINDS) {
      const [atollBytes, redisBytes] = [
        await bytesOf(subjectKind(), kind, elements),
        await bytesOf("redis", kind, elements),
      ];
      const ratio = atollBytes / redisBytes;
      cells.push({ kind: kind.name, elements, atollBytes, redisBytes, ratio, goal: kind.goal });
      note(`${elements} × ${kind.name}: ${ratio.toFixed(2)}`);
    }
  return { question: "memory", ratio: spreadOf(cells.map(({ ratio }) => ratio)), cells };
}

export function memoryTable({ cells }: Answer<MemoryCell>): string {
  return table([
    ["elements", "what", "Atoll, bytes", "Redis, bytes", "ratio", "goal"],
    ...cells.map(({ kind, elements, atollBytes, redisBytes, ratio, goal }) => [
      ...[String(elements), kind, atollBytes.toFixed(0), redisBytes.toFixed(0)],
      ...[ratio.toFixed(2), `≤ ${goal.toFixed(1)}`],
    ]),
  ]);
}

async function bytesOf(server: TestServer["kind"], kind: Kind, elements: number): Promise<number> {
  await using it = await startServer(server, { durability: "relaxed" });
  // What a server takes for its first clients and commands is no price of the data.
  await flood(
    it.port,
    new Blocks(10_000, 100, (i) => ["SET", `warm:${i % 10}`, value(i)]),
    10_000,
    8,
  );
  using connection = await RespConnection.open(it.port);
  await connection.call("FLUSHALL");
  const empty = await settledBytes(it);
  await flood(it.port, new Blocks(elements, 100, kind.command), elements, 8);
  const counted = Number(textOf(await connection.call(...kind.count)));
  if (counted !== elements) throw new Error(`there are ${counted} of ${elements} in ${server}`);
  return ((await settledBytes(it)) - empty) / elements;
}

/** What it holds once that has not become less for a while. */
async function settledBytes({ pid }: TestServer): Promise<number> {
  for (let last = Infinity; ;) {
    await sleep(2_000);
    const [, kib] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
    const now = Number(kib) * 1024;
    if (now >= last * 0.99) return now;
    last = now;
  }
}
