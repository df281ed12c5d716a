/**
 * Distances: how long a byte takes between two regions of the world.
 *
 * Invariant: a figure comes from the published measurements in `regions.json` (which names its source) or not at all; an
 * unknown region is refused, never given a guess.
 */
import { didYouMean } from "../host/suggestion.ts";
import table from "./regions.json" with { type: "json" };

export type Region = (typeof table.regions)[keyof typeof table.regions];

/** The regions that `--wan real` knows. */
export const knownRegions: readonly string[] = Object.keys(table.regions);

const roundTripMs: Record<string, Record<string, number>> = table.roundTripMs;

/** One way from `a` to `b` in milliseconds; null when one of them is not a known region. */
export function oneWayMs(a: string, b: string): number | null {
  const both = roundTripMs[a]?.[b] ?? roundTripMs[b]?.[a];
  return both === undefined ? null : both / 2;
}

/** Why `name` has no place in the world, with the names that have; null when it has. */
export function unknownRegion(name: string): string | null {
  if (knownRegions.includes(name)) return null;
  const meant = didYouMean(name, knownRegions);
  return `where "${name}" lies is not known${meant}${meant === "" ? ";" : ""} real distances are known for ${knownRegions.join(", ")}; any name will do with --wan none or --wan 40ms`;
}

/** Where a known region lies. */
export function placeOf(name: string): Region | null {
  const regions: Record<string, Region> = table.regions;
  return regions[name] ?? null;
}
