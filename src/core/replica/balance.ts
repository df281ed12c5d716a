/**
 * Balance: who should hand how many rights of a bounded counter to whom, so that each holds them as it uses them.
 *
 * Invariant: a holder gives of what it has beyond its own share only, and two who decide by the same figures never fill one gap twice:
 * each fills as much of it as its surplus is of all surplus.
 */

export interface Holder {
  readonly rights: number;
  /** What it uses, in units a second. */
  readonly rate: number;
}

/** Who uses nothing is counted as one who uses this part of the average: demand comes without notice. */
const IDLE_PART = 0.1;
/** Gaps smaller than this part of a share are left: demand is never quite even. */
const GAP_PART = 0.25;

/** What holder `me` gives to each of all, in their order. */
export function giftsOf(holders: readonly Holder[], me: number): number[] {
  const total = holders.reduce((sum, { rights }) => sum + rights, 0);
  const average = holders.reduce((sum, { rate }) => sum + rate, 0) / holders.length;
  const weights = holders.map(({ rate }) => (average === 0 ? 1 : rate + IDLE_PART * average));
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  const shares = weights.map((weight) => (total * weight) / all);
  const surplus = holders.map(({ rights }, i) => Math.max(0, rights - (shares[i] as number)));
  const allSurplus = surplus.reduce((sum, one) => sum + one, 0);
  const part = allSurplus === 0 ? 0 : (surplus[me] as number) / allSurplus;
  return holders.map(({ rights }, i) => {
    const share = shares[i] as number;
    const gap = share - rights;
    return gap < Math.max(1, GAP_PART * share) ? 0 : Math.floor(gap * part);
  });
}
