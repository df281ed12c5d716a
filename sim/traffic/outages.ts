/**
 * Outages: routers of several regions in virtual time, while regions fail, flap, lose links and sight, and people change plans.
 *
 *     seed ─► regions, rules, a schedule of trouble ─► each second: what fails, who probes whom, what is told, each router's tick ─► checks
 *
 * Invariant: a run is its seed. The world knows what is true (who runs, who reaches whom, how far each is behind); routers are told only
 * what probes and ballots would tell them.
 */
import { defaultAdmission } from "../../src/core/routing/admissions.ts";
import { defaultHealth } from "../../src/core/routing/health-settings.ts";
import { Locations } from "../../src/core/routing/locations.ts";
import type { Rule } from "../../src/core/routing/pipeline.ts";
import type { Plan, Shift } from "../../src/core/routing/plan.ts";
import { type Remembered, Router } from "../../src/core/routing/router.ts";
import { parseNetwork } from "../../src/core/routing/dns/address.ts";
import { Chance } from "../world/chance.ts";

/** What a seed is about. Most have everything at once. */
export type Trouble =
  | "everything"
  | "link cut"
  | "observer isolated"
  /** One that reaches nobody, and is reached: its votes arrive. And a link is cut elsewhere. */
  | "observer blind"
  | "region down"
  | "loss alone";

export interface OutagesReport {
  readonly seed: number;
  readonly trouble: Trouble;
  readonly broken: readonly string[];
  /** From the death of a region to the verdict, at each router that saw it. */
  readonly detectionMs: readonly number[];
  /** Regions taken out or let in, over all routers. */
  readonly moves: number;
  readonly answers: number;
  readonly returns: number;
  readonly stalePlans: number;
}

const TICK_MS = 1_000;
const TICKS = 600;
/** Towards the end nothing fails any more. */
const QUIET_TICKS = 90;
/** Figures of the lab: a return takes two minutes, so that a run sees some. */
const ADMISSION = { ...defaultAdmission, stableMs: 20_000, rampStepMs: 10_000 };
const NAMES = ["ap-east", "eu-west", "sa-east", "us-east", "us-west"];
/** Who is further behind is given no readers by one of the rules. */
const LAG_MS_MAX = 2_000;
const DETECTION_MS_MAX = 10_000;
/** What a router was told of a lag may be so old. */
const TOLD_MS_MAX = defaultHealth.voteTtlMs + 2 * TICK_MS;
const START_MS = 1_700_000_000_000;
const CLIENTS = ["192.0.2.1", "198.51.100.1", "203.0.113.9"].map(
  (text) => (parseNetwork(text) as { address: Buffer }).address,
);

interface Place {
  readonly name: string;
  router: Router | null;
  remembered: Remembered | null;
  runs: boolean;
  /** Since when it has been dead and could be seen by all others to be, or null. */
  diedAtTick: number | null;
  readonly shares: Map<string, number>;
  /** What answers depend on, when they were last looked at. */
  told: string;
  removedAtMs: number;
  readonly outs: Map<string, number[]>;
}

export function runOutages(seed: number): OutagesReport {
  return new Outages(seed).run();
}

class Outages {
  readonly #seed: number;
  readonly #chance: Chance;
  readonly #trouble: Trouble;
  readonly #places: Place[];
  readonly #rules: Rule[];
  readonly #locations: Locations;
  readonly #loss: number;
  /** `from>to` of questions that are lost. */
  readonly #cuts = new Set<string>();
  /** `of>behind` → how far, in ms. */
  readonly #lags = new Map<string, number>();
  /** When `of>behind` could last not reach each other. */
  readonly #apartAtTick = new Map<string, number>();
  readonly #plans: Plan[] = [];
  readonly #broken: string[] = [];
  readonly #detections = new Map<string, number>();
  #tick = 0;
  #moves = 0;
  #answers = 0;
  #returns = 0;
  #stalePlans = 0;

  constructor(seed: number) {
    this.#seed = seed;
    this.#chance = new Chance(seed, "outages");
    const chance = this.#chance;
    this.#trouble = chance.is(0.6)
      ? "everything"
      : chance.pick([
          "link cut",
          "observer isolated",
          "observer blind",
          "region down",
          "loss alone",
        ]);
    const names = NAMES.slice(0, chance.between(3, 5));
    this.#loss = chance.pick([0, 0.02, 0.05]);
    this.#places = names.map((name) => ({
      name,
      router: null,
      remembered: null,
      runs: true,
      diedAtTick: null,
      shares: new Map(),
      told: "",
      removedAtMs: -Infinity,
      outs: new Map(),
    }));
    const rule = (fields: Partial<Rule> & { name: string }): Rule => ({
      policy: "nearest",
      regions: names,
      isSticky: false,
      residency: [],
      lagMsMax: null,
      limit: chance.between(1, 2),
      ttl: 30,
      ...fields,
    });
    this.#rules = [
      rule({ name: "near", lagMsMax: LAG_MS_MAX }),
      rule({ name: "order", policy: "failover" }),
      rule({ name: "sticky", policy: "weighted", isSticky: true }),
      rule({
        name: "resident",
        residency: [
          { clients: ["DE"], regions: names.slice(0, 1) },
          { clients: [], regions: names.slice(0, 2) },
        ],
      }),
      rule({ name: "nowhere", residency: [{ clients: ["DE"], regions: [] }] }),
    ];
    this.#locations = new Locations([
      {
        network: parseNetwork("192.0.2.0/24") as never,
        location: { country: "DE", continent: "EU" },
      },
      {
        network: parseNetwork("198.51.100.0/24") as never,
        location: { region: names[1] as string },
      },
    ]);
    for (const place of this.#places) this.#start(place);
  }

  run(): OutagesReport {
    for (; this.#tick < TICKS && this.#broken.length === 0; this.#tick++) {
      this.#makeTrouble();
      this.#moveLags();
      for (const place of this.#places) if (place.router !== null) this.#probe(place, place.router);
      if (this.#trouble === "everything") this.#changePlans();
      for (const place of this.#places)
        if (place.router !== null) {
          place.router.tick(this.#nowMs);
          place.remembered = place.router.remembered;
          this.#check(place, place.router);
        }
    }
    if (this.#broken.length === 0) this.#checkEnd();
    return {
      seed: this.#seed,
      trouble: this.#trouble,
      broken: this.#broken,
      detectionMs: [...this.#detections.values()],
      moves: this.#moves,
      answers: this.#answers,
      returns: this.#returns,
      stalePlans: this.#stalePlans,
    };
  }

  get #nowMs(): number {
    return START_MS + this.#tick * TICK_MS;
  }

  #start(place: Place): void {
    place.runs = true;
    place.diedAtTick = null;
    place.router = new Router({
      me: place.name,
      regions: this.#places.map(({ name }) => ({ name })),
      rules: this.#rules,
      locations: this.#locations,
      health: defaultHealth,
      admission: ADMISSION,
      servingMin: 1,
      nowMs: this.#nowMs,
      remembered: place.remembered,
    });
    place.removedAtMs = -Infinity;
    for (const { name, share } of place.router.facts) place.shares.set(name, share);
  }

  #stop(place: Place): void {
    place.runs = false;
    place.router = null;
    place.diedAtTick = this.#tick;
    for (const key of this.#detections.keys())
      if (key.startsWith(`${place.name}>`)) this.#detections.delete(key);
  }

  #makeTrouble(): void {
    const chance = this.#chance;
    const isQuiet = this.#tick >= TICKS - QUIET_TICKS * 3;
    switch (this.#trouble) {
      case "loss alone":
        return;
      case "link cut":
        if (this.#tick === 60)
          this.#cut(this.#places[0] as Place, this.#places[1] as Place, chance.is(0.3));
        return;
      case "observer isolated":
        if (this.#tick === 60) this.#isolate(this.#places[0] as Place);
        if (this.#tick === 260) this.#cuts.clear();
        return;
      case "observer blind":
        if (this.#tick !== 60) return;
        for (const other of this.#places) this.#cut(this.#places[0] as Place, other, true);
        return this.#cut(this.#places[1] as Place, this.#places[2] as Place, false);
      case "region down":
        if (this.#tick === 60) this.#stop(this.#places[0] as Place);
        if (this.#tick === 200) this.#start(this.#places[0] as Place);
        return;
      case "everything":
    }
    if (isQuiet) {
      this.#cuts.clear();
      for (const place of this.#places) if (!place.runs) this.#start(place);
      return;
    }
    const place = chance.pick(this.#places);
    if (chance.is(0.02)) {
      if (place.runs) this.#stop(place);
      else this.#start(place);
    }
    if (chance.is(0.02)) this.#cut(place, chance.pick(this.#places), chance.is(0.5));
    if (chance.is(0.005)) this.#isolate(place);
    if (chance.is(0.03)) this.#cuts.clear();
    // Flapping: it goes and comes within seconds.
    if (chance.is(0.02) && !place.runs) this.#start(place);
  }

  #cut(a: Place, b: Place, isOneWay: boolean): void {
    if (a === b) return;
    this.#cuts.add(`${a.name}>${b.name}`);
    if (!isOneWay) this.#cuts.add(`${b.name}>${a.name}`);
  }

  #isolate(place: Place): void {
    for (const other of this.#places) this.#cut(place, other, false);
  }

  /** Whether `a` can ask `b`: who was asked can answer. */
  #reaches(a: Place, b: Place): boolean {
    return a.runs && b.runs && !this.#cuts.has(`${a.name}>${b.name}`);
  }

  #moveLags(): void {
    for (const a of this.#places)
      for (const b of this.#places) {
        if (a === b) continue;
        const key = `${a.name}>${b.name}`;
        const lagMs = this.#lags.get(key) ?? 0;
        if (!this.#reaches(a, b)) this.#apartAtTick.set(key, this.#tick);
        if (this.#reaches(a, b)) this.#lags.set(key, Math.max(0, lagMs - 10 * TICK_MS));
        else if (a.runs) this.#lags.set(key, lagMs + TICK_MS);
      }
  }

  #probe(place: Place, router: Router): void {
    const lags = new Map<string, number | null>();
    for (const other of this.#places)
      if (other !== place)
        lags.set(
          other.name,
          this.#reaches(place, other) ? (this.#lags.get(`${place.name}>${other.name}`) ?? 0) : null,
        );
    router.measured(lags, 0.1);
    // Every region in turn, so that probes do not come in step.
    if ((this.#tick + this.#places.indexOf(place)) % (defaultHealth.intervalMs / TICK_MS) !== 0)
      return;
    for (const other of this.#places) {
      if (other === place) continue;
      // A probe that is lost is tried once more before it counts.
      const isLost = this.#chance.is(this.#loss) && this.#chance.is(this.#loss);
      if (!this.#reaches(place, other) || isLost || other.router === null) {
        router.failed(other.name, "no answer");
        continue;
      }
      router.succeeded(other.name, 20 + this.#chance.below(100));
      router.hear(other.router.ballot(), this.#nowMs);
      router.adopt(other.router.plan, this.#nowMs);
    }
  }

  #changePlans(): void {
    const chance = this.#chance;
    const { router, name } = chance.pick(this.#places);
    if (router === null) return;
    const isQuiet = this.#tick >= TICKS - QUIET_TICKS;
    if (chance.is(0.02) && !isQuiet) {
      const shift: Shift | null = chance.is(0.4)
        ? null
        : {
            mode: chance.pick(["serving", "standby", "drained"]),
            weight: chance.pick([0, 0.25, 1, 3]),
            fromMs: this.#nowMs + chance.below(30_000),
            untilMs: chance.is(0.5) ? this.#nowMs + 60_000 : null,
          };
      const base = chance.is(0.9) ? router.plan.number : chance.below(router.plan.number + 1);
      const shifts = { [chance.pick(this.#places).name]: shift };
      const why = router.change(
        { base, author: name, why: "drawn", shifts },
        chance.is(0.3),
        this.#nowMs,
      );
      if (why === null) this.#plans.push(router.plan);
    }
    if (this.#plans.length > 0 && chance.is(0.05)) {
      const before = router.plan;
      const plan = chance.pick(this.#plans);
      router.adopt(plan, this.#nowMs);
      if (router.plan !== before && plan.number < before.number)
        this.#say(`${name} went back from plan ${before.number} to ${plan.number}`);
      if (router.plan === before) this.#stalePlans++;
    }
    for (const poison of POISON)
      if (router.adopt(poison, this.#nowMs) === null)
        this.#say(`${name} took over a plan that leaves nobody`);
  }

  #check(place: Place, router: Router): void {
    const { name } = place;
    const told = JSON.stringify(
      router.facts.map(({ mode, weight, share, lagMs }) => [
        mode,
        weight,
        share,
        (lagMs ?? 0) > LAG_MS_MAX,
      ]),
    );
    // What has not changed is answered as before.
    if (told !== place.told || this.#tick % 10 === 0) this.#checkAnswers(name, router);
    place.told = told;
    for (const { name: region, share } of router.facts) {
      const before = place.shares.get(region) ?? 1;
      place.shares.set(region, share);
      if (share === before) continue;
      this.#moves++;
      if (share === 0 && before === 1) this.#checkRemoval(place, region);
      if (share === 0) place.outs.set(region, [...(place.outs.get(region) ?? []), this.#nowMs]);
      if (before === 0) this.#checkReturn(place, region);
    }
    for (const { region, state, sinceMs } of router.verdicts)
      if (state === "down" && sinceMs === this.#nowMs) this.#checkVerdict(place, region);
    if (this.#trouble !== "region down" || this.#tick < 60 || this.#tick >= 200) return;
    const [dead] = this.#places as [Place];
    const sinceMs = (this.#tick - 60) * TICK_MS;
    if (place !== dead && sinceMs > DETECTION_MS_MAX && (place.shares.get(dead.name) ?? 1) > 0)
      this.#say(`${name} still answers with ${dead.name} ${sinceMs} ms after its death`);
  }

  #checkAnswers(name: string, router: Router): void {
    for (const rule of this.#rules)
      for (const client of CLIENTS) {
        const choice = router.choose(rule.name, client, 32, this.#chance.unit());
        this.#answers++;
        const { location } = this.#locations.locate(client, 32);
        const allowed =
          rule.residency.find(
            ({ clients }) => clients.length === 0 || clients.includes(location.country ?? "?"),
          )?.regions ?? rule.regions;
        if (choice === null) this.#say(`${name} does not know ${rule.name}`);
        else if (choice.regions.length === 0 && allowed.length > 0)
          this.#say(`${name} answers ${rule.name} with nothing`);
        else if (choice.regions.some((region) => !allowed.includes(region)))
          this.#say(`${name} answers ${rule.name} outside of its residency`);
        else if (choice.ttl < 1 || choice.ttl > rule.ttl)
          this.#say(`${name} answers for ${choice.ttl} s`);
      }
  }

  #checkVerdict(place: Place, region: string): void {
    const [first, second] = this.#places as [Place, Place];
    switch (this.#trouble) {
      case "loss alone":
      case "link cut":
      case "observer blind":
        return this.#say(`${place.name} holds ${region} to be down, for ${this.#trouble}`);
      case "observer isolated":
        if (region !== first.name)
          this.#say(`${place.name} holds ${region} to be down, and ${first.name} is isolated`);
        return;
      case "region down":
        if (region !== first.name) this.#say(`${place.name} holds ${region} to be down`);
        else if (place.name !== region)
          this.#detections.set(`${region}>${place.name}`, (this.#tick - 60) * TICK_MS);
        return;
      case "everything":
        if (second === first) this.#say("there is one region");
    }
  }

  /** One at a time. */
  #checkRemoval(place: Place, region: string): void {
    if (this.#nowMs - place.removedAtMs < ADMISSION.removalGapMs)
      this.#say(
        `${place.name} took ${region} out ${this.#nowMs - place.removedAtMs} ms after another`,
      );
    place.removedAtMs = this.#nowMs;
  }

  /** Only with the data, and not soon again. */
  #checkReturn(place: Place, region: string): void {
    this.#returns++;
    for (const other of this.#places) {
      const lagMs = this.#lags.get(`${other.name}>${region}`) ?? 0;
      if (other.name === region || !other.runs || lagMs <= ADMISSION.lagMsMax + TOLD_MS_MAX)
        continue;
      // Who could not reach it, or not tell us, until a moment ago cannot have said what it lacks, nor does one that is held to be down.
      const isKnown = [
        `${other.name}>${region}`,
        ...(other === place ? [] : [`${other.name}>${place.name}`]),
      ].every(
        (pair) => (this.#tick - (this.#apartAtTick.get(pair) ?? -Infinity)) * TICK_MS > TOLD_MS_MAX,
      );
      const isUp = place.router?.verdicts.some(
        (verdict) => verdict.region === other.name && verdict.state === "up",
      );
      if (isKnown && isUp === true)
        this.#say(`${place.name} lets ${region} return ${lagMs} ms behind ${other.name}`);
    }
    const out = place.outs.get(region) ?? [];
    const falls = out.filter((atMs) => this.#nowMs - atMs < defaultHealth.holdDecayMs).length;
    const last = out.at(-1) ?? -Infinity;
    if (falls > 0 && this.#nowMs - last < ADMISSION.stableMs)
      this.#say(`${place.name} lets ${region} return ${this.#nowMs - last} ms after it went out`);
    // Each fall doubles what has to pass, so a run has room for few.
    if (falls > 6) this.#say(`${place.name} has taken ${region} out ${falls} times`);
  }

  /** When nothing has failed for a while, everybody follows one plan and answers alike. */
  #checkEnd(): void {
    if (this.#trouble !== "everything") return;
    const numbers = new Set(this.#places.map(({ router }) => JSON.stringify(router?.plan)));
    if (numbers.size > 1) this.#say("regions follow different plans in the end");
  }

  #say(what: string): void {
    this.#broken.push(`seed ${this.#seed}, second ${this.#tick}: ${what}`);
  }
}

/** Plans that leave nobody, or of a world that is not this one. */
const POISON: readonly Plan[] = [
  {
    number: 900_000,
    author: "zz",
    madeAtMs: START_MS,
    why: "poison",
    shifts: Object.fromEntries(
      NAMES.map((name) => [
        name,
        { mode: "drained" as const, weight: 1, fromMs: 0, untilMs: null },
      ]),
    ),
  },
  { number: 2 ** 40, author: "zz", madeAtMs: START_MS, why: "the last one ever", shifts: {} },
];
