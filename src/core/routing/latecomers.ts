/**
 * Latecomers: who still comes to a region that is drained, and which resolvers still lead there.
 *
 *     drained ─► every second: clients at work here ─► by address and name: connections, the last command
 *     DNS: each answer ─► by resolver: the regions it was told last, and until when that may be kept
 *
 * Invariant: both are bounded, whoever comes: the oldest is forgotten first, and how many were is said. A resolver that has asked again since
 * is told another region, and so is none of those that still lead there.
 */

/** A client as it is seen now. */
export interface Guest {
  readonly id: number;
  /** Without its port. */
  readonly address: string;
  readonly name: string;
  readonly lastMs: number;
}

export interface Latecomer {
  readonly address: string;
  readonly name: string;
  /** Connections that were at work since the drain began. */
  readonly connections: number;
  /** Of those, how many were there when it was last looked. */
  readonly open: number;
  readonly lastMs: number;
}

interface Seen {
  address: string;
  name: string;
  connections: number;
  open: number;
  lastMs: number;
  idMax: number;
}

const SEEN_MAX = 1_000;
const RESOLVERS_MAX = 10_000;

export class Latecomers {
  #sinceMs: number | null = null;
  readonly #seen = new Map<string, Seen>();
  forgotten = 0;

  /** Since when the region is drained; null while it is not. */
  get sinceMs(): number | null {
    return this.#sinceMs;
  }

  /** The region is drained, and these are its clients; or it is not drained. Ids of connections grow. */
  look(guests: Iterable<Guest> | null, nowMs: number): void {
    if (guests === null) {
      this.#sinceMs = null;
      this.#seen.clear();
      this.forgotten = 0;
      return;
    }
    const sinceMs = (this.#sinceMs ??= nowMs);
    for (const seen of this.#seen.values()) seen.open = 0;
    const marks = new Map<Seen, number>();
    for (const { id, address, name, lastMs } of guests) {
      if (lastMs < sinceMs) continue;
      const seen = this.#of(address, name);
      seen.open++;
      seen.lastMs = Math.max(seen.lastMs, lastMs);
      if (id <= seen.idMax) continue;
      seen.connections++;
      marks.set(seen, Math.max(id, marks.get(seen) ?? 0));
    }
    for (const [seen, idMax] of marks) seen.idMax = idMax;
  }

  /** The last to have come first. */
  get list(): Latecomer[] {
    return [...this.#seen.values()]
      .map(({ address, name, connections, open, lastMs }) => ({
        address,
        name,
        connections: Math.max(connections, open),
        open,
        lastMs,
      }))
      .toSorted((a, b) => b.lastMs - a.lastMs);
  }

  #of(address: string, name: string): Seen {
    const key = `${address} ${name}`;
    let seen = this.#seen.get(key);
    if (seen === undefined) {
      if (this.#seen.size >= SEEN_MAX) {
        this.#seen.delete(this.#seen.keys().next().value as string);
        this.forgotten++;
      }
      seen = { address, name, connections: 0, open: 0, lastMs: 0, idMax: 0 };
      this.#seen.set(key, seen);
    }
    return seen;
  }
}

/** A resolver and what it was told last. */
export interface Led {
  readonly address: Buffer;
  readonly answers: number;
  readonly toldMs: number;
  /** Until when it may keep that. */
  readonly untilMs: number;
}

export class Resolvers {
  readonly #led = new Map<
    string,
    { regions: readonly string[]; answers: number; toldMs: number; untilMs: number }
  >();

  told(address: Buffer, regions: readonly string[], nowMs: number, ttl: number): void {
    const key = address.latin1Slice();
    const led = this.#led.get(key);
    const untilMs = nowMs + ttl * 1000;
    if (led !== undefined) {
      led.regions = regions;
      led.answers++;
      led.toldMs = nowMs;
      led.untilMs = untilMs;
      return;
    }
    if (this.#led.size >= RESOLVERS_MAX) this.#led.delete(this.#led.keys().next().value as string);
    this.#led.set(key, { regions, answers: 1, toldMs: nowMs, untilMs });
  }

  /** Those that were told a region and have not asked since, the last to be told first. */
  leadingTo(region: string): Led[] {
    return [...this.#led]
      .filter(([, { regions }]) => regions.includes(region))
      .map(([key, { answers, toldMs, untilMs }]) => ({
        address: Buffer.from(key, "latin1"),
        answers,
        toldMs,
        untilMs,
      }))
      .toSorted((a, b) => b.toldMs - a.toldMs);
  }
}
