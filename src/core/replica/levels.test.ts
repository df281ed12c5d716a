import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Level, LEVELS, Quorums, regionOf } from "./levels.ts";

const NINE = ["a/1", "a/2", "a/3", "b/1", "b/2", "b/3", "c/1", "c/2", "c/3"];

function reached(level: Level, members: readonly string[], has: readonly string[]): boolean {
  return new Quorums("a/1", members).reached(level, (name) => has.includes(name));
}

test("each level wants the members that its name says", () => {
  const cases: [Level, string[], boolean][] = [
    ["LOCAL_ONE", ["a/1"], true],
    ["LOCAL_ONE", ["a/2", "b/1"], false],
    ["LOCAL_QUORUM", ["a/1", "b/1", "c/1"], false],
    ["LOCAL_QUORUM", ["a/1", "a/3"], true],
    ["GLOBAL_ONE", ["a/1", "a/2", "a/3"], false],
    ["GLOBAL_ONE", ["a/1", "c/3"], true],
    ["GLOBAL_QUORUM", ["a/1", "a/2", "a/3", "b/1", "c/1"], false],
    ["GLOBAL_QUORUM", ["a/1", "a/2", "c/2", "c/3"], true],
    ["EACH_QUORUM", ["a/1", "a/2", "b/2", "b/3", "c/1"], false],
    ["EACH_QUORUM", ["a/1", "a/2", "b/2", "b/3", "c/1", "c/2"], true],
    ["ALL", NINE.slice(1), false],
    ["ALL", NINE, true],
  ];
  for (const [level, has, is] of cases)
    assert.equal(reached(level, NINE, has), is, `${level} of ${has.join(" ")}`);
});

test("in a cluster of one region GLOBAL_ONE is LOCAL_QUORUM", () => {
  assert.equal(reached("GLOBAL_ONE", ["a/1", "a/2", "a/3"], ["a/1"]), false);
  assert.equal(reached("GLOBAL_ONE", ["a/1", "a/2", "a/3"], ["a/1", "a/2"]), true);
  assert.equal(reached("GLOBAL_ONE", ["a/1"], ["a/1"]), true);
});

test("five replicas of one region are no majority of three regions", () => {
  const members = ["a/1", "a/2", "a/3", "a/4", "a/5", "b/1", "c/1"];
  assert.equal(reached("GLOBAL_QUORUM", members, members.slice(0, 5)), false);
  assert.equal(reached("GLOBAL_QUORUM", members, ["a/1", "b/1", "c/1"]), true, "without most of a");
});

/** Pairs of levels of which a read sees every write that was acknowledged before, for a reader and a writer in any region. */
const MEET: readonly [write: Level, read: Level][] = [
  ["GLOBAL_QUORUM", "GLOBAL_QUORUM"],
  ["GLOBAL_QUORUM", "EACH_QUORUM"],
  ["EACH_QUORUM", "LOCAL_QUORUM"],
  ["EACH_QUORUM", "GLOBAL_QUORUM"],
  ["LOCAL_QUORUM", "EACH_QUORUM"],
  ["LOCAL_ONE", "ALL"],
  ["ALL", "LOCAL_ONE"],
];

test("levels that are said to meet share a member, whoever writes and reads", () => {
  const cluster = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(cluster, fc.nat(), fc.nat(), fc.nat(), fc.nat(), (sizes, w, r, ws, rs) => {
      const members = sizes.flatMap((n, i) =>
        Array.from({ length: n }, (_, k) => `${"abcde"[i]}/${k + 1}`),
      );
      const writer = members[w % members.length] as string;
      const reader = members[r % members.length] as string;
      for (const [write, read] of MEET) {
        // Whoever writes has what it wrote, and whoever reads has what it knows.
        const wrote = least(write, writer, members, ws);
        const heard = least(read, reader, members, rs);
        assert.ok(
          wrote.some((name) => heard.includes(name)),
          `${write} by ${wrote.join(" ")}, ${read} of ${heard.join(" ")}`,
        );
      }
    }),
  );
});

/** Members that are just enough for a level, drawn by `chance`. */
function least(level: Level, me: string, members: readonly string[], chance: number): string[] {
  const quorums = new Quorums(me, members);
  let has = [...members];
  const order = members.toSorted((a, b) => mixed(a, chance) - mixed(b, chance));
  for (const name of order) {
    const fewer = has.filter((other) => other !== name);
    if (name !== me && quorums.reached(level, (other) => fewer.includes(other))) has = fewer;
  }
  return has;
}

function mixed(name: string, chance: number): number {
  let hash = chance | 1;
  for (const char of name) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193);
  return hash >>> 0;
}

test("a higher level is never reached by fewer members than the lower ones it implies", () => {
  const implied: readonly [Level, Level][] = [
    ["ALL", "EACH_QUORUM"],
    ["EACH_QUORUM", "GLOBAL_QUORUM"],
    ["EACH_QUORUM", "LOCAL_QUORUM"],
  ];
  fc.assert(
    fc.property(fc.subarray(NINE), (has) => {
      for (const [high, low] of implied)
        if (reached(high, NINE, has)) assert.ok(reached(low, NINE, has), `${high}, ${low}`);
    }),
  );
  assert.equal(LEVELS.length, 6);
  assert.equal(regionOf("eu-west/12"), "eu-west");
});
