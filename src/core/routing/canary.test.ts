import assert from "node:assert/strict";
import { test } from "node:test";
import { Canary } from "./canary.ts";

test("a mark took as long as it was on its way, whatever the clock says of who wrote it", () => {
  const canary = new Canary(1_000);
  assert.equal(canary.tookMs("us", 10_000), null);
  canary.read("us", 70_000, 60_000, 10_000);
  assert.equal(canary.tookMs("us", 10_000), null, "nobody knows since when it lay there");
  canary.read("us", 71_000, 60_000, 11_040);
  assert.equal(canary.tookMs("us", 11_040), 40);
  canary.read("us", 71_000, 60_000, 12_000);
  canary.read("us", 70_500, 60_000, 12_000);
  assert.equal(canary.tookMs("us", 12_000), 40, "the same mark, and an older one, say nothing new");
  canary.read("us", 72_000, null, 12_100);
  assert.equal(canary.tookMs("us", 12_100), null, "its clock is not known");
});

test("when marks stop coming the figure grows, until they come again", () => {
  const canary = new Canary(1_000);
  canary.read("us", 1_000, 0, 1_030);
  canary.read("us", 2_000, 0, 2_030);
  assert.equal(canary.tookMs("us", 3_900), 30);
  assert.equal(canary.tookMs("us", 12_030), 30 + 8_000);
  canary.read("us", 12_000, 0, 12_050);
  assert.equal(canary.tookMs("us", 12_050), 50);
});
