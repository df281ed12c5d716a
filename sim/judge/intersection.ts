/**
 * Intersection: what was acknowledged at a level is stored where that says, and reads at levels that meet it see it: I-33.
 *
 * Counters that only grow make it plain: a read shows at least the sum of what had been acknowledged, at a level that meets its own,
 * before the read was asked for.
 *
 * Invariant: which levels meet is written down here, apart from the product.
 */
import type { Machine } from "../world/machine.ts";
import type { Reply } from "../world/replies.ts";
import type { Operation } from "../world/workload.ts";

interface Acknowledged {
  readonly level: string;
  readonly delta: number;
  readonly atUs: number;
  readonly machine: Machine;
}

/** By the level of the write: the levels of reads that see it, in any region, and those that do in its own. */
const MEETS: Readonly<Record<string, { readonly anywhere: string; readonly near: string }>> = {
  LOCAL_ONE: { anywhere: "ALL", near: "ALL" },
  LOCAL_QUORUM: { anywhere: "EACH_QUORUM ALL", near: "LOCAL_QUORUM" },
  GLOBAL_ONE: { anywhere: "ALL", near: "ALL" },
  GLOBAL_QUORUM: { anywhere: "GLOBAL_QUORUM EACH_QUORUM ALL", near: "" },
  EACH_QUORUM: { anywhere: "LOCAL_QUORUM GLOBAL_QUORUM EACH_QUORUM ALL", near: "" },
  ALL: { anywhere: "LOCAL_ONE LOCAL_QUORUM GLOBAL_ONE GLOBAL_QUORUM EACH_QUORUM ALL", near: "" },
};

export class Intersection {
  readonly #acknowledged = new Map<string, Acknowledged[]>();
  /** Reads that had something to see. */
  count = 0;
  /** Whether a write that involves its own replica alone is acknowledged before it is stored. */
  readonly #forgets: boolean;

  constructor(durability: "local" | "relaxed") {
    this.#forgets = durability === "relaxed";
  }

  /** A client was answered now. In words, what it should have seen and did not; null when all is well. */
  answered(
    machine: Machine,
    { commands }: Operation,
    replies: readonly Reply[],
    sentUs: number,
  ): string | null {
    const [words = []] = commands;
    const at = words.findIndex((word) => word === "INCRBY" || word === "GET");
    const [name, key = "", by = "0"] = words.slice(Math.max(0, at));
    if (commands.length !== 1 || !key.startsWith("total:")) return null;
    const level = at === 0 ? "LOCAL_ONE" : (words[2] as string);
    const told = this.#acknowledged.get(key) ?? [];
    this.#acknowledged.set(key, told);
    if (name === "INCRBY") {
      if (level === "LOCAL_ONE" && this.#forgets) return null;
      told.push({ level, delta: Number(by), atUs: machine.timeline.now, machine });
      return null;
    }
    const sum = told
      .filter((write) => write.atUs < sentUs && isSeen(write, machine, level))
      .reduce((total, { delta }) => total + delta, 0);
    if (sum > 0) this.count++;
    if (Number(replies[0] ?? 0) >= sum) return null;
    return `${words.join(" ")} answered ${JSON.stringify(replies[0])}, and ${sum} had been acknowledged at levels that it meets`;
  }
}

/** Whether a write that was acknowledged at a level by a member is stored where that says, as `has` tells of each member there is. */
export function isStored(
  level: string,
  by: string,
  members: readonly string[],
  has: (member: string) => boolean,
): boolean {
  const regions = [...new Set(members.map(regionOf))];
  const most = (region: string): boolean => {
    const there = members.filter((member) => regionOf(member) === region);
    return there.filter(has).length * 2 > there.length;
  };
  const home = regionOf(by);
  switch (level) {
    case "LOCAL_QUORUM":
      return most(home);
    case "GLOBAL_ONE":
      if (regions.length === 1) return most(home);
      return has(by) && members.some((member) => regionOf(member) !== home && has(member));
    case "GLOBAL_QUORUM":
      return regions.filter(most).length * 2 > regions.length;
    case "EACH_QUORUM":
      return regions.every(most);
    case "ALL":
      return members.every(has);
    default:
      return has(by);
  }
}

/** The level that a write names in front of itself; null when it names none. */
export function levelOf({ commands }: Operation): string | null {
  const [words = []] = commands;
  return commands.length === 1 && words[1] === "WRITE" ? (words[2] as string) : null;
}

function isSeen({ level, machine }: Acknowledged, reader: Machine, read: string): boolean {
  const meets = MEETS[level];
  const near = regionOf(machine.name) === regionOf(reader.name) ? meets?.near : "";
  return `${meets?.anywhere} ${near}`.split(" ").includes(read);
}

function regionOf(member: string): string {
  return member.split("/")[0] as string;
}
