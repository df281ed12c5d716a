/**
 * `npm run sim`: runs seeds, says which of them broke a promise, and makes the first that did short enough to be read.
 *
 *   npm run sim -- --seeds 600              seeds 1 to 600, and those of seeds.json before them
 *   npm run sim -- --minutes 60             from --from on until the time is over
 *   npm run sim -- --seed 7 --trace         one seed with its story; --svg FILE draws it
 *   npm run sim -- --profile away           seeds that are drawn from a part of what there is (`profiles.ts`)
 *
 * Invariant: stdout has results only, stderr the progress. Exit 0: every promise held; 1: one was broken; 2: usage.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { Drawing } from "./drawing.ts";
import { MARKS } from "./judge/marks.ts";
import { PROFILES } from "./profiles.ts";
import { shrink, type Story } from "./shrink.ts";
import { Simulation, type SimulationOptions, type Verdict } from "./simulation.ts";
import { type Plan, planOf, type Profile } from "./swarm.ts";
import { ALL_FAULTS } from "./world/faults.ts";

const USAGE = `usage: npm run sim -- [--seeds N] [--from S] [--minutes M] [--seconds T] [--json] [--no-shrink] [--first]
                      [--profile NAME] [--seed S [--trace] [--svg FILE]]`;

const say = (line: string): void => void process.stderr.write(`${line}\n`);
/** Runs that shrinking may take. */
const SHRINK_RUNS = 200;

interface Wanted {
  readonly seeds: number;
  readonly from: number;
  readonly minutes: number;
  readonly healMs: number;
  readonly profile: Profile;
  readonly json: boolean;
  readonly only: number | null;
  readonly trace: boolean;
  readonly svg: string | null;
  readonly shrinks: boolean;
  /** Whether the first failure ends the run. */
  readonly first: boolean;
}

function wanted(): Wanted | null {
  try {
    const { values } = parseArgs({
      options: {
        seed: { type: "string" },
        seeds: { type: "string", default: "100" },
        from: { type: "string", default: "1" },
        minutes: { type: "string", default: "0" },
        seconds: { type: "string", default: "30" },
        profile: { type: "string", default: "everything" },
        json: { type: "boolean", default: false },
        trace: { type: "boolean", default: false },
        svg: { type: "string" },
        first: { type: "boolean", default: false },
        "no-shrink": { type: "boolean", default: false },
      },
    });
    const numbers = [values.seeds, values.from, values.minutes, values.seconds, values.seed ?? "0"];
    if (!numbers.every((text) => /^\d+(\.\d+)?$/.test(text))) return null;
    const profile = PROFILES[values.profile];
    if (profile === undefined) return null;
    return {
      seeds: Number(values.seeds),
      from: Number(values.from),
      minutes: Number(values.minutes),
      healMs: Number(values.seconds) * 1000,
      profile,
      json: values.json,
      only: values.seed === undefined ? null : Number(values.seed),
      trace: values.trace,
      svg: values.svg ?? null,
      shrinks: !values["no-shrink"],
      first: values.first,
    };
  } catch {
    return null;
  }
}

/** Seeds that once failed and shall never again; they are drawn from everything where no profile is named. */
function regressions(options: Wanted): Plan[] {
  const url = new URL("seeds.json", import.meta.url);
  const { seeds } = JSON.parse(readFileSync(url, "utf8")) as {
    seeds: { seed: number; profile?: string }[];
  };
  const plans = new Map<string, Plan>();
  for (const { seed, profile = "everything" } of seeds) {
    const drawn = PROFILES[profile];
    if (drawn === undefined) throw new Error(`seeds.json: there is no profile ${profile}`);
    plans.set(`${seed} ${profile}`, planFor(seed, { ...options, profile: drawn }));
  }
  return [...plans.values()];
}

function told(atUs: number, who: string, what: string): void {
  say(`${(atUs / 1000).toFixed(3).padStart(11)}  ${who.padEnd(10)} ${what}`);
}

function lineOf({ seed, failure }: Verdict): string {
  if (failure === null) return `seed=${seed} ok`;
  return `seed=${seed} check=${failure.check} at=${failure.atMs}ms ${failure.message}`;
}

async function runOne(seed: number, options: Wanted): Promise<Verdict> {
  const { trace, svg, shrinks } = options;
  const plan = planFor(seed, options);
  if (trace) say(JSON.stringify(plan));
  const verdict = await watched(plan, new Map(), trace ? told : null, svg);
  say(lineOf(verdict));
  if (verdict.failure !== null && shrinks) await tell(verdict, plan, svg);
  return verdict;
}

function planFor(seed: number, { healMs, profile }: Wanted): Plan {
  return planOf(seed, healMs, profile);
}

/** Runs a plan with an audience, and draws it. */
async function watched(
  plan: Plan,
  masked: NonNullable<SimulationOptions["masked"]>,
  audience: typeof told | null,
  svg: string | null,
): Promise<Verdict> {
  const drawing = new Drawing();
  const simulation = new Simulation(plan, {
    masked,
    prepare: (s) => drawing.watch(s),
    say: (atUs, who, what) => {
      drawing.note(atUs, who, what);
      audience?.(atUs, who, what);
    },
  });
  const verdict = await simulation.run();
  if (svg !== null) writeFileSync(svg, drawing.svg(lineOf(verdict)));
  return verdict;
}

/** Shrinks a failure and tells what is left of it. */
async function tell({ failure }: Verdict, plan: Plan, svg: string | null): Promise<void> {
  if (failure === null) return;
  const story: Story = await shrink(plan, failure.check, SHRINK_RUNS);
  const { faults, clients, regions } = story.plan;
  say(
    `\nthe shortest way there (${story.runs} runs): ${regions} regions, ${clients} clients, ${faults.length} faults, ${story.verdict.operations} operations`,
  );
  await watched(
    story.plan,
    story.masked,
    (atUs, who, what) => {
      if (!what.includes("connect")) told(atUs, who, what);
    },
    svg === null ? null : svg.replace(/(\.svg)?$/, ".short.svg"),
  );
  say(lineOf(story.verdict));
}

async function runMany(options: Wanted): Promise<Verdict[]> {
  const begunMs = performance.now();
  const isOver = (count: number): boolean =>
    options.minutes > 0
      ? performance.now() - begunMs > options.minutes * 60_000
      : count >= options.seeds;
  const verdicts: Verdict[] = [];
  const again = options.profile === PROFILES["everything"] ? regressions(options) : [];
  for (const plan of again) verdicts.push(await new Simulation(plan).run());
  const isEnough = (): boolean => options.first && verdicts.some(({ failure }) => failure !== null);
  for (let count = 0; !isOver(count) && !isEnough(); count++) {
    const verdict = await new Simulation(planFor(options.from + count, options)).run();
    verdicts.push(verdict);
    if (verdict.failure !== null) {
      say(lineOf(verdict));
      const isFirst = verdicts.filter(({ failure }) => failure !== null).length === 1;
      if (isFirst && options.shrinks) await tell(verdict, planFor(verdict.seed, options), null);
    }
    if ((count + 1) % 50 === 0)
      say(`${count + 1} seeds, ${((performance.now() - begunMs) / 1000).toFixed(0)} s`);
  }
  for (const verdict of verdicts.slice(0, again.length))
    if (verdict.failure !== null) say(lineOf(verdict));
  return verdicts;
}

function report(verdicts: readonly Verdict[], processorSeconds: number): object {
  const faults: Record<string, number> = Object.fromEntries(ALL_FAULTS.map((kind) => [kind, 0]));
  const marks: Record<string, number> = Object.fromEntries(MARKS.map((mark) => [mark, 0]));
  for (const verdict of verdicts) {
    for (const [kind, n] of Object.entries(verdict.faults)) faults[kind] = (faults[kind] ?? 0) + n;
    for (const mark of verdict.marks) marks[mark] = (marks[mark] ?? 0) + 1;
  }
  const sum = (of: (verdict: Verdict) => number): number =>
    verdicts.reduce((total, verdict) => total + of(verdict), 0);
  const simulatedSeconds = sum(({ simulatedMs }) => simulatedMs) / 1000;
  const operations = sum((verdict) => verdict.operations);
  return {
    seeds: verdicts.length,
    failures: verdicts.flatMap(({ seed, failure }) =>
      failure === null ? [] : [{ seed, ...failure }],
    ),
    simulatedHours: simulatedSeconds / 3_600,
    /** Simulated time by processor time, and what clients asked in a second of it. */
    timesRealTime: simulatedSeconds / processorSeconds,
    operationsPerSecond: operations / simulatedSeconds,
    events: sum(({ events }) => events),
    eventsPerSecond: Math.round(sum(({ events }) => events) / processorSeconds),
    operations,
    records: sum(({ records }) => records),
    processorSeconds,
    faults,
    marks,
  };
}

async function main(): Promise<number> {
  const options = wanted();
  if (options === null) {
    say(USAGE);
    return 2;
  }
  const before = process.cpuUsage();
  const verdicts =
    options.only === null ? await runMany(options) : [await runOne(options.only, options)];
  const { user, system } = process.cpuUsage(before);
  const summary = report(verdicts, (user + system) / 1e6);
  const failed = verdicts.filter(({ failure }) => failure !== null).length;
  if (options.json) console.log(JSON.stringify(summary));
  else console.log(JSON.stringify(summary, null, 2));
  return failed > 0 ? 1 : 0;
}

process.exitCode = await main();
