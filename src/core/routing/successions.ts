/**
 * Successions: which region writes the keys of each prefix that has a home, and what it cost when another took over.
 *
 *     owners, each second ─► the same ─► nothing
 *                        └─► another ─► was the one before heard? yes: given over, nothing is lost
 *                                                                 no:  for how long nobody could write, and since when what was
 *                                                                      acknowledged may be at the lost region alone
 *
 * Invariant: what is said is a bound: nobody could write for that long at most, and nothing older than that is missing. What is missing is so
 * until the region is back.
 */

/** What was heard of a region last: when, and how far each other region was behind it. */
export interface LastHeard {
  readonly heardMs: number;
  readonly behindMs: Readonly<Record<string, number | null>>;
}

export interface Succession {
  readonly prefix: string;
  readonly from: string;
  readonly to: string;
  readonly atMs: number;
  /** For how long nobody could write, at most; 0 when the keys were given over. */
  readonly restedMs: number;
  /** What the region before acknowledged after this may be there alone; null: nothing is. */
  readonly missingSinceMs: number | null;
}

/** Who was heard so lately has given the keys over itself. */
const HEARD_MS = 6_000;
const KEPT_MAX = 100;

export class Successions {
  readonly #owners = new Map<string, string>();
  readonly #heard = new Map<string, LastHeard>();
  #all: readonly Succession[] = [];

  /** The last ones, the newest last. */
  get all(): readonly Succession[] {
    return this.#all;
  }

  /** The region that writes the keys of a prefix; null while that is not known. */
  ownerOf(prefix: string): string | null {
    return this.#owners.get(prefix) ?? null;
  }

  /** Remembers what is heard of a region: it may be the last. */
  heard(region: string, last: LastHeard): void {
    this.#heard.set(region, last);
  }

  /** Returns who has taken over since the last look. */
  look(owners: ReadonlyMap<string, string>, nowMs: number): Succession[] {
    const found: Succession[] = [];
    for (const [prefix, to] of owners) {
      const from = this.#owners.get(prefix);
      this.#owners.set(prefix, to);
      if (from !== undefined && from !== to) found.push(this.#judge(prefix, from, to, nowMs));
    }
    for (const prefix of this.#owners.keys()) if (!owners.has(prefix)) this.#owners.delete(prefix);
    if (found.length > 0) this.#all = [...this.#all, ...found].slice(-KEPT_MAX);
    return found;
  }

  #judge(prefix: string, from: string, to: string, atMs: number): Succession {
    const last = this.#heard.get(from);
    if (last !== undefined && atMs - last.heardMs <= HEARD_MS)
      return { prefix, from, to, atMs, restedMs: 0, missingSinceMs: null };
    const heardMs = last?.heardMs ?? 0;
    return {
      prefix,
      from,
      to,
      atMs,
      restedMs: atMs - heardMs,
      missingSinceMs: Math.max(0, heardMs - (last?.behindMs[to] ?? heardMs)),
    };
  }
}

export function successionText(one: Succession): string {
  const { prefix, from, to, atMs, restedMs, missingSinceMs } = one;
  const keys = prefix === "" ? "all keys are" : `${prefix} is`;
  if (missingSinceMs === null)
    return `${keys} written in ${to}: ${from} gave it over, and nothing is lost`;
  const what =
    missingSinceMs === 0
      ? `whatever ${from} had not shipped`
      : `what ${from} acknowledged in the ${secondsOf(atMs - missingSinceMs)} before`;
  return `${keys} written in ${to} in place of ${from}: nobody could write for ${secondsOf(restedMs)} at most; ${what} may be missing until it is back`;
}

function secondsOf(ms: number): string {
  return `${Math.ceil(ms / 1000)} s`;
}
