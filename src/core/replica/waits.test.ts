import assert from "node:assert/strict";
import { test } from "node:test";
import { Vector } from "../clock/vector.ts";
import type { Level } from "./levels.ts";
import { type Member, Network } from "./network.suite.ts";
import type { ReplicaOptions } from "./replica.ts";
import type { Terms, Wait } from "./waits.ts";

/** Three regions of one replica each, with links between all of them or, in `shape`, only between neighbours. */
function three(more: Partial<ReplicaOptions> = {}, shape: "mesh" | "chain" = "mesh") {
  const names = ["a/1", "b/1", "c/1"];
  const network = new Network(names, { relays: shape === "chain", ...more });
  const [a, b, c] = network.members as [Member, Member, Member];
  network.connect(a, b);
  network.connect(b, c);
  if (shape === "mesh") network.connect(a, c);
  network.pass(300);
  return { network, a, b, c };
}

function begin(member: Member, terms: Partial<Terms>): Wait | null {
  member.begin();
  const wait = member.replica.waits.begin(1, { timeoutMs: 2_000, ...terms });
  member.turn();
  return wait;
}

/** Waits until the newest record of a member is durable at a level. */
function written(member: Member, at: Level): Wait | null {
  const vector = new Vector();
  vector.raise(member.replica.me, member.replica.applied.get(member.replica.me));
  return begin(member, { vector, at });
}

test("a write at a level is answered when enough members have it on disk, and at once", () => {
  for (const shape of ["mesh", "chain"] as const) {
    const { network, a, b, c } = three({}, shape);
    a.command("SET", "k", "v");
    for (const peer of [b, c]) peer.prompt = false;
    const wait = written(a, "GLOBAL_QUORUM");
    network.run();
    assert.equal(wait?.outcome, null, "nobody else has stored it");
    assert.equal(b.get("k"), "$1\r\nv\r\n", "although it is applied there");
    b.sync();
    // No time passes: what is waited for is told at once, not with the next heartbeat.
    network.run();
    assert.equal(wait?.outcome, "reached");
    const all = written(a, "ALL");
    network.run();
    assert.equal(all?.outcome, null);
    c.sync();
    network.run();
    assert.equal(all?.outcome, "reached", shape);
  }
});

test("a read at a level waits for what members had when they were asked, and at once", () => {
  for (const shape of ["mesh", "chain"] as const) {
    const { network, a, b, c } = three({}, shape);
    c.command("SET", "k", "v");
    // What c sends to a is not under way yet: it stays on c's disk until c's turn to read it.
    const wait = begin(a, { asks: "ALL" });
    assert.notEqual(wait, null);
    assert.equal(wait?.outcome, null);
    network.run();
    assert.equal(wait?.outcome, "reached");
    assert.equal(a.get("k"), "$1\r\nv\r\n");
    assert.ok(b.replica.applied.covers(0, 0), shape);
  }
});

test("what a member said before it was asked is no answer", () => {
  const { network, a, b, c } = three();
  const wires = [...b.wires.values(), ...c.wires.values()];
  const wait = begin(a, { asks: "GLOBAL_QUORUM" });
  // Frames that were under way already, and heartbeats of members that the question has not reached.
  for (const { id, peer } of [...a.wires.values()]) peer.wires.get(id)?.frames.splice(0);
  const questions = [...a.wires.values()].map((wire) => wire.frames.splice(0));
  for (const peer of [b, c]) for (let i = 0; i < 12; i++) peer.tick();
  network.nowMs += 300;
  for (const peer of [b, c]) peer.tick();
  for (const wire of wires)
    for (const { type, body } of wire.frames.splice(0)) {
      if (wire.peer !== a) continue;
      a.begin();
      a.replica.exchange.receive(wire.id, type, body);
      a.turn();
    }
  assert.equal(wait?.outcome, null, "heartbeats came, and none of them is an answer");
  [...a.wires.values()].forEach((wire, i) => wire.frames.push(...(questions[i] ?? [])));
  network.run();
  assert.equal(wait?.outcome, "reached");
});

test("an answer to a question that was said is none to one that is asked later", () => {
  const { network, a, c } = three();
  assert.notEqual(begin(a, { asks: "ALL" }), null);
  network.run();
  c.command("SET", "k", "v");
  a.command("SET", "own", "v");
  a.begin();
  const { waits, me, applied } = a.replica;
  const vector = new Vector();
  vector.raise(me, applied.get(me));
  // A write that waits in the same turn has something to be said as well, and that is no question.
  assert.notEqual(waits.begin(1, { vector, at: "ALL", timeoutMs: 2_000 }), null);
  const read = waits.begin(2, { asks: "ALL", timeoutMs: 2_000 });
  assert.notEqual(read, null, "nobody has been asked since c wrote");
  a.turn();
  network.run();
  assert.equal(read?.outcome, "reached");
  assert.equal(a.get("k"), "$1\r\nv\r\n");
});

test("a session waits for what it saw elsewhere, also of origins nobody has heard of here", () => {
  const { network, a, b } = three();
  network.cut(a, b);
  const incarnation = "\x00\x00\x00\x00\x00\x00\x12\x34";
  const wait = begin(a, { named: [{ incarnation, seq: 2 }] });
  network.pass(200);
  assert.equal(wait?.outcome, null);
  a.begin();
  const number = a.replica.origins.introduce({ member: "d/1", incarnation });
  a.replica.applied.raise(number, 1);
  a.turn();
  assert.equal(wait?.outcome, null, "record 2 is missing");
  a.replica.applied.raise(number, 2);
  a.turn();
  assert.equal(wait?.outcome, "reached");
});

test("what is missing is pulled from a neighbour that has it", () => {
  const { network, a, b, c } = three();
  network.cut(a, c);
  c.command("SET", "k", "v");
  network.run();
  const { incarnation } = c.replica.origins.get(c.replica.me);
  const wait = begin(a, { named: [{ incarnation, seq: 1 }] });
  assert.equal(b.get("k"), "$1\r\nv\r\n");
  network.pass(500);
  assert.equal(wait?.outcome, "reached", "long before the cut link would be given up");
  assert.equal(a.get("k"), "$1\r\nv\r\n");
});

test("a wait ends when its time is over, and only once", () => {
  const { network, a } = three();
  const { replica } = a;
  const wait = begin(a, { named: [{ incarnation: "12345678", seq: 1 }], timeoutMs: 100 });
  network.pass(80);
  assert.equal(wait?.outcome, null);
  network.pass(40);
  assert.equal(wait?.outcome, "late");
  assert.deepEqual(replica.waits.ended, [wait]);
  network.pass(200);
  assert.equal(replica.waits.ended.length, 1);
  assert.equal(replica.waits.count, 0);
});

test("a level that cannot be met is known before anything is written", () => {
  const { network, a, b, c } = three();
  const objection = (level: Level): string | null => {
    a.begin();
    return a.replica.waits.objection(level);
  };
  assert.equal(objection("ALL"), null);
  for (const id of [...c.wires.keys()]) network.close(c, id);
  assert.match(String(objection("ALL")), /ALL cannot be met now: .* only a\/1, b\/1 can be/);
  assert.equal(objection("GLOBAL_QUORUM"), null);
  network.cut(a, b);
  network.pass(3_500);
  assert.match(String(objection("GLOBAL_QUORUM")), /only a\/1 can be reached/);
  assert.equal(objection("LOCAL_QUORUM"), null, "there is one replica here");
});

test("a bound of staleness waits for news of every member, and asks for it", () => {
  const { network, a, b, c } = three();
  const { nowMs } = network;
  assert.equal(begin(a, { sinceMs: nowMs - 1_000 }), null, "heartbeats are no older than that");
  network.nowMs += 5;
  const wait = begin(a, { sinceMs: nowMs + 1 });
  assert.equal(wait?.outcome, null);
  network.run();
  assert.equal(wait?.outcome, "reached", "no heartbeat was due");
  for (const other of [a, b]) network.cut(other, c);
  network.pass(1_000);
  assert.notEqual(begin(a, { sinceMs: network.nowMs - 500 }), null, "c is silent for a second");
});

test("with relaxed durability a level makes members sync, and nothing else does", () => {
  const { network, a, b, c } = three({ durability: "relaxed" });
  const syncs = (member: Member): number =>
    member.seen.filter(({ type }) => type === "sync").length;
  for (const member of [a, b, c]) member.prompt = false;
  a.command("SET", "k", "v");
  network.run();
  assert.equal(b.get("k"), "$1\r\nv\r\n");
  assert.deepEqual([a, b, c].map(syncs), [0, 0, 0]);
  const wait = written(a, "EACH_QUORUM");
  network.run();
  assert.deepEqual([a, b, c].map(syncs), [1, 1, 1]);
  assert.equal(wait?.outcome, null);
  for (const member of [a, b, c]) member.sync();
  network.run();
  assert.equal(wait?.outcome, "reached");
});

test("a record is known to be lost when its replica goes on without it and nobody has it", () => {
  const { network, a, b } = three({ durability: "relaxed" });
  const { incarnation } = b.replica.origins.get(b.replica.me);
  const wait = begin(a, { named: [{ incarnation, seq: 5 }], timeoutMs: 100 }) as Wait;
  network.pass(400);
  assert.equal(wait.outcome, "late");
  assert.equal(a.replica.waits.lost(wait), null, "b may still make it");
  b.renew(2);
  for (const member of [a, network.members[2] as Member]) network.connect(b, member);
  b.command("SET", "k", "v");
  network.pass(400);
  assert.match(String(a.replica.waits.lost(wait)), /^b\/1@.*:5$/);
});
