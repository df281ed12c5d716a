import assert from "node:assert/strict";
import { test } from "node:test";
import { type Guest, Latecomers, Resolvers } from "./latecomers.ts";

const guest = (id: number, lastMs: number, name = "shop", address = "10.0.0.1"): Guest => ({
  id,
  address,
  name,
  lastMs,
});

test("who said something since a region is drained is named, with the connections it opened and those it still has", () => {
  const late = new Latecomers();
  late.look([guest(1, 900), guest(2, 900, "idle", "10.0.0.2")], 1_000);
  assert.deepEqual(late.list, [], "what was said before does not count");
  late.look([guest(1, 1_500), guest(2, 900, "idle", "10.0.0.2")], 2_000);
  late.look([guest(1, 1_500), guest(3, 2_500), guest(4, 2_600, "job")], 3_000);
  late.look([guest(4, 2_600, "job")], 4_000);
  assert.deepEqual(late.list, [
    { address: "10.0.0.1", name: "job", connections: 1, open: 1, lastMs: 2_600 },
    { address: "10.0.0.1", name: "shop", connections: 2, open: 0, lastMs: 2_500 },
  ]);
  late.look(null, 5_000);
  assert.equal(late.sinceMs, null);
  assert.deepEqual(late.list, [], "it serves again");
});

test("however many come, no more than a thousand are kept, and it is said how many were not", () => {
  const late = new Latecomers();
  late.look([], 0);
  late.look(
    Array.from({ length: 1_500 }, (_, i) => guest(i + 1, 10, `client-${i}`)),
    1_000,
  );
  assert.equal(late.list.length, 1_000);
  assert.equal(late.forgotten, 500);
});

test("a resolver leads to a region until it is told another", () => {
  const resolvers = new Resolvers();
  const [a, b] = [Buffer.from([192, 0, 2, 1]), Buffer.from([192, 0, 2, 2])];
  resolvers.told(a, ["us"], 1_000, 30);
  resolvers.told(a, ["us", "eu"], 2_000, 30);
  resolvers.told(b, ["us"], 3_000, 5);
  resolvers.told(b, ["eu"], 4_000, 5);
  assert.deepEqual(resolvers.leadingTo("us"), [
    { address: a, answers: 2, toldMs: 2_000, untilMs: 32_000 },
  ]);
  for (let i = 0; i < 20_000; i++)
    resolvers.told(Buffer.from([10, 0, i >> 8, i & 255]), ["us"], i, 5);
  assert.equal(resolvers.leadingTo("us").length, 10_000);
});
