/**
 * Intersection: what was acknowledged at a level, and reads at levels that must see it: I-33.
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

function isSeen({ level, machine }: Acknowledged, reader: Machine, read: string): boolean {
  const meets = MEETS[level];
  const near = regionOf(machine.name) === regionOf(reader.name) ? meets?.near : "";
  return `${meets?.anywhere} ${near}`.split(" ").includes(read);
}

function regionOf(member: string): string {
  return member.split("/")[0] as string;
}
