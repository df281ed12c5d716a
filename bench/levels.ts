/**
 * Levels: what each level costs in time beyond the network, in three regions that are as far apart as in the world; and how long
 * strong keys stand still when a region is lost.
 *
 *   every level in turn, one command at a time, round after round; the network's own share is what the lab's wires are set to
 *   each region in turn: kill -9 ─► the others write on, to keys of their own and to those that the lost region wrote last
 *
 * Invariant: overhead is the median minus the round trip that the command cannot do without, measured in rounds that mix all of them, so
 * that company on the machine is everybody's.
 */
import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { LEVELS } from "../src/core/replica/levels.ts";
import type { LabEndpoints } from "../src/lab/lab-command.ts";
import { oneWayMs } from "../src/lab/distances.ts";
import { atoll, RunningCommand } from "../test/lab/lab-process.ts";
import { RespConnection } from "../test/support/resp-connection.ts";
import { isError, textOf } from "../test/support/resp.ts";
import { tempDir } from "../test/support/temp-dir.ts";
import { type BenchOptions, spreadOf, table } from "./answer.ts";

const REGIONS = ["us-east", "us-west", "eu-west"] as const;
type Region = (typeof REGIONS)[number];
const FROM: Region = "us-east";
const ROUNDS = 200;
/** Rounds before those that count, while the compiler gets to know the code. */
const WARM_UP = 20;
/** Keys that the lost region writes until it is lost. */
const TAKEN = 10;

const KEYSPACES = `- { prefix: "strong:", writes: global }
- { prefix: "home:", writes: home, home: eu-west }
`;

/** What is measured: how it is said, and the round trips that it cannot do without. */
interface Kind {
  readonly command: string;
  readonly level: string;
  readonly networkMs: number;
  readonly words: (round: number) => (string | number)[];
}

export interface LevelCell {
  command: string;
  level: string;
  /** The round trips that it cannot do without, in ms. */
  networkMs: number;
  p50Ms: number;
  p99Ms: number;
  /** The median beyond the network. */
  overheadMs: number;
}

/** What clients of the other regions notice of one that is lost. */
export interface LossCell {
  lost: Region;
  /** Between those that are left: what one round takes. */
  roundMs: number;
  /** The slowest command on strong keys of theirs, before and after. */
  beforeMsMax: number;
  afterMsMax: number;
  /** The slowest first change of a key that the lost region changed last: one round to learn of it, one to change it. */
  takenMsMax: number;
  /** Commands that were answered with an error. */
  refused: number;
}

export interface LevelsAnswer {
  question: "levels";
  from: string;
  rounds: number;
  cells: LevelCell[];
  losses: LossCell[];
}

function roundTripMs(a: Region, b: Region): number {
  return 2 * (oneWayMs(a, b) ?? 0);
}

function kinds(): Kind[] {
  const [nearest = 0, farthest = 0] = REGIONS.filter((region) => region !== FROM)
    .map((region) => roundTripMs(FROM, region))
    .toSorted((a, b) => a - b);
  const network = {
    ...{ LOCAL_ONE: 0, LOCAL_QUORUM: 0, GLOBAL_ONE: nearest, GLOBAL_QUORUM: nearest },
    ...{ EACH_QUORUM: farthest, ALL: farthest },
  };
  const at = (command: string, ...words: (string | number)[]): Kind[] =>
    LEVELS.map((level) => ({
      ...{ command, level, networkMs: network[level] },
      words: (round) => ["AA.DO", level, command, ...words, ...(command === "SET" ? [round] : [])],
    }));
  const home = roundTripMs(FROM, "eu-west");
  const kind = (command: string, level: string, networkMs: number, words: Kind["words"]): Kind => ({
    ...{ command, level, networkMs, words },
  });
  return [
    ...at("SET", "k"),
    ...at("GET", "k"),
    kind("SET", "strong", nearest, (round) => ["SET", "strong:k", round]),
    kind("GET", "strong", nearest, () => ["GET", "strong:k"]),
    kind("INCR", "home in eu-west", home, () => ["INCR", "home:n"]),
    kind("AA.BOUND DECR", "rights here", 0, () => ["AA.BOUND", "DECR", "stock", 1]),
  ];
}

/** A region of the lab. */
interface Place {
  readonly name: Region;
  readonly port: number;
  readonly pid: number;
}

export async function levels({ quick, note }: BenchOptions): Promise<LevelsAnswer> {
  const rounds = quick ? 5 : ROUNDS;
  using temp = tempDir("bench-levels");
  const dir = `${temp.path}/lab`;
  const keyspaces = `${temp.path}/keyspaces.yaml`;
  writeFileSync(keyspaces, KEYSPACES);
  const options = ["--regions", REGIONS.join(","), "--keyspaces", keyspaces];
  const lab = new RunningCommand(["lab", "--json", "--port", "0", "--dir", dir, ...options]);
  try {
    await lab.until(({ stdout }) => stdout.includes("\n"));
    const places = (JSON.parse(lab.stdout) as LabEndpoints).regions.map(
      ({ name, redis, pid }): Place => ({ name, port: Number(new URL(redis).port), pid }) as Place,
    );
    const cells = await measured(places, rounds, note);
    const losses: LossCell[] = [];
    for (const { name } of places.toReversed()) {
      note(`${name} is lost`);
      losses.push(await loss(name, places, quick ? 1_000 : 5_000));
      await atoll("lab", "start", name, "--dir", dir);
    }
    return { question: "levels", from: FROM, rounds, cells, losses };
  } finally {
    lab.child.kill("SIGTERM");
    await lab.ended;
  }
}

/** Asks until it is not refused. */
async function until(client: RespConnection, ...words: (string | number)[]): Promise<void> {
  for (;;) {
    const reply = await client.call(...words);
    if (!isError(reply) || textOf(reply)?.toString().startsWith("BUSYKEY") === true) return;
    await sleep(100);
  }
}

/** How long one command takes, in ms. Throws when it is refused. */
async function timed(client: RespConnection, words: readonly (string | number)[]): Promise<number> {
  const beganMs = performance.now();
  const reply = await client.call(...words);
  if (isError(reply)) throw new Error(String(textOf(reply)));
  return performance.now() - beganMs;
}

async function measured(
  places: readonly Place[],
  rounds: number,
  note: BenchOptions["note"],
): Promise<LevelCell[]> {
  using client = await RespConnection.open(portOf(places, FROM));
  await until(client, "AA.DO", "ALL", "SET", "k", "v");
  await until(client, "INCR", "home:n");
  await until(client, "AA.BOUND", "CREATE", "stock", "MIN", 0, "VALUE", 1_000_000);
  const all = kinds().map((kind) => ({ kind, times: [] as number[] }));
  for (let round = -WARM_UP; round < rounds; round++) {
    if (round % 20 === 0) note(`round ${round} of ${rounds}`);
    for (const { kind, times } of all) {
      const tookMs = await timed(client, kind.words(round));
      if (round >= 0) times.push(tookMs);
    }
  }
  return all.map(({ kind: { command, level, networkMs }, times }) => {
    const { median } = spreadOf(times);
    const p99 = times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? Number.NaN;
    return {
      ...{ command, level, networkMs: rounded(networkMs) },
      ...{ p50Ms: rounded(median), p99Ms: rounded(p99), overheadMs: rounded(median - networkMs) },
    };
  });
}

function portOf(places: readonly Place[], region: Region): number {
  return places.find(({ name }) => name === region)?.port ?? 0;
}

/** A region is killed while all of them write strong keys. */
async function loss(lost: Region, places: readonly Place[], forMs: number): Promise<LossCell> {
  const left = REGIONS.filter((region) => region !== lost) as [Region, Region];
  const taken = Array.from({ length: TAKEN }, (_, i) => `strong:of:${lost}:${i}`);
  let refused = 0;
  let stopsMs = Infinity;
  let killedMs = Infinity;
  let beforeMs = 0;
  let afterMs = 0;
  /** A region writes a key of its own, one command behind the other. */
  const writes = async (region: Region): Promise<void> => {
    using client = await RespConnection.open(portOf(places, region));
    await until(client, "INCR", `strong:own:${region}`);
    while (performance.now() < stopsMs) {
      const tookMs = await timed(client, ["INCR", `strong:own:${region}`]).catch(() => {
        refused++;
        return 0;
      });
      if (performance.now() < killedMs) beforeMs = Math.max(beforeMs, tookMs);
      else afterMs = Math.max(afterMs, tookMs);
    }
  };
  using owner = await RespConnection.open(portOf(places, lost));
  for (const key of taken) await until(owner, "INCR", key);
  const heirs = await Promise.all(taken.map(() => RespConnection.open(portOf(places, left[0]))));
  const running = left.map(writes);
  await sleep(forMs);
  killedMs = performance.now();
  stopsMs = killedMs + forMs;
  process.kill(places.find(({ name }) => name === lost)?.pid ?? 0, "SIGKILL");
  const takenMs = await Promise.all(
    taken.map((key, i) => timed(heirs[i] as RespConnection, ["INCR", key])),
  );
  await Promise.all(running);
  for (const heir of heirs) heir[Symbol.dispose]();
  return {
    ...{ lost, roundMs: rounded(roundTripMs(...left)) },
    ...{ beforeMsMax: rounded(beforeMs), afterMsMax: rounded(afterMs) },
    ...{ takenMsMax: rounded(Math.max(...takenMs)), refused },
  };
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}

const LEVEL_HEAD = ["command", "level", "network ms", "p50 ms", "p99 ms", "overhead ms"];
const LOSS_HEAD = [
  ...["lost", "one round ms", "slowest before ms", "slowest after ms"],
  ...["slowest of the lost region's keys ms", "refused"],
];

function rowsOf({ cells, losses }: LevelsAnswer): { levels: string[][]; losses: string[][] } {
  return {
    levels: cells.map(({ command, level, networkMs, p50Ms, p99Ms, overheadMs }) =>
      [command, level, networkMs, p50Ms, p99Ms, overheadMs].map(String),
    ),
    losses: losses.map(({ lost, roundMs, beforeMsMax, afterMsMax, takenMsMax, refused }) =>
      [lost, roundMs, beforeMsMax, afterMsMax, takenMsMax, refused].map(String),
    ),
  };
}

export function levelsTable(answer: LevelsAnswer): string {
  const rows = rowsOf(answer);
  return `${table([LEVEL_HEAD, ...rows.levels])}
${answer.rounds} rounds from ${answer.from}

${table([LOSS_HEAD, ...rows.losses])}`;
}

/** The same as two tables of Markdown. */
export function levelsMarkdown(answer: LevelsAnswer): string {
  const rows = rowsOf(answer);
  return [
    markdown([LEVEL_HEAD, ...rows.levels]),
    `Medians of ${answer.rounds} rounds from ${answer.from}, one command at a time. When a region is lost (\`kill -9\`), while the two others write strong keys:`,
    markdown([LOSS_HEAD, ...rows.losses]),
  ].join("\n\n");
}

function markdown([head = [], ...rows]: readonly string[][]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
