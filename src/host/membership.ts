/**
 * Membership: who belongs to the cluster, as one node tells it.
 *
 * Invariant: `awaits` names whoever has to speak before the next step: so an operator knows what stands in the way.
 */
import { originName } from "../core/clock/origins.ts";
import type { Replica } from "../core/replica/replica.ts";
import type { Roster } from "../core/replica/roster.ts";

export interface Membership {
  readonly members: string[];
  readonly removed: readonly {
    readonly member: string;
    /** Closing: not all have said what they have of it. Sealed: its end is known. Retired: this node waits for it no longer. */
    readonly state: "closing" | "sealed" | "retired";
    readonly awaits: string[];
    /** Origin → the last of its records that counts, once that is known. */
    readonly ends: Record<string, number>;
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
      const ends = endsOf(roster, member);
      if (awaits === undefined) return { member, state: "retired", awaits: [], ends };
      return { member, state: roster.isSealed(member) ? "sealed" : "closing", awaits, ends };
    }),
    awaits: roster.isPlain ? [] : roster.unstated(),
  };
}

function endsOf(roster: Roster, member: string): Record<string, number> {
  const ends = [...(roster.endsOf(member) ?? [])];
  return Object.fromEntries(
    ends.map(([incarnation, seq]) => [originName({ member, incarnation }), seq]),
  );
}
