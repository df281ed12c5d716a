/**
 * Actor: one client: asks, waits, asks again, gives up, goes elsewhere.
 *
 * Invariant: an operation whose reply has not come is indeterminate, never failed: it may have happened. I-19: a machine that is up,
 * not paused and whose disk works answers in time.
 */
import type { Replica } from "../../src/core/replica/replica.ts";
import type { HistoryOrigin } from "../judge/history.ts";
import type { Judge } from "../judge/judge.ts";
import { shown } from "../judge/view.ts";
import { Chance } from "./chance.ts";
import type { Machine } from "./machine.ts";
import { fits } from "./expected.ts";
import { isError, type Reply, request } from "./replies.ts";
import { Served } from "./served.ts";
import type { Timeline } from "./timeline.ts";
import {
  type Operation,
  operation,
  ONCE,
  POPS,
  POSITION,
  WAIT_FOR_OWNERS,
  type WorkloadOptions,
} from "./workload.ts";

/** How an operation went. */
export interface Outcome {
  readonly operation: Operation;
  readonly machine: Machine;
  readonly sentUs: number;
  replies: Reply[];
  /** Whether the client has heard that it was done. */
  acknowledged: boolean;
  /** The client has heard that it was refused. */
  refused: boolean;
  /** When its last reply came; Infinity while it has not. */
  answeredUs: number;
  /** The record it made. */
  origin: HistoryOrigin | null;
  seq: number;
  /** When it was made. */
  madeUs: number;
  /** Replies that have left the node. */
  left: number;
  executed: number;
  /** When its last command was executed, the replica lacked something that the client had seen. */
  isBehind: boolean;
}

export interface ActorOptions {
  readonly workload: WorkloadOptions;
  readonly meanUs: number;
  /** How long it waits for a reply. */
  readonly patienceUs: number;
  readonly depth: number;
  /** How often it goes to another region, per operation. */
  readonly wander: number;
  /** While it asks nothing. */
  readonly restMs: readonly [number, number];
  /** Operations left out, by index. */
  readonly masked: ReadonlySet<number>;
}

interface Token {
  readonly text: string;
  readonly machine: Machine;
  readonly seen: ReadonlyMap<HistoryOrigin, number>;
}

const RECONNECT_US = 300_000;

export class Actor {
  readonly number: number;
  readonly #timeline: Timeline;
  readonly #machines: readonly Machine[];
  readonly #judge: Judge;
  readonly #chance: Chance;
  readonly #options: ActorOptions;
  readonly outcomes: Outcome[] = [];
  #machine: Machine;
  #served: Served | null = null;
  /** Sent on this connection and not answered, in order. */
  #open: Outcome[] = [];
  #next = 0;
  /** Operations to be asked for once more. */
  #again: Operation[] = [];
  #on = true;

  constructor(number: number, machines: readonly Machine[], judge: Judge, options: ActorOptions) {
    this.number = number;
    this.#machines = machines;
    this.#machine = machines[number % machines.length] as Machine;
    this.#timeline = this.#machine.timeline;
    this.#judge = judge;
    this.#chance = new Chance(options.workload.seed, `client ${number}`);
    this.#options = options;
    this.#wait();
  }

  /** Asks nothing more; what is open is still waited for. */
  stop(): void {
    this.#on = false;
  }

  get connected(): Served | null {
    return this.#served;
  }

  #wait(): void {
    this.#timeline.after(this.#chance.wait(this.#options.meanUs), "client", null, () =>
      this.#turn(),
    );
  }

  #turn(): void {
    if (!this.#on) return;
    this.#wait();
    this.#giveUp();
    if (this.#chance.is(this.#options.wander) && this.#open.length === 0) this.#leave();
    const [restMs, wakeMs] = this.#options.restMs;
    if (this.#timeline.nowMs >= restMs && this.#timeline.nowMs < wakeMs) return;
    if (this.#served === null) return this.#connect();
    if (this.#open.length >= this.#options.depth) return;
    const again = this.#again.shift();
    if (again !== undefined) {
      this.#judge.marks.sometimes("a client asked once more for what it had heard nothing of");
      return this.#ask(again);
    }
    const index = this.#next++;
    if (this.#options.masked.has(index)) return;
    this.#ask(operation(this.#options.workload, this.number, index));
  }

  /** What AA.TOKEN last answered, and the newest records by origin that the client had made or read when it asked. */
  #token: Token | null = null;
  /** Records the client has made or read since it began, or since it lost its session. */
  #seen = new Map<HistoryOrigin, number>();
  /** What the replica it talks to has to have. */
  #owed: ReadonlyMap<HistoryOrigin, number> = new Map();

  #reclaimed(reply: Reply): void {
    if (typeof reply === "number" && reply > 0)
      this.#judge.marks.sometimes("rights of a removed member were taken over");
  }

  /** Where it has come to in the change feed, and who told it so. */
  #position: { readonly text: string; readonly machine: Machine } | null = null;

  /** The same operation from where it has come to. */
  #reading(op: Operation): Operation {
    const from = this.#position?.text ?? (this.#chance.is(0.5) ? "START" : "NOW");
    const [words = []] = op.commands;
    return { ...op, commands: [words.map((word) => (word === POSITION ? from : word))] };
  }

  /** It has a page of the change feed, and stores the position behind it, unless it dies before. */
  #fed({ operation: op, machine }: Outcome, reply: Reply): void {
    const { marks } = this.#judge;
    if (isError(reply)) {
      if (!reply.error.startsWith("AATRUNCATED")) return;
      marks.sometimes("a reader of changes came too late");
      this.#position = null;
      return;
    }
    this.#judge.fed(machine, op, reply);
    if (this.#position !== null && this.#position.machine !== machine)
      marks.sometimes("a reader of changes went on in another region");
    if (!Array.isArray(reply) || this.#chance.is(0.2)) return;
    this.#position = { text: String(reply[0]), machine };
  }

  /** Goes on with what it has seen, wherever it is now. */
  #takeUp(): void {
    const token = this.#token;
    this.#judge.sessions.connected(this.number);
    this.#judge.owned.connected(this.number);
    this.#owed = new Map();
    this.#seen = new Map(token?.seen);
    if (token === null) return;
    const commands = [["AA.SESSION", token.text, "TIMEOUT", "1000"]];
    const session = { client: this.number, index: -1, kind: "session", commands };
    this.#ask({ ...session, intents: [], expected: "OK" });
  }

  /** Hears what a session is told of itself. */
  #answeredSession({ operation: { kind }, sentUs, machine }: Outcome, reply: Reply): void {
    const { sessions, marks } = this.#judge;
    if (kind === "token" && typeof reply === "string") {
      this.#token = { text: reply, machine, seen: new Map(this.#seen) };
      sessions.token(this.number, machine, sentUs);
    }
    if (kind === "session") {
      this.#owed = this.#token?.seen ?? new Map();
      sessions.takenUp(this.number);
      if (this.#token?.machine !== machine)
        marks.sometimes("a client went on elsewhere with its token");
    }
  }

  /** A client whose session a replica cannot take up gives it up in the end. */
  #refused(error: string): void {
    const { marks } = this.#judge;
    if (error.startsWith("AAINCOMPLETE")) marks.sometimes("a level was not reached in time");
    if (error.startsWith("AAUNKNOWN"))
      marks.sometimes("nobody knew whether a strong command was done");
    if (error.startsWith("AANOQUORUM")) marks.sometimes("a level could not be met");
    if (error.startsWith("AAREMOVED")) {
      marks.sometimes("a member that was removed refused a client");
      // It goes to another region for good.
      this.#token = null;
      if (this.#open.length === 0) this.#leave();
    }
    if (!error.startsWith("AASTALE") && !error.startsWith("AALOSTWRITE")) return;
    marks.sometimes("a session was refused because its replica was behind");
    if (!this.#chance.is(0.2) || this.#open.length > 0) return;
    this.#token = null;
    this.#leave();
  }

  #connect(): void {
    if (this.#chance.is(0.3)) this.#machine = this.#chance.pick(this.#machines);
    const served: Served | null = Served.connect(this.#machine, this.#chance, {
      leaves: (reply) => this.#leaves(reply),
      answered: (reply) => this.#answered(reply),
      gone: () => this.#gone(served),
      isWaiting: () => this.#open.length > 0,
    });
    this.#served = served;
    this.#askedOwners = false;
    if (served === null) return;
    this.#open = [];
    this.#leaving = [];
    actors.set(served, this);
    this.#takeUp();
  }

  /** Whether something was asked on this connection that another replica does. */
  #askedOwners = false;

  #ask(drawn: Operation): void {
    const op = drawn.kind === "feed" ? this.#reading(drawn) : drawn;
    const served = this.#served as Served;
    const outcome: Outcome = {
      operation: op,
      machine: served.machine,
      sentUs: this.#timeline.now,
      replies: [],
      acknowledged: false,
      refused: false,
      answeredUs: Infinity,
      origin: null,
      seq: 0,
      madeUs: 0,
      left: 0,
      executed: 0,
      isBehind: false,
    };
    this.outcomes.push(outcome);
    if (op.kind === "bound" || op.kind === "reclaim") this.#judge.escrow.asked(op);
    if (op.kind === "feed") this.#judge.reads(served.machine, op);
    this.#judge.owned.asked(op);
    // What an owner has done may not come here for a while: each command of the session then waits for it.
    if (WAIT_FOR_OWNERS.has(op.kind)) this.#askedOwners = true;
    this.#open.push(outcome);
    this.#leaving.push(outcome);
    this.#executing.push(outcome);
    served.send(Buffer.concat(op.commands.map(request)));
  }

  /** Outcomes whose replies have not all left the node, and those whose commands were not all executed. */
  #leaving: Outcome[] = [];
  #executing: Outcome[] = [];

  /** A command of this client was executed; `seq` is that of the record it made, or 0. */
  executed(
    origin: HistoryOrigin,
    seq: number,
    wasRefused: boolean,
    has: (of: HistoryOrigin) => number,
  ): void {
    const outcome = this.#executing[0];
    if (outcome === undefined) return;
    // A WATCH that was refused, as by a session that is behind, watches nothing.
    if (outcome.executed === 0 && wasRefused) this.#watched = null;
    outcome.executed++;
    outcome.isBehind = false;
    for (const [of, seen] of this.#owed) if (has(of) < seen) outcome.isBehind = true;
    if (seq > 0) {
      outcome.origin = origin;
      outcome.seq = seq;
      outcome.madeUs = this.#timeline.now;
      if (ONCE.has(outcome.operation.kind)) this.#done.set(outcome.operation, outcome);
    }
    if (outcome.executed === outcome.operation.commands.length) this.#executing.shift();
  }

  /** What was to be done once: how it was done last. */
  readonly #done = new Map<Operation, Outcome>();

  /** Who is told that it was done before is told of what was done here, if it was here. */
  #recalled({ operation: op, machine }: Outcome, reply: Reply): void {
    const done = this.#done.get(op);
    if (done === undefined || done.machine !== machine || done.origin === null || isError(reply))
      return;
    this.#judge.answered(machine, done.origin, done.seq);
  }

  /** The operation whose command is executed next. */
  get executing(): Operation | undefined {
    return this.#executing[0]?.operation;
  }

  /**
   * Called before a command is executed: whether it is the EXEC of a transaction that may not go through, because what it watched is
   * not what it was.
   */
  watches({ keyspace, run }: Replica): boolean {
    const outcome = this.#executing[0];
    if (outcome?.operation.kind !== "watch") return false;
    const { commands } = outcome.operation;
    const look = (): string => shown(keyspace, `0:${commands[0]?.[1] ?? ""}`, run.nowMs);
    if (outcome.executed === 0) this.#watched = look();
    if (this.#watched === null || outcome.executed < commands.length - 1) return false;
    return look() !== this.#watched;
  }

  /** What the watched key was; null when it is not watched. */
  #watched: string | null = null;

  #leaves(reply: Reply): void {
    const outcome = this.#leaving[0];
    if (outcome === undefined)
      return this.#judge.fail("I-24", this.#machine, "a reply left that nobody asked for");
    outcome.left++;
    if (outcome.operation.kind === "get" && typeof reply === "string")
      this.#judge.shown(outcome.machine, reply);
    if (POPS.has(outcome.operation.kind)) this.#given(outcome.machine, reply);
    if (outcome.operation.kind === "tail")
      this.#judge.tailed(outcome.machine, outcome.operation.commands[0]?.[1] ?? "", reply);
    if (outcome.operation.kind === "id" && typeof reply === "string")
      this.#judge.identified(outcome.machine, reply);
    if (outcome.left < outcome.operation.commands.length) return;
    this.#leaving.shift();
    if (outcome.origin === null) return this.#recalled(outcome, reply);
    this.#judge.answered(outcome.machine, outcome.origin, outcome.seq);
    if (outcome.operation.kind === "fpush" && !isError(reply))
      this.#judge.confirmed(outcome.machine, outcome.origin, outcome.seq);
  }

  /** An element of a queue, alone or behind the name of the queue, leaves the machine. */
  #given(machine: Machine, reply: Reply): void {
    const [first, last = first] = Array.isArray(reply) ? reply : [reply];
    if (typeof last !== "string") return;
    if (Array.isArray(reply)) this.#judge.marks.sometimes("a blocking command gave an element");
    this.#judge.given(machine, last);
  }

  #answered(reply: Reply): void {
    const outcome = this.#open[0];
    if (outcome === undefined) return;
    outcome.replies.push(reply);
    if (outcome.replies.length < outcome.operation.commands.length) return;
    this.#open.shift();
    outcome.answeredUs = this.#timeline.now;
    const last = outcome.replies.at(-1);
    const failed =
      outcome.replies.some(isError) || (outcome.operation.commands.length > 1 && last === null);
    if (outcome.operation.kind === "reclaim") this.#reclaimed(last ?? null);
    if (outcome.operation.kind === "bound")
      this.#judge.sold(outcome.machine, outcome.operation, last ?? null);
    if (outcome.operation.kind === "feed") this.#fed(outcome, last ?? null);
    const { marks } = this.#judge;
    if (last === null && outcome.operation.kind === "watch")
      marks.sometimes("a transaction was refused because what it watched had changed");
    if (isError(last) && last.error.startsWith("ERR Script stopped"))
      marks.sometimes("a script was stopped");
    if (outcome.replies.some((r) => isError(r) && !r.error.startsWith("WRONGTYPE")))
      marks.sometimes("a write was refused");
    if (failed) outcome.refused = true;
    else {
      outcome.acknowledged = true;
      this.#judge.told(this.number, outcome);
      this.#answeredSession(outcome, last ?? null);
      this.#see(outcome, last ?? null);
    }
    for (const one of outcome.replies) if (isError(one)) this.#refused(one.error);
    this.#judgeReply(outcome, last);
  }

  #judgeReply(outcome: Outcome, last?: Reply): void {
    const { machine, origin, acknowledged } = outcome;
    const { kind, expected, commands } = outcome.operation;
    const isCertain = kind === "echo" || (last !== null && !isError(last));
    if (isCertain && !fits(last, expected))
      this.#judge.fail(
        kind === "echo" ? "I-24" : "I-8",
        machine,
        `${commands.map((words) => words.join(" ")).join("; ")} was answered ${JSON.stringify(last)}`,
      );
    if (ONCE.has(kind)) this.#repeat(outcome);
    // What is there already is added again, or a removal that is on its way would take it.
    if (kind === "sadd" && acknowledged && origin === null)
      this.#judge.fail("I-10", machine, "an addition was acknowledged and made no record");
  }

  /** Some clients ask again although they were answered, perhaps elsewhere. */
  #repeat({ operation: op, acknowledged, origin }: Outcome): void {
    if (op.kind === "once" && acknowledged && origin === null)
      this.#judge.marks.sometimes("a repetition was recognized");
    if (this.#on && this.#chance.is(0.2)) this.#again.push(op);
  }

  /** Remembers what it has made and read, and compares what answered it with what it had seen. */
  #see(
    { origin, seq, machine, isBehind, operation: { kind, commands } }: Outcome,
    reply: Reply,
  ): void {
    // An owner elsewhere has what the session had seen; the answer does not wait for ever until it is here too.
    if (
      isBehind &&
      !OUTSIDE.has(kind) &&
      !WAIT_FOR_OWNERS.has(kind) &&
      !this.#judge.lostDisks.has(machine)
    )
      this.#judge.fail(
        "I-8",
        machine,
        `${commands.map((words) => words.join(" ")).join("; ")} was answered client ${this.number} without what its session had seen`,
      );
    if (origin !== null) this.#seen.set(origin, Math.max(seq, this.#seen.get(origin) ?? 0));
    const read = kind === "get" && typeof reply === "string" ? this.#judge.writerOf(reply) : null;
    if (read !== null)
      this.#seen.set(read.origin, Math.max(read.seq, this.#seen.get(read.origin) ?? 0));
  }

  #gone(served: Served | null): void {
    if (served !== this.#served) return;
    if (this.#open.length > 0) {
      this.#judge.marks.sometimes("a client's connection was lost under it");
      // Many clients ask again for what they heard nothing of. It may be done twice.
      if (this.#on && this.#chance.is(0.5)) {
        const all = this.#open.map(({ operation: op }) => op);
        // What is pushed twice may be given away twice.
        this.#again = all.filter(
          ({ kind }) => kind !== "qpush" && kind !== "opush" && kind !== "session",
        );
      }
    }
    this.#served = null;
    this.#open = [];
    this.#leaving = [];
    this.#executing = [];
  }

  #leave(): void {
    const served = this.#served;
    if (served === null) return;
    this.#gone(served);
    served.leave();
    this.#machine = this.#chance.pick(this.#machines);
  }

  #giveUp(): void {
    const oldest = this.#open[0];
    const { patienceUs } = this.#options;
    if (oldest === undefined || this.#timeline.now - oldest.sentUs < patienceUs) return;
    const served = this.#served as Served;
    const { machine } = served;
    // Who goes on with a session from elsewhere may wait a second for each of several commands.
    const { kinds } = this.#options.workload;
    const isPatient = "token" in kinds || this.#askedOwners;
    if (!isPatient && machine.life === served.life && machine.healthySinceUs < oldest.sentUs)
      this.#judge.fail(
        "I-19",
        machine,
        `${oldest.operation.commands.map((c) => c.join(" ")).join("; ")} was not answered in ${patienceUs / 1000} ms`,
      );
    this.#leave();
    this.#timeline.after(RECONNECT_US, "client", null, () => {});
  }
}

/** Kinds that do not look at data, so that a session need not be there for them. */
export const OUTSIDE: ReadonlySet<string> = new Set(["session", "token", "echo"]);

/** Who is on the other side of a connection. */
export const actors = new WeakMap<Served, Actor>();
