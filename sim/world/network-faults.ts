/**
 * Network faults: what happens on the wires.
 *
 * Invariant: several cuts of one direction end when the last of them does.
 */
import type { Network, Way, Wire } from "./network.ts";
import type { Misfortune, Scene } from "./scene.ts";

/** Bytes per millisecond. A link on which a frame takes longer than the silence that closes it never gets anywhere. */
const SLOW_RATE = 200;

function cut(scene: Scene, wire: Wire, sides: readonly (0 | 1)[], forMs = scene.fault.forMs): void {
  for (const side of sides) {
    const way = wire.ways[side];
    const other = wire.ends[side === 0 ? 1 : 0];
    wire.ends[side].say(`reaches ${other.name} no more for ${Math.round(forMs)} ms`);
    const isOver = hold(scene.network, wire, side, way);
    way.cuts.add(scene.harm);
    const mend = (): void => {
      way.cuts.delete(scene.harm);
      isOver();
    };
    if (forMs === scene.fault.forMs) scene.until(mend);
    else scene.timeline.after(forMs * 1000, "flap ends", null, mend);
  }
}

/** Holds a direction; it is open again when everyone who held it has let go. */
function hold(network: Network, wire: Wire, side: 0 | 1, way: Way): () => void {
  way.holders++;
  way.cut = true;
  let holds = true;
  return () => {
    if (!holds) return;
    holds = false;
    if (--way.holders > 0) return;
    way.cut = false;
    network.changed(wire, side);
  };
}

const sideOf = ({ fault }: Scene): 0 | 1 => (fault.amount < 0.5 ? 0 : 1);

export const NETWORK_FAULTS = {
  cut: {
    counts: "a frame was held up or a call was not answered",
    begin: (scene) => cut(scene, scene.wire, [0, 1]),
  },
  "cut-one-way": {
    counts: "a frame was held up or a call was not answered",
    begin: (scene) => cut(scene, scene.wire, [sideOf(scene)]),
  },
  isolate: {
    counts: "a frame was held up or a call was not answered",
    begin(scene) {
      for (const wire of scene.network.wires)
        if (wire.ends.includes(scene.machine)) cut(scene, wire, [0, 1]);
    },
  },
  partition: {
    counts: "a frame was held up or a call was not answered",
    begin(scene) {
      const { machines, fault, network } = scene;
      // Two groups, neither of them empty; with an odd amount only one of them is deaf.
      const groups = 1 + (fault.which % (2 ** machines.length - 2));
      const groupOf = (end: 0 | 1, wire: Wire): number =>
        (groups >> machines.indexOf(wire.ends[end])) & 1;
      for (const wire of network.wires) {
        const first = groupOf(0, wire);
        if (first === groupOf(1, wire)) continue;
        cut(scene, wire, fault.amount < 0.7 ? [0, 1] : [first === 0 ? 0 : 1]);
      }
    },
  },
  flap: {
    counts: "a frame was held up or a call was not answered",
    begin(scene) {
      const { fault, timeline } = scene;
      for (let i = 0; i < 6; i++)
        timeline.after(i * 400_000 * fault.amount, "flap", null, () => {
          if (!scene.healed) cut(scene, scene.wire, [0, 1], 200 * fault.amount);
        });
    },
  },
  reset: {
    counts: "a connection was lost",
    begin({ wire, network, harm }) {
      wire.ends[0].say(`loses its connections to ${wire.ends[1].name}`);
      if (network.reset(wire, false)) harm.felt();
    },
  },
  "torn-frame": {
    counts: "half a frame arrived, and the connection was lost",
    begin({ wire, network, harm, timeline, fault }) {
      // At the first moment at which a frame is on its way.
      const untilUs = timeline.now + fault.forMs * 1000;
      const attempt = (): void => {
        if (network.reset(wire, true)) {
          wire.ends[0].say(`loses its connections to ${wire.ends[1].name} within a frame`);
          harm.felt();
        } else if (timeline.now < untilUs) timeline.after(7_000, "torn frame", null, attempt);
      };
      attempt();
    },
  },
  "half-open": {
    counts: "an end whose peer had gone unheard went on sending",
    begin(scene) {
      const { wire, network, harm } = scene;
      if (network.forget(wire, sideOf(scene), harm))
        wire.ends[sideOf(scene)].say("forgets a connection, and nobody tells its peer");
    },
  },
  "late-frames": {
    counts: "frames of a broken connection arrived when a newer one was open",
    begin(scene) {
      const { wire, network, harm, timeline, fault } = scene;
      const untilUs = timeline.now + fault.forMs * 1000;
      const attempt = (): void => {
        if (network.delay(wire, sideOf(scene), harm))
          wire.ends[sideOf(scene)].say("dials again while what it had sent is on its way");
        else if (timeline.now < untilUs) timeline.after(7_000, "late frames", null, attempt);
      };
      attempt();
    },
  },
  "flipped-bit": {
    counts: "a frame with a flipped bit arrived",
    begin(scene) {
      const { wire, network, harm } = scene;
      if (network.flip(wire, sideOf(scene), harm))
        wire.ends[sideOf(scene)].say("will have a bit flipped on the wire");
    },
  },
  "slow-wire": {
    counts: "a frame went over it",
    begin(scene) {
      const { wire, fault } = scene;
      wire.ends[0].say(`has a slow wire to ${wire.ends[1].name} for ${fault.forMs} ms`);
      for (const way of wire.ways) {
        const addedUs = fault.amount * 2_000_000;
        const { rate } = way;
        const slows = fault.amount > 0.5 && (rate === 0 || rate > SLOW_RATE);
        way.delayUs += addedUs;
        if (slows) way.rate = SLOW_RATE;
        scene.upon(way.slows);
        scene.until(() => {
          way.delayUs -= addedUs;
          if (slows) way.rate = rate;
        });
      }
    },
  },
} satisfies Record<string, Misfortune>;
