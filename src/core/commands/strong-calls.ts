/**
 * StrongCalls: commands on strong keys: most regions agree on what each of them does.
 *
 *   command on one strong key ─► its client waits ─► Strong: a round ─► run on the value (`Scratch`) ─► agreed on ─► answered
 *
 * Invariant: a command touches one strong key and nothing beside it, or none. So what is written here without a word of the others
 * never meets what all have agreed on.
 */
import type { Strong } from "../strong/strong.ts";
import type { End } from "../strong/proposal.ts";
import type { Args } from "../wire/args.ts";
import { Reply } from "../wire/reply.ts";
import { keyName } from "../keyspace/key-name.ts";
import { type CommandEntry, READS, STRONG } from "./command-table.ts";
import { keyPositions } from "./key-positions.ts";
import type { Run } from "./run.ts";
import { Scratch, type StrongCall } from "./scratch.ts";
import { isDense, Sequences } from "./sequences.ts";
import type { Session } from "./session.ts";

/** The refusal of what would put a strong key beside something else. */
export const MIXED =
  "AAMIXED a strong key stands alone: no other key beside it, no transaction and no script around it";
/** The refusal of what asks for the version of another key. */
export const NO_VERSION =
  "AASTRONGTYPE only strong keys have versions: their keyspace says `writes: global`";
const NOTHING = Buffer.alloc(0);

/** Whether a command names a strong key. */
export function touchesStrong(run: Run, { command }: CommandEntry, args: Args): boolean {
  const { policies } = run.keyspace;
  if (!policies.haveStrong) return false;
  return keyPositions(command, args).some((i) =>
    policies.isStrong(args.bytes, args.start[i] as number, args.end[i] as number),
  );
}

export class StrongCalls {
  readonly #run: Run;
  readonly #strong: Strong;
  #scratchpad: Scratch | null = null;
  readonly #reply = new Reply();
  readonly #sequences: Sequences;

  constructor(run: Run, strong: Strong) {
    this.#run = run;
    this.#strong = strong;
    this.#sequences = new Sequences(run);
  }

  /** Made when a command needs it first. */
  get #scratch(): Scratch {
    return (this.#scratchpad ??= new Scratch(this.#run));
  }

  /** Takes a command over that touches a strong key: refuses it, answers it, or lets its client wait. False: it touches none. */
  takes(entry: CommandEntry, args: Args, reply: Reply): boolean {
    const run = this.#run;
    if (!touchesStrong(run, entry, args)) {
      const isVersioned = run.session.said?.versioned === true;
      if (isVersioned) reply.error(NO_VERSION);
      return isVersioned;
    }
    const positions = keyPositions(entry.command, args);
    const problem = this.#objection(entry, positions.length);
    if (problem !== null) {
      reply.error(problem);
      return true;
    }
    const { session } = run;
    const { resp } = session;
    const consistency = session.said ?? session.consistency;
    const at = positions[0] as number;
    if (consistency.staleMs !== null && (entry.bits & READS) !== 0) {
      this.#answerStale({ entry, args, at, resp }, reply);
      return true;
    }
    const call = { entry, args: args.keep(), at, resp };
    if (entry.command.reserves !== true || isDense(args)) this.#submit(session, call);
    else {
      const key = args.copy(at);
      this.#sequences.next(
        keyName(session.db, key, 0, key.length),
        (end) => this.#reserve(session, call, key, end),
        reply,
      );
    }
    return true;
  }

  #objection({ bits, name, command }: CommandEntry, keys: number): string | null {
    const run = this.#run;
    const isAlone = keys === 1 && !run.inTransaction && !run.scriptRun.running;
    if (!isAlone || command.group === "scripting") return MIXED;
    if ((bits & STRONG) === 0)
      return `AASTRONGTYPE '${name}' does not work on strong keys: they are strings and small hashes`;
    const lacking = this.#strong.objection();
    return lacking === null
      ? null
      : `AANOQUORUM no majority of regions, ${lacking}; nothing was written or read`;
  }

  /** What this replica has heard of; it was waited for before that it has heard enough. */
  #answerStale(call: StrongCall, reply: Reply): void {
    const run = this.#run;
    const { args, at } = call;
    // What shows may be a record of ours that is not durable yet.
    const { db, bytes, start, end } = run.look(args, at);
    const known = this.#strong.learned.find(db, bytes.subarray(start, end));
    const value = known ?? { version: 0, value: null, deadline: Infinity };
    const { reply: said } = this.#scratch.call(call, value, run.nowMs, run.wallMs);
    reply.sink.raw(said, 0, said.length);
  }

  /** Has numbers agreed on for whoever waits for them here. */
  #reserve(session: Session, call: StrongCall, key: Buffer, end: (answer: Buffer) => void): void {
    const run = this.#run;
    const { timeoutMs } = session.said ?? session.consistency;
    this.#strong.command(session.db, key, {
      reads: false,
      deadlineMs: run.monoMs + timeoutMs,
      timeoutMs,
      run: (value) => this.#scratch.call(call, value, run.nowMs, run.wallMs),
      end: (ended) => end(this.#wordsOf(ended, false, call.resp)),
    });
  }

  #submit(session: Session, call: StrongCall): void {
    const run = this.#run;
    const { timeoutMs, versioned } = session.said ?? session.consistency;
    const muted = session.replies !== "on";
    const key = call.args.copy(call.at);
    session.deciding = true;
    this.#strong.command(session.db, key, {
      reads: (call.entry.bits & READS) !== 0,
      deadlineMs: run.monoMs + timeoutMs,
      timeoutMs,
      run: (value) => this.#scratch.call(call, value, run.nowMs, run.wallMs),
      end: (end) => {
        const bytes = muted ? NOTHING : this.#wordsOf(end, versioned, call.resp);
        run.blocking.answers.push({ session, bytes, seq: 0, wrote: false });
      },
    });
  }

  #wordsOf(end: End, versioned: boolean, resp: 2 | 3): Buffer {
    if (end.is === "done" && !versioned) return end.reply;
    const reply = this.#reply;
    reply.sink.clear();
    reply.resp = resp;
    if (end.is === "refused") reply.error(end.reason);
    else {
      reply.array(2);
      reply.int(end.version);
      reply.sink.raw(end.reply, 0, end.reply.length);
    }
    return reply.sink.copy();
  }
}
