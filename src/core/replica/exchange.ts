/**
 * Exchange: what this replica and its peers say and send to each other.
 *
 *   opened ─► HELLO both ways ─► backlog from the log, ACK, PULL ─► closed, by either side or by silence
 *
 * Invariant: at most one link to a member is up, and both sides keep the same one. What is sent was read from the log, up to
 * `shipTo`; what is missing on one side is asked for, of whoever has it.
 */
import { Sink } from "../bytes/sink.ts";
import { Source } from "../bytes/source.ts";
import type { Vector } from "../clock/vector.ts";
import { readAsk } from "../verify/messages.ts";
import { Hasher } from "../keyspace/hasher.ts";
import { FRAME } from "../wire/frame.ts";
import { Escrow } from "./escrow.ts";
import { Forwards } from "./forwards.ts";
import { Joining } from "./joining.ts";
import { Lag } from "./lag.ts";
import { regionOf } from "./levels.ts";
import { Link, type Passage } from "./link.ts";
import type { Report } from "./members.ts";
import { Messages } from "./messages.ts";
import { Pulls } from "./pulls.ts";
import { BLOCK_RUNS } from "./record.ts";
import type { Replica } from "./replica.ts";
import * as copies from "./snapshot-words.ts";
import { Snapshots } from "./snapshots.ts";
import * as words from "./words.ts";

const ACK_EVERY_MS = 20;
const HEARTBEAT_EVERY_MS = 200;
/** A link on which nothing was heard for so long is closed; a new connection may find another way. */
const SILENCE_MAX_MS = 3_000;
/** Between two ticks no more than this counts as silence: what came while this process stood still is yet to be read. */
const SILENCE_TICK_MAX_MS = 500;
/** A batch is one frame, which must cross the slowest wire before the link counts as silent. */
const BATCH_BYTES = 32 * 1024;

/** Who is being filled and has less than one in so many records takes a copy of the data if the log is longer than so many bytes. */
const COPY_BELOW = 8;
const COPY_BEYOND_BYTES = 16 * 1024 * 1024;

/** Which member of a region is the gateway of an origin: not keyed, and never changed, so that it stays the same one. */
const GATEWAYS = new Hasher(0, 0);

export interface ExchangeOptions {
  readonly cluster: string;
  /** Whether records of other members are forwarded: needed unless every member has a link to every other. */
  readonly relays: boolean;
  /** Every member's name: they count for stability. */
  readonly members: readonly string[];
  /** How long the log may be before who is being filled takes a copy of the data instead; 16 MiB when absent. */
  readonly copyBeyondBytes?: number | undefined;
}

export class Exchange {
  readonly #replica: Replica;
  readonly #cluster: string;
  readonly #copyBeyondBytes: number;
  readonly relays: boolean;
  readonly links = new Map<number, Link>();
  readonly joining: Joining;
  readonly snapshots: Snapshots;
  readonly messages: Messages;
  readonly forwards: Forwards;
  readonly escrow: Escrow;
  readonly #pulls: Pulls;
  readonly #lag = new Lag();
  readonly #sink = new Sink(1024);
  #renewing = false;
  #tickedMs = 0;
  /** Removed members that have come all the same. */
  readonly #refused = new Set<string>();

  constructor(replica: Replica, options: ExchangeOptions) {
    this.#replica = replica;
    this.#cluster = options.cluster;
    this.#copyBeyondBytes = options.copyBeyondBytes ?? COPY_BEYOND_BYTES;
    this.relays = options.relays;
    const { origins, applied, delivery } = replica;
    this.#pulls = new Pulls(origins, applied, delivery);
    this.membersChanged();
    this.joining = new Joining(replica, (link, type, body) => this.#send(link, type, body));
    this.messages = new Messages(replica, (link, type, body) => this.#send(link, type, body));
    this.forwards = new Forwards(replica, (link, type, body) => this.#send(link, type, body));
    this.escrow = new Escrow(replica, (link, type, body) => this.#send(link, type, body));
    this.snapshots = new Snapshots(replica, (link, type, body) => this.#send(link, type, body));
  }

  /** Others may pass the records of other regions on to us, or do so no more. */
  membersChanged(): void {
    const { members, region, member } = this.#replica;
    const hasGateways =
      !this.relays && members.names.some((other) => other !== member && regionOf(other) === region);
    this.#pulls.behindGateways = hasGateways ? region : null;
  }

  /** A connection to a peer is open and proven. */
  opened(id: number, dialled: string | null, address: string): void {
    const link = new Link(id, dialled, address, this.#replica.origins, this.#replica.monoMs);
    this.links.set(id, link);
    const sink = this.#sink;
    sink.clear();
    words.writeHello(sink, link.numbering, {
      protocol: words.PROTOCOL,
      cluster: this.#cluster,
      member: this.#replica.member,
      region: this.#replica.region,
      origin: this.#replica.origins.get(this.#replica.me),
      applied: this.#replica.applied,
      durable: this.#replica.durable,
      wallMs: this.#replica.run.wallMs,
      features:
        words.TAKES_MESSAGES |
        words.RUNS_COMMANDS |
        words.HANDS_RIGHTS |
        (this.joining.takesCopy ? words.TAKES_COPY : 0),
    });
    this.#send(link, FRAME.HELLO, sink.copy());
  }

  closed(id: number): void {
    const link = this.links.get(id);
    if (link !== undefined) this.#forget(link);
  }

  #forget(link: Link): void {
    this.links.delete(link.id);
    if (link.member === null) return;
    if (this.linkTo(link.member) === undefined)
      this.#replica.members.lost(link.member, this.#replica.monoMs);
    this.forwards.closed(link);
    this.escrow.closed(link);
    this.#chooseGateways();
  }

  /** The link to a member, if there is one. */
  linkTo(member: string): Link | undefined {
    for (const link of this.links.values()) if (link.member === member) return link;
    return undefined;
  }

  /** A frame has come. Throws `Malformed` when it makes no sense: the host closes the link with the reason. */
  receive(id: number, type: number, body: Buffer): void {
    const link = this.links.get(id);
    if (link === undefined || link.isRefused) return;
    link.silentMs = 0;
    link.receivedBytes += body.length;
    if (type === FRAME.HELLO) return this.#onHello(link, new Source(body));
    if (!link.up) return this.#close(link, "the peer did not begin with HELLO");
    switch (type) {
      case FRAME.BATCH: {
        // What is passed over leaves a gap, and gaps are pulled.
        if (!this.takesRecords || this.#isPast(link)) return;
        const count = this.#replica.delivery.receive(id, body, 0, body.length);
        link.receivedRecords += count;
        if (count > 0) this.#ackSoon = true;
        this.#closeBroken();
        return;
      }
      case FRAME.ACK:
        return this.#onAck(link, this.#readAck(link, body));
      case FRAME.PULL:
        return this.#onPull(link, words.readPull(new Source(body), link.numbering));
      case FRAME.ROSTER:
        return this.#replica.hearRoster(body);
      case FRAME.STRONG:
        return this.#replica.strong.receive(link, body);
      case FRAME.MESSAGES:
        return this.messages.receive(link, body);
      case FRAME.FORWARD:
        return this.forwards.asked(link, body);
      case FRAME.FORWARDED:
        return this.forwards.told(link, body);
      case FRAME.RIGHTS_ASK:
        return this.escrow.asked(link, body);
      case FRAME.RIGHTS_TELL:
        return this.escrow.told(body);
      case FRAME.STANDING:
        return this.joining.heard(link, copies.readStanding(new Source(body), link.numbering));
      case FRAME.SNAP_ASK:
        // What is not whole itself has nothing to give.
        if (this.joining.whole) this.snapshots.asked(link, copies.readAsk(new Source(body)));
        return;
      case FRAME.SNAP_BEGIN:
        return this.joining.begins(link, copies.readBegin(new Source(body)));
      case FRAME.SNAP_SECTION:
        return this.joining.section(link, copies.readSection(new Source(body)));
      case FRAME.SNAP_END:
        return this.joining.end(link, copies.readEnd(new Source(body), link.numbering));
      case FRAME.VERIFY_ASK:
        return this.#onVerifyAsk(link, body);
      case FRAME.VERIFY_TELL:
        return this.#replica.verifier.told(link, body);
      default:
        // A later version may say more; what we do not know we may not need.
        return;
    }
  }

  #ackSoon = false;

  /** Applies what waits: for the next turn, or for what may have come meanwhile. */
  applyWaiting(): void {
    const { delivery } = this.#replica;
    const before = delivery.appliedCount;
    if (delivery.waiting.size > 0) delivery.retry();
    if (delivery.appliedCount > before) this.#ackSoon = true;
    this.#closeBroken();
  }

  #onVerifyAsk(link: Link, body: Buffer): void {
    const { id, ask } = readAsk(new Source(body), link.numbering);
    if (ask?.type === "heal")
      this.#replica.effects.push({
        type: "heal",
        link: link.id,
        id,
        slots: ask.slots,
        chance: ask.key,
      });
    else if (ask !== null) this.#replica.witness.ask(link, id, ask);
  }

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
    if (hello.member === this.#replica.member)
      return this.#close(link, `the peer is called ${hello.member} too: names must differ`);
    const { roster } = this.#replica;
    if (!roster.isKnown(hello.member))
      return this.#close(
        link,
        `${hello.member} is no member here: add it with \`atoll member add ${hello.member}\``,
      );
    if (roster.isClosed(hello.member)) {
      // It may not know. Nothing it says is heard, so the link ends by silence, and until then it can hear us.
      link.isRefused = true;
      this.#sendRoster(link);
      if (!this.#refused.has(hello.member))
        this.#note("warn", `${hello.member} was removed: it is refused`);
      this.#refused.add(hello.member);
      return;
    }
    const other = [...this.links.values()].find((l) => l !== link && l.member === hello.member);
    if (other !== undefined) {
      // Both sides dialled, or the older connection is half open. Both sides must keep the same one. Another incarnation is another
      // process: whichever of the two is to go will hear of it only over a link.
      const keepsOther =
        other.origin === this.#replica.origins.find(hello.origin.incarnation) &&
        (other.dialled !== null) !== (link.dialled !== null) &&
        (other.dialled !== null) === this.#replica.member < hello.member;
      if (keepsOther) return this.#close(link, "another connection to this peer is open");
      this.#close(other, "a newer connection to this peer has opened");
    }
    if (
      hello.applied.get(this.#replica.me) > this.#replica.applied.get(this.#replica.me) &&
      !this.#renewing
    ) {
      // The peer has records of ours that we have lost: whatever we wrote next would carry their names.
      this.#renewing = true;
      this.#replica.effects.push({ type: "renew" });
    }
    link.member = hello.member;
    link.region = hello.region;
    this.#replica.members.greeted(hello.member);
    link.takesMessages = (hello.features & words.TAKES_MESSAGES) !== 0;
    link.runsCommands = (hello.features & words.RUNS_COMMANDS) !== 0;
    link.handsRights = (hello.features & words.HANDS_RIGHTS) !== 0;
    link.takesCopy = (hello.features & words.TAKES_COPY) !== 0;
    link.origin = this.#replica.origins.introduce(hello.origin);
    link.peerApplied.join(hello.applied);
    link.clockOffsetMs = hello.wallMs - this.#replica.nowMs;
    this.#note("info", `link to ${hello.member} is up (${link.address})`);
    this.#sendRoster(link);
    this.#chooseGateways();
    if (!link.gateway) this.#startBacklog(link);
    this.#sendAck(link);
    this.#sendStanding(link);
  }

  #sendRoster(link: Link): void {
    const { storedRoster } = this.#replica;
    if (storedRoster !== null) this.#send(link, FRAME.ROSTER, storedRoster);
  }

  /** Who belongs, and what is known of those who do not, has changed and is stored. */
  rosterChanged(): void {
    const { roster, delivery, origins } = this.#replica;
    for (const link of this.links.values()) if (link.up) this.#sendRoster(link);
    for (const link of this.links.values())
      if (link.member !== null && roster.isClosed(link.member))
        this.#close(link, `${link.member} was removed`);
    // What waits of them may lie beyond their seals: what does not is asked for.
    for (let number = 0; number < origins.count; number++)
      if (roster.isClosed(origins.get(number).member)) delivery.forget(number);
    if (delivery.waiting.size > 0) delivery.retry();
  }

  /** What it can give has changed: it is whole now, or its log has forgotten more. */
  standingChanged(): void {
    for (const link of this.links.values()) if (link.up) this.#sendStanding(link);
  }

  #sendStanding(link: Link): void {
    const { durable, index } = this.#replica;
    const { state } = this.joining.state;
    this.#sink.clear();
    copies.writeStanding(this.#sink, link.numbering, {
      whole: state === "whole",
      filling: state === "catching up",
      durable,
      base: link.givesCopy ? durable : index.baseVector,
    });
    this.#send(link, FRAME.STANDING, this.#sink.copy());
  }

  /** A turn to go on with a snapshot that a peer has asked for (0: a new one). */
  give(id: number, snapshot: number): void {
    const link = this.links.get(id);
    if (link?.up) this.snapshots.give(link, snapshot);
  }

  #startBacklog(link: Link): void {
    const lacks = (vector: Vector): boolean =>
      this.#everyShipped(link, (number) => link.peerApplied.covers(number, vector.get(number)));
    if (link.backlog.reading) {
      link.rewinds = true;
      return;
    }
    const isBehind = !lacks(this.#replica.index.baseVector);
    if (isBehind && !link.isBehind)
      this.#note(
        "warn",
        `${link.member} lacks records that this replica's log no longer holds: it needs a snapshot, or another peer's log`,
      );
    link.isBehind = isBehind;
    const givesCopy = this.#isCopiedSooner(link);
    if (givesCopy !== link.givesCopy) {
      link.givesCopy = givesCopy;
      this.#sendStanding(link);
    }
    if (isBehind || givesCopy) return;
    link.backlog.cursor = this.#replica.index.startFor(lacks);
    this.#pump(link);
  }

  /**
   * Whether a peer that is being filled has so little of what a long log holds that it is to ask for a copy: our log is then as good as
   * cut to it. A copy holds each key once, however often it was written; a million keys that were written once cost both the same.
   */
  #isCopiedSooner({ takesCopy, peerApplied }: Link): boolean {
    const { index, applied } = this.#replica;
    if (!takesCopy || !this.joining.whole || index.length <= this.#copyBeyondBytes) return false;
    return peerApplied.sum() * COPY_BELOW < applied.sum();
  }

  /** Whether something holds for every origin whose records go over a link. */
  #everyShipped(link: Link, holds: (number: number) => boolean): boolean {
    for (let number = 0; number < this.#replica.origins.count; number++)
      if (this.#ships(link, number) && !holds(number)) return false;
    return true;
  }

  /**
   * Chooses, of the linked members of each other region, the one that our records go to: it passes them on. Who becomes it is sent
   * whatever it lacks, for the one before may not have passed everything on.
   */
  #chooseGateways(): void {
    const best = new Map<string, { link: Link; hash: number }>();
    for (const link of this.links.values()) {
      if (link.member === null || link.region === null) continue;
      const name = Buffer.from(`${this.#replica.member} ${link.member}`);
      const hash = GATEWAYS.hash(0, name, 0, name.length);
      // Near ones are all sent to.
      const place = link.region === this.#replica.region ? link.member : link.region;
      if (hash >= (best.get(place)?.hash ?? -1)) best.set(place, { link, hash });
    }
    const chosen = new Set([...best.values()].map(({ link }) => link));
    for (const link of this.links.values()) {
      const becomes = chosen.has(link) && !link.gateway;
      link.gateway = chosen.has(link);
      if (becomes) this.#startBacklog(link);
    }
  }

  /**
   * Whether an origin's records go over a link of their own accord: our own to our region and to the gateway of each other one, and
   * those of other regions, from whoever is their gateway here, to the rest of our region.
   */
  #ships(link: Link, number: number): boolean {
    if (this.relays) return true;
    const { member } = this.#replica.origins.get(number);
    if (member === this.#replica.member) return link.gateway;
    if (link.region !== this.#replica.region || regionOf(member) === link.region) return false;
    // After a restart nobody knows: what the peer has already is left out anyway.
    const via = this.links.get(this.#replica.delivery.via[number] ?? -1);
    return via === undefined || via.region !== this.#replica.region;
  }

  #readAck(link: Link, body: Buffer): words.Ack {
    const { members, monoMs } = this.#replica;
    return words.readAck(
      new Source(body),
      link.numbering,
      (member, version, life) =>
        member !== link.member && members.isOld(member, version, life, monoMs),
    );
  }

  #onAck(link: Link, ack: words.Ack): void {
    link.peerSentMs = ack.sentMs;
    link.peerSentAtMs = this.#replica.monoMs;
    if (ack.echoMs > 0) {
      const rttMs = Math.max(0, this.#replica.monoMs - ack.echoMs - ack.heldMs);
      link.rttMs = link.rttMs === null ? rttMs : link.rttMs * 0.8 + rttMs * 0.2;
      link.clockOffsetMs = ack.wallMs + link.rttMs / 2 - this.#replica.nowMs;
    }
    for (const report of ack.reports) {
      if (report.member === link.member) {
        link.peerApplied.join(report.applied);
        link.life = report.life;
      }
      this.#onReport(link, report);
    }
    if (link.isBehind || link.givesCopy) this.#startBacklog(link);
    this.#pulls.heard(link, this.#replica.monoMs);
  }

  /** A report under our own name that came over others. */
  #onRival(report: Report): void {
    const { rivals, origins, me, monoMs } = this.#replica;
    const incarnation = (origin: number): string => origins.get(origin).incarnation;
    const ours = { counts: this.joining.counts, incarnation: incarnation(me) };
    const found = rivals.heard(report, incarnation(report.met[0] as number), ours, monoMs);
    if (report.life !== rivals.life) this.joining.heardOther(report);
    if (found === "we stop") this.#replica.effects.push({ type: "rival" });
    if (found === "it stops")
      this.#note("warn", `another process lives under the name ${report.member}: it is to stop`);
  }

  #onReport(link: Link, report: Report): void {
    const { members, origins, delivery, monoMs } = this.#replica;
    if (report.member === members.name) return this.#onRival(report);
    if (this.#replica.roster.isClosed(report.member)) return;
    const before = members.latest(report.member);
    if (!members.report(report, monoMs, this.#isLeft(before, report))) return;
    this.#pass(link, before, report);
    if (before?.met[0] === report.met[0]) return;
    // What waits here may have come from the one before: members.ts.
    for (let number = 0; number < origins.count; number++)
      if (origins.get(number).member === report.member) delivery.forget(number);
  }

  /** Whether a report is by an incarnation that its member has left behind. */
  #isLeft(latest: Report | null, report: Report): boolean {
    const { origins } = this.#replica;
    const [present, its] = [latest?.met[0] ?? -1, report.met[0] as number];
    return present >= 0 && origins.get(present).incarnation > origins.get(its).incarnation;
  }

  /** Whether the peer is an incarnation that its member has left behind. */
  #isPast(link: Link): boolean {
    const present = this.#replica.members.present(link.member as string);
    return present >= 0 && present !== link.origin;
  }

  /** Sees to it that who waits for something hears of it at once. */
  #pass(link: Link, before: Report | null, report: Report): void {
    const asks = report.asked > (before?.asked ?? 0);
    if (asks) this.#hurryTo(report.member);
    if (this.#owes(report)) this.#hurryTo(report.member);
    if (!this.relays) return;
    // What is asked travels on, and so does what answers.
    const awaits =
      report.awaited.seqs.length > 0 && before?.awaited.includes(report.awaited) !== true;
    if (asks || awaits) this.#hurryAllBut(link);
    for (const other of this.#replica.members.reports())
      if (other.member !== report.member && answers(report, before, other))
        this.#hurryTo(other.member);
  }

  /** Whether this replica has something durably for which a member waits and of which that was not told yet. */
  #owes({ member, awaited }: Report): boolean {
    const { seqs } = awaited;
    const { durable } = this.#replica;
    const told = this.linkTo(member)?.told ?? null;
    for (let number = 0; number < seqs.length; number++) {
      const seq = seqs[number] as number;
      if (seq > 0 && durable.covers(number, seq) && told?.covers(number, seq) !== true) return true;
    }
    return false;
  }

  /** The next ACK to a member leaves when the turn ends: on its own link, or on all when it has none. */
  #hurryTo(member: string): void {
    const link = this.linkTo(member);
    if (link !== undefined) link.hurry = true;
    else for (const other of this.links.values()) other.hurry = true;
  }

  #hurryAllBut(link: Link): void {
    for (const other of this.links.values()) if (other !== link) other.hurry = true;
  }

  /** More is durable: whoever waits for that is told when the turn ends. */
  stored(): void {
    for (const report of this.#replica.members.reports())
      if (this.#owes(report)) this.#hurryTo(report.member);
  }

  /** The turn ends: what is waited for, here or elsewhere, is said now. */
  endTurn(): void {
    if (this.#replica.waits.takeUnsaid()) for (const link of this.links.values()) link.hurry = true;
    for (const link of this.links.values()) if (link.hurry && link.up) this.#sendAck(link);
  }

  #onPull(link: Link, wanted: words.Wanted[]): void {
    for (const want of wanted) {
      const to = Math.min(want.to, this.#replica.applied.get(want.origin));
      if (link.errands.length > 64 || to < want.from) continue;
      const cursor = this.#replica.index.startFor((vector) => vector.get(want.origin) < want.from);
      link.addErrand({ ...want, to }, cursor);
    }
    this.#pump(link);
  }

  /** More of the log may be shipped. */
  pump(): void {
    for (const link of this.links.values()) if (link.up) this.#pump(link);
    this.snapshots.pump();
  }

  /** The network has taken what waited for this link. */
  writable(id: number): void {
    const link = this.links.get(id);
    if (link?.up) this.#pump(link);
    this.snapshots.pump();
  }

  /** Whether peers' records are applied; the host says no while they could not be stored. */
  takesRecords = true;

  /** The host tells whether a link takes more; set by the host once. */
  isWritable: (link: number) => boolean = () => true;

  #pump(link: Link): void {
    const { roster, member } = this.#replica;
    // Whoever was removed is listened to no more.
    if (!this.isWritable(link.id) || roster.isSealed(member)) return;
    const isFed = this.relays || link.gateway;
    if (isFed && !link.isBehind && !link.givesCopy) this.#pumpPassage(link, link.backlog);
    for (const errand of link.errands) this.#pumpPassage(link, errand);
  }

  #pumpPassage(link: Link, passage: Passage): void {
    if (passage.reading || passage.cursor >= this.#replica.shipTo) return;
    passage.reading = true;
    const { id, cursor } = passage;
    this.#replica.effects.push({ type: "read", link: link.id, passage: id, from: cursor });
  }

  /** One block of a read, in order; `to` is the position behind it. */
  offer(id: number, passageId: number, block: Buffer, to: number): void {
    const link = this.links.get(id);
    const passage = link?.passage(passageId);
    if (link === undefined || passage === undefined || to > this.#replica.shipTo) return;
    if (block[0] === BLOCK_RUNS) link.add(passage, block, 1, (number) => this.#ships(link, number));
    passage.cursor = to;
    if (link.batch.length >= BATCH_BYTES) this.#sendBatch(link);
  }

  #sendBatch(link: Link): void {
    link.sentRecords += link.batchRecords;
    this.#send(link, FRAME.BATCH, link.batch.copy());
    link.batch.clear();
    link.batchRecords = 0;
  }

  /** What was to be read was cut off the log meanwhile. */
  forgotten(id: number, passageId: number): void {
    const link = this.links.get(id);
    const passage = link?.passage(passageId);
    if (link === undefined || passage === undefined) return;
    passage.reading = false;
    if (passage.wanted === null) this.#startBacklog(link);
    else link.endErrand(passageId);
  }

  /** A read has ended: what was offered is sent, and the next read asked for. */
  readDone(id: number, passageId: number): void {
    const link = this.links.get(id);
    const passage = link?.passage(passageId);
    if (link === undefined || passage === undefined) return;
    passage.reading = false;
    if (link.batch.length > 0) this.#sendBatch(link);
    if (passage.wanted !== null && passage.cursor >= this.#replica.shipTo)
      link.endErrand(passageId);
    if (passage.wanted === null && link.rewinds) {
      link.rewinds = false;
      this.#startBacklog(link);
    }
    this.#pump(link);
  }

  /** Sends a frame on a link, if it is still there. */
  send(link: Link, type: number, body: Buffer): void {
    if (this.links.get(link.id) === link) this.#send(link, type, body);
  }

  #send(link: Link, type: number, body: Buffer): void {
    link.sentBytes += body.length;
    this.#replica.effects.push({ type: "send", link: link.id, frame: type, body });
  }

  #close(link: Link, reason: string): void {
    this.#forget(link);
    this.#replica.effects.push({ type: "close", link: link.id, reason });
  }

  #closeBroken(): void {
    for (const [id, reason] of this.#replica.delivery.broken) {
      const link = this.links.get(id);
      if (link !== undefined) this.#close(link, reason);
    }
    this.#replica.delivery.broken.clear();
  }

  #note(level: "info" | "warn", text: string): void {
    this.#replica.effects.push({ type: "note", level, text });
  }

  /** Time has passed: silence, acks, pulls. */
  tick(): void {
    const { applied, me, nowMs, monoMs } = this.#replica;
    this.#lag.sample(applied.get(me), nowMs);
    const passedMs = Math.min(monoMs - this.#tickedMs, SILENCE_TICK_MAX_MS);
    this.#tickedMs = monoMs;
    for (const link of this.links.values()) this.#tickLink(link, passedMs);
    this.#ackSoon = false;
    this.applyWaiting();
    this.joining.tick();
    this.snapshots.tick();
    this.forwards.tick();
    this.escrow.tick();
    const missing = this.#replica.waits.missing();
    for (const { link, wanted } of this.#pulls.due(this.links, monoMs, missing)) {
      this.#sink.clear();
      words.writePull(this.#sink, link.numbering, wanted);
      this.#send(link, FRAME.PULL, this.#sink.copy());
    }
  }

  /** The replica goes on as another incarnation: peers must meet it anew. */
  renewed(): void {
    this.#renewing = false;
    this.greetAnew("this replica goes on as a new incarnation");
  }

  /** Closes every link: what peers say next, they say knowing what this replica is now. */
  greetAnew(reason: string): void {
    for (const link of this.links.values()) if (link.up) this.#close(link, reason);
  }

  #tickLink(link: Link, passedMs: number): void {
    if (!link.held) link.silentMs += passedMs;
    if (link.silentMs > SILENCE_MAX_MS) {
      if (!link.isRefused)
        this.#note(
          "warn",
          `link to ${link.member ?? link.address} is silent for ${SILENCE_MAX_MS} ms`,
        );
      return this.#close(link, `nothing was heard for ${SILENCE_MAX_MS} ms`);
    }
    if (!link.up) return;
    const sinceMs = this.#replica.monoMs - link.lastAckMs;
    if (sinceMs >= (this.#ackSoon ? ACK_EVERY_MS : HEARTBEAT_EVERY_MS)) this.#sendAck(link);
    this.#pump(link);
  }

  #sendAck(link: Link): void {
    link.lastAckMs = this.#replica.monoMs;
    link.hurry = false;
    link.told.join(this.#replica.durable);
    // Reports travel on: a member whose cable to us is cut still learns, over others, what we have.
    const { members, monoMs } = this.#replica;
    const reports = [
      this.#replica.report(),
      ...members.toldTo(link.member as string, link.life, monoMs),
    ];
    this.#sink.clear();
    words.writeAck(this.#sink, link.numbering, {
      // What a peer's wall clock is held against: the anchored time may be behind for as long as nobody confirms ours.
      wallMs: this.#replica.run.wallMs,
      sentMs: this.#replica.monoMs,
      echoMs: link.peerSentMs,
      heldMs: this.#replica.monoMs - link.peerSentAtMs,
      reports,
    });
    this.#send(link, FRAME.ACK, this.#sink.copy());
  }

  /** Our records that a member is not known to have, and how long ago the oldest was made; null if it was never heard of. */
  lagOf(member: string): { records: number; ms: number } | null {
    const report = this.#replica.members.latest(member);
    if (report === null) return null;
    const made = this.#replica.applied.get(this.#replica.me);
    const has = report.applied.get(this.#replica.me);
    return {
      records: Math.max(0, made - has),
      ms: this.#lag.behindMs(has, made, this.#replica.nowMs),
    };
  }
}

/** Whether a report says something new that another member waits for. */
function answers(
  report: Report,
  before: Report | null,
  { member, asked, awaited }: Report,
): boolean {
  const heard = ({ heard: all }: Report): number =>
    all.find((one) => one.member === member)?.asked ?? 0;
  if (asked > 0 && heard(report) >= asked && (before === null || heard(before) < asked))
    return true;
  const { seqs } = awaited;
  for (let number = 0; number < seqs.length; number++) {
    const seq = seqs[number] as number;
    if (
      seq > 0 &&
      report.durable.covers(number, seq) &&
      before?.durable.covers(number, seq) !== true
    )
      return true;
  }
  return false;
}
