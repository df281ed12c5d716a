import assert from "node:assert/strict";
import { test } from "node:test";
import { ALL_SLOTS } from "../keyspace/changes.ts";
import { type Member, Network } from "../replica/network.suite.ts";
import { alter, located, lose } from "./damage.suite.ts";
import type { Finding } from "./findings.ts";
import { astray, type Order, type Progress } from "./verifier.ts";

const NAMES = ["a/1", "b/1", "c/1"];

function cluster(names: readonly string[] = NAMES): Network {
  const network = new Network(names);
  network.members.forEach((member, i) => {
    for (const other of network.members.slice(i + 1)) network.connect(member, other);
  });
  network.run();
  return network;
}

let drawn = 0;

/** Everybody makes slices as long as there are any, and time passes; `meanwhile` may write. */
function compare(
  network: Network,
  member: Member | undefined,
  order: Partial<Order> = {},
  meanwhile: (round: number) => void = () => {},
): Progress {
  assert.ok(member);
  // Another one each time: what is damaged past every record is not noticed under the same.
  const chance = Int32Array.of(7, 11, 13, ++drawn);
  member.begin();
  const progress = member.replica.verifier.start({
    chance,
    mends: false,
    votes: false,
    slots: null,
    ...order,
  });
  assert.ok(progress);
  member.tick();
  for (let round = 0; !progress.done; round++) {
    assert.ok(round < 5_000, "a comparison comes to an end");
    for (const { replica } of network.members)
      for (let i = 0; i < 40 && replica.compares; i++) replica.compare();
    for (const one of network.members) one.turn();
    network.pass(20);
    meanwhile(round);
  }
  return progress;
}

/** Some of everything. */
function fill({ members }: Network): void {
  for (const [i, member] of members.entries())
    for (let n = 0; n < 40; n++) {
      member.command("SET", `text:${n}`, `${i} wrote ${n}`);
      member.command("INCRBY", `count:${n}`, `${i + 1}`);
      member.command("INCRBYFLOAT", `real:${n}`, "0.1");
      member.command("SADD", `set:${n}`, `${i}`, "all");
      member.command("HSET", `hash:${n}`, "field", `${i}`, `own:${i}`, "x");
      member.command("HINCRBY", `hash:${n}`, "number", "2");
      member.command("ZADD", `ranks:${n}`, `${i}`, "member");
      member.command("RPUSH", `list:${n}`, `${i}`);
      member.command("PFADD", `seen:${n}`, `${i}`);
      member.command("SET", `soon:${n}`, "x", "PX", "1000000");
      if (n % 3 === i) member.command("DEL", `count:${n}`, `set:${n}`);
    }
}

function found(progress: Progress): string[] {
  return [...progress.findings.values()]
    .map(({ key }: Finding) => key?.latin1Slice() ?? "?")
    .toSorted();
}

const slotsOf = (progress: Progress): number[] =>
  [...progress.findings.values()].flatMap((finding) => finding.slots);

test("members that have applied the same records are equal, every slot of them", () => {
  const network = cluster();
  fill(network);
  network.pass(2_000);
  for (const member of network.members) {
    const progress = compare(network, member);
    assert.deepEqual(found(progress), []);
    assert.deepEqual(
      progress.partners.map(({ silent, verified, unsettled }) => [silent, verified, unsettled]),
      [
        [null, 16_448, 0],
        [null, 16_448, 0],
      ],
    );
  }
});

test("what is on its way is not called different, however much is written meanwhile", () => {
  const network = cluster();
  fill(network);
  const progress = compare(network, network.members[0], {}, (round) => {
    const writer = network.members[round % 3] as Member;
    if (round > 60) return;
    for (let n = 0; n < 5; n++) {
      writer.command("SET", `text:${(round * 7 + n) % 40}`, `${round}`);
      writer.command("SADD", `set:${(round * 3 + n) % 40}`, `${round}`);
      writer.command("DEL", `hash:${(round + n) % 40}`);
    }
    writer.command("INCR", "hot");
  });
  assert.deepEqual(found(progress), []);
});

test("a slot that is written to all the time is verified key by key", () => {
  const network = cluster();
  for (let n = 0; n < 200; n++) network.members[0]?.command("SET", `{one slot}:${n}`, `${n}`);
  network.pass(1_000);
  lose(network.members[1], "{one slot}:77");
  const progress = compare(network, network.members[0], {}, (round) => {
    network.members[2]?.command("SET", `{one slot}:${round % 50}`, "again");
  });
  assert.deepEqual(found(progress), ["{one slot}:77"]);
  assert.deepEqual(
    progress.partners.map(({ verified }) => verified),
    [16_448, 16_448],
  );
});

test("a key lost, altered or left over at one member is found from wherever one looks, and by its name", () => {
  const network = cluster();
  fill(network);
  network.pass(2_000);
  lose(network.members[1], "text:7");
  alter(network.members[1], "text:8");
  lose(network.members[0], "list:3");
  lose(network.members[2], "list:3");
  for (const member of network.members) {
    const progress = compare(network, member);
    const names = found(progress);
    assert.equal(names.length, 3);
    assert.deepEqual(
      [...astray(progress, member.name, 3).keys()],
      ["b/1"],
      "it is the one that is wrong, also about what the others have lost",
    );
  }
});

test("a damaged member adopts what the others agree about, with the dots it had, and replaces nothing of theirs", () => {
  const network = cluster();
  fill(network);
  network.pass(2_000);
  const [a, b, c] = network.members;
  const text = b?.get("text:8");
  for (const name of [
    "text:7",
    "count:1",
    "real:4",
    "set:1",
    "hash:5",
    "ranks:6",
    "list:3",
    "seen:2",
    "soon:9",
  ])
    lose(b, name);
  alter(b, "text:8");
  for (const member of [a, c]) {
    const progress = compare(network, member, { mends: true });
    assert.equal(progress.findings.size, 0, "most hold what this one holds: nothing is to be done");
  }
  assert.equal(b?.get("text:8"), "$6\r\nrotten\r\n");
  const wrong = compare(network, a);
  const mended = compare(network, b, { mends: true, slots: slotsOf(wrong) });
  assert.ok([...mended.findings.values()].every(({ healed }) => healed));
  assert.equal(b?.get("text:8"), text);
  for (const member of network.members) assert.deepEqual(found(compare(network, member)), []);
  // What is mended behaves as if nothing had been: a removal that saw it takes it, at every member.
  a?.command("DEL", "text:8", "set:1", "hash:5", "count:1");
  network.pass(1_000);
  for (const member of network.members) {
    assert.equal(member.get("text:8"), "$-1\r\n");
    assert.equal(member.command("EXISTS", "set:1", "hash:5", "count:1").reply, ":0\r\n");
  }
  for (const member of network.members) assert.deepEqual(found(compare(network, member)), []);
});

test("who is astray is told by the sums of slots; the others vouch for the one that is asked for its keys", () => {
  const network = cluster(["a/1", "b/1", "c/1", "d/1"]);
  fill(network);
  network.pass(2_000);
  const [a, b] = network.members;
  for (let n = 0; n < 20; n++) lose(b, `text:${n}`);
  const wrong = compare(network, a, { votes: true });
  assert.equal(wrong.findings.size, 0);
  const blamed = astray(wrong, "a/1", 4);
  assert.deepEqual([...blamed.keys()], ["b/1"]);
  assert.deepEqual(new Set(blamed.get("b/1")), new Set(wrong.verdicts.keys()));
  // Where two hold one thing and two another, keys are told apart.
  alter(a, "text:30");
  alter(b, "text:30");
  const split = compare(network, a, { votes: true });
  assert.deepEqual(found(split), ["text:30"]);
  const mended = compare(network, b, { mends: true, slots: blamed.get("b/1") ?? [] });
  assert.equal(mended.findings.size, 20);
  for (const { healed, own, theirs } of mended.findings.values()) {
    assert.ok(healed);
    assert.equal(own, "");
    assert.deepEqual([...theirs.keys()].toSorted(), ["a/1", "c/1", "d/1"], "who vouches counts");
    assert.equal(new Set(theirs.values()).size, 1);
  }
});

test("of a slot that changes while it is voted on, only who lacks a key is blamed, whoever wrote and for however long", () => {
  const settled: boolean[] = [];
  for (let rounds = 0; rounds < 24; rounds++) {
    const network = cluster();
    for (let n = 0; n < 60; n++) network.members[0]?.command("SET", `{one slot}:${n}`, `${n}`);
    network.pass(1_000);
    const [a, b] = network.members;
    lose(b, "{one slot}:50");
    let written = 0;
    const progress = compare(network, a, { votes: true }, (round) => {
      // From the last eighth of them on it is written to for ever: then its keys are told apart.
      if (round > rounds && rounds < 21) return;
      network.members[round % 3]?.command("SET", `{one slot}:${round % 50}`, `again ${round}`);
      written++;
    });
    assert.ok(written > 0);
    const slots = [...new Set([...slotsOf(progress), ...progress.verdicts.keys()])];
    assert.equal(slots.length, 1, `after ${rounds} rounds`);
    assert.deepEqual([...astray(progress, "a/1", 3)], [["b/1", slots]]);
    if (progress.verdicts.size === 0) assert.deepEqual(found(progress), ["{one slot}:50"]);
    settled.push(progress.verdicts.size > 0);
    for (const partner of progress.partners) assert.equal(partner.silent, null);
  }
  assert.ok(settled.includes(true), "a sum counts once nobody writes");
  assert.ok(settled.includes(false), "and until then no sum does");
});

test("of two members, one gets back what it has lost; about what both hold differently nobody can decide", () => {
  const network = cluster(["a/1", "b/1"]);
  fill(network);
  network.pass(2_000);
  const [a, b] = network.members;
  lose(b, "text:1");
  alter(b, "text:2");
  const progress = compare(network, b, { mends: true });
  assert.deepEqual(found(progress).length, 2);
  assert.deepEqual(found(compare(network, a)), ["text:2"]);
});

test("of large collections and many keys in a slot the difference alone travels", () => {
  const network = cluster();
  const [a, b] = network.members;
  for (let n = 0; n < 3_000; n++) a?.command("SET", `{tag}:${n}`, `${n}`);
  for (let n = 0; n < 10_000; n++) a?.command("SADD", "large", `member ${n}`);
  network.pass(2_000);
  for (const n of [5, 1_000, 2_999]) lose(b, `{tag}:${n}`);
  const { keyspace } = (b as Member).replica;
  const key = keyspace.open(located(b, "large"));
  key.bodies[0]?.table.removeAt(key.bodies[0].find(Buffer.from("member 77"), 0, 9));
  const progress = compare(network, a);
  assert.deepEqual(found(progress), ["large", "{tag}:1000", "{tag}:2999", "{tag}:5"]);
  assert.ok(progress.bytesReceived < 60_000, `${progress.bytesReceived} bytes`);
});

test("a peer that does not answer is named, and nothing is said about it", () => {
  const network = cluster();
  fill(network);
  network.pass(1_000);
  const [a, b, c] = network.members as [Member, Member, Member];
  const progress = compare(network, a, {}, (round) => {
    if (round === 0) network.cut(a, b);
  });
  const [first, second] = progress.partners;
  assert.equal(first?.member, b.name);
  assert.match(first?.silent ?? "", /closed|answer/);
  assert.deepEqual([second?.member, second?.silent, second?.verified], [c.name, null, 16_448]);
  assert.deepEqual(found(progress), []);
});

test("a peer that has much to apply is waited for as long as it gets less", () => {
  const network = cluster(["a/1", "b/1"]);
  const [a, b] = network.members;
  assert.ok(a && b);
  let may = 0;
  b.replica.delivery.isTurnFull = () => may-- <= 0;
  for (let n = 0; n < 4; n++) a.command("SET", `key:${n}`, "x");
  const slow = compare(network, a, {}, (round) => {
    // One record each 12 s: so all of them take 48.
    may = round % 600 === 599 ? 1 : 0;
  });
  assert.equal(slow.partners[0]?.silent, null);
  assert.equal(slow.partners[0]?.verified, ALL_SLOTS);
  a.command("SET", "key:last", "x");
  const stuck = compare(network, a, {}, () => {
    may = 0;
  });
  assert.match(stuck.partners[0]?.silent ?? "", /did not answer within/);
});
