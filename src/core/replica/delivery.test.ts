import assert from "node:assert/strict";
import { test } from "node:test";
import { Malformed } from "../bytes/source.ts";
import { canonical } from "./canonical.suite.ts";
import { CheckpointWriter } from "./checkpoint.ts";
import { chanceOf } from "./chance.suite.ts";
import { Solo } from "./solo.suite.ts";

/** A replica that has made one record of every kind of effect, and its blocks. */
function everyKind(): Solo {
  const solo = new Solo("a/1");
  solo.at(1000);
  solo.write(() => solo.set("s", "value"));
  solo.write(() => solo.set("e", "value", 5000));
  solo.write(() => solo.count("n", 5));
  solo.write(() => solo.count("n", -2));
  solo.write(() => {
    solo.sadd("set", "x");
    solo.sadd("set", "y");
  });
  solo.write(() => solo.srem("set", "x"));
  solo.write(() => solo.hset("h", "f", "v"));
  solo.write(() => solo.hcount("h", "c", 7));
  solo.write(() => solo.hdel("h", "c"));
  solo.write(() => solo.expire("set", 3000));
  solo.write(() => {
    solo.count("n", 1);
    solo.del("n");
    solo.count("n", 2);
  });
  solo.write(() => solo.set("other", "db", Infinity, 3));
  solo.at(3500);
  solo.write(() => solo.sadd("set", "z"));
  solo.write(() => solo.expire("set", 3600));
  solo.at(4000);
  solo.replica.expiry.sweep(4000, 4000, () => true);
  solo.flush();
  solo.write(() => solo.flushall(3));
  return solo;
}

test("a record is delivered once, whatever order and however often it comes", () => {
  const a = everyKind();
  const b = new Solo("b/1");
  b.at(4000);
  for (const block of a.blocks.toReversed()) b.receive(block);
  for (const block of a.blocks) b.receive(block);
  assert.equal(canonical(b.replica.keyspace), canonical(a.replica.keyspace));
  const before = canonical(b.replica.keyspace);
  for (const block of a.blocks) assert.equal(b.receive(block), 0);
  assert.equal(canonical(b.replica.keyspace), before);
});

test("a record from the future waits until its time has come", () => {
  const a = new Solo("a/1");
  a.at(10_000);
  a.write(() => a.set("k", "v"));
  const b = new Solo("b/1");
  b.at(4_000);
  assert.equal(b.receive(a.blocks[0] as Buffer), 0);
  assert.equal(b.view("k"), "none");
  b.at(5_000);
  b.replica.delivery.retry();
  assert.equal(b.view("k"), "string v until Infinity");
});

test("a record waits for what it depends on", () => {
  const [a, b, c] = [new Solo("a/1"), new Solo("b/1"), new Solo("c/1")];
  for (const solo of [a, b, c]) solo.at(1000);
  a.write(() => a.set("k", "first"));
  b.receive(a.blocks[0] as Buffer);
  b.write(() => b.del("k"));
  assert.equal(c.receive(b.blocks[1] as Buffer), 0);
  assert.equal(c.replica.delivery.waitingCount, 1);
  assert.equal(c.receive(a.blocks[0] as Buffer), 2);
  assert.equal(c.view("k"), "none");
});

test("a gap is noticed, and nothing behind it is applied", () => {
  const a = everyKind();
  const b = new Solo("b/1");
  b.at(4000);
  b.receive(a.blocks[0] as Buffer);
  assert.equal(b.receive(a.blocks[3] as Buffer), 0);
  assert.equal(b.replica.delivery.gaps.get(b.number(a)), 2);
});

test("a record that makes no sense leaves nothing behind, wherever it is broken", () => {
  const a = everyKind();
  const chance = chanceOf(7);
  let refused = 0;
  for (let round = 0; round < 4000; round++) {
    const block = a.blocks[round % a.blocks.length] as Buffer;
    const broken = mutated(block, chance);
    const b = new Solo("b/1");
    b.at(4000);
    for (const earlier of a.blocks) {
      if (earlier === block) break;
      b.receive(earlier);
    }
    const before = canonical(b.replica.keyspace);
    const { appliedCount } = b.replica.delivery;
    try {
      b.receive(broken);
      // What is accepted fits into a checkpoint too.
      const writer = new CheckpointWriter(b.replica);
      while (writer.next() !== null);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      refused++;
      if (b.replica.delivery.appliedCount === appliedCount)
        assert.equal(canonical(b.replica.keyspace), before, "all or nothing");
    }
  }
  assert.ok(refused > 1000);
});

test("a record is applied whole or not at all: broken in its second effect, the first did not happen", () => {
  const a = new Solo("a/1");
  a.at(1000);
  a.write(() => {
    a.set("first", "1");
    a.set("second", "2");
  });
  const block = Buffer.from(a.blocks[0] as Buffer);
  // The op of the second effect: the one before its key's length and name.
  block[block.indexOf("second") - 2] = 0x3e;
  const b = new Solo("b/1");
  b.at(1000);
  assert.throws(() => b.receive(block), Malformed);
  assert.equal(b.view("first"), "none");
  b.receive(a.blocks[0] as Buffer);
  assert.equal(
    b.view("second"),
    "string 2 until Infinity",
    "sent again as it was made, it is applied",
  );
});

test("a broken record that waited closes the link it came over, and no other", () => {
  const [a, b, c] = [new Solo("a/1"), new Solo("b/1"), new Solo("c/1")];
  for (const solo of [a, b, c]) solo.at(1000);
  a.write(() => a.set("k", "first"));
  b.receive(a.blocks[0] as Buffer);
  b.write(() => b.set("word", "2"));
  const broken = Buffer.from(b.blocks[1] as Buffer);
  broken[broken.indexOf("word") - 2] = 0x3e;
  c.receive(broken, 5);
  c.receive(a.blocks[0] as Buffer, 6);
  assert.equal(c.view("k"), "string first until Infinity");
  assert.deepEqual([...c.replica.delivery.broken.keys()], [5]);
  c.receive(b.blocks[1] as Buffer, 6);
  assert.equal(c.view("word"), "string 2 until Infinity");
});

test("a run must hold as many records as it says", () => {
  const a = new Solo("a/1");
  a.at(1000);
  a.writer.nowMs = 1000;
  a.set("k", "1");
  a.writer.commit();
  a.set("k", "2");
  a.writer.commit();
  a.flush();
  const block = a.blocks[0] as Buffer;
  const count = block.indexOf("a/1") + 4;
  for (const lie of [1, 3]) {
    const broken = Buffer.from(block);
    assert.equal(broken[count], 2);
    broken[count] = lie;
    const b = new Solo("b/1");
    b.at(1000);
    assert.throws(() => b.receive(broken), Malformed);
  }
});

/** A copy with a byte or two changed, cut off, or put in. */
function mutated(block: Buffer, chance: () => number): Buffer {
  const at = 1 + Math.floor(chance() * (block.length - 1));
  const x = chance();
  if (x < 0.2) return Buffer.from(block.subarray(0, at));
  if (x < 0.3)
    return Buffer.concat([
      block.subarray(0, at),
      Buffer.from([chance() * 256]),
      block.subarray(at),
    ]);
  const copy = Buffer.from(block);
  for (let left = chance() < 0.5 ? 1 : 2; left > 0; left--)
    copy[1 + Math.floor(chance() * (block.length - 1))] = Math.floor(chance() * 256);
  return copy;
}
