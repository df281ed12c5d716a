/**
 * Levels: AA.LEVEL, AA.DO, AA.READ, AA.WAIT, WAIT and WAITAOF: how many members a client's reads and writes involve.
 *
 * Invariant: none of them changes data, and what AA.DO says holds for one command.
 */
import { Vector } from "../clock/vector.ts";
import type { Wait } from "../replica/waits.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Command } from "./command.ts";
import {
  type Consistency,
  ID_MAX_BYTES,
  levelOf,
  type OnceSaid,
  WINDOW_MAX_MS,
  WINDOW_MS,
} from "./consistency.ts";
import { NOT_AN_INTEGER, SYNTAX } from "./errors.ts";
import { LEVELS } from "../replica/levels.ts";
import { roughlyAt } from "./numbers.ts";
import type { Run } from "./run.ts";
import type { Session } from "./session.ts";
import { millisecondsAt } from "./timeouts.ts";

const NO_LEVEL = `ERR a level is one of ${LEVELS.join(", ")}`;
const DO_GRAMMAR =
  "ERR AA.DO takes [<level>] [READ <level>] [WRITE <level>] [ATOMIC] [BARRIER] [VERSIONED] [ONCE <id>] [WINDOW <ms>] [STALE <ms>] [TIMEOUT <ms>] and then a command";
const ONCE_GRAMMAR = `ERR AA.ONCE takes an id of 1 to ${ID_MAX_BYTES} bytes, what AA.DO takes, with a WINDOW of at most ${WINDOW_MAX_MS} ms, and then a command`;

const common = { keys: [0, 0, 0], categories: ["connection"], group: "consistency" } as const;
const flags = ["noscript", "loading", "stale", "fast"] as const;

export const levelCommands: readonly Command[] = [
  {
    ...common,
    name: "aa.level",
    arity: -1,
    flags,
    since: "0.1.0",
    complexity: "O(1)",
    summary: "Sets, or shows, the levels of this connection's reads and writes",
    usage: "[READ|WRITE <level>|DEFAULT [TIMEOUT <milliseconds>]]",
    run: level,
  },
  {
    ...common,
    name: "aa.do",
    arity: -2,
    flags: ["noscript"],
    since: "0.1.0",
    complexity: "Depends on the command",
    summary: "Runs one command at a level",
    usage:
      "[<level>] [READ <level>] [WRITE <level>] [ATOMIC] [BARRIER] [VERSIONED] [ONCE <id>] [WINDOW <ms>] [STALE <ms>] [TIMEOUT <ms>] command",
    wraps: (session, args) => calledBy(session.consistency, args, 1),
    run: (_run, _args, reply) => reply.error(DO_GRAMMAR),
  },
  {
    ...common,
    name: "aa.read",
    arity: -2,
    flags: ["noscript"],
    since: "0.1.0",
    complexity: "Depends on the command",
    summary: "Runs one command at a level or with a bound of staleness, as AA.DO does",
    usage: "[<level>] [STALE <ms>] [TIMEOUT <ms>] command",
    wraps: (session, args) => calledBy(session.consistency, args, 1),
    run: (_run, _args, reply) => reply.error(DO_GRAMMAR),
  },
  {
    ...common,
    name: "aa.once",
    arity: -3,
    flags: ["noscript"],
    since: "0.1.0",
    complexity: "Depends on the command",
    summary: "Runs one command once, however often it is sent under the same id",
    usage: "<id> [WINDOW <ms>] [<level>] [WRITE <level>] [TIMEOUT <ms>] command",
    wraps: ({ consistency }, args) => {
      const once = onceAt(args, 1);
      return once === null ? null : calledBy({ ...consistency, once }, args, 2);
    },
    run: (_run, _args, reply) => reply.error(ONCE_GRAMMAR),
  },
  {
    ...common,
    name: "aa.wait",
    arity: 3,
    flags: ["noscript", "no_multi"],
    since: "0.1.0",
    complexity: "O(1)",
    summary: "Waits until what this connection wrote is durable at a level",
    usage: "<level> <milliseconds>",
    run: waitForLevel,
  },
  {
    ...common,
    name: "wait",
    arity: 3,
    flags: ["noscript"],
    group: "generic",
    since: "3.0.0",
    complexity: "O(1)",
    summary: "Waits until replicas of other regions have applied what this connection wrote",
    run: (run, args, reply) => waitForReplicas(run, args, 1, reply),
  },
  {
    ...common,
    name: "waitaof",
    arity: 4,
    flags: ["noscript"],
    group: "generic",
    since: "7.2.0",
    complexity: "O(1)",
    summary: "Waits until what this connection wrote is durable here and in other regions",
    run: (run, args, reply) => waitForReplicas(run, args, 2, reply),
  },
];

function level(run: Run, args: Args, reply: Reply): void {
  const { session } = run;
  if (args.count === 1) return show(session.consistency, reply);
  if (args.count !== 3 && args.count !== 5) return reply.error(SYNTAX);
  const which = args.is(1, "READ") ? "read" : args.is(1, "WRITE") ? "write" : null;
  if (which === null) return reply.error(SYNTAX);
  const named = args.is(2, "DEFAULT") ? null : levelOf(args.text(2));
  if (named === null && !args.is(2, "DEFAULT")) return reply.error(NO_LEVEL);
  let { timeoutMs } = session.consistency;
  if (args.count === 5) {
    if (!args.is(3, "TIMEOUT")) return reply.error(SYNTAX);
    timeoutMs = millisecondsAt(args, 4, reply);
    if (Number.isNaN(timeoutMs)) return;
  }
  session.consistency = { ...session.consistency, [which]: named, timeoutMs };
  reply.ok();
}

function show({ read, write, timeoutMs }: Consistency, reply: Reply): void {
  reply.map(3);
  reply.text("read");
  reply.text(read ?? "DEFAULT");
  reply.text("write");
  reply.text(write ?? "DEFAULT");
  reply.text("timeout-ms");
  reply.int(timeoutMs);
}

/** Where the command begins and what stands before it, from argument `from` on; null when that makes no sense. */
function calledBy(
  before: Consistency,
  args: Args,
  from: number,
): { readonly at: number; readonly said: Consistency } | null {
  let said = before;
  let at = from;
  for (; at < args.count;) {
    const more = optionAt(args, at, said);
    if (more === null) return null;
    if (more.words === 0) break;
    said = { ...said, ...more.said };
    at += more.words;
  }
  return at < args.count ? { at, said } : null;
}

interface Option {
  /** How many words it takes; 0 when there is none. */
  readonly words: number;
  readonly said: Partial<Consistency>;
}

/** An id of a command that is done once; null where it is none. */
function onceAt(args: Args, i: number): OnceSaid | null {
  const bytes = i < args.count ? args.length(i) : 0;
  return bytes < 1 || bytes > ID_MAX_BYTES ? null : { id: args.text(i), windowMs: WINDOW_MS };
}

function optionAt(args: Args, i: number, { once }: Consistency): Option | null {
  const both = levelOf(args.text(i));
  if (both !== null) return { words: 1, said: { read: both, write: both } };
  if (args.is(i, "ATOMIC")) return { words: 1, said: { atomic: true } };
  if (args.is(i, "BARRIER")) return { words: 1, said: { barrier: true } };
  if (args.is(i, "VERSIONED")) return { words: 1, said: { versioned: true } };
  if (args.is(i, "ONCE")) {
    const begun = onceAt(args, i + 1);
    return begun === null ? null : { words: 2, said: { once: begun } };
  }
  const ms = i + 1 < args.count ? roughlyAt(args, i + 1) : Number.NaN;
  if (args.is(i, "WINDOW")) {
    const isOne = once !== null && ms >= 1 && ms <= WINDOW_MAX_MS;
    return isOne ? { words: 2, said: { once: { ...once, windowMs: ms } } } : null;
  }
  if (args.is(i, "STALE")) return ms >= 0 ? { words: 2, said: { staleMs: ms } } : null;
  if (args.is(i, "TIMEOUT")) return ms >= 0 ? { words: 2, said: { timeoutMs: ms } } : null;
  const which = args.is(i, "READ") ? "read" : args.is(i, "WRITE") ? "write" : null;
  if (which === null) return { words: 0, said: {} };
  const named = i + 1 < args.count ? levelOf(args.text(i + 1)) : null;
  return named === null ? null : { words: 2, said: { [which]: named } };
}

function waitForLevel(run: Run, args: Args, reply: Reply): void {
  const named = levelOf(args.text(1));
  if (named === null) return reply.error(NO_LEVEL);
  const timeoutMs = millisecondsAt(args, 2, reply);
  if (Number.isNaN(timeoutMs)) return;
  run.replyWait = run.waits.begin(run.session.id, {
    vector: writtenBy(run.session),
    at: named,
    timeoutMs: timeoutMs === 0 ? Infinity : timeoutMs,
    end: (wait, instead) => {
      if (wait.outcome === "late") instead.error(incomplete(run, wait));
    },
  });
  reply.ok();
}

/** The refusal of a write that is done, and whose level was not reached in time. */
export function incomplete({ waits }: Run, wait: Wait): string {
  const { at, timeoutMs } = wait.terms;
  return `AAINCOMPLETE ${at} was not reached within ${timeoutMs} ms: the write is applied and will replicate; durable so far at ${waits.durableAt(wait)}`;
}

/** WAIT, and WAITAOF with a number for this replica in front. */
function waitForReplicas(run: Run, args: Args, first: number, reply: Reply): void {
  const { waits, session, inTransaction } = run;
  const wanted = roughlyAt(args, first);
  const local = first === 2 ? roughlyAt(args, 1) : 0;
  if (!(wanted >= 0) || !(local >= 0)) return reply.error(NOT_AN_INTEGER);
  if (local > 1) return reply.error("ERR value is out of range, must be 0 or 1");
  const timeoutMs = millisecondsAt(args, first + 1, reply);
  if (Number.isNaN(timeoutMs)) return;
  const vector = writtenBy(session);
  const count = (to: Reply): void => {
    const elsewhere = waits.elsewhere(vector, first === 2);
    if (first === 1) return to.int(elsewhere);
    to.array(2);
    to.int(waits.durable.includes(vector) ? 1 : 0);
    to.int(elsewhere);
  };
  count(reply);
  if (inTransaction) return;
  run.replyWait = waits.begin(session.id, {
    vector,
    at: wanted,
    timeoutMs: timeoutMs === 0 ? Infinity : timeoutMs,
    end: (_wait, instead) => count(instead),
  });
}

/** The newest record of a connection: whoever has it has all that it depends on. */
function writtenBy({ wroteOrigin, wroteSeq }: Session): Vector {
  const vector = new Vector(0);
  if (wroteSeq > 0) vector.raise(wroteOrigin, wroteSeq);
  return vector;
}
