/** RdbFile: every key of a file is told of, however the file is cut; what is damaged is found. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Malformed } from "../bytes/source.ts";
import { Strings } from "../bytes/strings.ts";
import { crc64 } from "./crc64.ts";
import { decodePayload, encodePayload } from "./payload.ts";
import { RdbFile, type RdbItem } from "./rdb-file.ts";
import { sameValue } from "./same-value.ts";
import type { Value } from "./value.ts";

const FOOTER_BYTES = 10;

function stringsOf(...texts: string[]): Strings {
  const strings = new Strings();
  for (const text of texts) strings.pushText(text);
  return strings;
}

const many = Array.from({ length: 700 }, (_, i) => `item ${i} ${"x".repeat(i % 90)}`);
const values: Value[] = [
  { type: "string", value: Buffer.from("plain") },
  { type: "string", value: Buffer.from("1234") },
  { type: "string", value: Buffer.from("y".repeat(3000)) },
  { type: "list", items: stringsOf(...many, "z".repeat(10_000)) },
  { type: "set", members: stringsOf("1", "2", "300000") },
  { type: "set", members: stringsOf(...many) },
  { type: "zset", members: stringsOf("a", "b"), scores: [1.5, -Infinity] },
  { type: "zset", members: stringsOf(...many), scores: many.map((_, i) => i / 3) },
  { type: "hash", fields: stringsOf("f"), values: stringsOf("v") },
  { type: "hash", fields: stringsOf(...many), values: stringsOf(...many) },
  {
    type: "stream",
    ids: [(1n << 64n) | 1n, (5n << 64n) | 0n],
    pairs: stringsOf("n", "1", "n", "2"),
    ends: [2, 4],
    lastId: (5n << 64n) | 0n,
    deletedId: 0n,
    added: 2n,
    groups: [
      {
        name: Buffer.from("g"),
        lastId: (1n << 64n) | 1n,
        read: 1n,
        consumers: [
          {
            name: Buffer.from("c"),
            seenMs: 5,
            activeMs: 5,
            pending: [{ id: (1n << 64n) | 1n, deliveredMs: 5, deliveries: 1 }],
          },
        ],
      },
    ],
  },
];

const name = (text: string): Buffer => Buffer.concat([Buffer.of(text.length), Buffer.from(text)]);

/** All values in database 3, the odd ones with a deadline, between what else a file holds. */
function file(...more: Buffer[]): Buffer {
  const parts = [Buffer.from("REDIS0010"), Buffer.of(250), name("redis-ver"), name("7.0.15")];
  parts.push(Buffer.of(245), name("#!lua name=l\n"));
  // What a module keeps beside its keys: an id, and when; a string, and its end.
  parts.push(Buffer.of(247, 0x81, 1, 2, 3, 4, 5, 6, 7, 8, 2, 1, 5), name("aux"), Buffer.of(0));
  parts.push(Buffer.of(254, 3, 251, values.length, 2));
  for (const [i, value] of values.entries()) {
    const payload = Buffer.from(encodePayload(value));
    const deadline = Buffer.alloc(9, 252);
    deadline.writeBigInt64LE(BigInt(5_000_000_000_000 + i), 1);
    if (i % 2 === 1) parts.push(deadline);
    parts.push(Buffer.of(248, 5, 249, 1, payload[0] as number), name(`key ${i}`));
    parts.push(payload.subarray(1, -FOOTER_BYTES));
  }
  return ended(Buffer.concat([...parts, ...more]));
}

function ended(body: Buffer): Buffer {
  const whole = Buffer.concat([body, Buffer.of(255), Buffer.alloc(8)]);
  whole.writeBigUInt64LE(crc64(whole, 0, body.length + 1), body.length + 1);
  return whole;
}

function read(chunks: Iterable<Buffer>, valueBytesMax = 1e6): RdbItem[] {
  const rdb = new RdbFile(valueBytesMax);
  const items: RdbItem[] = [];
  for (const chunk of chunks) {
    rdb.add(chunk);
    for (let item = rdb.next(); item !== null; item = rdb.next()) items.push(item);
  }
  return items;
}

function* cut(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const keys = (items: readonly RdbItem[]): Extract<RdbItem, { type: "key" }>[] =>
  items.filter((item) => item.type === "key");

test("a file's keys are read with their values, deadlines and databases", () => {
  const items = read([file()]);
  assert.deepEqual(
    items.filter(({ type }) => type !== "key"),
    [
      { type: "library", code: Buffer.from("#!lua name=l\n") },
      { type: "unread module" },
      { type: "size", keys: values.length },
      { type: "end" },
    ],
  );
  assert.equal(keys(items).length, values.length);
  for (const [i, { db, key, deadlineMs, payload }] of keys(items).entries()) {
    assert.equal(db, 3);
    assert.equal(key.toString(), `key ${i}`);
    assert.equal(deadlineMs, i % 2 === 1 ? 5_000_000_000_000 + i : 0);
    const value = decodePayload(payload, 1e6);
    assert.ok(value !== null && sameValue(value, values[i] as Value), `value ${i}`);
  }
});

test("a file reads the same however it is cut", () => {
  const bytes = file();
  const whole = read([bytes]);
  for (const size of [1, 2, 3, 7, 100, 4096]) assert.deepEqual(read(cut(bytes, size)), whole);
  for (let at = 0; at < bytes.length; at += 97)
    assert.deepEqual(read([bytes.subarray(0, at), bytes.subarray(at)]), whole);
});

test("a value of a module and one that is too large are named, and what follows them is read", () => {
  const module = [Buffer.of(7), name("of a module"), Buffer.of(0x81, 1, 2, 3, 4, 5, 6, 7, 8)];
  const parts = [Buffer.of(1, 5, 2, 6, 3, 1, 2, 3, 4, 4, 1, 2, 3, 4, 5, 6, 7, 8, 5), name("s")];
  const behind = [Buffer.of(0), name("behind"), name("x")];
  const items = read(cut(file(...module, ...parts, Buffer.of(0), ...behind), 64), 2_000);
  const unread = items.flatMap((item) => (item.type === "unread key" ? [String(item.key)] : []));
  // The text of 3,000 times the same letter is compressed.
  assert.deepEqual(unread, ["key 3", "key 5", "key 7", "key 9", "of a module"]);
  assert.equal(keys(items).at(-1)?.key.toString(), "behind");
  assert.equal(items.at(-1)?.type, "end");
});

test("a file with one byte changed is refused at the latest by its checksum", () => {
  const bytes = file();
  for (let at = 0; at < bytes.length - 8; at += 211) {
    const changed = Buffer.from(bytes);
    (changed[at] as number) ^= 0x10;
    let ends = false;
    try {
      ends = read(cut(changed, 5_000)).at(-1)?.type === "end";
    } catch (error) {
      assert.ok(error instanceof Malformed, String(error));
    }
    assert.ok(!ends, `byte ${at}`);
  }
});

test("what follows the end of a file is left to whoever sent it", () => {
  const rdb = new RdbFile(1e6);
  rdb.add(Buffer.concat([file(), Buffer.from("behind")]));
  while (rdb.next()?.type !== "end");
  assert.equal(rdb.rest().toString(), "behind");
  assert.equal(rdb.position, file().length);
});

test("values that differ in anything a client can see are not the same", () => {
  for (const [i, a] of values.entries())
    for (const [k, b] of values.entries()) assert.equal(sameValue(a, b), i === k, `${i} and ${k}`);
  const set = (...members: string[]): Value => ({ type: "set", members: stringsOf(...members) });
  assert.ok(sameValue(set("a", "b", "c"), set("c", "a", "b")));
  assert.ok(!sameValue(set("a", "b"), set("a", "c")));
  const hash = (fields: string[], texts: string[], deadlines?: number[]): Value => ({
    type: "hash",
    fields: stringsOf(...fields),
    values: stringsOf(...texts),
    ...(deadlines === undefined ? {} : { deadlines }),
  });
  assert.ok(sameValue(hash(["a", "b"], ["1", "2"]), hash(["b", "a"], ["2", "1"])));
  assert.ok(!sameValue(hash(["a", "b"], ["1", "2"]), hash(["b", "a"], ["1", "2"])));
  assert.ok(!sameValue(hash(["a"], ["1"], [5]), hash(["a"], ["1"], [6])));
  const list = (...items: string[]): Value => ({ type: "list", items: stringsOf(...items) });
  assert.ok(!sameValue(list("a", "b"), list("b", "a")));
});
