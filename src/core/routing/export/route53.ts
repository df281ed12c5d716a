/**
 * Route53: names and regions as Terraform's JSON, for Route 53.
 *
 *     app ── geolocation, where residency says so ──► _0.app ── nearest, weighted, or PRIMARY ──► region
 *                                                               └ SECONDARY ──► _0-1.app …
 *
 * Invariant: an alias leads to a name that is in the document; records of one name and type differ by their identifier and share a policy.
 */
import type { Rule } from "../pipeline.ts";
import {
  type Audience,
  audiencesOf,
  breach,
  CONTINENTS,
  type Exported,
  type ExportInput,
  type ExportRegion,
  notesOf,
  wholeWeights,
  wordOf,
} from "./steered.ts";

type Fields = Record<string, unknown>;
type Type = "A" | "AAAA";

const WEIGHT_MAX = 255;
const ZONE = "${data.aws_route53_zone.atoll.zone_id}";

/** `awsRegions` says which of its regions is nearest to each of ours, for latency records. */
export function toRoute53(
  { zone, rules, regions }: ExportInput,
  awsRegions: ReadonlyMap<string, string> = new Map(),
): Exported {
  const records: Record<string, Fields> = {};
  const notes: string[] = [];
  for (const rule of rules) {
    notes.push(...notesOf(rule, regions));
    if (rule.isSticky) notes.push(`${rule.name}: a client is not given the same region again`);
    for (const type of ["A", "AAAA"] as const) {
      const writer = new Writer(records, rule, type, zone, awsRegions);
      const audiences = audiencesOf(rule, regions).map((audience) => ({
        ...audience,
        regions: audience.regions.filter((region) => addresses(region, type).length > 0),
      }));
      if (audiences.every((audience) => audience.regions.length === 0)) continue;
      const why = breach(rule, audiences);
      if (why !== null) {
        notes.push(`${rule.name} is not exported (${type}): ${why}`);
        continue;
      }
      if (audiences.length === 1) writer.steer(fullName(rule.name, zone), audiences[0] as Audience);
      else writer.split(fullName(rule.name, zone), audiences);
      notes.push(...writer.notes);
    }
  }
  const checks = Object.fromEntries(
    regions.flatMap((region) => {
      const { check, name } = region;
      const [address] = [...region.v4, ...region.v6];
      if (check === null || address === undefined) return [];
      const { protocol, port, path } = check;
      return [
        [
          wordOf(name),
          {
            ip_address: address,
            port,
            type: protocol.toUpperCase(),
            ...(path === "" ? {} : { resource_path: path }),
            request_interval: 10,
            failure_threshold: 3,
            tags: { Name: name },
          },
        ],
      ];
    }),
  );
  return {
    document: {
      terraform: { required_providers: { aws: { source: "hashicorp/aws" } } },
      data: { aws_route53_zone: { atoll: { name: zone } } },
      resource: { aws_route53_health_check: checks, aws_route53_record: records },
    },
    notes: [...new Set(notes)],
  };
}

function fullName(name: string, zone: string): string {
  return name === "@" ? zone : `${name}.${zone}`;
}

function addresses(region: ExportRegion, type: Type): readonly string[] {
  return type === "A" ? region.v4 : region.v6;
}

class Writer {
  readonly #records: Record<string, Fields>;
  readonly #rule: Rule;
  readonly #type: Type;
  readonly #zone: string;
  readonly #awsRegions: ReadonlyMap<string, string>;
  readonly notes: string[] = [];

  constructor(
    records: Record<string, Fields>,
    rule: Rule,
    type: Type,
    zone: string,
    awsRegions: ReadonlyMap<string, string>,
  ) {
    this.#records = records;
    this.#rule = rule;
    this.#type = type;
    this.#zone = zone;
    this.#awsRegions = awsRegions;
  }

  /** One answer for each audience. */
  split(name: string, audiences: readonly Audience[]): void {
    for (const [i, audience] of audiences.entries()) {
      const inner = `_${i}.${name}`;
      this.steer(inner, audience);
      const places = audience.clients.length === 0 ? ["*"] : audience.clients;
      for (const place of places)
        this.#alias(name, place === "*" ? "default" : place, inner, {
          geolocation_routing_policy: CONTINENTS.has(place)
            ? { continent: place }
            : { country: place },
        });
    }
  }

  steer(name: string, { regions }: Audience): void {
    const [first] = regions;
    if (first === undefined) return;
    if (regions.length === 1) return this.#region(name, first, {});
    switch (this.#rule.policy) {
      case "weighted":
        for (const { region, weight } of wholeWeights(regions, WEIGHT_MAX))
          this.#region(name, region, { weighted_routing_policy: { weight } });
        return;
      case "failover":
        return this.#chain(name, regions);
      case "nearest":
        return this.#nearest(name, regions);
    }
  }

  #chain(name: string, [first, second, ...more]: readonly ExportRegion[]): void {
    if (first === undefined) return;
    this.#region(name, first, { failover_routing_policy: { type: "PRIMARY" } });
    if (second === undefined) return;
    const failover_routing_policy = { type: "SECONDARY" };
    if (more.length === 0) return this.#region(name, second, { failover_routing_policy });
    const inner = `_next.${name}`;
    this.#chain(inner, [second, ...more]);
    this.#alias(name, "next", inner, { failover_routing_policy });
  }

  #nearest(name: string, regions: readonly ExportRegion[]): void {
    const nearest = regions.map((region) => ({ region, policy: this.#nearnessOf(region) }));
    const kinds = new Set(nearest.map(({ policy }) => Object.keys(policy ?? {})[0]));
    if (kinds.size === 1 && !kinds.has(undefined)) {
      for (const { region, policy } of nearest) this.#region(name, region, policy ?? {});
      return;
    }
    this.notes.push(
      `${this.#rule.name}: where regions are is not known (longitude and latitude, or --aws-region): clients go to the first, then to the next`,
    );
    this.#chain(name, regions);
  }

  #nearnessOf(region: ExportRegion): Fields | null {
    const aws = this.#awsRegions.get(region.name);
    if (aws !== undefined) return { latency_routing_policy: { region: aws } };
    const { latitude, longitude } = region;
    if (latitude === undefined || longitude === undefined) return null;
    const coordinates = { latitude: latitude.toFixed(2), longitude: longitude.toFixed(2) };
    return { geoproximity_routing_policy: { coordinates, bias: 0 } };
  }

  #region(name: string, region: ExportRegion, policy: Fields): void {
    this.#add(name, region.name, {
      ttl: this.#rule.ttl,
      records: addresses(region, this.#type),
      ...(Object.keys(policy).length === 0 ? {} : { ...policy, set_identifier: region.name }),
      ...(region.check === null || Object.keys(policy).length === 0
        ? {}
        : { health_check_id: `\${aws_route53_health_check.${wordOf(region.name)}.id}` }),
    });
  }

  #alias(name: string, id: string, to: string, policy: Fields): void {
    this.#add(name, id, {
      alias: { name: to, zone_id: ZONE, evaluate_target_health: true },
      ...policy,
      set_identifier: id,
    });
  }

  #add(name: string, id: string, fields: Fields): void {
    const own = name === this.#zone ? "@" : name.slice(0, -this.#zone.length - 1);
    this.#records[wordOf(own, this.#type, id)] = {
      zone_id: ZONE,
      name,
      type: this.#type,
      ...fields,
    };
  }
}
