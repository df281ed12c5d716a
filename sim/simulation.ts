/**
 * Simulation: one seed from beginning to end: the cluster is built, bad things happen, the world heals, and everyone must agree.
 *
 *   plan ─► machines, wires, clients ─► faults ─► heal ─► converged in time? ─► quiet ─► read everything ─► verdict
 *
 * Invariant: the outcome is a function of the plan. Nothing of this process, not its clock nor what ran before, has a part in it.
 */
import { type Config, parseConfig } from "../src/host/config.ts";
import { FENCED_KEYSPACE, FENCED_KINDS } from "./judge/fences.ts";
import { numbering } from "./judge/canonical.ts";
import { falseEnd, watchGarbage } from "./judge/claims.ts";
import { finalChecks, quietChecks, repairedChecks } from "./judge/final.ts";
import type { HistoryOrigin } from "./judge/history.ts";
import { type Failure, Judge } from "./judge/judge.ts";
import { judgeStrongKeys, STRONG_KEYSPACE, STRONG_KINDS } from "./judge/strong-keys.ts";
import { voidedChecks } from "./judge/voided.ts";
import { verifiedChecks, verifyNowAndThen } from "./judge/verified.ts";
import { LOSES_DISK, type Plan } from "./swarm.ts";
import { Actor, actors, OUTSIDE } from "./world/actor.ts";
import { Chance } from "./world/chance.ts";
import { Faults, type Recruit } from "./world/faults.ts";
import { Machine } from "./world/machine.ts";
import { Network, wayOf } from "./world/network.ts";
import { Timeline } from "./world/timeline.ts";
import { sandboxed } from "./world/sandbox.ts";
import { Trace } from "./world/trace.ts";
import { FORMATS } from "./world/workload.ts";

export interface SimulationOptions {
  /** Called with each line of the story. */
  readonly say?: (atUs: number, who: string, what: string) => void;
  /** Operations left out, by client. */
  readonly masked?: ReadonlyMap<number, ReadonlySet<number>>;
  /** Called with the judge before anything happens, to listen too. */
  readonly prepare?: (simulation: Simulation) => void;
}

export interface Verdict {
  readonly seed: number;
  readonly failure: Failure | null;
  readonly simulatedMs: number;
  readonly events: number;
  readonly records: number;
  readonly operations: number;
  readonly acknowledged: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly marks: readonly string[];
  readonly hash: string;
}

/** Virtual time within which everyone must agree once the world has healed. */
const CONVERGE_MS = 30_000;
/** Before the first disk is lost nothing can be missing. */
const ALONE_AFTER_MS = 500;
/** How an error begins: "-". */
const ERROR_MARK = 0x2d;
/** What a process says that stops because there are two of its name. */
const ANOTHER_LIVES = /another process (lives as|lived under its name)/;
const STRONG_REST_US = 25_000_000;
const CHECK_EVERY_US = 1_000_000;
/** In so many checks, one of everything. */
const WHOLE_EVERY = 10;
/** Between replicas of one region. */
const NEAR_US = 200;
const REGIONS = ["us-east", "us-west", "eu-west", "ap-south", "sa-east"];

export class Simulation {
  readonly plan: Plan;
  readonly timeline: Timeline;
  readonly trace: Trace;
  readonly network: Network;
  readonly judge: Judge;
  readonly machines: Machine[] = [];
  readonly actors: Actor[] = [];
  readonly faults: Faults;
  /** While a replica holds what it should not, on purpose. */
  isDamaged = false;

  constructor(plan: Plan, options: SimulationOptions = {}) {
    this.plan = plan;
    this.trace = new Trace(options.say ?? null);
    this.timeline = new Timeline(this.trace);
    this.judge = new Judge(plan.durability);
    this.judge.forgetsTotals = "flush" in plan.kinds;
    this.judge.escrow.mayRepeat =
      "flush" in plan.kinds ||
      plan.durability === "relaxed" ||
      plan.faults.some(({ kind }) => kind === "removal" || LOSES_DISK.has(kind));
    this.judge.onFailure = () => this.timeline.stop();
    this.network = new Network(
      this.timeline,
      this.trace,
      new Chance(plan.seed, "network"),
      plan.windowBytes,
    );
    this.network.onNonsense = (machine) =>
      this.judge.fail("I-24", machine, "half a frame was taken for a whole one");
    this.network.onFull = () => this.judge.marks.sometimes("a connection could take no more");
    this.network.onFlood = (from) =>
      this.judge.fail("I-15", from, "it sends to a connection that takes no more");
    this.network.onBatch = (from, body) => this.judge.sent(from, body);
    this.network.onSnapshot = (from, body) => {
      const wrong = falseEnd(this.judge, from, body);
      if (wrong !== null) this.judge.fail("I-1", from, wrong);
    };
    this.#build();
    this.faults = new Faults(
      this.timeline,
      this.network,
      this.machines,
      this.judge,
      plan,
      this.#recruit,
    );
    const { judge } = this;
    judge.onStarted = (machine) => {
      machine.say("is up");
      if (machine.disk.isForeign)
        judge.fail("I-13", machine, "it goes on with the directory of another member");
      this.#listen(machine);
    };
    judge.onEnded = (machine, why, error) => this.#ended(machine, why, error);
    options.prepare?.(this);
    for (const machine of this.machines) machine.start();
    this.#employ(options.masked ?? new Map());
    if (plan.verifyMs > 0) verifyNowAndThen(this, plan.verifyMs);
  }

  #build(): void {
    const { plan } = this;
    const members = REGIONS.slice(0, plan.regions).flatMap((region) =>
      Array.from({ length: plan.replicas }, (_, i) => `${region}/${i + 1}`),
    );
    for (const member of members) this.machines.push(this.#machine(member, members, member));
    const chance = new Chance(plan.seed, "wires");
    for (const [a, b] of pairs(plan))
      this.#lay(chance, this.machines[a] as Machine, this.machines[b] as Machine, true);
  }

  /** `stream` names the chance that it has a part in. */
  #machine(member: string, members: readonly string[], stream: string): Machine {
    const { plan } = this;
    const machine = new Machine(
      configOf(plan, member, [...members]),
      this.timeline,
      this.network,
      this.trace,
      new Chance(plan.seed, `machine ${stream}`),
      this.judge,
      this.machines.length + 1,
    );
    const skew = new Chance(plan.seed, `skew ${stream}`);
    machine.clock.skewMs = Math.round((skew.unit() - 0.5) * 2 * plan.skewMs);
    machine.clock.offsetMs = machine.clock.skewMs;
    machine.machines = () => this.machines;
    machine.monoRate = 1 + (new Chance(plan.seed, `rate ${stream}`).unit() - 0.5) * plan.driftMax;
    machine.turnSteps = plan.turnSteps;
    machine.thinnedFrom = plan.thinnedFrom;
    machine.copyBeyondBytes = plan.copyBeyondBytes;
    machine.restsKeys = this.machines.length % 2 === 0;
    machine.diskModel.syncUs = plan.syncUs;
    machine.diskModel.jitterUs = plan.syncUs;
    machine.diskModel.segmentBytes = plan.segmentBytes;
    this.judge.watch(machine);
    return machine;
  }

  /** `elsewhere` says whether the other machine alone may be the one that dials. */
  #lay(chance: Chance, one: Machine, other: Machine, elsewhere: boolean): void {
    const { plan } = this;
    const isNear = regionOf(one.name) === regionOf(other.name);
    const way = () =>
      isNear
        ? wayOf(NEAR_US, 0, 0)
        : wayOf(plan.delayMs * 1000 * (0.5 + chance.unit()), plan.jitterMs * 1000, plan.rate);
    this.network.wires.push({
      ends: [one, other],
      ways: [way(), way()],
      dialsFrom: chance.pick([
        [true, false],
        [!elsewhere, true],
        [true, true],
      ]),
    });
  }

  readonly #recruit: Recruit = (name, members, reaches) => {
    this.judge.hasGrown = true;
    const stream = `recruit ${++this.#recruits}`;
    const machine = this.#machine(name, members, stream);
    const chance = new Chance(this.plan.seed, `wires ${stream}`);
    for (const other of reaches) this.#lay(chance, machine, other, false);
    return machine;
  };

  #recruits = 0;

  #employ(masked: ReadonlyMap<number, ReadonlySet<number>>): void {
    const { plan } = this;
    const { seed, kinds, keys, elements, padding } = plan;
    const workload = { seed, kinds, keys, elements, padding };
    for (let number = 0; number < plan.clients; number++)
      this.actors.push(
        new Actor(number, this.machines, this.judge, {
          workload,
          meanUs: plan.meanMs * 1000,
          patienceUs: plan.patienceMs * 1000,
          depth: plan.depth,
          wander: plan.wander,
          restMs: plan.restMs,
          masked: masked.get(number) ?? new Set(),
        }),
      );
  }

  /** Learns which record each command made. */
  #listen(machine: Machine): void {
    const { node } = machine;
    if (node === null) return;
    watchGarbage(this.judge, machine);
    const { replica } = node;
    const execute = replica.execute.bind(replica);
    const has = ({ incarnation }: HistoryOrigin): number => {
      const number = replica.origins.find(incarnation);
      return number < 0 ? 0 : replica.applied.get(number);
    };
    replica.execute = (session, args, reply) => {
      let client: Actor | undefined;
      for (const served of machine.served)
        if (served.session === session.id) client = actors.get(served);
      const mayNotPass = client?.watches(replica) ?? false;
      const me = replica.me;
      const before = replica.applied.get(me);
      const { mark } = reply;
      const hold = execute(session, args, reply);
      this.timeline.events++;
      const wasRefused = reply.sink.view()[mark] === ERROR_MARK;
      const made = replica.applied.get(me);
      const seq = made > before ? made : 0;
      const unfenced =
        seq > 0
          ? this.judge.fences.wrote(replica, args, (incarnation, of) =>
              this.judge.isKept(incarnation, of),
            )
          : null;
      if (unfenced !== null) this.judge.fail("I-44", machine, unfenced);
      if (this.judge.fences.later > 0) this.judge.marks.sometimes("who writes keys was changed");
      if (seq > 0 && mayNotPass)
        this.judge.fail(
          "I-17",
          machine,
          "a transaction went through although what it watched had changed",
        );
      const asked = client?.executing;
      if (
        asked?.commands.length === 1 &&
        !OUTSIDE.has(asked.kind) &&
        !wasRefused &&
        !replica.exchange.joining.whole
      )
        this.judge.fail(
          "I-23",
          machine,
          `it serves ${asked.commands.join(" ")} and lacks something`,
        );
      if (client !== undefined) {
        if (seq > 0) this.judge.made(machine, seq, asked?.intents ?? []);
        const { history } = this.judge;
        const origin = history.origins[numbering(replica.origins, history)(me)] as HistoryOrigin;
        client.executed(origin, seq, wasRefused, has);
      }
      return hold;
    };
  }

  #ended(machine: Machine, why: string, error: unknown): void {
    const reason = error instanceof Error ? `: ${error.message}` : "";
    machine.say(`${why}${reason}`);
    if (why !== "failed" && why !== "refused") return;
    if (ANOTHER_LIVES.test(reason)) {
      if (!this.faults.fenced(machine, why))
        return this.judge.fail(
          "I-13",
          machine,
          "it stops for another process of its name: none is",
        );
      if (why === "refused") return;
    }
    if (why === "refused" && this.faults.refused(machine)) return;
    if (why === "refused" && !machine.disk.full && !machine.disk.hasFailed)
      this.judge.fail("I-19", machine, `it refuses to start${reason}`);
    // As a supervisor does.
    this.timeline.after(300_000, "started again", null, () => machine.start());
  }

  /** As `Judge.check`; a state that cannot even be read is a finding too. */
  #examine(everything: boolean): boolean {
    try {
      for (const machine of this.machines) {
        const wrong = this.judge.escrow.wrongAt(machine);
        if (wrong !== null) this.judge.fail("I-43", machine, wrong);
      }
      return this.judge.check(everything);
    } catch (error) {
      this.judge.fail("bug", null, `a state cannot be read: ${textOf(error)}`);
      return true;
    }
  }

  #checks(): void {
    this.timeline.after(CHECK_EVERY_US, "check", null, () => {
      // What a record did shows in the keys it names; the rest must be as it was, which is looked at less often.
      if (!this.isDamaged)
        this.#examine(this.timeline.now % (WHOLE_EVERY * CHECK_EVERY_US) < CHECK_EVERY_US);
      this.#checks();
    });
  }

  /** Runs it to its end, or to the first broken promise. */
  run(): Promise<Verdict> {
    const onRejection = (error: unknown): void => this.judge.fail("bug", null, textOf(error));
    process.on("unhandledRejection", onRejection);
    return sandboxed(() => this.#run()).finally(() =>
      process.off("unhandledRejection", onRejection),
    );
  }

  async #run(): Promise<Verdict> {
    const { plan, timeline, judge } = this;
    this.#checks();
    await timeline.run(plan.healMs * 1000);
    this.trace.say(timeline.now, "", "the world heals");
    this.faults.heal();
    await timeline.run((plan.healMs + 1_000) * 1000);
    for (const actor of this.actors) actor.stop();
    await this.#converge();
    if (judge.failures.length === 0) await this.#judgeStrong();
    if (judge.failures.length === 0) await quietChecks(this);
    if (judge.failures.length === 0) await finalChecks(this);
    if (judge.failures.length === 0 && !judge.hadTwins) voidedChecks(this);
    if (judge.failures.length === 0) await verifiedChecks(this);
    if (judge.failures.length === 0) await repairedChecks(this);
    return this.verdict();
  }

  async #judgeStrong(): Promise<void> {
    const hasStrong = hasAny(this.plan, STRONG_KINDS);
    if (!hasStrong && !hasAny(this.plan, FENCED_KINDS)) return;
    // Deletions are forgotten meanwhile, what nobody was told of is asked for, and who was given keys to own begins.
    await this.timeline.run(this.timeline.now + STRONG_REST_US);
    if (!hasStrong) return;
    const clocksAreRight = this.plan.faults.every(({ kind }) => !kind.startsWith("clock-"));
    const outcomes = this.actors.flatMap((actor) => actor.outcomes);
    const { wrong, unknown } = judgeStrongKeys(outcomes, clocksAreRight);
    if (wrong !== null) this.judge.fail("I-30", null, wrong);
    if (unknown > 0) this.judge.marks.sometimes("strong keys had too many ways to be judged");
  }

  async #converge(): Promise<void> {
    const { timeline, judge } = this;
    const untilUs = timeline.now + CONVERGE_MS * 1000;
    while (timeline.now < untilUs && judge.failures.length === 0) {
      await timeline.run(timeline.now + 100_000);
      if (judge.converged && this.#examine(true)) return;
    }
    judge.fail(
      "I-4",
      null,
      `no agreement ${CONVERGE_MS} ms after the world healed: ${judge.progress()}`,
    );
  }

  verdict(): Verdict {
    const { judge, timeline } = this;
    const outcomes = this.actors.flatMap((actor) => actor.outcomes);
    return {
      seed: this.plan.seed,
      failure: judge.failures[0] ?? null,
      simulatedMs: Math.round(timeline.nowMs),
      events: timeline.events,
      records: judge.history.count,
      operations: outcomes.length,
      acknowledged: outcomes.filter(({ acknowledged }) => acknowledged).length,
      faults: this.faults.counts,
      marks: [...judge.marks.seen],
      hash: this.trace.hash,
    };
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function regionOf(member = ""): string {
  return member.slice(0, member.lastIndexOf("/"));
}

/** The pairs of machines with a wire between them. */
function pairs({ regions, replicas, shape }: Plan): [number, number][] {
  const found: [number, number][] = [];
  const count = regions * replicas;
  for (let a = 0; a < count; a++)
    for (let b = a + 1; b < count; b++)
      if (
        shape === "mesh" ||
        (shape === "hub" && a === 0) ||
        (shape === "ring" && (b === a + 1 || (a === 0 && b === count - 1)))
      )
        found.push([a, b]);
  return found;
}

function hasAny({ kinds }: Plan, some: ReadonlySet<string>): boolean {
  return Object.keys(kinds).some((kind) => some.has(kind));
}

let defaults: Config | null = null;

function configOf(plan: Plan, member: string, members: string[]): Config {
  if (defaults === null) {
    const parsed = parseConfig("", {}, "the simulation's configuration");
    if ("problems" in parsed) throw new Error(parsed.problems.join("; "));
    defaults = parsed.config;
  }
  return {
    ...defaults,
    member,
    members,
    region: regionOf(member),
    durability: plan.durability,
    replication: {
      ...defaults.replication,
      topology: plan.shape === "mesh" ? "mesh" : "links",
    },
    join: { waitMs: ALONE_AFTER_MS },
    checkpoint: { everyBytes: plan.checkpointBytes, everyMs: 5_000 },
    // Comparing is asked for by the plan.
    verify: { everyMs: 0, mend: "no" },
    log: { ...defaults.log, minRetainMs: plan.minRetainMs, maxBytes: plan.logBytesMax },
    keyspaces: [
      ...FORMATS,
      ...(hasAny(plan, STRONG_KINDS) ? [STRONG_KEYSPACE] : []),
      ...(hasAny(plan, FENCED_KINDS) ? [FENCED_KEYSPACE] : []),
    ],
  };
}
