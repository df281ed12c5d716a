/**
 * Fences: nobody writes keys under what was decided about their writers before, once somebody has written under what was decided later:
 * I-44; nor does anybody say then that it has, where owners have leases. So there is never a second owner, whoever cannot hear whom, and who writes keys changes while nobody does.
 *
 * Invariant: it goes by the true order in which things were done, which nobody in the cluster knows.
 */
import type { Replica } from "../../src/core/replica/replica.ts";
import type { Args } from "../../src/core/wire/args.ts";

/** A home that is found another one by itself. */
export const FENCED_KEYSPACE = {
  prefix: "hf:",
  conflict: "lww",
  writes: "home",
  home: "us-east",
  failover: "auto",
} as const;
/** Operations on it, and on keys of which it changes who writes them. */
export const FENCED_KINDS: ReadonlySet<string> = new Set([
  "fpush",
  "fmove",
  "fforce",
  "xpush",
  "xset",
]);

export class Fences {
  /** By prefix: the newest decision under which something was written, and who wrote it. */
  readonly #newest = new Map<string, { readonly fence: number; readonly member: string }>();
  /** What was written: by whom, as its how manieth record, and under which decision. */
  readonly #made = new Map<string, { readonly prefix: string; readonly fence: number }>();
  /** By prefix and incarnation: what it wrote last. */
  readonly #last = new Map<string, Map<string, { readonly fence: number; readonly seq: number }>>();
  /** Decisions under which somebody wrote that were not the first. */
  later = 0;

  /** A member has written. What is wrong with that; null when nothing is. `isKept` says whether a record is on some disk. */
  wrote(
    { keyspace, member, origins, applied, me }: Replica,
    args: Args,
    isKept: (incarnation: string, seq: number) => boolean,
  ): string | null {
    if (args.count < 2 || !args.is(0, "RPUSH")) return null;
    const key = args.copy(1);
    const prefix = key.latin1Slice(0, 3);
    if (prefix !== "hf:" && prefix !== "hx:") return null;
    const { fence = 0, forced = false } = keyspace.policies.find(key, 0, key.length) ?? {};
    const newest = this.#newest.get(prefix);
    if (newest !== undefined && fence < newest.fence)
      return `it writes ${key.latin1Slice()} by what was decided in epoch ${fence}, and ${newest.member} has written by epoch ${newest.fence}`;
    if (newest !== undefined && fence > newest.fence) this.later++;
    this.#newest.set(prefix, { fence, member });
    const last = this.#last.get(prefix) ?? new Map<string, { fence: number; seq: number }>();
    this.#last.set(prefix, last);
    for (const [incarnation, before] of last) {
      // Of an owner that could not be asked what it had not shipped comes back later.
      if (before.fence >= fence || forced || !isKept(incarnation, before.seq)) continue;
      const number = origins.find(incarnation);
      if (number < 0 || !applied.covers(number, before.seq))
        return `it writes ${key.latin1Slice()} by epoch ${fence} without what was written by epoch ${before.fence}`;
    }
    last.set(origins.get(me).incarnation, { fence, seq: applied.get(me) });
    if (prefix === FENCED_KEYSPACE.prefix)
      this.#made.set(`${origins.get(me).incarnation} ${applied.get(me)}`, { prefix, fence });
    return null;
  }

  /** A client is told that it was written. What is wrong with that; null when nothing is. */
  confirmed(incarnation: string, seq: number): string | null {
    const made = this.#made.get(`${incarnation} ${seq}`);
    const newest = made === undefined ? undefined : this.#newest.get(made.prefix);
    if (made === undefined || newest === undefined || made.fence >= newest.fence) return null;
    return `it says that it has written what it did by epoch ${made.fence}, and ${newest.member} has written by epoch ${newest.fence}`;
  }
}
