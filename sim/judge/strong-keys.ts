/**
 * StrongKeys: what clients were told of strong keys, gathered by key and judged at the end: I-30.
 *
 * Invariant: an operation that was refused has not happened, unless the refusal says that nobody knows. Versions never go back.
 */
import type { Outcome } from "../world/actor.ts";
import { isError, type Reply } from "../world/replies.ts";
import { isLinear, type StrongOperation } from "./linear.ts";

/** Keys that are strong in every simulation that has such operations. */
export const STRONG_KEYSPACE = { prefix: "g:", conflict: "lww", writes: "global" } as const;
export const STRONG_KINDS: ReadonlySet<string> = new Set([
  "gset",
  "gget",
  "gnx",
  "gdel",
  "gincr",
  "gappend",
  "gcas",
  "glock",
  "gsee",
]);

/** Clocks that are right differ by less. */
const CLOCKS_DIFFER_US = 1_000_000;

/** An error that tells what the value was like, and not that nothing was done. */
const TELLS = /^(ERR value is not an integer|WRONGTYPE)/;

export interface StrongFinding {
  /** What is wrong; null when nothing is. */
  readonly wrong: string | null;
  readonly operations: number;
  readonly unknown: number;
}

/** Judges all that was asked of strong keys; `clocksAreRight` says whether locks can be judged by the time. */
export function judgeStrongKeys(
  outcomes: readonly Outcome[],
  clocksAreRight: boolean,
): StrongFinding {
  const keys = new Map<string, StrongOperation[]>();
  let count = 0;
  for (const outcome of outcomes) {
    if (!STRONG_KINDS.has(outcome.operation.kind)) continue;
    const operation = operationOf(outcome);
    if (operation === null) continue;
    count++;
    const key = operation.words[1] as string;
    const there = keys.get(key);
    if (there === undefined) keys.set(key, [operation]);
    else there.push(operation);
  }
  let unknown = 0;
  for (const [key, operations] of keys) {
    const backwards = wentBack(operations);
    if (backwards !== null) return { wrong: `${key}: ${backwards}`, operations: count, unknown };
    // Locks expire by clocks, of which the search knows nothing.
    if (key.startsWith("g:lock")) {
      const outlived = hasOutlived(operations, clocksAreRight);
      if (outlived !== null) return { wrong: `${key}: ${outlived}`, operations: count, unknown };
      continue;
    }
    const linear = isLinear(operations);
    if (linear === null) unknown++;
    else if (!linear)
      return { wrong: `${key} is not linear: ${told(operations)}`, operations: count, unknown };
  }
  return { wrong: null, operations: count, unknown };
}

function operationOf({ operation, replies, sentUs, answeredUs }: Outcome): StrongOperation | null {
  const [said = []] = operation.commands;
  const at = said.indexOf("TIMEOUT") + 2;
  const words = said.slice(at);
  const [reply] = replies;
  if (reply === undefined || (isError(reply) && reply.error.startsWith("AAUNKNOWN")))
    return { words, sentUs, answeredUs: Infinity, reply: undefined, version: null };
  if (isError(reply) && !TELLS.test(reply.error)) return null;
  if (!said.includes("VERSIONED") || !Array.isArray(reply))
    return { words, sentUs, answeredUs, reply, version: null };
  const [version, inner] = reply as [number, Reply];
  return { words, sentUs, answeredUs, reply: inner, version };
}

/**
 * Whether a version was answered that is lower than one that had been answered before it was asked for. A key of which nothing is kept any
 * more has version 0.
 */
function wentBack(operations: readonly StrongOperation[]): string | null {
  const versioned = operations.filter(({ version }) => version !== null);
  for (const after of versioned) {
    if (after.version === 0 && after.reply === null) continue;
    for (const before of versioned)
      if (
        before.answeredUs < after.sentUs &&
        (before.version as number) > (after.version as number)
      )
        return `${after.words.join(" ")} was answered version ${after.version} after ${before.words.join(" ")} had been answered ${before.version}`;
  }
  const changes = new Set<number>();
  for (const { words, reply, version } of versioned) {
    if (!words.includes("PX") || reply !== "OK") continue;
    if (changes.has(version as number)) return `version ${version} was given to two holders`;
    changes.add(version as number);
  }
  return null;
}

/** Whether a lock was seen after it had expired, or after somebody had seen its version without it. */
function hasOutlived(
  operations: readonly StrongOperation[],
  clocksAreRight: boolean,
): string | null {
  const reads = operations.filter(({ words, reply }) => words[0] === "GET" && reply !== undefined);
  const seen = new Map<number, StrongOperation>();
  for (const read of reads) {
    if (read.version === null) continue;
    const before = seen.get(read.version);
    if (before !== undefined && before.reply !== read.reply)
      return `version ${read.version} was shown as ${JSON.stringify(before.reply)} and as ${JSON.stringify(read.reply)}`;
    seen.set(read.version, read);
  }
  if (!clocksAreRight) return null;
  for (const { words, reply, answeredUs } of operations) {
    if (words[0] !== "SET" || reply !== "OK") continue;
    const untilUs = answeredUs + Number(words.at(-1)) * 1000 + CLOCKS_DIFFER_US;
    const late = reads.find((read) => read.reply === words[2] && read.sentUs > untilUs);
    if (late !== undefined)
      return `${words.join(" ")} was seen ${Math.round((late.sentUs - answeredUs) / 1000)} ms after it`;
  }
  return null;
}

function told(operations: readonly StrongOperation[]): string {
  return operations
    .toSorted((a, b) => a.sentUs - b.sentUs)
    .slice(0, 60)
    .map(
      ({ words, sentUs, answeredUs, reply, version }) =>
        `[${Math.round(sentUs / 1000)}–${answeredUs === Infinity ? "?" : Math.round(answeredUs / 1000)}] ${words.join(" ")} → ${JSON.stringify(reply)} v${version ?? "?"}`,
    )
    .join("; ");
}
