/**
 * Rivals: whether another process lives under our name: a copy of our directory, or one that was thought dead.
 *
 * Whoever hears of a member's life that is not the one on its link tells it of the other. So each of two that live hears what the other
 * reports, and says in its own reports that it has:
 *
 *   A ─ report of A ─► peers ─► B ─ report of B, "I have heard A" ─► peers ─► A: B has lived since A began
 *
 * An earlier life of ours leaves reports behind as well, and on a slow wire many of them, each newer than the one before. But what it
 * wrote before we began names nothing of us.
 *
 * Who stops is found by both for themselves, by the first of these in which they differ:
 *
 *   one counts and the other does not yet (joining.ts)  the one that does not
 *   the incarnation of one came after the other's       the one that others have seen succeeded: while it was away, the name was given on
 *   one began after the other                           the younger
 *
 * Invariant: of two that live one stops; one that lives alone never finds another.
 */
import type { Heard, Report } from "./members.ts";

/** How long it is said after the last report that a life was heard. */
const SAID_FOR_MS = 10_000;

/** Who bears the name. */
export interface Bearer {
  /** Whether others count on it. */
  readonly counts: boolean;
  readonly incarnation: string;
}

export type Finding = "we stop" | "it stops";

export class Rivals {
  /** Ours. */
  readonly life: number;
  /** The other life under our name that was last heard, and when; 0 for none. */
  #other = 0;
  #atMs = 0;
  /** What was found of those that live: there may be more than one, and each is told of once. */
  readonly #found = new Map<number, Finding>();

  constructor(life: number) {
    this.life = life;
  }

  /** A report under our name, of an incarnation. Says, once of each, that another process lives under it, and which of us stops. */
  heard(report: Report, incarnation: string, ours: Bearer, monoMs: number): Finding | null {
    const { life, member, counts } = report;
    if (life === this.life) return null;
    this.#other = life;
    this.#atMs = monoMs;
    const hasHeardUs = report.heard.some((one) => one.member === member && one.asked === this.life);
    if (!hasHeardUs) return null;
    const finding = this.#yields(ours, { counts, incarnation }, life) ? "we stop" : "it stops";
    if (this.#found.get(life) === finding) return null;
    this.#found.set(life, finding);
    return finding;
  }

  #yields(ours: Bearer, theirs: Bearer, life: number): boolean {
    if (ours.counts !== theirs.counts) return theirs.counts;
    if (ours.counts && ours.incarnation !== theirs.incarnation)
      return ours.incarnation < theirs.incarnation;
    return life < this.life;
  }

  /** What our reports say of it: the life that was heard, under our own name. Whoever is no rival does not look for that. */
  said(member: string, monoMs: number): Heard[] {
    const isLate = this.#other === 0 || monoMs - this.#atMs > SAID_FOR_MS;
    return isLate ? [] : [{ member, asked: this.#other }];
  }
}
