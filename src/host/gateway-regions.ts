/**
 * GatewayRegions: which regions a gateway can use now, in which order for whom, and what may be asked there again.
 *
 *     router: decision ────────┐
 *     pulse of each region ────┼─► footings ─► order of regions for a client
 *     what came of requests ───┘
 *
 * Invariant: a region is used when the router names it and the gateway reaches it; when nobody else is left, it is tried all the same. A region that
 * cannot be reached from here loses the clients of this gateway and nobody else's: what others hold of it is the router's to say.
 */
import { Breaker } from "../core/routing/gateway/breaker.ts";
import { type Footing, isWorthMoving, orderFor } from "../core/routing/gateway/preference.ts";
import { RetryBudget } from "../core/routing/gateway/retry-budget.ts";
import type { Decision, RegionFacts } from "../core/routing/pipeline.ts";
import type { Heartbeat } from "./heartbeat.ts";
import type { GatewayRegionStatus } from "./traffic-figures.ts";
import type { NodeLog } from "./node-world.ts";

/** What the router holds now. */
export type Route = () => { readonly decision: Decision; readonly facts: readonly RegionFacts[] };

/** Asks a region for a gateway whether it is there. */
export interface Pulse {
  readonly beat: Heartbeat;
  /** Whether it is worth asking before the time. */
  readonly isUrgent: boolean;
  ask(nowMs: number): void;
  /** There was no answer: its connection is of no use any more. */
  giveUp(nowMs: number): void;
  close(): void;
}

export interface GatewayRegionsOptions<P extends Pulse> {
  readonly names: readonly string[];
  readonly route: Route;
  /** Told once, when a region that was reached does not answer any more. */
  readonly newPulse: (region: string, onLost: (why: string) => void) => P;
  /** Nobody needs to wait for this region any longer. */
  readonly onLost: (region: string) => void;
  readonly monoMs: () => number;
  readonly log: NodeLog;
}

interface Region<P> {
  readonly name: string;
  readonly breaker: Breaker;
  readonly pulse: P;
}

export class GatewayRegions<P extends Pulse> {
  readonly #options: GatewayRegionsOptions<P>;
  readonly #regions = new Map<string, Region<P>>();
  readonly #budget = new RetryBudget();
  nowMs: number;
  #decision: Decision;
  #footings = new Map<string, Footing>();

  constructor(options: GatewayRegionsOptions<P>) {
    this.#options = options;
    this.nowMs = options.monoMs();
    this.#decision = options.route().decision;
    for (const name of options.names)
      this.#regions.set(name, {
        name,
        breaker: new Breaker(),
        pulse: options.newPulse(name, (why) => this.#lost(name, why)),
      });
    this.#look();
  }

  tick(): void {
    this.nowMs = this.#options.monoMs();
    for (const { pulse } of this.#regions.values()) this.#beat(pulse);
    this.#look();
  }

  #beat(pulse: P): void {
    switch (pulse.beat.tick(this.nowMs, pulse.isUrgent)) {
      case "ask":
        pulse.ask(this.nowMs);
        return;
      case "silent":
        pulse.giveUp(this.nowMs);
        return;
      case "wait":
    }
  }

  pulseOf(region: string): P | undefined {
    return this.#regions.get(region)?.pulse;
  }

  /** The regions for a client that is about to ask, in the order in which they are tried. `draw`, from 0 to below 1, is the client's own. */
  order(draw: number): string[] {
    // One request finds out whether a region that failed works again.
    const hopeful = orderFor(this.#decision, this.#hopes(), draw);
    const first = this.#regions.get(hopeful[0] ?? "");
    const isProbe = first !== undefined && this.#isDue(first);
    if (isProbe) first.breaker.probe(this.nowMs);
    const order = isProbe ? hopeful : orderFor(this.#decision, this.#footings, draw);
    return order.filter((name) => this.#regions.has(name));
  }

  /** Where those would be better off who are served by one region, asked for one after the other: where it has to be found out whether that is so, one of them. */
  review(): (region: string, draw: number) => boolean {
    const hopes = this.#hopes();
    const probed = new Set<string>();
    return (region, draw) => {
      const known = this.#withHere(hopes, region);
      const [best = region] = orderFor(this.#decision, known, draw);
      const there = this.#regions.get(best);
      if (there === undefined || !isWorthMoving(this.#decision, known, region, best, draw))
        return false;
      if (!this.#isDue(there)) return true;
      if (probed.has(best)) return false;
      probed.add(best);
      return true;
    };
  }

  /** Whether the router still sends clients there. */
  isNamed(region: string): boolean {
    return this.#decision.candidates.some((candidate) => candidate.region === region);
  }

  /** So many requests of clients have come. */
  asked(count: number): void {
    this.#budget.made(count, this.nowMs);
  }

  succeeded(region: string, count: number): void {
    this.#regions.get(region)?.breaker.succeeded(this.nowMs, count);
  }

  /** A connection to a region could not be opened, or was lost. */
  failed(region: string): void {
    const breaker = this.#regions.get(region)?.breaker;
    breaker?.failed(this.nowMs);
    // The very next request goes elsewhere.
    if (breaker?.isOpen === true) this.#look();
  }

  /** Whether a request may be made again. It counts as made, then. */
  mayRetry(): boolean {
    return this.#budget.take(this.nowMs);
  }

  /** What is known of each, for operators. */
  status(clientsOf: (region: string) => number): GatewayRegionStatus[] {
    return [...this.#regions.values()].map(({ name, pulse }) => ({
      name,
      clients: clientsOf(name),
      isReached: pulse.beat.isUp,
      ...(this.#footings.get(name) as Footing),
    }));
  }

  [Symbol.dispose](): void {
    for (const { pulse } of this.#regions.values()) pulse.close();
  }

  #isDue({ pulse, breaker }: Region<P>): boolean {
    return pulse.beat.isUp && breaker.isDue(this.nowMs);
  }

  /** Whoever is at a region that is given few is one of them, and stays. */
  #withHere(footings: ReadonlyMap<string, Footing>, name: string): ReadonlyMap<string, Footing> {
    const region = this.#regions.get(name);
    const footing = footings.get(name);
    if (region === undefined || footing === undefined || footing.share === 1) return footings;
    if (!region.pulse.beat.isUp || region.breaker.isOpen) return footings;
    return new Map(footings).set(name, { ...footing, share: 1 });
  }

  /** How things would stand if those worked that are due to be tried. */
  #hopes(): ReadonlyMap<string, Footing> {
    let hopes: Map<string, Footing> | null = null;
    for (const region of this.#regions.values()) {
      if (!this.#isDue(region)) continue;
      hopes ??= new Map(this.#footings);
      hopes.set(region.name, { ...(this.#footings.get(region.name) as Footing), share: 1 });
    }
    return hopes ?? this.#footings;
  }

  #look(): void {
    const { decision, facts } = this.#options.route();
    this.#decision = decision;
    for (const { name, breaker, pulse } of this.#regions.values()) {
      const known = facts.find((one) => one.name === name);
      this.#footings.set(name, {
        latencyMs: pulse.beat.latencyMs,
        load: known?.load ?? 0,
        lagMs: known?.lagMs ?? null,
        share: pulse.beat.isUp ? breaker.share(this.nowMs) : 0,
      });
    }
  }

  #lost(name: string, why: string): void {
    this.#regions.get(name)?.breaker.trip(this.nowMs);
    this.#look();
    this.#options.log.warn({ region: name, why }, "gateway: a region does not answer");
    this.#options.onLost(name);
  }
}
