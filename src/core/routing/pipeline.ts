/**
 * Pipeline: which regions an answer names, and why the others not.
 *
 *     all of the rule ─► residency ─► administrative ─► health ─► standby ─► lag ─► capacity ─► topology ─► weight ─► limit ─► answer
 *
 * Invariant: every stage but the first that would leave nobody is passed over, and the answer says so: trouble never empties an answer.
 * Residency is the other way round: what may not be is not, and if nothing may, nothing is answered. A decision is a function of the
 * rule, of what is known, and of where the client is; of two regions that are alike the first by name comes first.
 */
import { distanceTo, type Location } from "./locations.ts";
import type { Mode } from "./plan.ts";

export interface Rule {
  readonly name: string;
  /** In which order regions are tried: the nearest first, as listed, or by chance according to their weights. */
  readonly policy: "nearest" | "failover" | "weighted";
  readonly regions: readonly string[];
  /** The prefix whose owner comes first, wherever its home is now; null: none. Not where the nearest comes first or regions are drawn. */
  readonly home?: string | null;
  /** Weighted: a client is given the same region again as long as it serves. */
  readonly isSticky: boolean;
  /** Where the data of clients may be: of the first entry that is about them. None about a client: anywhere. */
  readonly residency: readonly Residency[];
  /** A region that is further behind is not given readers; null: however far. */
  readonly lagMsMax: number | null;
  /** How many regions an answer names. */
  readonly limit: number;
  /** Seconds, while nothing is about to change. */
  readonly ttl: number;
}

export interface Residency {
  /** Countries and continents; empty: everybody. */
  readonly clients: readonly string[];
  readonly regions: readonly string[];
}

/** What is known of a region when an answer is made. */
export interface RegionFacts {
  readonly name: string;
  readonly place: Location;
  readonly mode: Mode;
  readonly weight: number;
  /** From 0 (out) to 1. */
  readonly share: number;
  /** Why it is out. */
  readonly verdict: string;
  readonly lagMs: number | null;
  readonly load: number;
  /** After how long what is written there can be read elsewhere; null where that is not measured. */
  readonly tookMs?: number | null;
  /** Prefixes whose keys are written there alone. */
  readonly owns?: readonly string[];
}

export type StageName = "residency" | "administrative" | "health" | "standby" | "lag" | "capacity";

export interface Stage {
  readonly name: StageName;
  readonly removed: readonly { readonly region: string; readonly why: string }[];
  /** It would have left nobody. */
  readonly isSkipped: boolean;
}

export interface Candidate {
  readonly region: string;
  readonly weight: number;
  readonly share: number;
  readonly distance: number;
}

export interface Decision {
  readonly rule: Rule;
  readonly stages: readonly Stage[];
  /** In the order in which they are tried. */
  readonly candidates: readonly Candidate[];
  /** Nothing may be answered. */
  readonly isWithheld: boolean;
  /** The stages that were passed over. */
  readonly failedOpen: readonly StageName[];
}

/** `rttMs` says how long a message takes to a region from where the client is. */
export function decide(
  rule: Rule,
  facts: readonly RegionFacts[],
  client: Location,
  rttMs: (region: string) => number,
): Decision {
  const stages: Stage[] = [];
  let left = facts.filter(({ name }) => rule.regions.includes(name));
  const stage = (name: StageName, objection: (region: RegionFacts) => string | null): void => {
    const removed: { region: string; why: string }[] = [];
    const kept = left.filter((region) => {
      const why = objection(region);
      if (why !== null) removed.push({ region: region.name, why });
      return why === null;
    });
    const isSkipped = kept.length === 0 && name !== "residency";
    stages.push({ name, removed, isSkipped });
    if (!isSkipped) left = kept;
  };
  const allowed = residencyOf(rule, client);
  stage("residency", ({ name }) =>
    allowed === null || allowed.includes(name) ? null : "its clients' data may not be there",
  );
  const decision = (candidates: readonly Candidate[]): Decision => ({
    rule,
    stages,
    candidates,
    isWithheld: candidates.length === 0,
    failedOpen: stages.filter(({ isSkipped }) => isSkipped).map(({ name }) => name),
  });
  if (left.length === 0) return decision([]);
  stage("administrative", ({ mode, weight }) =>
    mode === "drained" ? "it is drained" : weight === 0 ? "its weight is 0" : null,
  );
  stage("health", ({ share, verdict }) => (share === 0 ? verdict : null));
  const hasServing = left.some(({ mode }) => mode !== "standby");
  stage("standby", ({ mode }) => (mode === "standby" && hasServing ? "it stands by" : null));
  stage("lag", ({ lagMs }) =>
    rule.lagMsMax !== null && lagMs !== null && lagMs > rule.lagMsMax
      ? `it is ${lagMs} ms behind, and ${rule.lagMsMax} may be`
      : null,
  );
  stage("capacity", ({ load }) =>
    load >= 1 ? `it carries ${Math.round(load * 100)} % of what it can` : null,
  );
  const candidates = left.map(({ name, place, weight, share }) => ({
    region: name,
    weight,
    // Who is all that is left gets everything.
    share: (share === 0 ? 1 : share) * partOf(rule, weight),
    distance: distanceTo({ ...place, name }, client, rttMs(name)),
  }));
  const home = left.find((region) => isHome(rule, region))?.name;
  const order = orderOf(rule);
  return decision(
    candidates.sort((a, b) => Number(b.region === home) - Number(a.region === home) || order(a, b)),
  );
}

function isHome({ home = null }: Rule, { owns = [] }: RegionFacts): boolean {
  return home !== null && owns.includes(home);
}

/** A weight below 1 is that part of its traffic, where nothing is drawn by weights. */
function partOf({ policy }: Rule, weight: number): number {
  return policy === "weighted" || weight === 0 ? 1 : Math.min(1, weight);
}

function orderOf({ policy, regions }: Rule): (a: Candidate, b: Candidate) => number {
  const byName = (a: Candidate, b: Candidate): number => (a.region < b.region ? -1 : 1);
  switch (policy) {
    case "nearest":
      return (a, b) => a.distance - b.distance || byName(a, b);
    case "failover":
      return (a, b) => regions.indexOf(a.region) - regions.indexOf(b.region);
    case "weighted":
      return byName;
  }
}

/** The regions where this client's data may be; null: all. */
function residencyOf(
  { residency }: Rule,
  { country, continent }: Location,
): readonly string[] | null {
  const about = residency.find(
    ({ clients }) =>
      clients.length === 0 || clients.some((where) => where === country || where === continent),
  );
  return about?.regions ?? null;
}

/**
 * The regions of one answer. `draw`, from 0 to below 1, is chance, or the client's own number where it shall get the same again. The
 * result has at least one region unless the decision is withheld.
 */
export function pick({ rule, candidates }: Decision, draw: number): string[] {
  const order = rule.policy === "weighted" ? drawn(candidates, draw) : returning(candidates, draw);
  return order.slice(0, rule.limit).map(({ region }) => region);
}

/**
 * A rule for where clients are not told apart, as in a zone that other servers serve: what it picks is right for every client. Of regions that are
 * tried in turn it is as many as before, of others all; none where the data of all of them may not be anywhere.
 */
export function settled(rule: Rule): Rule {
  const { policy, regions, residency, limit } = rule;
  const allowed = regions.filter((region) =>
    residency.every((one) => one.regions.includes(region)),
  );
  return {
    ...rule,
    residency: residency.length === 0 ? [] : [{ clients: [], regions: allowed }],
    limit: policy === "failover" ? limit : regions.length,
  };
}

/** A region that returns is passed over by those beyond its share; it comes last then. */
function returning(candidates: readonly Candidate[], draw: number): readonly Candidate[] {
  if (candidates.every(({ share }) => share === 1)) return candidates;
  const taken = candidates.filter(({ share }) => draw < share);
  return [...taken, ...candidates.filter(({ share }) => draw >= share)];
}

/** The one that the draw falls on first, the others behind it. */
function drawn(candidates: readonly Candidate[], draw: number): readonly Candidate[] {
  const total = candidates.reduce((sum, { weight, share }) => sum + weight * share, 0);
  let left = draw * total;
  const at = candidates.findIndex(({ weight, share }) => (left -= weight * share) < 0);
  if (at <= 0) return candidates;
  return [...candidates.slice(at), ...candidates.slice(0, at)];
}

/** A decision in words, a line a stage. */
export function explain({ rule, stages, candidates, isWithheld }: Decision): string[] {
  const lines = [`${rule.name}: ${rule.policy} of ${rule.regions.join(", ")}`];
  for (const { name, removed, isSkipped } of stages) {
    const whom = removed.map(({ region, why }) => `${region} (${why})`).join(", ");
    if (removed.length > 0)
      lines.push(
        isSkipped
          ? `${name}: passed over, it would remove all: ${whom}`
          : `${name}: without ${whom}`,
      );
  }
  if (isWithheld) lines.push("nothing may be answered");
  for (const { region, distance, weight, share } of candidates)
    lines.push(
      `${region}: ${rule.policy === "weighted" ? `weight ${weight}` : `distance ${Math.round(distance)}`}${share === 1 ? "" : `, with ${Math.round(share * 100)} % of its traffic`}`,
    );
  return lines;
}
