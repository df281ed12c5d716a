import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Malformed } from "../bytes/source.ts";
import { checkStreamName, checkStreamValue, CONSUMER, ENTRY, GROUP, TALLY } from "./stream-cell.ts";
import {
  compareIds,
  formatId,
  generateId,
  ID_TEXT_BYTES,
  nextId,
  previousId,
  readId,
} from "./stream-id.ts";

const part = fc.oneof(fc.bigInt(0n, 2n ** 64n - 1n), fc.bigInt(0n, 20n));

function idOf(ms: bigint, seq: bigint): Buffer {
  const id = Buffer.alloc(16);
  id.writeBigUInt64BE(ms, 0);
  id.writeBigUInt64BE(seq, 8);
  return id;
}

function textOf(id: Buffer): string {
  const out = Buffer.alloc(ID_TEXT_BYTES);
  return out.latin1Slice(0, formatId(id, 0, out));
}

function numberOf(id: Buffer): bigint {
  return BigInt(`0x${id.toString("hex")}`);
}

test("an id is read and shown as it was written, and is next to its neighbours", () => {
  fc.assert(
    fc.property(part, part, (ms, seq) => {
      const id = idOf(ms, seq);
      const text = `${ms}-${seq}`;
      assert.equal(textOf(id), text);
      const read = Buffer.alloc(16);
      assert.equal(readId(Buffer.from(text), 0, text.length, read), 1);
      assert.ok(read.equals(id));
      if (nextId(read, 0)) {
        assert.equal(numberOf(read), numberOf(id) + 1n);
        assert.ok(compareIds(id, 0, read, 0) < 0);
        assert.ok(previousId(read, 0) && read.equals(id));
      }
    }),
  );
});

test("what is no id is refused: parts beyond 64 bits, signs, anything behind", () => {
  const out = Buffer.alloc(16);
  for (const text of [
    "",
    "-",
    "+",
    "-1",
    "1-",
    "1-1-1",
    "a",
    "18446744073709551616",
    "1-18446744073709551616",
    "1".repeat(128),
  ])
    assert.equal(readId(Buffer.from(text), 0, text.length, out), 0, text);
  assert.equal(readId(Buffer.from("7-*"), 0, 3, out), 3);
  assert.equal(readId(Buffer.from("7"), 0, 1, out), 2);
});

test("members that generate ids behind the same id give later ones, and never the same", () => {
  fc.assert(
    fc.property(
      part,
      part,
      fc.integer({ min: 2, max: 9 }),
      fc.integer({ min: 0 }),
      (ms, seq, members, nowMs) => {
        const given = new Set<string>();
        for (let index = 0; index < members; index++) {
          const id = idOf(ms, seq);
          for (let i = 0; i < 3; i++) {
            const before = numberOf(id);
            if (!generateId(id, nowMs, index, members)) return;
            assert.ok(numberOf(id) > before);
            given.add(textOf(id));
          }
        }
        assert.equal(given.size, 3 * members);
      },
    ),
  );
});

test("cells that are none of a stream's are refused", () => {
  const name = (...bytes: number[]): void => checkStreamName(Buffer.from(bytes), 0, bytes.length);
  const value = (kind: number, ...bytes: number[]): void =>
    checkStreamValue(kind, Buffer.from(bytes), 0, bytes.length);
  const zeros = (count: number): number[] => Array.from({ length: count }, () => 0);
  name(ENTRY, ...zeros(24));
  name(TALLY, ...zeros(8));
  name(GROUP);
  value(ENTRY, 1, 1, 0, 0);
  value(TALLY, ...zeros(20));
  value(GROUP, ...zeros(17 + 24));
  for (const bad of [[], [5], [ENTRY, ...zeros(23)], [TALLY, ...zeros(9)], [CONSUMER, 9]])
    assert.throws(() => name(...bad), Malformed, bad.join(" "));
  for (const [kind, bytes] of [
    [ENTRY, [1, 1, 0]],
    [ENTRY, [1, 127]],
    [ENTRY, [1, 0, 0]],
    [TALLY, zeros(19)],
    [TALLY, zeros(21)],
    [GROUP, zeros(18)],
    [CONSUMER, zeros(7)],
  ] as const)
    assert.throws(() => value(kind, ...bytes), Malformed, `${kind}: ${bytes.join(" ")}`);
});
