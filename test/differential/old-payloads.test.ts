/**
 * Payloads as earlier versions of Redis wrote them: Redis 7.0 still restores them, and what it dumps then is what we read.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { crc64 } from "../../src/core/rdb/crc64.ts";
import { decodePayload } from "../../src/core/rdb/payload.ts";
import { RdbSink } from "../../src/core/rdb/rdb-sink.ts";
import type { Value } from "../../src/core/rdb/value.ts";
import type { Strings } from "../../src/core/bytes/strings.ts";
import { RespConnection } from "../support/resp-connection.ts";
import { isError, textOf } from "../support/resp.ts";
import { startServer, type TestServer } from "../support/server.ts";

const DECOMPRESSED_MAX = 1024 * 1024;

let server: TestServer;
let redis: RespConnection;

before(async () => {
  server = await startServer("redis");
  redis = await RespConnection.open(server.port);
});

after(async () => {
  redis[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
});

/** A ziplist of strings and integers. */
function ziplist(items: readonly (Buffer | number | bigint)[]): Buffer {
  const parts: Buffer[] = [];
  let previous = 0;
  let last = 10;
  let at = 10;
  for (const item of items) {
    const distance =
      previous < 254 ? Buffer.of(previous) : Buffer.concat([Buffer.of(254), u32(previous)]);
    const entry = Buffer.concat([distance, ziplistBody(item)]);
    parts.push(entry);
    last = at;
    at += entry.length;
    previous = entry.length;
  }
  const head = Buffer.concat([
    u32(at + 1),
    u32(last),
    Buffer.of(items.length & 255, items.length >> 8),
  ]);
  return Buffer.concat([head, ...parts, Buffer.of(255)]);
}

function ziplistBody(item: Buffer | number | bigint): Buffer {
  if (Buffer.isBuffer(item)) {
    const { length } = item;
    if (length < 64) return Buffer.concat([Buffer.of(length), item]);
    if (length < 16384) return Buffer.concat([Buffer.of(0x40 | (length >> 8), length & 255), item]);
    const long = Buffer.alloc(5, 0x80);
    long.writeUInt32BE(length, 1);
    return Buffer.concat([long, item]);
  }
  const value = Number(item);
  if (value >= 0 && value <= 12) return Buffer.of(0xf1 + value);
  for (const [kind, size] of [
    [0xfe, 1],
    [0xc0, 2],
    [0xf0, 3],
    [0xd0, 4],
  ] as const) {
    if (value < -(2 ** (8 * size - 1)) || value >= 2 ** (8 * size - 1)) continue;
    const out = Buffer.of(kind, ...Buffer.alloc(size));
    out.writeIntLE(value, 1, size);
    return out;
  }
  const out = Buffer.alloc(9, 0xe0);
  out.writeBigInt64LE(BigInt(item), 1);
  return out;
}

function u32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value);
  return out;
}

/** Names and values of a zipmap, the values with some bytes behind them that nobody uses. */
function zipmap(items: readonly Buffer[]): Buffer {
  const parts: Buffer[] = [Buffer.of(items.length / 2)];
  for (const [i, item] of items.entries()) {
    parts.push(
      item.length < 254
        ? Buffer.of(item.length)
        : Buffer.concat([Buffer.of(254), u32(item.length)]),
    );
    const unused = i % 4 === 3 ? 3 : 0;
    if (i % 2 === 1) parts.push(Buffer.of(unused));
    parts.push(item, Buffer.alloc(i % 2 === 1 ? unused : 0));
  }
  return Buffer.concat([...parts, Buffer.of(255)]);
}

function payload(kind: number, write: (sink: RdbSink) => void): Buffer {
  const sink = new RdbSink();
  sink.u8(kind);
  write(sink);
  sink.u8(9);
  sink.u8(0);
  const footer = Buffer.alloc(8);
  footer.writeBigUInt64LE(crc64(sink.buffer, 0, sink.length));
  sink.raw(footer, 0, 8);
  return sink.copy();
}

function string(sink: RdbSink, bytes: Buffer | string): void {
  const all = Buffer.from(bytes as string);
  sink.string(all, 0, all.length);
}

const text = (item: Buffer | number | bigint): Buffer =>
  Buffer.isBuffer(item) ? item : Buffer.from(String(item));

const many = [
  ...[0, 1, 12, 13, 127, -1, -128, 128, -129, 32767, -32768, 32768, -8388608, 8388607, 8388608],
  ...[2147483647, -2147483648, 2147483648n, 9223372036854775807n, -9223372036854775808n],
  ...[
    "",
    "a",
    "x".repeat(63),
    "y".repeat(64),
    "z".repeat(252),
    "z".repeat(253),
    "z".repeat(300),
  ].map((s) => Buffer.from(s)),
  Buffer.alloc(16384, "long"),
];
const pairs = ["a", "1", "b", "", "long", "v".repeat(300), "n".repeat(260), "42"].map((s) =>
  Buffer.from(s),
);
const scores: (Buffer | number)[] = ["a", -7, "b", 3, "c", "3.25", "d", "inf"].map((one) =>
  typeof one === "number" ? one : Buffer.from(one),
);

const forms: Readonly<Record<string, Buffer>> = {
  "a list of strings": payload(1, (sink) => {
    sink.count(many.length);
    for (const item of many) string(sink, text(item));
  }),
  "a list in a ziplist": payload(10, (sink) => string(sink, ziplist(many))),
  "a list of ziplists": payload(14, (sink) => {
    sink.count(2);
    string(sink, ziplist(many));
    string(sink, ziplist([5, Buffer.from("end")]));
  }),
  "a sorted set with scores as text": payload(3, (sink) => {
    sink.count(5);
    for (const [member, score] of [
      ["a", "1.5"],
      ["b", "-3"],
      ["c", "1e100"],
    ] as const) {
      string(sink, member);
      sink.u8(score.length);
      sink.latin1(score);
    }
    string(sink, "low");
    sink.u8(255);
    string(sink, "high");
    sink.u8(254);
  }),
  "a sorted set in a ziplist": payload(12, (sink) => string(sink, ziplist(scores))),
  "a hash in a ziplist": payload(13, (sink) => string(sink, ziplist(pairs))),
  "a hash in a zipmap": payload(9, (sink) => string(sink, zipmap(pairs))),
};

for (const [name, form] of Object.entries(forms))
  test(`${name} is read as Redis 7.0 reads it`, async () => {
    const restored = await redis.call("RESTORE", "k", 0, form, "REPLACE");
    assert.ok(!isError(restored), textOf(restored)?.toString());
    const dumped = textOf(await redis.call("DUMP", "k"));
    const theirs = decodePayload(dumped ?? Buffer.alloc(0), DECOMPRESSED_MAX);
    const ours = decodePayload(form, DECOMPRESSED_MAX);
    assert.ok(theirs !== null && ours !== null);
    assert.deepEqual(contentOf(ours), contentOf(theirs));
  });

test("a stream of Redis 5 is read as Redis 7.0 reads it, with what its groups have read", async () => {
  await redis.call("DEL", "s");
  for (const id of ["5-1", "5-2", "9-0"]) await redis.call("XADD", "s", id, "field", id);
  for (const [group, from] of [
    ["none", "0"],
    ["first", "5-1"],
    ["middle", "5-2"],
    ["all", "9-0"],
  ] as const)
    await redis.call("XGROUP", "CREATE", "s", group, from);
  await redis.call("XREADGROUP", "GROUP", "first", "ann", "COUNT", "1", "STREAMS", "s", ">");
  const newer = textOf(await redis.call("DUMP", "s")) ?? Buffer.alloc(0);
  const value = decodePayload(newer, DECOMPRESSED_MAX);
  assert.ok(value?.type === "stream");
  // The old form has no first id, no highest deleted id, no number of entries added, and no numbers of entries read.
  const older = payload(15, (sink) => {
    const body = newer.subarray(1, -10);
    const listpacks = body.indexOf(Buffer.from([3, 9, 0])) + 3;
    sink.raw(body, 0, listpacks);
    sink.count(value.groups.length);
    for (const group of value.groups) {
      string(sink, group.name);
      sink.count64(group.lastId >> 64n);
      sink.count64(group.lastId & (2n ** 64n - 1n));
      const pending = group.consumers.flatMap((consumer) => consumer.pending);
      sink.count(pending.length);
      for (const entry of pending) {
        sink.u64(entry.id >> 64n);
        sink.u64(entry.id & (2n ** 64n - 1n));
        sink.time(entry.deliveredMs);
        sink.count(entry.deliveries);
      }
      sink.count(group.consumers.length);
      for (const consumer of group.consumers) {
        string(sink, consumer.name);
        sink.time(consumer.seenMs);
        sink.count(consumer.pending.length);
        for (const entry of consumer.pending) {
          sink.u64(entry.id >> 64n);
          sink.u64(entry.id & (2n ** 64n - 1n));
        }
      }
    }
  });
  const restored = await redis.call("RESTORE", "old", 0, older, "REPLACE");
  assert.ok(!isError(restored), textOf(restored)?.toString());
  const dumped = textOf(await redis.call("DUMP", "old")) ?? Buffer.alloc(0);
  const theirs = decodePayload(dumped, DECOMPRESSED_MAX);
  const ours = decodePayload(older, DECOMPRESSED_MAX);
  assert.ok(theirs !== null && ours !== null);
  assert.deepEqual(contentOf(ours), contentOf(theirs));
});

/** As plain data, unordered where order means nothing. */
function contentOf(value: Value): unknown {
  switch (value.type) {
    case "list":
      return lines(value.items);
    case "hash":
      return lines(value.fields, value.values).sort();
    case "zset":
      return lines(value.members)
        .map((member, i) => `${member} ${String(value.scores[i])}`)
        .sort();
    case "stream":
      return { ...value, pairs: lines(value.pairs) };
    default:
      return value;
  }
}

function lines(...columns: Strings[]): string[] {
  return Array.from({ length: columns[0]?.count ?? 0 }, (_, i) =>
    columns.map((column) => column.view(i).toString("hex")).join("="),
  );
}
