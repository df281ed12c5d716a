import assert from "node:assert/strict";
import { test } from "node:test";
import { Malformed } from "../bytes/source.ts";
import { Session } from "../commands/session.ts";
import { FRAME } from "../wire/frame.ts";
import { type Member, Network } from "./network.suite.ts";

/** A client of a member that listens to `channel`; returns the messages that came since it was last asked. */
function listener(member: Member, channel: string): () => string[] {
  const session = new Session(2, "", "", 0, true);
  let heard: string[] = [];
  member.replica.run.subscriptions.add(session, "channel", channel);
  Object.assign(member.replica.run.node, {
    push: (_id: number, bytes: Buffer) =>
      void heard.push(bytes.latin1Slice().split("\r\n").at(-2) ?? ""),
  });
  return () => {
    const all = heard;
    heard = [];
    return all;
  };
}

const keyspaces = [{ prefix: "g:", conflict: "lww", format: null, pubsub: "global" }] as const;

function regions(count: number, relays = false) {
  const names = ["a/1", "b/1", "c/1"].slice(0, count);
  const network = new Network(names, { keyspaces, relays });
  const [a, b, c] = network.members as unknown as readonly [Member, Member, Member];
  network.connect(a, b);
  if (count > 2) network.connect(b, c);
  if (count > 2 && !relays) network.connect(c, a);
  network.pass(100);
  return { network, a, b, c };
}

test("a message to a global channel reaches the subscribers of every region, others stay at home", () => {
  const { network, a, b, c } = regions(3);
  const [atB, atC] = [listener(b, "g:x"), listener(c, "g:x")];
  assert.equal(a.command("PUBLISH", "g:x", "1").reply, ":0\r\n");
  a.command("PUBLISH", "l:x", "local");
  a.command("PUBLISH", "g:x", "2");
  network.pass(40);
  assert.deepEqual(atB(), ["1", "2"]);
  assert.deepEqual(atC(), ["1", "2"]);
  assert.equal(a.replica.exchange.messages.sent, 4);
  assert.equal(b.replica.exchange.messages.received, 2);
});

test("no message comes before what was written before it", () => {
  const { network, a, b } = regions(2);
  const heard = listener(b, "g:x");
  // The first record is lost on its way, so the second waits for it to be pulled.
  b.replica.exchange.takesRecords = false;
  a.command("SET", "k", "v");
  a.command("PUBLISH", "g:x", "written");
  network.pass(60);
  assert.deepEqual(heard(), []);
  b.replica.exchange.takesRecords = true;
  network.pass(10_000);
  assert.equal(b.get("k"), "$1\r\nv\r\n");
  assert.deepEqual(heard(), ["written"]);
});

test("a message waits until what was written before it is durable here", () => {
  const { network, a, b } = regions(2);
  const heard = listener(b, "g:x");
  a.prompt = false;
  a.command("SET", "k", "v");
  a.command("PUBLISH", "g:x", "1");
  network.pass(60);
  assert.deepEqual(heard(), []);
  assert.equal(a.frames(FRAME.MESSAGES).length, 0);
  a.sync();
  network.pass(60);
  assert.deepEqual(heard(), ["1"]);
});

test("over several ways a message comes once, and the hub sends it on", () => {
  const { network, a, b, c } = regions(3, true);
  const [atA, atC] = [listener(a, "g:x"), listener(c, "g:x")];
  a.command("PUBLISH", "g:x", "over b");
  network.pass(60);
  assert.deepEqual(atC(), ["over b"]);
  assert.equal(b.replica.exchange.messages.sent, 1, "not back to where it came from");
  network.connect(c, a);
  network.pass(100);
  b.command("PUBLISH", "g:x", "both ways");
  network.pass(60);
  assert.deepEqual(atC(), ["both ways"]);
  assert.deepEqual(atA(), ["over b", "both ways"]);
  a.command("PUBLISH", "g:x", "round");
  network.pass(60);
  assert.deepEqual(atC(), ["round"]);
  assert.deepEqual(
    atA(),
    ["round"],
    "what comes back to where it was told is told to nobody again",
  );
});

test("a message waits for half a minute for what was written before it, and is then given up", () => {
  const { network, a, b } = regions(2);
  const heard = listener(b, "g:x");
  b.replica.exchange.takesRecords = false;
  a.command("SET", "k", "v");
  a.command("PUBLISH", "g:x", "1");
  network.pass(29_000);
  assert.equal(b.replica.exchange.messages.dropped, 0);
  network.pass(2_000);
  assert.equal(b.replica.exchange.messages.dropped, 1);
  b.replica.exchange.takesRecords = true;
  network.pass(10_000);
  assert.equal(b.get("k"), "$1\r\nv\r\n");
  assert.deepEqual(heard(), []);
});

test("no more than four megabytes of messages wait, on either side", () => {
  const large = "x".repeat(250_000);
  const [FIT, SENT] = [16, 18];
  const { network, a, b } = regions(2);
  const heard = listener(b, "g:x");
  const publish = (): void => {
    for (let i = 0; i < SENT; i++) a.command("PUBLISH", "g:x", large);
  };
  a.prompt = false;
  a.command("SET", "k", "v");
  publish();
  assert.equal(a.replica.exchange.messages.dropped, SENT - FIT);
  a.sync();
  a.prompt = true;
  network.pass(60);
  assert.equal(heard().length, FIT);
  b.replica.exchange.takesRecords = false;
  a.command("SET", "k", "w");
  publish();
  network.pass(60);
  assert.equal(b.replica.exchange.messages.dropped, SENT - FIT);
  b.replica.exchange.takesRecords = true;
  network.pass(10_000);
  assert.equal(heard().length, FIT);
});

test("where a link is down or full a message is dropped and counted, and never comes later", () => {
  const { network, a, b } = regions(2);
  const heard = listener(b, "g:x");
  a.replica.exchange.isWritable = () => false;
  a.command("PUBLISH", "g:x", "full");
  assert.equal(a.replica.exchange.messages.dropped, 1);
  a.replica.exchange.isWritable = () => true;
  for (const id of [...a.wires.keys()]) network.close(a, id);
  a.command("PUBLISH", "g:x", "down");
  assert.equal(a.replica.exchange.messages.dropped, 2);
  network.connect(a, b);
  network.pass(200);
  a.command("PUBLISH", "g:x", "x".repeat(300_000));
  assert.equal(a.replica.exchange.messages.dropped, 3);
  a.command("PUBLISH", "g:x", "now");
  network.pass(60);
  assert.deepEqual(heard(), ["now"]);
});

test("a peer whose HELLO names no messages is sent none", () => {
  const network = new Network(["a/1", "b/1"], { keyspaces });
  const [a, b] = network.members as unknown as readonly [Member, Member];
  network.connect(a, b);
  // As the first version of this protocol said it: the features, one byte, are not there.
  for (const wire of b.wires.values())
    for (const frame of wire.frames)
      if (frame.type === FRAME.HELLO) Object.assign(frame, { body: frame.body.subarray(0, -1) });
  network.pass(100);
  a.command("SET", "k", "v");
  a.command("PUBLISH", "g:x", "1");
  network.pass(100);
  assert.equal(b.get("k"), "$1\r\nv\r\n");
  assert.equal(a.frames(FRAME.MESSAGES).length, 0);
  assert.equal(a.replica.exchange.messages.dropped, 1);
  b.command("PUBLISH", "g:x", "1");
  assert.equal(b.frames(FRAME.MESSAGES).length, 1, "the other one has named them");
});

test("messages that make no sense are refused before any of them is believed", () => {
  const { network, a, b } = regions(2);
  const heard = listener(b, "g:x");
  a.command("PUBLISH", "g:x", "1");
  a.command("PUBLISH", "g:x", "2");
  const bodies = a
    .frames(FRAME.MESSAGES)
    .map((effect) => (effect.type === "send" ? effect.body : Buffer.alloc(0)));
  network.pass(40);
  assert.deepEqual(heard(), ["1", "2"]);
  const body = Buffer.concat(bodies);
  const [link] = [...b.replica.exchange.links.values()];
  assert.ok(link);
  b.replica.exchange.receive(link.id, FRAME.MESSAGES, body);
  b.turn();
  assert.deepEqual(heard(), [], "what came before is passed over");
  assert.throws(
    () => b.replica.exchange.receive(link.id, FRAME.MESSAGES, body.subarray(0, -1)),
    Malformed,
  );
});
