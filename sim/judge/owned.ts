/**
 * Owned: what owners do for clients of all regions: they count one after the other, let one of all have what may be had once, and
 * give each element away once: I-40.
 *
 * Who is answered reads no less than that afterwards, at the replica that it had asked and that does not own the key: I-8.
 *
 * Invariant: only what a client was told counts. What was done and never told may be missing, and nothing may be there twice.
 */
import type { Reply } from "../world/replies.ts";
import type { Operation } from "../world/workload.ts";

export class Owned {
  /** Numbers, claims and elements, with their keys: each may be told to one client. */
  readonly #told = new Set<string>();
  /** By client and key: the largest number that it was told on its connection. */
  readonly #seen = new Map<string, number>();

  get count(): number {
    return this.#told.size;
  }

  /** A client has a new connection, perhaps to another replica. */
  connected(client: number): void {
    for (const name of this.#seen.keys())
      if (name.startsWith(`${client} `)) this.#seen.delete(name);
  }

  /** A client was answered. What is wrong with that, as a check and its words; null when nothing is. */
  answered(
    client: number,
    { kind, commands }: Operation,
    replies: readonly Reply[],
  ): readonly [check: string, wrong: string] | null {
    const key = commands.flat().find((word) => /^(o|ho|hm):/.test(word)) ?? "";
    const last = replies.at(-1);
    const value = Array.isArray(last) ? (last.at(-1) ?? null) : (last ?? null);
    if (kind === "oread") {
      const seen = this.#seen.get(`${client} ${key}`) ?? 0;
      if (Number(value ?? 0) >= seen) return null;
      return [
        "I-8",
        `LLEN ${key} answered ${String(value)} to client ${client}, which had been told ${seen}`,
      ];
    }
    if (!OWNED.has(kind) || value === null) return null;
    const thing =
      kind === "oclaim"
        ? `the claim ${key}`
        : NUMBERS.has(kind)
          ? `${key} = ${String(value)}`
          : String(value);
    if (this.#told.has(thing))
      return ["I-40", `${thing} was given to client ${client}, and had been given before`];
    this.#told.add(thing);
    if (NUMBERS.has(kind)) this.#seen.set(`${client} ${key}`, Number(value));
    return null;
  }
}

/** Kinds whose replies count numbers up. */
const NUMBERS: ReadonlySet<string> = new Set(["ocount", "otx", "oscript"]);
/** Kinds that are told something that nobody else is. */
const OWNED: ReadonlySet<string> = new Set([...NUMBERS, "oclaim", "opop", "owait"]);
