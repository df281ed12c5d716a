/**
 * The simulator as CI runs it: 600 seeds and the regression seeds, 50 seeds twice in two processes, ten mutants, others with each commit and
 * each day.
 *
 * `ATOLL_SIM_SEEDS`, `ATOLL_SIM_FROM` and `ATOLL_SIM_ROTATE` choose others.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { atExit } from "../support/cleanup.ts";
import { root } from "../support/server.ts";

const SEEDS = Number(process.env["ATOLL_SIM_SEEDS"] ?? 600);
const FROM = Number(process.env["ATOLL_SIM_FROM"] ?? 1);
const ROTATE =
  process.env["ATOLL_SIM_ROTATE"] ?? String(commits() + Math.floor(Date.now() / 86_400_000));
const PAIRS = 50;
const DIRECTED = 8;
/** The one mark that nobody wishes for: that the judge gave up. */
const GIVEN_UP = "strong keys had too many ways to be judged";
/** How often each kind of fault must have changed something in a whole run. */
const FAULTS_MIN = 200;

interface Outcome {
  readonly seeds: number;
  readonly failures: { seed: number; check: string; atMs: number; message: string }[];
  readonly simulatedHours: number;
  readonly events: number;
  readonly eventsPerSecond: number;
  readonly faults: Record<string, number>;
  readonly marks: Record<string, number>;
}

/** How many commits there are; 0 outside of a repository. A clone without its history still has the day. */
function commits(): number {
  const { stdout } = spawnSync("git", ["rev-list", "--count", "HEAD"], {
    cwd: root,
    encoding: "utf8",
  });
  return Number(stdout ?? 0);
}

/** Runs a program of the project and returns what it printed; its exit code is the caller's to judge. */
async function run(
  args: readonly string[],
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  const forget = atExit(() => child.kill("SIGKILL"));
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => (stdout += String(chunk)));
  child.stderr.on("data", (chunk) => (stderr += String(chunk)));
  const [code] = (await once(child, "close")) as [number | null];
  forget();
  return { code, stdout, stderr };
}

async function simulate(from: number, seeds: number, ...more: string[]): Promise<Outcome> {
  const { stdout, stderr } = await run([
    join("sim", "main.ts"),
    ...["--seeds", String(seeds), "--from", String(from), "--json", ...more],
  ]);
  const line = stdout.trim().split("\n").at(-1) ?? "";
  assert.ok(line.startsWith("{"), `${stdout}\n${stderr}`);
  return JSON.parse(line) as Outcome;
}

test(`${SEEDS} seeds and the regression seeds keep every promise, and every kind of fault took part`, async () => {
  // One process a core.
  const half = Math.ceil(SEEDS / 2);
  const outcomes = await Promise.all([simulate(FROM, half), simulate(FROM + half, SEEDS - half)]);
  // Who owns what takes longer to change than most seeds last.
  outcomes.push(await simulate(FROM, DIRECTED, "--profile", "fences"));
  // Rights are taken over by a word that is said of members that were removed, and of nobody else.
  outcomes.push(await simulate(FROM, DIRECTED, "--profile", "escrow, removals"));
  const faults: Record<string, number> = {};
  for (const outcome of outcomes)
    for (const [kind, count] of Object.entries(outcome.faults))
      faults[kind] = (faults[kind] ?? 0) + count;
  const hours = outcomes.reduce((sum, { simulatedHours }) => sum + simulatedHours, 0);
  const speeds = outcomes.map(({ eventsPerSecond }) => Math.round(eventsPerSecond)).join(" and ");
  console.log(`${hours.toFixed(1)} simulated hours, ${speeds} events/s, ${JSON.stringify(faults)}`);
  for (const { failures } of outcomes)
    for (const { seed, check, atMs, message } of failures)
      assert.fail(
        `seed=${seed} check=${check} at=${atMs}ms ${message}; npm run sim -- --seed ${seed} --trace`,
      );
  if (SEEDS < 600) return;
  for (const mark of Object.keys(outcomes[0]?.marks ?? {}).filter((one) => one !== GIVEN_UP))
    assert.ok(
      outcomes.some(({ marks }) => (marks[mark] ?? 0) > 0),
      `in no seed ${mark}`,
    );
  for (const [kind, count] of Object.entries(faults))
    assert.ok(count >= FAULTS_MIN, `${kind} happened ${count} times, ${FAULTS_MIN} are wanted`);
});

test(`${PAIRS} seeds are the same history in two processes with different hash seeds`, async () => {
  const script = `
    const { Simulation } = await import("./sim/simulation.ts");
    const { planOf } = await import("./sim/swarm.ts");
    const seeds = Array.from({ length: ${PAIRS} }, (_, i) => ${FROM} + 7 * i);
    if (process.argv[1] === "backwards") seeds.reverse();
    const hashes = {};
    for (const seed of seeds) hashes[seed] = (await new Simulation(planOf(seed, 10_000)).run()).hash;
    console.log(JSON.stringify(hashes));`;
  const [one, other] = await Promise.all(
    [
      ["1", "forwards"],
      ["2", "backwards"],
    ].map(async ([hashSeed, order]) => {
      const { stdout, stderr } = await run([
        `--hash-seed=${hashSeed}`,
        ...["--input-type=module", "-e", script, order ?? ""],
      ]);
      assert.ok(stdout.startsWith("{"), stderr);
      return JSON.parse(stdout) as Record<string, string>;
    }),
  );
  assert.equal(Object.keys(one ?? {}).length, PAIRS);
  assert.deepEqual(one, other);
});

test("ten mutants, others with each commit, do not survive 500 seeds", async () => {
  const { stdout, stderr } = await run([
    join("sim", "mutants", "main.ts"),
    ...["--rotate", ROTATE, "--count", "10", "--seeds", "500", "--json"],
  ]);
  const line = stdout.trim().split("\n").at(-1) ?? "";
  assert.ok(line.startsWith("{"), `${stdout}\n${stderr}`);
  const { total, survivors } = JSON.parse(line) as { total: number; survivors: string[] };
  console.log(stderr.trim());
  assert.equal(total, 10);
  assert.deepEqual(survivors, [], stderr);
});
