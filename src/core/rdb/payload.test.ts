import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Sink } from "../bytes/sink.ts";
import { Strings } from "../bytes/strings.ts";
import { crc64 } from "./crc64.ts";
import { compress, decompress } from "./lzf.ts";
import { ListpackSink } from "./listpack.ts";
import { decodePayload, encodePayload, isWhole } from "./payload.ts";
import { RdbSink } from "./rdb-sink.ts";
import type { StreamValue, Value } from "./value.ts";

const MEBIBYTE = 1024 * 1024;

function stringsOf(items: readonly (Uint8Array | string)[]): Strings {
  const strings = new Strings();
  for (const item of items) {
    const bytes = Buffer.from(item as string);
    strings.push(bytes, 0, bytes.length);
  }
  return strings;
}

/** A payload with a right footer around any body. */
function payloadOf(body: Uint8Array, version = 10): Buffer {
  const out = Buffer.concat([body, Buffer.from([version, version >> 8]), Buffer.alloc(8)]);
  out.writeBigUInt64LE(crc64(out, 0, out.length - 8), out.length - 8);
  return out;
}

/** The value as plain data, in an order that does not matter. */
function plain(value: Value): unknown {
  const list = (strings: Strings): string[] =>
    Array.from({ length: strings.count }, (_, i) => strings.view(i).latin1Slice());
  switch (value.type) {
    case "string":
      return value.value.latin1Slice();
    case "list":
      return list(value.items);
    case "set":
      return list(value.members).sort();
    case "hash": {
      const values = list(value.values);
      return list(value.fields).map((field, i) => [field, values[i]]);
    }
    case "zset":
      return list(value.members)
        .map((member, i) => `${member} ${String(value.scores[i])}`)
        .sort();
    case "stream":
      return { ...value, pairs: list(value.pairs) };
  }
}

const item = fc.oneof(
  fc.uint8Array({ maxLength: 80 }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((n) => Buffer.from(String(n))),
  fc.integer({ min: -5000, max: 5000 }).map((n) => Buffer.from(String(n))),
  fc.integer({ min: 1, max: 600 }).map((n) => Buffer.from("ab".repeat(n))),
);
const items = (maxLength: number) =>
  fc.uniqueArray(item, {
    minLength: 1,
    maxLength,
    selector: (bytes) => Buffer.from(bytes).latin1Slice(),
  });

const values: fc.Arbitrary<Value> = fc.oneof(
  item.map((bytes): Value => ({ type: "string", value: Buffer.from(bytes) })),
  items(700).map((all): Value => ({ type: "list", items: stringsOf(all) })),
  items(700).map((all): Value => ({ type: "set", members: stringsOf(all) })),
  items(700).map((all): Value => ({
    type: "hash",
    fields: stringsOf(all),
    values: stringsOf(all.toReversed()),
  })),
  fc
    .tuple(items(200), fc.array(fc.double({ noNaN: true }), { minLength: 200, maxLength: 200 }))
    .map(([all, scores]): Value => ({
      type: "zset",
      members: stringsOf(all),
      scores: scores.slice(0, all.length),
    })),
);

/** A stream of `count` entries in which every third has names of its own, read by two consumers. */
function streamOf(count: number): StreamValue {
  const pairs = new Strings();
  const ids: bigint[] = [];
  const ends: number[] = [];
  for (let i = 0; i < count; i++) {
    ids.push((BigInt(1000 + (i >> 2)) << 64n) | BigInt(i));
    for (const text of i % 3 === 0 ? ["other", `${i}`, "x", "y"] : ["name", `value ${i}`])
      pairs.pushText(text);
    ends.push(pairs.count);
  }
  const pending = (id: bigint | undefined) =>
    id === undefined ? [] : [{ id, deliveredMs: 1_700_000_000_000, deliveries: 3 }];
  return {
    type: "stream",
    ids,
    pairs,
    ends,
    lastId: 2n ** 128n - 1n,
    deletedId: 7n,
    added: BigInt(count) + 5n,
    groups: [
      {
        name: Buffer.from("g"),
        lastId: 5n,
        read: -1n,
        consumers: [
          { name: Buffer.from("a"), seenMs: 1, activeMs: 1, pending: pending(ids[0]) },
          { name: Buffer.from("b"), seenMs: 2, activeMs: 2, pending: pending(ids[1]) },
        ],
      },
    ],
  };
}

test("the checksum is that of Redis", () => {
  assert.equal(crc64(Buffer.from("123456789"), 0, 9), 0xe9c6d914c4b8d9can);
});

test("every value comes out of its payload as it went in", () => {
  fc.assert(
    fc.property(values, (value) => {
      const payload = encodePayload(value);
      assert.ok(isWhole(payload));
      const decoded = decodePayload(payload, MEBIBYTE);
      assert.ok(decoded !== null);
      assert.deepEqual(plain(decoded), plain(value));
    }),
    { numRuns: 300 },
  );
  for (const count of [0, 1, 99, 100, 101, 1000]) {
    const decoded = decodePayload(encodePayload(streamOf(count)), MEBIBYTE);
    assert.ok(decoded !== null);
    assert.deepEqual(plain(decoded), plain(streamOf(count)));
  }
});

test("what is compressed comes back, matches that overlap and distances at the limit included", () => {
  const check = (bytes: Uint8Array): void => {
    const sink = new Sink();
    if (!compress(bytes, 0, bytes.length, bytes.length, sink)) assert.equal(sink.length, 0);
    else assert.deepEqual(decompress(sink.view(), bytes.length), Buffer.from(bytes));
  };
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 1, max: 400 }))),
      (runs) => check(Buffer.concat(runs.map(([byte, count]) => Buffer.alloc(count, byte)))),
    ),
  );
  for (const gap of [8190, 8191, 8192, 8193]) {
    const far = Buffer.from(Array.from({ length: gap }, (_, i) => (i * 2654435761) >>> 24));
    check(Buffer.concat([Buffer.from("needle"), far.subarray(6), Buffer.from("needle"), far]));
  }
  const sink = new Sink();
  assert.ok(compress(Buffer.alloc(10_000), 0, 10_000, 200, sink));
});

test("a payload whose footer is wrong is not whole", () => {
  const payload = encodePayload({ type: "string", value: Buffer.from("value") });
  for (let at = 0; at < payload.length; at++) {
    const broken = Buffer.from(payload);
    broken[at] = (broken[at] as number) ^ 1;
    assert.ok(!isWhole(broken), `byte ${at}`);
  }
  for (let length = 0; length < payload.length; length++)
    assert.ok(!isWhole(payload.subarray(0, length)));
  assert.ok(isWhole(payloadOf(Buffer.from([0, 0]), 12)));
  assert.ok(!isWhole(payloadOf(Buffer.from([0, 0]), 13)));
});

test("a broken payload is refused or read as something, in bounded memory, and never throws", () => {
  const seeds = fc.oneof(values, fc.integer({ min: 0, max: 210 }).map(streamOf)).map((value) => {
    const payload = encodePayload(value);
    return Buffer.from(payload.subarray(0, payload.length - 10));
  });
  const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(
    fc.property(
      seeds,
      changes,
      fc.boolean(),
      fc.integer({ min: 0, max: 26 }),
      (body, all, retype, type) => {
        for (const [at, byte] of all) body[at % body.length] = byte;
        if (retype) body[0] = type;
        decodePayload(payloadOf(body), MEBIBYTE);
      },
    ),
    { numRuns: 3000 },
  );
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 26 }), fc.uint8Array({ maxLength: 60 }), (type, rest) => {
      decodePayload(payloadOf(Buffer.from([type, ...rest])), MEBIBYTE);
    }),
    { numRuns: 3000 },
  );
});

test("what promises more than it has is refused before memory is taken for it", () => {
  for (const hex of [
    "00 81 00 00 ff ff ff ff ff ff", // a string of 2^48 bytes
    "00 c3 04 80 ff ff ff ff 01 61 62 20", // four bytes that decompress to 4 GiB
    "01 80 ff ff ff ff 00", // a list of 2^32 items
    "04 81 00 ff ff ff ff ff ff ff 00 00", // a hash of 2^56 fields
    "12 80 7f ff ff ff 02", // a list of 2^31 nodes
    "13 81 ff ff ff ff ff ff ff ff", // a stream of 2^64 nodes
    "0b 08 08 00 00 00 ff ff ff 1f", // an intset of 2^29 integers
  ])
    assert.equal(
      decodePayload(payloadOf(Buffer.from(hex.replaceAll(" ", ""), "hex")), MEBIBYTE),
      null,
      hex,
    );
  const bomb = encodePayload({ type: "string", value: Buffer.alloc(2 * MEBIBYTE) });
  assert.ok(bomb.length < MEBIBYTE / 10);
  assert.equal(decodePayload(bomb, MEBIBYTE), null);
  assert.notEqual(decodePayload(bomb, 2 * MEBIBYTE), null);
});

/** A listpack of short strings and small integers. */
function listpack(...entries: (string | number)[]): Buffer {
  const pack = new ListpackSink();
  for (const entry of entries)
    if (typeof entry === "number") pack.integer(entry);
    else pack.text(entry);
  return Buffer.from(pack.finish());
}

/** A payload of 7.2 or 7.4: its kind, then numbers as bytes and strings with their lengths. */
function newer(kind: number, ...parts: (number | Buffer | string)[]): Buffer {
  const sink = new RdbSink();
  sink.u8(kind);
  for (const part of parts) {
    const bytes = typeof part === "number" ? null : Buffer.from(part as string);
    if (bytes === null) sink.u8(part as number);
    else sink.string(bytes, 0, bytes.length);
  }
  return payloadOf(sink.view(), 12);
}

test("a set that 7.2 packs is read", () => {
  const value = decodePayload(newer(20, listpack("a", 7)), MEBIBYTE);
  assert.deepEqual(value && plain(value), ["7", "a"]);
});

test("a stream of 7.2 is read, with the time at which a consumer last got an entry", () => {
  const written = encodePayload(streamOf(3));
  const old = written.subarray(1, -10);
  // Each consumer: a name of one byte, the time it was seen, and now the time it was active.
  const at = [
    old.indexOf(Buffer.from([1, 97, 1, 0, 0, 0])),
    old.indexOf(Buffer.from([1, 98, 2, 0, 0, 0])),
  ];
  const active = Buffer.from([9, 0, 0, 0, 0, 0, 0, 0]);
  const [first = 0, second = 0] = at.map((start) => start + 10);
  const body = Buffer.concat([
    ...[Buffer.of(21), old.subarray(0, first), active],
    ...[old.subarray(first, second), active, old.subarray(second)],
  ]);
  const value = decodePayload(payloadOf(body, 11), MEBIBYTE);
  assert.ok(value?.type === "stream");
  const times = value.groups[0]?.consumers.map(({ seenMs, activeMs }) => [seenMs, activeMs]);
  assert.deepEqual(times, [
    [1, 9],
    [2, 9],
  ]);
});

test("a hash of 7.4 is read with the deadlines of its fields", () => {
  const soonest = [10, 0, 0, 0, 0, 0, 0, 0];
  const packed = (ttl: number): Value | null =>
    decodePayload(newer(25, ...soonest, listpack("f", "v", 0, "g", "w", ttl)), MEBIBYTE);
  const plainly = (ttl: number): Value | null =>
    decodePayload(newer(24, ...soonest, 2, 0, "f", "v", ttl, "g", "w"), MEBIBYTE);
  for (const [read, ttl] of [
    [packed, 15],
    [plainly, 6],
  ] as const) {
    const value = read(0);
    assert.deepEqual(value && plain(value), [
      ["f", "v"],
      ["g", "w"],
    ]);
    const deadlinesOf = (ms: number): unknown => {
      const found = read(ms);
      return found?.type === "hash" ? found.deadlines : found;
    };
    assert.deepEqual(deadlinesOf(0), [Infinity, Infinity]);
    assert.deepEqual(new Set(deadlinesOf(ttl) as number[]), new Set([Infinity, 15]));
  }
});
