/**
 * Sessions: what a client has seen of counters that only grow, region by region: I-8.
 *
 * Claimed today is what one region gives to whoever stays there: a client reads its own writes, and never an older state than it has
 * seen. A client that moves to another region is promised nothing yet.
 *
 * Invariant: an operation is held against what its client had been told before it asked.
 */
import type { Machine } from "../world/machine.ts";
import type { Reply } from "../world/replies.ts";
import type { Operation } from "../world/workload.ts";

interface Seen {
  readonly value: number;
  readonly atUs: number;
}

export class Sessions {
  readonly #seen = new Map<string, Seen>();
  /** Whether a crash may take back what a client was told. */
  readonly #forgets: boolean;

  constructor(durability: "local" | "relaxed") {
    this.#forgets = durability === "relaxed";
  }

  /** A client was answered. In words, what it should have seen and did not; null when all is well. */
  answered(
    client: number,
    machine: Machine,
    { commands }: Operation,
    replies: readonly Reply[],
    sentUs: number,
  ): string | null {
    const [name, key = "", by = "0"] = commands[0] ?? [];
    const [value] = replies;
    if (commands.length !== 1 || !key.startsWith("total:")) return null;
    if (name !== "GET" && name !== "INCRBY") return null;
    const session = `${client} ${machine.name} ${this.#forgets ? machine.life : ""} ${key}`;
    const seen = this.#seen.get(session);
    const is = Number(value ?? 0);
    const least = seen === undefined || seen.atUs > sentUs ? 0 : seen.value;
    if (is < least + (name === "INCRBY" ? Number(by) : 0))
      return `${name} ${key} answered ${is} to client ${client}, which had seen ${least} here`;
    if (is > (seen?.value ?? 0)) this.#seen.set(session, { value: is, atUs: machine.timeline.now });
    return null;
  }
}
