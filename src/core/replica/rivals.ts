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
 * Invariant: of two that live the younger stops, as both find for themselves; one that lives alone never finds another.
 */
import type { Heard, Report } from "./members.ts";

/** How long it is said after the last report that a life was heard. */
const SAID_FOR_MS = 10_000;

export class Rivals {
  /** Ours. */
  readonly life: number;
  /** The other life under our name that was last heard, and when; 0 for none. */
  #other = 0;
  #atMs = 0;
  /** Those of which it was found that they live: there may be more than one, and each is told of once. */
  readonly #found = new Set<number>();

  constructor(life: number) {
    this.life = life;
  }

  /** A report under our name. Says, once of each, that another process lives under it, and which of us is the younger. */
  heard(
    { life, member, heard }: Report,
    monoMs: number,
  ): "we are younger" | "it is younger" | null {
    if (life === this.life) return null;
    this.#other = life;
    this.#atMs = monoMs;
    const hasHeardUs = heard.some((one) => one.member === member && one.asked === this.life);
    if (!hasHeardUs || this.#found.has(life)) return null;
    this.#found.add(life);
    return life < this.life ? "we are younger" : "it is younger";
  }

  /** What our reports say of it: the life that was heard, under our own name. Whoever is no rival does not look for that. */
  said(member: string, monoMs: number): Heard[] {
    const isLate = this.#other === 0 || monoMs - this.#atMs > SAID_FOR_MS;
    return isLate ? [] : [{ member, asked: this.#other }];
  }
}
