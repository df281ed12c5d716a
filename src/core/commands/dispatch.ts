/**
 * Dispatch: from the words of a client to the command they name, and everything that may stand against running it.
 *
 *   known? ─► arity ─► authenticated? ─► anything to serve? ─► allowed in MULTI? ─► writes refused? ─► queued by MULTI, or run and committed
 *
 * Invariant: every command gets exactly one reply, later if it waits (`session.waiter`, `session.deciding`), except where CLIENT REPLY says otherwise,
 * a waiting client goes, SHUTDOWN ends everything, and one confirmation a name answers SUBSCRIBE and its kin; one
 * command, or one EXEC, commits at most one record. A common command allocates nothing here. What a handler throws is a bug,
 * and nobody here catches it.
 */
import type { Args } from "../wire/args.ts";
import type { Reply } from "../wire/reply.ts";
import { call } from "./call.ts";
import {
  type CommandEntry,
  GROWS,
  IMMEDIATE,
  LOADING,
  NEVER_QUEUED,
  OPEN,
  PUSHES,
  SUBSCRIBER,
  UNLOGGED,
  WRAPS,
  WRITES,
} from "./command-table.ts";
import { admit, type Called, UNSAID } from "./consistency.ts";
import {
  NOAUTH,
  noPermission,
  OOM,
  unknownCommand,
  unknownSubcommand,
  wrongArity,
} from "./errors.ts";
import { frozenBy } from "./freezes.ts";
import type { Run } from "./run.ts";
import type { Session } from "./session.ts";
import { MIXED, touchesStrong } from "./strong-calls.ts";
import { commandTable } from "./table.ts";
import { enqueue, queueWrites } from "./transactions.ts";

const NOT_IN_MULTI = "ERR Command not allowed inside a transaction";
const NOT_WITHIN = "ERR one AA.DO says all there is to say: it does not run another one";
const LEVEL_OF_EXEC = "ERR a transaction has one level: give it to EXEC, as in AA.DO <level> EXEC";

/** Runs one command of a client and writes its reply. */
export function execute(run: Run, session: Session, args: Args, reply: Reply): void {
  if (args.count === 0) return;
  run.session = session;
  reply.resp = session.resp;
  const mark = reply.mark;
  const entry = commandTable.find(args);
  const { forwarded } = session;
  if (forwarded !== null)
    run.homes.answer(session, forwarded, calledOf(session, args)?.entry ?? entry, reply);
  else if (entry === null) {
    if (isHttp(args)) session.closing = session.unheard = true;
    else refuseUnknown(run, args, reply);
  } else if ((entry.bits & WRAPS) !== 0) dispatchWrapped(run, entry, args, reply);
  else dispatch(run, entry, args, reply);
  if (session.replies !== "on" && ((entry?.bits ?? 0) & PUSHES) === 0) mute(session, mark, reply);
  if (session.tracking !== null) run.tracking.ended(session, session.tracking, session.lastCommand);
  if (run.pushes.count > 0) run.pushes.deliver(run, session, reply);
}

/** Runs the command that another one names, as if the client had sent it. */
function dispatchWrapped(run: Run, outer: CommandEntry, args: Args, reply: Reply): void {
  const { session } = run;
  const called = calledOf(session, args);
  if (called === null) {
    // What begins where no option stands is a command, and this one is unknown.
    const at = outer.command.wraps?.(session, args)?.at ?? 0;
    return at === 0 ? dispatch(run, outer, args, reply) : refuseUnknown(run, args.from(at), reply);
  }
  const { entry } = called;
  if ((entry.bits & WRAPS) !== 0) return refuse(run, outer, NOT_WITHIN, reply);
  if (session.queue !== null && (entry.bits & IMMEDIATE) === 0)
    return refuse(run, outer, LEVEL_OF_EXEC, reply);
  session.said = called.said;
  dispatch(run, entry, called.args, reply);
  session.said = null;
}

/** What a client calls: the command itself, or the one that it names. Null when nobody knows it. */
function calledOf(session: Session, args: Args): Called | null {
  const entry = commandTable.find(args);
  if (entry === null || (entry.bits & WRAPS) === 0)
    return entry === null ? null : { entry, args, said: null };
  const wrapped = entry.command.wraps?.(session, args) ?? null;
  if (wrapped === null) return null;
  const inner = args.from(wrapped.at);
  const found = commandTable.find(inner);
  return found === null ? null : { entry: found, args: inner, said: wrapped.said };
}

/**
 * Whether the client's next command may run now. False: it waits for other members until `session.pending` has ended; then the host
 * asks again. Ask once before each command.
 */
export function mayRun(run: Run, session: Session, args: Args): boolean {
  if (session.asking !== null) {
    // Whatever else the command waited for came before.
    if (session.asking.state !== "runs") {
      const called = calledOf(session, args);
      return called === null || run.rights?.admits(session, called) !== false;
    }
    session.asking = null;
  }
  // Only names of our own have a dot there.
  const isOwn = args.bytes[(args.start[0] as number) + 2] === DOT;
  // That of the command before is left over when it was refused for something else.
  session.objection = null;
  session.restsOnLease = false;
  session.writeLevel = "LOCAL_ONE";
  const { haveLevels, haveOwners } = run.keyspace.policies;
  if (
    !isOwn &&
    session.consistency === UNSAID &&
    session.behind === null &&
    !haveLevels &&
    !haveOwners
  )
    return true;
  const called = calledOf(session, args);
  const isOwned = haveOwners || called?.entry.command.byOwner === true;
  if (!isOwned && session.forwarded === null) return admitWithRights(run, session, called);
  // Who comes from another replica brings what decides who the owner is.
  const isPeer = session.peer !== null;
  if (isPeer && !admit(run, session, called)) return false;
  const place =
    called === null || session.objection !== null ? "here" : run.homes.place(session, called, args);
  if (place === "here" && !isPeer) return admitWithRights(run, session, called);
  return place !== "not yet";
}

/** As `admit`; and then there may be rights to wait for. */
function admitWithRights(run: Run, session: Session, called: Called | null): boolean {
  if (!admit(run, session, called)) return false;
  if (called === null || session.objection !== null || called.entry.command.lacks === undefined)
    return true;
  return run.rights?.admits(session, called) !== false;
}

const DOT = 46;

function dispatch(run: Run, entry: CommandEntry, args: Args, reply: Reply): void {
  const { session } = run;
  const { bits } = entry;
  session.lastCommand = entry.name;
  session.lastCommandMs = run.wallMs;
  if (!entry.takes(args.count)) return refuse(run, entry, wrongArity(entry.name), reply);
  if (!session.authenticated && (bits & OPEN) === 0 && !run.users.isOpen)
    return refuse(run, entry, NOAUTH, reply);
  if ((session.user ?? run.users.default).isLimited) {
    const denial = run.users.denial(run, entry, args, null);
    if (denial !== null) return refuse(run, entry, noPermission(denial, entry.name), reply);
  }
  if (run.loading !== null && (bits & LOADING) === 0) return refuse(run, entry, run.loading, reply);
  const once = session.said?.once ?? null;
  let digest = NOTHING;
  if (once !== null && session.objection === null) {
    const reason = run.once.objection(entry, touchesStrong(run, entry, args));
    if (reason !== null) return refuse(run, entry, reason, reply);
    digest = run.once.digest(session, args);
    if (run.once.repeats(once, digest, reply)) return;
  }
  if ((bits & WRITES) !== 0 && run.refuseWrites !== null)
    return refuse(run, entry, run.refuseWrites, reply);
  if (session.objection !== null) {
    const reason = session.objection;
    session.objection = null;
    return refuse(run, entry, reason, reply);
  }
  if (run.keyspace.policies.haveFrozen) {
    const reason = frozenBy(run, session, entry, args);
    if (reason !== null) return refuse(run, entry, reason, reply);
  }
  if (run.settings.maxMemoryBytes > 0) {
    const room = run.eviction.makeRoom(run.refuseWrites === null);
    if (run.pushes.count > 0) run.pushes.deliver(run, null, null);
    if (!room && grows(session, bits)) return refuse(run, entry, OOM, reply);
  }
  if (session.subscriptions > 0 && session.resp === 2 && (bits & SUBSCRIBER) === 0)
    return refuse(run, entry, onlySubscribing(entry.name), reply);
  if (session.queue !== null && (bits & IMMEDIATE) === 0) {
    if ((bits & NEVER_QUEUED) !== 0) return refuse(run, entry, NOT_IN_MULTI, reply);
    if (touchesStrong(run, entry, args)) return refuse(run, entry, MIXED, reply);
    return enqueue(run, entry, args, reply);
  }
  const { mark } = reply;
  const isTransaction = session.queue !== null;
  call(run, entry, args, reply);
  if (once !== null) run.once.keep(once, digest, reply, mark, isTransaction);
  run.write.commit();
}

const NOTHING: Buffer = Buffer.alloc(0);

/** In RESP2 a reply and a message look alike, so a client that listens can hardly ask for anything. */
function onlySubscribing(name: string): string {
  return `ERR Can't execute '${name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`;
}

/** Whether a command would take memory: by what it writes, or by being queued. */
function grows({ queue }: Session, bits: number): boolean {
  if ((bits & GROWS) !== 0) return true;
  if (queue === null) return false;
  if ((bits & IMMEDIATE) === 0) return true;
  return (bits & UNLOGGED) !== 0 && queue.some(({ entry }) => (entry.bits & GROWS) !== 0);
}

function refuse(run: Run, entry: CommandEntry, reason: string, reply: Reply): void {
  const mark = reply.mark;
  run.stats.rejected(entry.index);
  if (run.session.queue !== null) run.session.queueFailed = true;
  if (entry.command.refused === undefined) reply.error(reason);
  else entry.command.refused(run, reason, reply);
  run.stats.failed(reply, mark);
}

function refuseUnknown(run: Run, args: Args, reply: Reply): void {
  const mark = reply.mark;
  if (run.session.queue !== null) run.session.queueFailed = true;
  const container = commandTable.container(args) !== null;
  reply.error(container ? unknownSubcommand(args) : unknownCommand(args));
  run.stats.failed(reply, mark);
}

/**
 * Whether this is a line of an HTTP request: a web page that makes a browser speak to us. Its next lines could be commands, so
 * the connection ends without an answer, also to the lines before that looked like commands.
 */
function isHttp(args: Args): boolean {
  return args.is(0, "POST") || args.is(0, "HOST:");
}

/** Takes back the reply of a client that wants none, and moves CLIENT REPLY SKIP on. */
function mute(session: Session, mark: number, reply: Reply): void {
  if (session.replies === "skip next") session.replies = "skip";
  else {
    reply.truncate(mark);
    if (session.replies === "skip") session.replies = "on";
  }
}

/**
 * Until when the next command of a client has to wait (DEBUG SLEEP, CLIENT PAUSE), in milliseconds since 1970; 0 when it
 * need not. The host asks before it executes a command, and again when that time has come or the pause has ended.
 */
export function heldUntilMs(run: Run, session: Session, args: Args): number {
  if (session.sleepUntilMs > run.wallMs) return session.sleepUntilMs;
  if (run.pausedUntilMs <= run.wallMs) return 0;
  const called = calledOf(session, args);
  // What will be refused is refused at once.
  if (called === null || !called.entry.takes(called.args.count)) return 0;
  const { entry } = called;
  if (run.paused === "all") return run.pausedUntilMs;
  const writes = (entry.bits & WRITES) !== 0 || entry.command.waitsWithWriters === true;
  const runsQueue = (entry.bits & IMMEDIATE) !== 0 && queueWrites(session);
  return writes || runsQueue ? run.pausedUntilMs : 0;
}

/** What `run` has counted of one command. */
export interface CommandCount {
  /** In lower case, such as `client|setname`. */
  readonly name: string;
  readonly calls: number;
  /** Calls whose reply was an error. */
  readonly failures: number;
  /** Refused before they ran, so not among the calls. */
  readonly rejections: number;
  /** Time it ran in total, in microseconds. */
  readonly micros: number;
  /** How long the calls took, for `percentile`; null when that is not known. */
  readonly times: Float64Array | null;
}

/** Counts of every command that was called or refused at least once. */
export function commandStats(run: Run): CommandCount[] {
  const { calls, failures, rejections, micros, times } = run.stats;
  const counts: CommandCount[] = [];
  for (const { name, index } of commandTable.entries) {
    const count = {
      name,
      calls: calls[index] as number,
      failures: failures[index] as number,
      rejections: rejections[index] as number,
      micros: micros[index] as number,
      times: times[index] ?? null,
    };
    if (count.calls > 0 || count.rejections > 0) counts.push(count);
  }
  return counts;
}
