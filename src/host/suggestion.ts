/** Suggestion: what somebody probably meant. */

/** `; did you mean "…"?` for the nearest of `known`, or nothing when none is within `editsMax` edits (a third of the word). */
export function didYouMean(
  word: string,
  known: readonly string[],
  editsMax: number = Math.max(1, Math.floor(word.length / 3)),
): string {
  let best: string | null = null;
  let least = editsMax + 1;
  for (const candidate of known) {
    const edits = distance(word.toLowerCase(), candidate.toLowerCase());
    if (edits < least) {
      least = edits;
      best = candidate;
    }
  }
  return best === null ? "" : `; did you mean "${best}"?`;
}

/** How many letters must be put in, taken out, changed or swapped with their neighbour to make `b` of `a`. */
function distance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let edits = Math.min((row[j - 1] ?? 0) + 1, (last[j] ?? 0) + 1, (last[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        edits = Math.min(edits, (beforeLast[j - 2] ?? 0) + 1);
      row.push(edits);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
