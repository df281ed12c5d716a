/**
 * Pulls: asks a neighbour for records that should have come from elsewhere.
 *
 * Any replica can give any record it has applied. A record waits for others: whoever sent it has them, because it applied them
 * first. A peer reports more of an origin than we have and the link to that origin is cut: the peer has them. So a cut
 * cable is routed around and causal delivery never depends on the origin being reachable.
 *
 * Invariant: at most one pull per origin is under way; it is repeated elsewhere when nothing came of it. What normally arrives by
 * itself is not asked for: a pull waits as long as a record in flight would need.
 */
import type { Origins } from "../clock/origins.ts";
import type { Vector } from "../clock/vector.ts";
import type { Delivery } from "./delivery.ts";
import { regionOf } from "./levels.ts";
import type { Link } from "./link.ts";
import type { Wanted } from "./words.ts";

/** A record whose dependencies are missing waits this long before they are asked for. */
const MISSING_AFTER_MS = 200;
/** An origin without a link of its own is asked for when we have been behind a neighbour so long. */
const BEHIND_AFTER_MS = 100;
/** With a link of its own it gets this much longer: its records are probably on their way. */
const BEHIND_LINKED_AFTER_MS = 2_000;
/** One of another region, whose records come over a gateway of ours: that may have lost its link to us. */
const BEHIND_GATEWAY_AFTER_MS = 500;
/** What was asked for and does not come is asked for again after this long, then after twice as long, up to the longest. */
const REPEAT_AFTER_MS = 1_000;
const REPEAT_AFTER_MS_MAX = 16_000;
/** Records asked for at once. */
const PULL_MAX = 100_000;

interface Behind {
  /** What we had when we noticed. */
  seq: number;
  sinceMs: number;
}

interface Asked {
  /** Of which link, and up to where it had the records. */
  readonly link: Link;
  readonly until: number;
  /** What we had when something last came. */
  seq: number;
  atMs: number;
  waitMs: number;
}

export class Pulls {
  readonly #origins: Origins;
  readonly #applied: Vector;
  readonly #delivery: Delivery;
  /** Our region when others pass the records of other regions on to us, else null. */
  behindGateways: string | null = null;
  /** Origins of which some neighbour has more than we. */
  readonly #behind = new Map<number, Behind>();
  /** What was last asked for, by origin. */
  readonly #asked = new Map<number, Asked>();

  constructor(origins: Origins, applied: Vector, delivery: Delivery) {
    this.#origins = origins;
    this.#applied = applied;
    this.#delivery = delivery;
  }

  /** A peer has said what it has applied. */
  heard(link: Link, nowMs: number): void {
    for (let number = 0; number < this.#origins.count; number++) {
      const seq = this.#applied.get(number);
      if (link.peerApplied.get(number) <= seq || seq >= this.#delivery.limitOf(number)) continue;
      const behind = this.#behind.get(number);
      if (behind === undefined || behind.seq < seq)
        this.#behind.set(number, { seq, sinceMs: nowMs });
    }
  }

  /** What is to be asked for now, and of whom; `missing` is waited for by clients. */
  due(
    links: ReadonlyMap<number, Link>,
    nowMs: number,
    missing: Vector | null,
  ): { link: Link; wanted: Wanted[] }[] {
    const pulls: { link: Link; wanted: Wanted[] }[] = [];
    for (let number = 0; number < (missing?.seqs.length ?? 0); number++) {
      const seq = this.#applied.get(number);
      if (missing !== null && missing.get(number) > seq && !this.#delivery.waiting.has(number))
        this.#ask(pulls, links, number, seq + 1, nowMs);
    }
    for (const [number, seq] of this.#delivery.gaps) {
      this.#delivery.gaps.delete(number);
      this.#ask(pulls, links, number, seq, nowMs);
    }
    for (const waiting of this.#delivery.waiting.values()) {
      if (waiting.aheadMs > 0 || nowMs - waiting.sinceMs < MISSING_AFTER_MS) continue;
      for (const number of this.#delivery.missing(waiting))
        this.#ask(pulls, links, number, this.#applied.get(number) + 1, nowMs, waiting.link);
    }
    for (const [number, behind] of this.#behind) {
      const seq = this.#applied.get(number);
      if (seq > behind.seq || seq >= this.#delivery.limitOf(number)) {
        this.#behind.delete(number);
        continue;
      }
      const member = this.#origins.get(number).member;
      const linked = [...links.values()].some((link) => link.member === member);
      if (nowMs - behind.sinceMs < (linked ? this.#patienceMs(member) : BEHIND_AFTER_MS)) continue;
      if (this.#delivery.waiting.has(number)) continue;
      this.#ask(pulls, links, number, behind.seq + 1, nowMs);
    }
    return pulls;
  }

  /** How long the records of a linked member may take. */
  #patienceMs(member: string): number {
    if (this.behindGateways === null || regionOf(member) === this.behindGateways)
      return BEHIND_LINKED_AFTER_MS;
    return BEHIND_GATEWAY_AFTER_MS;
  }

  #ask(
    pulls: { link: Link; wanted: Wanted[] }[],
    links: ReadonlyMap<number, Link>,
    origin: number,
    from: number,
    nowMs: number,
    preferred = -1,
  ): void {
    if (from > this.#delivery.limitOf(origin)) return;
    const asked = this.#asked.get(origin);
    if (
      asked !== undefined &&
      links.get(asked.link.id) === asked.link &&
      this.#isComing(origin, asked, nowMs)
    )
      return;
    // A log that begins behind what is asked for would leave the gap as it is.
    const has = (link: Link): boolean =>
      link.up &&
      link.peerApplied.covers(origin, from) &&
      (link.standing === null || link.standing.base.get(origin) < from);
    const first = links.get(preferred);
    const able = [...links.values()].filter(has);
    // After a pull that came to nothing, another neighbour is tried.
    const link =
      first !== undefined && has(first)
        ? first
        : able[Math.floor(nowMs / REPEAT_AFTER_MS) % Math.max(1, able.length)];
    if (link === undefined) return;
    const seq = this.#applied.get(origin);
    const until = Math.min(from + PULL_MAX, link.peerApplied.get(origin));
    const isRepeated = asked !== undefined && seq < asked.until;
    const waitMs = isRepeated ? Math.min(asked.waitMs * 2, REPEAT_AFTER_MS_MAX) : REPEAT_AFTER_MS;
    this.#asked.set(origin, { link, until, seq, atMs: nowMs, waitMs });
    const wanted: Wanted = { origin, from, to: from + PULL_MAX };
    const pull = pulls.find((p) => p.link === link);
    if (pull === undefined) pulls.push({ link, wanted: [wanted] });
    else pull.wanted.push(wanted);
  }
  /**
   * Whether what was asked for may still be on its way. On a slow wire it waits behind much else: whoever asks again and again puts
   * the same records into that queue each time, until it holds nothing else.
   */
  #isComing(origin: number, asked: Asked, nowMs: number): boolean {
    const seq = this.#applied.get(origin);
    if (seq >= asked.until) return false;
    if (seq > asked.seq) {
      asked.seq = seq;
      asked.atMs = nowMs;
      asked.waitMs = REPEAT_AFTER_MS;
    }
    return nowMs - asked.atMs < asked.waitMs;
  }
}
