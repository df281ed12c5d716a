/**
 * Differential: random commands to Redis and to the subject, until they disagree or enough agreed.
 *
 *   epoch: empty databases ─► ops in portions ─► data compared after each ─► next epoch
 *
 * Invariant: an epoch depends on its own number and the seed alone. A difference ends the epoch it was found in, so the next
 * one is not found because of it; and its history is never longer than an epoch, so it can be shrunk.
 */
import { RespConnection } from "../support/resp-connection.ts";
import { isError, textOf } from "../support/resp.ts";
import { stepName, type Difference } from "./difference.ts";
import { Generator, type Spec } from "./generator.ts";
import { bitmaps } from "./families/bitmaps.ts";
import { connectionCommands, helloReply } from "./families/connection.ts";
import { geo } from "./families/geo.ts";
import { hashes } from "./families/hashes.ts";
import { hyperLogLogs } from "./families/hyperloglogs.ts";
import { furnished, keys } from "./families/keys.ts";
import { lists } from "./families/lists.ts";
import { inScope } from "./families/scope.ts";
import { moving } from "./families/moving.ts";
import { protocol } from "./families/protocol.ts";
import { scripts } from "./families/scripts.ts";
import { sets } from "./families/sets.ts";
import { sortedSets } from "./families/sorted-sets.ts";
import { streams } from "./families/streams.ts";
import { strings } from "./families/strings.ts";
import { transactions } from "./families/transactions.ts";
import { knownDifferences, type KnownDifference } from "./known-differences.ts";
import { isEnding, Pair } from "./pair.ts";
import { redisCliLines } from "./redis-cli-lines.ts";
import { shrink } from "./shrink.ts";
import type { Op, Step } from "./step.ts";
import { Tally } from "./tally.ts";

export interface DifferentialOptions {
  referencePort: number;
  subjectPort: number;
  seed: number;
  /** Commands, about. */
  count: number;
  /** Stop after so many different differences; 20 by default. */
  most?: number;
  known?: readonly KnownDifference[];
  /** Only these commands, by name as the specs have it; all by default. */
  only?: readonly string[];
  /** Starts the subject again, on the same port, when it has ended; without it a crash ends the run. */
  revive?: () => Promise<void>;
  /** Told of each difference as soon as it is shrunk. */
  onFound?: (found: Found) => void;
}

export interface Found {
  signature: string;
  reason: string;
  /** The shortest script that shows it; of all that was done when it did not show again. */
  script: string[];
  shrunk: boolean;
  reference: string;
  subject: string;
  /** How often it was met. */
  times: number;
  epoch: number;
}

export interface DifferentialResult {
  seed: number;
  total: number;
  succeededPercent: number;
  commands: Record<string, number>;
  options: Record<string, number>;
  /** Tried fewer than `least` times. */
  tooSeldom: { name: string; times: number }[];
  least: number;
  differences: Found[];
  /** How often each known difference was met. */
  known: Record<string, number>;
  elapsedMs: number;
}

const EPOCH = 5_000;
const PORTION = 1_000;

export const specs: readonly Spec[] = [
  ...strings,
  ...bitmaps,
  ...hyperLogLogs,
  ...moving,
  ...hashes,
  ...sets,
  ...sortedSets,
  ...lists,
  ...streams,
  ...geo,
  ...keys,
  ...transactions,
  ...scripts,
  ...connectionCommands,
  ...protocol,
];

export async function runDifferential(options: DifferentialOptions): Promise<DifferentialResult> {
  const startedMs = performance.now();
  const startMs = Date.now();
  const known = options.known ?? knownDifferences;
  const met = new Map(known.map((entry) => [entry.id, 0]));
  const excuse = (difference: Difference): boolean => {
    const entry = known.find((one) => one.excuses(difference));
    if (entry !== undefined) met.set(entry.id, (met.get(entry.id) ?? 0) + 1);
    return entry !== undefined;
  };
  const found = new Map<string, Found>();
  const chosen =
    options.only === undefined ? specs : specs.filter((spec) => options.only?.includes(spec.name));
  const tally = new Tally(chosen);
  using pair = new Pair(
    options.referencePort,
    options.subjectPort,
    excuse,
    (step, succeeded) => tally.answered(step, succeeded),
    options.revive,
  );
  using shrinking = new Pair(
    options.referencePort,
    options.subjectPort,
    (difference) => known.some((one) => one.excuses(difference)),
    undefined,
    options.revive,
  );

  const unknown = await unknownCommands(options.subjectPort);
  if (unknown.size > 0) {
    const report = ignorance([...unknown]);
    found.set(report.signature, report);
    options.onFound?.(report);
  }
  if (unknown.has("FLUSHALL")) throw new Error("a subject without FLUSHALL cannot be compared");
  for (let epoch = 0; tally.total < options.count; epoch++) {
    const generator = new Generator(options.seed * 1_000_003 + epoch, startMs, chosen, (name) =>
      tally.optionUsed(name),
    );
    const begin = prologue(generator).map((op) => without(op, unknown));
    const history: Op[] = [];
    await pair.fresh();
    let difference = await pair.run(begin, false);
    const until = Math.min(tally.total + EPOCH, options.count);
    while (difference === null && tally.total < until) {
      const portion: Op[] = [];
      for (let commands = 0; commands < Math.min(PORTION, until - tally.total);) {
        const op = without(generator.next(), unknown);
        portion.push(op);
        commands += Math.max(1, op.steps.length);
      }
      difference = await pair.run(portion, true);
      if (difference !== null && difference.opIndex >= 0) difference.opIndex += history.length;
      history.push(...portion);
    }
    if (difference === null) continue;
    const before = found.get(difference.signature);
    if (before !== undefined && !isEnding(difference.reason)) {
      before.times += 1;
      continue;
    }
    const shortest = await shrink(shrinking, begin, history, difference);
    const shown = shortest?.difference ?? difference;
    const steps = shortest?.steps ?? [...begin, ...history].flatMap((op) => op.steps);
    const last = steps.at(-1);
    const guilty = isEnding(difference.reason) && last !== undefined ? ` | ${stepName(last)}` : "";
    const report: Found = {
      signature: difference.signature + guilty,
      reason: shown.reason,
      script: redisCliLines(steps),
      shrunk: shortest !== null,
      reference: shown.reference.toString("latin1"),
      subject: shown.subject.toString("latin1"),
      times: 1,
      epoch,
    };
    const same = found.get(report.signature);
    if (same !== undefined) {
      same.times += 1;
      continue;
    }
    found.set(report.signature, report);
    options.onFound?.(report);
    if (found.size >= (options.most ?? 20)) break;
  }

  const least = Math.floor(options.count / 2_000);
  return {
    seed: options.seed,
    total: tally.total,
    succeededPercent: tally.succeededPercent,
    commands: Object.fromEntries([...tally.commands].sort(([a], [b]) => (a < b ? -1 : 1))),
    options: Object.fromEntries([...tally.options].sort(([a], [b]) => (a < b ? -1 : 1))),
    tooSeldom: tally.tooSeldom(least),
    least,
    differences: [...found.values()],
    known: Object.fromEntries(met),
    elapsedMs: performance.now() - startedMs,
  };
}

/**
 * Commands in scope that the subject does not know at all. One difference names them; without them the run can still compare
 * the rest.
 */
async function unknownCommands(port: number): Promise<Set<string>> {
  const unknown = new Set<string>();
  for (const name of inScope) {
    // One connection each: some of them change what a connection is.
    using connection = await RespConnection.open(port);
    const reply = await connection.call(name);
    if (isError(reply) && textOf(reply)?.toString().startsWith("ERR unknown command") === true) {
      unknown.add(name.toUpperCase());
    }
  }
  return unknown;
}

function ignorance(names: string[]): Found {
  return {
    signature: `the subject does not know ${names.join(", ")}`,
    reason: "the subject does not know these commands",
    script: names,
    shrunk: true,
    reference: "(it does)",
    subject: "-ERR unknown command",
    times: 1,
    epoch: 0,
  };
}

function without(op: Op, unknown: ReadonlySet<string>): Op {
  if (unknown.size === 0) return op;
  const isKnown = (step: Step): boolean =>
    !("args" in step) || !unknown.has(step.args[0]?.toString("latin1").toUpperCase() ?? "");
  return { steps: op.steps.filter(isKnown) };
}

/** Half of the connections speak RESP3, two begin in other databases, and there is something in each. */
function prologue(g: Generator): Op[] {
  const ops: Op[] = [
    { steps: [g.command(["HELLO", "3"], helloReply, 2)] },
    { steps: [g.command(["HELLO", "3"], helloReply, 3)] },
    { steps: [g.command(["SELECT", "1"], undefined, 1)] },
    { steps: [g.command(["SELECT", "2"], undefined, 3)] },
  ];
  for (const connection of [0, 1, 3]) {
    g.connection = connection;
    ops.push(...furnished(g).map((step) => ({ steps: [step] })));
  }
  g.connection = 0;
  return ops;
}
