import assert from "node:assert/strict";
import { test } from "node:test";
import { Vector } from "../clock/vector.ts";
import { Members, type Report } from "./members.ts";

/** Three members as `a` sees them: origins 0, 1 and 2 are theirs. */
function seenByA(): { members: Members; applied: Vector; durable: Vector } {
  const [applied, durable] = [new Vector(), new Vector()];
  return {
    members: new Members("a", 0, ["a", "b", "c"], applied, durable),
    applied,
    durable,
  };
}

function vector(...seqs: number[]): Vector {
  const made = new Vector();
  for (const [origin, seq] of seqs.entries()) made.raise(origin, seq);
  return made;
}

function report(member: string, version: number, applied: Vector, durable = applied): Report {
  const met = member === "b" ? [1, 0, 2] : [2, 0, 1];
  const promiseMs = version * 100;
  const says = {
    met,
    promiseMs,
    promiseTick: 0xffff,
    life: 1,
    reads: 1,
    counts: true,
    asked: 0,
    awaited: new Vector(0),
    heard: [],
    settledEpoch: 0,
  };
  return { member, version, applied, durable, ...says };
}

test("a record is stable once every member has it on disk", () => {
  const { members, applied, durable } = seenByA();
  applied.join(vector(1, 0, 0));
  durable.join(vector(1, 0, 0));
  members.report(report("b", 1, vector(1)), 0);
  members.promote();
  assert.equal(members.isStable(0, 1), false, "c has said nothing");
  members.report(report("c", 1, vector(1), vector(0)), 0);
  members.promote();
  assert.equal(members.isStable(0, 1), false, "c has not stored it");
  members.report(report("c", 2, vector(1)), 0);
  members.promote();
  assert.equal(members.isStable(0, 1), true);
});

test("a report counts once everything its member had made by then is here", () => {
  const { members, applied, durable } = seenByA();
  applied.join(vector(1, 0, 0));
  durable.join(vector(1, 0, 0));
  members.report(report("c", 1, vector(1)), 0);
  members.report(report("b", 1, vector(1, 4)), 0);
  members.promote();
  assert.equal(members.isStable(0, 1), false, "b's records 1 to 4 may have been made without it");
  assert.equal(members.isEverywhere(0, 1), true, "but nobody needs it from us any more");
  applied.join(vector(0, 4));
  members.promote();
  assert.equal(members.isStable(0, 1), true);
});

test("a report counts once what its member had of others is here too", () => {
  const { members, applied, durable } = seenByA();
  applied.join(vector(1, 0, 4));
  durable.join(vector(1, 0, 4));
  // c went back to an older disk: it has forgotten its fifth record, made without having seen ours. Only b still has that.
  members.report(report("c", 1, vector(1, 0, 4, 1)), 0);
  members.report(report("b", 1, vector(1, 0, 5)), 0);
  applied.join(vector(0, 0, 0, 1));
  members.promote();
  assert.equal(members.isStable(0, 1), false, "b will pass the forgotten record on");
  applied.join(vector(0, 0, 5));
  members.promote();
  assert.equal(members.isStable(0, 1), true);
});

test("nothing is stable before everybody has met a member's new incarnation", () => {
  const { members, applied, durable } = seenByA();
  applied.join(vector(1));
  durable.join(vector(1));
  members.report(report("b", 1, vector(1)), 0);
  members.report({ ...report("c", 1, vector(1)), met: [3, 0, 1] }, 0);
  members.promote();
  assert.equal(members.isStable(0, 1), false, "b may still take in what c sent before it ended");
  assert.equal(members.watermarkMs(5_000), 0);
  assert.deepEqual(members.met(), [0, 1, 3]);
  members.report({ ...report("b", 2, vector(1)), met: [1, 0, 3] }, 0);
  members.promote();
  assert.equal(members.isStable(0, 1), true);
  members.me = 4;
  members.promote();
  assert.equal(members.isStable(0, 1), false, "nobody has met us");
});

test("a report that a crash made untrue holds up none behind it", () => {
  const { members, applied, durable } = seenByA();
  applied.join(vector(1));
  durable.join(vector(1));
  members.report(report("c", 1, vector(1)), 0);
  members.report(report("b", 1, vector(0, 9), vector(0, 5)), 0);
  members.report(report("b", 2, vector(1)), 0);
  members.promote();
  assert.equal(members.isStable(0, 1), true);
});

test("an older report, and one of a stranger, changes nothing", () => {
  const { members } = seenByA();
  assert.equal(members.report(report("b", 2, vector(1)), 0), true);
  assert.equal(members.report(report("b", 2, vector(2)), 0), false);
  assert.equal(members.report(report("b", 1, vector(2)), 0), false);
  assert.equal(members.report(report("x", 1, vector(2)), 0), false);
  assert.equal(members.latest("b")?.version, 2);
});

test("everything stamped up to the oldest promise has arrived", () => {
  const { members } = seenByA();
  assert.equal(members.watermarkMs(5_000), 0);
  members.report(report("b", 10, vector()), 0);
  members.report(report("c", 20, vector()), 0);
  members.promote();
  assert.equal(members.watermarkMs(5_000), 1_000);
  assert.equal(members.watermarkMs(700), 700);
});

test("reports that cannot count yet do not pile up", () => {
  const { members, applied, durable } = seenByA();
  applied.join(vector(1));
  durable.join(vector(1));
  members.report(report("c", 1, vector(1)), 0);
  for (let version = 1; version <= 1_000; version++)
    members.report(report("b", version, vector(1, version)), 0);
  applied.join(vector(1, 999));
  members.promote();
  assert.equal(members.isStable(0, 1), true);
});
