import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Vector } from "../clock/vector.ts";
import { LogIndex } from "./log-index.ts";

const MIB = 1024 * 1024;

/** Blocks of one record each, of two origins in turn. */
function logOf(sizes: readonly number[]): { index: LogIndex; applied: Vector; ends: number[] } {
  const index = new LogIndex();
  const applied = new Vector();
  index.begin(0, applied);
  const ends: number[] = [];
  let end = 0;
  for (const [i, size] of sizes.entries()) {
    end += size;
    applied.raise(i % 2, Math.floor(i / 2) + 1);
    index.appended(end, applied, false);
    ends.push(end);
  }
  return { index, applied, ends };
}

const sizes = fc.array(fc.integer({ min: 1, max: 3 * MIB }), { minLength: 1, maxLength: 30 });

test("whoever lacks records behind some vector and reads from where the index says misses none", () => {
  fc.assert(
    fc.property(sizes, fc.nat(20), fc.nat(20), (blocks, a, b) => {
      const { index, ends } = logOf(blocks);
      const has = new Vector();
      has.raise(0, a);
      has.raise(1, b);
      const from = index.startFor((vector) => has.includes(vector));
      ends.forEach((end, i) => {
        if (!has.covers(i % 2, Math.floor(i / 2) + 1))
          assert.ok(from < end, "it lies behind the start");
      });
      const skipped = ends.filter(
        (end, i) => end > from && has.covers(i % 2, Math.floor(i / 2) + 1),
      );
      if (skipped.length === ends.length - ends.findIndex((end) => end > from))
        assert.ok((ends.at(-1) as number) - from <= 4 * MIB, "little is read for nothing");
    }),
  );
});

test("durable is what lies before the position the disk has reached", () => {
  const { index, ends } = logOf([10, 10, 10, 10]);
  const durable = new Vector();
  index.stored(5, durable);
  assert.deepEqual([durable.get(0), durable.get(1)], [0, 0], "half a block is none");
  index.stored(ends[1] as number, durable);
  assert.deepEqual([durable.get(0), durable.get(1)], [1, 1]);
  index.stored(ends[3] as number, durable);
  assert.deepEqual([durable.get(0), durable.get(1)], [2, 2]);
  assert.equal(index.durableTo, 40);
});

test("after a restart nothing counts as held that was forgotten since the checkpoint", () => {
  const { index, applied, ends } = logOf([MIB, MIB, MIB, MIB]);
  const marks = index.marks();
  const restored = (begin: number): LogIndex => {
    const next = new LogIndex();
    next.restore(marks, ends[3] as number);
    next.reachesBackTo(begin, applied);
    return next;
  };
  assert.equal(restored(0).baseVector.get(0), 0);
  // A segment ends anywhere; the next mark behind it says what lies before.
  const next = restored(MIB + 1);
  assert.deepEqual([next.baseVector.get(0), next.baseVector.get(1)], [1, 1]);
  assert.equal(
    next.startFor(() => true),
    4 * MIB,
  );
  const bare = restored(4 * MIB + 1);
  assert.deepEqual([bare.baseVector.get(0), bare.baseVector.get(1)], [2, 2]);
});

test("the log is cut only at marks, before the checkpoint, and never before what somebody lacks", () => {
  const { index, ends } = logOf([MIB, MIB, MIB, MIB]);
  assert.equal(
    index.cutBefore(ends[3] as number, () => true),
    ends[3],
  );
  assert.equal(
    index.cutBefore((ends[2] as number) - 1, () => true),
    ends[1],
  );
  assert.equal(
    index.cutBefore(ends[3] as number, (vector) => vector.get(0) <= 1),
    ends[1],
  );
  assert.equal(
    index.cutBefore(ends[3] as number, () => false),
    null,
  );
  index.truncated(ends[1] as number);
  assert.equal(index.baseVector.get(0), 1);
  assert.equal(
    index.startFor(() => false),
    ends[1],
    "nothing older is left to read",
  );
});

test("an index taken over from a checkpoint goes on where that was", () => {
  const { index, applied, ends } = logOf([MIB, MIB, MIB]);
  const next = new LogIndex();
  next.restore(index.marks(), ends[2] as number);
  next.appended((ends[2] as number) + 5, applied, true);
  assert.equal(next.end, (ends[2] as number) + 5);
  assert.equal(next.durableTo, next.end);
  assert.equal(
    next.startFor(() => false),
    0,
  );
});
