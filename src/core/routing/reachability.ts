/**
 * Reachability: who sees whom, and what kind of trouble that is.
 *
 * Invariant: each kind rests on what both sides say, where both can be heard: a region that says itself that it sees nobody is cut
 * off; one that says nothing is down.
 */
import type { Ballot } from "./ballot.ts";

export type Trouble =
  /** Nobody sees it, and it is not heard. */
  | { readonly kind: "region-down"; readonly region: string }
  /** It is heard, and neither sees nor is seen. */
  | { readonly kind: "isolated"; readonly region: string }
  /** Two that do not see each other, while others see both. */
  | { readonly kind: "link-down"; readonly between: readonly [string, string] }
  /** One does not see another that sees it. */
  | { readonly kind: "asymmetric"; readonly from: string; readonly to: string }
  /** We hear nobody ourselves. */
  | { readonly kind: "observer-isolated"; readonly region: string }
  | {
      readonly kind: "degraded";
      readonly region: string;
      readonly seenFrom: readonly string[];
      /** What it writes can be read there only after so long; null: probes fail. */
      readonly tookMs: number | null;
    };

/**
 * What is wrong between `regions`, as `me` can tell from ballots that are fresh; its own is among them. Writes that can be read elsewhere only after
 * `tookMsMax` are trouble.
 */
export function troubles(
  regions: readonly string[],
  me: string,
  ballots: readonly Ballot[],
  tookMsMax: number,
): Trouble[] {
  const sight = (from: string, to: string): "up" | "down" | "unknown" =>
    ballots.find(({ vantage }) => vantage === from)?.votes.find(({ target }) => target === to)
      ?.sight ?? "unknown";
  const heard = (region: string): boolean => ballots.some(({ vantage }) => vantage === region);
  const others = regions.filter((region) => region !== me);
  const lost = others.filter((region) => sight(me, region) === "down");
  if (others.length > 0 && lost.length === others.length && !others.some(heard))
    return [{ kind: "observer-isolated", region: me }];
  const found: Trouble[] = [];
  const gone = new Set<string>();
  for (const region of regions) {
    const views = regions
      .filter((other) => other !== region)
      .map((other) => sight(other, region))
      .filter((view) => view !== "unknown");
    if (views.length === 0 || views.some((view) => view === "up")) continue;
    const own = regions.filter((other) => other !== region).map((other) => sight(region, other));
    if (!heard(region)) found.push({ kind: "region-down", region });
    else if (own.some((view) => view === "up")) continue;
    else found.push({ kind: "isolated", region });
    gone.add(region);
  }
  for (const [i, a] of regions.entries())
    for (const b of regions.slice(i + 1)) {
      if (gone.has(a) || gone.has(b)) continue;
      const [there, back] = [sight(a, b), sight(b, a)];
      if (there === "down" && back === "up") found.push({ kind: "asymmetric", from: a, to: b });
      else if (back === "down" && there === "up")
        found.push({ kind: "asymmetric", from: b, to: a });
      else if (there === "down" || back === "down")
        found.push({ kind: "link-down", between: [a, b] });
    }
  for (const region of regions) {
    const seenFrom = ballots
      .filter(({ votes }) =>
        votes.some(({ target, isDoubtful }) => target === region && isDoubtful),
      )
      .map(({ vantage }) => vantage);
    if (seenFrom.length > 0) found.push({ kind: "degraded", region, seenFrom, tookMs: null });
    // Who is not seen at all is no news.
    const late = ballots.filter(
      ({ vantage, votes }) =>
        sight(vantage, region) === "up" && tookOf(votes, region) > tookMsMax && !gone.has(vantage),
    );
    const tookMs = Math.max(0, ...late.map(({ votes }) => tookOf(votes, region)));
    if (late.length > 0)
      found.push({
        kind: "degraded",
        region,
        seenFrom: late.map(({ vantage }) => vantage),
        tookMs,
      });
  }
  return found;
}

function tookOf(votes: Ballot["votes"], region: string): number {
  return votes.find(({ target }) => target === region)?.tookMs ?? 0;
}

/** In words. */
export function troubleText(trouble: Trouble): string {
  switch (trouble.kind) {
    case "region-down":
      return `${trouble.region} is down: nobody sees it, and it is not heard`;
    case "isolated":
      return `${trouble.region} is isolated: it neither sees nor is seen`;
    case "link-down":
      return `the link between ${trouble.between.join(" and ")} is down`;
    case "asymmetric":
      return `${trouble.from} does not see ${trouble.to}, which sees it`;
    case "observer-isolated":
      return `${trouble.region} itself is cut off: it hears nobody, and keeps what it knew`;
    case "degraded":
      return trouble.tookMs === null
        ? `${trouble.region} fails some probes from ${trouble.seenFrom.join(", ")}`
        : `what is written in ${trouble.region} can be read in ${trouble.seenFrom.join(", ")} only after ${trouble.tookMs} ms`;
  }
}
