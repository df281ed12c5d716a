/**
 * Source: what tests put into a Redis that is imported, and a client that goes on writing to it.
 *
 * Invariant: every type and every way in which Redis 7.0 writes it is there: packed and not, compressed, as integers, with deadlines, in two
 * databases.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { RespConnection } from "../support/resp-connection.ts";
import { isError, textOf } from "../support/resp.ts";

const KEYS = 500;

/** Some hundred keys, `many` of them with little in them. */
export async function fill(port: number, many = 2_000): Promise<void> {
  using connection = await RespConnection.open(port);
  const numbered = (count: number, text: string): string[] =>
    Array.from({ length: count }, (_, i) => `${text} ${i}`);
  const pairs = (count: number, long: string): string[] =>
    Array.from({ length: count * 2 }, (_, i) => (i % 2 === 0 ? `f${i}` : `${i} ${long}`));
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const commands: (string | Buffer)[][] = [
    ["SET", "string", "plain"],
    ["SET", "integer", "-12345"],
    ["SET", "long integer", "123456789012345"],
    ["SET", bytes, bytes],
    ["SET", "empty", ""],
    ["SET", "compressed", "atoll ".repeat(500)],
    ["SET", "float", "0.1"],
    ["SETBIT", "bits", "100000", "1"],
    ["SET", "deadline", "x", "PX", "7200000"],
    ["RPUSH", "list", ...numbered(20, "item")],
    ["RPUSH", "long list", ...numbered(2_000, "item"), "y".repeat(20_000)],
    ["SADD", "set", "a", "b"],
    ["SADD", "integers", "1", "-70000", "12345678901"],
    ["SADD", "large set", ...numbered(700, "member")],
    ["HSET", "hash", ...pairs(5, "x")],
    ["HSET", "large hash", ...pairs(600, "x".repeat(70))],
    ["EXPIRE", "hash", "3600"],
    ["ZADD", "zset", "1.5", "a", "-inf", "b", "inf", "c", "0", "d"],
    [
      "ZADD",
      "large zset",
      ...Array.from({ length: 800 }, (_, i) => (i % 2 === 0 ? `${i / 7}` : `m${i}`)),
    ],
    ["PFADD", "visitors", ...numbered(3_000, "visitor")],
    ["PFADD", "few visitors", "a", "b"],
    ["GEOADD", "places", "13.361389", "38.115556", "Palermo"],
    ...Array.from({ length: 300 }, (_, i) => ["XADD", "stream", `${i + 1}-0`, "n", `${i}`]),
    ["XDEL", "stream", "5-0"],
    ["XGROUP", "CREATE", "stream", "readers", "0"],
    ["XREADGROUP", "GROUP", "readers", "anna", "COUNT", "10", "STREAMS", "stream", ">"],
    ["XREADGROUP", "GROUP", "readers", "boris", "COUNT", "5", "STREAMS", "stream", ">"],
    ["XACK", "stream", "readers", "2-0", "11-0"],
    ["XADD", "empty stream", "1-1", "a", "b"],
    ["XDEL", "empty stream", "1-1"],
    [
      "FUNCTION",
      "LOAD",
      "#!lua name=shop\nredis.register_function('twice', function(keys, args) return args[1] * 2 end)",
    ],
    ...Array.from({ length: many }, (_, i) => ["SET", `many:${i}`, `value ${i}`]),
    ["SELECT", "3"],
    ["SET", "elsewhere", "there"],
    ["SADD", "set", "of another database"],
  ];
  const replies = await connection.pipeline(commands);
  const refused = replies.find(isError);
  if (refused !== undefined) throw new Error(String(textOf(refused)));
}

/** Writes until it is told to stop. */
export class Writer {
  readonly #port: number;
  readonly #ended: Promise<void>;
  #stopped = false;
  /** Rounds of which everything was answered. */
  rounds = 0;

  constructor(port: number) {
    this.#port = port;
    this.#ended = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ended;
  }

  async #run(): Promise<void> {
    while (!this.#stopped)
      try {
        using connection = await RespConnection.open(this.#port);
        while (!this.#stopped) {
          await connection.pipeline(commandsOf(this.rounds));
          this.rounds++;
          await sleep(2);
        }
      } catch {
        // It was killed, or holds writes back for longer than a test waits.
        await sleep(20);
      }
  }
}

/** Commands that count, move, expire and remove, so that one too few or too many shows. */
function commandsOf(n: number): string[][] {
  const k = n % KEYS;
  return [
    ["INCR", "count"],
    ["INCRBYFLOAT", "float", "0.5"],
    ["APPEND", "text", "x"],
    ["RPUSH", "queue", `${n}`],
    ...(n % 3 === 0 ? [["LMOVE", "queue", "done", "LEFT", "RIGHT"]] : []),
    ["SADD", `set:${k}`, `${n}`],
    ["SPOP", `set:${(k + 250) % KEYS}`],
    ["HINCRBY", "counts", `${k}`, "1"],
    ["ZINCRBY", "scores", "1.5", `${k}`],
    ["SET", `session:${k}`, `${n}`, "EX", "3600"],
    ...(n % 7 === 0 ? [["PERSIST", `session:${k}`]] : []),
    ["SET", `soon:${n}`, "x", "PX", "30"],
    ["XADD", "events", "*", "n", `${n}`],
    ...(n === 0 ? [["XGROUP", "CREATE", "events", "g", "0", "MKSTREAM"]] : []),
    ["XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "events", ">"],
    ["XTRIM", "events", "MAXLEN", "300"],
    ["PFADD", "visitors", `later ${n}`],
    ["DEL", `many:${n}`],
    ["RENAME", `session:${k}`, `renamed:${k}`],
    ["MULTI"],
    ["INCR", "pair:a"],
    ["INCR", "pair:b"],
    ["EXEC"],
    ["EVAL", "return redis.call('INCRBY', KEYS[1], ARGV[1])", "1", "scripted", "2"],
    ["COPY", "count", `copy:${k}`, "REPLACE"],
    ["PUBLISH", "channel", "message"],
    ["SELECT", "3"],
    ["SET", `other:${k}`, `${n}`],
    ["SELECT", "0"],
  ];
}
