/**
 * Changes: AA.CHANGES, what records changed, from any position on: the log, told to clients.
 *
 *   AA.CHANGES ─► the host reads the log, as links do ─► a page of events and the position behind it ─► AA.CHANGES FROM that
 *
 * Invariant: what is told is durable here and comes after everything that it depends on. A position is a vector, so it holds in every
 * region. Whoever stores it behind what it has done with a page misses nothing, and may see a page again.
 */
import { Vector } from "../clock/vector.ts";
import type { ChangeEvent } from "../replica/change-reader.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import { NOT_AN_INTEGER, SYNTAX } from "./errors.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";
import { millisecondsAt } from "./timeouts.ts";

/** From where changes are asked for: a position, the oldest that the log still has, or now. */
export type ChangesFrom = Vector | "start" | "now";

/** What a reader asks for. */
export interface ChangesQuery {
  readonly from: ChangesFrom;
  /** Keys begin with it. */
  readonly prefix: Buffer;
  readonly db: number;
}

/** What AA.CHANGES asks of the host, which answers the session once it has read. */
export interface ChangesRequest extends ChangesQuery {
  readonly count: number;
  /** How long to wait for the first event; 0 for not at all. */
  readonly blockMs: number;
}

const COUNT_DEFAULT = 100;
const COUNT_MAX = 1_000;

export const NO_CURSOR = "ERR FROM takes START, NOW, or a position that AA.CHANGES has answered";
/** The refusal of a position before the oldest record that the log here has. */
export const TRUNCATED =
  "AATRUNCATED the log of this replica no longer reaches back to that position: take a position with AA.CHANGES NOW, read the keys anew (SCAN), and go on from that position; or ask another region, whose log may reach further";

/** The position of a word, or null when it is none. */
export function fromOf(run: Run, word: string): ChangesFrom | null {
  if (/^(start|now)$/i.test(word)) return word.toLowerCase() as "start" | "now";
  return run.conflicts.cursorOf(word);
}

function changes(run: Run, args: Args, reply: Reply): void {
  const { session } = run;
  let from: ChangesFrom = "now";
  let prefix = Buffer.alloc(0);
  let count = COUNT_DEFAULT;
  let blockMs = 0;
  for (let i = 1; i < args.count; i += 2) {
    if (i + 1 === args.count) return reply.error(SYNTAX);
    if (args.is(i, "FROM")) {
      const at = fromOf(run, args.text(i + 1));
      if (at === null) return reply.error(NO_CURSOR);
      from = at;
    } else if (args.is(i, "PREFIX")) prefix = Buffer.from(args.view(i + 1));
    else if (args.is(i, "COUNT")) {
      count = roughlyAt(args, i + 1);
      if (!(count >= 1)) return reply.error(NOT_AN_INTEGER);
    } else if (args.is(i, "BLOCK")) {
      blockMs = millisecondsAt(args, i + 1, reply);
      if (Number.isNaN(blockMs)) return;
      // As of other commands that wait: for ever.
      if (blockMs === 0) blockMs = Infinity;
    } else return reply.error(SYNTAX);
  }
  session.deciding = true;
  const { db } = session;
  run.node.changes(session, { from, prefix, db, count: Math.min(count, COUNT_MAX), blockMs });
}

/** Writes a page: the position behind it, and its events. */
export function replyChanges(events: readonly ChangeEvent[], cursor: string, reply: Reply): void {
  reply.array(2);
  reply.text(cursor);
  reply.array(events.length);
  for (const { origin, seq, changes: all } of events) {
    reply.map(3);
    reply.text("member");
    reply.text(origin.member);
    reply.text("seq");
    reply.int(seq);
    reply.text("changes");
    reply.array(all.length);
    for (const { key, what, path, value, deadlineMs } of all) {
      reply.map(5);
      reply.text("key");
      replyBytes(key, reply);
      reply.text("what");
      reply.text(what);
      reply.text("path");
      replyBytes(path, reply);
      reply.text("value");
      replyBytes(value, reply);
      reply.text("deadline");
      if (deadlineMs === null) reply.nil();
      else reply.int(deadlineMs === Infinity ? -1 : deadlineMs);
    }
  }
}

function replyBytes(bytes: Buffer | null, reply: Reply): void {
  if (bytes === null) reply.nil();
  else reply.buffer(bytes);
}

export const changeCommands: readonly Command[] = [
  {
    name: "aa.changes",
    arity: -1,
    flags: ["readonly", "noscript", "no_multi", "blocking"],
    keys: [0, 0, 0],
    categories: ["keyspace", "blocking"],
    group: "atoll",
    since: "0.1.0",
    complexity: "O(N) for N records behind the position, and some 256 KiB of log",
    usage: "[PREFIX <prefix>] [FROM START|NOW|<position>] [COUNT <count>] [BLOCK <milliseconds>]",
    summary:
      "Tells what was changed behind a position, in an order that respects causes, and a position to go on from",
    run: changes,
  },
];
