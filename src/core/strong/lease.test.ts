/** Owners with a lease: one at a time, whoever cannot hear whom, and whatever a process misses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { mayRun } from "../commands/dispatch.ts";
import { Session } from "../commands/session.ts";
import { type Member, Network } from "../replica/network.suite.ts";
import { argsOf } from "../wire/args.ts";
import { Reply } from "../wire/reply.ts";

const NAMES = ["a/1", "b/1", "c/1"];
const KEYSPACES = [
  { prefix: "h:", conflict: "lww", format: null, writes: "home", home: "a", failover: "auto" },
] as const;

function cluster(): { network: Network; a: Member; b: Member; c: Member } {
  const network = new Network(NAMES, { keyspaces: KEYSPACES, relays: false });
  const [a, b, c] = network.members as [Member, Member, Member];
  network.connect(a, b);
  network.connect(a, c);
  network.connect(b, c);
  network.pass(4_000);
  return { network, a, b, c };
}

/** What comes of a write at a member, which is one of its own when its lease holds. */
function write(member: Member): string {
  member.begin();
  const { homes } = member.replica.run;
  const owner = homes.ownerOfKey(0, Buffer.from("h:1"));
  const keyspace = member.replica.keyspace.policies.find(Buffer.from("h:1"), 0, 3);
  if (owner !== member.name || keyspace === null) return `forwards to ${owner}`;
  return member.replica.strong.lease.objection(keyspace) ?? "writes";
}

/** The reply to a command that a client of its own sends, as the host would have it run. */
function asked(member: Member, ...words: string[]): string {
  member.begin();
  const session = new Session(77, "127.0.0.1:1", "127.0.0.1:2", 0, true);
  const reply = new Reply();
  if (!mayRun(member.replica.run, session, argsOf(...words))) return "waits";
  member.replica.execute(session, argsOf(...words), reply);
  member.turn();
  return reply.sink.view().latin1Slice();
}

/** Nothing gets through between a member and all others, and nobody is told. */
function isolate(network: Network, member: Member): void {
  for (const other of network.members) if (other !== member) network.cut(member, other);
}

test("an owner serves while it hears from most regions, and not longer than its lease", () => {
  const { network, a } = cluster();
  assert.equal(write(a), "writes");
  network.pass(20_000);
  assert.equal(write(a), "writes", "it asks again and again");
  isolate(network, a);
  network.pass(3_000);
  assert.equal(write(a), "writes");
  network.pass(6_000);
  assert.match(write(a), /^AAHOME a\/1 owns the keys and has not heard from most regions/);
  assert.match(asked(a, "SET", "h:1", "x"), /^-AAHOME a\/1 owns/);
  assert.match(asked(a, "EVAL", "return 1", "1", "h:1"), /^-AAHOME a\/1 owns/);
  assert.equal(asked(a, "GET", "h:1"), "$-1\r\n");
  assert.equal(a.command("SET", "other", "x").reply, "+OK\r\n");
});

/** Runs a command under the lease; what the client is told once its reply may be given, in place of that: "" for nothing. */
function held(member: Member, ...words: string[]): () => string {
  member.begin();
  const session = new Session(77, "127.0.0.1:1", "127.0.0.1:2", 0, true);
  const { run } = member.replica;
  assert.ok(mayRun(run, session, argsOf(...words)));
  member.replica.execute(session, argsOf(...words), new Reply());
  const wait = run.replyWait;
  member.turn();
  return () => {
    const instead = new Reply();
    member.begin();
    wait?.terms.end?.(wait, instead);
    return instead.sink.view().latin1Slice();
  };
}

test("a lease counts from when it was asked for, however late the answers come", () => {
  const { network, a } = cluster();
  const { lease } = a.replica.strong;
  a.begin();
  for (let leftMs = Infinity; lease.leftMs !== 8_000; leftMs = lease.leftMs) {
    assert.ok(leftMs > 5_000, "it is renewed in time");
    network.pass(20);
    a.begin();
  }
  network.pass(1_980);
  // It asks now, and what is said stays on its way for two seconds.
  for (let ms = 0; ms < 2_000; ms += 20) {
    network.nowMs += 20;
    for (const member of network.members) member.tick();
  }
  network.run();
  a.begin();
  assert.equal(lease.leftMs, 8_000 - 1_980);
});

test("what was done under a lease is confirmed as long as that has been held since, and never again once it was broken", () => {
  const { network, a } = cluster();
  const replies = [
    held(a, "SET", "h:1", "x"),
    held(a, "SET", "h:1", "y", "NX"),
    held(a, "EVAL", "return redis.call('GET', 'h:1')", "1", "h:1"),
    held(a, "AA.DO", "WRITE", "ALL", "SET", "h:1", "z"),
  ];
  const others = [held(a, "GET", "h:1"), held(a, "SET", "other", "x")];
  const all = [...replies, ...others];
  network.pass(20_000);
  for (const reply of all) assert.equal(reply(), "", "the lease was renewed all the time");
  isolate(network, a);
  network.pass(9_000);
  for (const reply of replies) assert.match(reply(), /^-AAUNKNOWN a\/1 has run the command/);
  for (const reply of others) assert.equal(reply(), "", "nothing of it rests on a lease");
  assert.equal(a.replica.strong.lease.counts.late, replies.length);
  for (const id of [...a.wires.keys()]) network.close(a, id);
  for (const other of network.members) if (other !== a) network.connect(a, other);
  network.pass(3_000);
  assert.equal(write(a), "writes", "nobody has taken over");
  for (const reply of replies) assert.match(reply(), /^-AAUNKNOWN/, "another one could have");
  assert.equal(held(a, "SET", "h:1", "x")(), "");
});

test("what an owner did before it was decided who the next one is, is confirmed by neither", () => {
  const { network, a, c } = cluster();
  const reply = held(a, "SET", "h:1", "x");
  c.begin();
  c.replica.strong.register.takeOver({ prefix: "h:", fence: 0, region: "c" }, 5_000, () => {});
  c.turn();
  network.pass(2_000);
  assert.equal(write(a), "forwards to c/1");
  assert.match(reply(), /^-AAUNKNOWN/);
});

test("keys of an owner that is away get another one, and at no time are there two", () => {
  const { network, a, b, c } = cluster();
  isolate(network, a);
  let isOver = false;
  let begins = false;
  for (let ms = 0; ms < 40_000; ms += 20) {
    network.pass(20);
    const writers = [a, b, c].filter((member) => write(member) === "writes");
    assert.ok(writers.length < 2, writers.map(({ name }) => name).join());
    isOver ||= writers.length === 0;
    begins ||= isOver && writers[0] === b;
  }
  assert.ok(begins, "the first of the others takes them over");
  assert.equal(write(c), "forwards to b/1");
  assert.match(write(a), /^AAHOME a\/1 owns/, "who has heard nothing says so");
});

test("who was replaced hears of it when it is back, and takes up nothing by itself", () => {
  const { network, a, b, c } = cluster();
  for (const id of [...a.wires.keys()]) network.close(a, id);
  network.pass(30_000);
  assert.equal(write(b), "writes");
  network.connect(a, b);
  network.connect(a, c);
  network.pass(3_000);
  assert.equal(write(a), "forwards to b/1");
  assert.equal(b.command("AA.KEYSPACE", "MOVE", "h:", "a").reply, "+OK\r\n");
  network.pass(3_000);
  assert.equal(write(a), "writes", "a planned move needs no more than a record");
  assert.equal(write(b), "forwards to a/1");
});

test("a process that comes back has no lease before it has asked, and who takes over waits anew", () => {
  const { network, a, b, c } = cluster();
  a.restart();
  assert.match(write(a), /^AAHOME/);
  network.pass(14_000);
  b.restart();
  network.connect(b, c);
  assert.doesNotMatch(write(b), /^writes/);
  network.pass(14_000);
  assert.equal(write(b), "writes");
  b.restart();
  network.connect(b, c);
  network.pass(3_000);
  assert.equal(write(b), "writes", "it had begun, and is the owner like any other");
});

test("an operator moves keys of an owner that is away by the same way, and not of one that is there", () => {
  const { network, a, c } = cluster();
  assert.match(c.ask("AA.KEYSPACE", "MOVE", "h:", "c", "FORCE")() ?? "", /^-ERR a\/1, which owns/);
  for (const id of [...a.wires.keys()]) network.close(a, id);
  network.pass(1_000);
  const reply = c.ask("AA.KEYSPACE", "MOVE", "h:", "c", "FORCE");
  network.pass(1_000);
  assert.equal(reply(), "+OK\r\n");
  assert.match(write(c), /^AAHOME c\/1 takes the keys over once/);
  network.pass(12_000);
  assert.equal(write(c), "writes");
});

test("without most regions nobody takes over", () => {
  const { network, a, b, c } = cluster();
  isolate(network, a);
  isolate(network, b);
  network.pass(40_000);
  for (const member of [a, b, c]) assert.doesNotMatch(write(member), /^writes/);
});
