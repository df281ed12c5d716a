import assert from "node:assert/strict";
import { test } from "node:test";
import { crc64 } from "../rdb/crc64.ts";
import { encodePayload } from "../rdb/payload.ts";
import { Strings } from "../bytes/strings.ts";
import { Standalone } from "./standalone.suite.ts";

/** The bytes in a bulk reply. */
function bulk(reply: string): Buffer {
  assert.equal(reply[0], "$", reply);
  return Buffer.from(reply.slice(reply.indexOf("\r\n") + 2, -2), "latin1");
}

/** A payload of any body with a right footer. */
function payloadOf(...body: number[]): Buffer {
  const out = Buffer.concat([Buffer.from([...body, 10, 0]), Buffer.alloc(8)]);
  out.writeBigUInt64LE(crc64(out, 0, out.length - 8), out.length - 8);
  return out;
}

const BAD_DATA = "-ERR Bad data format\r\n";

test("what DUMP gives, RESTORE writes under another name", () => {
  const client = new Standalone();
  client.raw("SET", "s", "value");
  client.raw("SADD", "t", "a", "1", "b");
  client.raw("HSET", "h", "f", "v", "g", "1");
  client.raw("HINCRBY", "h", "g", "41");
  for (const key of ["s", "t", "h"])
    assert.equal(client.raw("RESTORE", `${key}2`, "0", bulk(client.raw("DUMP", key))), "+OK\r\n");
  assert.equal(client.raw("GET", "s2"), client.raw("GET", "s"));
  assert.equal(client.raw("SINTERCARD", "2", "t", "t2"), ":3\r\n");
  assert.equal(client.raw("HMGET", "h2", "f", "g"), "*2\r\n$1\r\nv\r\n$2\r\n42\r\n");
  assert.equal(client.raw("DUMP", "none"), "$-1\r\n");
});

test("lists and sorted sets are given and taken in their order", () => {
  const client = new Standalone();
  const items = Array.from({ length: 2000 }, (_, i) => `item ${i % 7} ${i}`);
  client.raw("RPUSH", "l", ...items);
  client.raw("ZADD", "z", ...items.flatMap((item, i) => [String((i % 50) / 4), item]));
  for (const [key, ...read] of [
    ["l", "LRANGE"],
    ["z", "ZRANGE"],
  ] as const) {
    const all = (name: string): string =>
      client.raw(...read, name, "0", "-1", ...(key === "z" ? ["WITHSCORES"] : []));
    client.raw("RESTORE", "restored", "0", bulk(client.raw("DUMP", key)), "REPLACE");
    assert.equal(all("restored"), all(key));
    client.raw("COPY", key, "copied", "REPLACE");
    assert.equal(all("copied"), all(key));
  }
});

test("what is given is what Redis 7.0 gives, byte for byte", () => {
  const client = new Standalone();
  client.raw("SET", "n", "42");
  const payload = bulk(client.raw("DUMP", "n"));
  assert.equal(payload.toString("hex"), "00c02a0a0081fb5cfa86634f50");
});

test("RESTORE replaces only when told to, whatever type was there", () => {
  const client = new Standalone();
  client.raw("SADD", "k", "a");
  const payload = encodePayload({ type: "string", value: Buffer.from("v") });
  assert.match(client.raw("RESTORE", "k", "0", payload), /^-BUSYKEY /);
  assert.equal(client.raw("RESTORE", "k", "0", payload, "replace"), "+OK\r\n");
  assert.equal(client.raw("GET", "k"), "$1\r\nv\r\n");
  const members = new Strings();
  members.pushText("m");
  const set = Buffer.from(encodePayload({ type: "set", members }));
  client.raw("PEXPIRE", "k", "1000");
  assert.equal(client.raw("RESTORE", "k", "0", set, "REPLACE"), "+OK\r\n");
  assert.equal(client.raw("SMEMBERS", "k"), "*1\r\n$1\r\nm\r\n");
  assert.equal(client.raw("PTTL", "k"), ":-1\r\n");
});

test("a restored value expires when it was told to, and one whose time has passed is not written", () => {
  const client = new Standalone();
  const payload = encodePayload({ type: "string", value: Buffer.from("v") });
  assert.equal(client.raw("RESTORE", "a", "5000", payload), "+OK\r\n");
  assert.equal(client.raw("PTTL", "a"), ":5000\r\n");
  const at = String(client.nowMs + 7000);
  assert.equal(client.raw("RESTORE", "b", at, payload, "ABSTTL"), "+OK\r\n");
  assert.equal(client.raw("PTTL", "b"), ":7000\r\n");
  assert.equal(client.raw("RESTORE", "b", "1", payload, "ABSTTL", "REPLACE"), "+OK\r\n");
  assert.equal(client.raw("EXISTS", "b"), ":0\r\n");
  assert.match(client.raw("RESTORE", "b", "-1", payload), /^-ERR Invalid TTL value, must be >= 0/);
});

test("what is broken, empty or there twice is refused and changes nothing", () => {
  const client = new Standalone();
  const good = encodePayload({ type: "string", value: Buffer.from("v") });
  const cut = Buffer.from(good);
  cut[1] = 9;
  assert.match(client.raw("RESTORE", "k", "0", cut), /checksum/);
  assert.match(client.raw("RESTORE", "k", "0", ""), /checksum/);
  for (const payload of [
    payloadOf(), // nothing at all
    payloadOf(2, 0), // an empty set
    payloadOf(2, 2, 1, 97, 1, 97), // a member twice
    payloadOf(4, 2, 1, 97, 0, 1, 97, 0), // a field twice
    payloadOf(0, 1, 97, 97), // a byte too many
    payloadOf(6, 1, 97), // a module's
  ])
    assert.equal(client.raw("RESTORE", "k", "0", payload), BAD_DATA);
  assert.equal(client.raw("EXISTS", "k"), ":0\r\n");
});

test("no string comes out longer than a client may send", () => {
  const client = new Standalone({ protoMaxBulkLen: 1024 });
  const long = Buffer.from(encodePayload({ type: "string", value: Buffer.alloc(1025) }));
  assert.match(client.raw("RESTORE", "k", "0", long), /^-ERR string exceeds maximum allowed size/);
  const bomb = Buffer.from(encodePayload({ type: "string", value: Buffer.alloc(16 * 1024 + 1) }));
  assert.equal(client.raw("RESTORE", "k", "0", bomb), BAD_DATA);
});

test("IDLETIME and FREQ are checked as Redis checks them", () => {
  const client = new Standalone();
  const payload = encodePayload({ type: "string", value: Buffer.from("v") });
  assert.equal(client.raw("RESTORE", "a", "0", payload, "IDLETIME", "10"), "+OK\r\n");
  assert.equal(client.raw("RESTORE", "b", "0", payload, "FREQ", "255"), "+OK\r\n");
  assert.match(client.raw("RESTORE", "c", "0", payload, "FREQ", "256"), /Invalid FREQ value/);
  assert.match(
    client.raw("RESTORE", "c", "0", payload, "IDLETIME", "-1"),
    /Invalid IDLETIME value/,
  );
  for (const words of [["FREQ"], ["FREQ", "1", "IDLETIME", "1"], ["KEEPTTL"]])
    assert.equal(client.raw("RESTORE", "c", "0", payload, ...words), "-ERR syntax error\r\n");
});

test("a restored value is as idle, or as often used, as it was told to be", () => {
  const payload = encodePayload({ type: "string", value: Buffer.from("v") });
  const lru = new Standalone({ maxMemoryPolicy: "allkeys-lru" });
  lru.run.keyspace.trackAccess();
  lru.raw("RESTORE", "k", "0", payload, "IDLETIME", "1000");
  assert.equal(lru.raw("OBJECT", "IDLETIME", "k"), ":1000\r\n");
  const lfu = new Standalone({ maxMemoryPolicy: "allkeys-lfu" });
  lfu.run.keyspace.trackAccess();
  lfu.raw("RESTORE", "k", "0", payload, "FREQ", "100");
  assert.equal(lfu.raw("OBJECT", "FREQ", "k"), ":100\r\n");
});

test("a collection of any size is copied and restored whole", () => {
  const client = new Standalone();
  for (let size = 1; size <= 300; size += size < 40 ? 1 : 13) {
    client.raw("DEL", "set", "hash");
    const names = Array.from({ length: size }, (_, i) => `m${i}`);
    client.raw("SADD", "set", ...names);
    client.raw("HSET", "hash", ...names.flatMap((name) => [name, `of ${name}`]));
    for (const key of ["set", "hash"]) {
      client.raw("COPY", key, `${key}2`, "REPLACE");
      client.raw("RESTORE", `${key}3`, "0", bulk(client.raw("DUMP", key)), "REPLACE");
    }
    for (const copy of ["2", "3"]) {
      assert.equal(client.raw("SINTERCARD", "2", "set", `set${copy}`), `:${size}\r\n`);
      assert.equal(client.raw("HLEN", `hash${copy}`), `:${size}\r\n`);
      assert.equal(
        client.raw("HMGET", `hash${copy}`, ...names),
        client.raw("HMGET", "hash", ...names),
      );
    }
  }
});
