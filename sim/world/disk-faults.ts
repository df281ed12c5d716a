/**
 * Disk faults: slow, full, failing, losing power in the middle of things, and bytes that are not what was written.
 *
 * Invariant: of a cluster only `victim` may come to lose what was durable: what two held alone, and the third had not applied yet,
 * would be gone and come back half.
 */
import { Disk } from "./disk.ts";
import type { Machine } from "./machine.ts";
import type { Misfortune, Scene } from "./scene.ts";

/** What the disk owes has to come first. */
const RECOVERS_US = 5_000_000;
const RESTART_US = 300_000;

/** The power fails while something of the kind is written, and the machine comes back. */
function powerCut(scene: Scene, kind: "onUnsynced" | "onUnsyncedName", lost: "sectors" | "names") {
  const { machine, timeline, chance, harm } = scene;
  const { disk } = machine;
  const strike = (): void => {
    disk[kind] = null;
    const { life } = machine;
    timeline.after(chance.unit() * machine.diskModel.syncUs, "power cut", null, () => {
      if (machine.life !== life || machine.state === "off") return;
      const loss = machine.kill(true);
      machine.say(`lost power while it wrote: ${loss.sectors} sectors and ${loss.names} names`);
      if (loss[lost] > 0) harm.felt();
      timeline.after(RESTART_US, "power is back", null, () => machine.start());
    });
  };
  disk[kind] = strike;
  scene.until(() => {
    if (disk[kind] === strike) disk[kind] = null;
  });
}

/** Bytes on the victim's disk are not what was written; half of the time it starts from them. */
function spoil(scene: Scene, how: "flip" | "stale" | "misdirect"): void {
  const { victim, chance, harm, timeline, judge } = scene;
  if (victim.state === "starting") return;
  const restarts = chance.is(0.8);
  const prefix =
    how === "flip" ? chance.pick(["log.", "log.", "checkpoint.", "identity."]) : "log.";
  let where: string | null = null;
  for (let i = 0; i < 5 && where === null; i++) where = victim.disk.spoil(how, prefix, chance);
  if (where === null) return;
  judge.lostDisks.add(victim);
  judge.damagedDisks.add(victim);
  victim.disk.isSpoilt = true;
  victim.damages.add(harm);
  victim.say(`has ${how === "flip" ? "a flipped bit" : "a wrong sector"} in ${where}`);
  if (!restarts) return;
  victim.kill();
  timeline.after(RESTART_US, "restart", null, () => victim.start());
}

export const DISK_FAULTS = {
  "slow-disk": {
    counts: "a sync took longer",
    begin(scene) {
      const { machine, fault } = scene;
      const addedUs = fault.amount * 3_000_000;
      machine.say(`has a slow disk for ${fault.forMs} ms`);
      machine.diskModel.syncUs += addedUs;
      machine.slowDisks++;
      machine.healthySinceUs = Infinity;
      scene.upon(machine.diskHarms);
      scene.until(() => {
        machine.diskModel.syncUs -= addedUs;
        machine.slowDisks--;
        machine.recovered(RECOVERS_US);
      });
    },
  },
  "disk-full": {
    counts: "a write found no space",
    begin(scene) {
      const { machine, fault } = scene;
      const { disk } = machine;
      if (disk.full) return;
      machine.say(`has a full disk for ${fault.forMs} ms`);
      disk.full = true;
      machine.healthySinceUs = Infinity;
      scene.upon(disk.fills);
      scene.until(() => {
        disk.full = false;
        machine.recovered(RECOVERS_US);
      });
    },
  },
  "sync-error": {
    counts: "a sync failed, and what it should have stored never was",
    begin(scene) {
      const { machine, judge } = scene;
      const { life, disk } = machine;
      if (machine.state !== "up" || disk.failNextSync) return;
      machine.say("will fail its next sync");
      disk.failNextSync = true;
      disk.hasFailed = false;
      scene.upon(disk.fails);
      scene.until(() => {
        if (disk.hasFailed && machine.life === life)
          judge.fail("I-22", machine, "its disk failed to sync, and it goes on");
        disk.failNextSync = false;
        machine.start();
      });
    },
  },
  "torn-write": {
    counts: "of the unsynced sectors some did not survive",
    begin: (scene) => powerCut(scene, "onUnsynced", "sectors"),
  },
  "lost-name": {
    counts: "a file was created, renamed or removed and then was not",
    begin(scene) {
      const { machine } = scene;
      powerCut(scene, "onUnsyncedName", "names");
      // A log that hardly grows makes no files, a start always does.
      if (scene.fault.amount < 0.3 || machine.state !== "up") return;
      machine.end("killed", null);
      powerCut(scene, "onUnsyncedName", "names");
      machine.start();
    },
  },
  "bit-rot": {
    counts: "the process said that bytes are damaged",
    begin: (scene) => spoil(scene, "flip"),
  },
  "stale-sector": {
    counts: "the process said that bytes are damaged",
    begin: (scene) => spoil(scene, "stale"),
  },
  "misdirected-write": {
    counts: "the process said that bytes are damaged",
    begin: (scene) => spoil(scene, "misdirect"),
  },
  "older-disk": {
    counts: "the disk had changed since",
    begin(scene) {
      const { victim, fault, harm } = scene;
      const { disk } = victim;
      const image = disk.copy(scene.newDisk());
      scene.until(() => {
        // Not simulated: an image of an incarnation that others have seen succeeded. What it alone holds of that would have to be
        // voided, which is sealing.
        if (victim.disk !== disk) return;
        victim.say(`goes back to its disk of ${fault.forMs} ms ago`);
        if (!image.equals(victim.disk)) harm.felt();
        scene.replaceDisk(victim, image);
      });
    },
  },
  "empty-disk": {
    counts: "the disk had held something",
    begin(scene) {
      const { victim, harm } = scene;
      victim.say("loses its disk");
      if (victim.disk.namesOf("identity.").length > 0) harm.felt();
      scene.replaceDisk(victim, new Disk(scene.newDisk()));
    },
  },
  "foreign-disk": {
    counts: "the process refused to start from another member's directory",
    begin(scene) {
      const { victim, machines, harm } = scene;
      const other = machines.find((machine) => machine !== victim) as Machine;
      const image = other.disk.copy(scene.newDisk());
      // Until it says whose it is, it is anybody's, whatever else was saved before.
      if (!image.namesOf("identity.identity").some((name) => !name.endsWith(".tmp"))) return;
      victim.say(`is given a copy of ${other.name}'s disk`);
      scene.replaceDisk(victim, image);
      victim.disk.isSpoilt = true;
      victim.disk.isForeign = true;
      victim.damages.add(harm);
    },
  },
} satisfies Record<string, Misfortune>;
