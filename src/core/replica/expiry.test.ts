import assert from "node:assert/strict";
import { test } from "node:test";
import { canonical } from "./canonical.suite.ts";
import { Solo } from "./solo.suite.ts";

const always = (): boolean => true;

test("fields are swept once everything older has come, and their key goes with the last", () => {
  const [a, b] = [new Solo("a/1"), new Solo("b/1")];
  a.at(1000);
  a.write(() => {
    a.hset("h", "f", "v");
    a.hset("h", "g", "v");
    a.hcount("h", "n", 5);
  });
  a.write(() => {
    for (const [field, deadline] of [
      ["f", 2000],
      ["n", 2500],
      ["g", 3000],
    ] as const)
      a.hexpire("h", field, deadline);
  });
  a.at(4000);
  a.replica.expiry.sweep(4000, 1999, always);
  a.flush();
  assert.equal(a.blocks.length, 2, "what could still extend a field may be on its way");
  a.replica.expiry.sweep(4000, 2600, always);
  a.flush();
  assert.equal(a.blocks.length, 3);
  assert.match(canonical(a.replica.keyspace), /g\{.*→3000=v\}/);
  assert.doesNotMatch(canonical(a.replica.keyspace), /f\{|n\{/);
  assert.equal(a.replica.keyspace.expirable, 1);
  a.replica.expiry.sweep(4000, 4000, always);
  a.flush();
  assert.equal(canonical(a.replica.keyspace), "");
  assert.equal(a.replica.keyspace.expirable, 0);
  assert.equal(a.replica.keyspace.keys(0), 0);
  b.at(4000);
  for (const block of a.blocks) b.receive(block);
  assert.equal(canonical(b.replica.keyspace), "");
});

test("a sweep takes what it has seen of a field: a value written meanwhile elsewhere stays", () => {
  const [a, b] = [new Solo("a/1"), new Solo("b/1")];
  for (const solo of [a, b]) solo.at(1000);
  a.write(() => a.hset("h", "f", "old"));
  a.write(() => a.hexpire("h", "f", 2000));
  b.write(() => b.hset("h", "f", "new"));
  a.at(3000);
  a.replica.expiry.sweep(3000, 3000, always);
  a.flush();
  for (const block of b.blocks.slice(0, 1)) a.receive(block);
  assert.equal(a.view("h"), "hash f=new until Infinity");
  assert.equal(a.replica.keyspace.expirable, 0);
});

test("a value that resolved a conflict in a large hash outlives a removal that had not seen it", () => {
  const [a, b] = [new Solo("a/1"), new Solo("b/1")];
  for (const solo of [a, b]) {
    solo.replica.keyspace.large = 4;
    solo.at(1000);
  }
  a.write(() => {
    for (let i = 0; i < 20; i++) a.hset("h", `f${i}`, "v");
  });
  b.receive(a.blocks[0] as Buffer);
  a.write(() => a.hresolve("h", "f3", "chosen"));
  const seen = b.blocks.length;
  b.write(() => b.del("h"));
  for (const block of b.blocks.slice(seen)) a.receive(block);
  assert.equal(a.view("h"), "hash f3=chosen until Infinity");
});

test("a key whose deadline was taken away by a command that is taken back expires all the same", () => {
  const a = new Solo("a/1");
  a.at(1000);
  a.write(() => a.sadd("s", "m"));
  a.write(() => a.expire("s", 2000));
  a.replica.writer.protect();
  a.write(() => a.expire("s", 9000));
  a.replica.writer.takeBack();
  a.at(3000);
  assert.equal(a.replica.expiry.sweep(3000, 3000, always), 1);
});

test("a number or a value that EXPIRE ends lies packed, and is what it was when a change of it is taken back", () => {
  const a = new Solo("a/1");
  const { keyspace, writer } = a.replica;
  a.at(1000);
  a.write(() => a.count("n", 3));
  a.write(() => a.set("v", "value"));
  a.write(() => {
    a.expire("n", 2000);
    a.expire("v", 2500);
  });
  a.write(() => a.count("n", 4));
  const packed = (): boolean => keyspace.shards.every((table) => table.objectCount === 0);
  assert.ok(packed());
  const before = canonical(keyspace);
  assert.match(before, /0:n .*→2000/);
  assert.deepEqual([keyspace.expiring(0), keyspace.expirable], [2, 2]);
  writer.protect();
  a.write(() => {
    a.count("n", 5);
    a.expire("n", 9000);
    a.set("v", "another");
    a.set("n", "3");
    a.expire("v", 8000);
    a.del("v");
    for (let i = 0; i < 20; i++) a.count(`other${i % 15}`, i);
  });
  writer.takeBack();
  assert.equal(canonical(keyspace), before);
  assert.ok(packed());
  assert.deepEqual([keyspace.expiring(0), keyspace.expirable, keyspace.keys(0)], [2, 2, 2]);
  a.at(3000);
  assert.equal(a.view("n"), "none");
  assert.equal(a.replica.expiry.sweep(3000, 3000, always), 2);
  assert.deepEqual([keyspace.expiring(0), keyspace.expirable, keyspace.keys(0)], [0, 0, 0]);
});
