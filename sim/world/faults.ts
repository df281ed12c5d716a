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
import { REMOVAL_FAULTS } from "./removal-faults.ts";
import type { Misfortune, Scene } from "./scene.ts";
import type { Timeline } from "./timeline.ts";

const OFTEN = { ...PROCESS_FAULTS, ...NETWORK_FAULTS, ...DISK_FAULTS, ...CLOCK_FAULTS };
const KINDS = { ...OFTEN, ...REMOVAL_FAULTS };

export type FaultKind = keyof typeof KINDS;

/** Those that may happen again and again. */
export const FAULTS = Object.keys(OFTEN) as readonly FaultKind[];

const RESTART_US = 300_000;

export class Faults {
  readonly #timeline: Timeline;
  readonly #network: Network;
  /** The members; and all there ever were. */
  readonly #machines: Machine[];
  readonly #all: readonly Machine[];
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
  ) {
    this.#timeline = timeline;
    this.#network = network;
    this.#machines = machines;
    this.#all = [...machines];
    this.#judge = judge;
    this.#chance = new Chance(plan.seed, "misfortune");
    this.#victim = this.#chance.pick(machines);
    this.#disks = machines.length;
    for (const machine of machines)
      machine.onDamage = (message) => {
        if (message.startsWith("checkpoint"))
          return judge.marks.sometimes("a damaged checkpoint was passed over");
        judge.marks.sometimes("damage was found while the log was read for a peer");
        this.#repair(machine);
      };
    for (const fault of plan.faults)
      timeline.after(fault.atMs * 1000, fault.kind, null, () => {
        if (!this.healed) this.#begin(fault);
      });
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
      remove: (machine) => this.#remove(machine),
      replaceDisk: (machine, disk) => this.#replaceDisk(machine, disk),
    };
    const kind: Misfortune = KINDS[fault.kind];
    kind.begin(scene);
  }
}
