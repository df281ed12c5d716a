/**
 * Proposal: what this member has under way for one strong key: commands that wait, and the round that decides about some of them.
 *
 *   reads alone ─► READ ─► a quorum has accepted the same ─► answered
 *                    └─ not the same, or it has expired ─┐
 *   changes ─► a ballot that was promised before? no: PREPARE ─► a quorum promises: the newest that one of them has accepted
 *          └─ yes ─────────────────────────────────────────┴─► run on it ─► ACCEPT, which asks for the next promise too
 *                                                              ─► a quorum has accepted ─► answered
 *   a quorum is out of reach ─► rest, longer each time, by chance ─► PREPARE
 *
 * Invariant: a command is answered with what a quorum has accepted, and its changes are in that once. One batch is under way at a time; it
 * keeps its number until it is decided or given up, and is never tried again then.
 */
import { type Ballot, compareBallots, NO_BALLOT } from "./ballot.ts";
import type { Electorate } from "./electorate.ts";
import {
  decodeState,
  type Done,
  type DoneReply,
  encodeState,
  NOTHING,
  type StrongState,
  type StrongValue,
} from "./strong-state.ts";
import type { Answer, Saying } from "./strong-words.ts";

/** What came of a command. */
export type End =
  | { readonly is: "done"; readonly reply: Buffer; readonly version: number }
  /** It has not run, or it is not known whether it has. */
  | { readonly is: "refused"; readonly reason: string };

/** A command that waits for a strong key. */
export interface Request {
  /** Whether it cannot change anything. */
  readonly reads: boolean;
  /** By the monotonic clock. */
  readonly deadlineMs: number;
  readonly timeoutMs: number;
  /** Runs it; `next` is null when it changed nothing. The version of `next` is not looked at. */
  run(value: StrongValue): { readonly reply: Buffer; readonly next: StrongValue | null };
  /** Called once. */
  end(end: End): void;
}

export interface ProposalHost {
  readonly electorate: Electorate;
  /** Of this process: no other has it. */
  readonly life: number;
  readonly member: string;
  readonly monoMs: number;
  /** By which it is judged what has expired. */
  readonly nowMs: number;
  /** How long a round takes to the farthest member, about. */
  readonly roundMs: number;
  readonly counts: {
    rounds: number;
    conflicts: number;
    found: number;
    unknown: number;
    refused: number;
  };
  chance(): number;
  isUp(member: number): boolean;
  /** A number that this process has not given before. */
  number(): number;
  /** A number for a new question of a proposal: its answers are told to it, and those of `before` to nobody any more. */
  question(of: Proposal, before: number): number;
  /** A ballot above all that this process has made or heard of. */
  ballot(): Ballot;
  /** What this member's own acceptor has promised for a key. */
  promised(db: number, key: Buffer): Ballot;
  heard(ballot: Ballot): void;
  /** Whether a member is known to have begun a later tenure than that. */
  isOver(member: number, tenure: number): boolean;
  say(to: number, saying: Saying): void;
  /** A quorum has accepted it. */
  decided(db: number, key: Buffer, state: StrongState): void;
}

type Phase = "idle" | "reading" | "preparing" | "accepting" | "resting";

const BATCH_MAX = 64;
/** A round may take so many times what it takes usually, and so much longer, before it is given up. */
const PATIENCE = 3;
const PATIENCE_MS = 200;
const REST_DOUBLINGS_MAX = 3;

export class Proposal {
  readonly db: number;
  readonly key: Buffer;
  readonly #host: ProposalHost;
  readonly #queue: Request[] = [];
  /** Those of the batch under way; null where one has ended. */
  #batch: (Request | null)[] = [];
  #number = 0;
  /** Changes of this batch were sent to somebody. */
  #attempted = false;
  #phase: Phase = "idle";
  /** The number of the question under way. */
  #id = 0;
  readonly #answers = new Map<number, Answer>();
  #untilMs = 0;
  #tries = 0;
  #ballot: Ballot = NO_BALLOT;
  #next: StrongState = NOTHING;
  #replies: (DoneReply | null)[] = [];
  #promise: Ballot = NO_BALLOT;
  /** What was decided last, and the ballot that was promised with it. */
  #cache: { readonly ballot: Ballot; readonly state: StrongState } | null = null;
  #collects = false;
  /** Another member has asked for the key while this one had something under way. */
  #isWanted = false;

  constructor(db: number, key: Buffer, host: ProposalHost) {
    this.db = db;
    this.key = key;
    this.#host = host;
  }

  get idle(): boolean {
    return this.#phase === "idle";
  }

  /** Whether it may change the key: a command that does not only read is under way, or waits. */
  get changes(): boolean {
    const changes = (request: Request | null): boolean => request?.reads === false;
    return this.#attempted || this.#queue.some(changes) || this.#batch.some(changes);
  }

  /** The question under way, or the last one. */
  get question(): number {
    return this.#id;
  }

  submit(request: Request): void {
    this.#queue.push(request);
    const collected = this.#collects;
    this.#collects = false;
    if (this.idle) this.#start();
    else if (collected && this.#phase === "accepting") this.#onAccepted();
  }

  /** Has a deletion accepted by everybody, so that it can be forgotten; gives up when somebody is away. */
  collect(): void {
    if (!this.idle) return;
    this.#collects = true;
    this.#number = this.#host.number();
    this.#tries = 0;
    this.#batch = [];
    this.#prepare();
  }

  /** What is under way is asked anew, of whoever decides now. */
  restart(): void {
    this.#cache = null;
    if (!this.idle) this.#rest();
  }

  /** Another member asks for the key, or has changed it. */
  wanted(): void {
    if (this.idle) this.#cache = null;
    else this.#isWanted = true;
  }

  #start(): void {
    this.#phase = "idle";
    this.#collects = false;
    if (this.#queue.length === 0) {
      if (this.#isWanted) this.#cache = null;
      this.#isWanted = false;
      return;
    }
    this.#batch = this.#queue.splice(0, BATCH_MAX);
    this.#number = this.#host.number();
    this.#attempted = false;
    this.#tries = 0;
    // Who has had the key lets the others have it, who would otherwise be overtaken again and again.
    if (this.#isWanted) return this.#rest();
    if (this.#batch.every((request) => request?.reads)) {
      const { db, key } = this;
      this.#ask("reading", (life, id) => ({ say: "read", life, id, db, key }));
    } else if (this.#cache === null) this.#prepare();
    else this.#propose(this.#cache.ballot, this.#cache.state);
  }

  #ask(phase: Phase, saying: (life: number, id: number) => Saying): void {
    const { electorate, life, monoMs, roundMs } = this.#host;
    this.#phase = phase;
    this.#host.counts.rounds++;
    this.#id = this.#host.question(this, this.#id);
    this.#answers.clear();
    this.#untilMs = monoMs + PATIENCE * roundMs + PATIENCE_MS;
    const said = saying(life, this.#id);
    for (let member = 0; member < electorate.count; member++) this.#host.say(member, said);
  }

  #prepare(): void {
    this.#cache = null;
    // A ballot below what was promised here would be known to fail before it is sent.
    this.#host.heard(this.#host.promised(this.db, this.key));
    const ballot = this.#host.ballot();
    this.#ballot = ballot;
    const { db, key } = this;
    this.#ask("preparing", (life, id) => ({ say: "prepare", life, id, db, key, ballot }));
  }

  /** A member has answered a question; one that is no longer asked is none of ours. */
  answered(from: number, answer: Answer): void {
    if (answer.id !== this.#id || this.#answers.has(from)) return;
    this.#answers.set(from, answer);
    const { verdict } = answer;
    if (verdict.is === "conflict") {
      this.#host.counts.conflicts++;
      this.#host.heard(verdict.promised);
    }
    if (verdict.is === "ok") this.#host.heard(verdict.accepted);
    if (this.#phase === "reading") return this.#onRead();
    if (this.#phase === "preparing") return this.#onPromise();
    if (this.#phase === "accepting") this.#onAccepted();
  }

  /** Whether a member has said yes, and has not lost since what it said it by. */
  #agrees(member: number): boolean {
    const answer = this.#answers.get(member);
    return answer?.verdict.is === "ok" && !this.#host.isOver(member, answer.tenure);
  }

  /** Whether enough members could still say yes. */
  get #isOpen(): boolean {
    return this.#host.electorate.isQuorum(
      (member) => this.#agrees(member) || (!this.#answers.has(member) && this.#host.isUp(member)),
    );
  }

  #onRead(): void {
    const { electorate, nowMs } = this.#host;
    for (const { verdict } of this.#answers.values()) {
      if (verdict.is !== "ok") continue;
      const same = (member: number): boolean => {
        const other = this.#answers.get(member)?.verdict;
        return (
          this.#agrees(member) &&
          other?.is === "ok" &&
          compareBallots(other.accepted, verdict.accepted) === 0
        );
      };
      if (!electorate.isQuorum(same)) continue;
      const state = this.#newest(verdict.accepted);
      // That it has expired is decided, so that nobody sees it after somebody who did not.
      if (isExpired(state, nowMs)) return this.#prepare();
      this.#host.decided(this.db, this.key, state);
      this.#answerReads(state);
      return this.#start();
    }
    const isWaiting = electorate.names.some(
      (_, member) => !this.#answers.has(member) && this.#host.isUp(member),
    );
    if (!isWaiting || !this.#isOpen) this.#prepare();
  }

  /**
   * What was accepted under a ballot. Of a key that nobody keeps each says the newest version that it has forgotten, which of one that
   * had lost its disk is lower.
   */
  #newest(accepted: Ballot): StrongState {
    let newest = NOTHING;
    for (const [member, { verdict }] of this.#answers) {
      if (verdict.is !== "ok" || !this.#agrees(member)) continue;
      if (compareBallots(verdict.accepted, accepted) !== 0) continue;
      const state = decodeState(verdict.state);
      if (newest === NOTHING || state.version > newest.version) newest = state;
    }
    return newest;
  }

  #answerReads(state: StrongState): void {
    for (const request of this.#batch)
      request?.end({ is: "done", reply: request.run(state).reply, version: state.version });
    this.#batch = [];
  }

  #onPromise(): void {
    const { electorate } = this.#host;
    if (!electorate.isQuorum((member) => this.#agrees(member))) {
      if (!this.#isOpen) this.#rest();
      return;
    }
    let ballot = NO_BALLOT;
    let state = NOTHING;
    for (const [member, { verdict }] of this.#answers) {
      if (verdict.is !== "ok" || !this.#agrees(member)) continue;
      const order = compareBallots(verdict.accepted, ballot);
      if (order < 0) continue;
      const other = decodeState(verdict.state);
      // Of keys that nobody keeps the versions are those that were forgotten.
      if (order === 0 && other.version <= state.version) continue;
      ballot = verdict.accepted;
      state = other;
    }
    this.#propose(this.#ballot, state);
  }

  #propose(ballot: Ballot, state: StrongState): void {
    const { member, life } = this.#host;
    const done = state.done.find((one) => one.member === member && one.life === life);
    if (done?.batch === this.#number) this.#find(done, state);
    else this.#run(state);
    const promise = this.#host.ballot();
    this.#ballot = ballot;
    this.#promise = promise;
    const bytes = encodeState(this.#next);
    const { db, key } = this;
    this.#ask("accepting", (by, id) => ({
      say: "accept",
      life: by,
      id,
      db,
      key,
      ballot,
      next: promise,
      state: bytes,
    }));
  }

  /** An earlier attempt has come through: those that changed something have their answers, the others are none of that batch. */
  #find({ replies }: Done, state: StrongState): void {
    this.#host.counts.found++;
    this.#next = state;
    this.#replies = this.#batch.map(
      (_, place) => replies.find((one) => one.place === place) ?? null,
    );
  }

  #run(state: StrongState): void {
    const { nowMs, member, life } = this.#host;
    let now: StrongValue = state;
    if (isExpired(now, nowMs)) now = { version: now.version + 1, value: null, deadline: Infinity };
    const replies: DoneReply[] = [];
    this.#replies = this.#batch.map((request, place) => {
      if (request === null) return null;
      const { reply, next } = request.run(now);
      if (next === null) return { place, version: now.version, reply };
      now = { value: next.value, deadline: next.deadline, version: now.version + 1 };
      const said = { place, version: now.version, reply };
      replies.push(said);
      return said;
    });
    if (now === state) {
      this.#next = state;
      return;
    }
    const { version, value, deadline } = now;
    const others = state.done.filter((one) => one.member !== member);
    const done = [...others, { member, life, batch: this.#number, replies }];
    this.#next = { version, value, deadline, done };
    this.#attempted = true;
  }

  #onAccepted(): void {
    const { electorate } = this.#host;
    if (!electorate.isQuorum((member) => this.#agrees(member))) {
      if (!this.#isOpen) this.#rest();
      return;
    }
    if (this.#collects) {
      if (this.#isOpenForAll()) return;
      if (electorate.names.every((_, member) => this.#isIdleAt(member))) {
        const { db, key } = this;
        for (let member = 0; member < electorate.count; member++)
          this.#host.say(member, { say: "drop", db, key, ballot: this.#ballot });
        this.#cache = null;
        return this.#start();
      }
    }
    this.#cache = { ballot: this.#promise, state: this.#next };
    this.#host.decided(this.db, this.key, this.#next);
    const again: Request[] = [];
    this.#batch.forEach((request, place) => {
      const said = this.#replies[place] ?? null;
      if (request === null) return;
      if (said === null) again.push(request);
      else request.end({ is: "done", reply: said.reply, version: said.version });
    });
    this.#batch = [];
    this.#queue.unshift(...again);
    this.#start();
  }

  #isOpenForAll(): boolean {
    const { electorate } = this.#host;
    return electorate.names.some((_, member) => !this.#answers.has(member));
  }

  #isIdleAt(member: number): boolean {
    return (
      this.#agrees(member) &&
      (member === this.#host.electorate.me || this.#answers.get(member)?.idle === true)
    );
  }

  /** Others are at it too, or too few answer: tries again later. */
  #rest(): void {
    if (this.#collects && this.#queue.length === 0) {
      this.#cache = null;
      return this.#start();
    }
    const { monoMs, roundMs } = this.#host;
    this.#cache = null;
    this.#phase = "resting";
    this.#id = 0;
    this.#isWanted = false;
    const doublings = 2 ** Math.min(this.#tries++, REST_DOUBLINGS_MAX);
    // Whoever was first needs another round.
    this.#untilMs = monoMs + roundMs * (1 + this.#host.chance() * doublings);
  }

  /** Time has passed. */
  tick(): void {
    if (this.idle) return;
    const { monoMs } = this.#host;
    this.#endLate();
    if (this.idle || monoMs < this.#untilMs) return;
    if (this.#phase === "resting" || this.#phase === "reading") this.#prepare();
    else this.#rest();
  }

  /** Whose time is over is told what is known of it. */
  #endLate(): void {
    const { monoMs } = this.#host;
    for (let i = this.#queue.length - 1; i >= 0; i--) {
      const request = this.#queue[i] as Request;
      if (monoMs < request.deadlineMs) continue;
      this.#queue.splice(i, 1);
      request.end({ is: "refused", reason: this.#late(request, false) });
    }
    let left = this.#batch.length === 0;
    this.#batch.forEach((request, place) => {
      if (request === null) return;
      if (monoMs < request.deadlineMs) left = true;
      else {
        this.#batch[place] = null;
        request.end({ is: "refused", reason: this.#late(request, this.#attempted) });
      }
    });
    if (left) return;
    this.#cache = null;
    this.#id = 0;
    this.#start();
  }

  #late({ timeoutMs, reads }: Request, attempted: boolean): string {
    const { electorate } = this.#host;
    const heard = electorate.describe((member) => this.#answers.has(member));
    const isUnknown = attempted && !reads;
    this.#host.counts[isUnknown ? "unknown" : "refused"]++;
    return isUnknown
      ? `AAUNKNOWN no majority of regions has confirmed it within ${timeoutMs} ms (heard: ${heard}): it may have been done, or be done yet`
      : `AANOQUORUM no majority of regions has answered within ${timeoutMs} ms (heard: ${heard}); nothing was ${reads ? "read" : "written"}`;
  }
}

function isExpired({ value, deadline }: StrongValue, nowMs: number): boolean {
  return value !== null && deadline <= nowMs;
}
