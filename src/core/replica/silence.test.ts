import assert from "node:assert/strict";
import { test } from "node:test";
import { FRAME } from "../wire/frame.ts";
import { type Member, Network } from "./network.suite.ts";

function pair(): { network: Network; a: Member; b: Member } {
  const network = new Network(["a/1", "b/1"]);
  const [a, b] = network.members as unknown as readonly [Member, Member];
  network.connect(a, b);
  network.pass(100);
  return { network, a, b };
}

test("a link over which nothing comes for three seconds is closed", () => {
  const { network, a, b } = pair();
  network.cut(a, b);
  network.pass(2_900);
  assert.deepEqual(a.closes(), []);
  network.pass(200);
  assert.deepEqual(a.closes(), ["nothing was heard for 3000 ms"]);
});

test("a replica that stood still for a while reads what has come before it calls a peer silent", () => {
  const { network, a } = pair();
  network.nowMs += 10_000;
  a.tick();
  assert.deepEqual(a.closes(), []);
  network.pass(5_000);
  assert.deepEqual(a.closes(), []);
});

test("a peer from which nothing is taken is not called silent, and is once it is listened to", () => {
  const { network, a, b } = pair();
  network.cut(a, b);
  for (const { replica } of [a, b])
    for (const link of replica.exchange.links.values()) link.held = true;
  network.pass(10_000);
  assert.deepEqual(a.closes(), []);
  for (const link of a.replica.exchange.links.values()) link.held = false;
  network.pass(3_100);
  assert.deepEqual(a.closes(), ["nothing was heard for 3000 ms"]);
});

test("what a peer far behind is sent comes in frames of a size that a slow wire takes", () => {
  const network = new Network(["a/1", "b/1"]);
  const [a, b] = network.members as unknown as readonly [Member, Member];
  for (let i = 0; i < 200; i++) a.command("SET", `key:${i}`, "x".repeat(1_000));
  network.connect(a, b);
  network.pass(100);
  const bytes = a
    .frames(FRAME.BATCH)
    .map((effect) => (effect.type === "send" ? effect.body.length : 0));
  assert.ok(bytes.length >= 6, `${bytes.length} frames`);
  assert.ok(Math.max(...bytes) < 40_000, `${Math.max(...bytes)} bytes`);
  assert.equal(b.get("key:199"), `$1000\r\n${"x".repeat(1_000)}\r\n`);
});
