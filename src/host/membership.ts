/**
 * Membership: who belongs to the cluster, as one node tells it.
 *
 * Invariant: `awaits` names whoever has to speak before the next step: so an operator knows what stands in the way.
 */
import type { Replica } from "../core/replica/replica.ts";

export interface Membership {
  readonly members: string[];
  readonly removed: readonly {
    readonly member: string;
    /** Closing: not all have said what they have of it. Sealed: its end is known. Retired: this node waits for it no longer. */
    readonly state: "closing" | "sealed" | "retired";
    readonly awaits: string[];
  }[];
  /** Members that have not stored yet who was added and removed. */
  readonly awaits: string[];
}

export function membershipOf({ roster }: Replica): Membership {
  const waiting = roster.waiting();
  return {
    members: roster.remaining.toSorted(),
    removed: roster.removed.map((member) => {
      const awaits = waiting.find((one) => one.member === member)?.awaits;
      if (awaits === undefined) return { member, state: "retired", awaits: [] };
      return { member, state: roster.isSealed(member) ? "sealed" : "closing", awaits };
    }),
    awaits: roster.isPlain ? [] : roster.unstated(),
  };
}
