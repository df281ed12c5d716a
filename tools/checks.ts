/**
 * Checks: everything that can be known about the project without starting a server.
 *
 * Invariant: a check that saw nothing has failed, whatever its exit code. Each line says how much it looked at, and
 * `guards.test.ts` plants faults to prove that each one would tell.
 *
 *   ok    lint                 1.4 s  213 files
 *   FAIL  layers               2.0 s
 */
import { existsSync, globSync } from "node:fs";
import { run } from "./run.ts";
import { runTests } from "./test-run.ts";

export interface Outcome {
  passed: number;
  failed: number;
  skipped: number;
  /** How much was looked at, in words; undefined if nothing was. */
  saw: string | undefined;
  output: string;
}

interface Check {
  name: string;
  look: () => Promise<Outcome>;
}

/** Far above what a check takes; a hang must end some time. */
const LIMIT_MS = 5 * 60_000;

/** Two at a time, in this order: the tests use both cores by themselves and come last. */
const checks: readonly Check[] = [
  {
    name: "types",
    look: () => tool(["tsc", "-p", "tsconfig.json", "--listFiles"], typed(/\/src\/main\.ts$/m)),
  },
  {
    name: "types: core alone",
    look: () =>
      tool(
        ["tsc", "-p", "src/core/tsconfig.json", "--listFiles"],
        typed(/\/src\/core\/.*(?<!\.d)\.ts$/m),
      ),
  },
  {
    name: "lint",
    look: () =>
      tool(
        ["oxlint", "--deny-warnings", ...folders()],
        (said) => /on ([1-9]\d* files?)/.exec(said)?.[1],
      ),
  },
  {
    name: "layers",
    look: () =>
      tool(
        ["depcruise", "--config", ".dependency-cruiser.mjs", ...folders()],
        (said) => /([1-9]\d* modules, \d+ dependencies) cruised/.exec(said)?.[1],
      ),
  },
  {
    name: "dead code",
    // Knip is silent when all is well; the number of files it parsed is in its statistics.
    look: () =>
      tool(["knip", "--no-config-hints", "--performance-fn", "getImportsAndExports"], (said) =>
        counted(/^getImportsAndExports +([1-9]\d*) /m.exec(said)?.[1]),
      ),
  },
  {
    name: "format",
    look: () =>
      tool(["prettier", "--check", ".", "--log-level", "debug"], (said) =>
        counted(said.match(/^\[debug\] resolve config from /gm)?.length),
      ),
  },
  {
    // The core has no state outside its tests' hands, so its files share one process: some thirty times faster.
    name: "tests: core",
    look: () => tests(["src/core/**/*.test.ts"], [], ["--test-isolation=none"]),
  },
  {
    name: "tests",
    look: () =>
      tests(
        ["src/**/*.test.ts", "tools/**/*.test.ts", "sim/**/*.test.ts", "fuzz/**/*.test.ts"],
        ["src/core/**"],
        ["--test-concurrency=2"],
      ),
  },
];

export const checkNames: readonly string[] = checks.map(({ name }) => name);

/** Runs the named checks, or all, and prints as they end. Each check counts as one, and each unit test too. */
export async function runChecks(
  names: readonly string[] = checkNames,
): Promise<{ passed: number; failed: number; skipped: number }> {
  const waiting = checks.filter(({ name }) => names.includes(name));
  const total = { passed: 0, failed: 0, skipped: 0 };
  const failed: string[] = [];
  const work = async (): Promise<void> => {
    for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) {
      const startedMs = performance.now();
      const outcome = await check.look();
      const tookMs = performance.now() - startedMs;
      if (outcome.failed > 0) failed.push(check.name);
      total.passed += outcome.passed;
      total.failed += outcome.failed;
      total.skipped += outcome.skipped;
      print(check.name, tookMs, outcome);
    }
  };
  await Promise.all([work(), work()]);
  if (failed.length > 0) console.log(`failed: ${failed.join(", ")}`);
  return total;
}

function print(name: string, tookMs: number, { failed, saw, output }: Outcome): void {
  const line = `${name.padEnd(18)} ${(tookMs / 1000).toFixed(1).padStart(6)} s  ${saw ?? ""}`;
  if (failed === 0) return console.log(`ok    ${line}`);
  console.log(
    `FAIL  ${line}\n${saw === undefined ? "it did not see what it is there to see\n" : ""}${output}`,
  );
}

/** Lines that are asked for only to be counted: Prettier's, those of tsc, and knip's statistics. */
const COUNTED =
  /^\[debug\]|^\/\S+\.(?:[cm]?ts|json)$|^(?:Name  .*% *|-{4}.*|getImportsAndExports .*|Total running time: .*)$/;

async function tool(
  command: string[],
  saw: (said: string) => string | undefined,
): Promise<Outcome> {
  const { code, output, late, left } = await run(command, { limitMs: LIMIT_MS });
  const seen = saw(output);
  const ok = code === 0 && seen !== undefined && !late && left.length === 0;
  const told = output
    .split("\n")
    .filter((line) => !COUNTED.test(line))
    .join("\n");
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0, saw: seen, output: told };
}

/** The number of the project's own files among those that tsc lists, if the one that must be there is. */
function typed(must: RegExp): (said: string) => string | undefined {
  return (said) => {
    if (!must.test(said)) return undefined;
    const own = said
      .match(/^\/\S+\.[cm]?ts$/gm)
      ?.filter((path) => !path.includes("/node_modules/"));
    return counted(own?.length);
  };
}

const counted = (files: number | string | undefined): string | undefined =>
  files === undefined ? undefined : `${files} files`;

const folders = (): string[] =>
  ["src", "sim", "fuzz", "bench", "test", "tools"].filter((folder) => existsSync(folder));

async function tests(globs: string[], exclude: string[], flags: string[]): Promise<Outcome> {
  const files = globSync(globs, { exclude }).toSorted();
  const { passed, failed, skipped, complaints, output, ...ran } = await runTests(files, {
    limitMs: LIMIT_MS,
    flags,
  });
  const count = passed + failed + skipped;
  return {
    passed,
    failed,
    skipped,
    saw: ran.files === 0 ? undefined : `${count} tests in ${ran.files} files`,
    output: [...complaints, output].join("\n"),
  };
}
