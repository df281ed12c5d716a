/**
 * BigKeys: how long the longest turn is while keys of a million elements are written, read, removed and replicated.
 *
 *   two regions, a key of each type; it is filled by pipelines of commands of 1, 100 and 1,000 elements; each command is repeated;
 *   the longest turn of own processor time, here and at the peer
 *
 * Invariant: figures are processor time of the node's own thread, so company on the machine does not change them; what is slow in O(N)
 * by its nature (reading all of a million) is not asked.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { RunningCommand } from "../test/lab/lab-process.ts";
import { RespConnection } from "../test/support/resp-connection.ts";
import { isError, textOf } from "../test/support/resp.ts";
import { tempDir } from "../test/support/temp-dir.ts";
import { type Answer, type BenchOptions, spreadOf, table } from "./answer.ts";

/** The longest turn that is hardly felt, in ms: cells are measured against it. */
const LIMIT_MS = 5;
const ELEMENTS = 1_000_000;
const REPEATS = 40;

/** How a key is filled: so many commands are sent at once, of so many elements each, for a share of the whole. */
const FILLS = [
  { commands: 2_000, elements: 1, share: 0.2 },
  { commands: 20, elements: 100, share: 0.4 },
  { commands: 4, elements: 1_000, share: 0.4 },
] as const;

interface Cell {
  type: string;
  command: string;
  /** The longest turn of the node that was asked, and of its peer, in ms; of which the garbage collector took so much. */
  ownMs: number;
  ownCollectorMs: number;
  peerMs: number;
  peerCollectorMs: number;
}

interface LongestTurn {
  ms: number;
  collectorMs: number;
}

interface Type {
  name: string;
  /** Adds elements `from … from + count`. */
  fill: (from: number, count: number) => (string | number)[];
  commands: (i: number) => (string | number)[][];
}

const upTo = (
  from: number,
  count: number,
  each: (i: number) => (string | number)[],
): (string | number)[] => Array.from({ length: count }, (_, i) => each(from + i)).flat();

/** The types, with commands that ask for elements among so many. */
function typesOf(elements: number): readonly Type[] {
  const some = (i: number): number => (i * 7919) % elements;
  return [
    {
      name: "set",
      fill: (from, count) => ["SADD", "set", ...upTo(from, count, (i) => [`member:${i}`])],
      commands: (i) => [
        ["SADD", "set", `new:${i}`],
        ["SREM", "set", `member:${some(i)}`],
        ["SISMEMBER", "set", `member:${some(i + 1)}`],
        ["SCARD", "set"],
        ["SPOP", "set"],
        ["SRANDMEMBER", "set", 10],
        ["SSCAN", "set", 0, "COUNT", 100],
        ["EXPIRE", "set", 1000],
        ["TYPE", "set"],
        ["OBJECT", "ENCODING", "set"],
      ],
    },
    {
      name: "hash",
      fill: (from, count) => [
        "HSET",
        "hash",
        ...upTo(from, count, (i) => [`field:${i}`, `value:${i}`]),
      ],
      commands: (i) => [
        ["HSET", "hash", `new:${i}`, i],
        ["HDEL", "hash", `field:${some(i)}`],
        ["HGET", "hash", `field:${some(i + 1)}`],
        ["HINCRBY", "hash", `count:${i % 10}`, 1],
        ["HLEN", "hash"],
        ["HRANDFIELD", "hash", 10],
        ["HSCAN", "hash", 0, "COUNT", 100],
        ["PERSIST", "hash"],
      ],
    },
    {
      name: "list",
      fill: (from, count) => ["RPUSH", "list", ...upTo(from, count, (i) => [`element:${i}`])],
      commands: (i) => [
        ["RPUSH", "list", `new:${i}`],
        ["LPUSH", "list", `new:${i}`],
        ["LPOP", "list"],
        ["RPOP", "list"],
        ["LINDEX", "list", some(i)],
        ["LSET", "list", some(i), `set:${i}`],
        ["LRANGE", "list", some(i), some(i) + 10],
        ["LLEN", "list"],
        ["LMOVE", "list", "list", "LEFT", "RIGHT"],
        ["LTRIM", "list", 1, -2],
      ],
    },
    {
      name: "sorted set",
      fill: (from, count) => [
        "ZADD",
        "zset",
        ...upTo(from, count, (i) => [(i * 31) % 1_000, `member:${i}`]),
      ],
      commands: (i) => [
        ["ZADD", "zset", i, `new:${i}`],
        ["ZINCRBY", "zset", 5, `member:${some(i)}`],
        ["ZREM", "zset", `member:${some(i + 3)}`],
        ["ZRANK", "zset", `member:${some(i + 1)}`],
        ["ZSCORE", "zset", `member:${some(i + 2)}`],
        ["ZRANGE", "zset", some(i), some(i) + 10, "WITHSCORES"],
        ["ZRANGE", "zset", 500, 501, "BYSCORE", "LIMIT", 0, 10],
        ["ZCOUNT", "zset", 100, 900],
        ["ZPOPMIN", "zset"],
        ["ZPOPMAX", "zset"],
        ["ZRANDMEMBER", "zset", 10],
        ["ZSCAN", "zset", 0, "COUNT", 100],
      ],
    },
  ];
}

interface Region {
  name: string;
  redis: string;
  pid: number;
}

export async function bigKeys({ quick, note }: BenchOptions): Promise<Answer<Cell>> {
  using dir = tempDir("big-keys");
  const turns = join(dir.path, "turns");
  mkdirSync(turns);
  const probe = fileURLToPath(new URL("turn-probe.ts", import.meta.url));
  const lab = new RunningCommand(
    ["lab", "--json", "--port", "0", "--wan", "none", "--regions", "here,there"].concat([
      "--dir",
      `${dir.path}/lab`,
      "--durability",
      "relaxed",
    ]),
    { NODE_OPTIONS: `--import=${probe}`, TURN_PROBE: turns },
  );
  try {
    await lab.until(({ stdout }) => stdout.includes("\n"));
    const { regions } = JSON.parse(lab.stdout) as { regions: Region[] };
    const cells: Cell[] = [];
    const measure = (): Promise<LongestTurn[]> =>
      Promise.all(regions.map(({ pid }) => longestTurn(turns, pid)));
    const [here, there] = await Promise.all(
      regions.map(({ redis }) => RespConnection.open(Number(new URL(redis).port))),
    );
    if (here === undefined || there === undefined) throw new Error("the lab has two regions");
    const elements = quick ? ELEMENTS / 20 : ELEMENTS;
    const inSync = async (): Promise<void> => {
      const mark = Buffer.from(String(performance.now()));
      await here.call("SET", "mark", mark);
      for (
        let seen = "";
        seen !== mark.toString();
        seen = String(textOf(await there.call("GET", "mark")))
      )
        await sleep(50);
      // What is freed or checkpointed in slices belongs to what caused it.
      await sleep(quick ? 500 : 3_000);
    };
    for (const type of typesOf(elements)) {
      const add = async (command: string): Promise<void> => {
        await inSync();
        const [own, peer] = await measure();
        if (own === undefined || peer === undefined) throw new Error("the lab has two regions");
        cells.push({
          type: type.name,
          command,
          ownMs: own.ms,
          ownCollectorMs: own.collectorMs,
          peerMs: peer.ms,
          peerCollectorMs: peer.collectorMs,
        });
        note(`${type.name} ${command}: ${showTurn(own)} ms, peer ${showTurn(peer)} ms`);
      };
      await measure();
      let filled = 0;
      for (const fill of FILLS) {
        const until = filled + fill.share * elements;
        while (filled < until) {
          const pipeline: (string | number)[][] = [];
          for (let i = 0; i < fill.commands; i++, filled += fill.elements)
            pipeline.push(type.fill(filled, fill.elements));
          await here.pipeline(pipeline);
        }
        await add(`filling, ${fill.commands} commands of ${fill.elements} at once`);
      }
      const commands = type.commands(0).length;
      for (let n = 0; n < commands; n++) {
        let name = "";
        for (let i = 0; i < REPEATS; i++) {
          const command = type.commands(i)[n] as (string | number)[];
          name = String(command[0]);
          const reply = await here.call(...command);
          if (isError(reply)) throw new Error(`${name}: ${String(textOf(reply))}`);
        }
        await add(name);
      }
      const key = type.fill(0, 1)[1] as string;
      // The peer adds meanwhile: what the removal had not seen must survive it.
      const adding = (async () => {
        for (let i = 0; i < 200; i++) await there.call(...type.fill(elements + i, 1));
      })();
      await here.call("DEL", key);
      await adding;
      await add("DEL");
    }
    return {
      question: "big-keys",
      ratio: spreadOf(cells.flatMap(({ ownMs, peerMs }) => [ownMs / LIMIT_MS, peerMs / LIMIT_MS])),
      cells,
    };
  } finally {
    lab.child.kill("SIGINT");
    await lab.ended;
  }
}

export function bigKeysTable({ cells }: Answer<Cell>): string {
  return table([
    ["type", "command", "longest turn, ms", "at the peer, ms"],
    ...cells.map(({ type, command, ownMs, ownCollectorMs, peerMs, peerCollectorMs }) => [
      type,
      command,
      showTurn({ ms: ownMs, collectorMs: ownCollectorMs }),
      showTurn({ ms: peerMs, collectorMs: peerCollectorMs }),
    ]),
  ]);
}

function showTurn({ ms, collectorMs }: LongestTurn): string {
  return collectorMs < 0.5
    ? ms.toFixed(2)
    : `${ms.toFixed(2)} (collector ${collectorMs.toFixed(2)})`;
}

async function longestTurn(directory: string, pid: number): Promise<LongestTurn> {
  const file = join(directory, String(pid));
  rmSync(file, { force: true });
  process.kill(pid, "SIGUSR2");
  while (!existsSync(file)) await sleep(10);
  const [us = 0, collectorUs = 0] = readFileSync(file, "utf8").split(" ").map(Number);
  return { ms: us / 1_000, collectorMs: collectorUs / 1_000 };
}
