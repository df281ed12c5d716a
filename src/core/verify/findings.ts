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

/** What is to be done here about a finding. */
export type Verdict =
  | { readonly type: "keep" }
  | { readonly type: "adopt"; readonly digest: string; readonly from: string }
  /** Nobody has a majority, or too few were heard. */
  | { readonly type: "undecided" };

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

/** Judges for `me` what members hold, by their names, of `members` in all. */
export function judge(states: ReadonlyMap<string, string>, me: string, members: number): Verdict {
  const own = states.get(me) ?? ABSENT;
  const votes = new Map<string, string[]>();
  for (const [member, digest] of states) {
    const holders = votes.get(digest);
    if (holders === undefined) votes.set(digest, [member]);
    else holders.push(member);
  }
  const follow = (digest: string, holders: readonly string[]): Verdict =>
    digest === own ? { type: "keep" } : { type: "adopt", digest, from: holders[0] as string };
  for (const [digest, holders] of votes)
    if (holders.length * 2 > members) return follow(digest, holders);
  // Two halves, of which one holds it and the other does not: what is there was once written, and a removal would be known.
  if (votes.size !== 2 || states.size < members) return { type: "undecided" };
  for (const [digest, holders] of votes)
    if (digest !== ABSENT && votes.has(ABSENT) && holders.length * 2 === members)
      return follow(digest, holders);
  return { type: "undecided" };
}
