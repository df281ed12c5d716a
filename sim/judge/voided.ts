/**
 * Voided: what removed members had alone, as `atoll tails` tells it of their directories.
 *
 * Invariant: what is told of it no other member has; and of what clients were told is safe there nothing is missing that nobody removed.
 */
import { voidWrites } from "../../src/core/commands/void-writes.ts";
import type { Simulation } from "../simulation.ts";
import type { Machine } from "../world/machine.ts";

/** I-45. */
export function voidedChecks(simulation: Simulation): void {
  const { judge, machines } = simulation;
  const [first] = machines;
  const roster = first?.node?.replica.roster;
  // Of those that are removed nothing is missed, as if their disks were lost; where another one was, what is void is not known.
  if (first === undefined || roster === undefined || judge.lostDisks.size > judge.removed.size)
    return;
  const { applied } = judge.view(first);
  for (const gone of judge.removed) {
    const replica = gone.node?.replica;
    if (replica === undefined) continue;
    const kept = new Set<string>();
    for (const { key, path, loser } of voidWrites(replica.run, (origin) =>
      roster.isRemoved(origin.member) ? (roster.sealOf(origin) ?? Infinity) : Infinity,
    )) {
      const { member, incarnation } = loser.origin;
      judge.marks.sometimes("what a removed member had alone was told");
      const known = judge.history.origins.find((one) => one.incarnation === incarnation);
      if ((applied[known?.index ?? -1] ?? 0) >= loser.seq)
        judge.fail("I-45", gone, `${member}:${loser.seq} is called void, and ${first.name} has it`);
      kept.add(`${key.latin1Slice()} ${path.latin1Slice()}`);
    }
    if (judge.damagedDisks.has(gone)) continue;
    const missing = ofItsOwn(simulation, gone).find((words) => !kept.has(words));
    if (missing !== undefined)
      judge.fail("I-45", gone, `the acknowledged ${missing} is void, and not told`);
  }
}

/** Members that it added to sets from which nobody takes any, acknowledged and beyond its end. */
function ofItsOwn({ actors, judge, machines, plan }: Simulation, gone: Machine): string[] {
  if ("flush" in plan.kinds) return [];
  const { applied } = judge.view(machines[0] as Machine);
  return actors
    .flatMap(({ outcomes }) => outcomes)
    .filter(
      ({ acknowledged, origin, seq, operation }) =>
        acknowledged &&
        operation.kind === "keep" &&
        origin?.member === gone.name &&
        (applied[origin.index] ?? 0) < seq,
    )
    .map(({ operation }) => (operation.commands[0] ?? []).slice(1).join(" "));
}
