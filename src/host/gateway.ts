/**
 * Gateway: one Redis port for all regions: the sessions of its clients, and what a session that moves must be shown.
 *
 *     GatewayRegions ─► order of regions for a client ─► GatewaySession … GatewaySession
 *     heartbeats, 50 ms after a write ─► tokens ─► what each region had done by when
 *
 * Invariant: a session is at one region at a time, or between two.
 */
import { GatewayPulse } from "./gateway-pulse.ts";
import { GatewayRegions, type Route } from "./gateway-regions.ts";
import { GatewaySession } from "./gateway-session.ts";
import type { GatewayFigures } from "./traffic-figures.ts";
import type { NodeLog } from "./node-world.ts";
import type { Dial, GatewayInput, GatewayOutput } from "./ports/gateway.ts";

export interface GatewayWorld {
  /** Where each region takes Redis clients. */
  readonly regions: readonly { readonly name: string; readonly url: string }[];
  readonly route: Route;
  readonly dial: Dial;
  /** With which the gateway itself asks regions; "" for none. */
  readonly user: string;
  readonly password: string;
  readonly monoMs: () => number;
  /** From 0 to below 1. */
  readonly chance: () => number;
  readonly log: NodeLog;
}

/** How often `tick` wants to be called. */
export const GATEWAY_TICK_MS = 50;
/** How often clients are looked through for those who would be better off elsewhere, and how many of them go at a time. */
const REVIEW_MS = 500;
const MOVES_SHARE = 0.1;
const MOVES_MIN = 10;

/** What the gateway has done since it began. */
export interface GatewayCounts {
  clients: number;
  commands: number;
  retries: number;
  moves: number;
  /** Commands that may have been done or not, and were answered so. */
  unknown: number;
  /** Commands that were answered as not done, since no region answers. */
  unserved: number;
  /** Sessions that went on at a region which did not have in time what they had written. */
  unseen: number;
}

export class Gateway {
  readonly #world: GatewayWorld;
  readonly #urls: ReadonlyMap<string, string>;
  readonly #regions: GatewayRegions<GatewayPulse>;
  readonly #sessions = new Set<GatewaySession>();
  readonly counts: GatewayCounts = {
    clients: 0,
    commands: 0,
    retries: 0,
    moves: 0,
    unknown: 0,
    unserved: 0,
    unseen: 0,
  };
  #reviewAtMs = 0;

  constructor(world: GatewayWorld) {
    this.#world = world;
    const { user, password, dial, regions, route, monoMs, log } = world;
    const urls = new Map(regions.map(({ name, url }) => [name, url]));
    this.#urls = urls;
    this.#regions = new GatewayRegions({
      names: [...urls.keys()],
      route,
      newPulse: (name, onLost) =>
        new GatewayPulse({
          dial: (events) => dial(urls.get(name) as string, events),
          user,
          password,
          onLost,
          monoMs,
        }),
      onLost: (name) => this.#lost(name),
      monoMs,
      log,
    });
  }

  get nowMs(): number {
    return this.#regions.nowMs;
  }

  /** A client has come. */
  open(output: GatewayOutput): GatewayInput {
    const session = new GatewaySession(this, output, this.#world.chance());
    this.#sessions.add(session);
    this.counts.clients++;
    return session;
  }

  /** A client is gone. */
  forget(session: GatewaySession): void {
    if (this.#sessions.delete(session)) this.counts.clients--;
  }

  /** Lets time pass; see `GATEWAY_TICK_MS`. */
  tick(): void {
    this.#regions.tick();
    for (const session of this.#sessions) session.tick();
    if (this.nowMs < this.#reviewAtMs) return;
    this.#reviewAtMs = this.nowMs + REVIEW_MS;
    this.#review();
  }

  /** Sends on who would be better off elsewhere. */
  #review(): void {
    const isBetterOff = this.#regions.review();
    let left = Math.max(MOVES_MIN, this.#sessions.size * MOVES_SHARE);
    for (const session of this.#sessions) {
      const { region } = session;
      if (region === null || left <= 0 || !isBetterOff(region, session.draw)) continue;
      left--;
      session.leave();
    }
  }

  /** The regions for a client that is about to open a connection, in the order in which they are tried. */
  order(draw: number): string[] {
    return this.#regions.order(draw);
  }

  dial(region: string, events: Parameters<Dial>[1]): ReturnType<Dial> {
    return this.#world.dial(this.#urls.get(region) as string, events);
  }

  /** So many commands of clients have come. */
  asked(count: number): void {
    this.counts.commands += count;
    this.#regions.asked(count);
  }

  succeeded(region: string, count: number): void {
    this.#regions.succeeded(region, count);
  }

  /** A connection to a region could not be opened, or was lost. */
  failed(region: string): void {
    this.#regions.failed(region);
  }

  /** Something was written there, so what has been done there is asked for soon. */
  wrote(region: string): void {
    this.#regions.pulseOf(region)?.wrote();
  }

  /** Whether a command may be made again. */
  mayRetry(): boolean {
    if (!this.#regions.mayRetry()) return false;
    this.counts.retries++;
    return true;
  }

  /** A token of what a region had done at some time after `sinceMs`; `covers` is false when none is that new. */
  tokenOf(region: string, sinceMs: number): { token: string | null; covers: boolean } {
    return this.#regions.pulseOf(region)?.tokenSince(sinceMs) ?? { token: null, covers: false };
  }

  /** What is known, for operators. */
  status(): NonNullable<GatewayFigures["redis"]> {
    const served = new Map<string, number>();
    for (const { region } of this.#sessions)
      if (region !== null) served.set(region, (served.get(region) ?? 0) + 1);
    return {
      ...this.counts,
      regions: this.#regions.status((name) => served.get(name) ?? 0),
    };
  }

  [Symbol.dispose](): void {
    this.#regions[Symbol.dispose]();
    for (const session of this.#sessions) session.end();
  }

  /** A region does not answer: nobody waits for it any longer. */
  #lost(name: string): void {
    for (const session of this.#sessions) if (session.region === name) session.lost();
  }
}
