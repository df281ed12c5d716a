/**
 * Keys: what a server holds, read by SCAN, and the values and deadlines of keys by DUMP.
 *
 * Invariant: a value and its deadline are read in one transaction, so that neither belongs to another life of the key.
 */
import { Unwilling } from "../adapters/redis-client/redis-socket.ts";
import type { RedisClient } from "../adapters/redis-client/redis-client.ts";
import { type Answer, Refused } from "../core/wire/answers.ts";
import { patternOf, type Selection } from "./selection.ts";

const SCAN_COUNT = "250";

/** What a server says of a key. */
export interface Held {
  /** As DUMP gives it; null where there is no key; the error where the value has no such form. */
  readonly payload: Buffer | Refused | null;
  /** Milliseconds left to live; Infinity without a deadline. */
  readonly leftMs: number;
}

/** A section of what INFO tells. Throws `Unwilling` and `Lost`. */
export async function infoOf(client: RedisClient, section: string): Promise<string> {
  const answer = await client.demand("INFO", section);
  return Buffer.isBuffer(answer) ? answer.latin1Slice() : "";
}

/** The selected databases that have keys, and about how many. Throws `Unwilling` and `Lost`. */
export async function databases(
  client: RedisClient,
  selection: Selection,
): Promise<Map<number, number>> {
  const text = await infoOf(client, "keyspace");
  const found = new Map<number, number>();
  for (const [, db, keys] of text.matchAll(/^db(\d+):keys=(\d+)/gm))
    if (selection.dbs === null || selection.dbs.has(Number(db)))
      found.set(Number(db), Number(keys));
  return found;
}

/** The selected keys of a database, in portions; some twice. The client is left in that database. */
export async function* scan(
  client: RedisClient,
  db: number,
  { prefix }: Selection,
): AsyncGenerator<readonly Buffer[], void, void> {
  await client.demand("SELECT", String(db));
  const match = prefix.length === 0 ? [] : ["MATCH", patternOf(prefix)];
  let cursor: Buffer | string = "0";
  do {
    const answer: Answer = await client.demand("SCAN", cursor, ...match, "COUNT", SCAN_COUNT);
    const [next, keys] = Array.isArray(answer) ? (answer as readonly Answer[]) : [];
    if (!Buffer.isBuffer(next) || !Array.isArray(keys)) throw new Unwilling("SCAN has no answer");
    cursor = next;
    if (keys.length > 0) yield keys as Buffer[];
  } while (String(cursor) !== "0");
}

/** What the selected database of a server holds of some keys. Throws `Unwilling` and `Lost`. */
export async function held(client: RedisClient, keys: readonly Buffer[]): Promise<Held[]> {
  const asked = [client.ask("MULTI")];
  for (const key of keys) asked.push(client.ask("PTTL", key), client.ask("DUMP", key));
  const [answers] = await Promise.all([client.demand("EXEC"), ...asked]);
  if (!Array.isArray(answers)) throw new Unwilling("EXEC has no answer");
  return keys.map((_, i) => {
    const [ttl, payload] = [answers[2 * i], answers[2 * i + 1]] as [Answer, Answer];
    if (ttl instanceof Refused) throw new Unwilling(`PTTL is refused: ${ttl.text}`);
    const readable = Buffer.isBuffer(payload) || payload === null || payload instanceof Refused;
    if (!readable) throw new Unwilling("DUMP has no answer");
    return { payload, leftMs: Number(ttl) === -1 ? Infinity : Number(ttl) };
  });
}

/** Those of some keys that the selected database of a server does not have. */
export async function absent(client: RedisClient, keys: readonly Buffer[]): Promise<Buffer[]> {
  const answers = await Promise.all(keys.map((key) => client.demand("EXISTS", key)));
  return keys.filter((_, i) => answers[i] === 0);
}
