import assert from "node:assert/strict";
import { test } from "node:test";
import { explainRoute, planRoute, type TrafficApi } from "./traffic-routes.ts";

type Change = Parameters<TrafficApi["change"]>;

function traffic(changes: Change[] = [], refusal: string | null = null): TrafficApi {
  return {
    nowMs: 1_000,
    ttlMax: 30,
    view: () => ({ plan: { number: 8 } }),
    status: () => ({}),
    latecomers: () => ({}),
    explainTo: (rule, from) => (rule === "app" ? [JSON.stringify(from)] : null),
    change(...change) {
      changes.push(change);
      return refusal;
    },
  };
}

test("a region is drained once answers that were given before have run out, and for an hour", () => {
  const changes: Change[] = [];
  const told = planRoute(
    traffic(changes),
    new URLSearchParams("region=us&mode=drained&why=deploy&base=7"),
  );
  assert.deepEqual(told, { value: { number: 8 } });
  const shift = { mode: "drained", weight: 1, fromMs: 31_000, untilMs: 3_631_000 };
  assert.deepEqual(changes, [[{ base: 7, why: "deploy", shifts: { us: shift } }, false]]);
});

test("a shift may last until it is changed, be forced, and be taken back", () => {
  const changes: Change[] = [];
  planRoute(traffic(changes), new URLSearchParams("region=us&mode=standby&forMs=ever&force=yes"));
  planRoute(traffic(changes), new URLSearchParams("region=us&mode=configured"));
  assert.deepEqual(
    changes.map(([{ shifts }, isForced]) => [shifts["us"]?.untilMs, isForced]),
    [
      [null, true],
      [undefined, false],
    ],
  );
});

test("what makes no sense is refused, and so is what the router refuses", () => {
  for (const query of [
    "mode=gone",
    "mode=serving&weight=much",
    "mode=serving&forMs=-1",
    "mode=drained&base=x",
  ]) {
    const told = planRoute(traffic(), new URLSearchParams(`region=us&${query}`));
    assert.equal("error" in told && told.status, 400, query);
  }
  const told = planRoute(
    traffic([], "nobody would be left"),
    new URLSearchParams("region=us&mode=drained"),
  );
  assert.deepEqual(told, { status: 409, error: "nobody would be left" });
});

test("an answer is explained to whom it is given", () => {
  const told = explainRoute(traffic(), new URLSearchParams("name=app&country=DE&other=x"));
  assert.deepEqual(told, { value: { name: "app", explanation: ['{"country":"DE"}'] } });
  assert.equal("error" in explainRoute(traffic(), new URLSearchParams("name=x")), true);
  assert.equal("error" in explainRoute(traffic(), new URLSearchParams("")), true);
});
