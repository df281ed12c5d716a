/**
 * Consistency: what a client wants of the other members, and what a command waits for before it runs because of that.
 *
 *   AA.DO, else AA.LEVEL, else the keyspace, else LOCAL_ONE ─► can the level be met? no: refused before anything is written
 *                                                            ─► something to wait for? admitted when that has come
 *
 * Invariant: a command that runs sees all that its session and its level ask for. What cannot be had in time is refused, and then
 * the command has not run. A client that asks for nothing pays for nothing.
 */
import { Vector } from "../clock/vector.ts";
import { type Level, LEVELS } from "../replica/levels.ts";
import type { Named, Terms, Wait } from "../replica/waits.ts";
import type { Args } from "../wire/args.ts";
import { type CommandEntry, IMMEDIATE, READS, WRITES } from "./command-table.ts";
import { hasKeys, keyPositions } from "./key-positions.ts";
import type { Run } from "./run.ts";
import type { Session } from "./session.ts";

/** How long a level is waited for unless the client says otherwise. */
const TIMEOUT_MS = 2_000;

/** What a client has said of a command that is to be done once. */
export interface OnceSaid {
  /** One byte a character. */
  readonly id: string;
  /** How long a repetition is recognized. */
  readonly windowMs: number;
}

/** For how long unless the client says otherwise, and at most. */
export const WINDOW_MS = 600_000;
export const WINDOW_MAX_MS: number = 7 * 24 * 3_600_000;
export const ID_MAX_BYTES = 256;

/** What a client has said; null for what it has not. */
export interface Consistency {
  readonly read: Level | null;
  readonly write: Level | null;
  /** What a read shows is durable at the level of writes before it is shown. */
  readonly atomic: boolean;
  /** Everything that is applied here is durable at the level of writes before the command runs. */
  readonly barrier: boolean;
  /** How old what a read shows may be. */
  readonly staleMs: number | null;
  /** Of a command on a strong key: its reply stands behind the key's version. */
  readonly versioned: boolean;
  /** It is done once under an id. */
  readonly once: OnceSaid | null;
  readonly timeoutMs: number;
}

export const UNSAID: Consistency = {
  read: null,
  write: null,
  atomic: false,
  barrier: false,
  staleMs: null,
  versioned: false,
  once: null,
  timeoutMs: TIMEOUT_MS,
};

/** What a session that has come from elsewhere has seen there, until that is applied here. */
export interface Behind {
  readonly seen: readonly Named[];
  /** Whether commands wait for it, and how long; they are refused at once otherwise. */
  readonly timeoutMs: number;
}

/** The level of a name in any case, or null. */
export function levelOf(word: string): Level | null {
  const name = word.toUpperCase();
  return LEVELS.find((level) => level === name) ?? null;
}

/** A command on its way: its row, its words, and what was said for this one call. */
export interface Called {
  readonly entry: CommandEntry;
  readonly args: Args;
  readonly said: Consistency | null;
}

/**
 * Whether the command may run now. False: it waits (`session.pending`); ask again when that has ended, before the client's next
 * command. With `session.objection` set it is to be refused.
 */
export function admit(run: Run, session: Session, called: Called | null): boolean {
  if (called === null) return true;
  const { entry, args, said } = called;
  if (!entry.takes(args.count) || !session.authenticated) return true;
  const use = useOf(session, entry);
  if (use === null) return true;
  const wish = said ?? session.consistency;
  const { policies } = run.keyspace;
  const ofKeys = policies.haveLevels ? levelsOfKeys(run, session, called) : null;
  const { onEverything = false } = entry.command;
  const wished = onEverything ? "ALL" : use.reads ? (wish.read ?? ofKeys?.read) : null;
  const read = wished ?? "LOCAL_ONE";
  const write = wish.write ?? ofKeys?.write ?? "LOCAL_ONE";
  session.writeLevel = write;
  session.levelTimeoutMs = wish.timeoutMs;
  const { pending } = session;
  if (pending !== null) {
    session.pending = null;
    if (pending.outcome === "reached") session.behind = null;
    else session.objection = late(run, pending);
    return true;
  }
  const unsettled = onEverything ? (run.rights?.unsettled() ?? null) : null;
  if (unsettled !== null) {
    session.objection = unsettled;
    return true;
  }
  const lacking = run.waits.objection(read) ?? (use.writes ? run.waits.objection(write) : null);
  if (lacking !== null) {
    session.objection = `AANOQUORUM ${lacking}; nothing was ${use.writes ? "written" : "read"}`;
    return true;
  }
  const terms = termsOf(run, session, wish, read, write, use);
  if (terms === null) return true;
  session.pending = run.waits.begin(session.id, terms);
  if (session.pending !== null) return false;
  session.behind = null;
  return true;
}

/** Whether a command reads or writes data; null when it does neither. */
function useOf(
  { queue }: Session,
  { bits, command }: CommandEntry,
): { reads: boolean; writes: boolean } | null {
  if (queue === null) {
    const writes = (bits & WRITES) !== 0;
    const reads = (bits & READS) !== 0;
    return reads || writes || hasKeys(command) ? { reads, writes } : null;
  }
  // What is queued runs with EXEC.
  if ((bits & IMMEDIATE) === 0 || command.name !== "exec") return null;
  const reads = queue.some(({ entry }) => (entry.bits & READS) !== 0);
  return { reads, writes: queue.some(({ entry }) => (entry.bits & WRITES) !== 0) };
}

function termsOf(
  run: Run,
  { behind }: Session,
  { atomic, barrier, staleMs, timeoutMs }: Consistency,
  read: Level,
  write: Level,
  { reads }: { reads: boolean },
): Terms | null {
  const asks = read === "LOCAL_ONE" ? null : read;
  const isFresh = staleMs === null || !reads;
  if (behind === null && asks === null && !barrier && isFresh) return null;
  const weakest = atomic && asks !== null ? asks : "GLOBAL_QUORUM";
  return {
    timeoutMs: behind === null ? timeoutMs : Math.min(timeoutMs, behind.timeoutMs),
    ...(asks === null ? {} : { asks }),
    ...(behind === null ? {} : { named: behind.seen }),
    ...(barrier ? { vector: run.waits.applied.copy() } : { vector: new Vector() }),
    ...(barrier || (atomic && asks !== null)
      ? { at: write === "LOCAL_ONE" ? weakest : write }
      : {}),
    ...(isFresh ? {} : { sinceMs: run.nowMs - staleMs }),
  };
}

/** The strongest levels among the keyspaces of a command's keys. */
function levelsOfKeys(
  run: Run,
  session: Session,
  { entry, args }: Called,
): { read: Level; write: Level } {
  let [read, write] = [0, 0];
  const look = (command: CommandEntry["command"], words: Args): void => {
    for (const i of keyPositions(command, words)) {
      const levels = run.keyspace.policies.levelsOf(
        words.bytes,
        words.start[i] as number,
        words.end[i] as number,
      );
      read = Math.max(read, LEVELS.indexOf(levels.readLevel));
      write = Math.max(write, LEVELS.indexOf(levels.writeLevel));
    }
  };
  if (session.queue === null) look(entry.command, args);
  else for (const queued of session.queue) look(queued.entry.command, queued.args);
  return { read: LEVELS[read] as Level, write: LEVELS[write] as Level };
}

/** Why a command did not run: what it waited for did not come in time. */
function late(run: Run, wait: Wait): string {
  const { terms, question } = wait;
  const within = `within ${terms.timeoutMs} ms`;
  if (question > 0)
    return `AANOQUORUM not enough members for ${terms.asks} answered ${within}; the command has not run`;
  const lost = run.waits.lost(wait);
  if (lost !== null)
    return `AALOSTWRITE ${lost}, which the session has seen, was lost with its replica: no member has it`;
  if (terms.at !== undefined && run.waits.applied.includes(wait.vector))
    return `AAINCOMPLETE what is to be shown was not durable at ${terms.at} ${within}; the command has not run`;
  return `AASTALE this replica did not have what the session or its level asks for ${within}; the command has not run`;
}
