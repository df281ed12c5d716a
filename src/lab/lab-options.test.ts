import assert from "node:assert/strict";
import { test } from "node:test";
import { knownRegions, oneWayMs, placeOf } from "./distances.ts";
import {
  courseBetween,
  parseDelay,
  parsePort,
  parseRegions,
  parseReplicas,
  parseWan,
  postsOf,
} from "./lab-options.ts";

function refusal(parsed: object): string {
  assert.ok("refused" in parsed && typeof parsed.refused === "string", JSON.stringify(parsed));
  return parsed.refused;
}

test("regions are different names, separated by commas", () => {
  assert.deepEqual(parseRegions("us-east, eu-west"), { value: ["us-east", "eu-west"] });
  assert.match(refusal(parseRegions("us-east,us-east")), /named twice/);
  assert.match(refusal(parseRegions("us-east,")), /"" is not a region name/);
  assert.match(refusal(parseRegions("../up")), /small letters/);
  assert.match(
    refusal(parseRegions(Array.from({ length: 17 }, (_, i) => `r${i}`).join())),
    /at most 16/,
  );
});

test("a WAN is real, none, or a number of milliseconds", () => {
  assert.deepEqual(parseWan("real", ["us-east"]), { value: { type: "real" } });
  assert.deepEqual(parseWan("none", ["atlantis"]), { value: { type: "none" } });
  assert.deepEqual(parseWan("40", ["atlantis"]), { value: { type: "even", delayMs: 40 } });
  assert.match(refusal(parseWan("far", [])), /--wan must be real, none, or one way/);
});

test("a region that is not on the map is refused with those that are, unless distances are given", () => {
  const why = refusal(parseWan("real", ["eu-wset"]));
  assert.match(why, /did you mean "eu-west"\?/);
  assert.match(why, /us-east.*sa-east/);
});

test("a node is called by its region, or by its member's name where regions have several", () => {
  assert.deepEqual(parseReplicas("3"), { value: 3 });
  assert.match(refusal(parseReplicas("0")), /from 1 to 9/);
  const names = (replicas: number): string[] =>
    postsOf(["a", "b"], replicas).map(({ name, member }) => `${name} ${member}`);
  assert.deepEqual(names(1), ["a a/1", "b b/1"]);
  assert.deepEqual(names(2), ["a/1 a/1", "a/2 a/2", "b/1 b/1", "b/2 b/2"]);
});

test("the first port leaves room for the others and for HTTP", () => {
  assert.deepEqual(parsePort("7001", 3), { value: 7001 });
  assert.deepEqual(parsePort("0", 3), { value: 0 });
  assert.match(refusal(parsePort("64534", 3)), /1 to 64533/);
  assert.match(refusal(parsePort("-1", 3)), /--port must be/);
});

test("a delay is one way, with or without its unit", () => {
  assert.deepEqual([parseDelay("80ms"), parseDelay("80")], [{ value: 80 }, { value: 80 }]);
  assert.match(refusal(parseDelay("2h")), /at most a minute/);
  assert.match(refusal(parseDelay("soon")), /not a delay/);
});

test("every two known regions have a distance, the same both ways and none shorter than light in fibre", () => {
  assert.ok(knownRegions.length >= 12);
  for (const a of knownRegions)
    for (const b of knownRegions) {
      if (a === b) continue;
      const ms = oneWayMs(a, b);
      assert.ok(ms !== null, `${a} – ${b}`);
      assert.equal(ms, oneWayMs(b, a));
      assert.ok(ms >= kilometres(a, b) / 200, `${a} – ${b}: ${ms} ms`);
      assert.equal(courseBetween({ type: "real" }, a, b).delayMs, ms);
    }
});

function kilometres(a: string, b: string): number {
  const [from, to] = [placeOf(a), placeOf(b)];
  assert.ok(from !== null && to !== null);
  const radians = (degrees: number): number => (degrees * Math.PI) / 180;
  const h =
    Math.sin(radians(to.latitude - from.latitude) / 2) ** 2 +
    Math.cos(radians(from.latitude)) *
      Math.cos(radians(to.latitude)) *
      Math.sin(radians(to.longitude - from.longitude) / 2) ** 2;
  return 2 * 6371 * Math.asin(Math.sqrt(h));
}
