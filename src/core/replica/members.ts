/**
 * Members: what each member is known to have applied, made durable and promised; and what follows from all of them: what is
 * stable, and up to when nothing older can arrive.
 *
 * Invariant: a report counts only once everything its member had applied when it wrote it is applied here. Before that, a
 * record concurrent with a "stable" one could still arrive: counting acknowledgements as they come makes replicas differ
 * (108 of 4,000 histories with collection). What the member itself had issued is not enough: one that went back to an older
 * disk no longer has what it had issued, and whoever else has it will pass it on.
 *
 * What an incarnation that has ended still had under way is the last to come in. Whoever has met its successor takes no more of it
 * from its own connection, and says in each report whom it has met. So nothing is stable until all reports that count are by
 * members who had met the present incarnation of everybody.
 *
 * Stability counts durable vectors, of all members, present or not; one that was removed counts until it is retired: roster.ts.
 */
import type { Vector } from "../clock/vector.ts";

/** What a member said about itself. Relayed unchanged, so it reaches members it has no link to; the newest counts. */
export interface Report {
  readonly member: string;
  /** Grows with every report of a member, across restarts too. */
  readonly version: number;
  /** The life of its process that wrote it: grows from one start to the next. */
  readonly life: number;
  readonly applied: Vector;
  readonly durable: Vector;
  /** The present incarnations it has met, one of each member: its own first. */
  readonly met: readonly number[];
  /** No record it makes from now on has a stamp at or before this. */
  readonly promiseMs: number;
  readonly promiseTick: number;
  /** The number of its newest question: whoever hears it reports at once. 0 for none. */
  readonly asked: number;
  /** What it waits for others to have durably: they report as soon as they do. */
  readonly awaited: Vector;
  /**
   * The newest question of each other member that it had heard when it wrote this, of those that have asked; and under its own name,
   * while it hears of one, the life of another process that reports under it: rivals.ts.
   */
  readonly heard: readonly Heard[];
  /** The newest epoch of the configuration that it keeps to, whatever crashes: nothing that forbids is under way there. */
  readonly settledEpoch: number;
  /** The newest formats that its build reads: formats.ts. */
  readonly reads: number;
  /** False of a life that looks first whether another one has its name: nobody counts on it yet. joining.ts. */
  readonly counts: boolean;
}

export interface Heard {
  readonly member: string;
  readonly asked: number;
}

interface Member {
  /** The newest report, whether it counts or not. */
  latest: Report | null;
  /** When that came, by the monotonic clock. */
  latestAtMs: number;
  /** Reports before then may have been under way when the link to it closed. */
  doubtedUntilMs: number;
  /** Of each life of its process that has reported lately: the newest report, and when that came. Usually one. */
  readonly lives: Map<number, { readonly report: Report; readonly atMs: number }>;
  /** Reports that wait until what their member had applied is applied here, oldest first. */
  readonly waiting: Report[];
  /** The newest report that counts. */
  counted: Report | null;
}

/** Reports that wait for records; of more, the oldest are skipped: a newer one says more. */
const WAITING_MAX = 64;
/** A member of whom nothing new was heard for so long, directly or over others, counts as away. */
const SILENT_MS = 3_000;
/** A life that is silent is known for so much longer that what it said last goes round no more when it is forgotten. */
const FORGOTTEN_MS = 10 * SILENT_MS;
/** How long what a member said last may travel over others. */
const UNDER_WAY_MS = 1_000;

export class Members {
  readonly name: string;
  /** Our own present incarnation. */
  me: number;
  readonly #applied: Vector;
  readonly #durable: Vector;
  readonly #members = new Map<string, Member>();
  /** The members that count for stability: all but those that are retired. */
  names: readonly string[] = [];
  /** Whether all reports that count are by members who had met everybody's present incarnation. */
  #acquainted = false;

  constructor(
    name: string,
    me: number,
    names: readonly string[],
    applied: Vector,
    durable: Vector,
  ) {
    this.name = name;
    this.me = me;
    this.#applied = applied;
    this.#durable = durable;
    this.become(names);
  }

  /** Counts these from now on: what is known of those that counted before stays. */
  become(names: readonly string[]): void {
    this.names = names.includes(this.name) ? names : [this.name, ...names];
    for (const gone of this.#members.keys())
      if (!this.names.includes(gone)) this.#members.delete(gone);
    for (const other of this.names)
      if (other !== this.name && !this.#members.has(other))
        this.#members.set(other, {
          latest: null,
          latestAtMs: 0,
          doubtedUntilMs: 0,
          lives: new Map(),
          waiting: [],
          counted: null,
        });
    this.#acquainted = this.#areAcquainted();
  }

  /**
   * Takes a report; false if it is not newer than what is known, or of nobody who counts. One of an incarnation that
   * another one came after (`isPast`) is only passed on, to that one, while it lives.
   */
  report(report: Report, monoMs: number, isPast = false): boolean {
    const member = this.#members.get(report.member);
    if (member === undefined) return false;
    const { lives } = member;
    if (report.version > (lives.get(report.life)?.report.version ?? -1))
      lives.set(report.life, { report, atMs: monoMs });
    for (const [life, { atMs }] of lives) if (monoMs - atMs > FORGOTTEN_MS) lives.delete(life);
    const present = lives.get(member.latest?.life ?? -1);
    const isAlive = present !== undefined && monoMs - present.atMs <= SILENT_MS;
    if (!report.counts || (isPast && isAlive)) return false;
    if (report.version <= (member.latest?.version ?? -1)) return false;
    member.latest = report;
    if (monoMs >= member.doubtedUntilMs) member.latestAtMs = monoMs;
    member.waiting.push(report);
    if (member.waiting.length > WAITING_MAX) member.waiting.shift();
    return true;
  }

  /** Whether a report says nothing that is not known: then it need not be taken. */
  isOld(name: string, version: number, life: number, monoMs: number): boolean {
    const member = this.#members.get(name);
    if (member === undefined || version > (member.latest?.version ?? -1)) return false;
    // Lives of which nothing new comes are looked at again by whoever takes a report.
    for (const { atMs } of member.lives.values()) if (monoMs - atMs > FORGOTTEN_MS) return false;
    return version <= (member.lives.get(life)?.report.version ?? -1);
  }

  /** What one life of a member is told: the newest report of everybody else, and what other lives report now, of its name too. */
  *toldTo(name: string, life: number, monoMs: number): Generator<Report> {
    for (const [member, { latest, lives }] of this.#members) {
      if (latest !== null && member !== name) yield latest;
      const known = member === name ? life : latest?.life;
      for (const { report, atMs } of lives.values())
        if (report.life !== known && monoMs - atMs <= SILENT_MS) yield report;
    }
  }

  /** The present incarnation of a member; −1 of one who does not count, or has not been heard of. */
  present(name: string): number {
    return this.#members.get(name)?.latest?.met[0] ?? -1;
  }

  /** The present incarnations of those who were heard of, our own first: what our report says of them. */
  met(): number[] {
    const met = [this.me];
    for (const { latest } of this.#members.values())
      if (latest !== null) met.push(latest.met[0] as number);
    return met;
  }

  /** Counts the reports whose time has come. */
  promote(): void {
    for (const member of this.#members.values()) {
      if (member.waiting.length === 0) continue;
      // The newest that may count says all that older ones do. An older one may wait for ever: for what a crash took with it.
      const at = member.waiting.findLastIndex(({ applied }) => this.#applied.includes(applied));
      if (at < 0) continue;
      member.counted = member.waiting[at] as Report;
      member.waiting.splice(0, at + 1);
    }
    this.#acquainted = this.#areAcquainted();
  }

  #areAcquainted(): boolean {
    const met = this.met();
    if (met.length < this.names.length) return false;
    for (const { counted } of this.#members.values())
      for (const origin of met) if (counted === null || !counted.met.includes(origin)) return false;
    return true;
  }

  /** Whether every member has the record, durably, and nothing concurrent with it can arrive any more. */
  isStable(origin: number, seq: number): boolean {
    if (!this.#acquainted || !this.#durable.covers(origin, seq)) return false;
    for (const { counted } of this.#members.values())
      if (counted === null || !counted.durable.covers(origin, seq)) return false;
    return true;
  }

  /** Whether every member has the record durably: then the log may forget it. */
  isEverywhere(origin: number, seq: number): boolean {
    if (!this.#durable.covers(origin, seq)) return false;
    for (const { latest } of this.#members.values())
      if (latest === null || !latest.durable.covers(origin, seq)) return false;
    return true;
  }

  /**
   * Whether most members have the record durably, we among them. Of what two logs have forgotten there is then somebody who has both,
   * and who can give each a snapshot: less would let two halves of a cluster forget what the other needs.
   */
  isAtMajority(origin: number, seq: number): boolean {
    let count = this.#durable.covers(origin, seq) ? 1 : 0;
    for (const { latest } of this.#members.values())
      if (latest !== null && latest.durable.covers(origin, seq)) count++;
    return count * 2 > this.names.length;
  }

  /** The members on whose word it rests whether the record is stable: those whose reports that count do not cover it. */
  unsettled(origin: number, seq: number): string[] {
    return [...this.#members]
      .filter(([, { counted }]) => counted === null || !counted.durable.covers(origin, seq))
      .map(([name]) => name);
  }

  /** The members that are not known to have the record durably. */
  lacking(origin: number, seq: number): string[] {
    return [...this.#members]
      .filter(([, { latest }]) => latest === null || !latest.durable.covers(origin, seq))
      .map(([name]) => name);
  }

  /** Everything stamped up to here has arrived; 0 while that cannot be told. `ownMs` is our own clock. */
  watermarkMs(ownMs: number): number {
    if (!this.#acquainted) return 0;
    let watermark = ownMs;
    for (const { counted } of this.#members.values())
      watermark = Math.min(watermark, counted?.promiseMs ?? 0);
    return watermark;
  }

  /** Whether a member can be reached, as far as is known: it has reported lately, directly or over others. */
  isUp(name: string, monoMs: number): boolean {
    if (name === this.name) return true;
    const member = this.#members.get(name);
    if (member === undefined || member.latest === null) return false;
    return monoMs - member.latestAtMs < SILENT_MS;
  }

  /** Whether a member's newest report came after `monoMs`. */
  reportedSince(name: string, monoMs: number): boolean {
    return (this.#members.get(name)?.latestAtMs ?? -Infinity) > monoMs;
  }

  /** The link to a member has closed: it counts as away until it greets again, or newer reports come over others. */
  lost(name: string, monoMs: number): void {
    const member = this.#members.get(name);
    if (member === undefined) return;
    member.latestAtMs = -Infinity;
    member.doubtedUntilMs = monoMs + UNDER_WAY_MS;
  }

  /** A link to a member is up. */
  greeted(name: string): void {
    const member = this.#members.get(name);
    if (member !== undefined) member.doubtedUntilMs = 0;
  }

  /** The newest question of ours that a member had heard when it last reported; 0 for none. */
  heard(name: string): number {
    for (const { member, asked } of this.#members.get(name)?.latest?.heard ?? [])
      if (member === this.name) return asked;
    return 0;
  }

  /** The newest questions of others, as reports say what was heard. */
  questions(): Heard[] {
    const heard: Heard[] = [];
    for (const [member, { latest }] of this.#members)
      if (latest !== null && latest.asked > 0) heard.push({ member, asked: latest.asked });
    return heard;
  }

  /** The newest report of a member, or null. */
  latest(name: string): Report | null {
    return this.#members.get(name)?.latest ?? null;
  }

  /** Every newest report, for relaying. */
  *reports(): Generator<Report> {
    for (const { latest } of this.#members.values()) if (latest !== null) yield latest;
  }
}
