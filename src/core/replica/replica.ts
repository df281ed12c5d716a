/**
 * Replica: one copy of the data. It takes inputs and leaves effects; the host carries them out.
 *
 *   command ─► execute ─┐
 *   frame ───► receive ─┼─► keyspace, records of this turn ─► takeBlock ─► (log) ─► appended … stored ─► links, replies
 *   time ────► tick ────┘                                                              effects: send, read, close, note
 *
 * Invariant: nobody hears of one of our records before it is durable (`local`), neither client nor peer: replies wait for
 * `durableSeq`, links ship up to `shipTo`. The code decides only; it never waits, and reads neither clock nor chance.
 *
 * It chooses who does what. What is done lives in its parts: `Writer`, `Delivery`, `Exchange`, `Members`, `LogIndex`, `Expiry`.
 */
import { Malformed } from "../bytes/source.ts";
import { type Origin, originName, Origins } from "../clock/origins.ts";
import { HybridClock } from "../clock/stamp.ts";
import { Vector } from "../clock/vector.ts";
import { execute } from "../commands/dispatch.ts";
import { incomplete } from "../commands/levels.ts";
import { type NodePort, Run } from "../commands/run.ts";
import type { ScriptEngine } from "../commands/script-engine.ts";
import type { Session } from "../commands/session.ts";
import type { Settings } from "../commands/settings.ts";
import { StrongCalls } from "../commands/strong-calls.ts";
import type { GenerationKind } from "../crdt/generation.ts";
import { kindsWith } from "../crdt/generation-kinds.ts";
import { type KeyspacePolicy, Policies } from "../crdt/policy.ts";
import { Hasher } from "../keyspace/hasher.ts";
import { Keyspace } from "../keyspace/keyspace.ts";
import { OwnerRegions } from "../keyspace/owner-regions.ts";
import { STEP_BITS, STEPS_CALL } from "../keyspace/steps.ts";
import { SlotSumsByKey } from "../verify/slot-sums.ts";
import { Verifier } from "../verify/verifier.ts";
import { Witness } from "../verify/witness.ts";
import { Strong } from "../strong/strong.ts";
import type { Args } from "../wire/args.ts";
import { FRAME } from "../wire/frame.ts";
import type { Reply } from "../wire/reply.ts";
import { Applier } from "./apply.ts";
import { Ceiling } from "./ceiling.ts";
import type { ConflictBounds } from "./conflict-feed.ts";
import { heirOf } from "./conflicts.ts";
import { Delivery } from "./delivery.ts";
import { Exchange, type ExchangeOptions } from "./exchange.ts";
import { Expiry } from "./expiry.ts";
import { Garbage } from "./garbage.ts";
import type { SnapshotStep } from "./joining.ts";
import { regionOf } from "./levels.ts";
import { LogIndex } from "./log-index.ts";
import { Formats, READS, READS_FIRST } from "./formats.ts";
import { Members, type Report } from "./members.ts";
import { BLOCK_CEILING, BLOCK_RUNS, BLOCK_STRONG, RecordSink } from "./record.ts";
import { type Wait, Waits } from "./waits.ts";
import { Rivals } from "./rivals.ts";
import { Roster } from "./roster.ts";
import { Writer } from "./writer.ts";

/** What the host is to do. Bodies are valid until the turn's effects are carried out. */
export type Effect =
  | { readonly type: "send"; readonly link: number; readonly frame: number; readonly body: Buffer }
  | {
      readonly type: "read";
      readonly link: number;
      readonly passage: number;
      readonly from: number;
    }
  | { readonly type: "close"; readonly link: number; readonly reason: string }
  | { readonly type: "ceiling"; readonly block: Buffer }
  | { readonly type: "renew" }
  /** What was appended is to be durable soon: somebody waits for it. */
  | { readonly type: "sync" }
  /** In a turn of its own, between blocks, `exchange.give` is called. */
  | { readonly type: "give"; readonly link: number; readonly snapshot: number }
  | { readonly type: "snapshot"; readonly step: SnapshotStep }
  /** Whether it is whole, or what it needs to be, is another: to be kept, and told. */
  | { readonly type: "joining" }
  /** A peer has found these slots to differ, and this replica to be wrong about them. */
  | {
      readonly type: "heal";
      readonly link: number;
      readonly id: number;
      readonly slots: number[];
      /** The chance under which whoever asks for it has compared, if it says so. */
      readonly chance: Int32Array | null;
    }
  /** Another process lives under our name, and it is for us to stop. */
  | { readonly type: "rival" }
  /** What is known of who belongs to the cluster: to be stored, and then `rosterStored` called. */
  | { readonly type: "roster"; readonly bytes: Buffer }
  /** Formats up to here are about to be written: to be noted in the directory, and then `formats.stored` called. */
  | { readonly type: "formats"; readonly version: number }
  | { readonly type: "note"; readonly level: "info" | "warn"; readonly text: string };

export interface ReplicaOptions extends ExchangeOptions {
  readonly origin: Origin;
  readonly region: string;
  readonly durability: "local" | "relaxed";
  readonly keyspaces: readonly KeyspacePolicy[];
  /** The kinds of generations that engines bring. */
  readonly engines?: readonly GenerationKind[];
  /** What runs scripts; nothing does when it is absent. */
  readonly scripting?: ScriptEngine | null;
  /** How much of its own losses it keeps; the default when absent. */
  readonly conflicts?: ConflictBounds;
  readonly settings: Settings;
  readonly node: NodePort;
  /** What is stored of who belongs to the cluster. Throws `Malformed` when it makes no sense. */
  readonly roster?: Buffer | null;
  /** The newest formats that the directory may hold; the first if it says nothing. */
  readonly formats?: number;
  /** 16 bytes that all members share and nobody else knows: the mark of tokens. */
  readonly tokenKey?: Buffer;
  /** Of this process: grows from one start to the next, with chance in it; 1 when absent. */
  readonly life?: number;
  /** 96 bits of chance. */
  readonly chance: readonly [number, number, number];
}

/** How long a removed member that lives may take to stop and hand over what it has. */
const DRAIN_MAX_MS = 10_000;
const SWEEP_EVERY_MS = 50;
const COLLECT_MAX = 2_000;
/** Blocks freed in a tick of what was discarded, a segment of a table at least: a millisecond or two where they are in nobody's cache. */
const RECLAIM_MAX = 2_000;

export class Replica {
  readonly origins = new Origins();
  readonly clock = new HybridClock();
  readonly applied = new Vector();
  readonly durable = new Vector();
  readonly keyspace: Keyspace;
  readonly garbage: Garbage;
  readonly records: RecordSink;
  readonly delivery: Delivery;
  readonly writer: Writer;
  readonly run: Run;
  readonly members: Members;
  readonly roster: Roster;
  readonly formats: Formats;
  readonly index = new LogIndex();
  readonly expiry: Expiry;
  readonly exchange: Exchange;
  readonly rivals: Rivals;
  readonly waits: Waits;
  /** Our part in what is decided about strong keys. */
  readonly strong: Strong;
  /** What comparisons have found the slots' sums to be. */
  readonly slotSums = new SlotSumsByKey();
  readonly witness: Witness;
  readonly verifier: Verifier;
  readonly effects: Effect[] = [];
  readonly region: string;
  readonly member: string;
  readonly #durability: "local" | "relaxed";
  /** Local number of our origin. */
  me: number;
  /** Physical time of this turn, and the monotonic clock beside it. */
  nowMs = 0;
  monoMs = 0;
  #reportVersion = 0;
  readonly #ceiling = new Ceiling(this.clock);
  #sweptMs = 0;
  /** The roster as it is stored: what peers are told; null while nobody was added or removed. */
  storedRoster: Buffer | null;
  /** The version of it that is being stored, or is stored; and our own statement in it, while it is being stored. */
  #rosterAsked: number;
  #rosterStoring: { readonly bytes: Buffer; readonly own: Roster["own"] } | null = null;
  /** Since when each removed member that lives is waited for to give what it has: its time is limited. */
  readonly #drainedSince = new Map<string, number>();
  /** Up to where a sync was asked for. */
  #syncTo = 0;
  #asks = false;

  constructor(options: ReplicaOptions) {
    const [k0, k1, chance] = options.chance;
    this.region = options.region;
    this.member = options.origin.member;
    this.#durability = options.durability;
    this.keyspace = new Keyspace(this.origins, new Hasher(k0, k1));
    this.keyspace.policies = new Policies(options.keyspaces);
    this.keyspace.kinds = kindsWith(options.engines ?? []);
    this.garbage = new Garbage(this.keyspace);
    this.records = new RecordSink(this.origins);
    const applier = new Applier(this.keyspace, this.garbage);
    this.delivery = new Delivery(this.origins, this.clock, applier, this.applied, this.records);
    this.me = this.origins.introduce(options.origin);
    const lineage = this.delivery.lineage(this.me);
    this.writer = new Writer(applier, this.clock, this.applied, this.records, lineage);
    this.run = new Run(this.keyspace, this.writer, options.settings, options.node, chance);
    this.run.scriptEngine = options.scripting ?? null;
    if (options.conflicts !== undefined) this.run.conflicts.bounds = options.conflicts;
    this.run.homes.me = this.member;
    this.run.ids.ceilingMs = () => this.#ceiling.durableMs;
    this.roster = new Roster(this.member, options.members);
    if (options.roster) this.roster.load(options.roster);
    this.storedRoster = this.roster.isPlain ? null : this.roster.encode();
    this.#rosterAsked = this.roster.version;
    this.delivery.limitOf = (origin) => this.roster.limitOf(this.origins.get(origin));
    this.delivery.isVoid = (origin, seq) => this.#isVoid(origin, seq);
    const { counting } = this.roster;
    this.members = new Members(this.member, this.me, counting, this.applied, this.durable);
    this.formats = new Formats(() => this.members, options.formats ?? READS_FIRST);
    this.run.allRead = (version) => this.formats.usable >= version;
    this.run.watermarkMs = () => this.members.watermarkMs(this.run.nowMs);
    this.waits = new Waits(this);
    this.run.waits = this.waits;
    if (options.tokenKey !== undefined) this.run.tokenKey = options.tokenKey;
    this.expiry = new Expiry(this.keyspace, this.origins, this.writer);
    this.expiry.onExpired = (place) => this.run.events.removed("xexpired", place);
    this.exchange = new Exchange(this, options);
    this.witness = new Witness(this, (link, body) =>
      this.exchange.send(link, FRAME.VERIFY_TELL, body),
    );
    this.verifier = new Verifier(this, (link, body) =>
      this.exchange.send(link, FRAME.VERIFY_ASK, body),
    );
    const { messages, forwards } = this.exchange;
    this.run.rights = this.exchange.escrow;
    this.run.homes.forwarding = forwards;
    this.run.homes.isUp = (member) => this.members.isUp(member, this.monoMs);
    this.run.pushes.abroad = (channel, message) => messages.publish(channel, message);
    const life = options.life ?? 1;
    this.strong = new Strong(this, life, options.keyspaces, (link, type, body) =>
      this.exchange.send(link, type, body),
    );
    applier.onLearned = (place, value) => {
      const key = place.bytes.subarray(place.start, place.end);
      if (this.strong.learn(place.db, key, value)) this.keyspace.touch(place);
    };
    this.run.register = this.strong.register;
    this.run.homes.lapse = (keyspace) => this.strong.lease.objection(keyspace);
    this.run.strong = new StrongCalls(this.run, this.strong);
    this.rivals = new Rivals(life);
    this.index.begin(0, this.applied);
    this.writer.conflicts.answersFor = this.#answersFor;
    this.#membersChanged();
  }

  /** Whether what a member has left to do is ours: it is our own, or we are the heir of one that is gone. */
  readonly #answersFor = (member: string): boolean =>
    member === this.member ||
    ((this.roster.isRemoved(member) || !this.roster.isKnown(member)) &&
      heirOf(member, this.roster.remaining) === this.member);

  #membersChanged(): void {
    const { names } = this.members;
    const { order } = this.roster;
    this.run.memberIndex = order.get(this.member) as number;
    this.run.memberCount = order.size;
    const byIndex = new Map([...order].map(([name, index]) => [index, name]));
    this.run.memberAt = (index) => byIndex.get(index) ?? null;
    this.run.homes.owners = new OwnerRegions(names, this.member);
    this.waits.reckon();
    this.strong.membersChanged();
    this.exchange.membersChanged();
  }

  /** A turn begins: physical time (anchored), the wall clock clients are told, and the monotonic clock, in milliseconds. */
  begin(nowMs: number, wallMs: number, monoMs: number): void {
    this.nowMs = nowMs;
    this.monoMs = monoMs;
    this.delivery.nowMs = nowMs;
    this.writer.nowMs = nowMs;
    this.run.wallMs = wallMs;
    this.run.stopwatch.begin(this.run.settings.latencyTracking);
    this.keyspace.rest();
    this.keyspace.setAccessSeconds(Math.floor(monoMs / 1000));
    const { maxMemoryPolicy } = this.run.settings;
    if (maxMemoryPolicy !== "noeviction" && !this.keyspace.tracksAccess)
      this.keyspace.trackAccess();
    this.run.nowMs = this.clock.nowMs(nowMs);
    this.run.monoMs = monoMs;
  }

  // ── clients ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Executes one command. Returns the seq of ours that must be durable before its reply is shown; 0 for none. */
  execute(session: Session, args: Args, reply: Reply): number {
    const before = this.applied.get(this.me);
    this.run.holdSeq = this.writer.everywhereSeq;
    this.run.replyWait = null;
    const { count } = args;
    const asked = count === 0 ? 0 : (args.end[count - 1] as number) - (args.start[0] as number);
    const { length } = reply.sink;
    execute(this.run, session, args, reply);
    const answered = Math.max(0, reply.sink.length - length);
    this.keyspace.heap.steps += STEPS_CALL + count + ((asked + answered) >>> STEP_BITS);
    const made = this.applied.get(this.me);
    if (made > before) this.run.replyWait = this.wrote(session, made);
    else if (session.restsOnLease) this.run.replyWait ??= this.strong.lease.resting;
    // What it wrote, or else the newest of our records that may show in what it read.
    return this.hold(made > before ? Infinity : this.run.holdSeq);
  }

  /** A session has made our record `seq`: what its reply waits for, to reach the level of the command and to be given under a lease. */
  wrote(session: Session, seq: number): Wait | null {
    session.wroteOrigin = this.me;
    session.wroteSeq = seq;
    const resting = session.restsOnLease ? this.strong.lease.resting : null;
    if (session.writeLevel === "LOCAL_ONE") return resting;
    const vector = new Vector(0);
    vector.raise(this.me, seq);
    const wait = this.waits.begin(session.id, {
      vector,
      at: session.writeLevel,
      timeoutMs: session.levelTimeoutMs,
      end: (ended, reply) => {
        if (ended.outcome === "late") reply.error(incomplete(this.run, ended));
        else resting?.terms.end?.(resting, reply);
      },
    });
    return wait ?? resting;
  }

  /** What must be durable before records of ours up to `seq` (Infinity: all) are shown; 0 for nothing. */
  hold(seq: number): number {
    if (this.#durability === "relaxed") return 0;
    const hold = Math.min(seq, this.applied.get(this.me));
    return hold > this.durableSeq ? hold : 0;
  }

  /** Up to which of our seqs everything is durable. */
  get durableSeq(): number {
    return this.durable.get(this.me);
  }

  // ── the log ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Records what the turn's records have shown to be lost against concurrent writes; before `takeBlock`. */
  settleConflicts(): void {
    if (this.#mayWrite) this.run.conflicts.settle(this.nowMs);
  }

  /** The records of the turns since the last call as one block, or null. Valid until the next command or frame. */
  takeBlock(): Buffer | null {
    return this.records.empty ? null : this.records.take();
  }

  /** Up to where links may ship the log. */
  get shipTo(): number {
    return this.#durability === "local" ? this.index.durableTo : this.index.end;
  }

  /** The block from `takeBlock` was appended; `to` is the position behind it. */
  appended(to: number): void {
    this.records.clear();
    this.index.appended(to, this.applied, false);
    if (this.#durability === "relaxed") this.exchange.pump();
  }

  /** A block from `strong.takeBlock` was appended; `to` is the position behind it. */
  strongAppended(to: number): void {
    this.index.appended(to, this.applied, false);
    this.strong.appended(to);
  }

  /** A ceiling block from an effect was appended. */
  ceilingAppended(to: number, block: Buffer): void {
    this.index.appended(to, this.applied, false);
    this.#ceiling.appended(to, block);
  }

  /** Up to where promises may have been made, for a checkpoint: the ceilings before it are not replayed. */
  get ceilingMs(): number {
    return this.#ceiling.newestMs;
  }

  /** Everything before `position` survives a crash. */
  stored(position: number): void {
    this.index.stored(position, this.durable);
    this.#ceiling.stored(position);
    this.exchange.pump();
    this.exchange.messages.ship();
    this.exchange.stored();
    this.strong.stored();
    this.endTurn();
  }

  /** The turn ends, its records are appended: whoever waits for what has come is answered, and peers hear what is waited for here. */
  endTurn(): void {
    this.waits.look();
    if (this.#durability === "relaxed" && this.#awaitsSync()) this.effects.push({ type: "sync" });
    this.exchange.endTurn();
  }

  /** Whether somebody, here or elsewhere, waits until what lies in the log is durable here. */
  #awaitsSync(): boolean {
    if (this.index.end <= Math.max(this.#syncTo, this.index.durableTo)) return false;
    const { applied, durable } = this;
    const needs = ({ seqs }: Vector): boolean =>
      seqs.some((seq, number) => applied.covers(number, seq) && !durable.covers(number, seq));
    let needed = needs(this.waits.awaited);
    for (const report of this.members.reports()) needed ||= needs(report.awaited);
    if (needed) this.#syncTo = this.index.end;
    return needed;
  }

  /**
   * Where the log may be cut: everything before is in the checkpoint at `checkpoint` and durable at every member, or, when it has come to
   * its limit, at most of them. Null: nowhere.
   */
  truncation(checkpoint: number, isAtLimit: boolean): number | null {
    const { members } = this;
    return this.index.cutBefore(checkpoint, (vector) => {
      for (let number = 0; number < this.origins.count; number++) {
        const seq = vector.get(number);
        if (seq === 0 || members.isEverywhere(number, seq)) continue;
        if (!isAtLimit || !members.isAtMajority(number, seq)) return false;
      }
      return true;
    });
  }

  /** The members that need something of the log before `position`, as far as is known. */
  needing(position: number): string[] {
    const { members, index } = this;
    const vector = index.vectorAt(position);
    const needing = new Set<string>();
    for (let number = 0; number < this.origins.count; number++)
      if (vector.get(number) > 0)
        for (const member of members.lacking(number, vector.get(number))) needing.add(member);
    return [...needing];
  }

  /** Where the log begins that a member needs; its end when it needs none. */
  neededFrom(member: string): number {
    const durable = this.members.latest(member)?.durable;
    if (durable === undefined) return this.index.startFor(() => false);
    if (durable.includes(this.durable)) return this.index.end;
    return this.index.startFor((vector) => durable.includes(vector));
  }

  /** Takes a block of our own log at a restart, in order. */
  replay(block: Buffer, to: number): void {
    if (block[0] === BLOCK_CEILING) this.#ceiling.replay(block);
    else if (block[0] === BLOCK_STRONG) this.strong.acceptor.replay(block, 1);
    else {
      if (block[0] !== BLOCK_RUNS)
        throw new Malformed("a block is of a kind that this version does not know");
      this.delivery.replay(block, 1, block.length);
      this.run.conflicts.replayed();
    }
    this.index.appended(to, this.applied, true);
  }

  /** The log was replayed: everything in it is durable, and our own records go on where they stopped. */
  replayed(): void {
    this.durable.join(this.applied);
    this.writer.become(this.delivery.lineage(this.me));
    this.run.conflicts.start(this.member);
  }

  /** A block that lets stamps begin exactly here after a clean stop. */
  finalCeiling(): Buffer {
    return this.#ceiling.final(this.nowMs);
  }

  /** Continues as another incarnation: what the old one made stays its own. */
  become(origin: Origin): void {
    this.me = this.origins.introduce(origin);
    this.members.me = this.me;
    this.writer.become(this.delivery.lineage(this.me));
    // What was lost of the log may have held what was promised, too.
    this.strong.lost(this.nowMs);
    this.exchange.renewed();
  }

  // ── who belongs ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A peer has said what it knows. Throws `Malformed`. */
  hearRoster(bytes: Buffer): void {
    const { removed } = this.roster;
    this.roster.merge(bytes);
    if (this.roster.removed.length > removed.length) this.exchange.joining.reconsider();
    this.lookAtRoster();
  }

  /** Whether a record lies beyond the seal of its origin, of which everything else is applied. */
  #isVoid(origin: number, seq: number): boolean {
    const seal = this.roster.sealOf(this.origins.get(origin));
    return seal !== null && seq > seal && this.applied.covers(origin, seal);
  }

  /** States what there is to state of who was removed, and has it stored. */
  lookAtRoster(): void {
    const { roster } = this;
    if (roster.isRemoved(this.member)) this.exchange.escrow.handOver();
    roster.look({
      origins: this.origins,
      applied: this.applied,
      durable: this.durable,
      mayState: roster.isRemoved(this.member)
        ? !this.#mayWrite
        : this.exchange.joining.whole && !this.exchange.joining.receives,
      drains: (member) => this.#drains(member),
    });
    if (roster.version === this.#rosterAsked || this.#rosterStoring !== null) return;
    this.#rosterAsked = roster.version;
    this.#rosterStoring = { bytes: roster.encode(), own: roster.own };
    this.effects.push({ type: "roster", bytes: this.#rosterStoring.bytes });
  }

  /** Whether a removed member that lives has more than we: it is given some time. */
  #drains(member: string): boolean {
    if (!this.members.isUp(member, this.monoMs)) return false;
    const sinceMs = this.#drainedSince.get(member) ?? this.monoMs;
    this.#drainedSince.set(member, sinceMs);
    if (this.monoMs - sinceMs > DRAIN_MAX_MS) return false;
    const farewell = this.roster.farewell(member);
    return (
      farewell?.every(({ origin, seq }) =>
        this.applied.covers(this.origins.introduce(origin), seq),
      ) !== true
    );
  }

  /**
   * Removes members, all of a region by its name, and with `force` also those of whom nothing is heard: their word would be missing.
   * Returns why not, or null.
   */
  remove(names: readonly string[], force: boolean): string | null {
    const { roster, members, monoMs } = this;
    const meant = [...roster.remaining, ...roster.removed].filter(
      (member) => names.includes(member) || names.includes(regionOf(member)),
    );
    const stranger = names.find(
      (name) => !meant.some((member) => member === name || regionOf(member) === name),
    );
    if (stranger !== undefined)
      return `there is no member or region ${stranger}; there are ${roster.remaining.join(", ")}`;
    const silent = roster.remaining.filter((member) => !members.isUp(member, monoMs));
    return roster.remove(force ? [...new Set([...meant, ...silent])] : meant);
  }

  /** Whether it has records beyond the seals of others: they were void before it heard of that. */
  get isAstray(): boolean {
    if (this.roster.isPlain || this.roster.isRemoved(this.member)) return false;
    for (let number = 0; number < this.origins.count; number++)
      if (this.applied.get(number) > (this.roster.sealOf(this.origins.get(number)) ?? Infinity))
        return true;
    return false;
  }

  /** What the last effect said is stored. */
  rosterStored(): void {
    const storing = this.#rosterStoring;
    if (storing === null) return;
    this.#rosterStoring = null;
    this.storedRoster = storing.bytes;
    const { roster, members } = this;
    roster.stored(storing.own);
    const { counting } = roster;
    if (counting.join() !== members.names.join()) {
      members.become(counting);
      this.#membersChanged();
    }
    this.exchange.rosterChanged();
    this.lookAtRoster();
  }

  // ── time ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Time has passed: acks, silence, pulls, expiry, collection. Call it every 10 to 20 ms. */
  tick(): void {
    this.members.promote();
    if (!this.roster.isPlain) this.lookAtRoster();
    this.waits.look();
    this.run.eviction.look();
    this.exchange.tick();
    this.strong.tick();
    this.run.blocking.tick();
    this.run.tracking.tick();
    this.run.blocking.settle();
    this.witness.tell();
    this.verifier.step();
    this.garbage.collect((origin, seq) => this.members.isStable(origin, seq), COLLECT_MAX);
    this.garbage.thin(COLLECT_MAX);
    this.keyspace.heap.reclaim(RECLAIM_MAX);
    if (this.monoMs - this.#sweptMs >= SWEEP_EVERY_MS && this.#mayWrite) this.#sweep();
    const version = this.formats.look();
    if (version !== null) this.effects.push({ type: "formats", version });
    const block = this.#ceiling.raise(this.nowMs);
    if (block !== null) this.effects.push({ type: "ceiling", block });
  }

  /** Whether comparisons with peers have cells to look at: call `compare` once everyone else has had a turn. */
  get compares(): boolean {
    return this.witness.busy || this.verifier.busy;
  }

  /** Looks at some of them: about a millisecond's work. */
  compare(): void {
    // In turns: who answers many must not be kept from asking.
    this.#asks = !this.#asks;
    if (this.witness.busy && !(this.#asks && this.verifier.busy)) this.witness.work();
    else this.verifier.work();
  }

  get #mayWrite(): boolean {
    return this.run.refuseWrites === null;
  }

  #sweep(): void {
    this.#sweptMs = this.monoMs;
    const { run } = this;
    // While clients may not write, neither does the store.
    if (run.pausedUntilMs > run.wallMs) return;
    const watermarkMs = this.members.watermarkMs(run.nowMs);
    const beganMicros = run.node.micros();
    if (run.sweeps) this.expiry.sweep(run.nowMs, watermarkMs, this.#answersFor);
    const sweptMicros = run.node.micros();
    this.#noteLatency("expire-cycle", sweptMicros - beganMicros);
    if (!run.eviction.overflows) return;
    run.eviction.makeRoom(true);
    this.#noteLatency("eviction-cycle", run.node.micros() - sweptMicros);
  }

  #noteLatency(event: string, micros: number): void {
    const { latency, settings, wallMs } = this.run;
    latency.note(event, wallMs, micros, settings.latencyThresholdMs);
  }

  /**
   * Hands on what was told outside of commands: by expiry, eviction, peers' records and peers' messages. The host calls it at the
   * end of a turn.
   */
  deliverPushes(): void {
    this.exchange.messages.pump();
    this.run.tracking.broadcast();
    if (this.run.pushes.count > 0) this.run.pushes.deliver(this.run, null, null);
  }

  /** What this replica says about itself now. */
  report(): Report {
    // The hybrid clock began behind everything stamped or promised before a restart, so versions go on growing whatever the wall says.
    const versionMs = Math.max(this.nowMs, this.clock.ms);
    this.#reportVersion = Math.max(this.#reportVersion + 1, versionMs * 16);
    return {
      member: this.member,
      version: this.#reportVersion,
      applied: this.applied,
      durable: this.durable,
      met: this.members.met(),
      life: this.rivals.life,
      promiseMs: this.#ceiling.promise(this.nowMs),
      promiseTick: 0xffff,
      asked: this.waits.say(),
      awaited: this.waits.awaited,
      // Who lacks what the others count on it to have answers no questions.
      heard: [
        ...(this.exchange.joining.whole ? this.members.questions() : []),
        ...this.rivals.said(this.member, this.monoMs),
      ],
      settledEpoch: this.strong.register.settledEpoch,
      reads: READS,
      counts: this.exchange.joining.counts,
    };
  }

  /** Every origin known, with its seq in a vector: for status. */
  describe(vector: Vector): Record<string, number> {
    const named: Record<string, number> = {};
    for (let number = 0; number < this.origins.count; number++)
      if (vector.get(number) > 0) named[originName(this.origins.get(number))] = vector.get(number);
    return named;
  }
}
