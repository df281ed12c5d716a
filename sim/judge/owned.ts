/**
 * Owned: what owners do for clients of all regions: they count one after the other, let one of all have what may be had once, and
 * give each element away once: I-40.
 *
 * What is pushed is pushed as often as clients have asked for it and no more, whoever has to send it on again.
 *
 * Who is answered reads no less than that afterwards, at the replica that it had asked and that does not own the key: I-8.
 *
 * Invariant: only what a client was told counts. What was done and never told may be missing, and nothing may be there twice.
 */
import { LIST } from "../../src/core/crdt/key.ts";
import type { Reply } from "../world/replies.ts";
import type { Operation } from "../world/workload.ts";
import { type CommittedRecord, OP } from "./history.ts";

export class Owned {
  /** Numbers, claims and elements, with their keys: each may be told to one client. */
  readonly #told = new Set<string>();
  /** By client and key: the largest number that it was told on its connection. */
  readonly #seen = new Map<string, number>();

  /** By element: how often clients have asked for it to be pushed, and how often it was. */
  readonly #asked = new Map<string, number>();
  readonly #pushed = new Map<string, number>();

  /** A client asks. */
  asked({ kind, commands }: Operation): void {
    if (!PUSHES.has(kind)) return;
    for (const words of commands)
      if (words[0] === "RPUSH" || words[0] === "LPUSH" || words[0] === "EVAL")
        for (const element of words.slice(words[0] === "EVAL" ? 4 : 2)) count(this.#asked, element);
  }

  /** A record was made. What was pushed once more than anybody has asked for; null when nothing was. */
  made({ effects }: CommittedRecord): string | null {
    for (const { op, tag, key, value } of effects) {
      if (op !== OP.PUT_CELL || tag !== LIST || !PUSHED_TO.test(key)) continue;
      const asked = this.#asked.get(value) ?? 0;
      if (count(this.#pushed, value) > asked)
        return `${value} was pushed to ${key} once more than the ${asked} times that it was asked for`;
    }
    return null;
  }

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

/** Counts one more; returns how many there are. */
function count(counts: Map<string, number>, name: string): number {
  const now = (counts.get(name) ?? 0) + 1;
  counts.set(name, now);
  return now;
}

/** Kinds that push an element of their own, and the keys that nothing else pushes to. */
const PUSHES: ReadonlySet<string> = new Set([
  ...["opush", "ocount", "oscript", "otx", "fpush", "xpush"],
]);
const PUSHED_TO = /^(o|ho:n|hm:n|hm:q|hf|hx):\d+$/;
/** Kinds whose replies count numbers up. */
const NUMBERS: ReadonlySet<string> = new Set(["ocount", "otx", "oscript"]);
/** Kinds that are told something that nobody else is. */
const OWNED: ReadonlySet<string> = new Set([...NUMBERS, "oclaim", "opop", "owait"]);
