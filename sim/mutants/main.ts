/**
 * `npm run mutants`: lets the simulator loose on code with a known bug, one bug at a time, and shows which check found it after how
 * many seeds.
 *
 * `--docs` writes the table of `docs/testing.md`; `--rotate N` takes `--count` of the catalogue, others for every N; `--limit S` is how
 * many seconds a mutant may take: one that is not found by then has survived.
 *
 * Invariant: a mutant counts as killed only when a seed fails with it; that the same seeds pass without it is `npm run sim`. Exit 0: all
 * killed; 1: some survived; 2: a patch no longer fits, or usage.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Mutant, MUTANTS, PENDING } from "./catalogue.ts";
import { rowsOf, withRows } from "./table.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "500" },
    only: { type: "string" },
    rotate: { type: "string" },
    count: { type: "string", default: "10" },
    limit: { type: "string", default: "1200" },
    docs: { type: "boolean", default: false },
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
  /** It was given up for the time it took. */
  readonly isLate: boolean;
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

function hunt({ name, profile }: Mutant): Result | null {
  const ran = spawnSync(
    process.execPath,
    [
      "--import",
      path("load.ts"),
      path("../main.ts"),
      ...["--profile", profile, "--seeds", values.seeds, "--first", "--no-shrink", "--json"],
    ],
    {
      encoding: "utf8",
      env: { ...process.env, ATOLL_MUTANT: name },
      maxBuffer: 1 << 28,
      timeout: Number(values.limit) * 1000,
      killSignal: "SIGKILL",
    },
  );
  if (ran.error !== undefined && "code" in ran.error && ran.error.code === "ETIMEDOUT") {
    // What it says as it goes: how many seeds there were.
    const seeds = Number(/(\d+) seeds, \d+ s\s*$/.exec(ran.stderr)?.[1] ?? 0);
    return { name, killed: false, check: "", seed: 0, seeds, isLate: true };
  }
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
    isLate: false,
  };
}

/** Writes what was found into the documentation. */
function document(): void {
  const file = path("../../docs/testing.md");
  const text = readFileSync(file, "utf8");
  const known = new Map(rowsOf(text).map((row) => [row[0], row]));
  const found = new Map(results.map((result) => [result.name, result]));
  const rows = MUTANTS.map(({ name, profile }) => {
    const result = found.get(name);
    if (result !== undefined) return [name, profile, result.check || "survived", result.seeds];
    const [, , check = "not hunted", seeds = ""] = known.get(name) ?? [];
    return [name, profile, check, seeds];
  });
  writeFileSync(file, withRows(text, rows));
}

const results: Result[] = [];
for (const mutant of chosen()) {
  const { name, profile } = mutant;
  const begunMs = performance.now();
  const result = hunt(mutant);
  if (result === null) process.exit(2);
  results.push(result);
  const seconds = ((performance.now() - begunMs) / 1000).toFixed(0);
  const how = `${result.seeds} of ${profile} (${seconds} s)  ${name}`;
  if (result.killed) say(`killed    ${result.check.padEnd(5)} after ${how}`);
  else if (result.isLate) say(`TOO SLOW  not found in ${values.limit} s: at least ${how}`);
  else say(`SURVIVED  ${how}`);
}
for (const { name, awaits } of PENDING) say(`pending   ${name}: awaits ${awaits}`);
if (values.docs) document();
const survivors = results.filter(({ killed }) => !killed).map(({ name }) => name);
const summary = { total: results.length, killed: results.length - survivors.length, survivors };
console.log(values.json ? JSON.stringify(summary) : JSON.stringify(summary, null, 2));
process.exitCode = survivors.length > 0 ? 1 : 0;
