import assert from "node:assert/strict";
import { test } from "node:test";
import { Sink } from "../bytes/sink.ts";
import { FRAME } from "../wire/frame.ts";
import { type Member, Network } from "./network.suite.ts";
import type { ReplicaOptions } from "./replica.ts";

type Three = readonly [Member, Member, Member];

function three(more: Partial<ReplicaOptions> = {}): { network: Network; members: Three } {
  const network = new Network(["a/1", "b/1", "c/1"], more);
  return { network, members: network.members as unknown as Three };
}

test("nobody hears of a write before it is stored: neither client nor peer", () => {
  const { network, members } = three();
  const [a, b] = members;
  network.connect(a, b);
  network.pass(100);
  a.prompt = false;
  const batches = a.frames(FRAME.BATCH).length;
  const { hold } = a.command("SET", "k", "v");
  assert.equal(hold, 1, "the reply waits for record 1");
  network.pass(400);
  assert.equal(a.frames(FRAME.BATCH).length, batches);
  assert.equal(b.get("k"), "$-1\r\n");
  a.sync();
  assert.equal(a.replica.durableSeq, 1);
  network.run();
  assert.equal(b.get("k"), "$1\r\nv\r\n");
});

test("a reply that shows what is not stored yet waits for it, and so does one that shows its absence", () => {
  const { members } = three();
  const [a] = members;
  a.command("SET", "k", "1");
  a.prompt = false;
  a.command("SET", "k", "2");
  assert.equal(a.command("GET", "k").hold, 2);
  a.command("DEL", "k");
  assert.equal(a.command("GET", "k").hold, 3, "the key is gone, but not yet for good");
  assert.equal(a.command("GET", "elsewhere").hold, 0);
  assert.equal(a.command("DBSIZE").hold, 3);
  a.sync();
  assert.equal(a.command("GET", "k").hold, 0);
});

test("with relaxed durability nobody waits for the disk", () => {
  const { network, members } = three({ durability: "relaxed" });
  const [a, b] = members;
  network.connect(a, b);
  network.pass(100);
  a.prompt = false;
  assert.equal(a.command("SET", "k", "v").hold, 0);
  network.run();
  assert.equal(b.get("k"), "$1\r\nv\r\n");
});

test("a cut cable is routed around: what a neighbour has is pulled from it", () => {
  const { network, members } = three({ relays: false });
  const [a, b, c] = members;
  network.connect(a, b);
  network.connect(b, c);
  network.pass(100);
  a.command("SET", "k", "v");
  network.run();
  assert.equal(b.get("k"), "$1\r\nv\r\n");
  assert.equal(c.get("k"), "$-1\r\n", "b does not forward on its own");
  network.pass(600);
  assert.equal(c.get("k"), "$1\r\nv\r\n");
  assert.ok(c.frames(FRAME.PULL).length > 0);
});

test("a record whose cause is missing waits, and its cause is pulled from whoever sent it", () => {
  const { network, members } = three({ relays: false });
  const [a, b, c] = members;
  for (const [from, to] of [
    [a, b],
    [b, c],
    [a, c],
  ] as const)
    network.connect(from, to);
  network.pass(100);
  network.cut(a, c);
  a.command("SET", "k", "old");
  network.run();
  b.command("DEL", "k");
  network.run();
  assert.equal(c.replica.delivery.waitingCount, 1);
  network.pass(1_000);
  assert.equal(c.replica.delivery.waitingCount, 0);
  assert.deepEqual(
    c.replica.describe(c.replica.applied),
    b.replica.describe(b.replica.applied),
    "what c applied",
  );
});

test("what was forwarded by a relay is not sent back in circles", () => {
  const { network, members } = three();
  const [a, b, c] = members;
  network.connect(a, b);
  network.connect(b, c);
  network.connect(a, c);
  network.pass(100);
  for (let i = 0; i < 20; i++) a.command("INCR", "n");
  network.pass(1_000);
  for (const member of members) assert.equal(member.get("n"), "$2\r\n20\r\n");
  const settled = members.map((member) => member.frames(FRAME.BATCH).length);
  network.pass(1_000);
  assert.deepEqual(
    members.map((member) => member.frames(FRAME.BATCH).length),
    settled,
  );
});

test("when both sides have dialled, both keep the same connection", () => {
  for (const [first, second] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const { network, members } = three();
    network.connect(members[first], members[second]);
    network.connect(members[second], members[first]);
    network.run();
    const [a, b] = members;
    assert.deepEqual([a.wires.size, b.wires.size], [1, 1]);
    const [mine] = [...a.replica.exchange.links.values()];
    const [theirs] = [...b.replica.exchange.links.values()];
    assert.equal(mine?.dialled, "b/1", "the one that the first by name dialled");
    assert.equal(theirs?.dialled, null);
    assert.ok(mine?.up && theirs?.up);
    a.command("SET", "k", "v");
    network.run();
    assert.equal(b.get("k"), "$1\r\nv\r\n");
  }
});

test("a replica whose records a peer knows and it does not asks for a new incarnation", () => {
  const { network, members } = three();
  const [a, b] = members;
  network.connect(a, b);
  network.pass(100);
  a.command("SET", "k", "v");
  network.run();
  a.wipe();
  network.connect(a, b);
  network.run();
  assert.equal(a.seen.filter(({ type }) => type === "renew").length, 1);
  a.renew(2);
  network.connect(a, b);
  network.run();
  assert.equal(a.get("k"), "$1\r\nv\r\n", "what the old incarnation wrote comes back to it");
  a.command("SET", "k", "w");
  network.run();
  assert.equal(b.get("k"), "$1\r\nw\r\n");
});

test("a link on which nothing is heard for three seconds is closed", () => {
  const { network, members } = three();
  const [a, b] = members;
  network.connect(a, b);
  network.pass(1_000);
  network.cut(a, b);
  network.pass(2_700);
  assert.equal(a.replica.exchange.links.size, 1);
  network.pass(400);
  assert.equal(a.replica.exchange.links.size, 0);
  assert.ok([...a.closes(), ...b.closes()].some((reason) => reason.includes("3000 ms")));
});

test("a peer of another cluster, of the same name or of another protocol is turned away", () => {
  const elsewhere = new Network(["a/1"], { cluster: "other" });
  const [a] = three().members;
  const stranger = elsewhere.members[0] as Member;
  elsewhere.connect(a, stranger);
  elsewhere.run();
  assert.match(a.closes().at(-1) as string, /belongs to cluster other/);
  const hello = a.frames(FRAME.HELLO).at(-1);
  assert.ok(hello?.type === "send");
  a.replica.exchange.opened(77, "x", "x");
  a.replica.exchange.receive(77, FRAME.HELLO, hello.body);
  a.carryOut();
  assert.match(a.closes().at(-1) as string, /called a\/1 too/);
  a.replica.exchange.opened(78, "x", "x");
  const newer = new Sink();
  newer.varint(99);
  a.replica.exchange.receive(78, FRAME.HELLO, newer.copy());
  a.carryOut();
  assert.match(a.closes().at(-1) as string, /protocol 99/);
  a.replica.exchange.opened(79, "x", "x");
  a.replica.exchange.receive(79, FRAME.ACK, Buffer.alloc(40));
  a.carryOut();
  assert.match(a.closes().at(-1) as string, /did not begin with HELLO/);
});

test("what every member has is stable: resets, floors and flushes go, and the log may be cut", () => {
  const { network, members } = three();
  const [a, b, c] = members;
  network.connect(a, b);
  network.connect(b, c);
  network.pass(200);
  a.command("INCR", "n");
  network.run();
  b.command("DEL", "n");
  c.command("FLUSHALL");
  a.command("SET", "e", "v", "PX", "50");
  network.run();
  assert.ok(a.replica.garbage.waitingResets > 0);
  network.pass(3_000);
  for (const { replica } of members) {
    assert.equal(replica.garbage.waitingResets + replica.garbage.waitingFloors, 0);
    assert.equal(replica.keyspace.heap.usedBytes, 0, "not a byte is left of what is gone");
    assert.notEqual(replica.truncation(replica.index.end, false), null);
  }
});

test("a member that is away holds collection up, and nothing else", () => {
  const { network, members } = three();
  const [a, b] = members;
  network.connect(a, b);
  network.pass(200);
  a.command("INCR", "n");
  a.command("DEL", "n");
  network.pass(2_000);
  assert.equal(a.replica.garbage.waitingResets, 1);
  assert.equal(b.get("n"), "$-1\r\n");
});

test("a replica that was away catches up from where it was", () => {
  const { network, members } = three();
  const [a, b] = members;
  network.connect(a, b);
  network.pass(100);
  for (let i = 0; i < 10; i++) a.command("INCR", "n");
  network.run();
  for (const id of a.wires.keys()) network.close(a, id);
  for (let i = 0; i < 10; i++) a.command("INCR", "n");
  b.command("INCRBY", "n", "100");
  network.connect(b, a);
  network.pass(200);
  for (const member of [a, b]) assert.equal(member.get("n"), "$3\r\n120\r\n");
});

test("while a member is away what waits for it grows with the keys that are removed, not with how often, and goes when it is back", () => {
  const { network, members } = three();
  const [a, b, c] = members;
  network.connect(a, b);
  network.pass(100);
  for (let round = 0; round < 2_000; round++) {
    const { command } = round % 2 === 0 ? { command: a } : { command: b };
    command.command("INCR", `n${round % 3}`);
    command.command("HINCRBY", "hash", `field${round % 2}`, "1");
    command.command("HDEL", "hash", `field${round % 2}`);
    command.command("DEL", `n${round % 3}`);
    if (round % 20 === 0) network.run();
    command.tick();
    for (const { replica } of [a, b]) assert.ok(replica.garbage.waitingResets < 1_100);
  }
  network.pass(100);
  network.connect(a, c);
  network.connect(b, c);
  network.pass(2_000);
  for (const { replica } of members) {
    assert.equal(replica.garbage.waitingResets, 0);
    assert.equal(replica.garbage.waitingFloors, 0);
    assert.equal(replica.keyspace.entries, 0, "nothing is left of any of the keys");
  }
});

test("at its limit the log is cut below what one member needs once most have it, and never below that", () => {
  const { network, members } = three();
  const [a, b, c] = members;
  a.command("SET", "k", "v");
  for (let i = 0; i < 3; i++) a.command("SET", `large ${i}`, "x".repeat(300_000));
  const { replica } = a;
  const limited = (): number => replica.truncation(replica.index.end, true) ?? 0;
  assert.equal(limited(), 0, "nobody else has it");
  network.connect(a, b);
  network.pass(500);
  assert.equal(replica.truncation(replica.index.end, false) ?? 0, 0, "c may need it");
  const cut = limited();
  assert.ok(cut > 0);
  assert.deepEqual(replica.needing(cut), ["c/1"]);
  replica.index.truncated(cut);
  assert.equal(replica.neededFrom("b/1"), replica.index.end);
  network.connect(a, c);
  network.pass(400);
  const [, toC] = [...replica.exchange.links.values()];
  assert.equal(toC?.isBehind, true);
});
