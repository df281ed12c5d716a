/**
 * `npm run sim`: runs seeds and says which of them broke a promise.
 *
 *   npm run sim -- --seeds 600 --from 1          npm run sim -- --seed 7 --trace
 */
import { performance } from "node:perf_hooks";
import { Simulation, type Verdict } from "./simulation.ts";
import { planOf } from "./swarm.ts";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    seeds: { type: "string", default: "100" },
    from: { type: "string", default: "1" },
    minutes: { type: "string" },
    json: { type: "boolean", default: false },
    trace: { type: "boolean", default: false },
  },
});

const from = Number(values.seed ?? values.from);
const count = values.seed === undefined ? Number(values.seeds) : 1;
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const begun = performance.now();
const verdicts: Verdict[] = [];
const faults: Record<string, number> = {};
for (let seed = from; seed < from + count; seed++) {
  const plan = planOf(seed);
  if (values.trace) say(JSON.stringify(plan, null, 1));
  const simulation = new Simulation(
    plan,
    values.trace
      ? {
          say: (at, who, what) =>
            say(`${(at / 1000).toFixed(3).padStart(11)}  ${who.padEnd(10)} ${what}`),
        }
      : {},
  );
  const verdict = await simulation.run();
  verdicts.push(verdict);
  for (const [kind, n] of Object.entries(verdict.faults)) faults[kind] = (faults[kind] ?? 0) + n;
  if (verdict.failure !== null)
    say(
      `seed=${seed} check=${verdict.failure.check} at=${verdict.failure.atMs}ms ${verdict.failure.message}`,
    );
  if (values.trace) say(JSON.stringify(verdict));
}
const seconds = (performance.now() - begun) / 1000;
const events = verdicts.reduce((sum, verdict) => sum + verdict.events, 0);
const failures = verdicts.flatMap(({ seed, failure }) =>
  failure === null ? [] : [{ seed, ...failure }],
);
console.log(
  JSON.stringify({
    seeds: verdicts.length,
    failures: failures.map(({ seed, check, atMs, message }) => ({
      seed,
      check,
      atMs,
      message: message.slice(0, 200),
    })),
    simulatedHours: verdicts.reduce((sum, verdict) => sum + verdict.simulatedMs, 0) / 3_600_000,
    events,
    eventsPerSecond: Math.round(events / seconds),
    operations: verdicts.reduce((sum, verdict) => sum + verdict.operations, 0),
    faults,
  }),
);
process.exit(failures.length > 0 ? 1 : 0);
