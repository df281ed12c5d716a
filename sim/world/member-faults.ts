/**
 * Member faults: members are removed for good, dead, standing still, cut off or alive, and come back in the end as if nothing had been;
 * new ones are added, under names that nobody had.
 *
 *   removal:  the operator asks ─► the others agree where it ends ─► it is waited for no longer; later it comes back, and is refused
 *   addition: the operator asks ─► every member counts it ─► it is started, with nothing ─► it is filled ─► it serves
 *
 * Invariant: one change begins when the one before has come to its end. The operator asks again, of anybody who answers, until it has.
 */
import type { Replica } from "../../src/core/replica/replica.ts";
import type { Machine } from "./machine.ts";
import type { Misfortune, Scene } from "./scene.ts";

const ASKS_AFTER_US = 500_000;
const ASKS_AGAIN_US = 3_000_000;
const LOOKS_AGAIN_US = 300_000;
/** More would only make a seed slower. */
const MEMBERS_MAX = 5;

function knows({ node, state }: Machine, victim: Machine): boolean {
  return state === "up" && node !== null && node.replica.roster.isRemoved(victim.name);
}

/** Whether those who remain reach one another without the victim. */
function areJoinedWithout({ machines, network }: Scene, victim: Machine): boolean {
  const others = machines.filter((machine) => machine !== victim);
  const reached = new Set(others.slice(0, 1));
  for (const machine of reached)
    for (const { ends } of network.wires)
      if (ends.includes(machine))
        for (const end of ends) if (others.includes(end)) reached.add(end);
  return reached.size === others.length;
}

/** One of those that answer. */
function anybody({ machines, chance }: Scene): Machine | null {
  const able = machines.filter(
    ({ state, paused, node }) =>
      state === "up" && !paused && node?.replica.exchange.joining.whole === true,
  );
  return able.length === 0 ? null : chance.pick(able);
}

/** The highest seq of each incarnation. Numbers of origins are a process's own, and others after a restart. */
type Needed = ReadonlyMap<string, number>;

function appliedBy({ origins, applied }: Replica): Needed {
  const numbers = Array.from({ length: origins.count }, (_, number) => number);
  return new Map(
    numbers.map((number) => [origins.get(number).incarnation, applied.get(number)] as const),
  );
}

function isDurableAt({ origins, durable }: Replica, needed: Needed): boolean {
  return [...needed].every(([incarnation, seq]) => {
    const number = origins.find(incarnation);
    return seq === 0 || (number >= 0 && durable.covers(number, seq));
  });
}

/** Begins once nothing else changes who belongs, unless the world heals or its time is over before. */
function inTurn(scene: Scene, begin: () => void): void {
  const { timeline, fault, judge } = scene;
  const untilUs = timeline.now + fault.forMs * 1000;
  const attempt = (): void => {
    if (scene.healed) return;
    if (judge.awaited.size === 0 && judge.removal() === null) begin();
    else if (timeline.now < untilUs)
      timeline.after(LOOKS_AGAIN_US, "the operator waits", null, attempt);
  };
  attempt();
}

function remove(scene: Scene, goes: Machine): void {
  const { machines, timeline, fault, judge, harm } = scene;
  if (machines.length < 3 || !areJoinedWithout(scene, goes)) return;
  judge.awaited.add(goes.name);
  if (fault.amount < 0.3) goes.kill();
  else if (fault.amount < 0.6) goes.pause();
  scene.until(() => {
    goes.resume();
    goes.start();
  });
  const again = (): void => {
    if (!judge.removed.has(goes)) scene.remove(goes);
    if (machines.every((machine) => knows(machine, goes))) {
      judge.awaited.delete(goes.name);
      return;
    }
    const machine = anybody(scene);
    machine?.act(() => {
      machine.say(`is told to remove ${goes.name}`);
      if (machine.node?.remove([goes.name], false) === null) harm.felt();
    });
    timeline.after(ASKS_AGAIN_US, "the operator asks again", null, again);
  };
  timeline.after(ASKS_AFTER_US, "the operator asks", null, again);
}

function add(scene: Scene, name: string): void {
  const { timeline, judge } = scene;
  judge.awaited.add(name);
  const again = (): void => {
    const machine = anybody(scene);
    let isCounted = false;
    machine?.act(() => {
      if (machine.node === null) return;
      machine.say(`is told to add ${name}`);
      machine.node.add(name);
      isCounted = machine.node.replica.roster.isKnownToAll(name);
    });
    if (machine?.node != null && isCounted)
      enlist(scene, name, machine.node.replica.roster.remaining);
    else timeline.after(LOOKS_AGAIN_US, "the operator asks again", null, again);
  };
  again();
}

function enlist(scene: Scene, name: string, members: readonly string[]): void {
  const { timeline, judge, harm } = scene;
  const machine = scene.enlist(name, members, scene.machines);
  machine.waitsForPeers = true;
  machine.say("is new, and has nothing");
  machine.start();
  let needed: Needed | null = null;
  // It serves once it has all that it needs; that it keeps it through a crash it can promise a little later.
  const look = (): void => {
    const replica = machine.state === "up" ? machine.node?.replica : undefined;
    if (replica?.exchange.joining.whole === true) needed ??= appliedBy(replica);
    if (replica === undefined || needed === null || !isDurableAt(replica, needed))
      return timeline.after(LOOKS_AGAIN_US, "the operator looks", null, look);
    harm.felt();
    judge.awaited.delete(name);
  };
  look();
}

export const MEMBER_FAULTS = {
  removal: {
    counts: "a member took the order to remove another one",
    begin(scene) {
      inTurn(scene, () => {
        const { victim, machines, fault } = scene;
        const other = machines[fault.which % machines.length] as Machine;
        remove(scene, machines.includes(victim) ? victim : other);
      });
    },
  },
  addition: {
    counts: "a member that was added had all it needs to serve",
    begin(scene) {
      inTurn(scene, () => {
        const { machines, fault } = scene;
        if (machines.length >= MEMBERS_MAX) return;
        const beside = machines[fault.which % machines.length] as Machine;
        add(scene, scene.newName(beside.config.region));
      });
    },
  },
} satisfies Record<string, Misfortune>;
