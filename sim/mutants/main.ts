/**
 * `npm run mutants`: lets the simulator loose on code with a known bug, one bug at a time, and shows which check found it after how
 * many seeds.
 *
 * Invariant: a mutant counts as killed only when a seed fails with it; that the same seeds pass without it is `npm run sim`. Exit 0: all
 * killed; 1: some survived; 2: a patch no longer fits, or usage.
 */
import { spawnSync } from "node:child_process";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { MUTANTS, PENDING } from "./catalogue.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "500" },
    only: { type: "string" },
    rotate: { type: "string" },
    count: { type: "string", default: "10" },
    json: { type: "boolean", default: false },
  },
});

const say = (line: string): void => void process.stderr.write(`${line}\n`);
const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

interface Result {
  readonly name: string;
  readonly killed: boolean;
  readonly check: string;
  readonly seed: number;
  readonly seeds: number;
}

function chosen(): typeof MUTANTS {
  const { only, rotate, count } = values;
  if (only !== undefined) return MUTANTS.filter(({ name }) => name.includes(only));
  if (rotate === undefined) return MUTANTS;
  // Ten of them, others each time: CI hands in a number that grows.
  const from = Number(rotate) * Number(count);
  return Array.from(
    { length: Math.min(Number(count), MUTANTS.length) },
    (_, i) => MUTANTS[(from + i) % MUTANTS.length] as (typeof MUTANTS)[0],
  );
}

function hunt(name: string): Result | null {
  const ran = spawnSync(
    process.execPath,
    [
      "--import",
      path("load.ts"),
      path("../main.ts"),
      ...["--seeds", values.seeds, "--first", "--no-shrink", "--json"],
    ],
    { encoding: "utf8", env: { ...process.env, ATOLL_MUTANT: name }, maxBuffer: 1 << 28 },
  );
  if (ran.status !== 0 && ran.status !== 1) {
    say(ran.stderr);
    return null;
  }
  const { failures, seeds } = JSON.parse(ran.stdout) as {
    failures: { seed: number; check: string }[];
    seeds: number;
  };
  const [first] = failures;
  return {
    name,
    killed: first !== undefined,
    check: first?.check ?? "",
    seed: first?.seed ?? 0,
    seeds,
  };
}

const results: Result[] = [];
for (const { name } of chosen()) {
  const begunMs = performance.now();
  const result = hunt(name);
  if (result === null) process.exit(2);
  results.push(result);
  const seconds = ((performance.now() - begunMs) / 1000).toFixed(0);
  say(
    result.killed
      ? `killed    ${result.check.padEnd(5)} seed ${result.seed} (${result.seeds} run, ${seconds} s)  ${name}`
      : `SURVIVED  ${result.seeds} seeds, ${seconds} s  ${name}`,
  );
}
for (const { name, why } of PENDING) say(`pending   ${name}: ${why}`);
const survivors = results.filter(({ killed }) => !killed).map(({ name }) => name);
const summary = { total: results.length, killed: results.length - survivors.length, survivors };
console.log(values.json ? JSON.stringify(summary) : JSON.stringify(summary, null, 2));
process.exitCode = survivors.length > 0 ? 1 : 0;
