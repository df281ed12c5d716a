/**
 * Traffic: the router of one node at work: probes other regions, hears their ballots and plans, answers who asks where to go.
 *
 *     every quarter of a second: due probes go out ─► what came back ─► router.tick ─► what must outlive us is written
 *
 * Invariant: a region is probed by one probe at a time, at random moments, at least as often as configured; a probe counts as failed only
 * after a second try. What the router remembers is stored before another region is told of it.
 */
import { isRecord, parseBallot } from "../core/routing/ballot.ts";
import { addressText, parseAddress } from "../core/routing/dns/address.ts";
import { TYPE } from "../core/routing/dns/constants.ts";
import type { Steered, Steering } from "../core/routing/dns/responder.ts";
import type { Choosable } from "../core/routing/dns/zone-signatures.ts";
import type { Location } from "../core/routing/locations.ts";
import {
  type Decision,
  explain,
  pick,
  type RegionFacts,
  type Rule,
  settled,
} from "../core/routing/pipeline.ts";
import { type Guest, Latecomers, Resolvers } from "../core/routing/latecomers.ts";
import { parsePlan, type Plan, type PlanChange, shiftOf } from "../core/routing/plan.ts";
import { type Trouble, troubleText } from "../core/routing/reachability.ts";
import { type Choice, type Remembered, Router } from "../core/routing/router.ts";
import type { NodeLog } from "./node-world.ts";
import type { GatewayFigures, TrafficFigures } from "./traffic-figures.ts";
import type { Probe } from "./ports/probe.ts";
import { nearestOf, routerOptions, type TrafficConfig } from "./traffic-config.ts";

export interface TrafficWorld {
  readonly config: TrafficConfig;
  readonly region: string;
  readonly wallMs: () => number;
  readonly monoMs: () => number;
  /** From 0 to below 1. */
  readonly chance: () => number;
  readonly probe: Probe;
  /** How far each region is behind this one; null without a link. */
  readonly lagsMs: () => ReadonlyMap<string, number | null>;
  readonly load: () => number;
  /** Who is connected here, but for gateways that ask for themselves; `idleMs` since its last command. Ids grow. */
  readonly clients: () => Iterable<NodeClient>;
  /** Prefix → the region that writes its keys, of those that have a home; null where only others know. */
  readonly homes: () => ReadonlyMap<string, string> | null;
  /** After how long what each region writes can be read here; empty where that is not measured. */
  readonly tookMs: () => ReadonlyMap<string, number | null>;
  /** Where what must outlive the process is kept. */
  readonly kept: { read(): string | null; write(text: string): void };
  readonly log: NodeLog;
}

export interface NodeClient {
  readonly id: number;
  /** With its port. */
  readonly address: string;
  readonly name: string;
  readonly idleMs: number;
}

/** What a region tells another that probes it. */
export interface TrafficView {
  readonly ballot: ReturnType<Router["ballot"]>;
  readonly plan: Plan;
  /** Prefixes whose keys are written in this region alone. */
  readonly owns: readonly string[];
}

/** How often `tick` wants to be called. */
export const TRAFFIC_TICK_MS = 250;
const JITTER = 0.1;
/** Whoever is asked with something at stake is asked more often. */
const HASTE = 0.5;
const NOTE_FAIL_OPEN = 3;
const NOTE_PROHIBITED = 18;

/** How often it is looked who is there although the region is drained; who has said something lately is at work. */
const LOOK_MS = 1_000;
const AT_WORK_MS = 10_000;
const RESOLVERS_SHOWN = 200;

/** One object: decisions are kept by it. */
const NOWHERE: Location = {};

interface Target {
  readonly region: string;
  readonly urls: readonly string[];
  dueMs: number;
  isAsked: boolean;
}

export class Traffic implements Steering {
  readonly #world: TrafficWorld;
  readonly #router: Router;
  readonly #targets: Target[];
  /** Where the node itself does not know: as each owner says. */
  readonly #homes = new Map<string, string>();
  /** What a rule's answers are made of: region → data of its A and AAAA records. */
  readonly #addresses = new Map<string, { v4: Buffer[]; v6: Buffer[] }>();
  /** The monotonic clock, as wall time of the start: a wall clock that jumps moves no verdict. */
  readonly #sinceMs: number;
  readonly #places = new Map<string, Location>();
  /** One object for each rule: decisions are kept by it. */
  readonly #settled = new Map<Rule, Rule>();
  /** Where nothing is said, the nearest. */
  readonly #nearest: Rule;
  #kept: string;
  #audited = 0;
  readonly #latecomers = new Latecomers();
  readonly #resolvers = new Resolvers();
  #lookedMs = -Infinity;
  /** What the gateway of this node says of itself; null when there is none. */
  gatewayStatus: (() => GatewayFigures) | null = null;

  constructor(world: TrafficWorld) {
    this.#world = world;
    const { config, region } = world;
    this.#sinceMs = world.wallMs() - world.monoMs();
    this.#nearest = nearestOf(config);
    this.#kept = world.kept.read() ?? "";
    this.#router = new Router({
      ...routerOptions(config, region),
      nowMs: this.#nowMs,
      remembered: rememberedOf(this.#kept),
    });
    this.#targets = config.regions
      .filter(({ name, probes }) => name !== region && probes.length > 0)
      .map(({ name, probes }) => ({ region: name, urls: probes, dueMs: 0, isAsked: false }));
    for (const { name, addresses } of config.regions) {
      const parsed = addresses.map(parseAddress).filter((address) => address !== null);
      this.#addresses.set(name, {
        v4: parsed.filter(({ length }) => length === 4),
        v6: parsed.filter(({ length }) => length === 16),
      });
    }
  }

  /** Lets time pass; see `TRAFFIC_TICK_MS`. */
  tick(): void {
    const { config, chance, lagsMs, load, tookMs } = this.#world;
    const nowMs = this.#nowMs;
    const paceMs = config.health.intervalMs * (this.#isUneasy ? HASTE : 1);
    for (const target of this.#targets) {
      target.dueMs = Math.min(target.dueMs, nowMs + paceMs);
      if (target.isAsked || target.dueMs > nowMs) continue;
      target.dueMs = nowMs + paceMs * (1 - JITTER + 2 * JITTER * chance());
      void this.#ask(target);
    }
    this.#router.measured(lagsMs(), load());
    this.#router.readAfter(tookMs());
    this.#router.tick(nowMs);
    if (nowMs - this.#lookedMs >= LOOK_MS) this.#look(nowMs);
    this.#settle();
  }

  /** Who comes although nobody should. */
  #look(nowMs: number): void {
    const { region, clients, homes } = this.#world;
    this.#lookedMs = nowMs;
    this.#router.owned(homes() ?? this.#homes);
    const isDrained = shiftOf(this.#router.plan, region, nowMs).mode === "drained";
    this.#latecomers.look(isDrained ? guestsOf(clients(), nowMs) : null, nowMs);
  }

  /** What other regions are told. */
  view(): TrafficView {
    const { facts, plan } = this.#router;
    const owns = facts.find(({ name }) => name === this.#world.region)?.owns ?? [];
    return { ballot: this.#router.ballot(), plan, owns };
  }

  /** Everything that is known, for operators. */
  status(): unknown {
    const { facts, verdicts, plan, audit } = this.#router;
    return {
      region: this.#world.region,
      regions: facts.map(({ name, mode, weight, share, lagMs, load, owns, tookMs }) => {
        const { state, sinceMs, isFrozen, evidence } =
          verdicts.find((verdict) => verdict.region === name) ?? {};
        return {
          name,
          mode,
          weight,
          share,
          lagMs,
          load,
          tookMs,
          owns,
          state,
          sinceMs,
          isFrozen,
          evidence,
        };
      }),
      troubles: this.#router.troubles.map((trouble) => ({
        ...trouble,
        means: troubleText(trouble),
      })),
      unshipped: Object.fromEntries(
        facts.map(({ name }) => [name, this.#router.unshipped(name)] as const),
      ),
      successions: this.#router.successions,
      nowMs: this.#nowMs,
      lagMsMax: this.#world.config.return.lagMsMax,
      probes: Object.fromEntries(
        this.#world.config.regions.map(({ name, probes }) => [name, probes]),
      ),
      plan,
      audit,
      moves: this.#router.moves,
      ...(this.gatewayStatus === null ? {} : { gateway: present(this.gatewayStatus()) }),
    };
  }

  /** The same in numbers. */
  figures(): TrafficFigures {
    const { facts, verdicts, plan, troubles: found, moves } = this.#router;
    const here = this.#world.tookMs();
    return {
      regions: facts.map(({ name, mode, weight, share, load, lagMs }) => ({
        ...{ name, mode, weight, share, load, lagMs },
        isUp: verdicts.find(({ region }) => region === name)?.state === "up",
        readHereAfterMs: here.get(name) ?? null,
      })),
      troubles: countsOf(found),
      plan: plan.number,
      moves,
      ...(this.gatewayStatus?.() ?? { redis: null, http: null }),
    };
  }

  /** Who came here since this region is drained, and the resolvers that this server told a region last. */
  latecomers(region: string): unknown {
    const { sinceMs, list, forgotten } = this.#latecomers;
    return {
      region: this.#world.region,
      sinceMs,
      nowMs: this.#nowMs,
      clients: list.map((one) => ({
        ...one,
        isAtWork: one.open > 0 && this.#nowMs - one.lastMs < AT_WORK_MS,
      })),
      forgotten,
      resolvers: this.#resolvers
        .leadingTo(region)
        .slice(0, RESOLVERS_SHOWN)
        .map((one) => ({ ...one, address: addressText(one.address) })),
    };
  }

  choose(rule: string, type: number, address: Buffer, bits: number, resolver: Buffer): Steered {
    const choice = this.#choose(rule, address, bits);
    this.#resolvers.told(resolver, choice.regions, this.#nowMs, choice.ttl);
    const sets = this.#sets(choice.regions, type);
    const { isWithheld, failedOpen, rule: of } = choice.decision;
    return {
      sets,
      ttl: choice.ttl,
      scopeBits: choice.scopeBits,
      withheld: isWithheld ? "residency" : null,
      note: isWithheld
        ? { code: NOTE_PROHIBITED, text: `residency: no region may answer ${of.name}` }
        : failedOpen.length > 0
          ? { code: NOTE_FAIL_OPEN, text: `passed over: ${failedOpen.join(", ")}` }
          : null,
    };
  }

  /** The addresses that are right for every client now, wherever it is; none where that depends on who asks. */
  settled(rule: string, type: number): { data: readonly Buffer[]; ttl: number } {
    const found = this.#router.rule(rule);
    if (found === null) return { data: [], ttl: 0 };
    const known = this.#settled.get(found) ?? settled(found);
    this.#settled.set(found, known);
    const regions = pick(this.#router.decisionFor(known, NOWHERE), 0);
    return { data: this.#sets(regions, type).flat(), ttl: found.ttl };
  }

  choosable(rule: string, type: number): Choosable {
    const { regions = [], limit = 1, ttl = 0 } = this.#router.rule(rule) ?? {};
    return { sets: this.#sets(regions, type), limit, ttl };
  }

  explain(rule: string, address: Buffer, bits: number): readonly string[] {
    const choice = this.#choose(rule, address, bits);
    return [
      ...explain(choice.decision),
      ...this.#lateness(),
      `answer: ${choice.regions.join(", ") || "none"} for ${choice.ttl} s, plan ${this.#router.plan.number}, seen from ${this.#world.region}`,
    ];
  }

  /**
   * Why a client is answered as it is: one with an address, or one of which only the place is known. Null when there is no such rule.
   */
  explainTo(rule: string, from: Location & { address?: string }): readonly string[] | null {
    const found = this.#router.rule(rule);
    if (found === null) return null;
    const { address: text, ...location } = from;
    const address = text === undefined ? null : parseAddress(text);
    if (address !== null) return this.explain(rule, address, address.length * 8);
    const decision = this.#router.decisionFor(found, location);
    return [
      ...explain(decision),
      ...this.#lateness(),
      `answer: ${pick(decision, this.#world.chance()).join(", ") || "none"}`,
    ];
  }

  /** After how long what is written in a region can be read in the others, where that is measured. */
  #lateness(): string[] {
    return this.#router.facts.flatMap(({ name, tookMs = null }) =>
      tookMs === null
        ? []
        : [`${name}: what is written there can be read elsewhere after ${tookMs} ms`],
    );
  }

  /** Makes the next plan: why not, or null when it is stored and holds. */
  change(
    change: Omit<PlanChange, "author" | "base"> & { base: number | null },
    isForced: boolean,
  ): string | null {
    const { plan } = this.#router;
    const base = change.base ?? plan.number;
    const author = this.#world.region;
    const why = this.#router.change({ ...change, base, author }, isForced, this.#nowMs);
    this.#settle();
    return why;
  }

  /** What holds now for clients who are in a region, by the rule of that name or to the nearest: what a gateway follows. */
  route(
    rule: string,
    region: string,
  ): { readonly decision: Decision; readonly facts: readonly RegionFacts[] } {
    const found = this.#router.rule(rule) ?? this.#nearest;
    return {
      decision: this.#router.decisionFor(found, this.#placeOf(region)),
      facts: this.#router.facts,
    };
  }

  /** One object for each place: decisions are kept by it. */
  #placeOf(region: string): Location {
    const known = this.#places.get(region) ?? { region };
    this.#places.set(region, known);
    return known;
  }

  /** The longest that an answer lives. */
  get ttlMax(): number {
    return Math.max(0, ...this.#world.config.names.map(({ ttl }) => ttl));
  }

  /** The clock that verdicts and plans are told by. */
  get nowMs(): number {
    return this.#nowMs;
  }

  get #nowMs(): number {
    return Math.round(this.#sinceMs + this.#world.monoMs());
  }

  /** Whether something may be about to change. */
  get #isUneasy(): boolean {
    const { votes } = this.#router.ballot();
    return votes.some(
      ({ target, sight, isDoubtful }) =>
        isDoubtful ||
        (sight === "down") !==
          (this.#router.verdicts.find(({ region }) => region === target)?.state === "down"),
    );
  }

  async #ask(target: Target): Promise<void> {
    const { probe, config } = this.#world;
    const { region, urls } = target;
    target.isAsked = true;
    try {
      let rttMs = 0;
      for (const url of urls) {
        // One packet in a hundred is lost; twice in a row says more.
        const answer = await probe(url, config.health.timeoutMs).catch(() =>
          probe(url, config.health.timeoutMs),
        );
        rttMs = Math.max(rttMs, answer.rttMs);
        this.#hear(answer.body);
      }
      this.#router.succeeded(region, rttMs);
    } catch (error) {
      this.#router.failed(region, error instanceof Error ? error.message : String(error));
    } finally {
      target.isAsked = false;
    }
    this.#settle();
  }

  #hear(body: unknown): void {
    if (!isRecord(body)) return;
    const ballot = parseBallot(body["ballot"]);
    if (ballot !== null) this.#router.hear(ballot, this.#nowMs);
    const plan = parsePlan(body["plan"]);
    if (plan !== null) this.#router.adopt(plan, this.#nowMs);
    if (ballot === null || !Array.isArray(body["owns"])) return;
    for (const prefix of body["owns"] as unknown[])
      if (typeof prefix === "string") this.#homes.set(prefix, ballot.vantage);
  }

  #choose(rule: string, address: Buffer, bits: number): Choice {
    const choice = this.#router.choose(rule, address, bits, this.#world.chance());
    if (choice === null)
      throw new Error(`bug: the zone steers by ${rule}, and there is no such rule`);
    return choice;
  }

  #sets(regions: readonly string[], type: number): (readonly Buffer[])[] {
    return regions.map((region) => this.#data(region, type)).filter(({ length }) => length > 0);
  }

  #data(region: string, type: number): readonly Buffer[] {
    const known = this.#addresses.get(region);
    return (type === TYPE.AAAA ? known?.v6 : known?.v4) ?? [];
  }

  /** Stores what has changed, and says it. */
  #settle(): void {
    const { kept, log } = this.#world;
    const text = JSON.stringify(this.#router.remembered);
    if (text !== this.#kept) {
      this.#kept = text;
      kept.write(text);
    }
    const { audit } = this.#router;
    for (const { what } of audit.slice(Math.min(this.#audited, audit.length)))
      log.warn({ region: this.#world.region }, `traffic: ${what}`);
    this.#audited = audit.length;
  }
}

/** Those of the gateways that are there. */
function present({ redis, http }: GatewayFigures): Partial<GatewayFigures> {
  return { ...(redis === null ? {} : { redis }), ...(http === null ? {} : { http }) };
}

function countsOf(troubles: readonly Trouble[]): Record<Trouble["kind"], number> {
  const counts: Record<Trouble["kind"], number> = {
    "region-down": 0,
    isolated: 0,
    "link-down": 0,
    asymmetric: 0,
    "observer-isolated": 0,
    degraded: 0,
  };
  for (const { kind } of troubles) counts[kind]++;
  return counts;
}

function* guestsOf(clients: Iterable<NodeClient>, nowMs: number): Iterable<Guest> {
  for (const { id, address, name, idleMs } of clients)
    yield { id, address: address.replace(/:\d+$/, ""), name, lastMs: nowMs - idleMs };
}

/** What was kept, as far as it is understood. */
function rememberedOf(text: string): Remembered | null {
  try {
    const value: unknown = JSON.parse(text);
    if (!isRecord(value)) return null;
    const plan = parsePlan(value["plan"]);
    const names = (list: unknown): string[] =>
      Array.isArray(list) ? list.filter((one) => typeof one === "string") : [];
    return plan === null ? null : { plan, down: names(value["down"]), out: names(value["out"]) };
  } catch {
    return null;
  }
}
