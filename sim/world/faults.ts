/**
 * Faults: how each kind of misfortune is done to the world, and undone.
 *
 * Invariant: whatever a fault changed is as it was when it ends, or is put right when the world heals; two faults upon one thing end
 * when the last of them does.
 */
import { MemoryDisk } from "../../src/adapters/storage-memory/memory-storage.ts";
import type { Fault, FaultKind } from "../swarm.ts";
import type { Judge } from "../judge/judge.ts";
import type { Machine } from "./machine.ts";
import type { Network, Wire } from "./network.ts";
import type { Timeline } from "./timeline.ts";

/** Bytes per millisecond. A link on which a frame takes longer than the silence that closes it never gets anywhere. */
const SLOW_RATE = 200;

export class Faults {
  readonly #timeline: Timeline;
  readonly #network: Network;
  readonly #machines: readonly Machine[];
  readonly #judge: Judge;
  /** Undone when the world heals. */
  readonly #undo = new Set<() => void>();
  readonly counts: Partial<Record<FaultKind, number>> = {};
  readonly #cuts = new Map<object, number>();
  /** Which fault a disk's next sync is to fail by. */
  readonly #failing = new Map<MemoryDisk, Fault>();
  #disks = 0;
  healed = false;

  constructor(
    timeline: Timeline,
    network: Network,
    machines: readonly Machine[],
    judge: Judge,
    faults: readonly Fault[],
  ) {
    this.#timeline = timeline;
    this.#network = network;
    this.#machines = machines;
    this.#judge = judge;
    for (const fault of faults)
      timeline.after(fault.atMs * 1000, fault.kind, null, () => {
        if (!this.healed) this.#begin(fault);
      });
  }

  /** Puts everything right. */
  heal(): void {
    this.healed = true;
    for (const undo of [...this.#undo]) undo();
    this.#undo.clear();
    for (const machine of this.#machines) {
      machine.clock.offsetMs = machine.clock.skewMs;
      machine.clock.driftPpm = 0;
      machine.clock.frozenMs = null;
      machine.resume();
      if (machine.state === "off") machine.start();
    }
  }

  #machine(fault: Fault): Machine {
    return this.#machines[fault.which % this.#machines.length] as Machine;
  }

  #wire(fault: Fault): Wire {
    return this.#network.wires[fault.which % this.#network.wires.length] as Wire;
  }

  #begin(fault: Fault): void {
    const machine = this.#machine(fault);
    const happened = this.#do(fault, machine);
    if (!happened) return;
    this.counts[fault.kind] = (this.counts[fault.kind] ?? 0) + 1;
  }

  #until(fault: Fault, undo: () => void): void {
    this.#undo.add(undo);
    this.#timeline.after(fault.forMs * 1000, `${fault.kind} ends`, null, () => {
      if (this.#undo.delete(undo)) undo();
    });
  }

  #do(fault: Fault, machine: Machine): boolean {
    switch (fault.kind) {
      case "crash":
        return this.#crash(fault, machine);
      case "crash-all":
        if (fault.amount > 0.3) return false;
        for (const each of this.#machines) this.#crash(fault, each);
        return true;
      case "pause":
        if (machine.state !== "up" || machine.paused) return false;
        machine.say(`is paused for ${fault.forMs} ms`);
        machine.pause();
        this.#until(fault, () => machine.resume());
        return true;
      case "cut":
        return this.#cut(fault, this.#wire(fault), [0, 1]);
      case "cut-one-way":
        return this.#cut(fault, this.#wire(fault), [fault.amount < 0.5 ? 0 : 1]);
      case "isolate":
        for (const wire of this.#network.wires)
          if (wire.ends.includes(machine)) this.#cut(fault, wire, [0, 1]);
        return true;
      case "flap":
        for (let i = 0; i < 6; i++)
          this.#timeline.after(i * 400_000 * fault.amount, "flap", null, () => {
            if (!this.healed)
              this.#cut({ ...fault, forMs: 200 * fault.amount }, this.#wire(fault), [0, 1]);
          });
        return true;
      case "reset": {
        const wire = this.#wire(fault);
        wire.ends[0].say(`loses its connections to ${wire.ends[1].name}`);
        this.#network.reset(wire);
        return true;
      }
      case "slow-wire": {
        const wire = this.#wire(fault);
        wire.ends[0].say(`has a slow wire to ${wire.ends[1].name} for ${fault.forMs} ms`);
        for (const way of wire.ways) {
          const addedUs = fault.amount * 2_000_000;
          const { rate } = way;
          const slows = fault.amount > 0.5 && (rate === 0 || rate > SLOW_RATE);
          way.delayUs += addedUs;
          if (slows) way.rate = SLOW_RATE;
          this.#until(fault, () => {
            way.delayUs -= addedUs;
            if (slows) way.rate = rate;
          });
        }
        return true;
      }
      case "slow-disk":
        return this.#slowDisk(fault, machine);
      case "disk-full":
        if (machine.disk.full) return false;
        machine.say(`has a full disk for ${fault.forMs} ms`);
        machine.disk.full = true;
        machine.healthySinceUs = Infinity;
        this.#until(fault, () => {
          machine.disk.full = false;
          this.#afterwardsHealthy(machine);
        });
        return true;
      case "sync-error": {
        const { life, disk } = machine;
        if (machine.state !== "up" || disk.failNextSync) return false;
        machine.say("will fail its next sync");
        disk.failNextSync = true;
        this.#failing.set(disk, fault);
        this.#until(fault, () => {
          if (this.#failing.get(disk) === fault) {
            if (!disk.failNextSync && machine.life === life)
              this.#judge.fail("I-22", machine, "its disk failed to sync, and it goes on");
            disk.failNextSync = false;
          }
          machine.start();
        });
        return true;
      }
      case "older-disk":
      case "empty-disk":
        return this.#replaceDisk(fault, machine);
      default:
        return this.#clockFault(fault, machine);
    }
  }

  #crash(fault: Fault, machine: Machine): boolean {
    if (machine.state === "off") return false;
    machine.say(`crashes, and is off for ${fault.forMs} ms`);
    machine.kill();
    this.#until(fault, () => machine.start());
    return true;
  }

  #cut(fault: Fault, wire: Wire, sides: readonly (0 | 1)[]): boolean {
    for (const side of sides) {
      const way = wire.ways[side];
      const other = wire.ends[side === 0 ? 1 : 0];
      this.#cuts.set(way, (this.#cuts.get(way) ?? 0) + 1);
      way.cut = true;
      wire.ends[side].say(`reaches ${other.name} no more for ${fault.forMs} ms`);
      this.#until(fault, () => {
        const left = (this.#cuts.get(way) ?? 1) - 1;
        this.#cuts.set(way, left);
        if (left > 0) return;
        way.cut = false;
        this.#network.changed(wire, side);
      });
    }
    return true;
  }

  #slowDisk(fault: Fault, machine: Machine): boolean {
    const addedUs = fault.amount * 3_000_000;
    machine.say(`has a slow disk for ${fault.forMs} ms`);
    machine.diskModel.syncUs += addedUs;
    machine.healthySinceUs = Infinity;
    this.#until(fault, () => {
      machine.diskModel.syncUs -= addedUs;
      this.#afterwardsHealthy(machine);
    });
    return true;
  }

  /** What the disk owes has to come first. */
  #afterwardsHealthy(machine: Machine): void {
    if (machine.state === "up" && !machine.paused)
      machine.healthySinceUs = this.#timeline.now + 5_000_000;
  }

  /** The machine comes back with the disk of a while ago, or with an empty one: another place, by its fingerprint. */
  #replaceDisk(fault: Fault, machine: Machine): boolean {
    // One machine of a cluster at most: what two held alone, and the third had not applied yet, is gone and comes back half.
    if (this.#judge.lostDisks.size > 0 && !this.#judge.lostDisks.has(machine)) return false;
    this.#judge.lostDisks.add(machine);
    const image = copyOf(machine.disk, `${machine.name} disk ${++this.#disks}`);
    const isEmpty = fault.kind === "empty-disk";
    this.#until(fault, () => {
      machine.say(isEmpty ? "loses its disk" : `goes back to its disk of ${fault.forMs} ms ago`);
      machine.kill();
      machine.disk = isEmpty ? new MemoryDisk(image.name) : image;
      const view = this.#judge.view(machine);
      view.replaced = true;
      machine.start();
    });
    return true;
  }

  #clockFault(fault: Fault, machine: Machine): boolean {
    const { clock } = machine;
    const sign = fault.which % 2 === 0 ? 1 : -1;
    switch (fault.kind) {
      case "clock-jump": {
        if (machine.state !== "up") return false;
        const offset = sign * Math.round(10 ** (1 + fault.amount * 10));
        machine.say(`has its clock set by ${offset} ms for ${fault.forMs} ms`);
        clock.offsetMs += offset;
        this.#until(fault, () => (clock.offsetMs = clock.skewMs));
        return true;
      }
      case "clock-drift": {
        const ppm = sign * fault.amount * 500;
        clock.driftPpm += ppm;
        this.#until(fault, () => (clock.driftPpm -= ppm));
        return true;
      }
      case "clock-freeze":
        if (machine.state !== "up" || clock.frozenMs !== null) return false;
        machine.say(`has its clock stand still for ${fault.forMs} ms`);
        clock.frozenMs = machine.wallMs();
        this.#until(fault, () => (clock.frozenMs = null));
        return true;
      case "clock-back-at-boot": {
        if (machine.state !== "up") return false;
        const backMs = Math.round(10 ** (2 + fault.amount * 5));
        machine.say(`crashes, and comes back with its clock ${backMs} ms behind`);
        machine.kill();
        clock.offsetMs -= backMs;
        this.#timeline.after(200_000, "boot", null, () => machine.start());
        this.#until(fault, () => (clock.offsetMs = clock.skewMs));
        return true;
      }
      default:
        machine.slowUs = fault.amount * 100_000;
        this.#until(fault, () => (machine.slowUs = 0));
        return true;
    }
  }
}

/** What a backup of the disk taken now holds. */
function copyOf(disk: MemoryDisk, name: string): MemoryDisk {
  const copy = new MemoryDisk(name);
  copy.blocks = [...disk.blocks];
  copy.begin = disk.begin;
  copy.end = disk.end;
  copy.checkpoint = disk.checkpoint;
  copy.identity = new Map(disk.identity);
  return copy;
}
