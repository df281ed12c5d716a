import assert from "node:assert/strict";
import { test } from "node:test";
import type { Report } from "./members.ts";
import { Member, Network } from "./network.suite.ts";
import { Rivals } from "./rivals.ts";
import { replicaOf } from "./solo.suite.ts";

/** Three members, and a second process under the name of the first, whose life began before or after it. */
function withRival(life: number): { network: Network; own: Member; rival: Member } {
  const network = new Network(["a/1", "b/1", "c/1"]);
  const [own, b, c] = network.members as [Member, Member, Member];
  own.replica = replicaOf("a/1", 1, { ...own.more, life: 10 });
  const rival = new Member(network, "a/1", own.more);
  rival.replica = replicaOf("a/1", 2, { ...own.more, life });
  network.members.push(rival);
  network.connect(own, b);
  network.connect(rival, c);
  network.connect(b, c);
  return { network, own, rival };
}

const SAME = { counts: true, incarnation: "same" };
const WAITING = { state: "waiting", sinceMs: 0, aloneAfterMs: Infinity } as const;

function isToldToStop({ seen }: Member): boolean {
  return seen.some(({ type }) => type === "rival");
}

test("of two processes that live under one name the one stops whose incarnation another came after, though they never meet", () => {
  for (const life of [9, 11]) {
    const { network, own, rival } = withRival(life);
    network.pass(4_000);
    assert.equal(isToldToStop(own), true);
    assert.equal(isToldToStop(rival), false);
  }
});

test("who begins on a directory that may be another's counts with nobody and stops when it hears of one that does", () => {
  for (const life of [9, 11]) {
    const { network, own, rival } = withRival(life);
    const [, b, c] = network.members as [Member, Member, Member];
    rival.replica.exchange.joining.begin(WAITING, true);
    network.pass(4_000);
    assert.equal(isToldToStop(own), false);
    assert.equal(isToldToStop(rival), true);
    for (const { replica } of [b, c])
      assert.equal(replica.members.latest("a/1")?.life, 10, "what it says counts nowhere");
  }
});

test("who begins on a directory that may be another's counts once nothing has come of another for a while", () => {
  const network = new Network(["a/1", "b/1", "c/1"]);
  const [restored, b, c] = network.members as [Member, Member, Member];
  restored.replica.exchange.joining.begin(WAITING, true);
  const isHeard = (): boolean => b.replica.members.latest("a/1") !== null;
  network.connect(b, c);
  network.pass(10_000);
  network.connect(restored, b);
  network.pass(4_500);
  assert.equal(isHeard(), false, "time in which nobody could tell does not count");
  network.pass(1_000);
  network.connect(restored, b);
  network.connect(restored, c);
  network.pass(1_000);
  assert.equal(isHeard(), true);
  assert.equal(restored.replica.exchange.joining.whole, true);
});

test("a copy hears of its original though everybody whom it reaches has a link to that", () => {
  const network = new Network(["a/1", "b/1", "c/1"]);
  const [a, b, own] = network.members as [Member, Member, Member];
  own.replica = replicaOf("c/1", 1, { ...own.more, life: 10 });
  const copy = new Member(network, "c/1", own.more);
  copy.replica = replicaOf("c/1", 2, { ...own.more, life: 11 });
  copy.replica.exchange.joining.begin(WAITING, true);
  network.members.push(copy);
  network.connect(a, b);
  network.connect(a, own);
  network.connect(b, own);
  network.pass(600);
  network.connect(copy, b);
  network.pass(4_000);
  assert.equal(isToldToStop(own), false);
  assert.equal(isToldToStop(copy), true);
});

test("an earlier life of a replica, whose reports still go round, is no rival", () => {
  const { network, own, rival } = withRival(9);
  network.pass(600);
  for (const id of [...rival.wires.keys()]) network.close(rival, id);
  network.members.pop();
  const before = own.seen.length;
  // What it said stays newest at those who have heard it: our own clock is behind.
  own.replica = replicaOf("a/1", 3, { ...own.more, life: 12 });
  for (const id of [...own.wires.keys()]) network.close(own, id);
  network.nowMs -= 100_000;
  network.connect(own, network.members[1] as Member);
  network.connect(own, network.members[2] as Member);
  network.pass(3_000);
  assert.equal(
    own.seen.slice(before).some(({ type }) => type === "rival"),
    false,
  );
});

test("reports of an earlier life that come late, each newer than the one before, are no rival", () => {
  const rivals = new Rivals(10);
  const own = replicaOf("a/1", 1, { life: 9 });
  for (let i = 0; i < 50; i++) {
    own.begin(1_000 + 200 * i, 1_000 + 200 * i, 200 * i);
    assert.equal(rivals.heard(own.report(), "same", SAME, 200 * i), null);
  }
  // One that has heard us lives, however few its reports.
  own.rivals.heard({ ...own.report(), life: 10 }, "same", SAME, own.monoMs);
  assert.equal(rivals.heard(own.report(), "same", SAME, 20_000), "we stop");
});

test("who has found a younger process stops all the same when an older one is found", () => {
  const rivals = new Rivals(10);
  const own = replicaOf("a/1", 1, { life: 10 });
  const report = own.report();
  const heardBy = (life: number): Report => ({
    ...report,
    life,
    heard: [{ member: report.member, asked: 10 }],
  });
  assert.equal(rivals.heard(heardBy(11), "same", SAME, 0), "it stops");
  assert.equal(rivals.heard(heardBy(11), "same", SAME, 0), null);
  assert.equal(rivals.heard(heardBy(9), "same", SAME, 0), "we stop");
});
