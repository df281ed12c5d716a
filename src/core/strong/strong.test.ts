/** Strong keys over several members: what most regions agreed on is so for everybody. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Network } from "../replica/network.suite.ts";
import type { Member } from "../replica/network.suite.ts";

const NAMES = ["a/1", "b/1", "c/1"];
const KEYSPACES = [{ prefix: "n:", conflict: "lww", format: null, writes: "global" }] as const;

function cluster(names: readonly string[] = NAMES): { network: Network; members: Member[] } {
  const network = new Network(names, { keyspaces: KEYSPACES, relays: false });
  const { members } = network;
  for (let i = 0; i < members.length; i++)
    for (let j = i + 1; j < members.length; j++)
      network.connect(members[i] as Member, members[j] as Member);
  network.pass(400);
  return { network, members };
}

function three(): { network: Network; a: Member; b: Member; c: Member } {
  const { network, members } = cluster();
  const [a, b, c] = members as [Member, Member, Member];
  return { network, a, b, c };
}

/** Asks and waits for the answer. */
function told(network: Network, member: Member, ...words: string[]): string | null {
  const reply = member.ask(...words);
  network.run();
  if (reply() === null) network.pass(3_000);
  return reply();
}

test("every region counts on one number", () => {
  const { network, members } = cluster();
  for (let i = 1; i <= 9; i++)
    assert.equal(told(network, members[i % 3] as Member, "INCR", "n:1"), `:${i}\r\n`);
  assert.equal(told(network, members[0] as Member, "AA.VERSION", "n:1"), ":9\r\n");
});

test("commands that meet are each done once", () => {
  const { network, members } = cluster();
  const replies = members.flatMap((member) => [1, 2, 3].map(() => member.ask("INCR", "n:1")));
  network.pass(3_000);
  const numbers = replies
    .map((reply) => reply())
    .toSorted((a, b) => (a ?? "").localeCompare(b ?? ""));
  assert.deepEqual(
    numbers,
    [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => `:${n}\r\n`),
  );
});

test("one of several regions that want a name gets it", () => {
  const { network, members } = cluster();
  const replies = members.map((member) => member.ask("SET", "n:name", member.name, "NX"));
  network.pass(3_000);
  const winners = replies.filter((reply) => reply() === "+OK\r\n");
  assert.equal(winners.length, 1);
  const values = members.map((member) => told(network, member, "GET", "n:name"));
  assert.equal(new Set(values).size, 1);
});

test("who has a key's last ballot changes it in one round", () => {
  const { network, a } = three();
  told(network, a, "SET", "n:1", "x");
  a.seen.length = 0;
  told(network, a, "SET", "n:1", "y");
  const kinds = a.seen.flatMap((effect) =>
    effect.type === "send" && effect.frame === 0x0e ? [effect.body[7]] : [],
  );
  assert.deepEqual(kinds, [2, 2], "ACCEPT to each of the others, and no PREPARE");
});

test("a key that another region has changed often is taken over in two rounds", () => {
  const { network, a, b } = three();
  for (let i = 0; i < 5; i++) told(network, a, "INCR", "n:1");
  const { rounds, conflicts } = b.replica.strong.counts;
  assert.equal(told(network, b, "INCR", "n:1"), ":6\r\n");
  assert.deepEqual(
    [b.replica.strong.counts.rounds - rounds, b.replica.strong.counts.conflicts - conflicts],
    [2, 0],
  );
});

test("what a lost region would have to agree to is not waited for", () => {
  const { network, a, b, c } = three();
  told(network, b, "SET", "n:1", "before");
  for (const id of [...c.wires.keys()]) network.close(c, id);
  // The other one says no at first: without it there is no majority.
  a.replica.strong.acceptor.prepare(0, Buffer.from("n:1"), { round: 1e6, member: 2, life: 1 });
  const reply = b.ask("SET", "n:1", "after");
  network.pass(100);
  assert.equal(reply(), "+OK\r\n");
  assert.equal(told(network, a, "GET", "n:1"), "$5\r\nafter\r\n");
});

test("a read that finds a quorum of one mind takes one round and promises nothing", () => {
  const { network, a, b } = three();
  told(network, a, "SET", "n:1", "x");
  const before = b.replica.strong.acceptor.find("0:n:1")?.promised;
  assert.equal(told(network, b, "GET", "n:1"), "$1\r\nx\r\n");
  assert.deepEqual(b.replica.strong.acceptor.find("0:n:1")?.promised, before);
});

test("a lost region stops nobody", () => {
  const { network, a, b, c } = three();
  told(network, c, "SET", "n:1", "before");
  for (const id of [...c.wires.keys()]) network.close(c, id);
  assert.equal(told(network, a, "GET", "n:1"), "$6\r\nbefore\r\n");
  assert.equal(told(network, b, "SET", "n:1", "after"), "+OK\r\n");
  assert.match(told(network, c, "GET", "n:1") ?? "", /^-AANOQUORUM/);
});

test("who loses touch after it has asked does not know what became of it, and says so", () => {
  const { network, a, b, c } = three();
  told(network, a, "SET", "n:1", "x");
  network.cut(a, b);
  network.cut(a, c);
  const reply = a.ask("INCRBY", "n:2", "1");
  const other = a.ask("SET", "n:1", "y");
  network.pass(2_500);
  assert.match(reply() ?? "", /^-AANOQUORUM .*nothing was written/, "it has promised at most");
  assert.match(other() ?? "", /^-AAUNKNOWN/);
});

test("an acceptor says nothing before what it shows is durable", () => {
  const { network, a, b, c } = three();
  b.prompt = false;
  c.prompt = false;
  const reply = a.ask("SET", "n:1", "x");
  network.run();
  assert.equal(reply(), null);
  b.sync();
  b.turn();
  network.run();
  b.sync();
  b.turn();
  network.run();
  assert.equal(reply(), "+OK\r\n");
});

test("a member that lost its disk answers nothing until those who know give it what it may have promised", () => {
  const { network, a, b, c } = three();
  told(network, a, "SET", "n:1", "x");
  c.wipe({ members: NAMES, keyspaces: KEYSPACES, relays: false, life: 99 });
  c.replica.exchange.joining.begin({ state: "whole" });
  network.connect(c, b);
  network.pass(1_500);
  assert.equal(c.replica.strong.acceptor.begun, false, "one of two others is not enough");
  network.connect(c, a);
  network.pass(2_500);
  const { acceptor } = c.replica.strong;
  assert.equal(acceptor.begun, true);
  assert.deepEqual(
    acceptor.find("0:n:1")?.accepted,
    a.replica.strong.acceptor.find("0:n:1")?.accepted,
  );
  assert.equal(a.replica.strong.acceptor.tenures.get("c/1")?.first, false);
});

test("what an earlier tenure has said counts for nobody who has heard of the later one", () => {
  const { a } = three();
  const { strong } = a.replica;
  const before = strong.acceptor.tenures.get("c/1")?.tenure ?? 0;
  assert.equal(strong.isOver(2, before), false);
  strong.acceptor.note("c/1", before + 1);
  assert.equal(strong.isOver(2, before), true);
});

test("a deleted key is forgotten by everybody, and its versions go on", () => {
  const { network, members } = cluster();
  const [a, b] = members as [Member, Member];
  told(network, a, "SET", "n:1", "x");
  told(network, a, "DEL", "n:1");
  network.pass(8_000);
  for (const member of members)
    assert.equal(member.replica.strong.acceptor.find("0:n:1"), undefined);
  assert.equal(told(network, b, "AA.DO", "VERSIONED", "SET", "n:1", "y"), "*2\r\n:3\r\n+OK\r\n");
});

test("a read tells the newest version that was forgotten, though one of those who answer knows of an older one", () => {
  const { network, a, b, c } = three();
  told(network, a, "GET", "n:1");
  for (const { replica } of [b, c])
    replica.strong.acceptor.raiseFloor({ round: 1, member: 0, life: 1 }, 4);
  for (const member of [a, b, c])
    assert.equal(told(network, member, "AA.VERSION", "n:1"), ":4\r\n", member.name);
});

test("a deletion is kept as long as somebody is away", () => {
  const { network, a, c } = three();
  told(network, a, "SET", "n:1", "x");
  told(network, a, "DEL", "n:1");
  for (const id of [...c.wires.keys()]) network.close(c, id);
  network.pass(20_000);
  assert.notEqual(a.replica.strong.acceptor.find("0:n:1"), undefined);
});

test("that a key has expired is decided, so that nobody sees it afterwards", () => {
  const { network, a, b } = three();
  told(network, a, "SET", "n:1", "x", "PX", "500");
  network.pass(600);
  assert.equal(told(network, b, "GET", "n:1"), "$-1\r\n");
  assert.equal(told(network, a, "AA.VERSION", "n:1"), ":2\r\n");
});

test("replicas hear what was decided, and reads with a bound of staleness show that", () => {
  const { network, a, c } = three();
  told(network, a, "HSET", "n:h", "f", "1");
  network.pass(400);
  assert.equal(c.replica.strong.learned.find(0, Buffer.from("n:h"))?.version, 1);
});

test("members with other lists of members do not decide together", () => {
  const network = new Network(["a/1", "b/1"], { keyspaces: KEYSPACES });
  const [a, b] = network.members as [Member, Member];
  b.wipe({ members: ["a/1", "b/1", "c/1"], keyspaces: KEYSPACES, life: 9 });
  network.connect(a, b);
  network.pass(1_000);
  assert.equal(a.replica.strong.acceptor.begun, false);
  const notes = a.seen.flatMap((effect) => (effect.type === "note" ? [effect.text] : []));
  assert.ok(notes.some((text) => /b\/1 has another list of members/.test(text)));
});

test("when a member is removed the others decide without it, on what it had a part in", () => {
  const { network, a, b, c } = three();
  told(network, c, "SET", "n:1", "x");
  for (const id of [...c.wires.keys()]) network.close(c, id);
  for (const member of [a, b]) {
    member.replica.members.become(["a/1", "b/1"]);
    member.replica.strong.membersChanged();
  }
  assert.equal(told(network, a, "GET", "n:1"), "$1\r\nx\r\n");
  assert.equal(told(network, b, "SET", "n:1", "y"), "+OK\r\n");
  for (const id of [...b.wires.keys()]) network.close(b, id);
  assert.match(told(network, a, "GET", "n:1") ?? "", /^-AANOQUORUM/, "most of two are both");
});

test("what stands beside a strong key is refused, and so is what does not work on one", () => {
  const { a } = three();
  const cases: [string[], RegExp][] = [
    [["MSET", "n:1", "x", "other", "y"], /^-AAMIXED/],
    [["DEL", "n:1", "n:2"], /^-AAMIXED/],
    [["EVAL", "return 1", "1", "n:1"], /^-AAMIXED/],
    [["SADD", "n:1", "x"], /^-AASTRONGTYPE/],
    [["WATCH", "n:1"], /^-AASTRONGTYPE/],
    [["HEXPIRE", "n:1", "9", "FIELDS", "1", "f"], /^-AASTRONGTYPE/],
    [["AA.VERSION", "plain"], /^-AASTRONGTYPE/],
    [["AA.DO", "VERSIONED", "GET", "plain"], /^-AASTRONGTYPE/],
  ];
  for (const [words, expected] of cases)
    assert.match(a.command(...words).reply, expected, words[0]);
  a.command("MULTI");
  assert.match(a.command("INCR", "n:1").reply, /^-AAMIXED/);
  assert.match(a.command("EXEC").reply, /^-EXECABORT/);
});
