/**
 * Policy: which of a register's concurrent siblings a reader sees. A lens: it never changes what is stored, so a policy may
 * change at any time.
 *
 * Invariant: the winner is a function of the siblings alone, so replicas with the same siblings and policy show the same value.
 */
import type { Origins } from "../clock/origins.ts";
import type { Sibling } from "./cell.ts";

export type Policy = "lww" | "fww" | "max" | "min";

/** Whether `a` is shown rather than `b`. */
export function wins(policy: Policy, origins: Origins, a: Sibling, b: Sibling): boolean {
  if (policy === "max" || policy === "min") {
    const order = Buffer.compare(a.value, b.value) || a.value.length - b.value.length;
    const numbers = [Number(a.value.latin1Slice()), Number(b.value.latin1Slice())] as const;
    const numeric =
      a.value.length > 0 &&
      b.value.length > 0 &&
      numbers.every(Number.isFinite) &&
      numbers[0] !== numbers[1]
        ? numbers[0] - numbers[1]
        : order;
    if (numeric !== 0) return policy === "max" ? numeric > 0 : numeric < 0;
  }
  const later = origins.after(a.ms, a.tick, a.origin, b.ms, b.tick, b.origin);
  return policy === "fww" ? !later : later;
}

/** The policy of each keyspace: the longest matching prefix decides. */
export class Policies {
  readonly #prefixes: { prefix: Buffer; conflict: Policy }[];

  constructor(keyspaces: readonly { prefix: string; conflict: Policy }[] = []) {
    this.#prefixes = keyspaces
      .map(({ prefix, conflict }) => ({ prefix: Buffer.from(prefix), conflict }))
      .toSorted((a, b) => b.prefix.length - a.prefix.length);
  }

  of(bytes: Uint8Array, start: number, end: number): Policy {
    for (const { prefix, conflict } of this.#prefixes) {
      if (prefix.length > end - start) continue;
      let i = 0;
      while (i < prefix.length && prefix[i] === bytes[start + i]) i++;
      if (i === prefix.length) return conflict;
    }
    return "lww";
  }
}
