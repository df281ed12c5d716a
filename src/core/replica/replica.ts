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
 * It chooses who does what. What is done lives in its parts: `Delivery`, `Writer`, `Members`, `LogIndex`, `Link`, `Expiry`.
 */
import { assert } from "../assert.ts";
import { Sink } from "../bytes/sink.ts";
import { Source } from "../bytes/source.ts";
import { type Origin, originName, Origins } from "../clock/origins.ts";
import { HybridClock } from "../clock/stamp.ts";
import { Vector } from "../clock/vector.ts";
import { execute } from "../commands/dispatch.ts";
import { type NodePort, Run } from "../commands/run.ts";
import type { Session } from "../commands/session.ts";
import type { Settings } from "../commands/settings.ts";
import { Policies, type Policy } from "../crdt/policy.ts";
import { Hasher } from "../keyspace/hasher.ts";
import { Keyspace } from "../keyspace/keyspace.ts";
import type { Args } from "../wire/args.ts";
import { FRAME } from "../wire/frame.ts";
import type { Reply } from "../wire/reply.ts";
import { Applier } from "./apply.ts";
import { Delivery } from "./delivery.ts";
import { Expiry } from "./expiry.ts";
import { Garbage } from "./garbage.ts";
import { Lag } from "./lag.ts";
import { Link, type Passage } from "./link.ts";
import { LogIndex } from "./log-index.ts";
import { Members, type Report } from "./members.ts";
import { Pulls } from "./pulls.ts";
import { BLOCK_CEILING, BLOCK_RUNS, RecordSink } from "./record.ts";
import * as words from "./words.ts";
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
  | { readonly type: "note"; readonly level: "info" | "warn"; readonly text: string };

export interface ReplicaOptions {
  readonly origin: Origin;
  readonly region: string;
  readonly cluster: string;
  /** Every member's name: they count for stability. */
  readonly members: readonly string[];
  /** Whether records of other members are forwarded: needed unless every member has a link to every other. */
  readonly relays: boolean;
  readonly durability: "local" | "relaxed";
  readonly keyspaces: readonly { prefix: string; conflict: Policy }[];
  readonly settings: Settings;
  readonly node: NodePort;
  /** 96 bits of chance. */
  readonly chance: readonly [number, number, number];
}

const ACK_EVERY_MS = 20;
const HEARTBEAT_EVERY_MS = 200;
/** A link on which nothing was heard for so long is closed; a new connection may find another way. */
const SILENCE_MAX_MS = 3_000;
const SWEEP_EVERY_MS = 50;
const COLLECT_MAX = 2_000;
/** Promises reach at most this far ahead of what was made durable, so a restart begins at most so far ahead. */
const CEILING_AHEAD_MS = 1_000;

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
  readonly index = new LogIndex();
  readonly expiry: Expiry;
  readonly lag = new Lag();
  readonly links = new Map<number, Link>();
  readonly effects: Effect[] = [];
  readonly region: string;
  readonly member: string;
  readonly #cluster: string;
  readonly #relays: boolean;
  readonly #durability: "local" | "relaxed";
  readonly #pulls: Pulls;
  readonly #sink = new Sink(1024);
  /** Local number of our origin. */
  me: number;
  /** Physical time of this turn, and the monotonic clock beside it. */
  nowMs = 0;
  monoMs = 0;
  #reportVersion = 0;
  #ceilingMs = 0;
  #ceilingAskedMs = 0;
  /** Ceilings that are appended but not durable. */
  readonly #ceilings: { readonly to: number; readonly ms: number }[] = [];
  #sweptMs = 0;
  #renewing = false;

  constructor(options: ReplicaOptions) {
    const [k0, k1, chance] = options.chance;
    this.region = options.region;
    this.member = options.origin.member;
    this.#cluster = options.cluster;
    this.#relays = options.relays;
    this.#durability = options.durability;
    this.keyspace = new Keyspace(this.origins, new Hasher(k0, k1));
    this.keyspace.policies = new Policies(options.keyspaces);
    this.garbage = new Garbage(this.keyspace);
    this.records = new RecordSink(this.origins);
    const applier = new Applier(this.keyspace, this.garbage);
    this.delivery = new Delivery(this.origins, this.clock, applier, this.applied, this.records);
    this.me = this.origins.introduce(options.origin);
    const lineage = this.delivery.lineage(this.me);
    this.writer = new Writer(applier, this.clock, this.applied, this.records, lineage);
    this.run = new Run(this.keyspace, this.writer, options.settings, options.node, chance);
    this.members = new Members(
      this.member,
      options.members,
      this.origins,
      this.applied,
      this.durable,
    );
    this.expiry = new Expiry(this.keyspace, this.origins, this.writer);
    this.#pulls = new Pulls(this.origins, this.applied, this.delivery);
    this.index.begin(0, this.applied);
  }

  /** A turn begins: physical time (anchored), the wall clock clients are told, and the monotonic clock, in milliseconds. */
  begin(nowMs: number, wallMs: number, monoMs: number): void {
    this.nowMs = nowMs;
    this.monoMs = monoMs;
    this.delivery.nowMs = nowMs;
    this.writer.nowMs = nowMs;
    this.run.wallMs = wallMs;
    this.run.nowMs = this.clock.nowMs(nowMs);
  }

  // ── clients ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Executes one command. Returns the seq of ours that must be durable before its reply is shown; 0 for none. */
  execute(session: Session, args: Args, reply: Reply): number {
    const before = this.applied.get(this.me);
    this.run.holdSeq = this.writer.everywhereSeq;
    execute(this.run, session, args, reply);
    if (this.#durability === "relaxed") return 0;
    const made = this.applied.get(this.me);
    // What it wrote, or else the newest of our records that may show in what it read.
    const hold = made > before ? made : Math.min(this.run.holdSeq, made);
    return hold > this.durableSeq ? hold : 0;
  }

  /** Up to which of our seqs everything is durable. */
  get durableSeq(): number {
    return this.durable.get(this.me);
  }

  // ── the log ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The records of the turns since the last call as one block, or null. Valid until the next command or frame. */
  takeBlock(): Buffer | null {
    return this.records.empty ? null : this.records.take();
  }

  /** The block from `takeBlock` was appended; `to` is the position behind it. */
  appended(to: number): void {
    this.records.clear();
    this.index.appended(to, this.applied, false);
    if (this.#durability === "relaxed") this.#pumpAll();
  }

  /** A ceiling block from an effect was appended. */
  ceilingAppended(to: number, block: Buffer): void {
    this.index.appended(to, this.applied, false);
    this.#ceilings.push({ to, ms: ceilingOf(block) });
  }

  /** Everything before `position` survives a crash. */
  stored(position: number): void {
    this.index.stored(position, this.durable);
    for (let first = this.#ceilings[0]; first !== undefined && first.to <= position;) {
      this.#ceilingMs = Math.max(this.#ceilingMs, first.ms);
      this.#ceilings.shift();
      first = this.#ceilings[0];
    }
    this.#pumpAll();
  }

  /**
   * Where the log may be cut: everything before is in the checkpoint at `checkpoint` and durable at every member. Null: nowhere.
   */
  truncation(checkpoint: number): number | null {
    return this.index.cutBefore(checkpoint, (vector) => {
      for (let number = 0; number < this.origins.count; number++)
        if (vector.get(number) > 0 && !this.members.isEverywhere(number, vector.get(number)))
          return false;
      return true;
    });
  }

  /** Takes a block of our own log at a restart, in order. */
  replay(block: Buffer, to: number): void {
    if (block[0] === BLOCK_CEILING) {
      this.clock.observe(ceilingOf(block), 0);
      this.#ceilingMs = Math.max(this.#ceilingMs, ceilingOf(block));
    } else {
      assert(block[0] === BLOCK_RUNS, "the log holds blocks this version knows");
      this.delivery.replay(block, 1, block.length);
    }
    this.index.appended(to, this.applied, true);
  }

  /** The log was replayed: everything in it is durable, and our own records go on where they stopped. */
  replayed(): void {
    this.durable.join(this.applied);
    this.writer.become(this.delivery.lineage(this.me));
  }

  /** A block that lets stamps begin exactly here after a clean stop. */
  finalCeiling(): Buffer {
    return ceilingBlock(Math.max(this.clock.ms, this.nowMs));
  }

  /** Continues as another incarnation: what the old one made stays its own. */
  become(origin: Origin): void {
    this.me = this.origins.introduce(origin);
    this.writer.become(this.delivery.lineage(this.me));
    this.#renewing = false;
    for (const link of this.links.values())
      if (link.up) this.#close(link, "this replica goes on as a new incarnation");
  }

  // ── peers ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A connection to a peer is open and proven. */
  opened(id: number, dialled: string | null, address: string): void {
    const link = new Link(id, dialled, address, this.origins, this.monoMs);
    this.links.set(id, link);
    const sink = this.#sink;
    sink.clear();
    words.writeHello(sink, link.numbering, {
      protocol: words.PROTOCOL,
      cluster: this.#cluster,
      member: this.member,
      region: this.region,
      origin: this.origins.get(this.me),
      applied: this.applied,
      durable: this.durable,
      wallMs: this.run.wallMs,
    });
    this.#send(link, FRAME.HELLO, sink.copy());
  }

  closed(id: number): void {
    this.links.delete(id);
  }

  /** A frame has come. Throws `Malformed` when it makes no sense: the host closes the link with the reason. */
  receive(id: number, type: number, body: Buffer): void {
    const link = this.links.get(id);
    if (link === undefined) return;
    link.lastHeardMs = this.monoMs;
    link.receivedBytes += body.length;
    if (type === FRAME.HELLO) return this.#onHello(link, new Source(body));
    if (!link.up) return this.#close(link, "the peer did not begin with HELLO");
    switch (type) {
      case FRAME.BATCH: {
        // What is passed over leaves a gap, and gaps are pulled.
        if (!this.takesRecords) return;
        const count = this.delivery.receive(id, body, 0, body.length);
        link.receivedRecords += count;
        if (count > 0) this.#ackSoon = true;
        this.#closeBroken();
        return;
      }
      case FRAME.ACK:
        return this.#onAck(link, words.readAck(new Source(body), link.numbering));
      case FRAME.PULL:
        return this.#onPull(link, words.readPull(new Source(body), link.numbering));
      default:
        // A later version may say more; what we do not know we may not need.
        return;
    }
  }

  #ackSoon = false;

  #onHello(link: Link, source: Source): void {
    const hello = words.readHello(source, link.numbering);
    if (!("member" in hello))
      return this.#close(
        link,
        `the peer speaks replication protocol ${hello.protocol}, this replica ${words.PROTOCOL}`,
      );
    if (hello.cluster !== this.#cluster)
      return this.#close(
        link,
        `the peer belongs to cluster ${hello.cluster}, this replica to ${this.#cluster}`,
      );
    if (hello.member === this.member)
      return this.#close(link, `the peer is called ${hello.member} too: names must differ`);
    const other = [...this.links.values()].find((l) => l !== link && l.member === hello.member);
    if (other !== undefined) {
      // Both sides dialled, or the older connection is half open. Both sides must keep the same one.
      const keepsOther =
        (other.dialled !== null) !== (link.dialled !== null) &&
        (other.dialled !== null) === this.member < hello.member;
      if (keepsOther) return this.#close(link, "another connection to this peer is open");
      this.#close(other, "a newer connection to this peer has opened");
    }
    if (hello.applied.get(this.me) > this.applied.get(this.me) && !this.#renewing) {
      // The peer has records of ours that we have lost: whatever we wrote next would carry their names.
      this.#renewing = true;
      this.effects.push({ type: "renew" });
    }
    link.member = hello.member;
    link.region = hello.region;
    link.peerApplied.join(hello.applied);
    link.clockOffsetMs = hello.wallMs - this.nowMs;
    this.#note("info", `link to ${hello.member} is up (${link.address})`);
    this.#startBacklog(link);
    this.#sendAck(link);
  }

  #startBacklog(link: Link): void {
    const lacks = (vector: Vector): boolean =>
      this.#everyShipped((number) => link.peerApplied.covers(number, vector.get(number)));
    if (!lacks(this.index.baseVector))
      this.#note(
        "warn",
        `${link.member} lacks records that this replica's log no longer holds: it can only be filled from another peer`,
      );
    link.backlog.cursor = this.index.startFor(lacks);
    this.#pump(link);
  }

  /** Whether something holds for every origin whose records go over links. */
  #everyShipped(holds: (number: number) => boolean): boolean {
    for (let number = 0; number < this.origins.count; number++)
      if (this.#ships(number) && !holds(number)) return false;
    return true;
  }

  #ships(number: number): boolean {
    return this.#relays || this.origins.get(number).member === this.member;
  }

  #onAck(link: Link, ack: words.Ack): void {
    link.peerSentMs = ack.sentMs;
    link.peerSentAtMs = this.monoMs;
    if (ack.echoMs > 0) {
      const rttMs = Math.max(0, this.monoMs - ack.echoMs - ack.heldMs);
      link.rttMs = link.rttMs === null ? rttMs : link.rttMs * 0.8 + rttMs * 0.2;
      link.clockOffsetMs = ack.wallMs + link.rttMs / 2 - this.nowMs;
    }
    for (const report of ack.reports) {
      if (report.member === link.member) link.peerApplied.join(report.applied);
      this.members.report(report);
    }
    this.#pulls.heard(link, this.monoMs);
  }

  #onPull(link: Link, wanted: words.Wanted[]): void {
    for (const want of wanted) {
      const to = Math.min(want.to, this.applied.get(want.origin));
      if (link.errands.length > 64 || to < want.from) continue;
      const cursor = this.index.startFor((vector) => vector.get(want.origin) < want.from);
      link.addErrand({ ...want, to }, cursor);
    }
    this.#pump(link);
  }

  // ── sending ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Up to where links may ship the log. */
  get shipTo(): number {
    return this.#durability === "local" ? this.index.durableTo : this.index.end;
  }

  #pumpAll(): void {
    for (const link of this.links.values()) if (link.up) this.#pump(link);
  }

  /** The network has taken what waited for this link. */
  writable(id: number): void {
    const link = this.links.get(id);
    if (link?.up) this.#pump(link);
  }

  /** Whether peers' records are applied; the host says no while they could not be stored. */
  takesRecords = true;

  /** The host tells whether a link takes more; set by the host once. */
  isWritable: (link: number) => boolean = () => true;

  #pump(link: Link): void {
    if (!this.isWritable(link.id)) return;
    this.#pumpPassage(link, link.backlog);
    for (const errand of link.errands) this.#pumpPassage(link, errand);
  }

  #pumpPassage(link: Link, passage: Passage): void {
    if (passage.reading || passage.cursor >= this.shipTo) return;
    passage.reading = true;
    const { id, cursor } = passage;
    this.effects.push({ type: "read", link: link.id, passage: id, from: cursor });
  }

  /** One block of a read, in order; `to` is the position behind it. */
  offer(id: number, passageId: number, block: Buffer, to: number): void {
    const link = this.links.get(id);
    const passage = link?.passage(passageId);
    if (link === undefined || passage === undefined || to > this.shipTo) return;
    if (block[0] === BLOCK_RUNS) link.add(passage, block, 1, (number) => this.#ships(number));
    passage.cursor = to;
  }

  /** A read has ended: what was offered is sent, and the next read asked for. */
  readDone(id: number, passageId: number): void {
    const link = this.links.get(id);
    const passage = link?.passage(passageId);
    if (link === undefined || passage === undefined) return;
    passage.reading = false;
    if (link.batch.length > 0) {
      link.sentRecords += link.batchRecords;
      this.#send(link, FRAME.BATCH, link.batch.copy());
      link.batch.clear();
      link.batchRecords = 0;
    }
    if (passage.wanted !== null && passage.cursor >= this.shipTo) link.endErrand(passageId);
    this.#pump(link);
  }

  #send(link: Link, type: number, body: Buffer): void {
    link.sentBytes += body.length;
    this.effects.push({ type: "send", link: link.id, frame: type, body });
  }

  #close(link: Link, reason: string): void {
    this.links.delete(link.id);
    this.effects.push({ type: "close", link: link.id, reason });
  }

  #closeBroken(): void {
    for (const [id, reason] of this.delivery.broken) {
      const link = this.links.get(id);
      if (link !== undefined) this.#close(link, reason);
    }
    this.delivery.broken.clear();
  }

  #note(level: "info" | "warn", text: string): void {
    this.effects.push({ type: "note", level, text });
  }

  // ── time ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Time has passed: acks, silence, pulls, expiry, collection. Call it every 10 to 20 ms. */
  tick(): void {
    this.members.promote();
    this.lag.sample(this.applied.get(this.me), this.nowMs);
    for (const link of this.links.values()) this.#tickLink(link);
    this.#ackSoon = false;
    if (this.delivery.waiting.size > 0) this.delivery.retry();
    this.#closeBroken();
    for (const { link, wanted } of this.#pulls.due(this.links, this.monoMs)) {
      this.#sink.clear();
      words.writePull(this.#sink, link.numbering, wanted);
      this.#send(link, FRAME.PULL, this.#sink.copy());
    }
    this.garbage.collect((origin, seq) => this.members.isStable(origin, seq), COLLECT_MAX);
    if (this.monoMs - this.#sweptMs >= SWEEP_EVERY_MS && this.#mayWrite) this.#sweep();
    this.#raiseCeiling();
  }

  get #mayWrite(): boolean {
    return this.run.refuseWrites === null;
  }

  #sweep(): void {
    this.#sweptMs = this.monoMs;
    const nowMs = this.run.nowMs;
    const watermarkMs = this.members.watermarkMs(nowMs);
    this.expiry.sweep(nowMs, watermarkMs, (member) => member === this.member);
  }

  #tickLink(link: Link): void {
    const silentMs = this.monoMs - link.lastHeardMs;
    if (silentMs > SILENCE_MAX_MS) {
      this.#note(
        "warn",
        `link to ${link.member ?? link.address} is silent for ${SILENCE_MAX_MS} ms`,
      );
      return this.#close(link, `nothing was heard for ${SILENCE_MAX_MS} ms`);
    }
    if (!link.up) return;
    const sinceMs = this.monoMs - link.lastAckMs;
    if (sinceMs >= (this.#ackSoon ? ACK_EVERY_MS : HEARTBEAT_EVERY_MS)) this.#sendAck(link);
    this.#pump(link);
  }

  #sendAck(link: Link): void {
    link.lastAckMs = this.monoMs;
    // Reports travel on: a member whose cable to us is cut still learns, over others, what we have.
    const reports = [this.#ownReport()];
    for (const report of this.members.reports())
      if (report.member !== link.member) reports.push(report);
    this.#sink.clear();
    words.writeAck(this.#sink, link.numbering, {
      // What a peer's wall clock is held against: the anchored time may be behind for as long as nobody confirms ours.
      wallMs: this.run.wallMs,
      sentMs: this.monoMs,
      echoMs: link.peerSentMs,
      heldMs: this.monoMs - link.peerSentAtMs,
      reports,
    });
    this.#send(link, FRAME.ACK, this.#sink.copy());
  }

  #ownReport(): Report {
    this.#reportVersion = Math.max(this.#reportVersion + 1, this.nowMs * 16);
    // A promise binds a later incarnation of the clock too, so it stays below what is durable.
    const promiseMs = Math.min(Math.max(this.nowMs, this.clock.ms), this.#ceilingMs) - 1;
    if (promiseMs > 0) this.clock.observe(promiseMs, 0xffff);
    return {
      member: this.member,
      version: this.#reportVersion,
      applied: this.applied,
      durable: this.durable,
      promiseMs: Math.max(0, promiseMs),
      promiseTick: 0xffff,
    };
  }

  /** Keeps the durable ceiling ahead of what heartbeats want to promise. */
  #raiseCeiling(): void {
    const wantedMs = Math.max(this.nowMs, this.clock.ms);
    if (this.#ceilingAskedMs - wantedMs > CEILING_AHEAD_MS / 2) return;
    this.#ceilingAskedMs = wantedMs + CEILING_AHEAD_MS;
    this.effects.push({ type: "ceiling", block: ceilingBlock(this.#ceilingAskedMs) });
  }

  /** Our records that a member is not known to have, and how long ago the oldest was made; null if it was never heard of. */
  lagOf(member: string): { records: number; ms: number } | null {
    const report = this.members.latest(member);
    if (report === null) return null;
    const made = this.applied.get(this.me);
    const has = report.applied.get(this.me);
    return { records: Math.max(0, made - has), ms: this.lag.behindMs(has, made, this.nowMs) };
  }

  /** Every origin known, with its seq in a vector: for status. */
  describe(vector: Vector): Record<string, number> {
    const named: Record<string, number> = {};
    for (let number = 0; number < this.origins.count; number++)
      if (vector.get(number) > 0) named[originName(this.origins.get(number))] = vector.get(number);
    return named;
  }
}

function ceilingOf(block: Buffer): number {
  return block.readUIntBE(1, 6);
}

function ceilingBlock(ms: number): Buffer {
  const block = Buffer.alloc(7);
  block[0] = BLOCK_CEILING;
  block.writeUIntBE(ms, 1, 6);
  return block;
}
