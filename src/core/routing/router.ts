/**
 * Router: the one place that knows which regions an answer may name: DNS, gateways and operators all ask it.
 *
 *     probes ─► watches ─► our ballot ┐
 *     ballots of other regions ───────┴─► verdicts ─► admissions ┐
 *     plans, ours and others' ─────────────────────── plan ──────┴─► facts ─► pipeline ─► decisions, kept until then
 *
 * Invariant: everything happens in `tick` and the calls that bring news; between two of them the same question has the same answer. It has no
 * clock: times come in, in milliseconds since 1970, and going back is as good as standing still.
 */
import { Admissions, type AdmissionSettings } from "./admissions.ts";
import type { Ballot } from "./ballot.ts";
import type { HealthSettings } from "./health-settings.ts";
import type { Location, Locations } from "./locations.ts";
import {
  type Candidate,
  decide,
  type Decision,
  pick,
  type RegionFacts,
  type Rule,
} from "./pipeline.ts";
import {
  FIRST_PLAN,
  isPending,
  makePlan,
  type Plan,
  type PlanChange,
  type PlanRules,
  reject,
  shiftOf,
} from "./plan.ts";
import { type Succession, Successions, successionText } from "./successions.ts";
import { type Trouble, troubles } from "./reachability.ts";
import { type Verdict, Verdicts } from "./verdicts.ts";
import { Watch } from "./watch.ts";

export interface RouterOptions {
  readonly me: string;
  readonly regions: readonly (Location & { readonly name: string })[];
  readonly rules: readonly Rule[];
  readonly locations: Locations;
  readonly health: HealthSettings;
  readonly admission: AdmissionSettings;
  readonly servingMin: number;
  readonly nowMs: number;
  readonly remembered: Remembered | null;
}

/** What is kept from one life of a node to the next. */
export interface Remembered {
  readonly plan: Plan;
  readonly down: readonly string[];
  readonly out: readonly string[];
}

/** One entry of the audit: what changed by itself or by somebody. */
export interface AuditEntry {
  readonly atMs: number;
  readonly what: string;
}

/** What is answered, and for how long that may be kept. */
export interface Choice {
  readonly decision: Decision;
  readonly regions: readonly string[];
  readonly ttl: number;
  readonly scopeBits: number;
}

export interface Unshipped {
  readonly heardMs: number;
  readonly behindMs: Readonly<Record<string, number | null>>;
}

const AUDIT_MAX = 500;
/** While a region is in doubt, an answer is worth seconds. */
const TTL_DOUBTFUL = 5;
const TTL_FROZEN = 10;

export class Router {
  readonly #options: RouterOptions;
  readonly #watches = new Map<string, Watch>();
  readonly #verdicts: Verdicts;
  readonly #admissions: Admissions;
  readonly #decisions = new Map<Rule, Map<Location, Decision>>();
  readonly #rules = new Map<string, Rule>();
  #facts: readonly RegionFacts[] = [];
  /** Those that count at this tick. */
  #ballots: readonly Ballot[] = [];
  #plan: Plan;
  #nowMs: number;
  /** How far each region is behind us, as our links say; null where there is no link. */
  #lagsMs: ReadonlyMap<string, number | null> = new Map();
  #load = 0;
  #tookMs: ReadonlyMap<string, number | null> = new Map();
  readonly #audit: AuditEntry[] = [];
  /** Regions were let in or taken out. */
  moves = 0;
  readonly #successions = new Successions();
  #owns: ReadonlyMap<string, readonly string[]> = new Map();

  constructor(options: RouterOptions) {
    const { regions, me, health, admission, nowMs, remembered } = options;
    this.#options = options;
    const names = regions.map(({ name }) => name);
    for (const name of names) if (name !== me) this.#watches.set(name, new Watch(health));
    for (const rule of options.rules) this.#rules.set(rule.name, rule);
    this.#verdicts = new Verdicts(names, health, nowMs, remembered?.down ?? []);
    this.#admissions = new Admissions(admission, nowMs, remembered?.out ?? []);
    this.#plan = remembered?.plan ?? FIRST_PLAN;
    this.#nowMs = nowMs;
    this.tick(nowMs);
  }

  get plan(): Plan {
    return this.#plan;
  }

  get audit(): readonly AuditEntry[] {
    return this.#audit;
  }

  get verdicts(): readonly Verdict[] {
    return this.#verdicts.all;
  }

  get facts(): readonly RegionFacts[] {
    return this.#facts;
  }

  get troubles(): Trouble[] {
    const names = this.#options.regions.map(({ name }) => name);
    const { me, health } = this.#options;
    return troubles(names, me, this.#ballots, health.tookMsMax);
  }

  get remembered(): Remembered {
    const names = this.#options.regions.map(({ name }) => name);
    return {
      plan: this.#plan,
      down: this.verdicts.filter(({ state }) => state === "down").map(({ region }) => region),
      out: names.filter((name) => this.#admissions.share(name) < 1),
    };
  }

  /** A region answered our probe, or did not. */
  succeeded(region: string, rttMs: number): void {
    this.#watches.get(region)?.succeeded(rttMs);
  }

  failed(region: string, why: string): void {
    this.#watches.get(region)?.failed(why);
  }

  /** Takes a region's ballot. Our own does not come from elsewhere. */
  hear(ballot: Ballot, nowMs: number): void {
    if (ballot.vantage !== this.#options.me) this.#verdicts.hear(ballot, nowMs);
  }

  /** How far the others are behind us, and how much we carry. */
  measured(lagsMs: ReadonlyMap<string, number | null>, load: number): void {
    this.#lagsMs = lagsMs;
    this.#load = load;
  }

  /** Which region writes the keys of each prefix with a home. */
  owned(owners: ReadonlyMap<string, string>): void {
    for (const { name } of this.#options.regions) {
      const last = this.unshipped(name);
      if (last !== null) this.#successions.heard(name, last);
    }
    for (const one of this.#successions.look(owners, this.#nowMs))
      this.#note(this.#nowMs, successionText(one));
    const owns = new Map<string, string[]>();
    for (const [prefix, region] of owners) owns.set(region, [...(owns.get(region) ?? []), prefix]);
    this.#owns = owns;
  }

  /** Homes that went to another region, the newest last. */
  get successions(): readonly Succession[] {
    return this.#successions.all;
  }

  /** After how long what others write can be read here. */
  readAfter(tookMs: ReadonlyMap<string, number | null>): void {
    this.#tookMs = tookMs;
  }

  /** What we say of the others. */
  ballot(): Ballot {
    return {
      vantage: this.#options.me,
      load: this.#load,
      votes: [...this.#watches].map(([target, watch]) => ({
        target,
        sight: watch.sight,
        isDoubtful: watch.isDoubtful,
        rttMs: watch.rttMs,
        lagMs: this.#lagsMs.get(target) ?? null,
        tookMs: this.#tookMs.get(target) ?? null,
        why: watch.sight === "up" ? "" : watch.why,
      })),
    };
  }

  /** Makes the next plan. Returns why not, or null when it holds from now on. */
  change(change: PlanChange, isForced: boolean, nowMs: number): string | null {
    const healthy = isForced
      ? null
      : this.#facts.filter(({ share }) => share > 0).map(({ name }) => name);
    const made = makePlan(this.#plan, change, this.#planRules, healthy, nowMs);
    if ("refused" in made) return made.refused;
    this.#follow(made.plan, nowMs);
    return null;
  }

  /** Takes over a plan that was made elsewhere. Returns why not, or null. */
  adopt(plan: Plan, nowMs: number): string | null {
    const why = reject(plan, this.#plan, this.#planRules);
    if (why === null) this.#follow(plan, nowMs);
    return why;
  }

  /** Lets time pass: everything is judged anew. */
  tick(nowMs: number): void {
    this.#nowMs = nowMs = Math.max(nowMs, this.#nowMs);
    this.#verdicts.hear(this.ballot(), nowMs);
    this.#verdicts.judge(nowMs);
    const ballots = (this.#ballots = this.#verdicts.fresh(nowMs));
    const healths = this.#verdicts.all.map(({ region, state, sinceMs }) => ({
      region,
      isUp: state === "up",
      sinceMs,
      // Of a region that serves and is not heard nobody knows what it has that the other lacks.
      lagMs: this.#isAnyoneUnheard(region, ballots) ? null : lagOf(region, ballots),
    }));
    for (const change of this.#admissions.tick(healths, nowMs)) {
      this.moves++;
      this.#note(nowMs, change);
    }
    this.#facts = this.#options.regions.map((place) => {
      const { mode, weight } = shiftOf(this.#plan, place.name, nowMs);
      const verdict = this.#verdicts.all.find(({ region }) => region === place.name) as Verdict;
      return {
        name: place.name,
        place,
        mode,
        weight,
        share: this.#admissions.share(place.name),
        verdict: verdict.state === "down" ? verdict.evidence : "it is not back in service yet",
        lagMs: lagOf(place.name, ballots),
        load: ballots.find(({ vantage }) => vantage === place.name)?.load ?? 0,
        tookMs: tookOf(place.name, ballots),
        owns: this.#owns.get(place.name) ?? [],
      };
    });
    this.#decisions.clear();
  }

  /**
   * Which regions lack something that was written in a region, by what it says itself: milliseconds, 0 for none, null where it cannot
   * tell; and when it was heard to say so. Null when it is not heard.
   */
  unshipped(region: string): Unshipped | null {
    const ballot = this.#ballots.find(({ vantage }) => vantage === region);
    const heardMs = this.#verdicts.heardAtMs(region);
    if (ballot === undefined || heardMs === null) return null;
    return {
      heardMs,
      behindMs: Object.fromEntries(ballot.votes.map(({ target, lagMs }) => [target, lagMs])),
    };
  }

  /** Whether there is such a rule. */
  has(rule: string): boolean {
    return this.#rules.has(rule);
  }

  /** What a rule answers a client; `draw` as in `pick`. Null when there is no such rule. */
  choose(name: string, address: Buffer, bits: number, draw: number): Choice | null {
    const rule = this.#rules.get(name);
    if (rule === undefined) return null;
    const { location, scopeBits } = this.#options.locations.locate(address, bits);
    const decision = this.decisionFor(rule, location);
    const number = rule.isSticky ? numberOf(address, bits) : draw;
    return {
      decision,
      regions: pick(decision, number),
      ttl: this.#ttlOf(decision),
      scopeBits: rule.isSticky ? Math.max(scopeBits, stickyBits(address, bits)) : scopeBits,
    };
  }

  /** The decision about clients at a place. */
  decisionFor(rule: Rule, location: Location): Decision {
    let known = this.#decisions.get(rule);
    if (known === undefined) this.#decisions.set(rule, (known = new Map()));
    let decision = known.get(location);
    if (decision === undefined) {
      // Where a client is whom nobody has listed, its question is our best guess: it came here.
      const from = location.region ?? this.#options.me;
      decision = decide(rule, this.#facts, location, (region) => this.#rttMs(from, region));
      known.set(location, decision);
    }
    return decision;
  }

  rule(name: string): Rule | null {
    return this.#rules.get(name) ?? null;
  }

  get #planRules(): PlanRules {
    const { regions, servingMin } = this.#options;
    return { regions: regions.map(({ name }) => name), servingMin };
  }

  #isAnyoneUnheard(but: string, ballots: readonly Ballot[]): boolean {
    return this.verdicts.some(
      ({ region, state }) =>
        region !== but && state === "up" && !ballots.some(({ vantage }) => vantage === region),
    );
  }

  #follow(plan: Plan, nowMs: number): void {
    this.#plan = plan;
    this.#note(nowMs, `plan ${plan.number} of ${plan.author}: ${plan.why}`);
    this.tick(nowMs);
  }

  #note(atMs: number, what: string): void {
    if (this.#audit.length >= AUDIT_MAX) this.#audit.shift();
    this.#audit.push({ atMs, what });
  }

  #rttMs(from: string, to: string): number {
    if (from === to) return 0;
    const ballots = this.#ballots;
    const vote = ballots
      .find(({ vantage }) => vantage === from)
      ?.votes.find(({ target }) => target === to);
    const back = ballots
      .find(({ vantage }) => vantage === to)
      ?.votes.find(({ target }) => target === from);
    // Whoever cannot be measured is taken to be far.
    return Math.round(vote?.rttMs ?? back?.rttMs ?? 10_000);
  }

  /** As long as nothing is about to change, what the rule says; else as short as it is likely to. */
  #ttlOf({ rule, failedOpen, candidates }: Decision): number {
    const isMoving = candidates.some(({ share }: Candidate) => share < 1);
    const about = this.#verdicts.all.filter(({ region }) => rule.regions.includes(region));
    if (failedOpen.length > 0 || isMoving || isPending(this.#plan, this.#nowMs))
      return Math.min(rule.ttl, TTL_DOUBTFUL);
    if (about.some(({ isDoubtful }) => isDoubtful)) return Math.min(rule.ttl, TTL_DOUBTFUL);
    if (about.some(({ isFrozen }) => isFrozen)) return Math.min(rule.ttl, TTL_FROZEN);
    return rule.ttl;
  }
}

/** How far a region is behind the one that it is furthest behind; null when one of those that see it cannot tell. */
function lagOf(region: string, ballots: readonly Ballot[]): number | null {
  let worst: number | null = null;
  for (const { votes } of ballots) {
    const vote = votes.find(({ target }) => target === region);
    if (vote === undefined) continue;
    // Who has a link to it counts even while it does not trust its sight yet: the region may lack what was written there.
    if (vote.lagMs !== null) worst = Math.max(worst ?? 0, vote.lagMs);
    else if (vote.sight === "up") return null;
  }
  return worst;
}

/** After how long what a region writes can be read by whoever waits longest for it; null where nobody measures that. */
function tookOf(region: string, ballots: readonly Ballot[]): number | null {
  const all = ballots
    .flatMap(({ votes }) => votes)
    .filter(({ target, sight }) => target === region && sight === "up")
    .flatMap(({ tookMs }) => (tookMs == null ? [] : [tookMs]));
  return all.length === 0 ? null : Math.max(...all);
}

/** Clients of one network stay together: as many bits as resolvers tell. */
function stickyBits(address: Buffer, bits: number): number {
  return Math.min(bits, address.length === 4 ? 24 : 56);
}

/** A number from 0 to below 1 that is always the same for a client's network. */
function numberOf(address: Buffer, bits: number): number {
  let hash = 0x811c9dc5;
  const known = stickyBits(address, bits);
  for (let i = 0; i * 8 < known; i++) {
    const mask = known - i * 8 >= 8 ? 0xff : 0xff00 >> (known - i * 8);
    hash = Math.imul(hash ^ ((address[i] as number) & mask & 0xff), 0x01000193);
  }
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  hash ^= hash >>> 12;
  return (hash >>> 0) / 2 ** 32;
}
