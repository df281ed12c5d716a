/** Decisions as the pipeline makes them, for tests of what comes behind it. */
import type { Decision } from "./pipeline.ts";

/** One of these regions, by their distances. */
export const decisionOf = (
  candidates: Record<string, { distance: number; share?: number }>,
  policy: "nearest" | "failover" = "nearest",
): Decision => ({
  rule: {
    name: "r",
    policy,
    regions: Object.keys(candidates),
    isSticky: false,
    residency: [],
    lagMsMax: null,
    limit: 1,
    ttl: 1,
  },
  stages: [],
  candidates: Object.entries(candidates).map(([region, { distance, share = 1 }]) => ({
    region,
    weight: 1,
    share,
    distance,
  })),
  isWithheld: false,
  failedOpen: [],
});

/** The first of these regions, while it serves. */
export function failoverTo(regions: readonly string[]): Decision {
  return decisionOf(
    Object.fromEntries(regions.map((region, distance) => [region, { distance }])),
    "failover",
  );
}
