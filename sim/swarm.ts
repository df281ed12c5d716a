/**
 * Swarm: what a seed means: the cluster, the clients, and the faults with their times.
 *
 * First it is drawn which operations and faults exist at all, then how often: a mixture of everything hides what two things alone
 * would show. One seed in ten is without faults and one in ten has a single fault in the extreme.
 *
 * Invariant: a plan is plain data and a function of the seed; whoever shrinks it leaves entries out.
 */
import { TURN_STEPS } from "../src/host/turn.ts";
import { FENCED_KINDS } from "./judge/fences.ts";
import { STRONG_KINDS } from "./judge/strong-keys.ts";
import { Chance } from "./world/chance.ts";
import { type FaultKind, FAULTS } from "./world/faults.ts";
import { KINDS } from "./world/workload.ts";

export interface Fault {
  readonly kind: FaultKind;
  readonly atMs: number;
  /** How long it lasts. */
  readonly forMs: number;
  /** Which machine, or which wire, modulo how many there are. */
  readonly which: number;
  /** How bad, in [0, 1). */
  readonly amount: number;
}

export interface Plan {
  readonly seed: number;
  readonly regions: number;
  /** In each region. */
  readonly replicas: number;
  readonly shape: "mesh" | "ring" | "hub";
  readonly durability: "local" | "relaxed";
  readonly clients: number;
  readonly meanMs: number;
  /** How long they wait for a reply. */
  readonly patienceMs: number;
  readonly depth: number;
  readonly wander: number;
  readonly kinds: Readonly<Record<string, number>>;
  readonly keys: number;
  readonly elements: number;
  readonly padding: number;
  readonly delayMs: number;
  readonly jitterMs: number;
  readonly rate: number;
  readonly windowBytes: number;
  readonly syncUs: number;
  /** How much a turn of a node holds: mostly what is usual, which hardly any turn here comes to. */
  readonly turnSteps: number;
  /** How long a log is that nobody is filled from: none here is as long as is usual. */
  readonly copyBeyondBytes: number;
  /** From how much garbage on that is let go of which was overtaken. */
  readonly thinnedFrom: number;
  readonly segmentBytes: number;
  readonly checkpointBytes: number;
  readonly minRetainMs: number;
  /** Beyond it the log is cut although somebody who is away needs it. */
  readonly logBytesMax: number;
  readonly skewMs: number;
  /** How far monotonic clocks run apart: 0.1 is a tenth. */
  readonly driftMax: number;
  readonly faults: readonly Fault[];
  /** How long it is, on average, until a replica compares itself with the others again; 0 for never. */
  readonly verifyMs: number;
  /** While clients ask nothing; empty (0, 0) for never. */
  readonly restMs: readonly [number, number];
  /** When the faults end. */
  readonly healMs: number;
}

/** Narrows what a plan draws. What it does not name is drawn as ever. */
export interface Profile {
  /** The kinds of operations: all of them are there, how often is drawn. */
  readonly kinds?: readonly string[];
  /** The kinds of faults: all of them happen, how often is drawn. */
  readonly faults?: readonly FaultKind[];
  /** The shortest and the longest that a fault lasts; 20 ms and 12 s when absent. */
  readonly shortestMs?: number;
  readonly longestMs?: number;
  /** The mean time between two faults of a kind. */
  readonly everyMs?: number;
  /** What is not drawn at all. */
  readonly fixed?: Partial<Omit<Plan, "seed">>;
}

const NAMES: readonly (keyof typeof KINDS)[] = Object.keys(KINDS);

export function planOf(seed: number, forMs = 30_000, profile: Profile = {}): Plan {
  const chance = new Chance(seed, "plan");
  const healMs = profile.fixed?.healMs ?? forMs;
  const regions = profile.fixed?.regions ?? chance.pick([2, 3, 3, 3, 4, 5]);
  const faults = drawFaults(new Chance(seed, "faults"), chance, healMs, profile);
  drawChanges(new Chance(seed, "removal"), faults, healMs, profile);
  drawTwins(new Chance(seed, "clone"), faults, healMs, profile);
  faults.sort((a, b) => a.atMs - b.atMs);
  const has = (kind: FaultKind): boolean => faults.some((fault) => fault.kind === kind);
  const replaces =
    faults.some(({ kind }) => LOSES_DISK.has(kind)) || has("removal") || has("clone");
  return {
    seed,
    regions,
    replicas: regions > 3 ? 1 : new Chance(seed, "replicas").pick([1, 1, 1, 1, 1, 1, 1, 1, 2]),
    shape: regions < 3 ? "mesh" : chance.pick(["mesh", "mesh", "mesh", "ring", "hub"]),
    // What `relaxed` may lose in a crash, a lost disk elsewhere may have held the only copy of: nobody could ever apply what depends on it.
    durability: chance.is(0.85) || replaces ? "local" : "relaxed",
    clients: chance.between(regions, 2 * regions),
    meanMs: chance.magnitude(20, 200),
    depth: chance.pick([1, 1, 4]),
    wander: chance.pick([0, 0.01, 0.1]),
    // From a stream of their own: a new kind of operation leaves everything else about a seed as it was.
    kinds: drawKinds(seed, replaces, has("addition") || has("clone"), profile.kinds),
    keys: chance.pick([1, 2, 2, 8, 50]),
    elements: chance.pick([1, 3, 3, 30]),
    padding: chance.pick([0, 0, 0, 0, 2_000]),
    delayMs: chance.magnitude(1, 150),
    jitterMs: chance.is(0.5) ? 0 : chance.magnitude(1, 100),
    rate: chance.is(0.8) ? 0 : chance.magnitude(200, 5_000),
    windowBytes: chance.pick([8 << 20, 8 << 20, 1 << 14]),
    syncUs: chance.magnitude(100, 10_000),
    turnSteps: new Chance(seed, "turns").pick([TURN_STEPS, TURN_STEPS, TURN_STEPS, 60, 10, 1]),
    copyBeyondBytes: new Chance(seed, "copies").pick([1 << 24, 50_000, 5_000]),
    thinnedFrom: new Chance(seed, "thinning").pick([1024, 20, 1]),
    segmentBytes: new Chance(seed, "segments").pick([8 << 10, 64 << 10, 64 << 10, 1 << 20]),
    checkpointBytes: chance.pick([4_000, 64_000, 1 << 30]),
    minRetainMs: chance.pick([500, 5_000, 3_600_000]),
    logBytesMax: new Chance(seed, "log limit").pick([2 ** 33, 2 ** 33, 400_000]),
    skewMs: chance.pick([0, 10, 100]),
    patienceMs: 6_000,
    driftMax: 0,
    faults,
    verifyMs: new Chance(seed, "verify").pick([0, 0, 3_000, 10_000]),
    restMs: [0, 0],
    healMs,
    ...profile.fixed,
  };
}

/**
 * Whether a key was removed before all had come that could have extended it is judged by all records there were: those that went with
 * a lost disk before anybody had them would count too.
 */
const EXPIRES = new Set([
  "setex",
  "expire",
  "persist",
  "lexpire",
  "vsetex",
  "jother",
  "xend",
  "once",
  "oonce",
]);

function drawKinds(
  seed: number,
  replaces: boolean,
  grows: boolean,
  wanted?: readonly string[],
): Record<string, number> {
  const chance = new Chance(seed, "kinds");
  // They cost many a frame, and seeds without them are as they were.
  const hasStrong = new Chance(seed, "strong keys").is(0.3);
  const hasFeeds = new Chance(seed, "change feed").is(0.3);
  const hasBounded = new Chance(seed, "bounded counters").is(0.3);
  const kinds: Record<string, number> = {};
  for (const name of NAMES) {
    if (replaces && EXPIRES.has(name)) continue;
    if (FENCED_KINDS.has(name) && wanted === undefined) continue;
    if (STRONG_KINDS.has(name) && wanted === undefined && !hasStrong) continue;
    if (name === "reclaim" && wanted === undefined) continue;
    if (name === "feed" && wanted === undefined && !hasFeeds) continue;
    if (name === "bound" && wanted === undefined && !hasBounded) continue;
    // Those who decide about strong keys are changed by restarting everybody, and each of two of one name would decide for both.
    if (STRONG_KINDS.has(name) && grows) continue;
    const rare = name === "flush";
    if (!(wanted?.includes(name) ?? chance.is(rare ? 0.1 : 0.5))) continue;
    kinds[name] = rare ? 0.02 : chance.magnitude(0.2, 3);
  }
  const writes = ["total", "keep", "set", "sadd", "incr"];
  if (!writes.some((name) => name in kinds)) kinds[chance.pick(writes)] = 1;
  return kinds;
}

/** After these a machine may have lost what was durable. They are drawn together or not at all, so that most seeds are without. */
export const LOSES_DISK: ReadonlySet<FaultKind> = new Set<FaultKind>([
  "older-disk",
  "empty-disk",
  "foreign-disk",
  "bit-rot",
  "stale-sector",
  "misdirected-write",
]);

/** Changes of who belongs: one removal, or members that go and come in turn. */
function drawChanges(
  chance: Chance,
  faults: Fault[],
  healMs: number,
  { faults: wanted }: Profile,
): void {
  if (faults.length === 0 && wanted === undefined) return;
  const kinds = CHANGES.filter((kind) => wanted?.includes(kind) ?? true);
  if (kinds.length === 0 || (wanted === undefined && !chance.is(0.22))) return;
  const isOne = wanted === undefined && chance.is(0.2);
  let turn = isOne ? 0 : chance.below(2);
  let atMs = healMs * (0.05 + (isOne ? 0.65 : 0.15) * chance.unit());
  for (; atMs < healMs - 2_000; atMs += 2_000 + 3_000 * chance.unit()) {
    const kind = kinds[turn++ % kinds.length] as FaultKind;
    const forMs = Math.round(chance.magnitude(1_000, Math.min(12_000, healMs - atMs)));
    const which = chance.below(1 << 20);
    faults.push({ kind, atMs: Math.round(atMs), forMs, which, amount: chance.unit() });
    if (isOne) return;
  }
}

const CHANGES: readonly FaultKind[] = ["removal", "addition"];

/**
 * Two processes under one name, again and again, where nobody is removed; late, since from then on losses are not judged any more:
 * `Judge.hadTwins`.
 */
function drawTwins(
  chance: Chance,
  faults: Fault[],
  healMs: number,
  { faults: wanted }: Profile,
): void {
  const isApt = faults.length > 0 && !faults.some(({ kind }) => CHANGES.includes(kind));
  if (!(wanted?.includes("clone") ?? (isApt && chance.is(0.13)))) return;
  const firstMs = healMs * 0.4 + chance.wait(1_000);
  for (let atMs = firstMs; atMs < healMs - 100; atMs += chance.wait(1_500))
    faults.push({
      kind: "clone",
      atMs: Math.round(atMs),
      forMs: Math.round(Math.min(chance.magnitude(2_000, 12_000), healMs - atMs)),
      which: 0,
      amount: chance.unit(),
    });
}

/** The mean time between two faults of a kind, for those that come to nothing most of the time. */
const MEAN_MS_MAX: Partial<Record<FaultKind, number>> = {
  "hang-up": 12_000,
  "late-frames": 15_000,
  "slow-processor": 15_000,
  "bit-rot": 10_000,
  "stale-sector": 10_000,
  "misdirected-write": 6_000,
  "older-disk": 15_000,
  "clock-drift": 15_000,
  "clock-back-at-boot": 15_000,
  "lost-name": 3_000,
  "torn-write": 12_000,
  "cut-one-way": 15_000,
};

function drawFaults(
  chance: Chance,
  style: Chance,
  healMs: number,
  { faults: wanted, everyMs, shortestMs = 20, longestMs = 12_000 }: Profile,
): Fault[] {
  const roll = style.unit();
  if (wanted === undefined && roll < 0.1) return [];
  const extreme = roll < 0.2;
  const losesDisk = chance.is(0.4);
  const kinds =
    wanted?.filter((kind) => FAULTS.includes(kind)) ??
    (extreme
      ? [chance.pick(FAULTS)]
      : FAULTS.filter((kind) =>
          LOSES_DISK.has(kind) ? losesDisk && chance.is(0.5) : chance.is(0.25),
        ));
  const faults: Fault[] = [];
  for (const kind of kinds) {
    const own = new Chance(style.u32(), kind);
    const meanMs = everyMs ?? (extreme ? 1_500 : own.magnitude(2_000, MEAN_MS_MAX[kind] ?? 30_000));
    for (let atMs = own.wait(meanMs); atMs < healMs - 100; atMs += own.wait(meanMs))
      faults.push({
        kind,
        atMs: Math.round(atMs),
        forMs: Math.round(Math.min(own.magnitude(shortestMs, longestMs), healMs - atMs)),
        which: own.below(1 << 20),
        amount: own.unit(),
      });
  }
  return faults.sort((a, b) => a.atMs - b.atMs);
}
