/**
 * Waits: whoever waits until some vectors cover some vector: writes at a level, reads at a level, sessions that come from elsewhere,
 * bounds of staleness, WAIT.
 *
 *   read at a level    ask ─► enough members answer with what they have applied ─► all of that is applied here ─► run
 *   token taken up                                        what it names is applied here ─► run
 *   write at a level   run ─► the record is durable at enough members ─► reply
 *
 * So every wait is one line: `answers` from members, joined with `vector`, are covered here, and then `at` enough members, durably.
 *
 * Invariant: an answer counts only if its member wrote it after it had heard the question, so it shows everything that was durable
 * there before the question was asked. What ends ends once, by its terms or by its deadline, in the order of asking.
 */
import { originName, type Origins } from "../clock/origins.ts";
import type { HybridClock } from "../clock/stamp.ts";
import { Vector } from "../clock/vector.ts";
import type { Reply } from "../wire/reply.ts";
import { type Level, Quorums } from "./levels.ts";
import type { Delivery } from "./delivery.ts";
import type { Members } from "./members.ts";

/** A record that may be of an origin nobody has heard of here. */
export interface Named {
  readonly incarnation: string;
  readonly seq: number;
}

/** What is waited for. What is left out is not. */
export interface Terms {
  /** Members that satisfy this level are asked what they have applied. */
  readonly asks?: Level;
  /** Has to be applied here. The wait takes it over. */
  readonly vector?: Vector;
  /** The same, by name. */
  readonly named?: readonly Named[];
  /** Has to be durable at members that satisfy the level, or at so many of other regions. */
  readonly at?: Level | number;
  /** Everything that was stamped until then, in milliseconds since 1970, has to be here. */
  readonly sinceMs?: number;
  /** How long at most; Infinity for ever. */
  readonly timeoutMs: number;
  /** Writes the reply that takes the place of the one that is held. */
  readonly end?: (wait: Wait, reply: Reply) => void;
}

export interface Wait {
  /** The client's session. */
  readonly client: number;
  readonly terms: Terms;
  readonly vector: Vector;
  named: readonly Named[];
  /** The number of the question whose answers are missing; 0 when none are. */
  question: number;
  readonly sinceMonoMs: number;
  readonly deadlineMs: number;
  /** Null as long as it lasts. */
  outcome: "reached" | "late" | null;
}

/** Whether it is known here that a member has something. */
export type Has = (member: string) => boolean;

/** What should have come by itself by then is asked for. */
const PULL_AFTER_MS = 100;

export interface WaitsHost {
  readonly origins: Origins;
  readonly clock: HybridClock;
  readonly members: Members;
  readonly applied: Vector;
  readonly durable: Vector;
  readonly delivery: Pick<Delivery, "isVoid">;
  /** Physical time of this turn, and the monotonic clock beside it. */
  readonly nowMs: number;
  readonly monoMs: number;
}

export class Waits {
  readonly #host: WaitsHost;
  #waits: Wait[] = [];
  /** Those that have ended since the host last took them. */
  ended: Wait[] = [];
  #quorums: Quorums;
  #asked = 0;
  /** Whether somebody may have heard our newest question: who asks then asks anew. */
  #isSaid = true;
  /** What waits until others have it durably, for reports: they answer as soon as they do. */
  awaited = new Vector(0);
  /** Peers are to be told at once of a question, or of what is awaited. */
  #unsaid = false;

  constructor(host: WaitsHost) {
    this.#host = host;
    this.#quorums = new Quorums(host.members.name, host.members.names);
  }

  /** The members have changed. */
  reckon(): void {
    const { name, names } = this.#host.members;
    this.#quorums = new Quorums(name, names);
  }

  get count(): number {
    return this.#waits.length;
  }

  /** What is applied here, and what of it is durable. */
  get applied(): Vector {
    return this.#host.applied;
  }

  get durable(): Vector {
    return this.#host.durable;
  }

  /** The newest record applied here of each origin, as far as not every member is known to have it durably. */
  *unstable(): Generator<{ readonly number: number; readonly seq: number }> {
    const { applied, origins, members } = this.#host;
    for (let number = 0; number < origins.count; number++) {
      const seq = applied.get(number);
      if (seq > 0 && !members.isEverywhere(number, seq)) yield { number, seq };
    }
  }

  /** Begins to wait; null when there is nothing to wait for. */
  begin(client: number, terms: Terms): Wait | null {
    const { members, monoMs } = this.#host;
    const { asks, timeoutMs } = terms;
    const wait: Wait = {
      client,
      terms,
      vector: terms.vector ?? new Vector(0),
      named: terms.named ?? [],
      question: 0,
      sinceMonoMs: monoMs,
      deadlineMs: monoMs + timeoutMs,
      outcome: null,
    };
    const alone =
      asks === undefined || this.#quorums.reached(asks, (name) => name === members.name);
    if (!alone) wait.question = this.#question();
    if (this.#holds(wait)) return null;
    // Promises are told by heartbeats; who waits for a newer one asks for it.
    if (terms.sinceMs !== undefined) this.#question();
    this.#waits.push(wait);
    this.#await(wait);
    return wait;
  }

  /** What a level lacks of members that can be reached, in words; null when nothing. */
  objection(level: Level): string | null {
    const up: Has = (name) => this.#host.members.isUp(name, this.#host.monoMs);
    if (this.#quorums.reached(level, up)) return null;
    return `${level} cannot be met now: of all members only ${this.#quorums.describe(up)} can be reached`;
  }

  /**
   * A record that was waited for in vain and that is gone: it lies beyond the seal of a removed member; or its replica goes on under
   * another incarnation, and every member has reported since without having it. Null when there is none, or when that is not known.
   */
  lost({ vector, sinceMonoMs }: Wait): string | null {
    const { origins, applied, members, delivery } = this.#host;
    for (let number = 0; number < origins.count; number++) {
      const seq = vector.get(number);
      if (applied.covers(number, seq)) continue;
      const origin = origins.get(number);
      if (delivery.isVoid(number, seq)) return `${originName(origin)}:${seq}`;
      const lacks: Has = (name) =>
        name === members.name ||
        (members.reportedSince(name, sinceMonoMs) &&
          members.latest(name)?.applied.covers(number, seq) === false);
      if (origins.isSucceeded(number) && members.names.every(lacks))
        return `${originName(origin)}:${seq}`;
    }
    return null;
  }

  /** Where a wait's vector is durable, in words. */
  durableAt({ vector }: Wait): string {
    return this.#quorums.describe((name) => this.#has(name, vector));
  }

  /** Members of other regions that have applied a vector, and those that have it durably. */
  elsewhere(vector: Vector, durable: boolean): number {
    const { members } = this.#host;
    return this.#quorums.countElsewhere((name) =>
      durable ? this.#has(name, vector) : (members.latest(name)?.applied.includes(vector) ?? false),
    );
  }

  /** The number of our newest question, for a report that is sent now; 0 before the first. */
  say(): number {
    this.#isSaid = true;
    return this.#asked;
  }

  /** Whether peers are to be told at once that something is waited for; asking it forgets it. */
  takeUnsaid(): boolean {
    const unsaid = this.#unsaid;
    this.#unsaid = false;
    return unsaid;
  }

  /** Ends the waits whose terms hold now, and those whose time is over. Call it when something may have come, and each tick. */
  look(): void {
    if (this.#waits.length === 0) return;
    const { monoMs } = this.#host;
    let left = 0;
    let remote = false;
    for (const wait of this.#waits) {
      if (this.#holds(wait)) wait.outcome = "reached";
      else if (wait.deadlineMs <= monoMs) wait.outcome = "late";
      if (wait.outcome !== null) {
        this.ended.push(wait);
        continue;
      }
      this.#waits[left++] = wait;
      this.#await(wait);
      remote ||= wait.terms.at !== undefined;
    }
    this.#waits.length = left;
    if (!remote) this.awaited = new Vector(0);
  }

  /** A client has gone: nobody waits for it any more. */
  leave(client: number): void {
    if (this.#waits.length > 0) this.#waits = this.#waits.filter((wait) => wait.client !== client);
  }

  /** What has been missing here for so long that it is to be asked for; null when nothing. */
  missing(): Vector | null {
    const { monoMs, applied } = this.#host;
    let missing: Vector | null = null;
    for (const { vector, sinceMonoMs, question } of this.#waits) {
      if (question > 0 || monoMs - sinceMonoMs < PULL_AFTER_MS || applied.includes(vector))
        continue;
      (missing ??= new Vector()).join(vector);
    }
    return missing;
  }

  // ── below ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A number that no earlier question of this member had, in this life or before. Questions that are said together are one. */
  #question(): number {
    const { nowMs, clock } = this.#host;
    if (this.#isSaid)
      this.#asked = Math.max(this.#asked + 1, Math.floor(Math.max(nowMs, clock.ms)) * 16);
    this.#isSaid = false;
    this.#unsaid = true;
    return this.#asked;
  }

  /** Peers tell at once when they have what is waited for. */
  #await({ terms, vector, question }: Wait): void {
    if (terms.at === undefined || question > 0 || this.awaited.includes(vector)) return;
    this.awaited.join(vector);
    this.#unsaid = true;
  }

  #holds(wait: Wait): boolean {
    const { members, applied, durable, origins, nowMs, clock } = this.#host;
    const { asks, at, sinceMs } = wait.terms;
    if (wait.question > 0) {
      const { question } = wait;
      const answered: Has = (name) => name === members.name || members.heard(name) >= question;
      if (!this.#quorums.reached(asks as Level, answered)) return false;
      for (const report of members.reports())
        if (members.heard(report.member) >= question) wait.vector.join(report.applied);
      wait.question = 0;
    }
    if (wait.named.length > 0)
      wait.named = wait.named.filter(({ incarnation, seq }) => {
        const number = origins.find(incarnation);
        if (number >= 0) wait.vector.raise(number, seq);
        return number < 0;
      });
    if (wait.named.length > 0 || !applied.includes(wait.vector)) return false;
    if (sinceMs !== undefined) {
      members.promote();
      if (members.watermarkMs(clock.nowMs(nowMs)) < sinceMs) return false;
    }
    if (at === undefined) return true;
    const has: Has = (name) =>
      name === members.name ? durable.includes(wait.vector) : this.#has(name, wait.vector);
    if (typeof at === "number") return this.#quorums.countElsewhere(has) >= at;
    return this.#quorums.reached(at, has);
  }

  #has(name: string, vector: Vector): boolean {
    const { members, durable } = this.#host;
    if (name === members.name) return durable.includes(vector);
    return members.latest(name)?.durable.includes(vector) ?? false;
  }
}
