/**
 * Escrow: how rights of bounded counters come to where they are used.
 *
 *   a command lacks rights ─► RIGHTS_ASK to a replica that holds some: of this region first, then where most are
 *                          ◄─ RIGHTS_TELL: the newest record there ─► once that is applied here, the command looks again
 *   every second           ─► of each counter that has changed: what is held beyond our share is handed to those who use more
 *   removed from the cluster ─► everything is handed to the others, as the last thing that is written
 *
 * Rights are handed over by records alone; a question and its answer only make a record come, or show that none will.
 *
 * Invariant: a question is answered by the name of a record that is to be waited for, whether it gave or not. So an answer that
 * gave nothing has told how little there is, and nobody is asked twice for what it does not have.
 *
 *   RIGHTS_ASK  = varint number │ varint db │ bytes key │ varint amount
 *   RIGHTS_TELL = varint number │ 8 bytes incarnation │ varint seq
 */
import { Sink } from "../bytes/sink.ts";
import { Malformed, Source } from "../bytes/source.ts";
import type { Origin } from "../clock/origins.ts";
import { BoundedView } from "../commands/bounded-view.ts";
import type { Lack } from "../commands/command.ts";
import type { Called } from "../commands/consistency.ts";
import type { Figures, Rights } from "../commands/rights.ts";
import type { Session } from "../commands/session.ts";
import { BOUNDED, type Key } from "../crdt/key.ts";
import { ROOM_MAX } from "../crdt/bounded-counter.ts";
import type { BoundedKey } from "../keyspace/bounded-keys.ts";
import { keyName } from "../keyspace/key-name.ts";
import { INTERNAL_DB } from "../keyspace/keyspace.ts";
import { Place } from "../keyspace/place.ts";
import { FRAME } from "../wire/frame.ts";
import { giftsOf, type Holder } from "./balance.ts";
import type { Link } from "./link.ts";
import type { Replica } from "./replica.ts";

interface Ask {
  readonly name: string;
  readonly link: Link;
  /** Those whose commands wait for the answer. */
  readonly sessions: Set<Session>;
  readonly deadlineMs: number;
}

/** How fast the holders of a counter use it. */
interface Usage {
  atMs: number;
  /** What was used, and what was left, by all. */
  total: number;
  room: number;
  /** By incarnation. */
  readonly used: Map<string, number>;
  readonly rates: Map<string, number>;
}

const LOOK_EVERY_MS = 1_000;
/** Counters looked at in one tick. */
const LOOK_MAX = 100;
/** What was used so long ago counts half. */
const HALF_MS = 5_000;
/** Others that one command asks, one after the other. */
const TRIES_MAX = 8;
/** How long an answer is waited for on behalf of nobody in particular. */
const PATIENCE_MS = 2_000;

export class Escrow implements Rights {
  readonly #replica: Replica;
  readonly #send: (link: Link, type: number, body: Buffer) => void;
  readonly #place = new Place();
  readonly #sink = new Sink(128);
  /** By their numbers. */
  readonly #asks = new Map<number, Ask>();
  #numbers = 0;
  readonly #usage = new Map<string, Usage>();
  readonly #figures = new Map<string, Figures>();
  #due: BoundedKey[] = [];
  #lookedMs = 0;
  #hasLeft = false;
  /** Sessions that may look again, since the host last took them. */
  ended: number[] = [];

  constructor(replica: Replica, send: (link: Link, type: number, body: Buffer) => void) {
    this.#replica = replica;
    this.#send = send;
  }

  // ── who holds rights ───────────────────────────────────────────────────────────────────────────────────────────────────────

  standingOf(origin: Origin): "here" | "up" | "away" | "lost" {
    const { members, monoMs } = this.#replica;
    if (origin.incarnation === this.#me.incarnation) return "here";
    if (this.#isGone(origin)) return "lost";
    return members.isUp(origin.member, monoMs) ? "up" : "away";
  }

  /** Whether nobody writes as this origin any more. */
  #isGone({ member, incarnation }: Origin): boolean {
    const { roster, origins } = this.#replica;
    if (member === this.#replica.member || roster.isRemoved(member)) return true;
    const number = origins.find(incarnation);
    return number >= 0 && origins.isSucceeded(number);
  }

  unsettled(): string | null {
    const awaited = this.#replica.roster.unstated();
    if (this.#replica.roster.isPlain || awaited.length === 0) return null;
    return `ERR not all members have said that they know who belongs to the cluster: ${awaited.join(", ")}; try again`;
  }

  keeps(member: string): string | null {
    const { roster } = this.#replica;
    if (!roster.isRemoved(member))
      return `ERR ${member} was not removed: it may use its rights when it is back`;
    if (roster.counting.includes(member))
      return `ERR the removal of ${member} is not complete; try again`;
    return this.unsettled();
  }

  get #me(): Origin {
    return this.#replica.origins.get(this.#replica.me);
  }

  partners(): Origin[] {
    const { members, monoMs, member, origins, roster } = this.#replica;
    const partners: Origin[] = [];
    for (const name of members.names) {
      const present = members.present(name);
      if (name === member || present < 0 || roster.isRemoved(name)) continue;
      if (members.isUp(name, monoMs)) partners.push(origins.get(present));
    }
    return partners;
  }

  #viewOf(db: number, key: Buffer): BoundedView | null {
    const { keyspace, run } = this.#replica;
    keyspace.locate(this.#place, db, key, 0, key.length);
    this.#place.look(keyspace, run.nowMs);
    return this.#place.type === BOUNDED ? new BoundedView(run, this.#place) : null;
  }

  // ── commands that lack rights ──────────────────────────────────────────────────────────────────────────────────────────────

  admits(session: Session, { entry, args }: Called): boolean {
    const { run, monoMs } = this.#replica;
    const { asking, pending } = session;
    if (asking?.state === "under way" || pending?.outcome === null) return false;
    if (asking !== null) {
      session.pending = null;
      asking.state = "runs";
    }
    const { lacks } = entry.command;
    if (lacks === undefined || session.queue !== null || !entry.takes(args.count)) return true;
    if (this.#isRefused(session, entry, args)) return true;
    run.session = session;
    const lack = lacks(run, args);
    if (lack === null || (asking !== null && monoMs >= asking.deadlineMs)) return true;
    const link = (asking?.tries ?? 0) < TRIES_MAX ? this.#donorOf(lack) : null;
    if (link === null) return true;
    const now = (session.asking ??= {
      state: "runs",
      isFar: false,
      tries: 0,
      deadlineMs: monoMs + session.levelTimeoutMs,
    });
    const ask = this.#ask(lack, link, now.deadlineMs);
    ask.sessions.add(session);
    now.state = "under way";
    now.tries++;
    now.isFar ||= ask.link.region !== this.#replica.region;
    return false;
  }

  /** Whether a command is refused whatever rights there are. */
  #isRefused(session: Session, entry: Called["entry"], args: Called["args"]): boolean {
    const { run } = this.#replica;
    if (run.loading !== null || run.refuseWrites !== null) return true;
    if (!session.authenticated && !run.users.isOpen) return true;
    return run.users.of(session).isLimited && run.users.denial(run, entry, args, null) !== null;
  }

  want(lack: Lack): void {
    const link = this.#donorOf(lack);
    if (link !== null) this.#ask(lack, link, this.#replica.monoMs + PATIENCE_MS);
  }

  /**
   * Whom to ask: who is near, then who has enough, then who has most. Null when those who can be reached have too little together: to
   * move that would help nobody.
   */
  #donorOf({ db, key, amount }: Lack): Link | null {
    const { exchange, origins, region } = this.#replica;
    const view = this.#viewOf(db, key);
    if (view === null) return null;
    const missing = amount - view.rightsOf(this.#me);
    let best: Link | null = null;
    let bestScore = -1;
    let reachable = 0;
    for (const link of exchange.links.values()) {
      if (!link.up || !link.handsRights || this.#replica.roster.isRemoved(link.member ?? ""))
        continue;
      const rights = view.rightsOf(origins.get(link.origin));
      if (rights <= 0) continue;
      reachable += rights;
      const near = link.region === region ? 2 : 0;
      const score = (near + (rights >= missing ? 1 : 0)) * ROOM_MAX + rights;
      if (score <= bestScore) continue;
      best = link;
      bestScore = score;
    }
    return reachable >= missing ? best : null;
  }

  /** Asks for rights, unless that is under way: then its answer is good for this one too. */
  #ask({ db, key, amount }: Lack, link: Link, deadlineMs: number): Ask {
    const name = keyName(db, key, 0, key.length);
    for (const ask of this.#asks.values()) if (ask.name === name) return ask;
    const view = this.#viewOf(db, key);
    const ask: Ask = { name, link, sessions: new Set(), deadlineMs };
    this.#asks.set(++this.#numbers, ask);
    this.#figuresOf(name).asked++;
    const sink = this.#sink;
    sink.clear();
    sink.varint(this.#numbers);
    sink.varint(db);
    sink.bytes(key, 0, key.length);
    sink.varint(amount - (view?.rightsOf(this.#me) ?? 0));
    this.#send(link, FRAME.RIGHTS_ASK, sink.copy());
    return ask;
  }

  /** A peer has answered. Throws `Malformed`. */
  told(body: Buffer): void {
    const source = new Source(body);
    const number = source.varint();
    const start = source.skip(8);
    const incarnation = body.latin1Slice(start, start + 8);
    const seq = source.varint();
    const ask = this.#asks.get(number);
    if (ask === undefined) return;
    this.#asks.delete(number);
    const { waits, monoMs } = this.#replica;
    for (const session of ask.sessions) {
      const { asking } = session;
      if (asking === null) continue;
      asking.state = "answered";
      session.pending = waits.begin(session.id, {
        named: [{ incarnation, seq }],
        timeoutMs: asking.deadlineMs - monoMs,
      });
      if (session.pending === null) this.ended.push(session.id);
    }
  }

  /** Nothing comes of a question any more: who waits for it looks again. */
  #end(number: number, { sessions }: Ask): void {
    this.#asks.delete(number);
    for (const session of sessions) this.#goOn(session);
  }

  #goOn({ id, asking }: Session): void {
    if (asking === null) return;
    asking.state = "answered";
    this.ended.push(id);
  }

  /** A session is over. */
  leave(session: Session): void {
    for (const { sessions } of this.#asks.values()) sessions.delete(session);
  }

  /** A link has closed: what was asked over it is not answered. */
  closed(link: Link): void {
    for (const [number, ask] of this.#asks) if (ask.link === link) this.#end(number, ask);
  }

  // ── rights that are handed over ────────────────────────────────────────────────────────────────────────────────────────────

  /** A peer asks for rights. Throws `Malformed`. */
  asked(link: Link, body: Buffer): void {
    const source = new Source(body);
    const number = source.varint();
    const db = source.varint();
    if (db >= INTERNAL_DB) throw new Malformed(`database ${db} holds no bounded counters`);
    const key = Buffer.from(source.view());
    const needed = source.varint();
    if (this.#mayWrite && !this.#replica.roster.isRemoved(link.member ?? ""))
      this.#giveTo(link, db, key, needed);
    const { applied, me } = this.#replica;
    const sink = this.#sink;
    sink.clear();
    sink.varint(number);
    sink.latin1(this.#me.incarnation);
    sink.varint(applied.get(me));
    this.#send(link, FRAME.RIGHTS_TELL, sink.copy());
  }

  get #mayWrite(): boolean {
    const { run } = this.#replica;
    return run.refuseWrites === null && run.loading === null;
  }

  /** Gives half of what there is, and more if that is needed: whoever ran out is likely to run out again. */
  #giveTo({ origin }: Link, db: number, key: Buffer, needed: number): void {
    const { origins, writer, me } = this.#replica;
    const view = this.#viewOf(db, key);
    const rights = view?.rightsOf(this.#me) ?? 0;
    if (view === null || rights === 0) return;
    const name = keyName(db, key, 0, key.length);
    // Of two who ask one another for what neither has, one keeps what it has.
    const asks = [...this.#asks.values()].some((ask) => ask.name === name);
    const yields = (origins.ranks[me] as number) > (origins.ranks[origin] as number);
    if (rights < needed && asks && !yields) return;
    const amount = Math.min(rights, Math.max(needed, Math.floor(rights / 2)));
    if (amount === 0) return;
    view.give(writer, [{ to: origins.get(origin), amount }]);
    writer.commit();
    this.#figuresOf(name).given += amount;
  }

  tick(): void {
    const { monoMs, keyspace, run } = this.#replica;
    for (const [number, ask] of this.#asks) {
      for (const session of ask.sessions) {
        if (monoMs < (session.asking?.deadlineMs ?? 0)) continue;
        ask.sessions.delete(session);
        this.#goOn(session);
      }
      if (ask.deadlineMs <= monoMs) this.#end(number, ask);
    }
    if (keyspace.boundedKeys.count === 0) return;
    if (this.#due.length === 0 && monoMs - this.#lookedMs >= LOOK_EVERY_MS) {
      this.#lookedMs = monoMs;
      this.#due = [...keyspace.boundedKeys.changed];
      keyspace.boundedKeys.changed.clear();
    }
    if (run.pausedUntilMs > run.wallMs) return;
    for (const key of this.#due.splice(0, LOOK_MAX)) this.#balance(key);
  }

  /** Hands what is beyond our share to those who use more than they hold. */
  #balance(bounded: BoundedKey): void {
    const view = this.#viewOf(bounded.db, bounded.key);
    if (view === null) return this.#miss(bounded);
    // Rights that only moved call for no more moves: replicas judge demand by what they have heard, and might hand them to and fro for ever.
    if (!this.#isNews(bounded.name, view)) return;
    const partners = this.partners();
    const all = [this.#me, ...partners];
    const rates = this.#ratesOf(bounded.name, view, all);
    if (partners.length === 0 || !this.#mayWrite || this.#replica.roster.isRemoved(this.#me.member))
      return;
    const holders: Holder[] = all.map((origin, i) => ({
      rights: view.rightsOf(origin),
      rate: rates[i] as number,
    }));
    const gifts = giftsOf(holders, 0)
      .map((amount, i) => ({ to: all[i] as Origin, amount }))
      .filter(({ amount }) => amount > 0);
    if (gifts.length === 0) return;
    view.give(this.#replica.writer, gifts);
    this.#replica.writer.commit();
    for (const { amount } of gifts) this.#figuresOf(bounded.name).moved += amount;
  }

  /** A name that shows no counter: it is forgotten unless something else hides the counter. */
  #miss(bounded: BoundedKey): void {
    const { at, table } = this.#place;
    const key: Key | null = at < 0 ? null : table.objectAt(at);
    if (key?.generations.some(({ kind }) => kind.type === BOUNDED)) return;
    this.#replica.keyspace.boundedKeys.forget(bounded);
    this.#usage.delete(bounded.name);
    this.#figures.delete(bounded.name);
  }

  /** Whether anything was used of a counter, or added to it, since we last looked. */
  #isNews(name: string, view: BoundedView): boolean {
    const usage = this.#usage.get(name);
    if (usage === undefined) return true;
    return usage.room !== view.room || usage.total !== usedOf(view);
  }

  /** How much each of these uses, in units a second, lately. */
  #ratesOf(name: string, view: BoundedView, origins: readonly Origin[]): number[] {
    const { monoMs } = this.#replica;
    let usage = this.#usage.get(name);
    const isNew = usage === undefined;
    if (usage === undefined) {
      usage = {
        atMs: monoMs - LOOK_EVERY_MS,
        total: -1,
        room: -1,
        used: new Map(),
        rates: new Map(),
      };
      this.#usage.set(name, usage);
    }
    const { used, rates } = usage;
    usage.total = usedOf(view);
    usage.room = view.room;
    const tookMs = monoMs - usage.atMs;
    usage.atMs = monoMs;
    const kept = 0.5 ** (tookMs / HALF_MS);
    return origins.map((origin) => {
      const { incarnation } = origin;
      const now = view.usedBy(origin);
      const before = used.get(incarnation) ?? (isNew ? now : 0);
      used.set(incarnation, now);
      const rate =
        (rates.get(incarnation) ?? 0) * kept +
        (tookMs > 0 ? ((now - before) / tookMs) * 1000 * (1 - kept) : 0);
      rates.set(incarnation, rate);
      return rate;
    });
  }

  /** We were removed, and may write for the last time: the others get all rights that we hold. */
  handOver(): void {
    const partners = this.partners();
    if (this.#hasLeft || !this.#mayWrite || partners.length === 0) return;
    this.#hasLeft = true;
    const { writer, keyspace } = this.#replica;
    for (const { db, key } of keyspace.boundedKeys.all()) {
      const view = this.#viewOf(db, key);
      const rights = view?.rightsOf(this.#me) ?? 0;
      if (view === null || rights === 0) continue;
      const share = Math.floor(rights / partners.length);
      const rest = rights - share * partners.length;
      const gifts = partners.map((to, i) => ({ to, amount: share + (i === 0 ? rest : 0) }));
      view.give(writer, gifts);
    }
    writer.commit();
  }

  // ── figures ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #figuresOf(name: string): Figures {
    let figures = this.#figures.get(name);
    if (figures === undefined) this.#figures.set(name, (figures = noFigures()));
    return figures;
  }

  used({ asking }: Session, name: string, amount: number): void {
    const figures = this.#figuresOf(name);
    if (asking === null || asking.tries === 0) figures.used_at_once += amount;
    else if (asking.isFar) figures.used_after_wan += amount;
    else figures.used_after_region += amount;
  }

  refused(name: string, why: "no_rights" | "bound_reached"): void {
    this.#figuresOf(name)[why]++;
  }

  figures(name: string): Readonly<Figures> {
    return this.#figures.get(name) ?? noFigures();
  }

  /** Of all counters together. */
  get totals(): Figures {
    const totals = noFigures();
    for (const figures of this.#figures.values())
      for (const name of Object.keys(totals) as (keyof Figures)[]) totals[name] += figures[name];
    return totals;
  }
}

function usedOf(view: BoundedView): number {
  return view.origins().reduce((sum, origin) => sum + view.usedBy(origin), 0);
}

function noFigures(): Figures {
  return {
    used_at_once: 0,
    used_after_region: 0,
    used_after_wan: 0,
    asked: 0,
    no_rights: 0,
    bound_reached: 0,
    given: 0,
    moved: 0,
  };
}
