/**
 * HttpGateway: where each HTTP request goes, and what becomes of it when it was not answered there.
 *
 *     request ─► first region of its order ─► answered
 *                     │ not sent                    └ 502, 503, 504: as not answered
 *                     ├──────────► the next one, all of them in turn
 *                     │ sent, not answered
 *                     ├──────────► the next one, once, within the budget, if it may be made twice
 *                     └──────────► the client is told that it may have run or not
 *
 * Invariant: a request that may not be made twice is sent once. What may is sent to two regions at most. Who waits at a region that is lost waits
 * no longer.
 */
import { fnv } from "../core/replica/conflict.ts";
import { GatewayRegions, type Pulse, type Route } from "./gateway-regions.ts";
import type { GatewayFigures } from "./traffic-figures.ts";
import type { NodeLog } from "./node-world.ts";

export interface HttpGatewayWorld {
  readonly regions: readonly string[];
  readonly route: Route;
  readonly newPulse: (region: string, onLost: (why: string) => void) => Pulse;
  readonly monoMs: () => number;
  readonly log: NodeLog;
}

/** What the gateway has done since it began. */
export interface HttpGatewayCounts {
  requests: number;
  retries: number;
  /** That may have run or not, and were answered so. */
  unknown: number;
  /** For which there was no region. */
  unserved: number;
  /** Connections of WebSockets, now. */
  tunnels: number;
}

/** What a client is told who is not answered by a region. */
export type Verdict = "again" | "unserved" | "unknown";

/** How long a WebSocket may go on at a region that is no longer named. */
const TUNNEL_GRACE_MS = 30_000;

export class HttpGateway {
  readonly #regions: GatewayRegions<Pulse>;
  readonly #errands = new Set<Errand>();
  readonly counts: HttpGatewayCounts = {
    requests: 0,
    retries: 0,
    unknown: 0,
    unserved: 0,
    tunnels: 0,
  };

  constructor(world: HttpGatewayWorld) {
    const { regions, route, newPulse, monoMs, log } = world;
    this.#regions = new GatewayRegions({
      names: regions,
      route,
      newPulse,
      onLost: (region) => this.#lost(region),
      monoMs,
      log,
    });
  }

  /** Lets time pass; see `GATEWAY_TICK_MS`. */
  tick(): void {
    this.#regions.tick();
    const { nowMs } = this.#regions;
    for (const errand of this.#errands) {
      if (!errand.isTunnel || errand.region === null) continue;
      if (this.#regions.isNamed(errand.region)) errand.unnamedSinceMs = null;
      else if ((errand.unnamedSinceMs ??= nowMs) + TUNNEL_GRACE_MS <= nowMs) errand.abandon();
    }
  }

  /**
   * A request has come. `who` is the same for requests that shall go to the same region where regions are drawn: an address, a cookie.
   * `mayRepeat` says that it may be made twice.
   */
  begin(who: string, mayRepeat: boolean): Errand {
    this.counts.requests++;
    this.#regions.asked(1);
    const draw = fnv(Buffer.from(who, "latin1")) / 2 ** 32;
    const errand = new Errand(this, this.#regions, this.#regions.order(draw), mayRepeat);
    this.#errands.add(errand);
    return errand;
  }

  forget(errand: Errand): void {
    this.#errands.delete(errand);
  }

  /** What is known, for operators. */
  status(): NonNullable<GatewayFigures["http"]> {
    const served = new Map<string, number>();
    for (const { region } of this.#errands)
      if (region !== null) served.set(region, (served.get(region) ?? 0) + 1);
    return { ...this.counts, regions: this.#regions.status((name) => served.get(name) ?? 0) };
  }

  [Symbol.dispose](): void {
    this.#regions[Symbol.dispose]();
    for (const errand of this.#errands) errand.abandon();
  }

  #lost(region: string): void {
    for (const errand of this.#errands) if (errand.region === region) errand.abandon();
  }
}

/** One request on its way. */
export class Errand {
  readonly #gateway: HttpGateway;
  readonly #regions: GatewayRegions<Pulse>;
  readonly #order: readonly string[];
  readonly mayRepeat: boolean;
  #at = 0;
  #sent = 0;
  /** Since when the region of a tunnel is not named any more. */
  unnamedSinceMs: number | null = null;
  isTunnel = false;
  /** Told when it is no use to wait for the region any longer: the request to it is to be ended, as one that was not answered. */
  abandon: () => void = () => {};

  constructor(
    gateway: HttpGateway,
    regions: GatewayRegions<Pulse>,
    order: readonly string[],
    mayRepeat: boolean,
  ) {
    this.#gateway = gateway;
    this.#regions = regions;
    this.#order = order;
    this.mayRepeat = mayRepeat;
  }

  /** Where it goes now; null when nobody is left. */
  get region(): string | null {
    return this.#order[this.#at] ?? null;
  }

  /** Whether it could still be made elsewhere, were it not answered here. */
  get hasOther(): boolean {
    return this.mayRepeat && this.#sent === 0 && this.#at + 1 < this.#order.length;
  }

  /** The region has answered it. */
  answered(): void {
    if (this.region !== null) this.#regions.succeeded(this.region, 1);
  }

  /** It has been turned into a connection of its own. */
  opened(): void {
    this.answered();
    this.isTunnel = true;
    this.#gateway.counts.tunnels++;
  }

  /** The region has not answered it: `wasSent` says whether it may have got it. With "again" it goes to what is now its region. */
  failed(wasSent: boolean): Verdict {
    const { counts } = this.#gateway;
    if (this.region !== null) this.#regions.failed(this.region);
    if (wasSent) {
      const mayGoOn = this.hasOther && this.#regions.mayRetry();
      this.#sent++;
      if (!mayGoOn && !this.mayRepeat) {
        counts.unknown++;
        return "unknown";
      }
      if (!mayGoOn) return this.#unserved();
      counts.retries++;
    }
    this.#at++;
    return this.region === null ? this.#unserved() : "again";
  }

  /** The client has its answer, or is gone. */
  end(): void {
    if (this.isTunnel) this.#gateway.counts.tunnels--;
    this.isTunnel = false;
    this.#gateway.forget(this);
  }

  #unserved(): Verdict {
    this.#gateway.counts.unserved++;
    return "unserved";
  }
}
