/**
 * Removal faults: the victim is removed for good by an operator at another machine, dead, standing still, cut off or alive, and comes
 * back in the end as if nothing had been.
 *
 * Invariant: the operator asks again, of anybody who answers, until every other machine has heard of it.
 */
import type { Machine } from "./machine.ts";
import type { Misfortune, Scene } from "./scene.ts";

const ASKS_AFTER_US = 500_000;
const ASKS_AGAIN_US = 3_000_000;

function knows({ node, state }: Machine, victim: Machine): boolean {
  return state === "up" && node !== null && node.replica.roster.isRemoved(victim.name);
}

/** Whether those who remain reach one another without the victim. */
function areJoinedWithout({ machines, network }: Scene, victim: Machine): boolean {
  const others = machines.filter((machine) => machine !== victim);
  const reached = new Set(others.slice(0, 1));
  for (const machine of reached)
    for (const { ends } of network.wires)
      if (ends.includes(machine)) for (const end of ends) if (end !== victim) reached.add(end);
  return reached.size === others.length;
}

/** Asks one of those that answer. */
function ask({ machines, chance, harm }: Scene, victim: Machine): void {
  const able = machines.filter(
    ({ state, paused, node }) =>
      state === "up" && !paused && node?.replica.exchange.joining.whole === true,
  );
  if (able.length === 0) return;
  const machine = chance.pick(able);
  machine.act(() => {
    machine.say(`is told to remove ${victim.name}`);
    if (machine.node?.remove([victim.name], false) === null) harm.felt();
  });
}

export const REMOVAL_FAULTS = {
  removal: {
    counts: "a member took the order to remove another one",
    begin(scene) {
      const { victim, machines, timeline, fault, judge } = scene;
      if (machines.length < 3 || !machines.includes(victim)) return;
      if (!areJoinedWithout(scene, victim)) return;
      if (fault.amount < 0.3) victim.kill();
      else if (fault.amount < 0.6) victim.pause();
      scene.until(() => {
        victim.resume();
        victim.start();
      });
      const again = (): void => {
        if (!judge.removed.has(victim)) scene.remove(victim);
        if (machines.every((machine) => knows(machine, victim))) return;
        ask(scene, victim);
        timeline.after(ASKS_AGAIN_US, "the operator asks again", null, again);
      };
      timeline.after(ASKS_AFTER_US, "the operator asks", null, again);
    },
  },
} satisfies Record<string, Misfortune>;
