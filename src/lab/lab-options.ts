/**
 * What `atoll lab` was asked for, from words to values.
 *
 * Invariant: nothing is started for options that are not whole: every refusal here comes before the first file or process.
 */
import { parseMs } from "../host/quantity.ts";
import { oneWayMs, unknownRegion } from "./distances.ts";
import type { Course } from "./wan-direction.ts";

/** How far apart the regions are: as in the world, not at all, or all alike. */
export type Wan = { type: "real" } | { type: "none" } | { type: "even"; delayMs: number };

const NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const REGIONS_MAX = 16;

/** A value, or why there is none. */
export type Parsed<T> = { value: T } | { refused: string };

/** `us-east,eu-west`: between one and sixteen different names. */
export function parseRegions(text: string): Parsed<string[]> {
  const names = text.split(",").map((name) => name.trim());
  for (const [i, name] of names.entries()) {
    if (!NAME.test(name))
      return {
        refused: `"${name}" is not a region name; use small letters, digits and hyphens, separated by commas`,
      };
    if (names.indexOf(name) !== i) return { refused: `the region ${name} is named twice` };
  }
  if (names.length > REGIONS_MAX)
    return {
      refused: `${names.length} regions are too many for one machine; name at most ${REGIONS_MAX}`,
    };
  return { value: names };
}

/** `real`, `none`, or one way in milliseconds (`40`, `40ms`). */
export function parseWan(text: string, regions: readonly string[]): Parsed<Wan> {
  if (text === "none") return { value: { type: "none" } };
  if (text === "real") {
    for (const name of regions) {
      const why = unknownRegion(name);
      if (why !== null) return { refused: why };
    }
    return { value: { type: "real" } };
  }
  const delay = parseDelay(text);
  if ("refused" in delay)
    return {
      refused: `--wan must be real, none, or one way in milliseconds such as 40; it is "${text}"`,
    };
  return { value: { type: "even", delayMs: delay.value } };
}

const DELAY_MS_MAX = 60_000;

/** One way: `80ms`, `80`, `1.5s`; at most a minute. */
export function parseDelay(text: string): Parsed<number> {
  const ms = parseMs(text);
  if (ms === null || ms > DELAY_MS_MAX)
    return { refused: `"${text}" is not a delay; write one way, such as 80ms (at most a minute)` };
  return { value: ms };
}

/** Where a node of the lab belongs. */
export interface Post {
  /** What it is called: its region, or `us-east/2` where regions have several replicas. */
  readonly name: string;
  readonly region: string;
  readonly replica: number;
  /** Its name in the cluster. */
  readonly member: string;
}

const REPLICAS_MAX = 9;

/** How many replicas each region has. */
export function parseReplicas(text: string): Parsed<number> {
  if (/^[1-9]$/.test(text)) return { value: Number(text) };
  return { refused: `--replicas must be from 1 to ${REPLICAS_MAX}; it is "${text}"` };
}

/** The nodes of so many replicas in each region, region by region. */
export function postsOf(regions: readonly string[], replicas: number): Post[] {
  return regions.flatMap((region) =>
    Array.from({ length: replicas }, (_, i) => {
      const member = `${region}/${i + 1}`;
      return { name: replicas === 1 ? region : member, region, replica: i + 1, member };
    }),
  );
}

/** The first RESP port; HTTP lies 1,000 above, so both must fit. 0 picks free ones. */
export function parsePort(text: string, nodes: number): Parsed<number> {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port === 0) return { value: 0 };
  const highest = 65_535 - 1_000 - (nodes - 1);
  if (!(port >= 1 && port <= highest))
    return { refused: `--port must be 0 (free ones) or from 1 to ${highest}; it is "${text}"` };
  if (nodes > 1_000) return { refused: "more than 1000 nodes do not fit" };
  return { value: port };
}

/** What lies between two regions. Real distances vary a little on the way. */
export function courseBetween(wan: Wan, a: string, b: string): Course {
  switch (wan.type) {
    case "none":
      return { delayMs: 0, jitterMs: 0, bytesPerSecond: null };
    case "even":
      return { delayMs: wan.delayMs, jitterMs: 0, bytesPerSecond: null };
    case "real": {
      const delayMs = oneWayMs(a, b) ?? 0;
      return { delayMs, jitterMs: delayMs * REAL_JITTER, bytesPerSecond: REAL_BYTES_PER_SECOND };
    }
  }
}

const REAL_JITTER = 0.02;
/** 1 Gbit/s: what one cloud network flow between regions can be expected to carry. */
const REAL_BYTES_PER_SECOND = 125_000_000;
