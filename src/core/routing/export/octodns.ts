/**
 * OctoDns: names and regions as a zone of octoDNS, with dynamic records, which it writes to the provider that keeps the zone.
 *
 *     rule for each place ─► pool of the region that is nearest to it ─► fallback ─► … ; one rule for everybody else
 *
 * Invariant: fallbacks of a pool are where its clients may be led. octoDNS wants a rule for everybody, so a name that leads some clients nowhere is
 * not exported.
 */
import {
  audiencesOf,
  breach,
  CONTINENTS,
  type Exported,
  type ExportInput,
  type ExportRegion,
  notesOf,
  wholeWeights,
} from "./steered.ts";
import type { Rule } from "../pipeline.ts";

type Pool = {
  readonly values: readonly { readonly value: string; readonly weight?: number }[];
  readonly fallback?: string;
};
type GeoRule = { readonly pool: string; readonly geos?: readonly string[] };

const WEIGHT_MAX = 100;

/** `continentOf` says where a country is: octoDNS names both. */
export function toOctoDns(
  { rules, regions }: ExportInput,
  continentOf: (country: string) => string | null,
): Exported {
  const notes: string[] = [];
  const zone: Record<string, unknown> = {};
  for (const rule of rules) {
    notes.push(...notesOf(rule, regions));
    if (rule.isSticky) notes.push(`${rule.name}: a client is not given the same region again`);
    const records = (["A", "AAAA"] as const).flatMap(
      (type) => recordOf(rule, regions, type, continentOf, notes) ?? [],
    );
    if (records.length > 0)
      zone[rule.name === "@" ? "" : rule.name] = records.length === 1 ? records[0] : records;
  }
  return { document: zone, notes: [...new Set(notes)] };
}

function recordOf(
  rule: Rule,
  regions: readonly ExportRegion[],
  type: "A" | "AAAA",
  continentOf: (country: string) => string | null,
  notes: string[],
): object | null {
  const valuesOf = (region: ExportRegion) => (type === "A" ? region.v4 : region.v6);
  const audiences = audiencesOf(rule, regions).map((audience) => ({
    ...audience,
    regions: audience.regions.filter((region) => valuesOf(region).length > 0),
  }));
  if (audiences.every((audience) => audience.regions.length === 0)) return null;
  const why = breach(rule, audiences);
  if (why !== null) {
    notes.push(`${rule.name} is not exported (${type}): ${why}`);
    return null;
  }
  const pools: Record<string, Pool> = {};
  const places: GeoRule[] = [];
  const geoOf = (place: string): string | null => {
    if (CONTINENTS.has(place)) return place;
    const continent = continentOf(place);
    if (continent === null) notes.push(`${rule.name}: nobody knows on which continent ${place} is`);
    return continent === null ? null : `${continent}-${place}`;
  };
  for (const [i, audience] of audiences.entries()) {
    const prefix = audiences.length === 1 ? "" : `r${i}-`;
    const geos = audience.clients.map(geoOf);
    // A place that could not be named would be led where everybody is.
    if (geos.includes(null)) {
      notes.push(`${rule.name} is not exported: its residency could not be kept`);
      return null;
    }
    const named = geos.filter((geo) => geo !== null);
    if (rule.policy === "weighted") {
      pools[`${prefix}all`] = {
        values: wholeWeights(audience.regions, WEIGHT_MAX).flatMap(({ region, weight }) =>
          valuesOf(region).map((value) => ({ value, weight })),
        ),
      };
      places.push({ pool: `${prefix}all`, ...(named.length === 0 ? {} : { geos: named }) });
      continue;
    }
    for (const [j, region] of audience.regions.entries()) {
      const next = audience.regions[j + 1];
      pools[prefix + region.name] = {
        values: valuesOf(region).map((value) => ({ value })),
        ...(next === undefined ? {} : { fallback: prefix + next.name }),
      };
    }
    const first = audience.regions[0] as ExportRegion;
    // A second choice by place could take clients away from who may have them alone.
    if (rule.policy === "nearest" && audiences.length === 1)
      places.push(...nearestPlaces(audience.regions, prefix, geoOf));
    else if (rule.policy === "nearest" && audience.regions.length > 1)
      notes.push(
        `${rule.name}: ${named.length === 0 ? "all others" : named.join(", ")} go to ${first.name} first, not to the nearest`,
      );
    places.push({ pool: prefix + first.name, ...(named.length === 0 ? {} : { geos: named }) });
  }
  const check = regions.find(
    (region) => rule.regions.includes(region.name) && region.check !== null,
  )?.check;
  return {
    type,
    ttl: rule.ttl,
    values: audiences.at(-1)?.regions.flatMap(valuesOf) ?? [],
    dynamic: { pools, rules: sorted(places) },
    ...(check == null
      ? {}
      : {
          octodns: {
            healthcheck: {
              protocol: check.protocol.toUpperCase(),
              port: check.port,
              ...(check.path === "" ? {} : { path: check.path }),
            },
          },
        }),
  };
}

/** A rule for each country and continent in which one of the regions is; the first of a continent has it. */
function nearestPlaces(
  regions: readonly ExportRegion[],
  prefix: string,
  geoOf: (place: string) => string | null,
): GeoRule[] {
  const taken = new Set<string>();
  return regions.slice(1).flatMap((region) => {
    const geos = [region.country, region.continent]
      .flatMap((place) => (place === undefined ? [] : (geoOf(place) ?? [])))
      .filter((geo) => !taken.has(geo) && !isHomeOf(regions[0], geo));
    for (const geo of geos) taken.add(geo);
    return geos.length === 0 ? [] : [{ pool: prefix + region.name, geos }];
  });
}

function isHomeOf(region: ExportRegion | undefined, geo: string): boolean {
  return geo === region?.continent || geo.endsWith(`-${region?.country ?? "?"}`);
}

/** Countries before continents, everybody last: the first that fits holds. */
function sorted(places: readonly GeoRule[]): GeoRule[] {
  const split = places.flatMap(({ pool, geos }): GeoRule[] => {
    if (geos === undefined) return [{ pool }];
    const [countries, continents] = [true, false].map((isCountry) =>
      geos.filter((geo) => geo.includes("-") === isCountry),
    ) as [string[], string[]];
    return [countries, continents]
      .filter((some) => some.length > 0)
      .map((some) => ({ pool, geos: some }));
  });
  const rank = ({ geos }: GeoRule): number =>
    geos === undefined ? 2 : (geos[0] ?? "").includes("-") ? 0 : 1;
  return split.toSorted((a, b) => rank(a) - rank(b));
}
