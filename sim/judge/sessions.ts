/**
 * Sessions: what a client has seen of counters that only grow, replica by replica: I-8.
 *
 * Who stays at a replica reads its own writes, and never an older state than it has seen. Who goes to another one takes along what its
 * last token stands for, and nothing else.
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

  /** What each client's last token stands for. */
  readonly #carried = new Map<number, ReadonlyMap<string, number>>();

  /** What the connection of a client has taken up, by key. */
  readonly #owed = new Map<number, ReadonlyMap<string, number>>();

  /** A client has been given a token for which it had asked at `sentUs`. */
  token(client: number, machine: Machine, sentUs: number): void {
    const carried = new Map(this.#owed.get(client));
    const start = this.#session(client, machine, "");
    for (const [session, { value, atUs }] of this.#seen) {
      const key = session.slice(start.length);
      if (session.startsWith(start) && atUs <= sentUs && value > (carried.get(key) ?? 0))
        carried.set(key, value);
    }
    this.#carried.set(client, carried);
  }

  /** A client goes on with its token on the connection that it has now. */
  takenUp(client: number): void {
    const carried = this.#carried.get(client);
    if (carried !== undefined) this.#owed.set(client, carried);
  }

  /** A client has a new connection. */
  connected(client: number): void {
    this.#owed.delete(client);
  }

  #session(client: number, machine: Machine, key: string): string {
    return `${client} ${machine.name} ${this.#forgets ? machine.life : ""} ${key}`;
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
    const session = this.#session(client, machine, key);
    const seen = this.#seen.get(session);
    const is = Number(value ?? 0);
    const here = seen === undefined || seen.atUs > sentUs ? 0 : seen.value;
    const least = Math.max(here, this.#owed.get(client)?.get(key) ?? 0);
    if (is < least + (name === "INCRBY" ? Number(by) : 0))
      return `${name} ${key} answered ${is} to client ${client}, which had seen ${least} here`;
    if (is > (seen?.value ?? 0)) this.#seen.set(session, { value: is, atUs: machine.timeline.now });
    return null;
  }
}
