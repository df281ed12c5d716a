import assert from "node:assert/strict";
import { test } from "node:test";
import { OwnerRegions } from "./owner-regions.ts";

const members = ["eu/1", "eu/2", "us/1", "asia/1"];
const keys = Array.from({ length: 3_000 }, (_, i) => Buffer.from(`queue:${i}`));
const ownerOf = (owners: OwnerRegions, key: Buffer): string => owners.of(0, key, 0, key.length);

test("every replica names the same owner of a key, in whatever order it knows the members", () => {
  const [eu, us] = [
    new OwnerRegions(members, "eu/1"),
    new OwnerRegions(members.toReversed(), "us/1"),
  ];
  for (const key of keys) assert.equal(ownerOf(eu, key), ownerOf(us, key));
});

test("one replica of all owns a key, and replicas of a region share its keys", () => {
  const all = members.map((me) => ({ me, owners: new OwnerRegions(members, me) }));
  const counts = new Map<string, number>();
  for (const key of keys) {
    const mine = all.filter(({ owners }) => owners.isMine(0, key, 0, key.length));
    assert.equal(mine.length, 1);
    const [{ me, owners }] = mine as [(typeof mine)[0]];
    assert.equal(me.slice(0, -2), ownerOf(owners, key));
    counts.set(me, (counts.get(me) ?? 0) + 1);
  }
  for (const me of ["eu/1", "eu/2"]) assert.ok((counts.get(me) ?? 0) > 400, `${me} owns too few`);
});

test("regions own about as many keys as one another, however many replicas they have", () => {
  const owners = new OwnerRegions(members, "eu/1");
  for (const region of ["eu", "us", "asia"]) {
    const count = keys.filter((key) => ownerOf(owners, key) === region).length;
    assert.ok(count > 850 && count < 1_150, `${region} owns ${count} of ${keys.length}`);
  }
});

test("a region that leaves moves only the keys it owned", () => {
  const before = new OwnerRegions(members, "eu/1");
  const after = new OwnerRegions(["eu/1", "us/1"], "eu/1");
  for (const key of keys)
    if (ownerOf(before, key) !== "asia") assert.equal(ownerOf(after, key), ownerOf(before, key));
});

test("who owns a key never changes from one version to the next", () => {
  const owners = new OwnerRegions(members, "eu/1");
  const names = keys.slice(0, 8).map((key) => ownerOf(owners, key));
  assert.deepEqual(names, ["us", "asia", "eu", "eu", "us", "us", "asia", "eu"]);
});

test("a region of its own owns everything", () => {
  const owners = new OwnerRegions(["eu/1"], "eu/1");
  assert.ok(keys.every((key) => owners.isMine(3, key, 0, key.length)));
});
