/**
 * Strong: this member's part in strong keys: its acceptor, what it proposes, and what is said to the others about both.
 *
 *   command ─► Proposal ─► asks ─► members' acceptors, ours among them ─► their logs ─► answers ─► Proposal ─► command answered
 *                                                                                    └─► what was decided, as a record: Learned
 *
 * Invariant: no answer of the acceptor leaves before everything that it shows is durable here, under whatever durability.
 */
import { Sink } from "../bytes/sink.ts";
import { Source } from "../bytes/source.ts";
import type { KeyspacePolicy } from "../crdt/policy.ts";
import { Histogram } from "../histogram.ts";
import { keyName } from "../keyspace/key-name.ts";
import type { Link } from "../replica/link.ts";
import type { Replica } from "../replica/replica.ts";
import { FRAME } from "../wire/frame.ts";
import { Acceptor, type Kept, type Verdict } from "./acceptor.ts";
import type { Ballot } from "./ballot.ts";
import { Electorate } from "./electorate.ts";
import { Learned } from "./learned.ts";
import { REGISTER_DB } from "./configuration.ts";
import { Lease } from "./lease.ts";
import { Proposal, type ProposalHost, type Request } from "./proposal.ts";
import { Register } from "./register.ts";
import type { StrongState, StrongValue } from "./strong-state.ts";
import { decodeState } from "./strong-state.ts";
import * as words from "./strong-words.ts";
import { Beginning } from "./tenure.ts";

/** Members by which something may be passed on. */
const HOPS = 3;
/** Where no link has measured a round trip yet. */
const ROUND_MS = 50;
const BEGIN_EVERY_MS = 50;
const CARE_EVERY_MS = 500;
/** Idle proposals that are kept for the ballots they hold. */
const PROPOSALS_MAX = 20_000;
/** A deletion is forgotten after so long, by who made it, or much later by another. */
const FORGET_AFTER_MS = 5_000;
/** What was accepted and not heard to be decided is asked for after so long, by one member after the other. */
const LEARN_AFTER_MS = 1_000;
/** From within a region to across the world and several rounds. */
const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
/** Looked after at a time. */
const CARE_MAX = 64;

/** An answer of ours until what it shows is durable. */
interface Held {
  readonly to: number;
  readonly saying: words.Saying;
  /** Behind the block that has to be durable; Infinity until that is appended. */
  position: number;
}

export class Strong implements ProposalHost {
  electorate: Electorate;
  readonly acceptor = new Acceptor();
  readonly learned = new Learned();
  readonly register: Register;
  readonly lease: Lease;
  readonly life: number;
  readonly member: string;
  readonly #replica: Replica;
  readonly #send: (link: Link, type: number, body: Buffer) => void;
  readonly #beginning: Beginning;
  readonly #proposals = new Map<string, Proposal>();
  readonly #active = new Set<Proposal>();
  /** Questions that wait for answers. */
  readonly #questions = new Map<number, Proposal>();
  #held: Held[] = [];
  /** What we have said to ourselves. */
  #inbox: words.Saying[] = [];
  /** Behind our newest block. */
  #position = 0;
  #numbers = 0;
  #round = 0;
  /** What was decided and nobody was told yet. */
  #decided: { readonly db: number; readonly key: Buffer; readonly value: StrongValue }[] = [];
  /** Deletions that could be forgotten, and what was accepted and may not have been learned: since when. */
  readonly #gone = new Map<string, number>();
  readonly #unlearned = new Map<string, number>();
  #beganMs = -Infinity;
  #caredMs = -Infinity;
  readonly #strangers = new Set<string>();
  readonly #sink = new Sink(1024);
  /**
   * For status: commands of clients taken on; rounds begun, and decided; answers that another's ballot stood against, and attempts that
   * were found done; commands that ended without anybody knowing whether they were done, and without having been; deletions forgotten.
   */
  readonly counts = {
    commands: 0,
    rounds: 0,
    decided: 0,
    conflicts: 0,
    found: 0,
    unknown: 0,
    refused: 0,
    forgotten: 0,
  };
  /** How long commands of clients took, whatever came of them. */
  readonly seconds = new Histogram(BOUNDS);

  constructor(
    replica: Replica,
    life: number,
    keyspaces: readonly KeyspacePolicy[],
    send: (link: Link, type: number, body: Buffer) => void,
  ) {
    this.#replica = replica;
    this.#send = send;
    this.life = life;
    this.member = replica.member;
    this.register = new Register(replica, this, keyspaces);
    this.lease = new Lease(replica, this);
    // Who joins or leaves meanwhile changes no quorum: one of the new list might miss what one of the old list has decided.
    this.electorate = new Electorate(replica.member, replica.roster.configured);
    this.#beginning = new Beginning(
      this.acceptor,
      this.electorate,
      (to, saying) => this.say(to, saying),
      (member) => this.isUp(member),
    );
    this.acceptor.onAccepted = (kept) => this.#onAccepted(kept);
  }

  /** Others decide from now on: whatever is under way is asked anew of them. */
  membersChanged(): void {
    const electorate = new Electorate(this.member, this.#replica.members.names);
    if (electorate.digest === this.electorate.digest) return;
    this.electorate = electorate;
    this.#beginning.become(electorate);
    // Members went by their places among those of before.
    this.#held = [];
    this.#inbox = [];
    this.#questions.clear();
    this.#strangers.clear();
    for (const proposal of this.#proposals.values()) proposal.restart();
  }

  // ── what proposals need ────────────────────────────────────────────────────────────────────────────────────────────────────

  get monoMs(): number {
    return this.#replica.monoMs;
  }

  get nowMs(): number {
    return this.#replica.run.nowMs;
  }

  get roundMs(): number {
    let roundMs = 2;
    for (const { up, rttMs } of this.#replica.exchange.links.values())
      if (up) roundMs = Math.max(roundMs, rttMs ?? ROUND_MS);
    return roundMs;
  }

  chance(): number {
    return this.#replica.run.chance();
  }

  isUp(member: number): boolean {
    const name = this.electorate.names[member] as string;
    return member === this.electorate.me || this.#replica.members.isUp(name, this.monoMs);
  }

  number(): number {
    return ++this.#numbers;
  }

  question(of: Proposal, before: number): number {
    const id = this.number();
    this.#questions.delete(before);
    this.#questions.set(id, of);
    return id;
  }

  ballot(): Ballot {
    return { round: ++this.#round, member: this.electorate.me, life: this.life };
  }

  promised(db: number, key: Buffer): Ballot {
    return this.acceptor.promised(db, key);
  }

  heard({ round }: Ballot): void {
    this.#round = Math.max(this.#round, round);
  }

  isOver(member: number, tenure: number): boolean {
    const name = this.electorate.names[member] as string;
    if (member === this.electorate.me) return tenure !== this.acceptor.tenure;
    return (this.acceptor.tenures.get(name)?.tenure ?? 0) > tenure;
  }

  decided(db: number, key: Buffer, { version, value, deadline }: StrongState): void {
    this.counts.decided++;
    if (version > (this.learned.find(db, key)?.version ?? 0))
      this.#decided.push({ db, key, value: { version, value, deadline } });
  }

  /** What was decided is heard of; whether a key of clients has changed by that. Throws `Malformed` when it makes no sense. */
  learn(db: number, key: Buffer, value: StrongValue): boolean {
    if (!this.learned.take(db, key, value)) return false;
    if (db !== REGISTER_DB) return true;
    this.register.follow(value);
    return false;
  }

  /** Whether nothing is under way any more that could change keys of these, and all that was accepted of them was heard to be decided. */
  isSettled(isMeant: (key: Buffer) => boolean): boolean {
    for (const { changes, key } of this.#active) if (changes && isMeant(key)) return false;
    for (const name of this.#unlearned.keys()) {
      const kept = this.acceptor.find(name);
      if (kept?.state == null || !isMeant(kept.key)) continue;
      const learned = this.learned.find(kept.db, kept.key);
      if (decodeState(kept.state).version > (learned?.version ?? 0)) return false;
    }
    return true;
  }

  // ── commands ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Why nothing can be decided now, in words; null when it can. */
  objection(): string | null {
    if (!this.electorate.isQuorum((member) => this.isUp(member)))
      return `of all members only ${this.electorate.describe((member) => this.isUp(member))} can be reached`;
    return null;
  }

  /** Takes a command of a client on; its end is told in a later turn. */
  command(db: number, key: Buffer, request: Request): void {
    this.counts.commands++;
    const beganMs = this.monoMs;
    this.submit(db, key, {
      ...request,
      end: (end) => {
        this.seconds.add((this.monoMs - beganMs) / 1000);
        request.end(end);
      },
    });
  }

  /** As `command`, of the store's own. */
  submit(db: number, key: Buffer, request: Request): void {
    this.#beginning.wanted = true;
    const proposal = this.#proposal(db, key);
    this.#active.add(proposal);
    proposal.submit(request);
  }

  #proposal(db: number, key: Buffer): Proposal {
    const name = keyName(db, key, 0, key.length);
    let proposal = this.#proposals.get(name);
    if (proposal === undefined) {
      if (this.#proposals.size >= PROPOSALS_MAX) this.#forgetProposal();
      proposal = new Proposal(db, Buffer.from(key), this);
      this.#proposals.set(name, proposal);
    }
    return proposal;
  }

  #forgetProposal(): void {
    for (const [name, proposal] of this.#proposals) {
      if (!proposal.idle) continue;
      this.#proposals.delete(name);
      return;
    }
  }

  // ── saying and hearing ─────────────────────────────────────────────────────────────────────────────────────────────────────

  say(to: number, saying: words.Saying): void {
    // Who begins must not be noted under a tenure that it could forget.
    const shows = saying.say === "answer" || saying.say === "page" || saying.say === "copy";
    const position = this.acceptor.changed ? Infinity : this.#position;
    if (shows && position > this.#replica.index.durableTo)
      this.#held.push({ to, saying, position });
    else this.#deliver(to, saying);
  }

  #deliver(to: number, saying: words.Saying): void {
    if (to === this.electorate.me) {
      this.#inbox.push(saying);
      return;
    }
    const sink = this.#sink;
    sink.clear();
    const { digest, me } = this.electorate;
    words.writeHead(sink, { electorate: digest, hops: HOPS, from: me, to });
    words.writeSaying(sink, saying);
    this.#pass(to, sink.copy(), null);
  }

  /** Sends what is for a member over its link or, where members pass on what is others', over all but the one it came from. */
  #pass(to: number, body: Buffer, cameOver: Link | null): void {
    const { exchange } = this.#replica;
    const name = this.electorate.names[to];
    for (const link of exchange.links.values())
      if (link.member === name) return this.#send(link, FRAME.STRONG, body);
    if (!exchange.relays) return;
    for (const link of exchange.links.values())
      if (link.up && link !== cameOver) this.#send(link, FRAME.STRONG, body);
  }

  /** A frame has come. Throws `Malformed`. */
  receive(link: Link, body: Buffer): void {
    const source = new Source(body);
    const { electorate, hops, from, to } = words.readHead(source);
    if (electorate !== this.electorate.digest) return this.#noteStranger(link);
    if (to !== this.electorate.me) {
      if (hops === 0 || !this.#replica.exchange.relays || to >= this.electorate.count) return;
      const passed = Buffer.from(body);
      passed[words.HOPS_AT] = hops - 1;
      return this.#pass(to, passed, link);
    }
    if (from >= this.electorate.count || from === to) return;
    this.#hear(from, words.readSaying(source));
  }

  #noteStranger({ member }: Link): void {
    if (member === null || this.#strangers.has(member)) return;
    this.#strangers.add(member);
    const text = `${member} has another list of members than this node: it does not take part in strong keys until both have the same`;
    this.#replica.effects.push({ type: "note", level: "warn", text });
  }

  #hear(from: number, saying: words.Saying): void {
    switch (saying.say) {
      case "prepare":
        return this.#answer(from, saying, () =>
          this.acceptor.prepare(saying.db, saying.key, saying.ballot),
        );
      case "accept": {
        const { db, key, ballot, next, state } = saying;
        return this.#answer(from, saying, () => this.acceptor.accept(db, key, ballot, next, state));
      }
      case "read":
        return this.#answer(from, saying, () => this.acceptor.read(saying.db, saying.key));
      case "drop":
        if (this.acceptor.drop(saying.db, saying.key, saying.ballot)) this.counts.forgotten++;
        return;
      case "copy":
        return this.#beginning.asked(from, saying);
      case "answer":
        return this.#onAnswer(from, saying);
      case "page":
        return this.#beginning.told(from, saying, this.nowMs, this.monoMs);
    }
  }

  #answer(
    from: number,
    { say, life, id, db, key }: words.Prepare | words.Accept | words.Read,
    ask: () => Verdict,
  ): void {
    this.#beginning.wanted = true;
    const { begun, tenure } = this.acceptor;
    const verdict = begun ? wordOf(ask(), say === "accept") : ({ is: "not serving" } as const);
    const own = this.#proposals.get(keyName(db, key, 0, key.length));
    const idle = own === undefined || own.idle;
    if (say !== "read" && from !== this.electorate.me) own?.wanted();
    const tenures = this.electorate.names.map(
      (name) => this.acceptor.tenures.get(name)?.tenure ?? 0,
    );
    this.say(from, { say: "answer", life, id, tenure, tenures, idle, verdict });
  }

  #onAnswer(from: number, answer: words.Answer): void {
    answer.tenures.forEach((tenure, member) => {
      const name = this.electorate.names[member];
      if (tenure > 0 && name !== undefined && member !== this.electorate.me)
        this.acceptor.note(name, tenure);
    });
    if (answer.life !== this.life) return;
    const proposal = this.#questions.get(answer.id);
    proposal?.answered(from, answer);
    if (proposal?.question !== answer.id) this.#questions.delete(answer.id);
  }

  // ── turns ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Whether there is something to do before the turn ends. */
  get unsettled(): boolean {
    return this.#inbox.length > 0 || this.#decided.length > 0 || this.acceptor.changed;
  }

  /** The turn ends: hears what it has said to itself, and tells what was decided. Before blocks are taken. */
  settle(): void {
    while (this.#inbox.length > 0) {
      const inbox = this.#inbox;
      this.#inbox = [];
      for (const saying of inbox) this.#hear(this.electorate.me, saying);
    }
    for (const proposal of this.#active) {
      if (!proposal.idle) continue;
      this.#active.delete(proposal);
      this.#questions.delete(proposal.question);
    }
    const { run } = this.#replica;
    const decided = this.#decided;
    if (decided.length === 0) return;
    this.#decided = [];
    // Whoever takes writes again asks what was decided.
    if (run.refuseWrites !== null) return;
    for (const { db, key, value } of decided)
      if (value.version > (this.learned.find(db, key)?.version ?? 0))
        run.write.learn(run.lookAt(db, key, 0, key.length), value);
    run.write.commit();
  }

  takeBlock(): Buffer | null {
    return this.acceptor.takeBlock();
  }

  /** The block from `takeBlock` was appended; `to` is the position behind it. */
  appended(to: number): void {
    this.#position = to;
    for (const held of this.#held) if (held.position === Infinity) held.position = to;
  }

  /** More of the log is durable: what shows no more than that may be said. */
  stored(): void {
    if (this.#held.length === 0) return;
    const { durableTo } = this.#replica.index;
    const held = this.#held;
    this.#held = [];
    for (const one of held)
      if (one.position > durableTo) this.#held.push(one);
      else this.#deliver(one.to, one.saying);
  }

  /** Something waits for the log: whoever ends a turn because of what `stored` brings. */
  get waits(): boolean {
    return this.#held.length > 0;
  }

  /** What was promised and accepted may have been lost, in part or wholly. */
  lost(nowMs: number): void {
    this.#beginning.lost(nowMs);
  }

  /** Time has passed. */
  tick(): void {
    const { monoMs } = this;
    const { haveStrong, haveLeases } = this.#replica.keyspace.policies;
    this.#beginning.wanted ||= haveStrong || haveLeases;
    if (monoMs - this.#beganMs >= BEGIN_EVERY_MS) {
      this.#beganMs = monoMs;
      this.#beginning.tick(this.nowMs, monoMs);
    }
    for (const proposal of this.#active) proposal.tick();
    this.register.tick();
    this.lease.tick();
    if (monoMs - this.#caredMs < CARE_EVERY_MS) return;
    this.#caredMs = monoMs;
    this.#collect();
    this.#learnLate();
  }

  /** Why this member does not take part in decisions yet; null when it does. */
  get lacking(): string | null {
    return this.acceptor.begun ? null : this.#beginning.lacking;
  }

  #onAccepted({ name, isGone }: Kept): void {
    if (isGone) this.#gone.set(name, this.monoMs);
    else this.#gone.delete(name);
    this.#unlearned.set(name, this.monoMs);
  }

  #collect(): void {
    let left = CARE_MAX;
    for (const [name, sinceMs] of this.#gone) {
      const kept = this.acceptor.find(name);
      if (kept === undefined || !kept.isGone) {
        this.#gone.delete(name);
        continue;
      }
      const { member, life } = kept.accepted;
      const isOurs = member === this.electorate.me && life === this.life;
      const waitMs = FORGET_AFTER_MS * (isOurs ? 1 : 3 + this.electorate.me);
      if (this.monoMs - sinceMs < waitMs) continue;
      this.#gone.delete(name);
      this.#gone.set(name, this.monoMs);
      const proposal = this.#proposal(kept.db, kept.key);
      if (!proposal.idle) continue;
      this.#active.add(proposal);
      proposal.collect();
      if (--left === 0) return;
    }
  }

  /** Who decided it may have been stopped before it could say so. */
  #learnLate(): void {
    let left = CARE_MAX;
    for (const [name, sinceMs] of this.#unlearned) {
      if (this.monoMs - sinceMs < LEARN_AFTER_MS * (1 + this.electorate.me)) continue;
      this.#unlearned.delete(name);
      const kept = this.acceptor.find(name);
      if (kept?.state == null) continue;
      const { db, key } = kept;
      if (decodeState(kept.state).version <= (this.learned.find(db, key)?.version ?? 0)) continue;
      this.#unlearned.set(name, this.monoMs);
      this.submit(db, key, this.#reading());
      if (--left === 0) return;
    }
  }

  #reading(): Request {
    const reply = Buffer.alloc(0);
    return {
      reads: true,
      deadlineMs: this.monoMs + LEARN_AFTER_MS,
      timeoutMs: LEARN_AFTER_MS,
      run: () => ({ reply, next: null }),
      end: () => {},
    };
  }
}

/** Who accepts need not say what. */
function wordOf(verdict: Verdict, isKnown: boolean): words.Answer["verdict"] {
  if (!verdict.ok) return { is: "conflict", promised: verdict.promised };
  const { accepted, state } = verdict;
  return { is: "ok", accepted, state: isKnown ? NOTHING_MORE : state };
}

const NOTHING_MORE = Buffer.alloc(0);
