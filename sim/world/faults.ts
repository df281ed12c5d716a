/**
 * Faults: brings each misfortune of a plan about when its time has come, undoes it, and counts those of which something came.
 *
 * Invariant: whatever a fault changed is as it was when it ends, or is put right when the world heals. A fault counts once, at the
 * moment it first changes what happens to somebody; what that means is written beside each kind.
 */
import type { Fault } from "../swarm.ts";
import type { Judge } from "../judge/judge.ts";
import { Chance } from "./chance.ts";
import { CLOCK_FAULTS } from "./clock-faults.ts";
import { DISK_FAULTS } from "./disk-faults.ts";
import { Disk } from "./disk.ts";
import { Harm, type Harms } from "./harm.ts";
import type { Machine } from "./machine.ts";
import { NETWORK_FAULTS } from "./network-faults.ts";
import type { Network, Wire } from "./network.ts";
import { PROCESS_FAULTS } from "./process-faults.ts";
import { MEMBER_FAULTS } from "./member-faults.ts";
import type { Misfortune, Scene } from "./scene.ts";
import type { Timeline } from "./timeline.ts";
import { TWIN_FAULTS } from "./twin-faults.ts";

const OFTEN = { ...PROCESS_FAULTS, ...NETWORK_FAULTS, ...DISK_FAULTS, ...CLOCK_FAULTS };
const KINDS = { ...OFTEN, ...MEMBER_FAULTS, ...TWIN_FAULTS };

export type FaultKind = keyof typeof KINDS;

/** Those that may happen to any cluster at any time; and all there are. */
export const FAULTS = Object.keys(OFTEN) as readonly FaultKind[];
export const ALL_FAULTS = Object.keys(KINDS) as readonly FaultKind[];

/** A machine that was not there at the beginning; it is in nobody's list yet. */
export type Recruit = (
  name: string,
  members: readonly string[],
  reaches: readonly Machine[],
) => Machine;

interface Twins {
  readonly original: Machine;
  readonly copy: Machine;
  readonly harm: Harm;
}

const RESTART_US = 300_000;

export class Faults {
  readonly #timeline: Timeline;
  readonly #network: Network;
  /** The members; and all there ever were. */
  readonly #machines: Machine[];
  readonly #all: Machine[];
  readonly #recruit: Recruit;
  #twins: Twins | null = null;
  readonly #judge: Judge;
  readonly #chance: Chance;
  readonly #victim: Machine;
  /** Undone when the world heals. */
  readonly #undo = new Set<() => void>();
  readonly counts: Partial<Record<FaultKind, number>> = {};
  /** Machines whose disk is about to be replaced. */
  readonly #repairing = new Set<Machine>();
  #disks: number;
  healed = false;

  constructor(
    timeline: Timeline,
    network: Network,
    machines: Machine[],
    judge: Judge,
    plan: { readonly seed: number; readonly faults: readonly Fault[] },
    recruit: Recruit,
  ) {
    this.#recruit = recruit;
    this.#timeline = timeline;
    this.#network = network;
    this.#machines = machines;
    this.#all = [...machines];
    this.#judge = judge;
    this.#chance = new Chance(plan.seed, "misfortune");
    this.#victim = this.#chance.pick(machines);
    this.#disks = machines.length;
    for (const machine of machines) this.#lookAfter(machine);
    for (const fault of plan.faults)
      timeline.after(fault.atMs * 1000, fault.kind, null, () => {
        if (!this.healed) this.#begin(fault);
      });
  }

  #lookAfter(machine: Machine): void {
    machine.onDamage = (message) => {
      if (message.startsWith("checkpoint"))
        return this.#judge.marks.sometimes("a damaged checkpoint was passed over");
      this.#judge.marks.sometimes("damage was found while the log was read for a peer");
      this.#repair(machine);
    };
  }

  /** Puts everything right. */
  heal(): void {
    this.healed = true;
    for (const undo of [...this.#undo]) undo();
    this.#undo.clear();
    for (const machine of this.#all) {
      machine.resume();
      if (machine.state === "off") machine.start();
    }
  }

  /** The process refused what is on its disk. Whether the disk had been tampered with; then the machine is given an empty one. */
  refused(machine: Machine): boolean {
    if (!machine.disk.isSpoilt) return false;
    machine.damages.felt();
    this.#judge.marks.sometimes("a damaged directory was refused");
    this.#repair(machine);
    return true;
  }

  /**
   * A process stopped, or refused to start, because another one lives or lived under its name. False if there never was one. The
   * directory of one that refuses is not used again.
   */
  fenced(machine: Machine, why: "failed" | "refused"): boolean {
    const twins = this.#twins;
    if (twins === null || machine.name !== twins.original.name) return false;
    if (why === "failed") return true;
    twins.harm.felt();
    this.#dismiss(twins.copy);
    if (machine !== twins.copy)
      this.#timeline.after(RESTART_US, "a disk is replaced", null, () => {
        machine.say("is given an empty disk");
        this.#replaceDisk(machine, new Disk(++this.#disks));
      });
    return true;
  }

  #enlist(name: string, members: readonly string[], reaches: readonly Machine[]): Machine {
    const machine = this.#recruit(name, members, reaches);
    machine.disk = new Disk(++this.#disks);
    this.#lookAfter(machine);
    this.#machines.push(machine);
    this.#all.push(machine);
    return machine;
  }

  #dismiss(machine: Machine): void {
    if (machine.isGone) return;
    machine.say("is taken away");
    machine.isGone = true;
    machine.kill();
    for (const list of [this.#machines, this.#all]) list.splice(list.indexOf(machine), 1);
    const { wires } = this.#network;
    for (let i = wires.length - 1; i >= 0; i--)
      if (wires[i]?.ends.includes(machine) === true) wires.splice(i, 1);
    this.#judge.forget(machine);
  }

  /** A name of a region that no member has had. */
  #newName(region: string): string {
    const names = this.#all.map(({ name }) => name);
    for (let i = 1; ; i++) if (!names.includes(`${region}/${i}`)) return `${region}/${i}`;
  }

  /** As an operator does who reads that the data directory is damaged. */
  #repair(machine: Machine): void {
    if (!machine.disk.isSpoilt || this.#repairing.has(machine)) return;
    this.#repairing.add(machine);
    this.#timeline.after(RESTART_US, "a disk is replaced", null, () => {
      this.#repairing.delete(machine);
      if (!machine.disk.isSpoilt) return;
      machine.say("is given an empty disk");
      this.#replaceDisk(machine, new Disk(++this.#disks));
    });
  }

  #replaceDisk(machine: Machine, disk: Disk): void {
    machine.kill();
    machine.disk = disk;
    machine.damages.clear();
    machine.waitsForPeers = true;
    this.#judge.lostDisks.add(machine);
    this.#judge.damagedDisks.add(machine);
    this.#judge.view(machine).replaced = true;
    machine.start();
  }

  #remove(machine: Machine): void {
    this.#machines.splice(this.#machines.indexOf(machine), 1);
    this.#judge.lostDisks.add(machine);
    this.#judge.removed.add(machine);
  }

  #begin(fault: Fault): void {
    const { counts } = this;
    const harm = new Harm(() => (counts[fault.kind] = (counts[fault.kind] ?? 0) + 1));
    const until = (undo: () => void): void => {
      this.#undo.add(undo);
      this.#timeline.after(fault.forMs * 1000, `${fault.kind} ends`, null, () => {
        if (this.#undo.delete(undo)) undo();
      });
    };
    const isHealed = (): boolean => this.healed;
    const scene: Scene = {
      fault,
      harm,
      chance: this.#chance,
      timeline: this.#timeline,
      network: this.#network,
      judge: this.#judge,
      machines: this.#machines,
      machine: this.#machines[fault.which % this.#machines.length] as Machine,
      wire: this.#network.wires[fault.which % this.#network.wires.length] as Wire,
      victim: this.#victim,
      get healed() {
        return isHealed();
      },
      until,
      upon: (...all: Harms[]) => {
        for (const harms of all) {
          harms.add(harm);
          until(() => harms.delete(harm));
        }
      },
      newDisk: () => ++this.#disks,
      newName: (region) => this.#newName(region),
      enlist: (name, members, reaches) => this.#enlist(name, members, reaches),
      dismiss: (machine) => this.#dismiss(machine),
      twins: (original, copy, harmed) => {
        this.#twins = { original, copy, harm: harmed };
        this.#judge.lostDisks.add(original).add(copy);
        this.#judge.hadTwins = true;
      },
      remove: (machine) => this.#remove(machine),
      replaceDisk: (machine, disk) => this.#replaceDisk(machine, disk),
    };
    const kind: Misfortune = KINDS[fault.kind];
    kind.begin(scene);
  }
}
