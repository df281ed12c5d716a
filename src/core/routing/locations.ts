/**
 * Locations: where in the world an address is, by networks that somebody has listed.
 *
 *     203.0.113.0/24 ─► {country: DE}          203.0.113.128/25 ─► {region: eu-west}       the longest network decides
 *
 * Invariant: an answer comes with its scope, the number of bits of the address that decided it: every address that shares these has the
 * same location. Neighbouring networks of one location are one, so the scope is as wide as it can be.
 */
import type { Network } from "./dns/address.ts";
import { metersBetween } from "../geo/earth.ts";

/** What is known of a place, from nothing to all of it. */
export interface Location {
  /** The region that is nearest, where somebody has said so. */
  readonly region?: string;
  /** ISO 3166, two letters. */
  readonly country?: string;
  /** AF AN AS EU NA OC SA. */
  readonly continent?: string;
  /** Degrees. */
  readonly longitude?: number;
  readonly latitude?: number;
}

const NOWHERE: Location = {};

export interface Located {
  readonly location: Location;
  readonly scopeBits: number;
}

/** Halves of what lies beneath, or the one location of all of it. */
type Branch = Location | { readonly zero: Branch; readonly one: Branch; readonly isFork: true };
interface Grown {
  location: Location | null;
  zero: Grown | null;
  one: Grown | null;
}

export class Locations {
  readonly #v4: Branch;
  readonly #v6: Branch;

  constructor(entries: readonly { network: Network; location: Location }[]) {
    const interned = new Map<string, Location>();
    const roots = { v4: empty(), v6: empty() };
    for (const { network, location } of entries) {
      const same = JSON.stringify(location, Object.keys(location).toSorted());
      const known = interned.get(same) ?? location;
      interned.set(same, known);
      let node = network.address.length === 4 ? roots.v4 : roots.v6;
      for (let bit = 0; bit < network.bits; bit++)
        if (bitAt(network.address, bit)) node = node.one ??= empty();
        else node = node.zero ??= empty();
      node.location = known;
    }
    this.#v4 = merged(roots.v4, NOWHERE);
    this.#v6 = merged(roots.v6, NOWHERE);
  }

  /** Where an address is of which the first `bits` are known. */
  locate(address: Buffer, bits: number): Located {
    let branch = address.length === 4 ? this.#v4 : this.#v6;
    let depth = 0;
    for (; isFork(branch); depth++) {
      // What a resolver has hidden is taken to be zero; the scope then says so.
      if (depth >= bits) return { location: NOWHERE, scopeBits: bits };
      branch = bitAt(address, depth) ? branch.one : branch.zero;
    }
    return { location: branch, scopeBits: depth };
  }
}

function empty(): Grown {
  return { location: null, zero: null, one: null };
}

function isFork(branch: Branch): branch is Extract<Branch, { isFork: true }> {
  return "isFork" in branch;
}

function bitAt(address: Buffer, bit: number): boolean {
  return (((address[bit >> 3] as number) >> (7 - (bit & 7))) & 1) === 1;
}

/** Pushes locations down to the leaves, and joins halves that are alike. */
function merged(node: Grown | null, above: Location): Branch {
  if (node === null) return above;
  const here = node.location ?? above;
  if (node.zero === null && node.one === null) return here;
  const zero = merged(node.zero, here);
  const one = merged(node.one, here);
  return zero === one && !isFork(zero) ? zero : { zero, one, isFork: true };
}

/**
 * How far a region is from a client, smaller being nearer: first whether anything says that they belong together, then by distance.
 * `rttMs` is what a message from where the client is, as far as that is known, takes to the region.
 */
export function distanceTo(
  place: Location & { name: string },
  client: Location,
  rttMs: number,
): number {
  if (client.region === place.name) return 0;
  const known = placed(client) && placed(place);
  // A kilometre of glass and its detours take about 0.015 ms there and back; only the order counts.
  if (known) return metersBetween(client, place) / 1000;
  if (client.country !== undefined && client.country === place.country) return 1 + rttMs;
  if (client.continent !== undefined && client.continent === place.continent) return 10_000 + rttMs;
  return 100_000 + rttMs;
}

function placed(
  location: Location,
): location is Location & { longitude: number; latitude: number } {
  return location.longitude !== undefined && location.latitude !== undefined;
}
