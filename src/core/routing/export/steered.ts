/**
 * Steered: what is exported to a DNS provider: names, the regions that each may lead to, in order, and how regions are checked.
 *
 * Invariant: nobody is led where his data may not be, whatever a provider can express: what it cannot is told, and where that would break
 * residency nothing is exported. A region that is drained is left out as long as another is left.
 */
import type { Rule } from "../pipeline.ts";
import type { Location } from "../locations.ts";
import type { Mode } from "../plan.ts";

export interface ExportRegion extends Location {
  readonly name: string;
  readonly v4: readonly string[];
  readonly v6: readonly string[];
  /** How a provider can find out whether it is up; null: it cannot. */
  readonly check: Check | null;
  readonly mode: Mode;
  readonly weight: number;
}

export interface Check {
  readonly protocol: "http" | "https" | "tcp";
  readonly port: number;
  /** "" for TCP. */
  readonly path: string;
}

export interface ExportInput {
  /** Without a dot at its end. */
  readonly zone: string;
  readonly rules: readonly Rule[];
  readonly regions: readonly ExportRegion[];
}

export interface Exported {
  readonly document: unknown;
  /** What the provider does not do as Atoll does. */
  readonly notes: readonly string[];
}

/** Clients, and the regions they may be led to, the first first. */
export interface Audience {
  /** Countries and continents; empty: everybody else. */
  readonly clients: readonly string[];
  readonly regions: readonly ExportRegion[];
}

/** Who is led where by a rule: each place once, as the first entry says; everybody else last, if they are led anywhere. */
export function audiencesOf(rule: Rule, regions: readonly ExportRegion[]): Audience[] {
  if (rule.residency.length === 0)
    return [{ clients: [], regions: openTo(rule, regions, rule.regions) }];
  const audiences: Audience[] = [];
  const taken = new Set<string>();
  for (const entry of rule.residency) {
    const isRest = entry.clients.length === 0;
    const clients = entry.clients.filter((place) => !taken.has(place));
    for (const place of clients) taken.add(place);
    if (isRest || clients.length > 0)
      audiences.push({ clients, regions: openTo(rule, regions, entry.regions) });
    if (isRest) return audiences;
  }
  // Whom no entry is about may be led anywhere.
  return [...audiences, { clients: [], regions: openTo(rule, regions, rule.regions) }];
}

/** Why a residency could not be kept by a provider that leads each client by the smallest place that is named; null when it could. */
export function breach({ residency }: Rule, audiences: readonly Audience[]): string | null {
  if (residency.length === 0) return null;
  // Who has no record of his own gets everybody's.
  if (audiences.some(({ regions }) => regions.length === 0))
    return "some clients may be led nowhere, and would be led where all others are";
  const wide = audiences.findIndex(({ clients }) => clients.some((one) => CONTINENTS.has(one)));
  const isUndone =
    wide >= 0 &&
    audiences.some(({ clients }, i) => i > wide && clients.some((one) => !CONTINENTS.has(one)));
  return isUndone ? "a country is named behind a continent, and would come before it" : null;
}

/** The regions of a rule that are among `allowed`, in its order: those that stand by behind the others. */
function openTo(
  rule: Rule,
  regions: readonly ExportRegion[],
  allowed: readonly string[],
): ExportRegion[] {
  const all = rule.regions
    .filter((name) => allowed.includes(name))
    .flatMap((name) => regions.find((region) => region.name === name) ?? [])
    .filter(({ v4, v6 }) => v4.length + v6.length > 0);
  const open = all.filter(({ mode, weight }) => mode !== "drained" && weight > 0);
  const left = open.length > 0 ? open : all;
  const serving = left.filter(({ mode }) => mode !== "standby");
  const standing = left.filter(({ mode }) => mode === "standby");
  if (rule.policy === "failover") return [...serving, ...standing];
  return serving.length > 0 ? serving : standing;
}

/** What no provider does of a rule. */
export function notesOf(rule: Rule, regions: readonly ExportRegion[]): string[] {
  const { name, policy } = rule;
  const partly = regions.filter(({ weight }) => weight > 0 && weight < 1);
  return [
    ...(rule.lagMsMax === null
      ? []
      : [
          `${name}: a region that is behind by more than ${rule.lagMsMax} ms is named all the same`,
        ]),
    ...(rule.residency.length === 0
      ? []
      : [`${name}: where a client is is what the provider takes it to be`]),
    ...(rule.home == null ? [] : [`${name}: it does not follow the home of ${rule.home}`]),
    ...(rule.limit === 1 ? [] : [`${name}: an answer names one region, not ${rule.limit}`]),
    ...(policy === "weighted"
      ? []
      : partly.map(
          (one) => `${name}: ${one.name} has all of its traffic, not ${one.weight} of it`,
        )),
    ...regions
      .filter(({ check }) => check === null)
      .map((one) => `${one.name} has no probe that a provider could make: it counts as up`),
  ];
}

/** The weights as whole numbers from 1 to `max`. */
export function wholeWeights(
  regions: readonly ExportRegion[],
  max: number,
): { readonly region: ExportRegion; readonly weight: number }[] {
  const largest = Math.max(...regions.map(({ weight }) => weight));
  return regions.map((region) => ({
    region,
    weight: Math.max(1, Math.round((region.weight / (largest || 1)) * max)),
  }));
}

/** A word that may stand where providers want names. */
export function wordOf(...parts: readonly string[]): string {
  return parts
    .join("_")
    .replace(/@/g, "apex")
    .replace(/[^a-zA-Z0-9_]/g, "_")
    .replace(/^(?=\d)/, "_");
}

export const CONTINENTS: ReadonlySet<string> = new Set(["AF", "AN", "AS", "EU", "NA", "OC", "SA"]);
