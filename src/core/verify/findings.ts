/**
 * Findings: what a comparison has found of each key that is not the same everywhere, and which of its states is the right one.
 *
 * Invariant: a replica's own state gives way to another only if that is what most of all members hold, or half of them when it holds
 * nothing itself: a replica that lost something gets it back, one that holds what others have lost keeps it, and a damaged one never
 * replaces what others agree about.
 */

/** Stands for a key that is not there. */
export const ABSENT = "";

export interface Finding {
  /** Where it lies; or, while only another replica knows it, may lie. Among all slots. */
  readonly slots: readonly number[];
  /** Null while only another replica knows it. */
  db: number | null;
  key: Buffer | null;
  /** Digest of our own state. */
  own: string;
  /** Member → digest of its state. A compared member that is not named here holds what we hold. */
  readonly theirs: Map<string, string>;
  /** What became of it here. */
  healed: boolean;
}

/** What each member holds that was compared, `me` ourselves. */
export function statesOf(
  { own, theirs }: Pick<Finding, "own" | "theirs">,
  me: string,
  compared: readonly string[],
): Map<string, string> {
  const states = new Map([[me, own]]);
  for (const member of compared) states.set(member, theirs.get(member) ?? own);
  return states;
}

/** The state that every member should hold, and who holds it, by what members hold, of `members` in all; null: it cannot be decided. */
export function rightOf(
  states: ReadonlyMap<string, string>,
  members: number,
): { digest: string; holders: readonly string[] } | null {
  const votes = new Map<string, string[]>();
  for (const [member, digest] of states) {
    const holders = votes.get(digest);
    if (holders === undefined) votes.set(digest, [member]);
    else holders.push(member);
  }
  for (const [digest, holders] of votes)
    if (holders.length * 2 > members) return { digest, holders };
  // Two halves, of which one holds it and the other does not: what is there was once written, and a removal would be known.
  if (votes.size !== 2 || states.size < members || !votes.has(ABSENT)) return null;
  for (const [digest, holders] of votes)
    if (digest !== ABSENT && holders.length * 2 === members) return { digest, holders };
  return null;
}
