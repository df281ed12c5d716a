/**
 * Target: the node that is written to.
 *
 * Invariant: writes reach it in the order in which they were given, each in its database; at most `IN_FLIGHT_BYTES` of them wait for their
 * answers. What it refuses of one key is a problem of that key; what it would refuse of every key (no memory, no right) ends the import.
 */
import { Unwilling } from "../adapters/redis-client/redis-socket.ts";
import type { RedisClient } from "../adapters/redis-client/redis-client.ts";
import type { RdbItem } from "../core/rdb/rdb-file.ts";
import { type Answer, Refused } from "../core/wire/answers.ts";
import type { Progress } from "./progress.ts";
import { nameOf } from "./selection.ts";

const IN_FLIGHT_BYTES = 1024 * 1024;
/** What stands around the longest value in a command. */
const MARGIN_BYTES = 1024;
const BULK_MAX_BYTES = 16 * 1024 * 1024;
/** Errors that say nothing of a key: to go on would only repeat them. */
const HOPELESS = /^(OOM|READONLY|MISCONF|NOAUTH|NOPERM|LOADING|MASTERDOWN|NOREPLICAS|AA[A-Z]+) /;
/** A deadline in the past: 0 would be none. */
const PAST_MS = 1;

export class Target {
  readonly client: RedisClient;
  readonly #progress: Progress;
  /** The longest argument that it takes. */
  readonly bulkBytesMax: number;
  #db = 0;
  #hopeless: Unwilling | null = null;
  #last: Promise<void> = Promise.resolve();

  private constructor(client: RedisClient, progress: Progress, bulkBytesMax: number) {
    this.client = client;
    this.#progress = progress;
    this.bulkBytesMax = bulkBytesMax;
  }

  static async open(client: RedisClient, progress: Progress): Promise<Target> {
    const answer = await client.ask("CONFIG", "GET", "proto-max-bulk-len");
    const told = Array.isArray(answer) ? Number(String(answer[1])) : Number.NaN;
    return new Target(client, progress, told > 0 ? told : BULK_MAX_BYTES);
  }

  /** Longer payloads are not worth sending. */
  get valueBytesMax(): number {
    return this.bulkBytesMax - MARGIN_BYTES;
  }

  /** Writes a value in place of whatever is there. Resolves when there is room for more. Throws `Unwilling` and `Lost`. */
  async restore({
    db,
    key,
    deadlineMs,
    payload,
  }: Extract<RdbItem, { type: "key" }>): Promise<void> {
    const ttl = deadlineMs === 0 ? "0" : String(Math.max(deadlineMs, PAST_MS));
    const words = ["RESTORE", key, ttl, payload, "REPLACE", "ABSTTL"];
    await this.#write(db, words, (answer) => {
      if (answer instanceof Refused) this.#refused(db, key, answer);
      else this.#progress.keys++;
    });
  }

  /** The same with the time that is left to live in ms, 0 for ever. */
  async restoreFor(db: number, key: Buffer, leftMs: number, payload: Buffer): Promise<void> {
    await this.#write(db, ["RESTORE", key, String(leftMs), payload, "REPLACE"], (answer) => {
      if (answer instanceof Refused) this.#refused(db, key, answer);
      else this.#progress.keys++;
    });
  }

  async load(library: Buffer): Promise<void> {
    await this.#write(null, ["FUNCTION", "LOAD", "REPLACE", library], (answer) => {
      if (answer instanceof Refused) this.#refused(0, null, answer, "a library of functions");
      else this.#progress.libraries++;
    });
  }

  async remove(db: number, keys: readonly Buffer[]): Promise<void> {
    await this.#write(db, ["DEL", ...keys], (answer) => {
      if (answer instanceof Refused) this.#refused(db, null, answer);
      else this.#progress.removed += Number(answer);
    });
  }

  /** Runs a command that the source ran, or a part of a transaction. */
  async apply(db: number, words: readonly Buffer[]): Promise<void> {
    const [, key = null] = words;
    const long = words.find((word) => word.length > this.bulkBytesMax);
    if (long !== undefined) {
      const why = `${nameOf(words)} has an argument of ${long.length} bytes, and ${this.bulkBytesMax} is the most`;
      return this.#progress.problem(db, key, why);
    }
    await this.#write(db, words, (answer) => {
      for (const one of Array.isArray(answer) ? (answer as readonly Answer[]) : [answer])
        if (one instanceof Refused) this.#refused(db, key, one, nameOf(words));
      this.#progress.commands++;
    });
  }

  /** Resolves when everything written was answered. Throws `Unwilling` and `Lost`. */
  async settled(): Promise<void> {
    await this.#last;
    if (this.#hopeless !== null) throw this.#hopeless;
  }

  /** Runs `then` behind the answers to everything written until now. */
  behind(then: () => void): void {
    this.#last = this.#last.then(then);
    // Whoever waits for it is told; nobody may be waiting.
    this.#last.catch(() => {});
  }

  async #write(
    db: number | null,
    words: readonly (Buffer | string)[],
    answered: (answer: Answer) => void,
  ): Promise<void> {
    if (this.#hopeless !== null) throw this.#hopeless;
    // What is written before the database is known to be there would land in another one.
    if (db !== null && db !== this.#db) await this.#select(db);
    const answer = this.client.ask(...words);
    for (const word of words) this.#progress.bytes += word.length;
    const before = this.#last;
    this.#last = Promise.all([before, answer]).then(([, got]) => answered(got));
    this.#last.catch(() => {});
    await this.client.room(IN_FLIGHT_BYTES);
    if (this.client.ended) await this.settled();
  }

  async #select(db: number): Promise<void> {
    const answer = await this.client.ask("SELECT", String(db));
    if (answer instanceof Refused)
      throw new Unwilling(
        `the target has no database ${db}: ${answer.text}; set \`databases\` there, or choose others with --db`,
      );
    this.#db = db;
  }

  #refused(db: number, key: Buffer | null, { text }: Refused, what = ""): void {
    if (HOPELESS.test(text)) this.#hopeless ??= new Unwilling(`the target refuses: ${text}`);
    else this.#progress.problem(db, key, what === "" ? text : `${what}: ${text}`);
  }
}
