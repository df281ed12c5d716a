import assert from "node:assert/strict";
import { test } from "node:test";
import { Origins } from "../clock/origins.ts";
import { Vector } from "../clock/vector.ts";
import { Roster, type RosterHost } from "./roster.ts";

const GONE = { member: "c/1", incarnation: "cccccccc" };

/** A member that has so many records of the one that is gone. */
function memberOf(name: string, seq: number): { roster: Roster; host: RosterHost } {
  const origins = new Origins();
  const has = new Vector();
  has.raise(origins.introduce(GONE), seq);
  const host = { origins, applied: has, durable: has, mayState: true, drains: () => false };
  return { roster: new Roster(name, ["a/1", "b/1", "c/1"]), host };
}

test("while what there is of a removed member is being stored, nothing more of it is taken", () => {
  const { roster, host } = memberOf("a/1", 2);
  assert.equal(roster.limitOf(GONE), Infinity);
  roster.remove(["c/1"]);
  roster.look(host);
  assert.notEqual(roster.own, null, "it has something to state");
  assert.equal(roster.limitOf(GONE), 2);
});

test("who has stated what it has of a removed member takes no more until its end is known", () => {
  const { roster, host } = memberOf("a/1", 2);
  roster.remove(["c/1"]);
  roster.look(host);
  roster.stored(roster.own);
  assert.equal(roster.isSealed("c/1"), false);
  assert.equal(roster.limitOf(GONE), 2);
});

test("a removed member ends at the newest record that any of the others has, and nothing behind it is taken", () => {
  for (const [aHas, bHas] of [
    [2, 5],
    [5, 2],
  ] as const) {
    const a = memberOf("a/1", aHas);
    const b = memberOf("b/1", bHas);
    a.roster.remove(["c/1"]);
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      one.roster.look(one.host);
      one.roster.stored(one.roster.own);
      assert.equal(one.roster.isSealed("c/1"), one === b, "it takes the word of all");
      other.roster.merge(one.roster.encode());
    }
    for (const { roster } of [a, b]) {
      assert.equal(roster.sealOf(GONE), 5);
      assert.equal(roster.limitOf(GONE), 5);
      assert.equal(roster.limitOf({ ...GONE, incarnation: "dddddddd" }), 0);
    }
  }
});

test("a member that was added is known to all once every other one has stored that it counts it", () => {
  const [a, b, c] = ["a/1", "b/1", "c/1"].map((name) => memberOf(name, 0)) as [
    ReturnType<typeof memberOf>,
    ReturnType<typeof memberOf>,
    ReturnType<typeof memberOf>,
  ];
  a.roster.add("d/1");
  for (const one of [a, b, c]) {
    one.roster.merge(a.roster.encode());
    one.roster.look(one.host);
    assert.equal(a.roster.isKnownToAll("d/1"), false, one.roster.me);
    one.roster.stored(one.roster.own);
    a.roster.merge(one.roster.encode());
  }
  assert.equal(a.roster.isKnownToAll("d/1"), true);
});
