/**
 * Process faults: what happens to processes and to their clients' connections.
 *
 * Invariant: a process that was ended is started again when its fault ends.
 */
import type { Machine } from "./machine.ts";
import type { Misfortune, Scene } from "./scene.ts";

function crash(scene: Scene, machine: Machine, losesPower?: boolean): void {
  const { fault, network, harm } = scene;
  if (machine.state === "off") return;
  const loses =
    machine.served.size > 0 || network.isConnected(machine) || machine.disk.unsyncedSectors > 0;
  machine.say(`crashes, and is off for ${fault.forMs} ms`);
  machine.kill(losesPower);
  if (loses) harm.felt();
  scene.until(() => machine.start());
}

export const PROCESS_FAULTS = {
  crash: {
    counts: "a connection or something unsynced was lost",
    begin: (scene) => crash(scene, scene.machine),
  },
  "crash-all": {
    counts: "a connection or something unsynced was lost",
    begin(scene) {
      for (const machine of scene.machines) crash(scene, machine, true);
    },
  },
  pause: {
    counts: "something came for the process, or called it, while it stood still",
    begin(scene) {
      const { machine, fault } = scene;
      if (machine.state !== "up" || machine.paused) return;
      machine.say(`is paused for ${fault.forMs} ms`);
      machine.pause();
      scene.until(() => machine.resume());
      scene.upon(machine.pauses);
    },
  },
  "slow-processor": {
    counts: "a turn was carried out more than a millisecond later",
    begin(scene) {
      const { machine, fault } = scene;
      machine.say(`has a busy processor for ${fault.forMs} ms`);
      machine.slowUs = fault.amount * 100_000;
      scene.upon(machine.processorHarms);
      scene.until(() => (machine.slowUs = 0));
    },
  },
  "hang-up": {
    counts: "a client went away with a request open",
    begin({ machine, harm, timeline, fault }) {
      // At the first moment at which somebody waits for a reply.
      const untilUs = timeline.now + fault.forMs * 1000;
      const attempt = (): void => {
        const left = [...machine.served].filter((served) => served.hangUp());
        if (left.length > 0) {
          machine.say("is left by clients that have asked for something");
          harm.felt();
        } else if (timeline.now < untilUs) timeline.after(1_100, "hang up", null, attempt);
      };
      attempt();
    },
  },
} satisfies Record<string, Misfortune>;
