/**
 * Preference: in which order a gateway tries the regions that the pipeline leaves.
 *
 *     decision of the router ─► nearest: by latency × headroom × lag ─► share of who returns ─► open breakers last ─► order
 *
 * Invariant: nobody is added to what the router decided, and nobody left out: who is open is tried when all others were. Small differences
 * of latency change nothing, or clients would wander between regions that are alike.
 */
import { type Candidate, type Decision, pick } from "../pipeline.ts";

/** What the gateway and the router know of a region by now. */
export interface Footing {
  /** Measured by the gateway itself, there and back; null before the first answer. */
  readonly latencyMs: number | null;
  /** 1 and above is full. */
  readonly load: number;
  readonly lagMs: number | null;
  /** What its breaker gives it, from 0 to 1. */
  readonly share: number;
}

/** Steps of a cost: each is half as much again as the one before. */
const STEP = 1.5;
/** Below about half of it latency makes no difference. */
const LATENCY_MIN_MS = 10;
const HEADROOM_MIN = 0.05;
const LAG_DOUBLES_MS = 10_000;
/** A client is moved for so many steps. */
const WORTHWHILE = 2;

const UNKNOWN: Footing = { latencyMs: null, load: 0, lagMs: null, share: 1 };

/** How dear a request to a region is, in steps; null while its latency is not known. */
function costOf({ latencyMs, load, lagMs }: Footing): number | null {
  if (latencyMs === null) return null;
  const headroom = Math.max(HEADROOM_MIN, 1 - load);
  const cost = (1 + latencyMs / LATENCY_MIN_MS) / headroom;
  return Math.floor(Math.log(cost * (1 + (lagMs ?? 0) / LAG_DOUBLES_MS)) / Math.log(STEP));
}

/**
 * The regions for a client in the order in which they are tried. `draw`, from 0 to below 1, is the client's own for as long as it stays, so that of
 * a region that returns it is always the same part of all clients that goes back first.
 */
export function orderFor(
  decision: Decision,
  footings: ReadonlyMap<string, Footing>,
  draw: number,
): string[] {
  const { rule, candidates } = decision;
  const footing = (region: string): Footing => footings.get(region) ?? UNKNOWN;
  const sorted = rule.policy === "nearest" ? candidates.toSorted(cheaper(footing)) : candidates;
  const all = { ...decision, rule: { ...rule, limit: candidates.length }, candidates: sorted };
  const order = pick(all, draw);
  const isTaken = (region: string): boolean => draw < footing(region).share;
  return [...order.filter(isTaken), ...order.filter((region) => !isTaken(region))];
}

function cheaper(footing: (region: string) => Footing) {
  return (a: Candidate, b: Candidate): number => {
    const [costA, costB] = [costOf(footing(a.region)), costOf(footing(b.region))];
    // The router's own order, until both are known.
    if (costA === null || costB === null || costA === costB) return a.distance - b.distance;
    return costA - costB;
  };
}

/** Whether a client with this draw that is served by `now` should go to `best`, the first of its order. */
export function isWorthMoving(
  { rule, candidates }: Decision,
  footings: ReadonlyMap<string, Footing>,
  now: string,
  best: string,
  draw: number,
): boolean {
  if (now === best) return false;
  const stays = candidates.find(({ region }) => region === now);
  const goes = candidates.find(({ region }) => region === best);
  if (goes === undefined) return false;
  if (stays === undefined || (footings.get(now) ?? UNKNOWN).share === 0) return true;
  // It is beyond the part of its traffic that the region still has.
  if (rule.policy !== "nearest" || draw >= stays.share) return true;
  const costNow = costOf(footings.get(now) ?? UNKNOWN);
  const costBest = costOf(footings.get(best) ?? UNKNOWN);
  if (costNow === null || costBest === null) return false;
  return (
    costNow - costBest >= WORTHWHILE || (costNow >= costBest && goes.distance < stays.distance)
  );
}
