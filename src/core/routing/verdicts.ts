/**
 * Verdicts: what is held to be true of each region, by all who may judge it, and why.
 *
 *     ballots ─► fresh? ─► not about itself? ─► not suspect? ─► enough of them? ─► a majority ─► held long enough? ─► verdict
 *
 * Invariant: a vantage that sees most of the world down has lost the world, and its votes count for nothing; where too few are left
 * to judge, what was known last stays. So one broken link, or one region that is cut off, never takes another region out.
 */
import type { Ballot, Vote } from "./ballot.ts";
import type { HealthSettings } from "./health-settings.ts";

export interface Verdict {
  readonly region: string;
  readonly state: "up" | "down";
  readonly sinceMs: number;
  /** Too few could judge: the state is the last that was known. */
  readonly isFrozen: boolean;
  /** Somebody who may judge counts failures. */
  readonly isDoubtful: boolean;
  /** In words: who saw what, and who was not heard. */
  readonly evidence: string;
}

interface Standing {
  state: "up" | "down";
  sinceMs: number;
  /** How often it went down lately: each time it stays so for twice as long. */
  falls: number;
}

interface Heard {
  readonly ballot: Ballot;
  readonly atMs: number;
}

export class Verdicts {
  readonly #regions: readonly string[];
  readonly #settings: HealthSettings;
  readonly #standings = new Map<string, Standing>();
  readonly #heard = new Map<string, Heard>();
  #verdicts: readonly Verdict[] = [];

  /** `down` are the regions that were held to be down when this was last known; all others begin as up. */
  constructor(
    regions: readonly string[],
    settings: HealthSettings,
    nowMs: number,
    down: readonly string[] = [],
  ) {
    this.#regions = regions;
    this.#settings = settings;
    for (const region of regions)
      this.#standings.set(region, {
        state: down.includes(region) ? "down" : "up",
        sinceMs: nowMs,
        falls: 0,
      });
    this.judge(nowMs);
  }

  get all(): readonly Verdict[] {
    return this.#verdicts;
  }

  /** Takes what a vantage says. What regions that nobody knows say, or what is said of them, is passed over. */
  hear(ballot: Ballot, nowMs: number): void {
    if (this.#standings.has(ballot.vantage))
      this.#heard.set(ballot.vantage, { ballot, atMs: nowMs });
  }

  /** The ballots that still count, suspect ones among them. */
  fresh(nowMs: number): Ballot[] {
    const { voteTtlMs } = this.#settings;
    return [...this.#heard.values()]
      .filter(({ atMs }) => nowMs - atMs <= voteTtlMs)
      .map(({ ballot }) => ballot);
  }

  /** When a vantage was last heard; null before. */
  heardAtMs(vantage: string): number | null {
    return this.#heard.get(vantage)?.atMs ?? null;
  }

  /** Whether a vantage has lost sight of most of what it should see. Regions that are down anyway do not count. */
  isSuspect({ vantage, votes }: Ballot): boolean {
    const expected = votes.filter(
      ({ target, sight }) =>
        target !== vantage && sight !== "unknown" && this.#standings.get(target)?.state === "up",
    );
    const lost = expected.filter(({ sight }) => sight === "down").length;
    return lost > expected.length * this.#settings.suspectShare;
  }

  /** Judges all regions anew. */
  judge(nowMs: number): void {
    const ballots = this.fresh(nowMs);
    const suspects = ballots.filter((ballot) => this.isSuspect(ballot));
    const valid = ballots.filter((ballot) => !suspects.includes(ballot));
    this.#verdicts = this.#regions.map((region) => this.#judgeOne(region, valid, suspects, nowMs));
  }

  #judgeOne(
    region: string,
    valid: readonly Ballot[],
    suspects: readonly Ballot[],
    nowMs: number,
  ): Verdict {
    const standing = this.#standings.get(region) as Standing;
    const votes = valid
      .filter(({ vantage }) => vantage !== region)
      .flatMap(({ vantage, votes: cast }) => {
        const vote = cast.find(({ target }) => target === region);
        return vote === undefined || vote.sight === "unknown" ? [] : [{ vantage, vote }];
      });
    const down = votes.filter(({ vote }) => vote.sight === "down");
    const needed = Math.min(this.#settings.vantagesMin, this.#regions.length - 1);
    const isFrozen = votes.length < needed || votes.length === 0;
    const notes = suspects.map(({ vantage }) => `${vantage} is suspect: it sees most regions down`);
    if (isFrozen) notes.push(`${votes.length} can judge, ${needed} must: it stays as it was`);
    else if (standing.state === "up" && down.length * 2 > votes.length) {
      standing.state = "down";
      standing.sinceMs = nowMs;
      standing.falls++;
    } else if (standing.state === "down" && down.length * 2 < votes.length) {
      const leftMs = standing.sinceMs + this.#holdMs(standing) - nowMs;
      if (leftMs > 0) notes.push(`held down for another ${Math.ceil(leftMs / 1000)} s`);
      else {
        standing.state = "up";
        standing.sinceMs = nowMs;
      }
    } else if (
      standing.state === "up" &&
      standing.falls > 0 &&
      nowMs - standing.sinceMs >= this.#settings.holdDecayMs
    )
      standing.falls = 0;
    return {
      region,
      state: standing.state,
      sinceMs: standing.sinceMs,
      isFrozen,
      isDoubtful:
        votes.some(({ vote }) => vote.isDoubtful) || (standing.state === "up" && down.length > 0),
      evidence: evidenceOf(votes, down, notes),
    };
  }

  #holdMs({ falls }: Standing): number {
    const { holdMs, holdMsMax } = this.#settings;
    return Math.min(holdMsMax, holdMs * 2 ** Math.max(0, falls - 1));
  }
}

type Cast = { readonly vantage: string; readonly vote: Vote };

function evidenceOf(
  votes: readonly Cast[],
  down: readonly Cast[],
  notes: readonly string[],
): string {
  const seen = `${down.length} of ${votes.length} valid vantages see it down`;
  const whom = down.map(({ vantage, vote }) => `${vantage}: ${vote.why}`);
  return [seen + (whom.length > 0 ? ` (${whom.join("; ")})` : ""), ...notes].join("; ");
}
