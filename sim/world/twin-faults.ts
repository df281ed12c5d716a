/**
 * Twin faults: a second process lives under a member's name, on a copy of its disk, and clients go to both.
 *
 * Invariant: the operator hears of it only from a process that stops and says why, or much later by chance. Whoever stopped is not
 * started on its directory again: the copy goes for good, the original is given an empty disk.
 */
import type { Machine } from "./machine.ts";
import type { Misfortune, Scene } from "./scene.ts";

const AGAIN_US = 200_000;

/** Whether there is a twin now. */
function clone(scene: Scene): boolean {
  const { victim, machines, network, fault, harm } = scene;
  const { disk } = victim;
  if (!machines.includes(victim) || victim.state !== "up" || disk.isSpoilt) return false;
  if (machines.some((machine) => machine !== victim && machine.name === victim.name)) return false;
  const image = disk.copy(scene.newDisk());
  if (!image.namesOf("identity.").some((name) => !name.endsWith(".tmp"))) return false;
  // Where only the peer dials, it has no reason to dial again: whoever it is connected to bears the name.
  const reaches = network.wires.flatMap(({ ends, dialsFrom }) =>
    ends.flatMap((end, side) =>
      end === victim && dialsFrom[side] === true ? [ends[1 - side] as Machine] : [],
    ),
  );
  if (reaches.length === 0) return false;
  const twin = scene.enlist(victim.name, victim.config.members, reaches);
  twin.disk = image;
  twin.waitsForPeers = true;
  scene.twins(victim, twin, harm);
  victim.say("has a twin: its disk was copied, and another machine runs on the copy");
  twin.start();
  // Half of the time nobody ever looks.
  if (fault.amount < 0.5) scene.until(() => scene.dismiss(twin));
  return true;
}

export const TWIN_FAULTS = {
  clone: {
    counts: "one of two processes under one name stopped, and its directory was refused",
    begin(scene) {
      const { timeline, fault } = scene;
      // At the first moment at which there is something to copy and somebody to reach.
      const untilUs = timeline.now + fault.forMs * 1000;
      const attempt = (): void => {
        if (scene.healed || clone(scene) || timeline.now >= untilUs) return;
        timeline.after(AGAIN_US, "clone", null, attempt);
      };
      attempt();
    },
  },
} satisfies Record<string, Misfortune>;
