/**
 * Clock faults: what a wall clock may show instead of the time.
 *
 * Invariant: afterwards it shows the time again, but for the skew that is always there.
 */
import type { Misfortune, Scene } from "./scene.ts";

const HOUR_MS = 3_600_000;
const YEAR_MS = 365.25 * 24 * HOUR_MS;
const YEARS_MAX = 50;
const COUNTS = "a turn began with a time that was off by 3 ms or more";
/** Longer than the next write takes. */
const BOOT_US = 200_000;

const signOf = ({ fault }: Scene): 1 | -1 => (fault.which % 2 === 0 ? 1 : -1);

function jump(scene: Scene, offsetMs: number): void {
  const { machine, fault } = scene;
  const { clock } = machine;
  if (machine.state !== "up") return;
  machine.say(`has its clock set by ${offsetMs} ms for ${fault.forMs} ms`);
  clock.offsetMs += offsetMs;
  scene.upon(machine.clockHarms);
  scene.until(() => (clock.offsetMs = clock.skewMs));
}

export const CLOCK_FAULTS = {
  "clock-offset": {
    counts: COUNTS,
    begin: (scene) => jump(scene, signOf(scene) * Math.round(10 ** (1 + scene.fault.amount * 3))),
  },
  "clock-hours": {
    counts: COUNTS,
    begin: (scene) =>
      jump(scene, signOf(scene) * Math.round((0.1 + scene.fault.amount * 48) * HOUR_MS)),
  },
  "clock-years": {
    counts: COUNTS,
    begin: (scene) =>
      jump(scene, signOf(scene) * Math.round((1 + scene.fault.amount * (YEARS_MAX - 1)) * YEAR_MS)),
  },
  "clock-drift": {
    counts: COUNTS,
    begin(scene) {
      const { machine, fault, timeline } = scene;
      const { clock } = machine;
      if (clock.driftPpm !== 0) return;
      // From what a bad crystal does to what a virtual machine does.
      clock.driftPpm = signOf(scene) * 10 ** (2.5 + fault.amount * 2.5);
      clock.driftSinceMs = timeline.nowMs;
      machine.say(`has its clock drift by ${Math.round(clock.driftPpm)} ppm for ${fault.forMs} ms`);
      scene.upon(machine.clockHarms);
      scene.until(() => (clock.driftPpm = 0));
    },
  },
  "clock-freeze": {
    counts: COUNTS,
    begin(scene) {
      const { machine, fault } = scene;
      const { clock } = machine;
      if (machine.state !== "up" || clock.frozenMs !== null) return;
      machine.say(`has its clock stand still for ${fault.forMs} ms`);
      clock.frozenMs = machine.wallMs();
      scene.upon(machine.clockHarms);
      scene.until(() => (clock.frozenMs = null));
    },
  },
  "clock-back-at-boot": {
    counts: COUNTS,
    begin(scene) {
      const { machine, fault, timeline } = scene;
      const { clock } = machine;
      if (machine.state !== "up") return;
      const backMs = Math.round(10 ** (2 + fault.amount * 5));
      machine.say(`crashes, and comes back with its clock ${backMs} ms behind`);
      machine.kill();
      clock.offsetMs -= backMs;
      scene.upon(machine.clockHarms);
      timeline.after(BOOT_US, "boot", null, () => machine.start());
      scene.until(() => (clock.offsetMs = clock.skewMs));
    },
  },
} satisfies Record<string, Misfortune>;
