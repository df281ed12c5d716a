/**
 * Ballot: all that one region says of the others, as it travels between them.
 *
 * Invariant: a ballot is what its vantage saw itself. Whoever passes on what others saw would let one of them vote twice.
 */
import type { Sight } from "./watch.ts";

export interface Vote {
  readonly target: string;
  readonly sight: Sight;
  /** Probes failed lately, though not enough of them. */
  readonly isDoubtful: boolean;
  readonly rttMs: number | null;
  /** How far the target is behind the vantage's own records; null when it cannot be known, because they are not linked. */
  readonly lagMs: number | null;
  /** What the target writes can be read at the vantage after so long; null while that is not measured. */
  readonly tookMs: number | null;
  readonly why: string;
}

export interface Ballot {
  readonly vantage: string;
  /** How much of what the region can carry it carries: 1 and above is too much. */
  readonly load: number;
  readonly votes: readonly Vote[];
}

const SIGHTS: readonly Sight[] = ["unknown", "up", "down"];
const WORDS_MAX = 200;

/** A ballot out of what another region sent; null when it is none. */
export function parseBallot(value: unknown): Ballot | null {
  if (!isRecord(value) || typeof value["vantage"] !== "string" || !Array.isArray(value["votes"]))
    return null;
  const votes: Vote[] = [];
  for (const vote of value["votes"] as unknown[]) {
    if (!isRecord(vote) || typeof vote["target"] !== "string") return null;
    const sight = SIGHTS.find((one) => one === vote["sight"]);
    if (sight === undefined) return null;
    votes.push({
      target: vote["target"],
      sight,
      isDoubtful: vote["isDoubtful"] === true,
      rttMs: numberOf(vote["rttMs"]),
      lagMs: numberOf(vote["lagMs"]),
      tookMs: numberOf(vote["tookMs"]),
      why: typeof vote["why"] === "string" ? vote["why"].slice(0, WORDS_MAX) : "",
    });
  }
  return { vantage: value["vantage"], load: numberOf(value["load"]) ?? 0, votes };
}

function numberOf(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : null;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
