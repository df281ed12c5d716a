import assert from "node:assert/strict";
import { test } from "node:test";
import { type Member, Network } from "./network.suite.ts";

/** Three regions of one replica each, all linked. */
function three() {
  const network = new Network(["a/1", "b/1", "c/1"], { relays: false });
  const [a, b, c] = network.members as [Member, Member, Member];
  for (const [from, to] of [
    [a, b],
    [a, c],
    [b, c],
  ] as const)
    network.connect(from, to);
  network.pass(400);
  return { network, a, b, c };
}

function remove(member: Member, names: string[], force = false): void {
  member.begin();
  assert.equal(member.replica.remove(names, force), null);
  member.replica.lookAtRoster();
  member.turn();
}

/** It stands still from now on, and its links are closed. */
function dies(network: Network, member: Member): void {
  for (const id of [...member.wires.keys()]) network.close(member, id);
  network.members.splice(network.members.indexOf(member), 1);
}

const names = ({ replica }: Member): string => replica.members.names.join(" ");

test("who removes a dead member has what any other has of it, and waits for it no longer", () => {
  const { network, a, b, c } = three();
  network.cut(a, c);
  c.command("SET", "k", "only b has it");
  network.run();
  dies(network, c);
  assert.equal(a.get("k"), "$-1\r\n");
  remove(a, ["c"]);
  network.pass(1_000);
  for (const member of [a, b]) {
    assert.equal(names(member), "a/1 b/1", member.name);
    assert.equal(member.get("k"), "$13\r\nonly b has it\r\n", member.name);
    assert.deepEqual(member.replica.roster.waiting(), [], member.name);
  }
});

test("what removals left behind is collected once the dead member is removed, and not before", () => {
  const { network, a, b, c } = three();
  for (const member of [a, b, c]) member.command("INCR", "n");
  network.pass(400);
  dies(network, c);
  a.command("DEL", "n");
  network.pass(2_000);
  assert.ok(a.replica.garbage.waitingResets > 0);
  remove(b, ["c/1"]);
  network.pass(2_000);
  assert.equal(a.replica.garbage.waitingResets, 0);
  assert.equal(b.replica.garbage.waitingResets, 0);
});

test("while one that remains is silent nothing is sealed, unless it is removed with the other", () => {
  const { network, a, b, c } = three();
  dies(network, c);
  for (const id of [...b.wires.keys()]) network.close(b, id);
  network.pass(4_000);
  remove(a, ["c"]);
  network.pass(1_000);
  assert.deepEqual(a.replica.roster.waiting(), [{ member: "c/1", awaits: ["b/1"] }]);
  assert.equal(names(a), "a/1 b/1 c/1");
  remove(a, ["c"], true);
  network.pass(1_000);
  assert.equal(names(a), "a/1");
  // Who was removed for being silent hears of it.
  network.connect(a, b);
  network.pass(400);
  assert.ok(b.replica.roster.isSealed("b/1"));
});

test("a zombie is told that it was removed, and what it wrote meanwhile reaches nobody", () => {
  const { network, a, b, c } = three();
  c.command("SET", "k", "before");
  network.pass(400);
  dies(network, c);
  remove(a, ["c"]);
  network.pass(1_000);
  c.command("SET", "k", "after");
  network.members.push(c);
  for (const other of [a, b]) network.connect(c, other);
  network.pass(1_000);
  for (const member of [a, b]) {
    assert.equal(member.get("k"), "$6\r\nbefore\r\n", member.name);
    assert.equal(member.replica.members.isUp("c/1", network.nowMs), false);
  }
  assert.ok(c.replica.roster.isSealed("c/1"));
  assert.equal(c.replica.run.refuseWrites, "AAREMOVED");
});

test("a member that lives gives what it has before it goes", () => {
  const { network, a, b, c } = three();
  c.prompt = false;
  c.command("SET", "k", "not stored yet");
  remove(a, ["c"]);
  network.pass(200);
  assert.equal(a.get("k"), "$-1\r\n");
  assert.equal(names(a), "a/1 b/1 c/1");
  c.prompt = true;
  c.sync();
  network.pass(1_000);
  for (const member of [a, b]) {
    assert.equal(member.get("k"), "$14\r\nnot stored yet\r\n", member.name);
    assert.equal(names(member), "a/1 b/1", member.name);
  }
});

test("what depends on a record that is void is applied all the same", () => {
  const { network, a, b, c } = three();
  network.cut(a, c);
  c.command("SET", "k", "only b has seen it");
  network.run();
  b.command("SET", "seen", "yes");
  network.run();
  assert.equal(a.get("seen"), "$-1\r\n");
  dies(network, c);
  // What b had of c goes with its disk: nobody has it any more.
  b.wipe();
  remove(a, ["c"]);
  network.connect(a, b);
  network.pass(2_000);
  assert.equal(names(a), "a/1 b/1");
  assert.equal(a.get("k"), "$-1\r\n");
  assert.equal(a.get("seen"), "$3\r\nyes\r\n");
});

test("a member that lost what it had stated has everybody asked anew", () => {
  const { network, a, b, c } = three();
  network.cut(a, c);
  c.command("SET", "k", "only b has it");
  network.run();
  dies(network, c);
  // Only b knows what it has stated when it loses its disk.
  remove(b, ["c"]);
  const stated = b.replica.storedRoster as Buffer;
  network.cut(a, b);
  a.begin();
  a.replica.hearRoster(stated);
  a.turn();
  b.wipe();
  b.replica.roster.doubt();
  network.connect(a, b);
  network.pass(2_000);
  for (const member of [a, b]) {
    assert.equal(names(member), "a/1 b/1", member.name);
    assert.equal(member.get("k"), "$-1\r\n", member.name);
  }
});

test("a member that is added counts from then on, and may begin once all others know it", () => {
  const { network, a, b } = three();
  b.begin();
  assert.equal(b.replica.roster.add("d/1"), null);
  b.replica.lookAtRoster();
  b.turn();
  assert.deepEqual(b.replica.roster.unstated(), ["a/1", "c/1", "d/1"]);
  network.pass(400);
  assert.deepEqual(b.replica.roster.unstated(), ["d/1"]);
  for (const member of [a, b]) {
    assert.equal(names(member), "a/1 b/1 c/1 d/1");
    assert.equal(member.replica.members.isEverywhere(0, 1), false);
  }
});

test("a removed name is never taken again, and somebody always remains", () => {
  const { network, a, b, c } = three();
  dies(network, c);
  remove(a, ["c"]);
  network.pass(1_000);
  assert.match(a.replica.roster.add("c/1") ?? "", /not used again/);
  assert.match(b.replica.remove(["a", "b"], false) ?? "", /somebody has to remain/);
  assert.match(b.replica.remove(["x"], false) ?? "", /no member or region x/);
});

test("a stranger is refused, and told how it becomes a member", () => {
  const network = new Network(["a/1", "x/1"], { members: ["a/1", "b/1"] });
  const [a, x] = network.members as [Member, Member];
  network.connect(x, a);
  network.pass(200);
  assert.ok(a.closes().some((reason) => reason.includes("atoll member add x/1")));
});
