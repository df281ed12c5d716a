/**
 * State: everything both servers hold, compared through ordinary commands.
 *
 * Invariant: every database, key, type, value and deadline is looked at; nothing is changed.
 */
import type { RespConnection } from "../support/resp-connection.ts";
import { itemsOf, textOf, type Reply } from "../support/resp.ts";
import { replyDisagreement } from "./compare.ts";
import type { Difference } from "./difference.ts";
import { withoutTimes } from "./families/streams.ts";
import { displayArg } from "./redis-cli-lines.ts";
import { exact, milliseconds, unordered, unorderedPairs, type Expectation } from "./step.ts";

const DATABASES = 16;

/** Both connections must be in RESP2 and outside of MULTI; they are left in database 0. */
export async function stateDifference(
  reference: RespConnection,
  subject: RespConnection,
): Promise<Difference | null> {
  for (let db = 0; db < DATABASES; db++) {
    const [mine, its] = await Promise.all([keysOf(reference, db), keysOf(subject, db)]);
    const missing = mine.find((key) => !its.some((other) => other.equals(key)));
    const surplus = its.find((key) => !mine.some((other) => other.equals(key)));
    if (missing !== undefined)
      return different(`db ${db} lacks a key`, missing, "is there", "is not there");
    if (surplus !== undefined)
      return different(`db ${db} has a key too many`, surplus, "is not there", "is there");
    const found = await keysDifference(reference, subject, db, mine);
    if (found !== null) return found;
  }
  await Promise.all([reference.call("SELECT", 0), subject.call("SELECT", 0)]);
  return null;
}

async function keysOf(connection: RespConnection, db: number): Promise<Buffer[]> {
  await connection.call("SELECT", db);
  const keys = itemsOf(await connection.call("KEYS", "*")).map(
    (item) => textOf(item) ?? Buffer.alloc(0),
  );
  return keys.sort(Buffer.compare);
}

async function keysDifference(
  reference: RespConnection,
  subject: RespConnection,
  db: number,
  keys: Buffer[],
): Promise<Difference | null> {
  const about = (commands: (Buffer | string)[][]): Promise<[Reply[], Reply[]]> =>
    Promise.all([reference.pipeline(commands), subject.pipeline(commands)]);
  const [types, itsTypes] = await about(keys.map((key) => ["TYPE", key]));
  const readers = types.map((type) => contentReaders[textOf(type)?.toString() ?? ""] ?? noReader);
  const [contents, itsContents] = await about(
    keys.map((key, i) => {
      const { command, before = [], rest = [] } = readers[i] ?? noReader;
      return [command, ...before, key, ...rest];
    }),
  );
  const [deadlines, itsDeadlines] = await about(keys.map((key) => ["PTTL", key]));
  for (const [index, key] of keys.entries()) {
    const checks: [string, Expectation, Reply | undefined, Reply | undefined][] = [
      ["type", exact, types[index], itsTypes[index]],
      ["content", (readers[index] ?? noReader).expect, contents[index], itsContents[index]],
      ["deadline", milliseconds, deadlines[index], itsDeadlines[index]],
    ];
    for (const [what, expect, mine, its] of checks) {
      if (mine === undefined || its === undefined) throw new Error("bug: a reply is missing");
      if (replyDisagreement(expect, mine, its) === null) continue;
      return different(`db ${db}: the ${what} of a key differs`, key, mine.raw, its.raw);
    }
  }
  return null;
}

interface Reader {
  readonly command: string;
  /** The arguments in front of the key. */
  readonly before?: readonly string[];
  /** The arguments behind the key. */
  readonly rest?: readonly string[];
  readonly expect: Expectation;
}

const noReader: Reader = { command: "TYPE", expect: exact };

const contentReaders: Record<string, Reader> = {
  string: { command: "GET", expect: exact },
  hash: { command: "HGETALL", expect: unorderedPairs },
  list: { command: "LRANGE", rest: ["0", "-1"], expect: exact },
  set: { command: "SMEMBERS", expect: unordered },
  stream: {
    command: "XINFO",
    before: ["STREAM"],
    rest: ["FULL", "COUNT", "0"],
    expect: withoutTimes,
  },
  zset: { command: "ZRANGE", rest: ["0", "-1", "WITHSCORES"], expect: exact },
};

function different(
  reason: string,
  key: Buffer,
  reference: Buffer | string,
  subject: Buffer | string,
): Difference {
  return {
    at: "state",
    step: null,
    reason: `${reason}: ${displayArg(key)}`,
    reference: Buffer.from(reference),
    subject: Buffer.from(subject),
    opIndex: -1,
    stepIndex: -1,
    signature: `state | ${reason.replaceAll(/\d+/g, "…")}`,
  };
}
