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

function isToldToStop({ seen }: Member): boolean {
  return seen.some(({ type }) => type === "rival");
}

test("of two processes that live under one name the younger stops, though they never meet", () => {
  for (const life of [9, 11]) {
    const { network, own, rival } = withRival(life);
    network.pass(4_000);
    assert.equal(isToldToStop(own), life < 10);
    assert.equal(isToldToStop(rival), life > 10);
  }
});

test("a copy hears of its original though everybody whom it reaches has a link to that", () => {
  const network = new Network(["a/1", "b/1", "c/1"]);
  const [a, b, own] = network.members as [Member, Member, Member];
  own.replica = replicaOf("c/1", 1, { ...own.more, life: 10 });
  const copy = new Member(network, "c/1", own.more);
  copy.replica = replicaOf("c/1", 2, { ...own.more, life: 11 });
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
    assert.equal(rivals.heard(own.report(), 200 * i), null);
  }
  // One that has heard us lives, however few its reports.
  own.rivals.heard({ ...own.report(), life: 10 }, own.monoMs);
  assert.equal(rivals.heard(own.report(), 20_000), "we are younger");
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
  assert.equal(rivals.heard(heardBy(11), 0), "it is younger");
  assert.equal(rivals.heard(heardBy(11), 0), null);
  assert.equal(rivals.heard(heardBy(9), 0), "we are younger");
});
