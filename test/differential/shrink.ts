/**
 * Shrink: the shortest script that still shows a difference.
 *
 *   history ─► shortest tail that shows it ─► without ops ─► without steps ─► simpler arguments ─► fewer connections
 *
 * Invariant: every candidate runs on empty databases and new connections, and counts only if its difference has the same
 * signature, so a shrunk script shows the difference that was found, not one that shrinking made.
 */
import type { Difference } from "./difference.ts";
import { isEnding, MOST_PER_WRITE, type Pair } from "./pair.ts";
import type { Op, Step } from "./step.ts";

export interface Shrunk {
  steps: Step[];
  difference: Difference;
  /** How many scripts were tried. */
  tries: number;
}

/** Null when the difference did not show again. Spends about `budgetMs` at most. */
export async function shrink(
  pair: Pair,
  prologue: readonly Op[],
  history: readonly Op[],
  found: Difference,
  budgetMs = 30_000,
): Promise<Shrunk | null> {
  const deadlineMs = performance.now() + budgetMs;
  let tries = 0;
  let best: Difference | null = null;
  const shows = async (ops: readonly Op[]): Promise<boolean> => {
    if (best !== null && performance.now() > deadlineMs) return false;
    tries += 1;
    let difference: Difference | null;
    try {
      await pair.fresh();
      difference = await pair.run(ops, found.at === "state");
    } catch {
      return false;
    }
    if (difference?.signature !== found.signature) return false;
    best = difference;
    return true;
  };

  // What a dying subject was told last may stand anywhere in the write that began with the step that is named.
  const beyond = isEnding(found.reason) ? MOST_PER_WRITE : 1;
  const past = found.at === "state" ? history : history.slice(0, found.opIndex + beyond);
  let ops: Op[] | null = null;
  for (let tail = 1; ops === null; tail *= 4) {
    const candidate = [...prologue, ...past.slice(-tail)];
    if (await shows(candidate)) ops = candidate;
    else if (tail >= past.length) break;
  }
  if (ops === null) return null;
  ops = await withoutParts(ops, shows);
  let steps = ops.flatMap((op) => op.steps);
  steps = await withoutParts(steps, (part) => shows(asOps(part)));
  steps = await simpler(steps, (part) => shows(asOps(part)));
  steps = await withoutParts(steps, (part) => shows(asOps(part)));
  if (best === null) return null;
  return { steps, difference: best, tries };
}

/** Steps stay one op each; ops matter only for what is generated together. */
function asOps(steps: readonly Step[]): Op[] {
  return steps.map((step) => ({ steps: [step] }));
}

/** Delta debugging: leaves out ever smaller parts as long as the rest still shows it. */
async function withoutParts<T>(list: T[], shows: (part: T[]) => Promise<boolean>): Promise<T[]> {
  let current = list;
  for (
    let size = Math.ceil(current.length / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let at = 0; at < current.length;) {
      const rest = current.toSpliced(at, size);
      if (rest.length > 0 && (await shows(rest))) current = rest;
      else at += size;
    }
  }
  return current;
}

/** Tries fewer and shorter arguments, arrays instead of lines, and one connection instead of several. */
async function simpler(steps: Step[], shows: (part: Step[]) => Promise<boolean>): Promise<Step[]> {
  let current = steps;
  const attempt = async (candidate: Step[]): Promise<boolean> => {
    if (!(await shows(candidate))) return false;
    current = candidate;
    return true;
  };
  const merged = current.map((step) => ("connection" in step ? { ...step, connection: 0 } : step));
  await attempt(merged);
  for (let at = 0; at < current.length; at++) {
    const step = current[at];
    if (step?.kind !== "command") continue;
    if (step.inline) await attempt(current.with(at, { ...step, inline: false }));
    for (let place = step.args.length - 1; place >= 1; place--) {
      const now = current[at];
      if (now?.kind !== "command") break;
      const arg = now.args[place];
      if (arg === undefined) continue;
      if (await attempt(current.with(at, { ...now, args: now.args.toSpliced(place, 1) }))) continue;
      // Never a smaller number: it could be a deadline, and then time would decide.
      if (arg.length > 3) {
        await attempt(current.with(at, { ...now, args: now.args.with(place, Buffer.from("x")) }));
      }
    }
  }
  return current;
}
