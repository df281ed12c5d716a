/**
 * Scene: what a misfortune finds when its time has come: its machine, its wire, its length, and the means to be undone.
 *
 * Invariant: whatever it changes is put right by what it hands to `until`, when its time is over or when the world heals.
 */
import type { Fault } from "../swarm.ts";
import type { Judge } from "../judge/judge.ts";
import type { Chance } from "./chance.ts";
import type { Disk } from "./disk.ts";
import type { Harm, Harms } from "./harm.ts";
import type { Machine } from "./machine.ts";
import type { Network, Wire } from "./network.ts";
import type { Timeline } from "./timeline.ts";

export interface Scene {
  readonly fault: Fault;
  readonly harm: Harm;
  readonly chance: Chance;
  readonly timeline: Timeline;
  readonly network: Network;
  readonly judge: Judge;
  readonly machines: readonly Machine[];
  readonly machine: Machine;
  readonly wire: Wire;
  readonly healed: boolean;
  /** Undone when its time is over or the world heals. */
  until(undo: () => void): void;
  /** Weighs upon these until then. */
  upon(...harms: Harms[]): void;
  /** The one machine of the cluster that may lose what is on its disk. */
  readonly victim: Machine;
  /** A number no disk has had. */
  newDisk(): number;
  /** A name of a region that no member has had. */
  newName(region: string): string;
  /** A machine that was not there, with wires to these: from now on it is one of the machines. It is not started. */
  enlist(name: string, members: readonly string[], reaches: readonly Machine[]): Machine;
  /** It is switched off and taken away. */
  dismiss(machine: Machine): void;
  /** From now on two machines run under one name: whichever stops, it is the harm's doing. */
  twins(original: Machine, copy: Machine, harm: Harm): void;
  /** From now on it belongs to the cluster no more: nothing that only it held is missed. */
  remove(machine: Machine): void;
  /** The machine goes on with another disk: what only the old one held may be lost. */
  replaceDisk(machine: Machine, disk: Disk): void;
}

/** One kind of misfortune. */
export interface Misfortune {
  /** What must have come of it for it to count. */
  readonly counts: string;
  readonly begin: (scene: Scene) => void;
}
