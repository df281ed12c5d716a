/**
 * Roster: who belongs to the cluster: the configured members, those added since, without those removed; and where a removed one ends.
 *
 *   removal ─► closing: each remaining member takes no more of it, stores what it has, and states that ─► all have: sealed
 *                  ▲ again, by all, whenever who is removed changes                                          │
 *                                            everything up to the seals is applied here ─► retired ◄─────────┘
 *
 * What is removed, what is added and all statements only grow, so members tell one another all they know, in any order and as often as
 * they like. A statement is durable before anybody hears it. Those of one round and one set of removed members never change; so
 * whoever knows those of all that remain knows the same seals: of each origin the newest record that any of them has.
 *
 * Invariant: nobody takes a record of a removed member beyond what it has stated until it knows the seal, and none beyond the seal ever.
 * A removed member counts, for stability and for the log, until everything up to its seals is applied here.
 */
import { Sink } from "../bytes/sink.ts";
import { Malformed, Source } from "../bytes/source.ts";
import { type Origin, type Origins, readOrigin, writeOrigin } from "../clock/origins.ts";
import { readDotSeq, type Vector } from "../clock/vector.ts";

/** What one member says about those that are removed. */
interface Statement {
  readonly member: string;
  readonly round: number;
  /** In the order of their names. */
  readonly removed: readonly string[];
  readonly added: readonly string[];
  /** What it has of origins of removed members. */
  readonly has: readonly { readonly origin: Origin; readonly seq: number }[];
  /** Removed members that it waits for no longer: of these, `has` says the seals. */
  readonly retired: readonly string[];
}

const VERSION = 1;
/** Seals of a removed member: incarnation → newest seq; what is not named has none. */
type Seals = ReadonlyMap<string, number>;

/** What a replica tells its roster of itself. */
export interface RosterHost {
  readonly origins: Origins;
  readonly applied: Vector;
  readonly durable: Vector;
  /** Whether it may state what it has: it is whole and no snapshot is coming in; one that is removed itself has stopped to write. */
  readonly mayState: boolean;
  /** Whether a removed member that lives still has more to give. */
  drains(member: string): boolean;
}

export class Roster {
  readonly me: string;
  readonly #configured: ReadonlySet<string>;
  /** Each with its place in the order of members. */
  readonly #added = new Map<string, number>();
  readonly #removed = new Set<string>();
  #round = 0;
  readonly #statements = new Map<string, Statement>();
  /** Our statement as it is stored. */
  #stored: Statement | null = null;
  /** What we take of removed members' origins, while the statement of that is not stored: incarnation → seq. */
  #closing: Map<string, number> | null = null;
  /** Of each removed member whose end is known. */
  readonly #seals = new Map<string, Seals>();
  /** The directory may have held statements that are lost: what others know of us is not to be relied on. */
  #doubted = false;
  /** Grows with every change. */
  version = 0;

  constructor(me: string, configured: readonly string[]) {
    this.me = me;
    this.#configured = new Set([...configured, me]);
  }

  // ── who belongs ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Whether nothing was ever added or removed. */
  get isPlain(): boolean {
    return this.#added.size + this.#removed.size === 0;
  }

  /** The members that this replica was started with. */
  get configured(): string[] {
    return [...this.#configured];
  }

  /** The members that remain. */
  get remaining(): string[] {
    return this.#all.filter((name) => !this.#removed.has(name));
  }

  get #all(): string[] {
    return [...new Set([...this.#configured, ...this.#added.keys()])];
  }

  /** Those that count: the ones that remain, and those removed that we still wait for. */
  get counting(): string[] {
    return this.#all.filter((name) => this.#stored?.retired.includes(name) !== true);
  }

  /** The place of each member that ever was, in an order that a later one never changes. */
  get order(): Map<string, number> {
    const first = new Set([...this.#configured, ...this.#removed]);
    const order = new Map<string, number>();
    for (const name of [...first].filter((one) => !this.#added.has(one)).sort())
      order.set(name, order.size);
    for (const [name, place] of this.#added) order.set(name, place);
    return order;
  }

  isRemoved(member: string): boolean {
    return this.#removed.has(member);
  }

  get removed(): string[] {
    return [...this.#removed].sort();
  }

  /** Whether it belongs to the cluster, or is about to leave it. */
  isKnown(member: string): boolean {
    return this.#configured.has(member) || this.#added.has(member) || this.#removed.has(member);
  }

  /** Whether nothing is heard of it any more: it is removed, and we have stated what we have of it, or are about to. */
  isClosed(member: string): boolean {
    if (!this.#removed.has(member)) return false;
    if (this.#seals.has(member) || this.#stored?.removed.includes(member) === true) return true;
    return this.#closing !== null;
  }

  /** Removed members that we still wait for, with those whose word is missing. */
  waiting(): { readonly member: string; readonly awaits: string[] }[] {
    const retired = this.#stored?.retired ?? [];
    return this.removed
      .filter((member) => !retired.includes(member))
      .map((member) => ({ member, awaits: this.#seals.has(member) ? [] : this.unstated() }));
  }

  /** Members that have not stated what they have of those removed, or that they know those added. */
  unstated(): string[] {
    return this.remaining.filter((name) => {
      const statement = name === this.me ? this.#stored : (this.#statements.get(name) ?? null);
      return statement === null || !this.#isCurrent(statement);
    });
  }

  /** Whether it is sealed: no record of it beyond what everyone is to have will ever be taken. */
  isSealed(member: string): boolean {
    return this.#seals.has(member);
  }

  /** Where a removed member ends: incarnation → its newest record that counts; null while that is not known. */
  endsOf(member: string): ReadonlyMap<string, number> | null {
    return this.#seals.get(member) ?? null;
  }

  /** The newest record that will ever be of an origin; null while that is not known, or it belongs to a member that remains. */
  sealOf({ member, incarnation }: Origin): number | null {
    const seals = this.#seals.get(member);
    return seals === undefined ? null : (seals.get(incarnation) ?? 0);
  }

  /** Up to where records of an origin are taken. */
  limitOf(origin: Origin): number {
    if (this.#removed.size === 0 || !this.#removed.has(origin.member)) return Infinity;
    const seal = this.sealOf(origin);
    if (seal !== null) return seal;
    if (this.#closing !== null) return this.#closing.get(origin.incarnation) ?? 0;
    if (this.#stored?.removed.includes(origin.member) !== true) return Infinity;
    const { incarnation } = origin;
    return this.#stored.has.find((one) => one.origin.incarnation === incarnation)?.seq ?? 0;
  }

  // ── what operators and peers say ───────────────────────────────────────────────────────────────────────────────────────────

  /** Removes members; those whose removal is under way are asked about anew. Returns why not, or null. */
  remove(names: readonly string[]): string | null {
    if (this.#removed.has(this.me))
      return `${this.me} was removed itself: ask a member that remains`;
    if (this.remaining.every((name) => names.includes(name)))
      return "somebody has to remain: this would remove every member";
    if (names.every((name) => this.#seals.has(name))) return null;
    if (names.every((name) => this.#removed.has(name))) this.#round++;
    for (const name of names) this.#removed.add(name);
    this.#changed();
    return null;
  }

  /** Adds a member. Returns why not, or null. */
  add(name: string): string | null {
    if (this.#removed.has(this.me))
      return `${this.me} was removed itself: ask a member that remains`;
    if (this.#removed.has(name))
      return `${name} was removed, and a name is not used again: add another replica of the region`;
    if (this.#configured.has(name) || this.#added.has(name)) return null;
    this.#added.set(name, Math.max(-1, ...this.order.values()) + 1);
    this.#changed();
    return null;
  }

  /** Whether every member that remains counts one that was added. */
  isKnownToAll(name: string): boolean {
    return (
      (this.#configured.has(name) && !this.#added.has(name)) ||
      this.remaining.every((other) => {
        if (other === name) return true;
        const statement = other === this.me ? this.#stored : this.#statements.get(other);
        return statement?.added.includes(name) === true;
      })
    );
  }

  /** What our directory says may be older than what others have heard of us: everybody is asked anew, should anyone be removed. */
  doubt(): void {
    this.#doubted = true;
    this.#changed();
  }

  #changed(): void {
    this.version++;
    this.#judge();
  }

  /** Takes what a peer knows. Throws `Malformed` before any of it is believed. */
  merge(bytes: Buffer): void {
    const { round, added, removed, statements } = readRoster(new Source(bytes));
    let changed = round > this.#round;
    this.#round = Math.max(this.#round, round);
    for (const [name, place] of added) {
      const known = this.#added.get(name) ?? Infinity;
      changed ||= place < known;
      this.#added.set(name, Math.min(place, known));
    }
    for (const name of removed) {
      changed ||= !this.#removed.has(name);
      this.#removed.add(name);
    }
    for (const statement of statements) {
      const known = this.#statements.get(statement.member);
      if (known !== undefined && compare(statement, known) <= 0) continue;
      if (statement.member !== this.me) this.#statements.set(statement.member, statement);
      // Others know more of us than we do: our directory was lost.
      else if (statement.round === this.#round) this.#doubted = true;
      else continue;
      changed = true;
    }
    if (changed) this.#changed();
  }

  /** Takes over our own file at a start. Throws `Malformed`. */
  load(bytes: Buffer): void {
    const { doubted, round, added, removed, statements } = readRoster(new Source(bytes));
    this.#doubted = doubted;
    this.#round = round;
    for (const [name, place] of added) this.#added.set(name, place);
    for (const name of removed) this.#removed.add(name);
    for (const statement of statements) this.#statements.set(statement.member, statement);
    this.#stored = this.own;
    this.#judge();
  }

  // ── what follows ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Looks whether there is something to state; `version` grows when there is. */
  look(host: RosterHost): void {
    if (this.#removed.has(this.me)) return this.#leave(host);
    if (this.#removed.size > 0 && this.#doubted) this.#askAnew();
    if (!this.isPlain && this.own === this.#stored) {
      if (this.#stored === null || !this.#isCurrent(this.#stored)) this.#state(host);
      else this.#retire(host);
    }
  }

  /** What we stated before may be lost: nobody is to rely on it. */
  #askAnew(): void {
    this.#doubted = false;
    this.#round++;
    this.#changed();
  }

  /** We are removed ourselves: what we have is all we ever made, once it is durable. */
  #leave(host: RosterHost): void {
    if (this.own !== null && this.#isCurrent(this.own)) return;
    if (!host.mayState || !host.durable.includes(host.applied)) return;
    this.#statements.set(this.me, this.#statementOf(host, []));
    this.#changed();
  }

  #state(host: RosterHost): void {
    const { removed } = this;
    const stated = this.#stored !== null && this.#isOfThisRound(this.#stored);
    if (removed.length > 0 && !stated) {
      if (!host.mayState) return;
      if (this.#closing === null && removed.some((one) => !this.isClosed(one) && host.drains(one)))
        return;
      this.#close(host);
      if (!this.#isStored(host)) return;
    }
    const statement = this.#statementOf(host, this.#stored?.retired ?? []);
    const has = stated ? (this.#stored as Statement).has : statement.has;
    this.#statements.set(this.me, { ...statement, has });
    this.#changed();
  }

  /** Takes no more of removed members than there is now. */
  #close({ origins, applied }: RosterHost): void {
    const closing = (this.#closing ??= new Map<string, number>());
    for (let number = 0; number < origins.count; number++) {
      const { member, incarnation } = origins.get(number);
      if (this.#removed.has(member) && !closing.has(incarnation))
        closing.set(incarnation, applied.get(number));
    }
  }

  #isStored({ origins, durable }: RosterHost): boolean {
    for (let number = 0; number < origins.count; number++)
      if (!durable.covers(number, this.#closing?.get(origins.get(number).incarnation) ?? 0))
        return false;
    return true;
  }

  #statementOf({ origins, applied }: RosterHost, retired: readonly string[]): Statement {
    const has: { origin: Origin; seq: number }[] = [];
    for (let number = 0; number < origins.count; number++) {
      const origin = origins.get(number);
      const seq = Math.min(applied.get(number), this.#closing?.get(origin.incarnation) ?? Infinity);
      if (this.#removed.has(origin.member) && seq > 0) has.push({ origin, seq });
    }
    const added = [...this.#added.keys()].sort();
    return { member: this.me, round: this.#round, removed: this.removed, added, has, retired };
  }

  /** Waits no longer for removed members of whom everything is durable here. */
  #retire({ origins, durable }: RosterHost): void {
    const stored = this.#stored as Statement;
    const isDone = ([member, seals]: [string, Seals]): boolean =>
      !stored.retired.includes(member) &&
      [...seals].every(([incarnation, seq]) => durable.covers(origins.find(incarnation), seq));
    const done = [...this.#seals].filter(isDone);
    if (done.length === 0) return;
    const retired = [...stored.retired, ...done.map(([member]) => member)].sort();
    const has = stored.has.filter(({ origin }) => !done.some(([name]) => name === origin.member));
    for (const [member, seals] of done)
      for (const [incarnation, seq] of seals) has.push({ origin: { member, incarnation }, seq });
    this.#statements.set(this.me, { ...stored, has, retired });
    this.#changed();
  }

  /**
   * Which seals are known. One that a remaining member has done with stays what it is; any other holds for as long as who is removed
   * does: whoever knew what it says may be removed next, and with it the only copy.
   */
  #judge(): void {
    this.#seals.clear();
    const statements = this.remaining.map((name) =>
      name === this.me ? this.#stored : (this.#statements.get(name) ?? null),
    );
    const all = statements.every((one) => one !== null && this.#isOfThisRound(one));
    for (const member of this.#removed) {
      const done = statements.find((one) => one?.retired.includes(member)) ?? null;
      if (done !== null || all)
        this.#seals.set(member, sealsOf(member, done === null ? statements : [done]));
    }
  }

  /** What a removed member says is all there is of those removed; null while it has not said so. */
  farewell(member: string): Statement["has"] | null {
    const statement = this.#statements.get(member);
    return statement !== undefined && this.#isOfThisRound(statement) ? statement.has : null;
  }

  /** Whether a statement is of the present round and the present removals, whoever may have been added since. */
  #isOfThisRound({ round, removed }: Statement): boolean {
    return (
      round === this.#round &&
      removed.length === this.#removed.size &&
      removed.every((name) => this.#removed.has(name))
    );
  }

  #isCurrent(statement: Statement): boolean {
    const { added } = statement;
    return (
      this.#isOfThisRound(statement) &&
      [...this.#added.keys()].every((name) => added.includes(name))
    );
  }

  // ── bytes ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Our own statement, stored or not. */
  get own(): Statement | null {
    return this.#statements.get(this.me) ?? null;
  }

  /** Everything, for the file and for peers. */
  encode(): Buffer {
    const sink = new Sink(256);
    sink.u8(VERSION);
    sink.u8(this.#doubted ? 1 : 0);
    sink.varint(this.#round);
    sink.varint(this.#added.size);
    for (const [name, place] of this.#added) {
      sink.text(name);
      sink.varint(place);
    }
    writeNames(sink, this.removed);
    sink.varint(this.#statements.size);
    for (const statement of this.#statements.values()) writeStatement(sink, statement);
    return sink.copy();
  }

  /** What was encoded when `own` was our statement is stored. */
  stored(own: Statement | null): void {
    this.#stored = own;
    if (own !== null && this.#isOfThisRound(own)) this.#closing = null;
    this.#judge();
  }
}

function sealsOf(member: string, statements: readonly (Statement | null)[]): Seals {
  const seals = new Map<string, number>();
  for (const statement of statements)
    for (const { origin, seq } of statement?.has ?? [])
      if (origin.member === member)
        seals.set(origin.incarnation, Math.max(seq, seals.get(origin.incarnation) ?? 0));
  return seals;
}

/** Which of two statements of a member is the later one. */
function compare(a: Statement, b: Statement): number {
  return (
    a.round - b.round ||
    a.removed.length - b.removed.length ||
    a.added.length - b.added.length ||
    a.retired.length - b.retired.length
  );
}

function writeNames(sink: Sink, names: readonly string[]): void {
  sink.varint(names.length);
  for (const name of names) sink.text(name);
}

function readNames(source: Source): string[] {
  const names: string[] = [];
  for (let left = source.varint(); left > 0; left--) names.push(source.text());
  return names;
}

function writeStatement(sink: Sink, statement: Statement): void {
  sink.text(statement.member);
  sink.varint(statement.round);
  writeNames(sink, statement.removed);
  writeNames(sink, statement.added);
  sink.varint(statement.has.length);
  for (const { origin, seq } of statement.has) {
    writeOrigin(sink, origin);
    sink.varint(seq);
  }
  writeNames(sink, statement.retired);
}

function readStatement(source: Source): Statement {
  const [member, round] = [source.text(), source.varint()];
  const [removed, added] = [readNames(source), readNames(source)];
  const has: { origin: Origin; seq: number }[] = [];
  for (let left = source.varint(); left > 0; left--)
    has.push({ origin: readOrigin(source), seq: readDotSeq(source) });
  return { member, round, removed, added, has, retired: readNames(source) };
}

interface Read {
  readonly doubted: boolean;
  readonly round: number;
  readonly added: readonly (readonly [name: string, place: number])[];
  readonly removed: readonly string[];
  readonly statements: readonly Statement[];
}

function readRoster(source: Source): Read {
  const version = source.u8();
  if (version !== VERSION)
    throw new Malformed(`a roster is of version ${version}, which this version does not know`);
  const doubted = source.u8() === 1;
  const round = source.varint();
  const added: [string, number][] = [];
  for (let left = source.varint(); left > 0; left--) added.push([source.text(), source.varint()]);
  const removed = readNames(source);
  const statements: Statement[] = [];
  for (let left = source.varint(); left > 0; left--) statements.push(readStatement(source));
  return { doubted, round, added, removed, statements };
}
