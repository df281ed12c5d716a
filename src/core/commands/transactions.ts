/**
 * Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.
 *
 *   MULTI ─► command: QUEUED, or refused (then EXEC refuses all) ─► EXEC ─► every reply, one record
 *   WATCH ─► whatever changes the key, here or from a peer, marks the session ─► EXEC answers nil
 *
 * Invariant: `run.watchers` and each session's `watched` say the same.
 */
import { NONE } from "../crdt/key.ts";
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import type { Denial } from "./acl-selector.ts";
import { call } from "./call.ts";
import { type CommandEntry, WRITES } from "./command-table.ts";
import type { Command } from "./command.ts";
import { keyName } from "../keyspace/key-name.ts";
import type { Run } from "./run.ts";
import type { Session } from "./session.ts";

/** What one transaction may queue: as much as Redis reads from a client before it hangs up. */
const QUEUE_MAX_BYTES = 1024 * 1024 * 1024;
/** What a queued command costs beside its bytes, and each of its words. */
const COMMAND_BYTES = 200;
const WORD_BYTES = 8;

const ABORTED = "EXECABORT Transaction discarded because of previous errors.";

const connectionFlags = ["noscript", "loading", "stale", "fast", "allow_busy"] as const;
const common = {
  keys: [0, 0, 0],
  categories: ["transaction"],
  group: "transactions",
} as const;

export const transactionCommands: readonly Command[] = [
  {
    ...common,
    name: "multi",
    arity: 1,
    flags: connectionFlags,
    since: "1.2.0",
    complexity: "O(1)",
    summary: "Starts a transaction",
    immediate: true,
    run: multi,
  },
  {
    ...common,
    name: "exec",
    arity: 1,
    flags: ["noscript", "loading", "stale", "skip_slowlog"],
    since: "1.2.0",
    complexity: "Depends on the commands of the transaction",
    summary: "Runs the commands of a transaction as one record",
    immediate: true,
    refused: abort,
    run: exec,
  },
  {
    ...common,
    name: "discard",
    arity: 1,
    flags: connectionFlags,
    since: "2.0.0",
    complexity: "O(N) for N queued commands",
    summary: "Forgets the commands of a transaction",
    immediate: true,
    run: discard,
  },
  {
    ...common,
    name: "watch",
    goesHome: true,
    arity: -2,
    flags: connectionFlags,
    keys: [1, -1, 1],
    keyFlags: ["RO"],
    since: "2.2.0",
    complexity: "O(1) for each key",
    summary: "Makes the next transaction depend on keys staying as they are",
    immediate: true,
    run: watch,
  },
  {
    ...common,
    name: "unwatch",
    arity: 1,
    flags: connectionFlags,
    since: "2.2.0",
    complexity: "O(1)",
    summary: "Forgets what WATCH was told",
    run: unwatch,
  },
];

function multi(run: Run, _args: Args, reply: Reply): void {
  if (run.session.queue !== null) return reply.error("ERR MULTI calls can not be nested");
  run.session.queue = [];
  reply.ok();
}

/** Queues a command of a session that is in a transaction. */
export function enqueue(run: Run, entry: CommandEntry, args: Args, reply: Reply): void {
  const { session } = run;
  const words = args.count * WORD_BYTES;
  const bytes = (args.end[args.count - 1] as number) - (args.start[0] as number);
  const total = session.queuedBytes + bytes + words + COMMAND_BYTES;
  if (total > QUEUE_MAX_BYTES) {
    session.queueFailed = true;
    return reply.error(`ERR Transaction is larger than ${QUEUE_MAX_BYTES} bytes`);
  }
  session.queuedBytes = total;
  session.queue?.push({ entry, args: args.keep() });
  reply.status("QUEUED");
}

function exec(run: Run, _args: Args, reply: Reply): void {
  const { session } = run;
  const { queue, queueFailed } = session;
  if (queue === null) return reply.error("ERR EXEC without MULTI");
  const changed = session.dirty || expired(run, session);
  if (!queueFailed && !changed && run.refuseWrites !== null && queueWrites(session))
    return abort(run, run.refuseWrites, reply);
  leaveTransaction(run, session);
  if (queueFailed) return reply.error(ABORTED);
  if (changed) {
    // That a key has changed is something to be shown only once it is stored.
    run.holdForEverything();
    return reply.nilArray();
  }
  reply.array(queue.length);
  run.inTransaction = true;
  for (const { entry, args } of queue) {
    // Rules may have changed since the command was queued.
    const denial = run.users.denial(run, entry, args, "multi");
    if (denial === null) call(run, entry, args, reply);
    else reply.error(noLonger(denial));
  }
  run.inTransaction = false;
}

function noLonger({ kind }: Denial): string {
  const reason = {
    command: "no permission to execute the command or subcommand",
    key: "no permission to touch the specified keys",
    channel: "no permission to access one of the channels used as arguments",
  }[kind];
  return `NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: ${reason}`;
}

/** EXEC itself was refused: the transaction is over, and the reason says why. */
function abort(run: Run, reason: string, reply: Reply): void {
  leaveTransaction(run, run.session);
  reply.error(`EXECABORT Transaction discarded because of: ${reason.replace(/^ERR /, "")}`);
}

/** Whether a session has queued a command that may write. */
export function queueWrites(session: Session): boolean {
  return session.queue?.some(({ entry }) => (entry.bits & WRITES) !== 0) ?? false;
}

function discard(run: Run, _args: Args, reply: Reply): void {
  if (run.session.queue === null) return reply.error("ERR DISCARD without MULTI");
  leaveTransaction(run, run.session);
  reply.ok();
}

/** Forgets a session's queue and what it watches. The host calls it when a client has gone. */
export function leaveTransaction(run: Run, session: Session): void {
  session.queue = null;
  session.queuedBytes = 0;
  session.queueFailed = false;
  unwatchAll(run, session);
}

function watch(run: Run, args: Args, reply: Reply): void {
  if (run.session.queue !== null) return reply.error("ERR WATCH inside MULTI is not allowed");
  const { session } = run;
  const watched = (session.watched ??= new Map());
  for (let i = 1; i < args.count; i++) {
    const { db, bytes, start, end, type, deadline } = run.look(args, i);
    const name = keyName(db, bytes, start, end);
    if (watched.has(name)) continue;
    watched.set(name, { existed: type !== NONE, deadline });
    const watching = run.watchers.get(name);
    if (watching === undefined) run.watchers.set(name, new Set([session]));
    else watching.add(session);
  }
  run.listen();
  reply.ok();
}

function unwatch(run: Run, _args: Args, reply: Reply): void {
  unwatchAll(run, run.session);
  reply.ok();
}

/** Forgets what a session watches, and with the last watch how to hear of changes. */
function unwatchAll(run: Run, session: Session): void {
  session.dirty = false;
  if (session.watchedAt !== null) {
    session.watchedAt = null;
    run.homes.forwarding?.leave(session);
  }
  if (session.watched === null) return;
  for (const name of session.watched.keys()) {
    const watching = run.watchers.get(name);
    watching?.delete(session);
    if (watching?.size === 0) run.watchers.delete(name);
  }
  session.watched = null;
  run.listen();
}

/** Whether a watched key has expired since; nothing touches it then. */
function expired(run: Run, session: Session): boolean {
  if (session.watched === null) return false;
  for (const { deadline } of session.watched.values()) if (deadline <= run.nowMs) return true;
  return false;
}
