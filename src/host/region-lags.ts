/** RegionLags: how far each other region is behind this replica's own records. */
import type { Replica } from "../core/replica/replica.ts";

/**
 * Region → milliseconds, of the member of it that is linked to us and has most; null where none is linked. `members` are all, as
 * `region/replica`.
 */
export function regionLagsMs(
  { exchange }: Replica,
  members: readonly string[],
  region: string,
): Map<string, number | null> {
  const lags = new Map<string, number | null>();
  const linked = new Set([...exchange.links.values()].map(({ member }) => member));
  for (const member of members) {
    const other = member.slice(0, member.indexOf("/"));
    if (other === region) continue;
    const lag = linked.has(member) ? exchange.lagOf(member) : null;
    // 0 says that nothing is missing, and nothing else does.
    const lagMs = lag === null ? null : lag.records === 0 ? 0 : Math.max(1, lag.ms);
    const best = lags.get(other) ?? null;
    lags.set(other, lagMs === null ? best : best === null ? lagMs : Math.min(best, lagMs));
  }
  return lags;
}
