import assert from "node:assert/strict";
import { test } from "node:test";
import { mayRun } from "../commands/dispatch.ts";
import { Session } from "../commands/session.ts";
import type { KeyspacePolicy } from "../crdt/policy.ts";
import { argsOf } from "../wire/args.ts";
import { Reply } from "../wire/reply.ts";
import { CheckpointWriter } from "./checkpoint.ts";
import { CheckpointLoader } from "./checkpoint-loader.ts";
import type { Channel } from "./forwards.ts";
import type { Request } from "./forward-words.ts";
import { type Member, Network } from "./network.suite.ts";
import { replicaOf } from "./solo.suite.ts";

const keyspaces: KeyspacePolicy[] = [
  { prefix: "h:", conflict: "lww", format: null, writes: "home", home: "b" },
];

/** Two regions of which b owns the keys, and what b was asked to run. */
function regions(): { network: Network; a: Member; b: Member; asked: [Channel, Request][] } {
  const network = new Network(["a/1", "b/1"], { keyspaces });
  const [a, b] = network.members as [Member, Member];
  const asked: [Channel, Request][] = [];
  hear(b, asked);
  network.connect(a, b);
  network.run();
  network.pass(200);
  return { network, a, b, asked };
}

function hear(b: Member, asked: [Channel, Request][], waits = false): void {
  b.replica.exchange.forwards.host = {
    run: (channel, request) => void asked.push([channel, request]),
    waits: () => waits,
    end: () => {},
  };
}

/** A client of a. */
function clientOf(a: Member): { send: (...words: string[]) => boolean; reply: () => string } {
  const session = new Session(7, "127.0.0.1:1", "127.0.0.1:2", 0, true);
  let last = argsOf("PING");
  return {
    send: (...words) => {
      last = argsOf(...words);
      a.begin();
      const may = mayRun(a.replica.run, session, last);
      a.turn();
      return may;
    },
    reply: () => {
      a.begin();
      assert.ok(mayRun(a.replica.run, session, last), "the answer is here");
      const reply = new Reply();
      a.replica.execute(session, last, reply);
      a.turn();
      return reply.sink.view().latin1Slice();
    },
  };
}

function answer(b: Member, channel: Channel | undefined, reply: string): void {
  assert.ok(channel !== undefined);
  b.begin();
  b.replica.exchange.forwards.answered(channel, false, 0, Buffer.from(reply));
  b.turn();
}

test("a command goes to the owner as its client sent it, with its database, and the answer comes back", () => {
  const { network, a, b, asked } = regions();
  const client = clientOf(a);
  assert.equal(client.send("SET", "h:1", "x\r\n\0"), false, "it waits for the owner");
  network.run();
  const [[channel, request] = []] = asked;
  assert.equal(
    request?.commands.latin1Slice(),
    "*3\r\n$3\r\nSET\r\n$3\r\nh:1\r\n$4\r\nx\r\n\0\r\n",
  );
  assert.deepEqual([request?.user, request?.db, request?.skips], ["default", 0, 0]);
  answer(b, channel, "+OK\r\n");
  network.run();
  assert.equal(client.reply(), "+OK\r\n");
  assert.ok(client.send("GET", "h:1"), "reads stay");
  assert.ok(client.send("SET", "other", "x"), "and so do other keys");
});

test("long requests and answers travel in pieces", () => {
  const { network, a, b, asked } = regions();
  const client = clientOf(a);
  const long = "0123456789".repeat(20_000);
  client.send("APPEND", "h:1", long);
  network.run();
  const [[channel, request] = []] = asked;
  assert.ok(request?.commands.latin1Slice().endsWith(`${long}\r\n`));
  answer(b, channel, `$${long.length}\r\n${long}\r\n`);
  network.run();
  assert.equal(client.reply(), `$${long.length}\r\n${long}\r\n`);
});

test("what is sent again over a new connection is run once, whether it was the request or the answer that got lost", () => {
  for (const isAnswered of [false, true]) {
    const { network, a, b, asked } = regions();
    const client = clientOf(a);
    client.send("INCR", "h:1");
    network.run();
    assert.equal(asked.length, 1);
    network.cut(a, b);
    if (isAnswered) answer(b, asked[0]?.[0], ":1\r\n");
    network.run();
    for (const id of [...a.wires.keys()]) network.close(a, id);
    network.connect(a, b);
    network.pass(400);
    assert.equal(asked.length, 1, "it is not run again");
    if (!isAnswered) answer(b, asked[0]?.[0], ":1\r\n");
    network.run();
    assert.equal(client.reply(), ":1\r\n");
  }
});

test("a request that never arrived is run when it is sent again; of one that may have run at another process nobody knows", () => {
  for (const isAnother of [false, true]) {
    const { network, a, b, asked } = regions();
    const client = clientOf(a);
    network.cut(a, b);
    client.send("INCR", "h:1");
    network.run();
    for (const id of [...a.wires.keys()]) network.close(a, id);
    if (isAnother) b.wipe({ members: ["a/1", "b/1"], keyspaces, life: 9 });
    hear(b, asked);
    network.connect(a, b);
    network.pass(400);
    assert.equal(asked.length, isAnother ? 0 : 1);
    if (isAnother) assert.match(client.reply(), /^-AAUNKNOWN .* may have run or not/);
  }
});

test("who waits for a key at the owner is forgotten with the connection, and waits again over the next", () => {
  const { network, a, b, asked } = regions();
  const client = clientOf(a);
  hear(b, asked, true);
  client.send("BLPOP", "h:1", "0");
  network.run();
  for (const id of [...a.wires.keys()]) network.close(a, id);
  network.connect(a, b);
  network.pass(400);
  assert.equal(asked.length, 2);
});

test("without a connection for too long the client hears whether its command may have run", () => {
  const { network, a, b } = regions();
  const client = clientOf(a);
  client.send("INCR", "h:1");
  network.run();
  for (const id of [...b.wires.keys()]) network.close(b, id);
  network.pass(10_100);
  assert.match(client.reply(), /^-AAUNKNOWN b\/1 .* may have run or not/);
  assert.ok(client.send("INCR", "h:1"), "nobody waits for what has been away for so long");
  assert.match(client.reply(), /^-AAHOME b\/1 .* has not run/);
});

test("a move is known to the new owner by a record, and to the old one from its checkpoint", () => {
  const { network, a, b } = regions();
  assert.equal(b.command("AA.KEYSPACE", "MOVE", "h:", "a").reply, "+OK\r\n");
  network.run();
  const writer = new CheckpointWriter(b.replica);
  const replica = replicaOf("b/1", 1, { members: ["a/1", "b/1"], keyspaces });
  const loader = new CheckpointLoader(replica);
  for (let section = writer.next(), i = 0; section !== null; section = writer.next())
    loader.section(Buffer.from(section), i++);
  replica.begin(1_700_000_000_000, 1_700_000_000_000, 1_700_000_000_000);
  const key = argsOf("h:1");
  assert.equal(replica.run.homes.mayTake(0, key.copy(0)), false);
  assert.equal(
    a.replica.run.homes.mayTake(0, key.copy(0)),
    true,
    "the record has reached the new owner",
  );
});
