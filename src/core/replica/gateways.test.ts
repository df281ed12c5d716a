import assert from "node:assert/strict";
import { test } from "node:test";
import { Vector } from "../clock/vector.ts";
import { FRAME } from "../wire/frame.ts";
import { type Member, Network } from "./network.suite.ts";

/** Two regions of three replicas each, everybody linked to everybody. */
function regions() {
  const network = new Network(["a/1", "a/2", "a/3", "b/1", "b/2", "b/3"], { relays: false });
  const { members } = network;
  for (const [i, from] of members.entries())
    for (const to of members.slice(i + 1)) network.connect(from, to);
  network.pass(400);
  return { network, members, far: members.slice(3), writer: members[0] as Member };
}

/** How often each member was sent a batch by `from` since `after` of its effects. */
function batches(from: Member, after: number): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const effect of from.seen.slice(after)) {
    if (effect.type !== "send" || effect.frame !== FRAME.BATCH) continue;
    const to = from.wires.get(effect.link)?.peer.name ?? "gone";
    counts[to] = (counts[to] ?? 0) + 1;
  }
  return counts;
}

function write(network: Network, writer: Member, count: number): void {
  for (let i = 0; i < count; i++) {
    writer.command("INCR", "n");
    network.run();
  }
}

test("a record goes to each other region once, and there from one replica to the others", () => {
  const { network, members, far, writer } = regions();
  const before = writer.seen.length;
  write(network, writer, 10);
  const sent = batches(writer, before);
  const gateways = far.filter(({ name }) => sent[name] !== undefined);
  assert.equal(gateways.length, 1);
  assert.deepEqual(sent, { "a/2": 10, "a/3": 10, [gateways[0]?.name as string]: 10 });
  for (const member of members) assert.equal(member.get("n"), "$2\r\n10\r\n", member.name);
});

test("each replica's records have their own gateway, and regions share the work", () => {
  const { network, members } = regions();
  const gateways = new Set<string>();
  for (const writer of members) {
    const before = writer.seen.length;
    write(network, writer, 1);
    for (const to of Object.keys(batches(writer, before)))
      if (to[0] !== writer.name[0]) gateways.add(`${writer.name} ${to}`);
  }
  assert.equal(gateways.size, members.length);
  assert.ok(new Set([...gateways].map((pair) => pair.split(" ")[1])).size > 2);
});

test("when the gateway goes another one takes over, with what the first did not pass on", () => {
  const { network, far, writer } = regions();
  const before = writer.seen.length;
  write(network, writer, 1);
  const gateway = far.find(({ name }) => batches(writer, before)[name] !== undefined) as Member;
  // It hears of records and passes none on: its disk is slow.
  gateway.prompt = false;
  write(network, writer, 5);
  const others = far.filter((member) => member !== gateway);
  for (const other of others) assert.equal(other.get("n"), "$1\r\n1\r\n");
  for (const id of [...gateway.wires.keys()]) network.close(gateway, id);
  writer.tick();
  network.run();
  for (const other of others) assert.equal(other.get("n"), "$1\r\n6\r\n", other.name);
});

test("a replica that its region's gateway cannot reach gets the records from somebody else", () => {
  const { network, far, writer } = regions();
  const before = writer.seen.length;
  write(network, writer, 1);
  const gateway = far.find(({ name }) => batches(writer, before)[name] !== undefined) as Member;
  const [other] = far.filter((member) => member !== gateway) as [Member];
  network.cut(gateway, other);
  write(network, writer, 3);
  assert.equal(other.get("n"), "$1\r\n1\r\n");
  network.pass(1_000);
  assert.equal(other.get("n"), "$1\r\n4\r\n");
});

test("a level is reached over gateways as soon as its members have the record on disk", () => {
  const { network, writer } = regions();
  writer.command("SET", "k", "v");
  const vector = new Vector();
  vector.raise(writer.replica.me, 1);
  const wait = writer.replica.waits.begin(1, { vector, at: "ALL", timeoutMs: 1_000 });
  writer.turn();
  assert.equal(wait?.outcome, null);
  network.run();
  assert.equal(wait?.outcome, "reached", "and no time has passed");
});
