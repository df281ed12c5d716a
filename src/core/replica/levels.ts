/**
 * Levels: how many members a read or a write involves.
 *
 *   LOCAL_ONE      this replica
 *   LOCAL_QUORUM   most replicas of this region
 *   GLOBAL_ONE     this replica and one in another region; with one region, LOCAL_QUORUM
 *   GLOBAL_QUORUM  most regions, each by most of its replicas
 *   EACH_QUORUM    every region, each by most of its replicas
 *   ALL            every replica
 *
 * Invariant: quorums are hierarchical: one of GLOBAL_QUORUM never lies within one region of several, however many replicas that
 * one has, and any two of them share a replica.
 */

/** From the weakest to the strongest. */
export const LEVELS = [
  "LOCAL_ONE",
  "LOCAL_QUORUM",
  "GLOBAL_ONE",
  "GLOBAL_QUORUM",
  "EACH_QUORUM",
  "ALL",
] as const;
export type Level = (typeof LEVELS)[number];

/** The region of a member such as `us-east/1`. */
export function regionOf(member: string): string {
  return member.slice(0, member.lastIndexOf("/"));
}

/** The members, by region. */
export class Quorums {
  readonly #me: string;
  readonly #home: string;
  readonly #regions = new Map<string, string[]>();

  constructor(me: string, members: readonly string[]) {
    this.#me = me;
    this.#home = regionOf(me);
    for (const member of members) {
      const region = regionOf(member);
      const there = this.#regions.get(region);
      if (there === undefined) this.#regions.set(region, [member]);
      else there.push(member);
    }
  }

  /** Whether the members for which `has` holds are enough for a level. */
  reached(level: Level, has: (member: string) => boolean): boolean {
    switch (level) {
      case "LOCAL_ONE":
        return has(this.#me);
      case "LOCAL_QUORUM":
        return this.#hasMost(this.#home, has);
      case "GLOBAL_ONE":
        if (this.#regions.size === 1) return this.#hasMost(this.#home, has);
        return has(this.#me) && this.#elsewhere(has);
      case "GLOBAL_QUORUM":
        return this.#regionsWith(has) * 2 > this.#regions.size;
      case "EACH_QUORUM":
        return this.#regionsWith(has) === this.#regions.size;
      case "ALL":
        for (const members of this.#regions.values()) if (!members.every(has)) return false;
        return true;
    }
  }

  /** The members of other regions for which `has` holds. */
  countElsewhere(has: (member: string) => boolean): number {
    let count = 0;
    for (const [region, members] of this.#regions)
      if (region !== this.#home) for (const member of members) if (has(member)) count++;
    return count;
  }

  /** Which members `has` holds for, in words. */
  describe(has: (member: string) => boolean): string {
    const names = [...this.#regions.values()].flat().filter(has);
    return names.length === 0 ? "none" : names.join(", ");
  }

  #elsewhere(has: (member: string) => boolean): boolean {
    for (const [region, members] of this.#regions)
      if (region !== this.#home && members.some(has)) return true;
    return false;
  }

  /** Regions of which most members are among those for which `has` holds. */
  #regionsWith(has: (member: string) => boolean): number {
    let count = 0;
    for (const region of this.#regions.keys()) if (this.#hasMost(region, has)) count++;
    return count;
  }

  #hasMost(region: string, has: (member: string) => boolean): boolean {
    const members = this.#regions.get(region) ?? [];
    let count = 0;
    for (const member of members) if (has(member)) count++;
    return count * 2 > members.length;
  }
}
