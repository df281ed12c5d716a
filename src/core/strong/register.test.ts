/** Keyspaces that the cluster agrees on: who follows, what stops meanwhile, and what is given up. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Member, Network } from "../replica/network.suite.ts";

const NAMES = ["a/1", "b/1", "c/1"];
const FILE = [{ prefix: "file:", conflict: "max", format: null }] as const;

function cluster(): { network: Network; a: Member; b: Member; c: Member; all: Member[] } {
  const network = new Network(NAMES, { keyspaces: FILE, relays: false });
  const [a, b, c] = network.members as [Member, Member, Member];
  network.connect(a, b);
  network.connect(a, c);
  network.connect(b, c);
  network.pass(400);
  return { network, a, b, c, all: [a, b, c] };
}

/** Asks and waits for the answer. */
function told(network: Network, member: Member, ...words: string[]): string {
  const reply = member.ask(...words);
  for (let i = 0; i < 20 && reply() === null; i++) network.pass(1_000);
  network.pass(200);
  return reply() ?? "nothing";
}

function set(network: Network, member: Member, ...words: string[]): string {
  return told(network, member, "AA.KEYSPACE", "SET", ...words);
}

function policy(member: Member, key: string): Record<string, unknown> {
  const bytes = Buffer.from(key);
  return { ...member.replica.keyspace.policies.find(bytes, 0, bytes.length) };
}

/** Closes all links of a member. */
function part(network: Network, member: Member): void {
  for (const id of [...member.wires.keys()]) network.close(member, id);
}

test("what one member is told of a prefix holds for all, and what their files said goes on", () => {
  const { network, b, all } = cluster();
  assert.equal(set(network, b, "price:", "CONFLICT", "max"), "+OK\r\n");
  for (const member of all) {
    assert.equal(policy(member, "price:1")["conflict"], "max");
    assert.equal(policy(member, "price:1")["since"], 1);
    assert.equal(policy(member, "file:1")["conflict"], "max");
    assert.deepEqual(member.replica.strong.register.differences(), []);
  }
  assert.equal(told(network, b, "AA.KEYSPACE", "DEL", "price:"), ":1\r\n");
  for (const member of all) assert.equal(policy(member, "price:1")["conflict"], undefined);
});

test("changes that meet are both made, in one order", () => {
  const { network, a, b, all } = cluster();
  const replies = [
    a.ask("AA.KEYSPACE", "SET", "x:", "CONFLICT", "max"),
    b.ask("AA.KEYSPACE", "SET", "y:", "CONFLICT", "min"),
    b.ask("AA.KEYSPACE", "SET", "x:", "XREAD", "stable"),
  ];
  network.pass(3_000);
  for (const reply of replies) assert.equal(reply(), "+OK\r\n");
  for (const member of all) {
    assert.equal(member.replica.strong.register.epoch, 3);
    assert.deepEqual(
      [policy(member, "x:")["conflict"], policy(member, "x:")["xread"]],
      ["max", "stable"],
    );
    assert.equal(policy(member, "y:")["conflict"], "min");
  }
});

test("a member that was away comes up with what it knew, and follows once it hears more", () => {
  const { network, a, b, c } = cluster();
  set(network, a, "p:", "CONFLICT", "max");
  part(network, c);
  network.pass(4_000);
  assert.equal(set(network, a, "p:", "CONFLICT", "min"), "+OK\r\n");
  c.restart();
  assert.equal(policy(c, "p:")["conflict"], "max", "of its own log, and nobody else's");
  network.connect(c, b);
  network.pass(1_000);
  assert.equal(policy(c, "p:")["conflict"], "min");
});

test("without most regions nothing is changed, and it is said why", () => {
  const { network, a } = cluster();
  set(network, a, "p:", "CONFLICT", "max");
  part(network, a);
  network.pass(4_000);
  assert.match(set(network, a, "p:", "CONFLICT", "min"), /^-AANOQUORUM .*nothing was changed/);
  assert.equal(policy(a, "p:")["conflict"], "max");
});

test("who writes keys changes while nobody does, and all know what was written before", () => {
  const { network, a, b, c, all } = cluster();
  b.command("SET", "h:1", "b");
  const reply = a.ask("AA.KEYSPACE", "SET", "h:", "WRITES", "home", "HOME", "c");
  let refused = 0;
  for (let ms = 0; reply() === null && ms < 5_000; ms += 20) {
    network.pass(20);
    for (const member of all) {
      if (policy(member, "h:1")["frozen"] !== true) continue;
      assert.match(member.command("SET", "h:1", "late").reply, /^-AAFROZEN/);
      assert.match(member.command("EVAL", "return 1", "1", "h:1").reply, /^-AAFROZEN/);
      assert.doesNotMatch(member.command("GET", "h:1").reply, /^-/);
      assert.equal(member.command("SET", "other", "x").reply, "+OK\r\n");
      refused++;
    }
    if (policy(c, "h:1")["writes"] === "home")
      assert.equal(c.get("h:1"), "$1\r\nb\r\n", "who owns the keys has what others wrote");
  }
  assert.equal(reply(), "+OK\r\n");
  assert.ok(refused > 0);
  network.pass(400);
  for (const member of all) {
    assert.equal(policy(member, "h:1")["frozen"], false);
    assert.match(member.command("AA.KEYSPACE", "EXPLAIN", "h:1").reply, /c\/1/);
  }
  assert.equal(c.command("SET", "h:1", "c").reply, "+OK\r\n");
});

test("writes are frozen until every member has durably what was written before", () => {
  const { network, a, b, c } = cluster();
  set(network, a, "p:", "CONFLICT", "max");
  b.prompt = false;
  const reply = a.ask("AA.KEYSPACE", "SET", "h:", "WRITES", "home", "HOME", "c");
  network.pass(3_000);
  assert.equal(reply(), null, "what b was told is not durable there");
  assert.equal(policy(c, "h:")["frozen"], true);
  b.prompt = true;
  b.sync();
  network.pass(2_000);
  assert.equal(reply(), "+OK\r\n");
});

test("a format is chosen while no member has keys of the prefix, and given up otherwise", () => {
  const { network, a, c, all } = cluster();
  c.command("SETBIT", "b:1", "3", "1");
  assert.match(set(network, a, "b:", "FORMAT", "bitmap"), /^-ERR there are keys with the prefix/);
  for (const member of all) assert.equal(policy(member, "b:1")["name"], undefined);
  assert.equal(c.command("SETBIT", "b:1", "4", "1").reply, ":0\r\n", "it takes writes again");
  c.command("DEL", "b:1");
  assert.equal(set(network, a, "b:", "FORMAT", "bitmap"), "+OK\r\n");
  for (const member of all) assert.equal(policy(member, "b:1")["format"], "bitmap");
});

test("keys become strong only where there are none, and plain again only without strong ones", () => {
  const { network, a, b } = cluster();
  b.command("SET", "n:1", "x");
  assert.match(set(network, a, "n:", "WRITES", "global"), /^-ERR there are keys/);
  b.command("DEL", "n:1");
  assert.equal(set(network, a, "n:", "WRITES", "global"), "+OK\r\n");
  assert.equal(told(network, b, "INCR", "n:1"), ":1\r\n");
  assert.match(set(network, a, "n:", "WRITES", "local"), /^-ERR there are keys/);
  assert.equal(told(network, b, "INCR", "n:1"), ":2\r\n", "they go on as they were");
  told(network, b, "DEL", "n:1");
  assert.equal(set(network, a, "n:", "WRITES", "local"), "+OK\r\n");
  assert.equal(b.command("INCR", "n:1").reply, ":1\r\n");
});

test("nobody stops writing when a member is away that could not", () => {
  const { network, a, c } = cluster();
  set(network, a, "p:", "CONFLICT", "max");
  part(network, c);
  network.pass(4_000);
  assert.match(set(network, a, "h:", "WRITES", "home", "HOME", "a"), /^-AANOQUORUM .*c\/1 is away/);
  assert.equal(policy(a, "h:")["name"], undefined);
});

test("a change that a member does not follow is given up in time, and writes go on", () => {
  const { network, a, b, c } = cluster();
  set(network, a, "p:", "CONFLICT", "max");
  network.cut(a, c);
  network.cut(b, c);
  const reply = a.ask("AA.KEYSPACE", "SET", "h:", "WRITES", "home", "HOME", "a");
  network.pass(1_000);
  assert.equal(policy(b, "h:")["frozen"], true);
  network.pass(12_000);
  assert.match(reply() ?? "", /^-AAINCOMPLETE c\/1 has not stopped writing these keys/);
  assert.equal(policy(b, "h:")["name"], undefined);
  assert.equal(b.command("SET", "h:1", "x").reply, "+OK\r\n");
});

test("a change whose member is gone is given up by another, and is not made afterwards", () => {
  const { network, a, b, c } = cluster();
  set(network, a, "p:", "CONFLICT", "max");
  c.prompt = false;
  a.ask("AA.KEYSPACE", "SET", "h:", "WRITES", "home", "HOME", "a");
  network.pass(1_000);
  assert.equal(policy(b, "h:")["frozen"], true);
  part(network, a);
  c.prompt = true;
  c.sync();
  network.pass(25_000);
  assert.equal(policy(b, "h:")["name"], undefined);
  assert.equal(policy(c, "h:")["name"], undefined);
  network.connect(a, b);
  network.connect(a, c);
  network.pass(3_000);
  assert.equal(policy(a, "h:")["name"], undefined);
});

test("what this node's file says otherwise is named", () => {
  const { network, a } = cluster();
  set(network, a, "file:", "CONFLICT", "min");
  const { register } = a.replica.strong;
  assert.deepEqual(register.differences(), ["file:"]);
  network.pass(100);
  const notes = a.seen.flatMap((effect) => (effect.type === "note" ? [effect.text] : []));
  assert.ok(notes.some((text) => /file says something else of "file:"/.test(text)));
});
