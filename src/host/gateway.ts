/**
 * Gateway: one Redis port for all regions. It knows which of them can be used now, by the router's word and its own, and what a session that
 * moves must be shown.
 *
 *     router: decision ──┐
 *     heartbeats, 50 ms ─┼─► footings ─► order of regions for a client ─► GatewaySession … GatewaySession
 *     what came of it ───┘       tokens ─► what each region had done by when
 *
 * Invariant: a region is used when the router names it and the gateway reaches it; when nobody else is left, it is tried all the same. A region that
 * cannot be reached from here loses the clients of this gateway and nobody else's: what others hold of it is the router's to say.
 */
import { Breaker } from "../core/routing/gateway/breaker.ts";
import { type Footing, isWorthMoving, orderFor } from "../core/routing/gateway/preference.ts";
import { RetryBudget } from "../core/routing/gateway/retry-budget.ts";
import type { Decision, RegionFacts } from "../core/routing/pipeline.ts";
import { GatewayPulse } from "./gateway-pulse.ts";
import { GatewaySession } from "./gateway-session.ts";
import type { NodeLog } from "./node-world.ts";
import type { Dial, GatewayInput, GatewayOutput } from "./ports/gateway.ts";

export interface GatewayWorld {
  /** Where each region takes Redis clients. */
  readonly regions: readonly { readonly name: string; readonly url: string }[];
  /** What the router holds now. */
  readonly route: () => { readonly decision: Decision; readonly facts: readonly RegionFacts[] };
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

interface Region {
  readonly name: string;
  readonly url: string;
  readonly breaker: Breaker;
  readonly pulse: GatewayPulse;
}

/** What the gateway has done since it began. */
export interface GatewayCounts {
  clients: number;
  commands: number;
  retries: number;
  moves: number;
  /** Commands that may have been done or not, and were answered so. */
  unknown: number;
  /** Sessions that went on at a region which did not have in time what they had written. */
  unseen: number;
}

export class Gateway {
  readonly #world: GatewayWorld;
  readonly #regions = new Map<string, Region>();
  readonly #sessions = new Set<GatewaySession>();
  readonly #budget = new RetryBudget();
  readonly counts: GatewayCounts = {
    clients: 0,
    commands: 0,
    retries: 0,
    moves: 0,
    unknown: 0,
    unseen: 0,
  };
  nowMs: number;
  #decision: Decision;
  #footings = new Map<string, Footing>();
  #reviewAtMs = 0;

  constructor(world: GatewayWorld) {
    this.#world = world;
    this.nowMs = world.monoMs();
    this.#decision = world.route().decision;
    const { user, password, dial } = world;
    for (const { name, url } of world.regions)
      this.#regions.set(name, {
        name,
        url,
        breaker: new Breaker(),
        pulse: new GatewayPulse({
          dial: (events) => dial(url, events),
          user,
          password,
          onLost: (why) => this.#lost(name, why),
          monoMs: world.monoMs,
        }),
      });
    this.#look();
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
    this.nowMs = this.#world.monoMs();
    for (const { pulse } of this.#regions.values()) pulse.tick(this.nowMs);
    this.#look();
    for (const session of this.#sessions) session.tick();
    if (this.nowMs < this.#reviewAtMs) return;
    this.#reviewAtMs = this.nowMs + REVIEW_MS;
    this.#review();
  }

  /** Sends on who would be better off elsewhere; to where it has to be found out whether that is so, one. */
  #review(): void {
    const hopes = this.#hopes();
    const probed = new Set<string>();
    let left = Math.max(MOVES_MIN, this.#sessions.size * MOVES_SHARE);
    for (const session of this.#sessions) {
      const { region } = session;
      if (region === null || left <= 0) continue;
      const known = this.#withHere(hopes, region);
      const [best = region] = orderFor(this.#decision, known, session.draw);
      const there = this.#regions.get(best);
      if (there === undefined || !isWorthMoving(this.#decision, known, region, best)) continue;
      if (this.#isDue(there)) {
        if (probed.has(best)) continue;
        probed.add(best);
      }
      left--;
      session.leave();
    }
  }

  #isDue({ pulse, breaker }: Region): boolean {
    return pulse.isUp && breaker.isDue(this.nowMs);
  }

  /** Whoever is at a region that is given few is one of them, and stays. */
  #withHere(footings: ReadonlyMap<string, Footing>, name: string): ReadonlyMap<string, Footing> {
    const region = this.#regions.get(name);
    const footing = footings.get(name);
    if (region === undefined || footing === undefined || footing.share === 1) return footings;
    if (!region.pulse.isUp || region.breaker.isOpen) return footings;
    return new Map(footings).set(name, { ...footing, share: 1 });
  }

  /** How things would stand if those worked that are due to be tried. */
  #hopes(): ReadonlyMap<string, Footing> {
    const due = [...this.#regions.values()].filter((region) => this.#isDue(region));
    if (due.length === 0) return this.#footings;
    const hopes = new Map(this.#footings);
    for (const { name } of due)
      hopes.set(name, { ...(this.#footings.get(name) as Footing), share: 1 });
    return hopes;
  }

  /** The regions for a client that is about to open a connection, in the order in which they are tried. */
  order(draw: number): string[] {
    // One request finds out whether a region that failed works again.
    const hopeful = orderFor(this.#decision, this.#hopes(), draw);
    const first = this.#regions.get(hopeful[0] ?? "");
    const isProbe = first !== undefined && this.#isDue(first);
    if (isProbe) first.breaker.probe(this.nowMs);
    const order = isProbe ? hopeful : orderFor(this.#decision, this.#footings, draw);
    return order.filter((name) => this.#regions.has(name));
  }

  dial(region: string, events: Parameters<Dial>[1]): ReturnType<Dial> {
    const { url } = this.#regions.get(region) as Region;
    return this.#world.dial(url, events);
  }

  /** So many commands of clients have come. */
  asked(count: number): void {
    this.counts.commands += count;
    this.#budget.made(count, this.nowMs);
  }

  succeeded(region: string, count: number): void {
    this.#regions.get(region)?.breaker.succeeded(this.nowMs, count);
  }

  /** A connection to a region could not be opened, or was lost. */
  failed(region: string): void {
    this.#regions.get(region)?.breaker.failed(this.nowMs);
  }

  /** Something was written there, so what has been done there is asked for soon. */
  wrote(region: string): void {
    this.#regions.get(region)?.pulse.wrote();
  }

  /** Whether a command may be made again. */
  mayRetry(): boolean {
    if (!this.#budget.take(this.nowMs)) return false;
    this.counts.retries++;
    return true;
  }

  /** A token of what a region had done at some time after `sinceMs`; `covers` is false when none is that new. */
  tokenOf(region: string, sinceMs: number): { token: string | null; covers: boolean } {
    const pulse = this.#regions.get(region)?.pulse;
    return pulse?.tokenSince(sinceMs) ?? { token: null, covers: false };
  }

  /** What is known, for operators. */
  status(): unknown {
    const served = new Map<string, number>();
    for (const { region } of this.#sessions)
      if (region !== null) served.set(region, (served.get(region) ?? 0) + 1);
    return {
      ...this.counts,
      regions: [...this.#regions.values()].map(({ name, pulse }) => ({
        name,
        clients: served.get(name) ?? 0,
        isReached: pulse.isUp,
        ...this.#footings.get(name),
      })),
    };
  }

  [Symbol.dispose](): void {
    for (const { pulse } of this.#regions.values()) pulse.close();
    for (const session of this.#sessions) session.end();
  }

  #look(): void {
    const { decision, facts } = this.#world.route();
    this.#decision = decision;
    for (const { name, breaker, pulse } of this.#regions.values()) {
      const known = facts.find((one) => one.name === name);
      this.#footings.set(name, {
        latencyMs: pulse.latencyMs,
        load: known?.load ?? 0,
        lagMs: known?.lagMs ?? null,
        share: pulse.isUp ? breaker.share(this.nowMs) : 0,
      });
    }
  }

  /** A region does not answer: nobody waits for it any longer. */
  #lost(name: string, why: string): void {
    this.#regions.get(name)?.breaker.trip(this.nowMs);
    this.#look();
    this.#world.log.warn({ region: name, why }, "gateway: a region does not answer");
    for (const session of this.#sessions) if (session.region === name) session.lost();
  }
}
