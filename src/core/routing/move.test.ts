import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Move, type MoveKind, type Scene, type SceneRegion, type Step } from "./move.ts";

const STEP_MS = 10_000;
const LEAD_MS = 30_000;

const region = (name: string, fields: Partial<SceneRegion> = {}): SceneRegion => ({
  name,
  mode: "serving",
  weight: 1,
  share: 1,
  load: 0.3,
  lagMs: 0,
  state: "up",
  isFrozen: false,
  ...fields,
});

/** A world that does what a move asks of it, second by second. */
class World {
  nowMs = 1_000_000;
  plan = 7;
  regions: SceneRegion[] = [region("ap"), region("eu"), region("us")];
  behindMs: Record<string, number | null> = { ap: 0, eu: 0 };
  isHeard = true;
  clients: number | null = 0;
  readonly shifts: string[] = [];
  readonly move: Move;

  constructor(kind: MoveKind, weight = 1, isForced = false) {
    this.move = new Move({
      kind,
      region: "us",
      weight,
      stepMs: STEP_MS,
      lagMsMax: 5_000,
      isForced,
    });
  }

  set(name: string, fields: Partial<SceneRegion>): void {
    this.regions = this.regions.map((one) => (one.name === name ? { ...one, ...fields } : one));
  }

  get scene(): Scene {
    const { nowMs, plan, regions, behindMs, clients } = this;
    const unshipped = this.isHeard ? { heardMs: nowMs, behindMs } : null;
    return { nowMs, plan, regions, unshipped, clients };
  }

  step(): Step {
    const step = this.move.step(this.scene);
    if (step.do === "shift") {
      this.plan++;
      this.shifts.push(step.mode === "serving" ? `${step.weight}` : step.mode);
      this.set("us", {
        mode: step.mode === "configured" ? "serving" : step.mode,
        weight: step.weight,
      });
      this.move.shifted(this.plan, this.nowMs + (step.waitsForAnswers ? LEAD_MS : 0));
    }
    return step;
  }

  /** Lets seconds pass until the move is over or so many have passed. */
  run(seconds = 600): Step {
    for (let i = 0; i < seconds; i++, this.nowMs += 1_000) {
      const step = this.step();
      if (step.do === "done" || step.do === "stop") return step;
    }
    return this.step();
  }
}

test("a drained region is done when answers have run out, nobody is at work in it, and the others have what it wrote", () => {
  const world = new World("drain");
  world.clients = 3;
  world.behindMs = { ap: 0, eu: 400 };
  const beganMs = world.nowMs;
  assert.match(world.run(LEAD_MS / 1_000 + 40).do, /wait/);
  assert.deepEqual(world.shifts, ["0.5", "0.25", "drained"]);
  assert.ok(world.nowMs - beganMs > LEAD_MS + 2 * STEP_MS);
  world.clients = 0;
  assert.match((world.step() as { means: string }).means, /eu is 400 ms behind/);
  world.behindMs = { ap: null, eu: 0 };
  assert.match((world.step() as { means: string }).means, /ap is not linked/);
  world.behindMs = { ap: 0, eu: 0 };
  const step = world.run(10);
  assert.equal(step.do, "done");
  assert.match(step.means, /all others have everything/);
});

test("what a region said before it was drained tells nothing of what it has alone now", () => {
  const world = new World("evacuate");
  world.step();
  const heardMs = world.nowMs + 1_000;
  world.nowMs += 60_000;
  const stale = { ...world.scene, unshipped: { heardMs, behindMs: { ap: 0, eu: 0 } } };
  assert.equal(world.move.step(stale).do, "wait");
  assert.equal(world.move.step({ ...world.scene, unshipped: null }).do, "wait");
  assert.equal(world.move.step(world.scene).do, "done");
});

test("a region that is down is evacuated at once, and it is said that it may hold what nobody else has", () => {
  const world = new World("evacuate");
  world.set("us", { state: "down", share: 0 });
  world.isHeard = false;
  const step = world.run(10);
  assert.deepEqual(world.shifts, ["drained"]);
  assert.equal(step.do, "done");
  assert.match(step.means, /there alone/);
});

test("clients that never leave hold a drain up for less than a minute: the report names them", () => {
  const world = new World("evacuate");
  world.clients = 1;
  const beganMs = world.nowMs;
  assert.equal(world.run().do, "done");
  assert.ok(world.nowMs - beganMs < 60_000);
});

test("a region gets its traffic back when it has caught up, and ever more of it while it keeps up", () => {
  const world = new World("failback");
  world.set("us", { mode: "drained", lagMs: 60_000 });
  assert.match((world.run(30) as { means: string }).means, /60000 ms behind, and 5000 may be/);
  world.set("us", { lagMs: null });
  assert.equal(world.run(30).do, "wait");
  world.set("us", { lagMs: 10, isFrozen: true });
  assert.equal(world.run(30).do, "wait");
  world.set("us", { isFrozen: false, share: 0 });
  assert.equal(world.run(30).do, "wait");
  assert.deepEqual(world.shifts, []);
  world.set("us", { share: 1 });
  world.run(STEP_MS / 1_000 + 5);
  assert.deepEqual(world.shifts, ["0.05", "0.25"]);
  world.set("us", { lagMs: 6_000 });
  world.run(60);
  assert.deepEqual(world.shifts, ["0.05", "0.25"], "it has fallen behind");
  world.set("us", { lagMs: 0 });
  assert.equal(world.run().do, "done");
  assert.deepEqual(world.shifts, ["0.05", "0.25", "0.5", "configured"]);
});

test("a move that goes wrong is taken back", () => {
  const full = new World("drain");
  full.run(10);
  full.set("eu", { load: 1 });
  assert.deepEqual(full.step(), {
    do: "stop",
    undo: true,
    means: "eu carries all that it can",
  });
  const alone = new World("drain");
  alone.run(10);
  for (const name of ["ap", "eu"]) alone.set(name, { state: "down", share: 0 });
  assert.equal((alone.step() as { undo?: boolean }).undo, true);
  const back = new World("failback");
  back.set("us", { mode: "drained" });
  back.run(15);
  back.set("us", { state: "down" });
  assert.equal((back.step() as { undo?: boolean }).undo, true);
});

test("what somebody else has decided meanwhile stays", () => {
  const world = new World("drain");
  world.run(10);
  world.plan++;
  const step = world.step();
  assert.deepEqual([step.do, (step as { undo?: boolean }).undo], ["stop", false]);
  const late = new World("drain");
  late.run(10);
  late.plan--;
  assert.equal(late.step().do, "wait", "the node that is asked has not heard of the plan");
});

test("nothing is begun that the others could not carry, unless it is forced", () => {
  for (const isForced of [false, true]) {
    const world = new World("drain", 1, isForced);
    world.set("us", { load: 0.9 });
    for (const name of ["ap", "eu"]) world.set(name, { load: 0.6 });
    assert.equal(world.step().do, isForced ? "shift" : "stop");
  }
  const alone = new World("evacuate");
  alone.regions = [region("us"), region("eu", { mode: "drained" })];
  assert.match((alone.step() as { means: string }).means, /no other region serves/);
});

test("a part of its traffic is given to a region in three steps, from what it has", () => {
  const world = new World("weight", 0.4);
  assert.equal(world.run().do, "done");
  assert.deepEqual(world.shifts, ["0.8", "0.6", "0.4"]);
});

test("whatever happens, a move makes no more plans than it has steps, and never passes one over", () => {
  const orders: Record<string, string[]> = {
    drain: ["0.5", "0.25", "drained"],
    evacuate: ["drained"],
    failback: ["0.05", "0.25", "0.5", "configured"],
  };
  fc.assert(
    fc.property(
      fc.constantFrom("drain" as const, "evacuate" as const, "failback" as const),
      fc.array(
        fc.record({
          name: fc.constantFrom("ap", "eu", "us"),
          state: fc.constantFrom("up", "down"),
          lagMs: fc.option(fc.constantFrom(0, 4_000, 60_000)),
          load: fc.constantFrom(0.1, 0.9, 1.2),
          clients: fc.option(fc.nat(3)),
        }),
        { maxLength: 30 },
      ),
      (kind, happenings) => {
        const world = new World(kind);
        if (kind === "failback") world.set("us", { mode: "drained" });
        for (const { name, clients, ...fields } of happenings) {
          world.set(name, fields);
          world.clients = clients;
          const step = world.run(13);
          if (step.do === "done" || step.do === "stop") break;
        }
        assert.deepEqual(world.shifts, orders[kind]?.slice(0, world.shifts.length));
      },
    ),
  );
});
