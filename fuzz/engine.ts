/**
 * Engine: feeds a target with inputs that its grammar makes and that grow out of those which reached new code.
 *
 *   make, or mutate one of the corpus ─► take ─► every 1,000 inputs: did blocks run that never ran? ─► halve the batch until
 *                                          │                                                          their inputs are found
 *                                          └─ throws, or takes too long ─► shrink: fewer inputs, fewer bytes ─► finding
 *
 * Invariant: seed and number of inputs decide what is fed, up to what coverage says, and a finding is a list of inputs that
 * shows the fault from a fresh target: it needs neither the seed nor the corpus.
 */
import { performance } from "node:perf_hooks";
import { Chance } from "../sim/world/chance.ts";
import { Coverage } from "./coverage.ts";
import { mutate } from "./mutate.ts";

export interface Target {
  readonly name: string;
  /** After how many inputs `renew` is called. */
  readonly renewEvery: number;
  /** A new input from the grammar. */
  make(chance: Chance): Buffer;
  /** Forgets what earlier inputs left behind; throws when they left what must not be. */
  renew(): void;
  /** Processes one input. Throws for what must not happen, and only then. */
  take(input: Buffer): void | Promise<void>;
}

export interface Finding {
  readonly kind: "crash" | "hang";
  readonly message: string;
  /** Feed these to a fresh target, then renew it. */
  readonly inputs: readonly Buffer[];
  /** Which input of the run showed it, counted from 0. */
  readonly at: number;
}

export interface Report {
  readonly target: string;
  readonly inputs: number;
  readonly blocks: number;
  readonly corpus: number;
  readonly findings: readonly Finding[];
  readonly seconds: number;
}

export interface FuzzOptions {
  readonly inputs: number;
  readonly seed: number;
  /** Inputs to begin with, such as those of earlier findings. */
  readonly seeds?: readonly Buffer[];
  /** So many inputs, the first, are fed under coverage, which makes each cost several times as much; the corpus serves on. */
  readonly guided: number;
  /** Called before each input with it, so that somebody else can tell what hangs. */
  readonly watch?: (input: Buffer) => void;
  /** Called now and then. */
  readonly progress?: (inputs: number, blocks: number) => void;
}

const BATCH = 1_000;
/** An input that keeps the process busy for longer hangs. */
const HANG_MS = 2_000;
const CORPUS_MAX = 4_000;
/** Different faults that are looked for; more of them say nothing more. */
const FINDINGS_MAX = 5;
const SHRINK_TRIES = 3_000;
/** Inputs of one batch that are kept: the first batches reach everything at once. */
const TELLING_MAX = 40;

type Fault = Pick<Finding, "kind" | "message">;

export async function fuzz(target: Target, options: FuzzOptions): Promise<Report> {
  const begunMs = performance.now();
  const chance = new Chance(options.seed, target.name);
  const corpus: Buffer[] = [...(options.seeds ?? [])];
  const findings: Finding[] = [];
  using coverage = new Coverage();
  let history: Buffer[] = [];
  let fed = 0;
  let toldMs = begunMs;
  target.renew();
  while (fed < options.inputs && findings.length < FINDINGS_MAX) {
    const batch: Buffer[] = [];
    while (batch.length < BATCH && fed < options.inputs) {
      const input =
        corpus.length === 0 || chance.is(0.5)
          ? target.make(chance)
          : mutate(chance.pick(corpus), chance.pick(corpus), chance);
      batch.push(input);
      history.push(input);
      options.watch?.(input);
      let fault = await feed(target, input);
      fed++;
      if (fault === null && history.length >= target.renewEvery) {
        fault = renew(target);
        if (fault === null) history = [];
      }
      if (fault === null) continue;
      const finding = { ...fault, inputs: await shrink(target, history, fault), at: fed - 1 };
      if (!findings.some(({ message }) => sameFault(message, finding.message)))
        findings.push(finding);
      history = [];
      renew(target);
      if (findings.length >= FINDINGS_MAX) break;
    }
    if (fed > options.guided) coverage.stop();
    const fresh = coverage.look();
    if (fresh.length > 0) {
      if (corpus.length < CORPUS_MAX) corpus.push(...(await telling(target, batch, coverage)));
      // Those that came about only by what earlier batches left behind are not looked for again.
      coverage.paint(fresh);
      coverage.look();
      history = [];
    }
    if (performance.now() - toldMs > 1_000) {
      toldMs = performance.now();
      options.progress?.(fed, coverage.blocks);
    }
  }
  return {
    target: target.name,
    inputs: fed,
    blocks: coverage.blocks,
    corpus: corpus.length,
    findings,
    seconds: (performance.now() - begunMs) / 1000,
  };
}

async function feed(target: Target, input: Buffer): Promise<Fault | null> {
  const begunMs = performance.now();
  try {
    const done = target.take(input);
    if (done !== undefined) await done;
  } catch (error) {
    return { kind: "crash", message: told(error) };
  }
  const tookMs = performance.now() - begunMs;
  return tookMs > HANG_MS ? { kind: "hang", message: "an input takes too long" } : null;
}

function renew(target: Target): Fault | null {
  try {
    target.renew();
    return null;
  } catch (error) {
    return { kind: "crash", message: told(error) };
  }
}

/** The message and the line of ours it came from. */
function told(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const line = /\/((?:src|fuzz)\/(?!must\.ts)[^):]+:\d+)/.exec(error.stack ?? "")?.[1] ?? "nowhere";
  return `${error.name}: ${error.message} (${line})`;
}

/** Two messages that differ in numbers and quoted bytes tell of the same fault. */
function sameFault(a: string, b: string): boolean {
  const place = (text: string): string => /\(([^()]*)\)$/.exec(text)?.[1] ?? text;
  return place(a) === place(b);
}

/** Replays inputs to a fresh target: how a finding is shown again. Null when nothing is wrong. */
export async function replay(target: Target, inputs: readonly Buffer[]): Promise<Fault | null> {
  renew(target);
  for (const input of inputs) {
    const fault = await feed(target, input);
    if (fault !== null) {
      renew(target);
      return fault;
    }
  }
  return renew(target);
}

/** The shortest list of the shortest inputs found that shows the same fault. */
async function shrink(target: Target, history: readonly Buffer[], fault: Fault): Promise<Buffer[]> {
  let tries = 0;
  const shows = async (inputs: readonly Buffer[]): Promise<boolean> => {
    tries++;
    const again = await replay(target, inputs);
    return again !== null && sameFault(again.message, fault.message);
  };
  let kept = [...history];
  const last = kept.slice(-1);
  if (await shows(last)) kept = last;
  else kept = await without(kept, shows, () => tries < SHRINK_TRIES / 2);
  // A hang is shown again at a cost; its inputs stay as they are.
  if (fault.kind === "hang") return kept;
  for (const [at, input] of kept.entries()) {
    const bytes = await without(
      [...input],
      (less) => shows(kept.with(at, Buffer.from(less))),
      () => tries < SHRINK_TRIES,
    );
    kept = kept.with(at, Buffer.from(bytes));
  }
  return kept;
}

/** Leaves out runs of items, long ones first, for as long as what is left still `shows` the fault. */
async function without<T>(
  items: T[],
  shows: (items: T[]) => Promise<boolean>,
  goOn: () => boolean,
): Promise<T[]> {
  let kept = items;
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = Math.floor(size / 2))
    for (let at = 0; at < kept.length && goOn();) {
      const less = [...kept.slice(0, at), ...kept.slice(at + size)];
      if (await shows(less)) kept = less;
      else at += size;
    }
  return kept;
}

/** The inputs of a batch that reach blocks nobody else does: the batch is fed again, in ever smaller parts. */
async function telling(
  target: Target,
  batch: readonly Buffer[],
  coverage: Coverage,
): Promise<Buffer[]> {
  const found: Buffer[] = [];
  const search = async (part: readonly Buffer[]): Promise<void> => {
    if (found.length >= TELLING_MAX) return;
    renew(target);
    for (const input of part) await feed(target, input);
    const fresh = coverage.look();
    if (fresh.length === 0) return;
    if (part.length === 1) {
      coverage.paint(fresh);
      found.push(...part);
      return;
    }
    const half = part.length >> 1;
    await search(part.slice(0, half));
    await search(part.slice(half));
  };
  await search(batch);
  renew(target);
  return found;
}
