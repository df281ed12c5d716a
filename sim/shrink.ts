/**
 * Shrink: makes a failing run small enough to be read: fewer faults, fewer clients, fewer operations, less time.
 *
 *   the faults in halves, quarters, … ─► the end brought forward ─► operations likewise ─► once more
 *
 * Invariant: what remains fails the same check. Each candidate is run from its own plan, with the same streams of chance: what is left
 * out leaves the rest as it was.
 */
import { Simulation, type Verdict } from "./simulation.ts";
import type { Plan } from "./swarm.ts";

export interface Story {
  readonly plan: Plan;
  readonly masked: Masked;
  readonly verdict: Verdict;
  readonly runs: number;
}

export type Masked = ReadonlyMap<number, ReadonlySet<number>>;

interface Step {
  readonly client: number;
  readonly index: number;
}

/** The smallest run found within `budget` runs. `check` is what the run must fail. */
export async function shrink(
  plan: Plan,
  check: string,
  budget: number,
  prepare?: (simulation: Simulation) => void,
): Promise<Story> {
  let best: Story | null = null;
  let runs = 0;
  const attempt = async (candidate: Plan, kept: readonly Step[] | null): Promise<boolean> => {
    if (runs >= budget) return false;
    runs++;
    const masked = kept === null ? new Map<number, ReadonlySet<number>>() : maskOf(asked, kept);
    const options = prepare === undefined ? { masked } : { masked, prepare };
    const simulation = new Simulation(candidate, options);
    const verdict = await simulation.run();
    if (verdict.failure?.check !== check) return false;
    if (best === null) asked = stepsOf(simulation);
    best = { plan: candidate, masked, verdict, runs };
    return true;
  };
  let asked: Step[] = [];
  if (!(await attempt(plan, null)) || best === null)
    throw new Error(`seed ${plan.seed} does not fail ${check}`);
  const now = (): Story => best as unknown as Story;
  let faults = await fewer(plan.faults, (kept) => attempt({ ...now().plan, faults: kept }, null));
  const atMs = Math.ceil(now().verdict.failure?.atMs ?? 0) + 1;
  if (atMs < now().plan.healMs) await attempt({ ...now().plan, healMs: atMs }, null);
  for (let clients = 1; clients < now().plan.clients; clients++)
    if (await attempt({ ...now().plan, clients }, null)) break;
  const steps = await fewer(
    asked.filter(({ client }) => client < now().plan.clients),
    (kept) => attempt(now().plan, kept),
  );
  faults = await fewer(faults, (kept) => attempt({ ...now().plan, faults: kept }, steps));
  return { ...now(), runs };
}

/** Every operation of a run. */
function stepsOf(simulation: Simulation): Step[] {
  return simulation.actors.flatMap((actor) =>
    actor.outcomes.map(({ operation: { client, index } }) => ({ client, index })),
  );
}

function maskOf(all: readonly Step[], kept: readonly Step[]): Masked {
  const keeps = new Set(kept.map(({ client, index }) => `${client}.${index}`));
  const masked = new Map<number, Set<number>>();
  for (const { client, index } of all) {
    if (keeps.has(`${client}.${index}`)) continue;
    const set = masked.get(client) ?? new Set();
    masked.set(client, set.add(index));
  }
  return masked;
}

/** Leaves out what can be left out: pieces of half the size, of a quarter, … down to single ones. */
async function fewer<T>(
  all: readonly T[],
  fails: (kept: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let kept = all;
  if (kept.length > 0 && (await fails([]))) return [];
  for (
    let size = Math.ceil(kept.length / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  )
    for (let at = 0; at < kept.length;) {
      const without = [...kept.slice(0, at), ...kept.slice(at + size)];
      if (without.length < kept.length && (await fails(without))) kept = without;
      else at += size;
    }
  return kept;
}
