import assert from "node:assert/strict";
import { test } from "node:test";
import { OwnerRegions } from "./owner-regions.ts";

const members = ["eu/1", "eu/2", "us/1", "asia/1"];
const keys = Array.from({ length: 3_000 }, (_, i) => Buffer.from(`queue:${i}`));
const ownerOf = (owners: OwnerRegions, key: Buffer): string => owners.of(0, key, 0, key.length);

test("every replica names the same owner of a key, in whatever order it knows the members", () => {
  const eu = new OwnerRegions(members, "eu");
  const us = new OwnerRegions(members.toReversed(), "us");
  for (const key of keys) {
    assert.equal(ownerOf(eu, key), ownerOf(us, key));
    const mine = [eu, us].filter((owners) => owners.isMine(0, key, 0, key.length));
    assert.equal(mine.length, ownerOf(eu, key) === "asia" ? 0 : 1);
  }
});

test("regions own about as many keys as one another, however many replicas they have", () => {
  const owners = new OwnerRegions(members, "eu");
  for (const region of ["eu", "us", "asia"]) {
    const count = keys.filter((key) => ownerOf(owners, key) === region).length;
    assert.ok(count > 850 && count < 1_150, `${region} owns ${count} of ${keys.length}`);
  }
});

test("a region that leaves moves only the keys it owned", () => {
  const before = new OwnerRegions(members, "eu");
  const after = new OwnerRegions(["eu/1", "us/1"], "eu");
  for (const key of keys)
    if (ownerOf(before, key) !== "asia") assert.equal(ownerOf(after, key), ownerOf(before, key));
});

test("who owns a key never changes from one version to the next", () => {
  const owners = new OwnerRegions(members, "eu");
  const names = keys.slice(0, 8).map((key) => ownerOf(owners, key));
  assert.deepEqual(names, ["us", "asia", "eu", "eu", "us", "us", "asia", "eu"]);
});

test("a region of its own owns everything", () => {
  const owners = new OwnerRegions(["eu/1"], "eu");
  assert.ok(keys.every((key) => owners.isMine(3, key, 0, key.length)));
});
