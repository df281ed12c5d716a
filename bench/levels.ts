/**
 * Levels: what each level costs in time beyond the network: reads and writes from one region of three, as far apart as in the world.
 *
 *   every level in turn, one command at a time, round after round; the network's own share is what the lab's wires are set to
 *
 * Invariant: overhead is the median minus the round trip that the level cannot do without, measured in rounds that mix all levels, so
 * that company on the machine is everybody's.
 */
import { RunningCommand } from "../test/lab/lab-process.ts";
import { RespConnection } from "../test/support/resp-connection.ts";
import { isError, textOf } from "../test/support/resp.ts";
import { tempDir } from "../test/support/temp-dir.ts";
import { LEVELS, type Level } from "../src/core/replica/levels.ts";
import { oneWayMs } from "../src/lab/distances.ts";
import { type BenchOptions, spreadOf, table } from "./answer.ts";

const REGIONS = ["us-east", "us-west", "eu-west"] as const;
const ROUNDS = 200;

interface Cell {
  command: "SET" | "GET";
  level: Level;
  /** The round trip to the regions that the level cannot do without, in ms. */
  networkMs: number;
  p50Ms: number;
  p99Ms: number;
  /** The median beyond the network. */
  overheadMs: number;
}

export interface LevelsAnswer {
  question: "levels";
  from: string;
  rounds: number;
  cells: Cell[];
}

/** Round trips from the first region to the others, the nearest first. */
function roundTripsMs(): number[] {
  const [home, ...others] = REGIONS;
  return others.map((other) => 2 * (oneWayMs(home, other) ?? 0)).toSorted((a, b) => a - b);
}

function networkMs(level: Level): number {
  const [nearest = 0, farthest = 0] = roundTripsMs();
  if (level === "LOCAL_ONE" || level === "LOCAL_QUORUM") return 0;
  return level === "EACH_QUORUM" || level === "ALL" ? farthest : nearest;
}

export async function levels({ quick, note }: BenchOptions): Promise<LevelsAnswer> {
  const rounds = quick ? 5 : ROUNDS;
  using dir = tempDir("bench-levels");
  const place = ["--port", "0", "--dir", `${dir.path}/lab`];
  const lab = new RunningCommand(["lab", "--json", "--regions", REGIONS.join(","), ...place]);
  try {
    await lab.until(({ stdout }) => stdout.includes("\n"));
    const { regions } = JSON.parse(lab.stdout) as { regions: { redis: string }[] };
    using home = await RespConnection.open(Number(new URL(regions[0]?.redis ?? "").port));
    while (isError(await home.call("AA.DO", "ALL", "SET", "k", "v"))) note("links are not up yet");
    const samples = new Map<string, number[]>();
    for (let round = 0; round < rounds; round++) {
      if (round % 20 === 0) note(`round ${round} of ${rounds}`);
      for (const level of LEVELS)
        for (const words of [
          ["SET", "k", `${round}`],
          ["GET", "k"],
        ]) {
          const beganMs = performance.now();
          const reply = await home.call("AA.DO", level, ...words);
          if (isError(reply)) throw new Error(String(textOf(reply)));
          const name = `${words[0]} ${level}`;
          const times = samples.get(name) ?? [];
          samples.set(name, times);
          times.push(performance.now() - beganMs);
        }
    }
    const cells = (["SET", "GET"] as const).flatMap((command) =>
      LEVELS.map((level) => cellOf(command, level, samples.get(`${command} ${level}`) ?? [])),
    );
    return { question: "levels", from: REGIONS[0], rounds, cells };
  } finally {
    lab.child.kill("SIGTERM");
    await lab.ended;
  }
}

function cellOf(command: Cell["command"], level: Level, times: readonly number[]): Cell {
  const { median } = spreadOf(times);
  const p99 = times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? Number.NaN;
  const network = networkMs(level);
  return {
    command,
    level,
    networkMs: rounded(network),
    p50Ms: rounded(median),
    p99Ms: rounded(p99),
    overheadMs: rounded(median - network),
  };
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}

export function levelsTable({ from, rounds, cells }: LevelsAnswer): string {
  const rows = cells.map(({ command, level, networkMs: network, p50Ms, p99Ms, overheadMs }) =>
    [command, level, network, p50Ms, p99Ms, overheadMs].map(String),
  );
  const head = ["command", "level", "network ms", "p50 ms", "p99 ms", "overhead ms"];
  return `${table([head, ...rows])}\n${rounds} rounds from ${from}`;
}
