/**
 * Canary: how long it takes until what is written in another region can be read here.
 *
 *     there: SET canary:us <its time>  ─► replication ─►  here: MGET canary:us canary:eu … ─► a new mark ─► our time − its time
 *
 * Invariant: what is measured went the way of a client's write, from being executed there to being read here. A mark that does not come
 * makes the figure grow, so that a way that is blocked is no way that was fast once.
 */
interface Mark {
  /** By the clock of who wrote it. */
  writtenMs: number;
  readMs: number;
  tookMs: number | null;
}

export class Canary {
  readonly #everyMs: number;
  readonly #marks = new Map<string, Mark>();

  /** A mark is written every so many milliseconds. */
  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** This mark of a region is read here now. `aheadMs` is its clock minus ours; null while that is not known. */
  read(region: string, writtenMs: number, aheadMs: number | null, nowMs: number): void {
    const before = this.#marks.get(region);
    if (before !== undefined && writtenMs <= before.writtenMs) return;
    // What lay there when we began may have come long ago.
    const tookMs =
      before === undefined || aheadMs === null
        ? null
        : Math.max(0, Math.round(nowMs - (writtenMs - aheadMs)));
    this.#marks.set(region, { writtenMs, readMs: nowMs, tookMs });
  }

  /** How long it takes now, in milliseconds; null while that is not known. */
  tookMs(region: string, nowMs: number): number | null {
    const mark = this.#marks.get(region);
    if (mark?.tookMs == null) return null;
    const silentMs = nowMs - mark.readMs - 2 * this.#everyMs;
    return mark.tookMs + Math.max(0, silentMs);
  }
}
